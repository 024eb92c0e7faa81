"""The book's own fonts, so that a page has the same lines and heights on every computer.

fonts.css holds the fonts themselves, cut down to the characters in use: 57 KB as sent. So a page that is
opened from a folder has them, too, and no request can be late. A script at the head of a page begins to load
them at once, so that they are there before the first paint and the layout does not shift.
"""

import base64
import io
import json
import unicodedata
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

from tools import npm
from vae_lib.explorers import EXPLORERS

INTER = "inter-ui"  # Inter, by Rasmus Andersson
DEJAVU = "@fontsource/dejavu-mono"  # DejaVu Sans Mono; of the monospaced fonts on npm it alone has ᵀ and ⱼ
FACES = (  # family, style, weights, package, file
    ("Book Sans", "normal", "400", INTER, "web/Inter-Regular.woff2"),
    ("Book Sans", "normal", "500 900", INTER, "web/Inter-SemiBold.woff2"),
    ("Book Sans", "italic", "400", INTER, "web/Inter-Italic.woff2"),
    ("Book Mono", "normal", "400", DEJAVU, "files/dejavu-mono-latin-400-normal.woff2"),
)
LICENCES = {INTER: "LICENSE.txt", DEJAVU: "LICENSE"}
FEATURES = ("kern", "tnum", "ccmp", "mark")  # kerning, figures of one width, accents

# What fonts.css can draw. A page with another character fails the build.
CHARACTERS = (
    "".join(map(chr, range(0x20, 0x7F)))
    + "\u00a0\u202f°±·×÷½¼¾⅓⅔–—‖‘’“”…′″←↑→↓−∂∇∈∏∑√∝∞∫∼≈≠≤≥⊙▏✓✗"
    + "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿᵀᵗ₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₗₙ"
    + "ΓΔΘΛΞΠΣΦΨΩΒαβγδεζηθικλμνξπρστυφχψωϕ\u0302"
    + "ÄÖÜäöüßéèáíóúñç"
)


def embedded(font: TTFont, characters: str, features: Iterable[str] = ()) -> str:
    """The value of `src` in a CSS rule: the font with these characters and OpenType features only."""
    options = subset.Options(layout_features=list(features), hinting=False)
    options.drop_tables += ["FFTM"]  # of the font editor
    cutter = subset.Subsetter(options)
    cutter.populate(text=characters)
    cutter.subset(font)
    font.flavor = "woff2"
    file = io.BytesIO()
    font.save(file)
    return f'url(data:font/woff2;base64,{base64.b64encode(file.getvalue()).decode()}) format("woff2")'


def stylesheet() -> str:
    """The rules of all faces.

    Raises:
        ExtensionError: no face has one of CHARACTERS.
    """
    rules, missing = [], set(CHARACTERS)
    for family, style, weight, package, file in FACES:
        font = TTFont(npm.package(package) / file)
        missing -= set(map(chr, font.getBestCmap()))
        rules.append(
            f'@font-face{{font-family:"{family}";font-style:{style};font-weight:{weight};'
            f"src:{embedded(font, CHARACTERS, FEATURES)}}}"
        )
    if missing:
        raise ExtensionError(f"none of the book's fonts has {' '.join(sorted(missing))}")
    return "\n".join(rules) + "\n"


def write(folder: Path):
    """Put fonts.css and the licences of the fonts into `folder`, a part of the site."""
    (folder / "fonts.css").write_text(stylesheet(), encoding="utf-8")
    texts = [(npm.package(package) / name).read_text(encoding="utf-8") for package, name in LICENCES.items()]
    (folder / "fonts.LICENSE.txt").write_text("\n\n".join(texts), encoding="utf-8")


def load_first(app, pagename, templatename, context, doctree):
    """Let a page load its fonts before its body has arrived: those of the book, of icons and of formulas."""
    shown = ["1em Book Sans", "600 1em Book Sans", "italic 1em Book Sans", "1em Book Mono"]
    shown.append('900 1em "Font Awesome 6 Free"')
    if 'class="katex' in context.get("body", ""):
        shown += ["1em KaTeX_Main", "italic 1em KaTeX_Math"]
    # It waits for the stylesheet, and the page for it: a listener to that runs too late on a busy machine.
    script = f"for (const font of {json.dumps(shown)}) document.fonts.load(font);"
    app.add_js_file(None, body=script, priority=100)  # before the scripts of the theme


class Text(HTMLParser):
    """Collects in `seen` the characters of a page without scripts and formulas, which have KaTeX's fonts."""

    VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())

    def __init__(self, html: str):
        super().__init__()
        self.seen, self.skipped = set(), 0  # skipped: depth inside an element that is left out
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        left_out = tag in ("script", "style") or "katex" in (dict(attributes).get("class") or "").split()
        if tag not in self.VOID and (self.skipped or left_out):
            self.skipped += 1

    def handle_startendtag(self, tag, attributes):
        pass  # <path …/> has no text and no end

    def handle_endtag(self, tag):
        self.skipped -= self.skipped > 0

    def handle_data(self, data):
        if not self.skipped:
            self.seen.update(data)


def lacking(characters: Iterable[str]) -> list[str]:
    """Those of the characters that fonts.css cannot draw.

    Spaces and line ends need no font. Letters without upper and lower case, such as those of a Korean title,
    are left to the reader's computer, as fonts for such scripts are large.
    """
    return sorted(c for c in set(characters) - set(CHARACTERS) if unicodedata.category(c) not in ("Cc", "Lo"))


def check(app, exception):
    """Fail the build when a page, or a script or stylesheet of ours, has a character that fonts.css lacks."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    texts = {page: Text(page.read_text(encoding="utf-8")).seen for page in app.themed_pages}
    own = [f"{name}.js" for name, cls in EXPLORERS.items() if cls.own_script]
    for name in ("explorers.js", *own, "explorers.css", "book.js", "book.css"):
        texts[out / "_static" / name] = set((out / "_static" / name).read_text(encoding="utf-8"))
    for file, seen in texts.items():
        if found := lacking(seen):
            raise ExtensionError(
                f"{file.name} has {' '.join(found)}, which the book's fonts lack: use another character, or "
                "add it to CHARACTERS in site_extension/fonts.py"
            )


def setup(app):
    app.connect("html-page-context", load_first)
    app.connect("build-finished", check, priority=600)  # after pages.py has changed the pages
