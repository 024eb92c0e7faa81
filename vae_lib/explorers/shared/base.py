"""What all explorers share: traits with bounds, their scripts, and what a page without a kernel shows."""

from __future__ import annotations

import functools
import html
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path

import anywidget
import traitlets

from vae_lib.explorers.shared import bundle
from vae_lib.palette import css_variables

SHARED = Path(__file__).parent
SCRIPTS = SHARED.parent  # a script for each explorer, beside its class
ENTRY = SHARED / "mount.js"  # the shared module that brings cards to life

# Selectors of dark mode: on this site, in JupyterLab and notebook 7, in VS Code (two), in Colab.
DARK_MODES = (
    'html[data-theme="dark"]',
    '[data-jp-theme-light="false"]',
    ".vscode-dark",
    '[data-vscode-theme-kind="vscode-high-contrast"]',
    'html[theme="dark"]',
)
STYLE = css_variables(
    ".vae-explorer", ",".join(f"{mode} .vae-explorer:not(.printing)" for mode in DARK_MODES)
)
STYLE += (SHARED / "explorers.css").read_text(encoding="utf-8")
LEVELS = 16  # grey levels of a pixel beyond 0
MOST_DRAWS = 100_000  # number of draws of a seed; an explorer takes the first L of them


class Slider(traitlets.TraitType):
    """A number between two bounds: a trait of an explorer, and the slider that shows it.

    Args:
        default: the value in which the explorer opens.
        low, high: the bounds, both allowed.
        step: distance of two positions of the slider; on a logarithmic slider in powers of ten. A
            value that is set from Python need not lie on a position.
        label: the words beside the slider.
        log: a logarithmic slider.
        integer: whole numbers only.
        color: the colour of the palette that stands for the quantity, if one does.
        clears: a menu that goes back to its default whenever the slider moves.
    """

    def __init__(self, default, low, high, step, label, *, log=False, integer=False, color=None, clears=None):
        self.low, self.high, self.step, self.label = low, high, step, label
        self.log, self.integer, self.color, self.clears = log, integer, color, clears
        super().__init__(default)
        self.tag(sync=True)

    def validate(self, obj, value):
        """`value` as a float, or an int for a whole number.

        Raises:
            ValueError: it is not a number, not whole where it has to be, or outside the bounds.
        """
        kind = "a whole number" if self.integer else "a number"
        wanted = f"{self.name} must be {kind} from {self.low} to {self.high}, got {value!r}"
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(wanted)
        if not self.low <= value <= self.high or (self.integer and value != int(value)):  # NaN, too
            raise ValueError(wanted)
        return int(value) if self.integer else float(value)

    def control(self, opening) -> dict:
        """What the script needs to know in order to draw the slider."""
        return {
            "name": self.name,
            "label": self.label,
            "opening": opening,
            "min": self.low,
            "max": self.high,
            "step": self.step,
            "log": self.log,
            "integer": self.integer,
            "color": self.color,
            "clears": self.clears,
        }


class Choice(traitlets.TraitType):
    """One of a few named options: a trait of an explorer, and the menu that shows it.

    Args:
        default: the option in which the explorer opens; where a slider clears the menu, its first.
        options: the values that are allowed, each with the words that the menu shows for it.
        label: the words beside the menu.
    """

    def __init__(self, default: str, options: Mapping[str, str], label: str):
        self.options, self.label = dict(options), label
        super().__init__(default)
        self.tag(sync=True)

    def validate(self, obj, value):
        """`value` itself.

        Raises:
            ValueError: it is not one of the options.
        """
        if value not in self.options:
            raise ValueError(f"{self.name} must be one of {', '.join(self.options)}, got {value!r}")
        return value

    def control(self, opening) -> dict:
        """What the script needs to know in order to draw the menu."""
        return {
            "name": self.name,
            "label": self.label,
            "opening": opening,
            "options": list(self.options.items()),
        }


