"""A panel of plain ipywidgets, for figures that need the kernel: any drawing function gets sliders."""

from __future__ import annotations

import html
import io
from collections.abc import Callable

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from vae_lib.explorers.shared.base import mimebundle


class KernelPanel:
    """Sliders over a function that draws a matplotlib figure; the kernel draws it anew at each move.

    Args:
        draw: takes the sliders' values by name and returns a figure.
        alt: what the figure shows, in words, for those who do not see it.
        sliders: name=(opening, low, high, step, label).

    `panel.sliders["mu"].value` reads a slider and sets it. A page without a kernel shows one line in
    the panel's place, so put a picture beside it.

    Raises:
        ValueError: an opening value is outside its bounds.
    """

    def __init__(
        self, draw: Callable[..., Figure], alt: str, **sliders: tuple[float, float, float, float, str]
    ):
        self._draw = draw
        self.sliders, rows = {}, []
        for name, (opening, low, high, step, label) in sliders.items():
            if not low <= opening <= high:
                raise ValueError(f"{name} must open between {low} and {high}, got {opening}")
            self.sliders[name] = widgets.FloatSlider(
                value=opening, min=low, max=high, step=step, description=label,
                continuous_update=False, style={"description_width": "initial"},
            )  # fmt: skip
            self.sliders[name].observe(self.redraw, "value")
            rows.append(self.sliders[name])
        self.picture = widgets.Image(format="png", layout={"align_self": "flex-start"})
        self.words = widgets.HTML(f"<small>{alt}</small>")
        self.box = widgets.VBox([*rows, self.picture, self.words])
        self.redraw()

    def redraw(self, change=None) -> None:
        """Draw the figure at the sliders' values and put it in the panel."""
        figure = self._draw(**{name: slider.value for name, slider in self.sliders.items()})
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=100)
        plt.close(figure)
        self.picture.value = png.getvalue()

    def __repr__(self) -> str:
        names = ", ".join(self.sliders)
        return f"A panel with sliders for {names}: it moves in a running notebook, where the kernel draws it."

    def _repr_mimebundle_(self, **kwargs):
        return mimebundle(self.box.model_id, repr(self), f"<p>{html.escape(repr(self))}</p>")
