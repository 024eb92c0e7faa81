"""Explorers on the site: where a notebook's output stands for one, its card is put, drawn already,
and the page gets the script that brings it to life."""

import html
import json
import re
import subprocess
from pathlib import Path

from vae_lib.explorers import EXPLORERS, base

from .formulas import node_command

STUB = re.compile(
    r'<div class="vae-explorer" data-explorer="(\w+)" data-state="([^"]*)">.*?</div>', re.DOTALL
)
DRAW = Path(__file__).with_suffix(".mjs")


def write(folder: Path):
    """The script and the stylesheet of all explorers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "explorers.js").write_text(base.site_script(list(EXPLORERS)), encoding="utf-8")
    (folder / "explorers.css").write_text(base.STYLE, encoding="utf-8")


def draw(cards: list[dict]) -> list[str]:
    """The inner HTML of each card, by the script that will run in the reader's browser."""
    lines = "".join(json.dumps(card) + "\n" for card in cards)
    command = [node_command(), DRAW, base.HERE]
    run = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8")
    if run.returncode:
        raise RuntimeError(f"an explorer could not be drawn: {run.stderr.strip()}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def place_cards(app, pagename, templatename, context, doctree):
    """Replace the stubs of a page by cards, each with an id of its own."""
    cards = []
    for name, state in STUB.findall(context.get("body", "")):
        explorer = EXPLORERS[name](**json.loads(html.unescape(state)))
        cards.append(explorer.card() | {"id": f"explorer-{name}-{len(cards)}"})
    if not cards:
        return
    drawn = [(card, inner) for card, inner in zip(cards, draw(cards), strict=True)]

    def place(_):
        card, inner = drawn.pop(0)
        data = html.escape(json.dumps({"spec": card["spec"], "state": card["state"]}), quote=True)
        return f'<div class="vae-explorer" data-explorer="{card["name"]}" data-spec="{data}">{inner}</div>'

    context["body"] = STUB.sub(place, context["body"])
    app.add_css_file("explorers.css")
    app.add_js_file("explorers.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", place_cards)
