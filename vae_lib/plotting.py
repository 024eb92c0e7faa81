"""One style for all figures, and the drawing of the whole pipeline. Colours come from `vae_lib.palette`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.palette import LIGHT as color

__all__ = ["PIPELINE_PARTS", "color", "label", "pipeline", "pipeline_svg", "show_digits", "use_style"]

_STYLE = {
    "figure.figsize": (7.2, 3.0),
    "figure.dpi": 80,  # shown at twice that: see use_style
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.edgecolor": color["muted"],
    "axes.labelcolor": color["ink"],
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": color["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(
        color=[color[name] for name in ("ink", "approximate", "likelihood", "prior")]
    ),
    "xtick.color": color["muted"],
    "ytick.color": color["muted"],
    "text.color": color["ink"],
    "grid.color": color["muted"],
    "grid.alpha": 0.2,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "image.cmap": "gray_r",  # ink on paper, as on the page the digits were written on
}


def use_style() -> None:
    """Draw every figure from now on in the book's style; in a notebook also sharp on dense screens."""
    plt.rcParams.update(_STYLE)
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
    except (ImportError, AttributeError):  # not in a notebook
        pass


def label(ax: Axes, x: float, y: float, text: str, kind: str = "ink", **kwargs) -> None:
    """Write `text` at (x, y) in the colour of `kind`: a direct label instead of a legend."""
    if kind not in color:
        raise ValueError(f"kind must be one of {', '.join(color)}, got {kind!r}")
    ax.text(x, y, text, color=color[kind], **{"va": "center", **kwargs})


def show_digits(
    images: Tensor,
    *,
    rows: int = 1,
    titles: Sequence[str] | None = None,
    row_labels: Sequence[str] | None = None,
) -> Figure:
    """Draw flat square images, (N, D) in [0, 1], as a grid of `rows` rows, row by row, dark ink on white.

    Args:
        images: (N, D); N must be a multiple of `rows`, D a square number.
        titles: one short title per column.
        row_labels: one label per row.

    Raises:
        ValueError: the images do not fill the grid, are not square, or the labels do not fit.
    """
    if images.ndim != 2 or images.numel() == 0:
        raise ValueError(f"images must have shape (N, D) and not be empty, got {tuple(images.shape)}")
    if rows < 1:
        raise ValueError(f"rows must be at least 1, got {rows}")
    count, pixels = images.shape
    side, columns = math.isqrt(pixels), count // rows
    if side * side != pixels or columns * rows != count:
        raise ValueError(f"{count} images of {pixels} pixels do not make {rows} rows of square images")
    for name, texts, wanted in (("titles", titles, columns), ("row_labels", row_labels, rows)):
        if texts is not None and len(texts) != wanted:
            raise ValueError(f"{name} must have {wanted} entries, got {len(texts)}")
    figure, axes = plt.subplots(rows, columns, figsize=(7.2, 7.2 / columns * rows * 1.08), squeeze=False)
    for ax, image in zip(axes.flat, images.detach().cpu().numpy(), strict=True):
        ax.imshow(image.reshape(side, side), vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, alpha=0.3)
    for ax, title in zip(axes[0], titles or [], strict=False):
        ax.set_title(title, loc="center")
    for ax, text in zip(axes[:, 0], row_labels or [], strict=False):
        ax.set_ylabel(text)
    return figure


# The pipeline x → encoder → μ, σ → z → decoder → x′ with the two loss terms hanging where they arise.

PIPELINE_PARTS = ("x", "encoder", "mu_sigma", "eps", "z", "decoder", "x_prime", "reconstruction", "kl")

