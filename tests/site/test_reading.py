"""What makes the book easy to enter, to find one's way in, to share and to print."""

import io
import os
import re
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import CHAPTERS, PAGES, SET, TITLE, SubPathHandler, parsed, rgb, serving
from docutils.core import publish_doctree
from PIL import Image
from wordings import ASKED

from site_extension import preview
from site_extension.serve import Quiet
from tools.address import address
from vae_lib.palette import LIGHT, PAPER

LANDING = PAGES[0]
INSIDE = """element => { const { top, bottom } = element.getBoundingClientRect();
                         return top >= 0 && bottom <= innerHeight; }"""


# The landing page


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_first_screen_says_what_this_is(width, mode, served, tab):
    """Two sentences, five doors and the beginning of the explorer, before anything is scrolled."""
    page = tab(f"{served}{LANDING}.html", width, mode)
    first = page.locator("article h1 + p")
    sentences = re.findall(r"[^.]+\.", first.inner_text())
    assert len(sentences) <= 2 and len(first.inner_text().split()) <= 40
    for locator in (page.locator("article h1"), first, *page.locator(".doors li").all()):
        assert locator.evaluate(INSIDE)
    card = page.locator(".vae-explorer")
    assert card.locator(".question").evaluate(INSIDE)
    if width == 1280:
        shown = 800 - card.locator(".picture").bounding_box()["y"]
        assert shown > 0.8 * card.locator(".picture").bounding_box()["height"]
        assert all(slider.evaluate(INSIDE) for slider in card.locator("input").all())
    order = page.evaluate(
        "() => ['.doors', '.vae-explorer', 'svg.pipeline', 'table'].map("
        "what => document.querySelector('article ' + what).getBoundingClientRect().top)"
    )
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("door", "target"),
    [
        ("Read", CHAPTERS[0]),
        ("Run", "#run-it"),
        ("Check", "book/is_my_loss_right"),
        ("Ask", "book/questions"),
        ("Teach", "#teach-with-it"),
    ],
)
def test_the_whole_door_is_a_link(door, target, served, tab):
    """The whole card is the link, not its first word alone."""
    page = tab(f"{served}{LANDING}.html")
    page.locator(".doors li").filter(has_text=door).click(position={"x": 160, "y": 60})
    page.wait_for_load_state()
    if target.startswith("#"):
        assert page.url.endswith(target)
        assert page.locator(f"section{target} > h2").evaluate(INSIDE)
    else:
        assert page.url == f"{served}{target}.html"


def test_the_bars_always_end_at_the_same_number(served, tab):
    """The explorer of the landing page does what the line above it says."""
    page = tab(f"{served}{LANDING}.html")
    card = page.locator(".vae-explorer.live")
    seen = set()
    for mu in ("-1", "0.5", "2"):
        card.locator("input[name=mu]").evaluate(SET, mu)
        page.locator(".vae-explorer.live:not([data-busy])").wait_for()
        found = card.locator("output").evaluate_all("all => all.map(o => [o.name, Number(o.dataset.value)])")
        shown = dict(found)
        end = shown["reconstruction"] - shown["kl"] + shown["gap"]
        assert end == pytest.approx(shown["log_marginal"], abs=1e-9)
        seen.add(shown["gap"])
    assert len(seen) == 3


# Finding one's way


def test_previous_next_and_minutes(html):
    for before, name, after in zip([None, *PAGES], PAGES, [*PAGES[1:], None], strict=False):
        page = parsed(html / f"{name}.html")
        for selector, neighbour in ((".left-prev", before), (".right-next", after)):
            links = page.select(f".prev-next-area {selector}")
            expected = [os.path.relpath(f"{neighbour}.html", os.path.dirname(name))] if neighbour else []
            assert [link["href"] for link in links] == expected
            for link in links:
                title = parsed(html / f"{neighbour}.html").select_one("article h1").find(string=True)
                assert link.select_one(".prev-next-title").get_text() == title
        if name in CHAPTERS:
            assert re.search(r"Time: \d+ minutes", page.select_one("article").get_text())


