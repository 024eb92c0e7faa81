"""Pages of few bytes and requests: one stylesheet, images of 256 colours, a font of the icons in use."""

import hashlib
import io
import os
import posixpath
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.errors import ExtensionError

from . import fonts
from .patch import patch, theme

ICONS = "vendor/fontawesome/*/css/all.min.css"
SHEET = re.compile(r'[ \t]*<link [^>]*href="([^"?]+\.css)[^"]*"[^>]*>\n?')
ADDRESS = re.compile(r"url\((?![\"']?(?:data:|#))[\"']?([^)\"']+)[\"']?\)")
JOINED = "site.css"
RULE = r'([^{}]+)\{content:"\\([0-9a-f]+)"\}'  # in that sheet: the names of an icon, and its code


def shrink_picture(file: Path):
    """Rewrite a PNG with at most 256 colours, if that makes it smaller.

    The change is invisible: a figure has a few colours and their blends with white.
    """
    with Image.open(file) as picture:
        transparent = picture.mode == "RGBA" and picture.getextrema()[3][0] < 255
        if transparent or picture.mode not in ("RGB", "RGBA"):
            return
        fewer = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    png = io.BytesIO()
    fewer.save(png, "PNG", optimize=True)
    if len(png.getvalue()) < file.stat().st_size:
        file.write_bytes(png.getvalue())


def only(folder: Path, pattern: str) -> Path:
    """The one file of the folder whose path matches.

    Raises:
        ExtensionError: there is none, or more than one: the theme has other files than the one known here.
    """
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise ExtensionError(f"expected one file {pattern} of {theme()} in {folder}, got {len(found)}")
    return found[0]


def subset_icons(out: Path):
    """Reduce the icon font and its stylesheet to the icons in use: 25 KB instead of 256.

    In use are the icons that a page or script names, and those whose code another stylesheet quotes. The font
    is written into the stylesheet, so that the layout does not shift when it arrives.
    """
    sheet = only(out / "_static", ICONS)
    css = sheet.read_text(encoding="utf-8")
    namers = [file for file in out.rglob("*") if file.suffix in (".html", ".js")]
    named = set(re.findall(r"\bfa-[a-z0-9-]+", "".join(file.read_text(encoding="utf-8") for file in namers)))
    codes = {
        code
        for names, code in re.findall(RULE, css)
        if named & set(re.findall(r"\.(fa-[a-z0-9-]+):before", names))
    }
    if not codes:
        raise ExtensionError(f"{sheet.name} of {theme()}: no icon that a page names has a rule like {RULE!r}")
    for other in (out / "_static").rglob("*.css"):
        if other != sheet:
            codes |= set(re.findall(r'"\\(f[0-9a-f]{3})"', other.read_text(encoding="utf-8")))
    font = TTFont(sheet.parents[1] / "webfonts" / "fa-solid-900.ttf")
    source = "src:" + fonts.embedded(font, "".join(chr(int(code, 16)) for code in codes))
    fitted = patch(css, r"src:url\([^)]*fa-solid-900\.woff2\)[^;}]*", source, sheet.name, theme())
    fitted = re.sub(RULE, lambda rule: rule[0] if rule[2] in codes else "", fitted)
    sheet.write_text(fitted, encoding="utf-8")


def join_sheets(out: Path, pages: list[Path]):
    """Put the stylesheets of the pages into one, in the order in which pages link them.

    A page that links fewer of them, as it has no explorer, gets all.

    Raises:
        ExtensionError: two pages link them in different orders.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    linked = {
        page: [(page.parent / name).resolve() for name in SHEET.findall(text)] for page, text in texts.items()
    }
    sheets = max(linked.values(), key=len)
    for page, own in linked.items():
        if not own or own != [sheet for sheet in sheets if sheet in own]:
            here, there = ([sheet.name for sheet in some] for some in (own, sheets))
            raise ExtensionError(f"{page.name} links the stylesheets {here}, another page {there}")
    static = (out / "_static").resolve()
    css = "".join(moved(sheet, static) for sheet in sheets)
    (static / JOINED).write_text(css, encoding="utf-8")
    version = hashlib.sha256(css.encode()).hexdigest()[:8]
    for page, text in texts.items():
        address = posixpath.join(os.path.relpath(static, page.resolve().parent).replace(os.sep, "/"), JOINED)
        link = f'<link rel="stylesheet" href="{address}?v={version}" />\n'
        places = [found.span() for found in SHEET.finditer(text)]
        text = text[: places[0][0]] + link + SHEET.sub("", text[places[0][0] :])
        page.write_text(text, encoding="utf-8")
    for file in {*static.rglob("*.css"), *static.rglob("*.css.map")} - {static / JOINED}:
        file.unlink()


def moved(sheet: Path, folder: Path) -> str:
    """The stylesheet with those that it imports; relative addresses lead from `folder` to where they led."""
    css = re.sub(r'@charset "[^"]*";|/\*# sourceMappingURL=.*?\*/', "", sheet.read_text(encoding="utf-8"))

    def address(found):
        path = os.path.relpath(sheet.parent / found[1], folder).replace(os.sep, "/")
        return f"url({path})"

    css = ADDRESS.sub(address, css)
    return re.sub(r'@import "([^"]+)";', lambda found: moved(sheet.parent / found[1], folder), css) + "\n"


def lighten(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    # 1.5 MB of script that no page asks for: pages.py has removed its tag.
    shutil.rmtree(only(out / "_static", "vendor/fontawesome/*/js"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(shrink_picture, (out / "_images").glob("*.png")))
    subset_icons(out)
    join_sheets(out, app.themed_pages)


def setup(app):
    app.connect("build-finished", lighten, priority=600)  # after pages.py has changed the pages
