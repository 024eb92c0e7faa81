"""What a page is on paper: the text and the pictures, in the colours of the light mode, and nothing else."""

import io
import re
import unicodedata

import pytest
from conftest import rgb
from playwright.sync_api import expect
from pypdf import PdfReader

from vae_lib.palette import DARK, LIGHT

AWAY = (
    ".bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .prev-next-footer, .copybtn, "
    ".headerlink, #jb-print-docs-body, .vae-explorer input:not(.typed), .vae-explorer button, "
    "form.guess button"
)
COLOURS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Set();
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] === 255) found.add(data.slice(i, i + 3).join());
  return [...found];
}"""


def without_space(text):
    """A text to compare: where lines break, which spaces stand there and which letters a font joins (ff, fi)
    hangs on the browser and the font."""
    return re.sub(r"\s+|\u00ad|\u200b", "", unicodedata.normalize("NFKC", text))


def printed(page):
    """The page as a PDF file, with its headings as an outline."""
    return page.pdf(format="A4", prefer_css_page_size=True, tagged=True, outline=True)


def outline_of(items):
    """The titles of an outline, which is a list of lists."""
    for item in items:
        yield from outline_of(item) if isinstance(item, list) else [item.title]


@pytest.mark.parametrize(("mode", "width"), [("light", 1280), ("dark", 375)])
def test_a_chapter_becomes_a_pdf(mode, width, served, tab):
    """With its text, pictures that were never scrolled to, and no more pages than it needs."""
    page = tab(f"{served}book/04_kl.html", width, mode)
    page.locator(".vae-explorer.live").wait_for()
    headings = [text.rstrip("#\n ") for text in page.locator("article :is(h1, h2)").all_inner_texts()]
    # A paragraph with a formula has its text in an order of its own.
    plain = page.locator(
        "article p:visible:not(:has(.katex)):not(.vae-explorer *, details *, form *)"
    ).all_inner_texts()
    figures = page.locator("article img").count()
    # Printing asks for what was never scrolled to; on a slow machine it comes too late for the first print.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    data = printed(page)
    pdf = PdfReader(io.BytesIO(data))
    titles = [without_space(title) for title in outline_of(pdf.outline)]
    assert [text for text in headings if not any(without_space(text) in title for title in titles)] == []
    text = without_space("".join(sheet.extract_text() for sheet in pdf.pages))
    assert len(headings) > 5 and len(plain) > 10
    assert [paragraph for paragraph in [*headings, *plain] if without_space(paragraph) not in text] == []
    assert 5 < len(pdf.pages) < 15
    assert len(re.findall(rb"/Subtype */Image", data)) >= figures > 0
    assert page.evaluate("document.documentElement.dataset.theme") == mode
    if mode == "light":
        # The explorer's picture is drawn when the page is printed: lines and letters, and no image.
        page.locator(".vae-explorer canvas").first.evaluate("canvas => (canvas.style.visibility = 'hidden')")
        assert len(data) - len(printed(page)) > 5000


def test_print_shows_the_text_and_hides_the_controls(served, tab):
    page = tab(f"{served}book/03_elbo.html")
    card = page.locator(".vae-explorer.live")
    card.wait_for()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 670, "height": 950})  # A4 without its margins
    assert page.locator(AWAY).count() > 10
    assert page.locator(AWAY).evaluate_all("all => all.filter(e => e.checkVisibility()).length") == 0
    assert page.locator("article h1").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 670
    column = page.locator("article").bounding_box()
    assert column["x"] < 5 and column["width"] > 650
    for code in page.locator("article pre").all():
        assert code.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "a line of code is cut"
    assert card.locator("canvas").is_visible()
    for number in card.locator("output, .typed").all():
        text = number.evaluate("e => e.value ?? e.textContent")
        assert re.match(r"−?\d", text) and number.is_visible()
    unsplit = (".vae-explorer", "article img", "svg.pipeline", ".box")
    for what in unsplit:
        assert page.locator(what).first.evaluate("e => getComputedStyle(e).breakInside") == "avoid", what


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", ["03_elbo", "07_reconstruction_loss"])
def test_print_has_the_colours_of_the_light_mode(name, mode, served, tab):
    """Redrawn before the print is taken, and back afterwards."""
    page = tab(f"{served}book/{name}.html", mode=mode)
    canvases = page.locator(".vae-explorer.live:not([data-busy]) canvas")
    expect(canvases).to_have_count(page.locator(".vae-explorer").count())
    palettes = {
        name: {",".join(map(str, bytes.fromhex(colour[1:]))) for colour in palette.values()}
        for name, palette in (("light", LIGHT), ("dark", DARK))
    }
    for event, now in (("beforeprint", "light"), ("afterprint", mode)):
        page.evaluate("kind => window.dispatchEvent(new Event(kind))", event)
        other = {"light": "dark", "dark": "light"}[now]
        assert page.evaluate("document.documentElement.dataset.theme") == now
        for canvas in canvases.all():
            colours = set(canvas.evaluate(COLOURS))
            assert len(colours & palettes[now]) >= 2
            assert not colours & palettes[other]
        text = page.locator(".vae-explorer").first.evaluate("e => getComputedStyle(e).color")
        assert text == rgb((LIGHT, DARK)[now == "dark"]["ink"])