SEARCHES = {
    "reparameterization": "06_reparameterization",
    "β": "07_reconstruction_loss",
    "KL": "04_kl",
    "ELBO": "03_elbo",
    "ε": "03_elbo",  # only in formulas there
    "collapse": "08_training",
    "loss NaN after a few epochs": "questions",
    "Stable Diffusion": "questions",
}


@pytest.mark.parametrize(
    ("query", "way"),
    [*((query, "served") for query in SEARCHES), ("ε", "file"), ("loss NaN after a few epochs", "file")],
)
def test_search_finds(query, way, html, served, tab):
    """Typed into the field that Ctrl+K opens; with a quotation where pages can be asked for."""
    wrong, start = [], served if way == "served" else html.as_uri() + "/"
    page = tab(f"{start}book/01_generative_and_discriminative.html", problems=wrong)
    page.keyboard.press("Control+k")
    page.keyboard.insert_text(query)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.locator("p.search-summary").filter(has_text="finished").wait_for()
    links = page.locator("#search-results li > a").evaluate_all("all => all.map(a => a.href)")
    assert any(f"/{SEARCHES[query]}.html" in link for link in links)
    if way == "served":
        found = page.locator(
            "#search-results li", has=page.locator(f'a[href*="{SEARCHES[query]}.html"]')
        ).first
        quoted = found.locator(".context").inner_text()
        assert query.split()[0].lower() in quoted.lower()
        assert "\\" not in quoted, "formulas as they are read, not as they are typed"
    page.wait_for_load_state("networkidle")
    assert wrong == []


FOUND = """queries => queries.map(query =>
  Search._performSearch(...Search._parseQuery(query)).reverse().map(([page, , id]) =>
    page === "book/questions" ? id.slice(1) : page))"""


@pytest.fixture
def results(served, tab):
    """For each query what is found, the first at first: the id of a question, or the page."""
    page = tab(f"{served}search.html")
    page.wait_for_function("() => Search.hasIndex()")
    return lambda queries: dict(zip(queries, page.evaluate(FOUND, list(queries)), strict=True))


@pytest.fixture
def first_results(results):
    """For each query what is found first."""
    return lambda queries: {query: next(iter(found), None) for query, found in results(queries).items()}


def test_search_finds_each_question(html, results):
    """In its own words, a question leads to its own answer."""
    sections = parsed(html / "book/questions.html").select("section:has(> h3)")
    questions = {section.h3.get_text().removesuffix("#"): section["id"] for section in sections}
    assert len(questions) >= 20
    found = results(questions)
    assert [question for question, id in questions.items() if id not in found[question]] == []


def test_a_question_is_found_first_in_words_that_people_use(first_results):
    wanted = {query: question for question, queries in ASKED.items() for query in queries.split("; ")}
    assert len(wanted) >= 40
    found = first_results(wanted)
    assert {query: found[query] for query in wanted if found[query] != wanted[query]} == {}


def test_every_question_is_asked_in_other_words(html):
    ids = {section["id"] for section in parsed(html / "book/questions.html").select("section:has(> h3)")}
    assert set(ASKED) == ids


def test_words_of_many_questions_and_terms_of_the_glossary_lead_elsewhere(first_results):
    wanted = {"KL": "book/api", **dict.fromkeys(("ELBO", "decoder", "total correlation"), "book/glossary")}
    assert first_results(wanted) == wanted


def test_the_figure_of_chapter_10_is_within_four_screens(served, tab):
    """A reader with a question of practice does not scroll through the whole chapter to it."""
    page = tab(f"{served}book/10_in_practice.html", 1280)
    assert page.locator(".vae-explorer").first.bounding_box()["y"] < 3.5 * 800


def test_the_formulas_of_chapter_10_need_no_scrolling_on_a_phone(served, tab):
    formulas = tab(f"{served}book/10_in_practice.html", 320).locator(".math[id] .katex-display")
    assert formulas.count() >= 5
    assert formulas.evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length") == 0


# The page for addresses that do not exist


class WithNotFound(Quiet, SubPathHandler):
    """As hosts do it: 404.html under the unknown address itself."""


