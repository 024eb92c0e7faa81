"""How much a page weighs, and that nothing of it waits or moves without need."""

from __future__ import annotations

import base64
import io
import threading
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import SubPathHandler, serving
from PIL import Image
from playwright.sync_api import expect

from site_extension.light import shrink_picture


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
