"""What is folded on the site: asides, and code that only supports the mathematics. Both are native <details>.

An aside is a section whose heading begins with "Aside · ". A code cell with the tag hide-input folds its
code, one with hide-cell its output, too. The line that stays says what the cell does (its first comment) and,
if its output is folded, what came out (the first line that it printed).
"""

from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

from tools.notebooks import ASIDE, folded_line, read

SWITCH = '<p class="show-code"><label><input type="checkbox" autocomplete="off"> Show all code</label></p>'


class Cells(SphinxTransform):
    """A code cell can be the target of a link, `NAME.ipynb#cell-id=ID` as in JupyterLab.

    One that is folded gets its line, and a page with folded code gets the switch that opens all of it.
    """

    default_priority = 400

    def apply(self):
        path = Path(self.env.doc2path(self.env.docname))
        if path.suffix != ".ipynb":
            return
        cells, folded = read(path)["cells"], False
        slugs = self.env.metadata[self.env.docname].setdefault("myst_slugs", {})
        for node in self.document.findall(nodes.container):
            if node.get("nb_element") == "cell_code":
                cell = cells[node["cell_index"]]
                name = f"cell-id={cell['id']}"
                node["ids"].append(name)
                slugs[name] = (node.line, name, cell["id"])
                if "hide_mode" in node and node.children[0].get("nb_element") == "cell_code_source":
                    node["prompt_show"] = node["prompt_hide"] = line(node, cell)
                    folded = True
        if folded:
            self.add_switch()

    def add_switch(self):
        for paragraph in self.document.findall(nodes.paragraph):
            if paragraph.astext().startswith("Time:"):
                place = paragraph.parent.index(paragraph) + 1
                return paragraph.parent.insert(place, nodes.raw("", SWITCH, format="html"))
        raise ExtensionError(f"{self.env.docname}: folded code, but no line Time: to put its switch below")


def line(node, cell) -> str:
    """The line of a folded cell: what it does, and what came out if that is folded, too."""
    does = folded_line(cell)
    if not does:
        raise ExtensionError(
            f"cell {cell['id']} is folded: its first line must be a comment that says what it does"
        )
    printed = (
        node.children[-1].astext().strip() if node["hide_mode"] == "all" and len(node.children) > 1 else ""
    )
    return f"{does}: {printed.splitlines()[0]}" if printed else does


def open_code(self, node):
    text = escape(node["prompt_show"])
    self.body.append(f'<details class="hide"><summary><span class="what">Code</span> {text}</summary>\n')


def close_code(self, node):
    self.body.append("</details>\n")


def fold_asides(app, doctree, docname):
    """Wrap what follows the heading of an aside; only now, as the table of contents is made from headings."""
    if app.builder.format != "html":
        return
    for section in doctree.findall(nodes.section):
        if ASIDE.match(f"### {section[0].astext()}"):
            section["classes"].append("aside")
            heading, *rest = section.children
            tags = ('<details class="aside"><summary>', "</summary>", "</details>")
            start, middle, end = (nodes.raw("", tag, format="html") for tag in tags)
            section.children = []
            section.extend([start, heading, middle, *rest, end])


def setup(app):
    app.add_transform(Cells)
    app.add_node(HideCodeCellNode, override=True, html=(open_code, close_code))
    app.connect("doctree-resolved", fold_asides)
