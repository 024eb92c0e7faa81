"""What is done to every page: boxes, the quick check, the pipeline drawing, and images that do not jump."""

import re
import struct
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.transforms import SphinxTransform

# 1.5 MB of script that draws the icons which the theme's icon font has drawn already; preloads of that
# font, which a browser refuses for a page opened from a folder; and what widgets were like when the
# kernel stopped.
USELESS = re.compile(
    r"""<script[^>]*fontawesome[^>]*></script>\n?|<link rel="preload"[^>]*>\n?"""
    r"""|<script type="application/vnd\.jupyter\.widget[^>]*>.*?</script>\n?""",
    re.DOTALL,
)
# Where a script chooses, the theme does so when all of the page has arrived, and colours and sizes jump.
# Until then sections far below wait, too (book.css), unless the reader is on the way to one.
STORED_THEME = 'localStorage.getItem("theme") || "auto";'
THEME = """{ light: "light", dark: "dark" }[document.documentElement.dataset.mode]
      ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    if (!location.hash && performance.getEntriesByType("navigation")[0]?.type === "navigate") {
      document.documentElement.classList.add("arriving");
      addEventListener("load", () => document.documentElement.classList.remove("arriving"));
    }"""
HOME = r'<div role="navigation" aria-label="Home" \1'
NO_BREAK, NARROW_NO_BREAK = "\u00a0", "\u202f"
GROUPS = re.compile(r"(?<=\d) (?=\d{3}\b)")
EQUALS = re.compile(r"(?<=\w) = (?=[\w−-])")
STOP = re.compile(r"[,.;:?!)]+")
BOXES = ("Predict first", "Definition", "Correction", "Takeaway", "Try it")


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
    """In the section "Quick check", the first word of a reason is a class as well: right or wrong."""

    default_priority = 400

    def apply(self):
        for section in self.document.findall(nodes.section):
            if "quick-check" in section["ids"]:
                for word in section.findall(nodes.strong):
                    word["classes"] += {"Right.": ["right"], "No.": ["wrong"]}.get(word.astext(), [])


class NoBreaks(SphinxTransform):
    """No line ends within 10 000 or σ = 1, nor between a short formula and the stop after it."""

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
        if stop and isinstance(formula, nodes.math) and len(formula.astext()) < 40:
            parent[i] = nodes.Text(kept[stop.end() :])
            parent[i - 1] = nodes.inline("", "", formula, nodes.Text(stop[0]), classes=["no-break"])
        elif kept != text:
            parent[i] = nodes.Text(kept)


class Pipeline(Directive):
    """The drawing of the argument; the argument of the directive names the parts to highlight."""

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
    """Load an image when it comes near, and keep its place free until then.

    Its size becomes width and height attributes: as a style, it would win over the stylesheet and
    press the image out of shape where the page is narrower.
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


def finish_pages(app, exception):
    """Last touches to the written HTML, which neither theme nor template offers a place for."""
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        done = USELESS.sub("", html)
        # where no script chooses between light and dark, neither the theme nor code would have colours
        done = done.replace('data-theme="auto">', 'data-theme="light">', 1)
        done = done.replace(STORED_THEME, THEME, 1)
        # a class, as with body:has(…) each piece of a page that arrives would restyle all of it
        if '<ul class="doors ' in done:
            done = done.replace("<body ", '<body class="landing" ', 1)
        # the theme leaves the way home outside of all landmarks
        done = re.sub(r'<div (class="sidebar-primary-item">\s*<a class="navbar-brand)', HOME, done)
        done = re.sub(r"<img\s[^>]*>", lambda tag, page=page: finish_image(page, tag), done)
        if done != html:
            page.write_text(done, encoding="utf-8")


def setup(app):
    app.add_transform(BoxClasses)
    app.add_transform(Verdicts)
    app.add_transform(NoBreaks)
    app.add_directive("pipeline", Pipeline)
    app.connect("build-finished", finish_pages)
