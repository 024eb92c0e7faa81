"""The Sphinx extension of the site: what it needs beyond Jupyter Book.

Formulas and explorers are drawn when the book is built; colours, fonts and boxes are the book's own;
a page loads nothing from another host.
"""

from pathlib import Path

from sphinx.errors import ExtensionError

from tools import npm

from . import (
    beside,
    colab,
    colours,
    exercises,
    explorers,
    folds,
    fonts,
    footer,
    formulas,
    light,
    not_found,
    notebooks,
    pages,
    predict,
    preview,
    search,
    sets,
    syllabus,
)

STATIC = Path(__file__).parent / "static"


def add_assets(app):
    """Write our stylesheets, scripts and fonts, and add them to every page."""
    try:
        npm.install()
    except RuntimeError as error:
        raise ExtensionError(str(error)) from error
    # Outside the output folder, which make removes before each build.
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
        beside,
        colab,
        exercises,
        explorers,
        folds,
        fonts,
        footer,
        formulas,
        light,
        not_found,
        notebooks,
        pages,
        predict,
        preview,
        search,
        sets,
        syllabus,
    ):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
