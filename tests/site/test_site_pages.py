"""Every page, as a reader's browser shows it."""

from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, parsed

from tools.address import address
from vae_lib.palette import DARK, LIGHT

TITLE = "Where the VAE loss comes from"

# What a reader sees as text: formulas and code may hold dollars and backslashes, prose may not.
PROSE = """() => {
  const article = document.querySelector("article.bd-article").cloneNode(true);
  article.querySelectorAll(".katex, pre, code, script, style").forEach((element) => element.remove());
  return article.textContent;
}"""

# Images wait until they come near; one that is broken makes this fail.
LOAD_IMAGES = """() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode();
}))"""


@pytest.fixture(scope="session")
def anchors(html):
    """Every file of the site, and the ids on each page."""
    return {
        file.relative_to(html).as_posix(): (
            {tag["id"] for tag in parsed(file).find_all(id=True)} if file.suffix == ".html" else set()
        )
        for file in html.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("way", ["served", "file"])
def test_stands_alone(page_name, way, html, served, tab):
    """No other host, no console error, no failed request; title, heading and formulas in place."""
    base = served if way == "served" else html.as_uri() + "/"
    page, wrong = tab(), []
    own = (base, "data:")
    page.on("request", lambda r: None if r.url.startswith(own) else wrong.append(f"asks for {r.url}"))
    page.on("requestfailed", lambda r: wrong.append(f"{r.failure}: {r.url}"))
    page.on("response", lambda r: wrong.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.goto(f"{base}{page_name}.html")
    page.evaluate(LOAD_IMAGES)
    page.wait_for_load_state("networkidle")
    assert wrong == []

    assert page.locator("article h1").count() == 1
    heading = page.locator("article h1").evaluate("h1 => h1.firstChild.textContent.trim()")
    assert heading and page.title().endswith(TITLE)
    assert page.locator(".katex-error").count() == 0
    assert page.locator(".math").count() == page.locator(".math > .katex, .math > .katex-display").count()
    prose = page.evaluate(PROSE)
    assert not any(raw in prose for raw in ("$$", "\\tag", "{pipeline}", "{explorer}", ":::"))


def test_images_say_what_they_show(page_name, html):
    for image in parsed(html / f"{page_name}.html").select("article img"):
        alt = image.get("alt", "")
        assert len(alt.split()) >= 4 and "_images/" not in alt, f"{image['src']} has alt={alt!r}"


def test_links_lead_somewhere(page_name, html, anchors):
    source = f"/{page_name}.html"
    broken = []
    for tag in parsed(html / source[1:]).find_all(["a", "link", "script", "img"]):
        target = tag.get("href") or tag.get("src") or ""
        if not target or urlsplit(target).scheme in ("http", "https", "mailto", "data"):
            continue
        address, anchor = urldefrag(urljoin(source, target))
        path = unquote(urlsplit(address).path)[1:] or "index.html"
        dangling = anchor and path.endswith(".html") and unquote(anchor) not in anchors.get(path, ())
        if path not in anchors or dangling:
            broken.append(target)
    assert broken == []


def test_every_notebook_opens_in_colab(page_name, html):
    """The button leads to the very file: of an exercise, the one for students."""
    source = ROOT / f"{page_name}.ipynb"
    page = parsed(html / f"{page_name}.html")
    buttons = [tag for tag in page.select(".article-header-buttons a") if "colab" in tag["href"]]
    assert [tag["href"].removeprefix(address().colab) for tag in buttons] == [
        f"/{path.relative_to(ROOT).as_posix()}" for path in (source,) if path.is_file()
    ]
    assert all(tag.get_text(strip=True) == "Open in Colab" for tag in buttons)
    assert page.select_one('link[rel="canonical"]')["href"] == f"{address().site}{page_name}.html"


def test_install_cell_is_for_notebooks_only(page_name, html):
    article = parsed(html / f"{page_name}.html").select_one("article")
    assert address().archive not in article.get_text()


def test_numbered_equations_can_be_linked(page_name, html):
    page = parsed(html / f"{page_name}.html")
    for tag in page.select(".katex-display .tag"):
        number = tag.get_text().strip("()\u200b ")
        assert page.find(id="eq-" + number.replace(".", "-")) is not None, number


def test_dark_mode(page_name, served, tab):
    """Coloured formulas take the dark colour of the same meaning; figures are turned over."""
    page = tab(f"{served}{page_name}.html", mode="dark")
    coloured = page.evaluate("""() => [...document.querySelectorAll('.katex-html [style*="color:#"]')].map(
        e => [e.getAttribute("style").match(/color:(#\\w+)/)[1].toUpperCase(), getComputedStyle(e).color])""")
    dark_of = {LIGHT[name].upper(): DARK[name] for name in LIGHT}
    for written, shown in coloured:
        wanted = tuple(bytes.fromhex(dark_of[written][1:]))
        assert shown == f"rgb{wanted}", f"{written} is shown as {shown}"
    filters = page.eval_on_selector_all("article img", "all => all.map(i => getComputedStyle(i).filter)")
    assert all("invert(1)" in value for value in filters)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(channel) for channel in background.strip("rgba()").split(",")[:3]) < 60


WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Most of a page is the drawn half of its formulas (hidden from screen readers, which get MathML; its
# colours are checked above) and the coloured words of its code, of which one of each kind is enough.
SLIM = """() => {
  document.querySelectorAll(".katex-html").forEach((half) => half.remove());
  const seen = new Set();
  for (const word of document.querySelectorAll(".highlight pre span[class]")) {
    const kind = word.className + (word.closest(".cell_output") ? " output" : "");
    if (seen.has(kind)) word.replaceWith(word.textContent);
    seen.add(kind);
  }
}"""


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_everyone_can_read_it(page_name, mode, width, served, tab):
    """axe-core finds nothing against WCAG 2.2 A, AA or best practice, and no page scrolls sideways."""
    page = tab(f"{served}{page_name}.html", width, mode)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    page.evaluate(SLIM)
    # preload would fetch every stylesheet once more
    options = {"runOnly": WCAG, "resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options).response
    nodes = [(rule["id"], node["html"][:150]) for rule in found["violations"] for node in rule["nodes"]]
    assert nodes == []


def test_policy_is_sent(served):
    """Without it, that no page breaks it would say nothing."""
    with urlopen(served + "book/intro.html") as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_skip_link_is_the_first_stop(page_name, served, tab):
    page = tab(f"{served}{page_name}.html")
    page.keyboard.press("Tab")
    link = page.evaluate("document.activeElement.getAttribute('href')")
    assert link == "#main-content" and page.locator(link).count() == 1
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_book_has_what_these_tests_look_for(html):
    """So that none of them passes by having nothing to look at."""
    pages = [parsed(file) for file in sorted((html / "book").glob("*.html"))]
    looked_for = (
        ".katex-display .tag",
        '.katex-html [style*="color:#"]',
        "article img",
        "svg.pipeline",
        ".box",
    )
    for what in looked_for:
        assert any(page.select(what) for page in pages), what
