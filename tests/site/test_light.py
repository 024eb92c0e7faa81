"""How much a page weighs, and that nothing of it waits or moves without need."""

from __future__ import annotations

import base64
import gzip
import io
import re
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import numpy as np
import pytest
from conftest import SubPathHandler, serving
from fontTools.ttLib import TTFont
from PIL import Image
from playwright.sync_api import expect

from site_extension.light import shrink_picture

TEXT = {".html", ".css", ".js", ".svg", ".json"}
EAGER = """async () => {
  await Promise.all([...document.images].map((image) => {
    image.loading = "eager";
    return image.decode();
  }));
  await document.fonts.ready;
}"""


@pytest.fixture
def weighed(tab):
    """A function that opens a page and returns the files it asked for: path → bytes as sent, bytes."""

    def weigh(address, root: Path, base: str):
        page, asked = tab(), set()
        page.on("request", lambda request: asked.add(request.url))
        page.goto(address)
        page.evaluate(EAGER)
        files = {}
        for url in asked:
            if url.startswith(base):
                path = root / unquote(urlsplit(url.removeprefix(base)).path)
                data = path.read_bytes()
                sent = len(gzip.compress(data, 6)) if path.suffix in TEXT else len(data)
                files[path.relative_to(root).as_posix()] = (sent, len(data))
        return files

    return weigh


def test_a_page_with_all_its_figures_is_light(page_name, html, served, weighed):
    """At most 0.7 MB over the wire, text gzipped as every host sends it, and 250 KB of script.

    The page to which a trained model and its test images are sent may weigh 1.0 MB.
    """
    files = weighed(f"{served}{page_name}.html", html, served)
    scripts = {name: size for name, (_, size) in files.items() if name.endswith(".js")}
    total = sum(sent for sent, _ in files.values())
    bound = 1_000_000 if page_name == "book/08_training" else 700_000
    assert total <= bound, sorted(((sent, name) for name, (sent, _) in files.items()), reverse=True)[:8]
    assert sum(scripts.values()) <= 250_000, scripts
    assert len(files) >= 10


def test_pictures_below_the_fold_wait(page_name, served, tab):
    page = tab(f"{served}{page_name}.html")
    assert page.evaluate("[...document.querySelectorAll('article img')].every((i) => i.loading === 'lazy')")
    sizes = "[...document.querySelectorAll('article img')].every((i) => i.width && i.height)"
    assert page.evaluate(sizes), "their place is kept free"


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


def test_a_card_wakes_while_the_rest_of_its_page_is_on_the_way(html, tab):
    with serving(Halting, html) as host:
        page = tab()
        page.goto(f"{host}{Halting.prefix}book/03_elbo.html", wait_until="commit")
        page.locator(".vae-explorer.live").wait_for()
        assert page.evaluate("document.readyState") == "loading"
        Halting.rest.set()
        page.wait_for_load_state()


SKIPPED = """() => [...document.querySelectorAll("article *")]
  .filter((element) => getComputedStyle(element).contentVisibility !== "visible").length"""


@pytest.mark.parametrize("fragment", ["", "#eq-3-4"])
def test_all_of_a_page_is_laid_out_once_it_has_arrived(fragment, served, tab):
    """And a link to a place in it leads there."""
    page = tab(f"{served}book/03_elbo.html{fragment}")
    assert page.evaluate(SKIPPED) == 0
    if fragment:
        expect(page.locator(fragment)).to_be_in_viewport(ratio=1, timeout=10_000)


def test_icon_font_holds_the_icons_in_use(page_name, html, served, tab):
    """What a page draws by code is in the font that was cut down to the icons in use."""
    page = tab(f"{served}{page_name}.html")
    codes = page.evaluate("""async () => {
      await document.fonts.ready;
      const icons = [...document.querySelectorAll("[class*=fa-solid]")];
      return icons.map((icon) => getComputedStyle(icon, "::before").content.replaceAll('"', ""));
    }""")
    (sheet,) = (html / "_static").glob("vendor/fontawesome/*/css/all.min.css")
    assert sheet.stat().st_size < 40_000
    font = re.search(r"url\(data:font/woff2;base64,([^)]+)\)", sheet.read_text(encoding="utf-8"))[1]
    held = TTFont(io.BytesIO(base64.b64decode(font))).getBestCmap()
    assert len(codes) >= 5
    assert [hex(ord(code)) for code in codes if ord(code) not in held] == []


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
