"""On a very wide screen a figure stands beside its text; and the way to the first figure by the keyboard."""

import pytest
from cards import REST
from conftest import CHAPTERS, ROOT
from visits import ASIDES

# Of each figure: the boxes (left, top, right, bottom) of the text before and behind it and of its card, and
# for how many characters a line of the text has room.
PLACES = """() => [...document.querySelectorAll(".beside")].map((beside) => {
  const box = (element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return [left, top, right, bottom].map(Math.round);
  };
  const [before, figure, after] = beside.children;
  const text = [...before.querySelectorAll(":scope > p"), ...after.querySelectorAll(":scope > p")];
  const ctx = document.createElement("canvas").getContext("2d");
  const words = text.map((p) => p.textContent).join(" ").replace(/[^a-z ]/gi, "").slice(0, 400);
  ctx.font = getComputedStyle(text[0]).font;
  return { before: box(before), after: box(after), card: box(figure.querySelector(".vae-explorer")),
    characters: (words.length * text[0].clientWidth) / ctx.measureText(words).width };
})"""
LEFT, TOP, RIGHT, BOTTOM = range(4)
# Scrolls until the last line of the text of a figure appears; a short text further, to where one reads.
READ_ON = """(k) => {
  const beside = document.querySelectorAll(".beside")[k];
  const last = [...beside.querySelectorAll(":scope > :not(.figure-beside) > *")].pop();
  const below = last.getBoundingClientRect().bottom - 0.9 * innerHeight;
  scrollTo(0, scrollY + Math.max(below, beside.getBoundingClientRect().top - 200));
}"""
# Scrolls to the middle of the way on which a card is stuck beside its text; then its boxes (none if it has no
# way), and whether the corners of its picture and of its controls are in sight.
STUCK = """(k) => {
  const figure = document.querySelectorAll(".figure-beside")[k], cell = figure.querySelector(".cell");
  const way = figure.clientHeight - cell.clientHeight;
  if (way < 2) return null;
  const top = parseFloat(getComputedStyle(cell).top);
  scrollTo(0, scrollY + figure.getBoundingClientRect().top - top + way / 2);
  const parts = [cell, ...cell.querySelectorAll(".picture, .controls")].map((e) => e.getBoundingClientRect());
  const corners = parts.slice(1).flatMap((part) =>
    [part.top + 2, part.bottom - 2].map((y) => [part.left + 2, y]));
  return { boxes: parts.map(({ left, top, right, bottom }) => [left, top, right, bottom]), top,
    in_sight: corners.map(([x, y]) => figure.contains(document.elementFromPoint(x, y))) };
}"""
HEADER, WINDOW = 56, 900  # the header stays on top of the window; its height


@pytest.fixture
def chapter(served, tab):
    """chapter(name) opens a chapter whose cards have come alive."""

    def opened(name, **options):
        page = tab(f"{served}{name}.html", **options)
        for card in page.locator("[data-explorer][data-spec]").all():
            card.evaluate(REST)
        return page

    return opened


def resize(page, width, height=WINDOW):
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("() => new Promise(requestAnimationFrame)")