_SHAPES = {  # part: (colour, SVG path)
    "x": ("ink", "M10 66h70v70h-70z"),
    "encoder": ("approximate", "M116 46l110 28v54l-110 28z"),
    "mu_sigma": ("approximate", "M262 62h76v34h-76z M262 106h76v34h-76z"),
    "eps": ("prior", "M402 6a22 22 0 1 0 .1 0z"),
    "z": ("approximate", "M402 75a26 26 0 1 0 .1 0z"),
    "decoder": ("likelihood", "M466 74l110 -28v110l-110 -28z"),
    "x_prime": ("likelihood", "M612 66h70v70h-70z"),
    "kl": ("approximate", "M196 196h208v44h-208z"),
    "reconstruction": ("likelihood", "M452 196h230v44h-230z"),
}
_TEXTS = {  # part: ((x, y, text), ...)
    "x": ((45, 110, "x"),),
    "encoder": ((171, 109, "encoder"),),
    "mu_sigma": ((300, 87, "μ"), (300, 131, "σ")),
    "eps": ((402, 36, "ε"),),
    "z": ((402, 109, "z"),),
    "decoder": ((521, 109, "decoder"),),
    "x_prime": ((647, 110, "x′"),),
    "kl": ((300, 226, "KL(q ‖ p(z))"),),
    "reconstruction": ((567, 226, "−log p(x|z)"),),
}
_ARROWS = {  # part that the arrow leads to: ((x1, y1, x2, y2), ...), horizontal or vertical
    "encoder": ((80, 101, 114, 101),),
    "mu_sigma": ((226, 79, 260, 79), (226, 123, 260, 123)),
    "z": ((338, 101, 374, 101), (402, 50, 402, 73)),
    "decoder": ((428, 101, 464, 101),),
    "x_prime": ((576, 101, 610, 101),),
    "kl": ((300, 140, 300, 194),),
    "reconstruction": ((647, 136, 647, 194),),
}


def pipeline_svg(highlight: Sequence[str] = ()) -> str:
    """The drawing of the whole model as inline SVG; with `highlight`, all parts but these are faded.

    Raises:
        ValueError: a name is not in `PIPELINE_PARTS`.
    """
    highlight = (highlight,) if isinstance(highlight, str) else tuple(highlight)
    unknown = [part for part in highlight if part not in PIPELINE_PARTS]
    if unknown:
        raise ValueError(f"unknown parts {unknown}; the parts are {', '.join(PIPELINE_PARTS)}")
    groups = "".join(_part_svg(part, not highlight or part in highlight) for part in PIPELINE_PARTS)
    return (
        f'<svg class="pipeline" role="img" aria-label="{_description(highlight)}" viewBox="0 0 692 250" '
        'style="width:100%;max-width:692px;background:var(--pipeline-background,#fff)" '
        f'font-family="system-ui,sans-serif" font-size="24" text-anchor="middle">{groups}</svg>'
    )


class pipeline:
    """The drawing for a notebook cell: `pipeline("encoder", "mu_sigma")` highlights these two parts."""

    def __init__(self, *highlight: str):
        self._svg, self._text = pipeline_svg(highlight), _description(highlight)

    def _repr_html_(self) -> str:
        return self._svg

    def __repr__(self) -> str:
        return self._text


def _description(highlight: Sequence[str]) -> str:
    text = (
        "The pipeline: image x, encoder, μ and σ, latent z = μ + σ ε, decoder, output x′; the KL term hangs "
        "at μ and σ, the reconstruction term at x′."
    )
    if highlight:
        text += f" Highlighted here: {', '.join(part.replace('_', ' ') for part in highlight)}."
    return text


def _part_svg(part: str, bright: bool) -> str:
    """A part with its arrows and words; the words of a faded one are grey, and can still be read."""
    kind, path = _SHAPES[part]
    paint = f"var(--{kind},{color[kind]})"
    line = f'style="fill:none;stroke:{paint};stroke-width:3;stroke-linejoin:round"'
    tone = "ink" if bright else "muted"
    ink = f'style="fill:var(--{tone},{color[tone]})"'
    arrows = "".join(_arrow_svg(*ends) for ends in _ARROWS.get(part, ()))
    texts = "".join(f'<text x="{x}" y="{y}" {ink}>{text}</text>' for x, y, text in _TEXTS[part])
    opacity = "" if bright else ' opacity=".4"'
    return f'<g{opacity}>{arrows}<path d="{path}" {line}/></g>{texts}'


def _arrow_svg(x1: int, y1: int, x2: int, y2: int) -> str:
    """A straight arrow to the right or down."""
    head = f"M{x2} {y2}l-10 -6v12z" if y1 == y2 else f"M{x2} {y2}l-6 -10h12z"
    paint = f"var(--muted,{color['muted']})"
    return f'<path d="M{x1} {y1}L{x2} {y2}{head}" style="fill:{paint};stroke:{paint};stroke-width:2"/>'