@pytest.mark.parametrize("name", CHAPTERS)
def test_results_are_numbers_and_places_are_linked(name, html):
    """No printout says True or False, and no sentence names a cell by its id, which no page shows."""
    page = parsed(html / f"{name}.html").select_one("article")
    printed = [output.get_text() for output in page.select(".cell_output pre")]
    assert printed and [text for text in printed if re.search(r"\b(True|False)\b", text)] == []
    cells = {cell["id"].removeprefix("cell-id=") for cell in page.select("[id^='cell-id=']")}
    named = [code.get_text() for code in page.select(":not(pre) > code")]
    assert cells and [text for text in named if "-" in text and text in cells] == []


SCROLLS = """([kind, part]) => {
  const wide = [...document.querySelectorAll(kind)].find((box) => box.scrollWidth > box.clientWidth + 40);
  for (const word of [wide, ...wide.querySelectorAll("*")]) word.style.color = "transparent";
  for (const word of wide.children) word.style.visibility = "hidden";
  wide.scrollIntoView({ block: "center", behavior: "instant" });
  wide.scrollLeft = part * (wide.scrollWidth - wide.clientWidth);
  const { left, top, width, height } = wide.getBoundingClientRect();
  return { x: left, y: top + height / 2 - 1, width, height: 2 };
}"""


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(
    "kind", [".katex-display", ".cell_input pre", ".cell_output pre", ".pst-scrollable-table-container"]
)
def test_a_shadow_shows_on_which_side_there_is_more(kind, mode, served, tab):
    page = tab(f"{served}book/07_reconstruction_loss.html", 320, mode)
    page.evaluate("document.querySelectorAll('article details').forEach((one) => (one.open = true))")
    page.evaluate("dispatchEvent(new Event('resize'))")  # for what was folded
    for part, sides in ((0, (False, True)), (0.5, (True, True)), (1, (True, False))):
        clip = page.evaluate(SCROLLS, [f"article {kind}", part])
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        row = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L")
        left, middle, right = (row.getpixel((x, 0)) for x in (1, row.width // 2, row.width - 2))
        for shadow, more in zip((abs(left - middle), abs(right - middle)), sides, strict=True):
            assert shadow > 40 if more else shadow < 4, part


@pytest.fixture(scope="module")
def host(html):
    with serving(WithNotFound, html) as address:
        yield address


UNKNOWN = ["nothing.html", "book/nothing.html", "book/deeper/and/deeper/", "book/book/03.html", "x/y/z"]


@pytest.mark.parametrize("address", UNKNOWN)
def test_unknown_address_leads_home(address, host, tab):
    page, asked, base = tab(), [], host + SubPathHandler.prefix
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(base + address)
    assert answer.status == 404
    assert page.get_by_role("heading", level=1).inner_text() == "There is no such page"
    path = SubPathHandler.prefix + "index.html"
    page.locator(f'a[href="{path}"]').wait_for()
    assert all(url.startswith(host) for url in asked)
    for link in page.locator("a").evaluate_all("all => all.map(a => a.href)"):
        assert page.request.get(link).ok, link
    page.get_by_role("link", name=TITLE).click()
    page.wait_for_url(f"{base}{LANDING}.html")


def test_unknown_address_opened_from_a_folder(html, tab):
    page = tab((html / "404.html").as_uri())
    page.get_by_role("link", name="3 · The evidence lower bound", exact=True).click()
    page.wait_for_url((html / "book" / "03_elbo.html").as_uri())


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_unknown_address_can_be_read(width, mode, host, tab):
    page = tab(f"{host}{SubPathHandler.prefix}nothing", width, mode)
    paper = PAPER[mode == "dark"]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == rgb(paper)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(page).response["violations"] == []


# What a message shows that links to a page


def test_description(page_name, html):
    page = parsed(html / f"{page_name}.html")
    (description,) = page.select('meta[name="description"]')
    text = description["content"]
    assert 20 <= len(text) <= 160 and text.endswith((".", "?", "…"))
    assert not re.search(r"[\\$<>`*]", text)
    if page_name in CHAPTERS:
        assert text == page.select_one("article h1 + p em").get_text()
    meta = {tag["property"]: tag["content"] for tag in page.select("meta[property]")}
    assert meta["og:description"] == text
    assert meta["og:title"] == page.select_one("article h1").find(string=True)
    assert meta["og:type"] == ("website" if page_name == LANDING else "article")
    assert page.select_one('meta[name="twitter:card"]')["content"] == "summary_large_image"
    with Image.open(html / meta["og:image"].removeprefix(address().site)) as picture:
        assert picture.format == "PNG"
        assert picture.size == (int(meta["og:image:width"]), int(meta["og:image:height"])) == (1200, 630)
    (icon,) = page.select('link[rel~="icon"]')
    assert "<svg" in ((html / f"{page_name}.html").parent / icon["href"]).read_text(encoding="utf-8")


def test_descriptions_differ(html):
    pages = [parsed(html / f"{name}.html") for name in PAGES]
    assert len({page.select_one('meta[name="description"]')["content"] for page in pages}) == len(PAGES)


def test_address_of_the_site_has_a_preview(html, served, tab):
    index = parsed(html / "index.html")
    assert index.select_one('meta[property="og:title"]')["content"] == TITLE
    picture = index.select_one('meta[property="og:image"]')["content"]
    assert picture.startswith(address().site) and (html / picture.removeprefix(address().site)).is_file()
    page = tab(served)
    page.wait_for_url(f"{served}{LANDING}.html")


@pytest.mark.parametrize("base", ["https://example.org/vae", "https://example.org/vae/"])
def test_picture_is_absolute_where_the_address_is_known(base):
    app = SimpleNamespace(config=SimpleNamespace(html_baseurl=base, html_title=TITLE))
    tags = preview.tags(app, "a < b", publish_doctree("A\n=\n\nB\n=\n\n*Why?*\n"), "../_static/")
    assert 'content="https://example.org/vae/_static/preview.png"' in tags
    assert 'content="a &lt; b"' in tags


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("*First. Why, and how?*", "First. Why, and how?"),
        ("One is x. Two is y.", "One is x."),
        ("The list:\n\n- An item.", "The list:"),
        ("A title without an end\n\nThen a sentence.", "Then a sentence."),
        ("word " * 60 + "end.", ("word " * 31).strip() + " …"),
        ("- An item.", ""),
    ],
)
def test_first_sentence(text, description):
    assert preview.describe(publish_doctree(f"A\n=\n\nB\n-\n\n{text}\n\nC\n-\n")) == description


