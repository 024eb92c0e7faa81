"""The site's own fonts, and changes of HTML that other packages wrote."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re

import pytest
from conftest import parsed
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

from site_extension import fonts, pages
from site_extension.light import subset_icons

FACES = {("Book Sans", "normal"), ("Book Sans", "italic"), ("Book Mono", "normal")}

# Adds up how far things move while a page loads, and waits until its fonts and cards are there.
WATCH = """window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
  .observe({ type: "layout-shift", buffered: true });"""
SETTLED = """async () => {
  await document.fonts.ready;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return window.shifts.reduce((sum, shift) => sum + shift, 0);
}"""
# The families in which an element, the drawings and the canvas of a card show their words.
FAMILY = "element => getComputedStyle(element).fontFamily"


def sheet(html):
    css = (html / "_static" / "site.css").read_text(encoding="utf-8")
    return "".join(re.findall(r'@font-face{font-family:"Book [^}]*}', css))


def test_fonts_weigh_at_most_60_kb(html):
    assert len(gzip.compress(sheet(html).encode(), 6)) <= 60_000
    licences = (html / "_static" / "fonts.LICENSE.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE" in licences and "Bitstream Vera" in licences


def test_fonts_have_every_character_that_they_promise(html):
    held = set()
    for face in re.findall(r"base64,([^)]+)\)", sheet(html)):
        held |= set(map(chr, TTFont(io.BytesIO(base64.b64decode(face))).getBestCmap()))
    assert set(fonts.CHARACTERS) <= held


def test_a_character_that_the_fonts_lack_is_found():
    page = '<p>x ⊕ y</p><span class="katex"><b>⊗</b></span><script>"⊘"</script><p>인 é<br>✓</p>'
    assert fonts.lacking(fonts.Text(page).seen) == ["⊕"]


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("name", ["intro", "03_elbo", "07_reconstruction_loss", "api"])
def test_nothing_moves_when_fonts_arrive(name, width, served, tab):
    page = tab(width=width)
    page.add_init_script(WATCH)

    def shift():
        page.goto(f"{served}book/{name}.html")
        return page.evaluate(SETTLED)

    # On a busy machine the browser may paint before fonts that it has; without load_first() it always does.
    assert 0 in (shift() for _ in range(3))
    loaded = page.evaluate(
        "[...document.fonts].filter(f => f.status === 'loaded').map(f => [f.family, f.style])"
    )
    assert FACES <= {(family.strip('"'), style) for family, style in loaded}


def test_text_drawings_and_canvas_have_the_book_s_fonts(served, tab):
    page = tab(f"{served}book/07_reconstruction_loss.html")
    page.locator(".vae-explorer.live").first.wait_for()
    for what in ("article p", "article h1", "svg.pipeline", ".vae-explorer .words", ".vae-explorer button"):
        assert page.locator(what).first.evaluate(FAMILY).startswith('"Book Sans"'), what
    for what in ("article pre", "article code"):
        assert page.locator(what).first.evaluate(FAMILY).startswith('"Book Mono"'), what
    used = page.locator("canvas").first.evaluate("canvas => canvas.getContext('2d').font")
    assert '"Book Sans"' in used


def test_a_canvas_is_drawn_after_the_fonts_have_arrived(served, tab):
    """Drawn again, a picture is the same: the first time, its font was there already."""
    page = tab(f"{served}book/03_elbo.html")
    card = page.locator(".vae-explorer.live:not([data-busy])")
    card.wait_for()
    first = card.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    drawn = card.get_attribute("data-drawn")
    page.evaluate("document.documentElement.classList.add('changed')")
    page.wait_for_function(
        "([root, drawn]) => root.dataset.drawn !== drawn", arg=[card.element_handle(), drawn]
    )
    assert card.locator("canvas").evaluate("canvas => canvas.toDataURL()") == first


def test_licences_stand_at_the_foot_of_every_page(page_name, html):
    links = [tag["href"] for tag in parsed(html / f"{page_name}.html").select(".bd-footer-content a")]
    assert links[0] == "https://creativecommons.org/licenses/by/4.0/"
    assert [link.rpartition("/")[2] for link in links[1:]] == ["LICENSE-text", "LICENSE"]


# What the theme writes on each page that the site changes: one of them for each pattern.
THEME = """<html lang="en" data-theme="auto"><head>
<script>localStorage.getItem("theme") || "auto";</script>
<link rel="preload" as="font" href="a.woff2" />
<link href="_static/styles/theme.css?digest=d" rel="stylesheet" />
<script src="_static/vendor/fontawesome/6.5.2/js/all.min.js"></script>
<script src="_static/a.js?v=1"></script>
<script defer="defer" src="_static/book.js?v=2"></script>
<script async="async" src="_static/explorers.js?v=3"></script>
<script>DOCUMENTATION_OPTIONS.pagename = 'a';</script>
<script src="searchindex.js"></script>
<script src="_static/searchtools.js"></script>
</head><body data-default-mode="auto">
<script>
document.write(`
  <button>Search</button>
`);
</script>
<div class="sidebar-primary-item"> <a class="navbar-brand logo" href="a.html"></a></div>
</body></html>"""


def test_each_change_of_the_theme_is_made(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(THEME, encoding="utf-8")
    done = pages.finished(page)
    assert 'data-theme="light"' in done and 'aria-label="Home"' in done and "matchMedia" in done
    assert "preload" not in done and "fontawesome" not in done
    assert "document.write" not in done and "pagename" not in done and "\n  <button>Search" in done


def test_scripts_of_the_theme_wait_for_the_page_in_their_order(tmp_path):
    """Above the stylesheet, for which a script below it waits; deferred ones last, but before the index."""
    page = tmp_path / "page.html"
    page.write_text(THEME, encoding="utf-8")
    done = pages.finished(page)
    assert re.findall("<script[^>]* src=.*", done) == [
        '<script async="async" src="_static/explorers.js?v=3"></script>'
    ]
    later = ["_static/a.js?v=1", "_static/searchtools.js", "_static/book.js?v=2", "searchindex.js"]
    assert done.count(f"{json.dumps(later)}.forEach") == 1
    assert done.index(json.dumps(later)) < done.index('rel="stylesheet"')


@pytest.mark.parametrize(
    "gone",
    [
        "<script src",
        '<link rel="preload"',
        ' data-theme="auto"',
        'localStorage.getItem("theme")',
        "navbar-brand",
        "document.write",
        "pagename",
        'rel="stylesheet"',
    ],
)
def test_a_theme_that_writes_something_else_fails_the_build(gone, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(THEME.replace(gone, ""), encoding="utf-8")
    with pytest.raises(ExtensionError, match=r"page\.html: nothing matches .* sphinx-book-theme 1\.1\.4"):
        pages.finished(page)


@pytest.mark.parametrize("css", [None, "", '.fa-list:before{content:"\\f03a"}'])
def test_icons_in_another_form_fail_the_build(css, tmp_path):
    """No sheet, a sheet without rules for icons, or one that does not name its font."""
    folder = tmp_path / "_static" / "vendor" / "fontawesome" / "7"
    (folder / "css").mkdir(parents=True)
    (tmp_path / "a.html").write_text('<i class="fa-list"></i>', encoding="utf-8")
    if css is not None:
        (folder / "css" / "all.min.css").write_text(css, encoding="utf-8")
    (folder / "webfonts").mkdir()
    font = next((fonts.npm.package("katex") / "dist" / "fonts").glob("KaTeX_Main-Regular.ttf"))
    (folder / "webfonts" / "fa-solid-900.ttf").write_bytes(font.read_bytes())
    with pytest.raises(ExtensionError, match="sphinx-book-theme 1"):
        subset_icons(tmp_path)
