"""Boxes, the quick check, the pipeline drawing, and image sizes, so that the layout does not shift."""

import json
import re
import struct
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.transforms import SphinxTransform

from .patch import patch, theme

# What is changed in the theme's HTML: (pattern, replacement). Each must be found on every page.
PATCHES = (
    # 1.5 MB of script that draws icons; the theme's icon font has drawn them already.
    (r'<script src="[^"]*/fontawesome/[^"]*"></script>\n?', ""),
    # Preloads of fonts and scripts; a browser refuses those of fonts on a page that is opened from a folder.
    (r'<link rel="preload"[^>]*>\n?', ""),
    # Without JavaScript nothing chooses between light and dark, and "auto" has no colours.
    (r'(<html [^>]*)data-theme="auto"', r'\1data-theme="light"'),
    # The theme's script replaces "auto" when the whole page has arrived: colours and sizes would change
    # then. This one decides at once. What is below the screen is laid out later (class "arriving",
    # book.css), unless the address names a place on the page.
    (
        r'localStorage\.getItem\("theme"\) \|\| "auto";',
        """{ light: "light", dark: "dark" }[document.documentElement.dataset.mode]
      ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    if (!location.hash && performance.getEntriesByType("navigation")[0]?.type === "navigate") {
      document.documentElement.classList.add("arriving");
      addEventListener("load", () => document.documentElement.classList.remove("arriving"));
    }""",
    ),
    # The link to the first page stands outside of all landmarks.
    (
        r'<div (class="sidebar-primary-item">\s*<a class="navbar-brand)',
        r'<div role="navigation" aria-label="Home" \1',
    ),
    # Buttons that a script writes; book.css hides them where there is no script.
    (r"<script>\s*document\.write\(`((?s:.*?))`\);\s*</script>", r"\1"),
    # The name of the page, for a choice of versions that this site has not.
    (r"<script>DOCUMENTATION_OPTIONS\.pagename = '[^']*';</script>\n?", ""),
)
# A script that waits for no other: the theme's and Sphinx's, which are loaded when the page can be seen.
SCRIPT = re.compile(r'<script (defer="defer" )?src="([^"]+)"></script>\n?')
LATER = """<script>
    Promise.all([
      new Promise((done) => document.addEventListener("DOMContentLoaded", done)),
      new Promise((done) => ["load", "error"].forEach((event) =>
        document.addEventListener(event, ({ target }) => target.rel === "stylesheet" && done(), true))),
    ]).then(() => %s.forEach((src) =>
      document.head.append(Object.assign(document.createElement("script"), { src, async: false }))));
  </script>
  """
# Words of code that have the colour of plain text: without their elements a page has a fifth less to build.
PLAIN = re.compile(r'<span class="(?:n|nn|p|w)">([^<]*)</span>')
NO_BREAK, NARROW_NO_BREAK = "\u00a0", "\u202f"
GROUPS = re.compile(r"(?<=\d) (?=\d{3}\b)")
EQUALS = re.compile(r"(?<=\w) = (?=[\w−-])")
STOP = re.compile(r"[,.;:?!)]+")
BOXES = ("Predict first", "Definition", "Often seen", "Takeaway", "Try it")


class BoxClasses(SphinxTransform):
    """A block quote whose first bold words name one of the five kinds of box gets that kind as class."""

    default_priority = 400

    def apply(self):
        for quote in self.document.findall(nodes.block_quote):
            if not isinstance(quote[0], nodes.paragraph):
                continue
            first = next((child for child in quote[0] if child.astext().strip()), None)
            for kind in BOXES:
                if isinstance(first, nodes.strong) and first.astext().startswith(kind):
                    quote["classes"] += ["box", "box-" + kind.lower().replace(" ", "-")]
                    first["classes"].append("box-name")


class Verdicts(SphinxTransform):
    """In the section "Quick check", a bold "Right." or "No." gets the class right or wrong."""

    default_priority = 400

    def apply(self):
        for section in self.document.findall(nodes.section):
            if "quick-check" in section["ids"]:
                for word in section.findall(nodes.strong):
                    word["classes"] += {"Right.": ["right"], "No.": ["wrong"]}.get(word.astext(), [])


