"""How much a page weighs, and that nothing of it waits or moves without need."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import SubPathHandler, parsed, serving
from PIL import Image
from playwright.sync_api import expect
from sphinx.errors import ExtensionError

from site_extension.light import join_sheets, shrink_picture


class Halting(SubPathHandler):
    """Sends a page up to its 300 000th byte, and the rest when it may."""

    rest = threading.Event()

    def do_GET(self):
        file = Path(self.translate_path(self.path))
        if file.name != "03_elbo.html":
            return super().do_GET()
        page = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page[:300_000])
        self.wfile.flush()
        self.rest.wait(60)
        self.wfile.write(page[300_000:])


def test_a_card_works_before_the_whole_page_has_arrived(html, tab):
    with serving(Halting, html) as host:
        page = tab()
        page.goto(f"{host}{Halting.prefix}book/03_elbo.html", wait_until="commit")
        page.locator(".vae-explorer.live").wait_for()
        assert page.evaluate("document.readyState") == "loading"
        Halting.rest.set()
        page.wait_for_load_state()


def test_nothing_keeps_a_page_from_being_read(page_name, html):
    """One stylesheet; only the fonts' script waits for it, and all others for the page."""
    page = parsed(html / f"{page_name}.html")
    (sheet,) = page.find_all("link", rel="stylesheet")
    assert sheet["href"].partition("?")[0].endswith("_static/site.css")
    assert [tag["src"] for tag in page.find_all("script", src=True) if not tag.has_attr("async")] == []
    (fonts,) = [tag.string for tag in sheet.find_all_next("script") if not tag.has_attr("src")]
    assert fonts.startswith("for (const font of ") and fonts.endswith(") document.fonts.load(font);")
    (loader,) = [tag.string for tag in page.find_all("script", src=False) if "append(" in tag.string]
    later = json.loads(re.search(r"(\[[^]]*\])\.forEach\(\(src\)", loader)[1])
    assert len(later) == 9 and later[-1].partition("?")[0].endswith("_static/book.js")
    for source in later:
        assert (html / page_name).parent.joinpath(source.partition("?")[0]).is_file(), source


def test_the_one_stylesheet_asks_for_files_that_are_there(html):
    static = html / "_static"
    css = (static / "site.css").read_text(encoding="utf-8")
    asked = set(re.findall(r"url\((?!\W?data:)([^)]+)\)", css))
    assert len(asked) > 15 and [name for name in asked if not (static / name).is_file()] == []
    assert "@import" not in css and "sourceMappingURL" not in css
    assert list(static.rglob("*.css")) == [static / "site.css"]


def book_of_sheets(folder, **links):
    """Pages in book/ with these links, and the stylesheets a.css and deep/b.css, which imports c.css."""
    (folder / "_static" / "deep").mkdir(parents=True)
    (folder / "book").mkdir()
    (folder / "_static" / "a.css").write_text('@charset "utf-8"; a { color: red; }', encoding="utf-8")
    deep = '@import "../c.css"; b { background: url("../b.png"), url(c.png), url(data:image/png;base64,A); }'
    (folder / "_static" / "deep" / "b.css").write_text(deep, encoding="utf-8")
    (folder / "_static" / "c.css").write_text("i { top: 0; } /*# sourceMappingURL=c.map */", encoding="utf-8")
    pages = [folder / "book" / f"{name}.html" for name in links]
    for page, names in zip(pages, links.values(), strict=True):
        tags = "".join(f'<link rel="stylesheet" href="../_static/{name}?v=1" />\n' for name in names)
        page.write_text(f"<head>\n{tags}<title>{page.stem}</title></head>", encoding="utf-8")
    return pages


