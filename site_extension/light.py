"""Light pages: pictures with a palette of 256 colours, and an icon font that holds the icons in use."""

import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

ICONS = "vendor/fontawesome/*/css/all.min.css"


def shrink_picture(file: Path):
    """Rewrite a PNG with at most 256 colours, if that makes it smaller.

    Figures have few colours and their blends with white, so that nothing is to be seen of it.
    """
    with Image.open(file) as picture:
        see_through = picture.mode == "RGBA" and picture.getextrema()[3][0] < 255
        if see_through or picture.mode not in ("RGB", "RGBA"):
            return
        fewer = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    png = io.BytesIO()
    fewer.save(png, "PNG", optimize=True)
    if len(png.getvalue()) < file.stat().st_size:
        file.write_bytes(png.getvalue())


def subset_icons(out: Path):
    """Keep of the icon font what pages and scripts name and stylesheets quote; 156 KB become two."""
    (sheet,) = (out / "_static").glob(ICONS)
    css = sheet.read_text(encoding="utf-8")
    namers = [file for file in out.rglob("*") if file.suffix in (".html", ".js")]
    named = set(re.findall(r"\bfa-[a-z0-9-]+", "".join(file.read_text(encoding="utf-8") for file in namers)))
    codes = {
        code
        for names, code in re.findall(r'([^{}]+)\{content:"\\([0-9a-f]+)"\}', css)
        if named & set(re.findall(r"\.(fa-[a-z0-9-]+):before", names))
    }
    for other in (out / "_static").rglob("*.css"):
        if other != sheet:
            codes |= set(re.findall(r'"\\(f[0-9a-f]{3})"', other.read_text(encoding="utf-8")))
    font = TTFont(sheet.parents[1] / "webfonts" / "fa-solid-900.ttf")
    cutter = subset.Subsetter()
    cutter.populate(unicodes=[int(code, 16) for code in codes])
    cutter.subset(font)
    font.flavor = "woff"
    font.save(sheet.parents[1] / "webfonts" / "icons.woff")
    fitted, count = re.subn(
        r"src:url\([^)]*fa-solid-900\.woff2\)[^;}]*", 'src:url(../webfonts/icons.woff) format("woff")', css
    )
    if not count:
        raise ValueError(f"{sheet.name} does not name the font that it is known to use")
    sheet.write_text(fitted, encoding="utf-8")


def lighten(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    # 1.5 MB that no page asks for: pages.py has taken the tags out
    for pattern in ("scripts/fontawesome*", "vendor/fontawesome/*/js/*"):
        for script in (out / "_static").glob(pattern):
            script.unlink()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(shrink_picture, (out / "_images").glob("*.png")))
    subset_icons(out)


def setup(app):
    app.connect("build-finished", lighten, priority=600)  # after the pages got their last touches