WITH_FIGURES = [
    name for name in CHAPTERS if '"id": "explorer-' in (ROOT / f"{name}.ipynb").read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_a_figure_stays_in_sight_beside_its_text(name, chapter):
    """At 1440 pixels and more; below, it follows its text in the same column. Few stops lead to the first.

    One visit for all of it: to open a chapter takes longer than to look at it.
    """
    page = chapter(name, width=1280)
    stops = 0
    while not page.evaluate("document.activeElement.closest('.vae-explorer') !== null") and stops < 10:
        page.keyboard.press("Tab")
        stops += 1
        if page.evaluate("document.activeElement.textContent") == "Skip to the first figure":
            page.keyboard.press("Enter")
    assert stops < 10, "tab stops to the first figure"
    for place in page.evaluate(PLACES):
        assert place["card"][LEFT] == place["before"][LEFT] and place["card"][RIGHT] <= place["before"][RIGHT]
        assert place["before"][BOTTOM] < place["card"][TOP] < place["card"][BOTTOM] < place["after"][TOP]
    for width in (1440, 1600, 1920):
        resize(page, width)
        places = page.evaluate(PLACES)
        assert places
        for k, place in enumerate(places):
            before, after, card = (place[part] for part in ("before", "after", "card"))
            assert 60 <= place["characters"] <= 75, width
            assert max(before[RIGHT], after[RIGHT]) < card[LEFT]
            assert 528 <= card[RIGHT] - card[LEFT] and card[RIGHT] <= width - 15, "room for a scrollbar"
            page.evaluate(READ_ON, k)
            picture = page.locator(".beside .picture").nth(k).bounding_box()
            top, bottom = picture["y"], picture["y"] + picture["height"]
            assert min(bottom, WINDOW) - max(top, HEADER) >= picture["height"] / 2, "half of it is in sight"

    stuck_cards(page)


def stuck_cards(page):
    """A card that is stuck shows its picture, and its controls where the window has room for them, too."""
    page.evaluate(ASIDES)
    assert page.locator(".beside .beside").count() == 0, "each figure has a box of its own"
    count = page.locator(".figure-beside").count()
    assert count == page.locator(".beside .vae-explorer").count() > 0
    for width, height in ((1440, 720), (1440, WINDOW), (1600, WINDOW), (1920, WINDOW)):
        resize(page, width, height)
        found = [page.evaluate(STUCK, k) for k in range(count)]
        assert any(found), "some card is stuck"
        for stuck in filter(None, found):
            cell, picture, controls = stuck["boxes"]
            assert cell[TOP] == pytest.approx(stuck["top"], abs=1), "it is stuck"
            assert HEADER - 1 <= picture[TOP] and picture[BOTTOM] <= height, width
            if controls[BOTTOM] - picture[TOP] <= height - HEADER:
                assert controls[BOTTOM] <= height and all(stuck["in_sight"]), width


def test_the_contents_make_room_for_the_figure(chapter):
    """They fold to their heading, cover no part of the card, and unfold for the focus or a narrow page."""
    page = chapter("book/04_kl", width=1440)
    contents, beside = page.locator(".bd-sidebar-secondary"), page.locator(".beside")
    unfolded = contents.bounding_box()["height"]
    assert unfolded > 200
    beside.evaluate("beside => scrollTo(0, beside.getBoundingClientRect().top + scrollY - 60)")
    folded = "([contents, below]) => contents.getBoundingClientRect().bottom < below"
    page.wait_for_function(folded, arg=[contents.element_handle(), 60])
    card = beside.locator(".vae-explorer").bounding_box()
    assert card["y"] >= contents.bounding_box()["y"] + contents.bounding_box()["height"]
    contents.locator("nav a").first.focus()
    page.wait_for_function(f"arg => !({folded})(arg)", arg=[contents.element_handle(), 200])
    page.evaluate("document.activeElement.blur()")
    resize(page, 1280)
    page.wait_for_function(f"arg => !({folded})(arg)", arg=[contents.element_handle(), 200])


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_beside_without_javascript(mode, served, tab):
    """The figure stands on top of the contents, which nothing folds; a range is its words alone."""
    page = tab(f"{served}book/04_kl.html", width=1440, mode=mode, scripts=False)
    page.locator(".beside").scroll_into_view_if_needed()
    (place,) = page.evaluate(PLACES)
    assert place["before"][RIGHT] < place["card"][LEFT] and place["card"][RIGHT] - place["card"][LEFT] >= 528
    covered = page.locator(".beside .vae-explorer").evaluate("""card => {
      card.scrollIntoView();
      const { right, top } = card.getBoundingClientRect();
      return document.elementFromPoint(right - 150, top + 40).closest(".bd-sidebar-secondary") !== null;
    }""")
    assert not covered
    assert page.locator(".sets input").count() == 1 and page.locator(".sets input").is_hidden()


def test_on_paper_a_figure_follows_its_text(chapter):
    page = chapter("book/04_kl", width=1440)
    page.emulate_media(media="print")
    (place,) = page.evaluate(PLACES)
    assert place["before"][BOTTOM] < place["card"][TOP] < place["card"][BOTTOM] < place["after"][TOP]
    assert page.locator(".sets input").is_hidden()


def test_a_range_moves_no_line(chapter):
    """Its slider has its place before the script has given it its ends."""
    page = chapter("book/04_kl", width=375)
    height, slider = "text => text.getBoundingClientRect().height", page.locator(".sets input")
    text = page.locator(".beside p", has=slider)
    assert slider.is_visible()
    live = text.evaluate(height)
    slider.evaluate("slider => slider.removeAttribute('max')")
    assert slider.is_hidden() and text.evaluate(height) == live
