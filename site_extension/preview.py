"""What search engines and messengers show of a page: its description, and one picture of the book.

Not by sphinxext-opengraph: it describes a page by its first characters, TeX included, where this takes the
question of a chapter or one sentence; it gives no size of the picture, and does nothing for index.html.
"""

import html
import re
import textwrap
from pathlib import Path

import numpy as np
from docutils import nodes
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea

from vae_lib.palette import LIGHT as color

PICTURE = "preview.png"
SIZE = (1200, 630)
IDENTITY = [
    ("log p(x)  =  ", "ink"),
    ("reconstruction", "likelihood"),
    ("  −  ", "ink"),
    ("KL", "approximate"),
    ("  +  ", "ink"),
    ("gap", "posterior"),
]


def draw(file: Path, title: str):
    """Write the picture: the title, the identity of chapter 3, and the densities of p(z) and q(z|x)."""
    with rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100, facecolor="white")
        ax = figure.add_axes((0, 0.06, 1, 0.94), xlim=(-4.2, 4.2), ylim=(0, 1.75))
        ax.set_axis_off()
        z = np.linspace(-4.2, 4.2, 600)
        for name, mu, sigma, label in (("prior", 0, 1, "p(z)"), ("approximate", 1.25, 0.45, "q(z|x)")):
            density = np.exp(-0.5 * ((z - mu) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
            ax.fill_between(z, density, color=color[name], alpha=0.16, linewidth=0)
            ax.plot(z, density, color=color[name], linewidth=4)
            side = 1 if mu else -1
            at = mu + side * 1.1 * sigma
            ax.text(
                at + 0.12 * side, np.interp(at, z, density) + 0.03, label,
                color=color[name], fontsize=25, ha="left" if mu else "right",
            )  # fmt: skip
        ax.axhline(0, color=color["muted"], linewidth=3, zorder=3)
        figure.text(0.06, 0.84, title, fontsize=41, weight="bold", color=color["ink"], va="center")
        pieces = [TextArea(text, textprops={"size": 29, "color": color[name]}) for text, name in IDENTITY]
        line = HPacker(children=pieces, pad=0, sep=0, align="baseline")
        box = {"xycoords": "figure fraction", "box_alignment": (0, 0.5), "frameon": False, "pad": 0}
        figure.add_artist(AnnotationBbox(line, (0.06, 0.695), **box))
        figure.savefig(file, metadata={"Software": None})


def describe(doctree) -> str:
    """The first sentence of a page, or of a chapter its question, which is a paragraph in italics."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if isinstance(paragraph.parent, nodes.section) and text.endswith((".", "?", ":")):
            if not (len(paragraph) == 1 and isinstance(paragraph[0], nodes.emphasis)):
                text = re.split(r"(?<=[.?]) (?=[A-Z])", text)[0]
            return textwrap.shorten(text, 160, placeholder=" …")
    return ""


def tags(app, title: str, doctree, static: str, kind="article") -> str:
    """The meta tags of a page: its description, and its preview in a message (Open Graph)."""
    description = describe(doctree or app.env.get_doctree(app.config.root_doc))
    base = app.config.html_baseurl
    meta = {
        "name": {"description": description, "twitter:card": "summary_large_image"},
        "property": {
            "og:type": kind,
            "og:site_name": app.config.html_title,
            "og:title": title,
            "og:description": description,
            "og:image": (base.rstrip("/") + "/_static/" if base else static) + PICTURE,
            "og:image:width": SIZE[0],
            "og:image:height": SIZE[1],
            "og:image:alt": "Two densities, p(z) and q(z|x), under " + "".join(text for text, _ in IDENTITY),
        },
    }
    return "".join(
        f'<meta {key}="{name}" content="{html.escape(" ".join(str(value).split()))}" />\n'
        for key, pairs in meta.items()
        for name, value in pairs.items()
    )


def add_tags(app, pagename, templatename, context, doctree):
    title = html.unescape(re.sub(r"<[^>]*>", "", context.get("title", ""))) or app.config.html_title
    static = context["pathto"]("_static/", 1)
    kind = "website" if pagename == app.config.root_doc else "article"
    context["metatags"] = context.get("metatags", "") + tags(app, title, doctree, static, kind)


def write_index(app, exception):
    """Write index.html, which leads to the first page and has a preview of its own."""
    index = Path(app.outdir) / "index.html"
    if exception or app.builder.format != "html" or app.config.root_doc == "index":
        return
    first, title = app.builder.get_target_uri(app.config.root_doc), html.escape(app.config.html_title)
    index.write_text(
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta http-equiv="refresh" content="0; url={first}">\n<link rel="icon" href="_static/icon.svg">\n'
        f"{tags(app, app.config.html_title, None, '_static/', 'website')}</head>\n"
        f'<body><p><a href="{first}">{title}</a></p></body>\n</html>\n',
        encoding="utf-8",
    )


def setup(app):
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", write_index)
