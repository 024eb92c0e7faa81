"""Formulas are rendered by KaTeX when the book is built: HTML, with MathML for screen readers.

A page then needs no script and no other host for its formulas, and a formula that KaTeX cannot read fails the
build. KaTeX (script, stylesheet and fonts of one version) comes from npm.
"""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

from tools import npm

from .patch import patch

# One request and one answer per line, as JSON. strict is off, since Jupyter also accepts Greek letters in a
# formula.
SERVER = """
const katex = require(process.argv[1]);
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, { displayMode: display, throwOnError: true, strict: false }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\\n");
});
"""

BASE = '<span class="base">'  # begins each of the parts of a formula between which a line may break

logger = logging.getLogger(__name__)


def copy_sheet(folder: Path):
    """Put KaTeX's stylesheet and fonts into `folder`, which the site serves."""
    dist = npm.package("katex") / "dist"
    # Every browser of the last eight years takes woff2, so the other formats stay out.
    shutil.copytree(
        dist / "fonts", folder / "fonts", ignore=shutil.ignore_patterns("*.woff", "*.ttf"), dirs_exist_ok=True
    )
    css = (dist / "katex.min.css").read_text(encoding="utf-8")
    css = patch(css, r',url\(fonts/[^)]*\) format\("(woff|truetype)"\)', "", "katex.min.css", "KaTeX")
    # The two fonts of almost every formula stand in the sheet, as a late one would shift the text around it.
    for name in ("KaTeX_Main-Regular", "KaTeX_Math-Italic"):
        font = base64.b64encode((dist / "fonts" / f"{name}.woff2").read_bytes()).decode()
        address = f"data:font/woff2;base64,{font}"
        css = patch(css, rf"fonts/{name}\.woff2", address, "katex.min.css", "KaTeX")
    (folder / "katex.min.css").write_text(css, encoding="utf-8")


class Renderer:
    """Renders formulas by one KaTeX process for the whole build, which the first formula starts."""

    process = None

    def __call__(self, tex, display):
        if self.process is None:
            katex = npm.package("katex") / "dist" / "katex.min.js"
            self.process = subprocess.Popen(
                [npm.node_command(), "-e", SERVER, katex],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            )  # fmt: skip
        self.process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise ExtensionError(f"KaTeX ended at the formula {tex!r} without an answer")
        return json.loads(answer)

    def close(self, app, exception):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


render = Renderer()


def to_html(writer, node, display):
    answer = render(node.astext(), display)
    if "error" in answer:
        logger.warning("bad formula: %s: %s", answer["error"], node.astext(), location=node)
        writer.builder.app.statuscode = 1  # so that the build fails also without -W
        return f"<code>{writer.encode(node.astext())}</code>"
    return answer["html"]


def visit_inline(writer, node):
    html, last = to_html(writer, node, False), ""
    if "no-break-at-end" in node.parent.get("classes", ()) and BASE in html:
        # A line may break around each part of a formula. So the last one leaves it for a box that does not
        # break, into which the punctuation follows: the parent's box ends, and its end tag ends this one.
        start, base = html.rsplit(BASE, 1)
        html = start + "</span></span>"
        part = f'<span class="katex"><span class="katex-html" aria-hidden="true">{BASE}{base}'
        last = f'</span><span class="no-break">{part}'
    writer.body += [writer.starttag(node, "span", "", CLASS="math"), html, "</span>", last]
    raise nodes.SkipNode


def visit_display(writer, node):
    writer.body += [writer.starttag(node, "div", "", CLASS="math"), to_html(writer, node, True), "</div>\n"]
    raise nodes.SkipNode


class EquationTargets(SphinxTransform):
    r"""The first formula of a page with \tag{4.2} gets the id eq-4-2, so that a link can lead to it."""

    default_priority = 400  # before MyST resolves links to ids on the same page

    def apply(self):
        slugs = getattr(self.document, "myst_slugs", {})
        for node in self.document.findall(nodes.math_block):
            for number in re.findall(r"\\tag\*?\{([\w.]+)\}", node.astext()):
                target = "eq-" + number.replace(".", "-")
                if target not in slugs:
                    node["ids"].append(target)
                    slugs[target] = (node.line, target, f"({number})")
        if slugs:
            self.env.metadata[self.env.docname]["myst_slugs"] = slugs


def link_equations(app, doctree, docname):
    """Make (4.2) in running text a link to formula 4.2; if several pages show it, to that of its chapter.

    A link [(4.2)](04_kl.ipynb), which is the form that works in a notebook, gets the id of the formula added.
    """
    owners = {}
    for page in sorted(app.env.found_docs):
        for _, target, label in app.env.metadata[page].get("myst_slugs", {}).values():
            if target.startswith("eq-"):
                chapter = f"{label[1:].split('.')[0]:0>2}_"
                if label not in owners or page.rsplit("/")[-1].startswith(chapter):
                    owners[label] = (page, target)
    for link in doctree.findall(nodes.reference):
        page, target = owners.get(link.astext(), (None, None))
        if page and link.get("refuri") == app.builder.get_relative_uri(docname, page):
            link["refuri"] += "#" + target
    elsewhere = (nodes.reference, nodes.literal, nodes.FixedTextElement, nodes.title, nodes.math, nodes.raw)
    for text in list(doctree.findall(nodes.Text)):
        above, inside = text.parent, False
        while above is not None and not inside:
            above, inside = above.parent, isinstance(above, elsewhere)
        pieces = [nodes.Text(piece) for piece in re.split(r"(\(\d+\.\d+\))", text) if piece]
        if not inside and any(piece in owners for piece in pieces):
            for i, piece in enumerate(pieces):
                if piece in owners:
                    pieces[i] = make_refnode(app.builder, docname, *owners[piece], piece)
            text.parent.replace(text, pieces)


def setup(app):
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.add_transform(EquationTargets)
    app.connect("doctree-resolved", link_equations)
    app.connect("build-finished", render.close)
