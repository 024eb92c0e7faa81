"""Words of the text that set an explorer: `sets` in the metadata of a Markdown cell.

    "sets": {"σ = 0.2": "kl?sigma=0.2", "σ from 0.1 to 1": "kl?sigma=0.1..1"}

The script of the explorers makes a button of the first. Behind the second stands a slider from here on, as a
later one would move the lines; a range has one trait, and may lead from a large to a small value. Everywhere
else, in Jupyter, in Colab, in print and without JavaScript, they are the words that they are.
"""

from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

from tools.notebooks import read

from .pages import STOP

LINES = 10_000  # myst-nb counts the lines of the cell with index i from (i + 1) times this


class Sets(SphinxTransform):
    """Mark the words of each cell that set an explorer; before NoBreaks, which changes spaces."""

    default_priority = 350

    def apply(self):
        path = Path(self.env.doc2path(self.env.docname))
        if path.suffix != ".ipynb":
            return
        for index, cell in enumerate(read(path)["cells"]):
            for words, state in cell["metadata"].get("sets", {}).items():
                if not any(mark(node, words, state) for node in self.texts(index)):
                    raise ExtensionError(
                        f"{path.name}, cell {cell['id']}: no text {words!r} that could set {state}"
                    )

    def texts(self, index):
        """The pieces of text and the formulas of a cell."""
        for node in list(self.document.findall(lambda node: isinstance(node, nodes.Text | nodes.math))):
            block = node
            while block is not None and not getattr(block, "line", None):  # a text has the line 0
                block = block.parent
            if block is not None and block.line // LINES == index + 1:
                yield node


def mark(node, words: str, state: str) -> bool:
    """Wrap the first such words of a text, or a formula that is written so; False if they are not there."""
    kind = "sets range" if ".." in state else "sets"
    opening, closing = raw(f'<span class="{kind}" data-sets="{escape(state)}">'), raw("</span>")
    if isinstance(node, nodes.math):
        parts = [opening, node.deepcopy(), closing] if node.astext() == words else []
    else:
        before, found, after = node.astext().partition(words)
        inside = [nodes.Text(words)]
        if ".." in state:  # the slider stays on one line with the last word and what ends the sentence
            start, _, last = words.rpartition(" ")
            stop = STOP.match(after)
            end, after = (stop[0], after[stop.end() :]) if stop else ("", after)
            slider = raw(f'<input type="range" aria-label="{escape(words)}">')
            kept = [nodes.Text(last), slider, nodes.Text(end)]
            inside = [nodes.Text(start + " "), nodes.inline("", "", *kept, classes=["no-break"])]
        parts = [nodes.Text(before), opening, *inside, closing, nodes.Text(after)] if found else []
    if parts:
        place = node.parent.index(node)
        node.parent[place : place + 1] = parts
    return bool(parts)


def raw(html: str):
    return nodes.raw("", html, format="html")


def setup(app):
    app.add_transform(Sets)