def test_stylesheets_are_joined_in_their_order(tmp_path):
    pages = book_of_sheets(tmp_path, one=["a.css"], two=["a.css", "deep/b.css"])
    join_sheets(tmp_path, pages)
    css = " ".join((tmp_path / "_static" / "site.css").read_text(encoding="utf-8").split())
    images = "url(b.png), url(deep/c.png), url(data:image/png;base64,A)"
    assert css == f"a {{ color: red; }} i {{ top: 0; }} b {{ background: {images}; }}"
    for page in pages:
        text = page.read_text(encoding="utf-8")
        link = re.fullmatch(r"<head>\n(<link [^>]*>)\n<title>.*", text)[1]
        assert re.search(r'href="\.\./_static/site\.css\?v=\w{8}"', link)


@pytest.mark.parametrize("other", [["deep/b.css", "a.css"], []])
def test_pages_with_other_stylesheets_fail_the_build(other, tmp_path):
    pages = book_of_sheets(tmp_path, one=["a.css", "deep/b.css"], two=other)
    with pytest.raises(ExtensionError, match=r"(one|two)\.html links the stylesheets"):
        join_sheets(tmp_path, pages)


ALIVE = """() => [...document.querySelectorAll("[data-explorer][data-spec]")]
  .filter((card) => card.matches(".live")).map((card) => card.dataset.explorer)"""


@pytest.mark.parametrize("asked", [None, "kl"])
def test_one_card_is_alive_before_the_page_has_loaded(asked, html, served, tab):
    """The first, or that of the address; the others, and the words that set them, when it has loaded."""
    page, held = tab(), []
    name = "book/00_the_loss_in_one_page.html"
    page.route("**/book.js*", lambda route: held.append(route))
    page.goto(f"{served}{name}" + (f"#{asked}?sigma=2" if asked else ""), wait_until="commit")
    page.locator(".vae-explorer.live").wait_for()
    page.wait_for_function("() => document.readyState === 'interactive'")
    page.wait_for_timeout(300)
    cards = [card["data-explorer"] for card in parsed(html / name).select("[data-spec]")]
    assert page.evaluate(ALIVE) == [asked or cards[0]] and page.locator("button.sets").count() == 0
    for route in held:
        route.continue_()
    expect(page.locator(".vae-explorer.live")).to_have_count(len(cards))
    expect(page.locator("button.sets").first).to_be_visible()
    page.unroute_all()


SKIPPED = """() => [...document.querySelectorAll("article *")]
  .filter((element) => getComputedStyle(element).contentVisibility !== "visible").length"""


@pytest.mark.parametrize("fragment", ["", "#eq-3-4"])
def test_all_of_a_page_is_laid_out_once_it_has_arrived(fragment, served, tab):
    """And a link to a place in it leads there."""
    page = tab(f"{served}book/03_elbo.html{fragment}")
    assert page.evaluate(SKIPPED) == 0
    if fragment:
        expect(page.locator(fragment)).to_be_in_viewport(ratio=1, timeout=10_000)


def stored_pictures():
    for path in sorted((Path(__file__).parents[2] / "book").glob("0*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    yield f"{path.stem}, {cell.id}", base64.b64decode(output.data["image/png"])


def test_pictures_look_the_same_with_a_palette(tmp_path):
    """No visible change of any figure of the chapters, for half of its bytes or fewer."""
    file, before, after = tmp_path / "a.png", 0, 0
    for name, png in stored_pictures():
        file.write_bytes(png)
        shrink_picture(file)
        with Image.open(io.BytesIO(png)) as one, Image.open(file) as other:
            old, new = (np.asarray(picture.convert("RGB"), dtype=float) for picture in (one, other))
        assert ((old - new) ** 2).mean() < 6, f"{name}: mean squared error, of 65025"
        before, after = before + len(png), after + file.stat().st_size
    assert 0 < after < 0.5 * before


def test_pictures_of_the_site_have_a_palette(html):
    built = sorted((html / "_images").glob("*.png"))
    assert len(built) > 40
    for file in built:
        with Image.open(file) as picture:
            assert picture.mode in ("P", "L"), file.name


def test_a_picture_that_can_be_seen_through_is_left_alone(tmp_path):
    file = tmp_path / "a.png"
    Image.new("RGBA", (40, 40), (10, 20, 30, 128)).save(file)
    before = file.read_bytes()
    shrink_picture(file)
    assert file.read_bytes() == before
