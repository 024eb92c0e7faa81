"""How much a page weighs, and that nothing of it waits or moves without need."""

from __future__ import annotations

import base64
import gzip
import io
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import numpy as np
import pytest
from PIL import Image

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
    """At most 0.7 MB over the wire, text gzipped as every host sends it, and 250 KB of script."""
    files = weighed(f"{served}{page_name}.html", html, served)
    scripts = {name: size for name, (_, size) in files.items() if name.endswith(".js")}
    total = sum(sent for sent, _ in files.values())
    assert total <= 700_000, sorted(((sent, name) for name, (sent, _) in files.items()), reverse=True)[:8]
    assert sum(scripts.values()) <= 250_000, scripts
    assert len(files) >= 10


def test_pictures_below_the_fold_wait(page_name, served, tab):
    page = tab(f"{served}{page_name}.html")
    assert page.evaluate("[...document.querySelectorAll('article img')].every((i) => i.loading === 'lazy')")
    sizes = "[...document.querySelectorAll('article img')].every((i) => i.width && i.height)"
    assert page.evaluate(sizes), "their place is kept free"


def test_icons_are_drawn(served, tab):
    """The font that holds only the icons in use does hold them: no icon is an empty box."""
    page = tab(served + "book/04_kl.html")
    missing = page.evaluate("""async () => {
      await document.fonts.ready;
      const all = [...document.querySelectorAll("[class*=fa-solid]")];
      const icons = all.filter((icon) => icon.getClientRects().length);
      const blank = icons.filter((icon) => {
        const style = getComputedStyle(icon, "::before");
        const code = style.content.replaceAll('"', "");
        return !code || !document.fonts.check(`${style.fontWeight} 16px "Font Awesome 6 Free"`, code);
      });
      return [icons.length, blank.map((icon) => icon.className)];
    }""")
    assert missing[0] >= 5 and missing[1] == []


def test_pictures_look_the_same_with_a_palette(html):
    """Against the pictures that the notebooks hold: no visible change of any pixel."""
    stored = {}
    for path in sorted((Path(__file__).parents[2] / "book").glob("0*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert(
                        "RGB"
                    )
                    stored.setdefault(picture.size, []).append(np.asarray(picture, dtype=float))
    built = sorted((html / "_images").glob("*.png"))
    assert len(built) > 40
    for file in built:
        with Image.open(file) as picture:
            assert picture.mode == "P" or len(picture.getcolors(1 << 24) or []) <= 256, file.name
            shown = np.asarray(picture.convert("RGB"), dtype=float)
        nearest = min(((shown - one) ** 2).mean() for one in stored[picture.size])
        assert nearest < 6, f"{file.name}: mean squared error {nearest:.1f} of 65025"
