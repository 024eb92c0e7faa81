"""Cards of explorers in a browser: what they show, beside what vae_lib computes; and pages of cards alone."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest
from conftest import SET

from site_extension import explorers
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base

# Waits until all is computed and drawn; without an end, a card that never rests would halt the tests.
REST = """async (root) => {
  const start = performance.now();
  do {
    await new Promise(requestAnimationFrame);
    if (performance.now() - start > 60_000) throw new Error(`${root.dataset.explorer} never rests`);
  } while (!root.classList.contains("live") || root.hasAttribute("data-busy"));
}"""

READ = """(root) => ({
  controls: [...root.querySelectorAll(".control :is(input:not(.typed), select)")].map((c) => {
    const pixel = c.type === "checkbox";
    const value = pixel ? 16 * c.style.getPropertyValue("--level") : c.getAttribute("aria-valuetext");
    return [c.name, pixel ? value : (value ?? c.value).replace("−", "-")];
  }),
  outputs: [...root.querySelectorAll("output")].map((o) => [o.name, o.dataset.value ?? null, o.textContent]),
  words: root.querySelector("[role=img]").getAttribute("aria-label"),
  fault: root.querySelector(".fault").checkVisibility() ? root.querySelector(".fault").textContent : "",
})"""


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def opening(name):
    """The state in which an explorer opens, to be compared up to the rounding of numbers."""
    state = EXPLORERS[name]().state()
    return {k: v if isinstance(v, str | tuple) else pytest.approx(v) for k, v in state.items()}


@dataclass
class Reading:
    """What a card showed at one moment, as READ returns it, and the data that it computes with."""

    name: str
    controls: list
    outputs: list
    words: str
    fault: str
    data: dict | None

    def state(self):
        """The state that the controls show; the pixels may be those of another image than one's own."""
        found = {}
        for key, trait in EXPLORERS[self.name].parameters().items():
            values = [value for name, value in self.controls if name == key]
            if isinstance(trait, base.Pixels):
                found[key] = tuple(values)
            else:
                found[key] = (
                    values[0] if isinstance(trait, base.Choice) else float(values[0].partition(",")[0])
                )
        return found

    def shown(self):
        """Output → all digits of its number, or None."""
        return {name: None if value in ("null", None) else float(value) for name, value, _ in self.outputs}

    def texts(self):
        """Output → the text that a reader sees."""
        return {name: text for name, _, text in self.outputs}

    def numbers(self):
        """What vae_lib computes at this state, with the data on the page."""
        data = {"_data": self.data} if self.data else {}
        return EXPLORERS[self.name](**data, **self.state()).numbers()

    def check(self):
        """What is shown is what vae_lib computes at the state of the controls."""
        wanted, shown, texts = self.numbers(), self.shown(), self.texts()
        assert list(shown) == list(wanted)
        for key, value in wanted.items():
            if value is None:
                assert shown[key] is None and texts[key] in ("none", "after your guess"), key
                continue
            assert math.isclose(shown[key], value, rel_tol=1e-9, abs_tol=1e-11), key
            factor, power = re.match(r"(−?\d[\d.]*)(?:·10([⁻⁰¹²³⁴-⁹]+))?", texts[key]).groups()
            digits = len(factor.partition(".")[2])
            scale = 10.0 ** int((power or "0").translate(RAISED))
            number = float(factor.replace("−", "-")) * scale
            assert abs(number - value) <= 0.5001 * scale * 10**-digits, f"{key}: {texts[key]}"


def data_of(card):
    """The data with which a card computes. They stay, and there are many: they are read once."""
    return json.loads(card.get_attribute("data-spec")).get("data")


class Card:
    """An explorer on an open page: its controls set, its numbers read."""

    def __init__(self, page, name):
        self.page, self.name, self.cls = page, name, EXPLORERS[name]
        self.root = page.locator(f'[data-explorer="{name}"]')
        self.rest()
        self.data = data_of(self.root)

    def rest(self):
        """Wait until everything is computed and drawn."""
        self.root.evaluate(REST)

    def read(self):
        return Reading(self.name, data=self.data, **self.root.evaluate(READ))

    def unfold(self):
        """Open what is folded."""
        self.root.evaluate("root => root.querySelectorAll('details').forEach((one) => (one.open = true))")

    def state(self):
        return self.read().state()

    def shown(self):
        return self.read().shown()

    def texts(self):
        return self.read().texts()

    def words(self):
        """What is said of the picture."""
        return self.read().words

    def check(self):
        self.read().check()

    def input(self, key):
        """The control of a trait; of pixels, the first."""
        return self.root.locator(f'[name="{key}"]').and_(self.root.locator("input, select")).first

    def set(self, key, value):
        """Set a control as its user would, to a value of the trait; pixels to black or white."""
        trait = self.cls.parameters()[key]
        if isinstance(trait, base.Pixels):
            self.root.get_by_role("button", name="Clear").click()
            for i in (i for i, level in enumerate(value) if level):
                self.root.locator(f'[name="{key}"]').nth(i).press("Space")
        else:
            self.input(key).evaluate(SET, str(math.log10(value) if getattr(trait, "log", False) else value))
        self.rest()

    def reset(self):
        self.root.get_by_role("button", name="Reset").click()
        self.rest()

    def picture(self):
        """A fingerprint of what is on the canvas."""
        return hash(self.root.locator("canvas").evaluate("c => c.toDataURL()"))


