"""A figure beside the text that speaks of it: from a window of 90 rem (1440 pixels) on, by book.css alone.

An explorer and what stands before and behind it in its section, up to a heading or to something that needs
the whole width, become three boxes in a `div.beside`. On a narrower page, in print and in a notebook they
follow each other as they are written.
"""

from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform

from tools.notebooks import read
from vae_lib.explorers import EXPLORERS

FIGURES = {"explorer-" + name.replace("_", "-") for name in EXPLORERS}  # the ids of their cells
WIDE = (
    nodes.title,
    nodes.section,
    nodes.math_block,
    nodes.table,
    nodes.image,
    nodes.figure,
    nodes.literal_block,
)
# The script of the theme folds the table of contents on the right while an element of this class is in sight.
MARK = '<span class="tag_marginnote"></span>'


class Beside(SphinxTransform):
    """Put each explorer of a notebook and its text into boxes."""

    default_priority = 410  # after Cells, which looks for the cells

    def apply(self):
        path = Path(self.env.doc2path(self.env.docname))
        if path.suffix != ".ipynb":
            return
        cells = read(path)["cells"]
        for node in list(self.document.findall(nodes.container)):
            if is_figure(node, cells):
                wrap(node, cells)


def wrap(figure, cells):
    """Replace a figure and its text by their boxes.

    The last paragraph before another figure announces that one, and what has a box keeps it.
    """
    section = figure.parent
    place = section.index(figure)
    first = last = place
    while first > 0 and narrow(section[first - 1], cells):
        first -= 1
    while last + 1 < len(section) and narrow(section[last + 1], cells):
        last += 1
    if last > place and last + 1 < len(section) and is_figure(section[last + 1], cells):
        last -= 1
    groups = {
        "text-before": section[first:place],
        "figure-beside": [nodes.raw("", MARK, format="html"), figure],
        "text-after": section[place + 1 : last + 1],
    }
    boxes = [nodes.container("", *group, classes=[name]) for name, group in groups.items()]
    section[first : last + 1] = [nodes.container("", *boxes, classes=["beside"])]


def is_figure(node, cells) -> bool:
    """Is it the cell of an explorer?"""
    return node.get("nb_element") == "cell_code" and cells[node["cell_index"]]["id"] in FIGURES


def narrow(node, cells) -> bool:
    """Can it stand in the narrow column? Of code only what is folded or shows no output."""
    if node.get("nb_element") == "cell_code":
        tags = cells[node["cell_index"]]["metadata"].get("tags", [])
        return not is_figure(node, cells) and bool({"hide-cell", "remove-output"} & set(tags))
    return not isinstance(node, WIDE) and "beside" not in node.get("classes", [])


def setup(app):
    app.add_transform(Beside)