class NoBreaks(SphinxTransform):
    """No line breaks within 10 000 or σ = 1, nor between a formula and the punctuation after it.

    A short formula stays whole; a long one may break, and formulas.py keeps its last part with what follows.
    """

    default_priority = 400

    def apply(self):
        running = (nodes.paragraph, nodes.strong, nodes.emphasis)
        for parent in self.document.findall(lambda node: isinstance(node, running)):
            for i, child in reversed(list(enumerate(parent.children))):
                if isinstance(child, nodes.Text):
                    self.bind(parent, i, child)

    def bind(self, parent, i, text):
        kept = EQUALS.sub(NO_BREAK + "=" + NO_BREAK, GROUPS.sub(NARROW_NO_BREAK, text))
        formula, stop = parent[i - 1] if i else None, STOP.match(kept)
        if stop and isinstance(formula, nodes.math):
            whole = len(formula.astext()) < 40
            parent[i] = nodes.Text(kept[stop.end() :])
            parent[i - 1] = nodes.inline(
                "", "", formula, nodes.Text(stop[0]), classes=["no-break" if whole else "no-break-at-end"]
            )
        elif kept != text:
            parent[i] = nodes.Text(kept)


class Pipeline(Directive):
    """The directive for the drawing of the whole model; its argument names the parts to highlight."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self):
        from vae_lib.plotting import pipeline_svg

        parts = [part.strip() for part in " ".join(self.arguments).split(",") if part.strip()]
        try:
            drawing = pipeline_svg(parts)
        except ValueError as wrong:
            raise self.error(str(wrong)) from None
        return [nodes.raw("", f'<div class="pipeline-box">{drawing}</div>', format="html")]


def finish_image(page: Path, tag: re.Match) -> str:
    """The tag with the size of its image, which is loaded only when the reader comes near it.

    The size becomes the attributes width and height, so that its place is free before it has loaded. As a
    style it would win over the stylesheet, and the image would lose its proportions on a narrow page.
    """
    text = tag[0]
    source = re.search(r'src="([^":?]+\.png)"', text)
    file = page.parent / unquote(source[1]) if source else None
    if " loading=" in text or file is None or not file.is_file():
        return text
    style = re.search(r' style="width: (\d+)px; height: (\d+)px;"', text)
    if style:
        text, size = text.replace(style[0], ""), style.groups()
    else:
        with file.open("rb") as png:
            size = struct.unpack(">II", png.read(24)[16:])
    return f'<img width="{size[0]}" height="{size[1]}" loading="lazy" decoding="async"{text[4:]}'


def remember_page(app, pagename, templatename, context, doctree):
    app.themed_pages.append(Path(app.builder.get_outfilename(pagename)))


def finish_pages(app, exception):
    """Change the HTML that this build wrote where neither the theme nor its templates offer a way."""
    if exception or app.builder.format != "html":
        return
    for page in app.themed_pages:
        page.write_text(finished(page), encoding="utf-8")


def finished(page: Path) -> str:
    """The HTML of a page with all changes."""
    html = page.read_text(encoding="utf-8")
    for pattern, new in PATCHES:
        html = patch(html, pattern, new, page.name, theme())
    # A class of the first page: with body:has(…), each part of a page that arrives would restyle all of it.
    if '<ul class="doors ' in html:
        html = patch(html, "<body ", '<body class="landing" ', page.name, theme())
    figure = re.search(r'<div class="vae-explorer" id="([^"]+)"', html)
    if figure:
        link = f'<a href="#{figure[1]}">Skip to the first figure</a>'
        skip = f'<div class="skip-link d-print-none">{link}</div>'
        html = patch(html, r'<div id="pst-skip-link".*?</div>', rf"\g<0>\n  {skip}", page.name, theme())
    html = PLAIN.sub(r"\1", scripts_later(html, page.name))
    return re.sub(r"<img\s[^>]*>", lambda tag: finish_image(page, tag), html)


def scripts_later(html: str, page: str) -> str:
    """The page with one script that loads the others, in their order, when text and stylesheet are there.

    So no file but the stylesheet keeps the page from being read. The script stands above the stylesheet, as
    below it would wait for it.
    """
    # Deferred ones come after the others, but before the index, which answers the first search as it comes.
    found = sorted(SCRIPT.findall(html), key=lambda script: ("searchindex.js" in script[1], script[0]))
    script = LATER % json.dumps([source for _, source in found])
    return patch(SCRIPT.sub("", html), r'(?=<link [^>]*rel="stylesheet")', script, page, theme(), most=1)


def setup(app):
    app.themed_pages = []
    app.add_transform(BoxClasses)
    app.add_transform(Verdicts)
    app.add_transform(NoBreaks)
    app.add_directive("pipeline", Pipeline)
    app.connect("html-page-context", remember_page)
    app.connect("build-finished", finish_pages)