class Pixels(traitlets.TraitType):
    """A square image of grey levels 0 to 16: a trait of an explorer, and the boxes in which one draws.

    Args:
        default: the levels of the image in which the explorer opens, row by row.
        label: the words above the boxes.
    """

    def __init__(self, default: Sequence[int], label: str):
        self.count, self.label = len(default), label
        super().__init__(tuple(default))
        self.tag(sync=True)

    def validate(self, obj, value):
        """`value` as a tuple of ints; the items of a list could change without a message to the figure.

        Raises:
            ValueError: it is not a list of as many whole numbers from 0 to 16 as there are pixels.
        """
        wanted = f"{self.name} must be {self.count} whole numbers from 0 to {LEVELS}, got "
        if not isinstance(value, list | tuple):
            raise ValueError(wanted + repr(value))
        if len(value) != self.count:
            raise ValueError(wanted + f"{len(value)} values")
        for v in value:
            if isinstance(v, bool) or not isinstance(v, Real) or not 0 <= v <= LEVELS or v != int(v):
                raise ValueError(wanted + f"{v!r} among them")
        return tuple(int(v) for v in value)

    def control(self, opening) -> dict:
        """What the script needs to know in order to draw the boxes."""
        return {"name": self.name, "label": self.label, "opening": opening, "pixels": self.count}


