"""Pages of exercises: the site, which runs nothing, does not say "not attempted yet"; and where the book has
solutions, each exercise ends with a link to its own."""

import re

from docutils import nodes
from sphinx.transforms import SphinxTransform

UNTOUCHED = re.compile(r"\d+\.\d+: not attempted yet")


class Untouched(SphinxTransform):
    """Leave out what a cell prints while its exercise has no answer; the download has it."""

    default_priority = 400

    def apply(self):
        for printed in list(self.document.findall(nodes.literal_block)):
            if UNTOUCHED.fullmatch(printed.astext().strip()):
                empty = printed.parent if len(printed.parent) == 1 else printed
                empty.parent.remove(empty)


def lead_to_solutions(app, doctree, docname):
    solutions = docname.replace("/exercises/", "/solutions/")
    if solutions == docname or solutions not in app.env.found_docs:
        return
    for section in doctree.findall(nodes.section):
        if found := re.match(r"(\d+)\.(\d+) · ", section[0].astext()):
            chapter, number = found.groups()
            cell = f"#cell-id=exercise-{chapter}-{number}-answer"
            uri = app.builder.get_relative_uri(docname, solutions) + cell
            link = nodes.reference("", f"Solution of {chapter}.{number}", refuri=uri, internal=True)
            section += nodes.paragraph("", "", link)


def setup(app):
    app.add_transform(Untouched)
    app.connect("doctree-resolved", lead_to_solutions)
