"""Light pages: pictures with a palette of 256 colours, and an icon font that holds the icons in use."""

import base64
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

ICONS = "vendor/fontawesome/*/css/all.min.css"
DRAWN = re.compile(r'([^{}]+)\{content:"\\([0-9a-f]+)"\}')  # a rule of that sheet: names of an icon, its code


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
    """Keep of the icon font and its sheet what pages and scripts name and stylesheets quote: 25 KB of 256.

    The font goes into the sheet, so that nothing moves when it arrives.
    """
    (sheet,) = (out / "_static").glob(ICONS)
    css = sheet.read_text(encoding="utf-8")
    namers = [file for file in out.rglob("*") if file.suffix in (".html", ".js")]
    named = set(re.findall(r"\bfa-[a-z0-9-]+", "".join(file.read_text(encoding="utf-8") for file in namers)))
    codes = {
        code
        for names, code in DRAWN.findall(css)
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
    woff = io.BytesIO()
    font.save(woff)
    source = f'src:url(data:font/woff;base64,{base64.b64encode(woff.getvalue()).decode()}) format("woff")'
    fitted, count = re.subn(r"src:url\([^)]*fa-solid-900\.woff2\)[^;}]*", source, css)
    if not count:
        raise ValueError(f"{sheet.name} does not name the font that it is known to use")
    fitted = DRAWN.sub(lambda rule: rule[0] if rule[2] in codes else "", fitted)
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