class Explorer(anywidget.AnyWidget):
    """A figure with sliders: in a notebook a widget, on the site a script without a kernel.

    A subclass has a `question`, the number of the `chapter` that shows it, and traits; `numbers()` computes
    with vae_lib what its script, the file of the same name, shows. Every trait can be read and set while the
    figure is on the screen: `explorer.sigma = 0.3` moves it. What was computed before, such as the weights of
    a trained model, goes to the script as `_data`, a dictionary that JSON can hold; it belongs to no slider.
    A subclass that needs `_data` has `required_counts`, such as {"runs": 9}; `counts()`, which finds the
    actual counts of given data; and `builder`, the name of the function that makes such data.

    Raises:
        ValueError: a trait is set to a value outside its bounds, or to something that is no number, or
            `_data` does not hold what it must.
    """

    name: str
    question: str
    chapter: int
    required_counts: Mapping[str, int] = {}
    builder: str
    own_script = False  # on the site its script is a file of its own, for the pages that show it
    _css = STYLE
    _spec = traitlets.Dict().tag(sync=True)
    _data = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, **kwargs):
        # anywidget makes a class of its own for each object, in which _esm has become a trait
        if "_esm" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]
            cls._esm = notebook_script(cls.name)
        super().__init_subclass__(**kwargs)

    def __init__(self, **state):
        unknown = set(state) - {"_data", *self.parameters()}
        if unknown:
            known = ", ".join(self.parameters())
            raise ValueError(f"{', '.join(sorted(unknown))}: not a trait of this explorer; it has {known}")
        super().__init__(**state)
        for name, trait in self.parameters().items():
            if getattr(trait, "clears", None):  # not before: the state given above keeps its menu
                self.observe(functools.partial(self._clear, trait.clears), name)

    def _clear(self, name: str, change) -> None:
        setattr(self, name, self.parameters()[name].default_value)

    @traitlets.validate("_data")
    def _complete(self, proposal) -> dict:
        data = proposal["value"]
        required = self.required_counts
        if data and required and (actual := self.counts(data)) != tuple(required.values()):
            wanted = " and ".join(f"{count} {what}" for what, count in required.items())
            found = " and ".join(map(str, actual))
            raise ValueError(f"_data must hold {wanted}, built by {self.builder}; got {found}")
        return data

    @staticmethod
    def counts(data: Mapping) -> tuple[int, ...]:
        """The actual counts of `data`, in the order of `required_counts`."""
        raise NotImplementedError

    @traitlets.default("_spec")  # computed once, from the state in which the explorer opens
    def _opening(self) -> dict:
        controls = [trait.control(getattr(self, name)) for name, trait in self.parameters().items()]
        return {"question": self.question, "controls": controls}

    @classmethod
    def parameters(cls) -> dict[str, Slider | Choice | Pixels]:
        """The traits that the controls show, in their order on the screen."""
        traits = {name: trait for base in cls.__mro__[::-1] for name, trait in vars(base).items()}
        return {name: trait for name, trait in traits.items() if isinstance(trait, Slider | Choice | Pixels)}

    def state(self) -> dict[str, float | int | str | tuple[int, ...]]:
        """The current value of each parameter."""
        return {name: getattr(self, name) for name in self.parameters()}

    def numbers(self) -> dict[str, float]:
        """Every number that the figure shows at the current state, computed by vae_lib."""
        raise NotImplementedError

    def card(self) -> dict:
        """What the site needs in order to draw this explorer without a kernel."""
        return {"name": self.name, "spec": self._spec, "state": self.state(), "data": self._data}

    def still(self) -> dict:
        """The data of the still picture; other than `_data` if the figure goes on from there by itself."""
        return self._data

    @classmethod
    def assets(cls) -> dict[str, str]:
        """Name → text of further scripts that its pages on the site load."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.state().items())})"

    def _repr_mimebundle_(self, **kwargs):
        bundle = mimebundle(self.model_id, repr(self), self.stub())
        _, metadata = super()._repr_mimebundle_(**kwargs)  # in Colab, where its front end finds anywidget
        return (bundle, metadata) if metadata else bundle

    def stub(self) -> str:
        """HTML for pages without a kernel: the site puts the figure in its place, others show its text."""
        attributes = {"explorer": self.name, "state": json.dumps(self.state())}
        if self._data:
            attributes["data"] = json.dumps(self._data)
        marks = " ".join(f'data-{key}="{html.escape(value)}"' for key, value in attributes.items())
        words = (
            f"An interactive figure: {self.question} It moves on the book’s site and in a running notebook."
        )
        return f'<div class="vae-explorer" {marks}><p>{html.escape(words)}</p></div>'


def mimebundle(model_id: str, words: str, markup: str) -> dict:
    """The widget, `words` for a terminal, and `markup` for pages without a kernel."""
    view = {"version_major": 2, "version_minor": 0, "model_id": model_id}
    bundle = {"text/plain": words, "application/vnd.jupyter.widget-view+json": view}
    if "google.colab" not in sys.modules:  # Colab would show the markup in place of the widget
        bundle["text/html"] = markup
    return bundle


def notebook_script(name: str) -> str:
    """One ES module for a widget: what the explorer imports, the explorer, and the render function."""
    script = SCRIPTS / f"{name}.js"
    return (
        f"{bundle.joined([script], ENTRY)}\nconst explorer = {bundle.expression(script, 'explorer')};\n"
        f"export default {{ render: (context) => mount({name!r}, explorer, context) }};\n"
    )


def own_script(name: str) -> str:
    """One classic script that brings an explorer to the pages whose other explorers have theirs together."""
    return (
        f'"use strict";\n(() => {{\n{bundle.joined([], SCRIPTS / f"{name}.js")}\n'
        f"(window.ownExplorers ??= {{}}).{name} = explorer;\nwindow.wakeExplorers?.();\n}})();\n"
    )


def site_script(names: Iterable[str]) -> str:
    """One classic script for the pages of the site, as a page opened from a folder may not load modules."""
    scripts = {name: SCRIPTS / f"{name}.js" for name in names}
    explorers = "".join(
        f"{name}: {bundle.expression(script, 'explorer')},\n" for name, script in scripts.items()
    )
    modules = bundle.joined(scripts.values(), ENTRY)
    return f'"use strict";\n(() => {{\n{modules}\nwake({{\n{explorers}}});\n}})();\n'