# The page of cards

PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>body {{ margin: 0; background: var(--paper); }}</style>
<link rel="stylesheet" href="cards.css">
<script src="faces.js"></script>
{scripts}
<main>
{cards}
</main>
"""

# Three faces of different width, for the checks of the layout. They are those of matplotlib, so that they
# are the same on every machine: DejaVu Sans, which is among the widest that a notebook is shown in, and the
# same made as narrow as Noto Sans and as Liberation Sans (Arial) are on average over English text.
FACES = {"wide": 1.0, "middle": 0.93, "narrow": 0.88}
FACE = """
@font-face {{ font-family: {name}; src: url(regular.ttf); size-adjust: {size:.1%}; font-weight: 400; }}
@font-face {{ font-family: {name}; src: url(bold.ttf); size-adjust: {size:.1%}; font-weight: 600 700; }}
html[data-face="{name}"] .vae-explorer,
html[data-face="{name}"] .vae-explorer :is(svg, text):not([font-family*="mono"]) {{
  font-family: "{name}";
}}
"""
# A canvas names its face in its script; this puts the chosen one in its place. And tests may look at its
# pixels: without this attribute the browser warns.
FACES_SCRIPT = """const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind) {
  return context.call(this, kind, { willReadFrequently: true });
};
const font = Object.getOwnPropertyDescriptor(CanvasRenderingContext2D.prototype, "font");
Object.defineProperty(CanvasRenderingContext2D.prototype, "font", {
  get: font.get,
  set(value) {
    const { face } = document.documentElement.dataset;
    font.set.call(this, face && !value.includes("mono") ? value.replace(/px .*/, `px "${face}"`) : value);
  },
});
"""
WEAR = """async (face) => {
  await Promise.all([400, 700].map((weight) => document.fonts.load(`${weight} 15px "${face}"`, "aσ")));
  document.documentElement.dataset.face = face;
  document.documentElement.dataset.theme = document.documentElement.dataset.theme; // draws everything anew
}"""


def write_pages(folder, groups, data, fonts):
    """Pages of cards alone, made from the sources: for the names "a" and "b" together, the page a+b.html.

    The cards are those of the site, drawn by the same function; the script is the site's before it is made
    short. `fonts` are the rules of its fonts.
    """
    names = list(dict.fromkeys(name for group in groups for name in group))
    made = {
        name: EXPLORERS[name](_data=data[name]()) if name in data else EXPLORERS[name]() for name in names
    }
    context = {"body": "\n".join(made[name].stub() for name in names)}
    explorers.place_cards(
        SimpleNamespace(add_css_file=str, add_js_file=lambda *a, **k: None), "", "", context, None
    )
    cards = dict(zip(names, re.split(r"\n(?=<div class=\"vae-explorer\")", context["body"]), strict=True))
    for group in groups:
        own = [f"{name}.js" for name in group if EXPLORERS[name].own_script]
        assets = [file for name in group for file in EXPLORERS[name].assets()]
        page = PAGE.format(
            title=", ".join(group),
            scripts="\n".join(
                f'<script src="{file}" async></script>' for file in ("explorers.js", *own, *assets)
            ),
            cards="\n".join(cards[name] for name in group),
        )
        (folder / f"{'+'.join(group)}.html").write_text(page, encoding="utf-8")
    faces = "".join(FACE.format(name=name, size=size) for name, size in FACES.items())
    (folder / "cards.css").write_text(fonts + base.STYLE + faces, encoding="utf-8")
    files = explorers.scripts(names)
    for name in names:
        files |= EXPLORERS[name].assets()
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    (folder / "faces.js").write_text(FACES_SCRIPT, encoding="utf-8")
    others = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for ours, theirs in (("regular", "DejaVuSans"), ("bold", "DejaVuSans-Bold")):
        shutil.copy(others / f"{theirs}.ttf", folder / f"{ours}.ttf")
