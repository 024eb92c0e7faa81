"""What the site needs beyond stock Jupyter Book: formulas and explorers drawn when the book is built,
the book's colours as a stylesheet, boxes, the pipeline drawing, and nothing fetched from elsewhere."""

from pathlib import Path

from sphinx.errors import ExtensionError

from tools import npm

from . import (
    colab,
    colours,
    explorers,
    fonts,
    footer,
    formulas,
    light,
    not_found,
    notebooks,
    pages,
    preview,
    search,
    syllabus,
)

STATIC = Path(__file__).parent / "static"


def add_assets(app):
    """Put our stylesheets, script and fonts beside those of the theme."""
    try:
        npm.install()
    except RuntimeError as error:
        raise ExtensionError(str(error)) from error
    # Generated files live outside the output folder, so that a fresh build finds them again.
    assets = Path(app.srcdir) / "_build" / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    colours.write(assets)
    explorers.write(assets)
    fonts.write(assets)
    formulas.copy_sheet(assets)
    preview.draw(assets / preview.PICTURE, app.config.html_title)
    app.config.html_favicon = str(assets / "icon.svg")
    app.config.html_static_path += [str(STATIC), str(assets)]
    for sheet in ("fonts.css", "katex.min.css", "colours.css", "book.css"):
        app.add_css_file(sheet)
    app.add_js_file("book.js", loading_method="defer")


def setup(app):
    app.connect("builder-inited", add_assets)
    for part in (
        colab,
        explorers,
        fonts,
        footer,
        formulas,
        light,
        not_found,
        notebooks,
        pages,
        preview,
        search,
        syllabus,
    ):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