def test_picture_has_the_book_s_colours(html):
    with Image.open(html / "_static" / "preview.png") as picture:
        colours = {colour[:3] for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    for name in ("ink", "prior", "approximate", "likelihood", "posterior"):
        assert tuple(bytes.fromhex(LIGHT[name][1:])) in colours, name


# Reading


def test_lines_do_not_end_within_a_number_or_before_a_full_stop(html):
    page = parsed(html / "book" / "02_likelihood.html")
    text = " ".join(p.get_text() for p in page.select("article p"))
    assert "100\u202f000 draws" in text and "J\u00a0=\u00a010" in text
    stops = [span.get_text()[-1] for span in page.select("article p > .no-break")]
    assert len(stops) > 10 and set(stops) <= set(",.;:?!)")


def test_a_chapter_without_javascript(served, tab):
    """It has the colours of the light mode, a picture with the numbers, and answers that open."""
    page = tab(f"{served}book/03_elbo.html", scripts=False)
    kinds = page.locator(".highlight pre span").evaluate_all("all => all.map(e => getComputedStyle(e).color)")
    assert len(set(kinds)) > 4
    assert page.locator("html").evaluate("e => getComputedStyle(e).colorScheme") == "light"
    card = page.locator(".vae-explorer")
    assert card.locator("svg").is_visible() and card.locator(".controls").is_hidden()
    assert re.match(r"−?\d", card.locator("output").first.inner_text())
    borders = set()
    for option in page.locator("#quick-check details").all()[:2]:
        option.locator("summary").click()
        assert option.locator("p").is_visible()
        borders.add(option.evaluate("option => getComputedStyle(option).borderColor"))
    assert len(borders) == 2, "right and wrong"
