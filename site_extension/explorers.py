"""Explorers on the site: the output of a notebook that stands for an explorer is replaced by its card with a
still picture, and the page gets the script that makes it interactive."""

import html
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.errors import ExtensionError

from tools import npm
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base

STUB = re.compile(
    r'<div class="vae-explorer" data-explorer="(\w+)" data-state="([^"]*)"'
    r'(?: data-data="([^"]*)")?>.*?</div>',
    re.DOTALL,
)
ROW = re.compile(r"<!-- the terms in (\w+) -->\n?")  # below an equation, whose terms the figure shows
EQUATION = re.compile(r'equation: \{\s*number: "([\d.]+)"')
DRAW = base.SHARED / "still.mjs"


def write(folder: Path):
    """Write the minified scripts of all explorers and their stylesheet into `folder`, a part of the site."""
    for name, text in scripts(EXPLORERS).items():
        (folder / name).write_text(shortened(text), encoding="utf-8")
    for cls in EXPLORERS.values():
        for name, text in cls.assets().items():
            (folder / name).write_text(text, encoding="utf-8")
    (folder / "explorers.css").write_text(base.STYLE, encoding="utf-8")


def scripts(names: Iterable[str]) -> dict[str, str]:
    """Name → text of the scripts: one for the explorers together, and one for each that has its own."""
    own = [name for name in names if EXPLORERS[name].own_script]
    together = base.site_script(name for name in names if name not in own)
    return {"explorers.js": together} | {f"{name}.js": base.own_script(name) for name in own}


def shortened(script: str) -> str:
    """The script without comments and with short names, also of private members (#name)."""
    uglify = npm.package("uglify-js") / "bin" / "uglifyjs"
    return run([uglify, "--compress", "passes=2", "--mangle", "--mangle-props", "regex=/^#/"], script)


def run(arguments: list, text: str) -> str:
    """The output of a node script that gets `text` as input."""
    command = [npm.node_command(), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise ExtensionError(f"{Path(arguments[0]).name} failed: {done.stderr.strip()}")
    return done.stdout


def draw(cards: list[dict]) -> list[list[str]]:
    """Inner HTML of each card and the row of its equation, made by the modules that run in a browser."""
    answers = run([DRAW], "".join(json.dumps(card) + "\n" for card in cards))
    return [json.loads(line) for line in answers.splitlines()]


class ExplorerHere(Directive):
    """The directive `{explorer} NAME`, for a page that is no notebook."""

    required_arguments = 1

    def run(self):
        (name,) = self.arguments
        if name not in EXPLORERS:
            raise self.error(f"no explorer {name!r}; there are {', '.join(EXPLORERS)}")
        return [nodes.raw("", EXPLORERS[name]().stub(), format="html")]


def place_cards(app, pagename, templatename, context, doctree):
    """Replace the stubs of a page by cards; each card has its own id."""
    cards = []
    for name, state, data in STUB.findall(context.get("body", "")):
        state, data = (json.loads(html.unescape(text or "{}")) for text in (state, data))
        explorer = EXPLORERS[name](_data=data, **state)
        still = {"id": f"explorer-{name}-{len(cards)}", "still": explorer.still()}
        cards.append(explorer.card() | still)
    if not cards:
        return
    drawn = list(zip(cards, draw([card | {"data": card["still"]} for card in cards]), strict=True))
    rows = {card["name"]: row for card, (_, row) in drawn}

    def place(_):
        card, (inner, _) = drawn.pop(0)
        data = html.escape(json.dumps({key: card[key] for key in ("spec", "state", "data")}))
        name = f'id="{card["id"]}" data-explorer="{card["name"]}"'
        opening = f'<div class="vae-explorer" {name} data-spec="{data}">'
        return f"{opening}{inner}</div>"

    body = STUB.sub(place, context["body"])
    context["body"] = ROW.sub(lambda here: rows.get(here[1], ""), body)
    app.add_css_file("explorers.css")
    app.add_js_file("explorers.js", loading_method="async")
    for name in dict.fromkeys(card["name"] for card in cards):
        if EXPLORERS[name].own_script:
            for file in (f"{name}.js", *EXPLORERS[name].assets()):
                app.add_js_file(file, loading_method="async")


def mark_equations(app, doctree, docname):
    """Mark the place below each equation whose terms are those of an explorer."""
    for name in EXPLORERS:
        found = EQUATION.search((base.SCRIPTS / f"{name}.js").read_text(encoding="utf-8"))
        for formula in list(doctree.findall(nodes.math_block)) if found else ():
            if "eq-" + found[1].replace(".", "-") in formula["ids"]:
                place = formula.parent.index(formula) + 1
                formula.parent.insert(place, nodes.raw("", f"<!-- the terms in {name} -->\n", format="html"))


def setup(app):
    app.connect("doctree-resolved", mark_equations)
    app.add_directive("explorer", ExplorerHere)
    app.connect("html-page-context", place_cards)
