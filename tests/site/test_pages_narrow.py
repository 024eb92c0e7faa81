"""Every page as a reader sees it who opened it from a folder, at the width of a phone and in dark mode."""

import pytest
from conftest import CHAPTERS, PAGES, rgb
from pixels import unseen
from visits import BY_WIDTH, SEEN, EveryVisit, kept

from vae_lib.palette import DARK, LIGHT

# A page of solutions is that of the exercises with the answers, so that the exercises alone are visited wide.
ANSWERED = {name.replace("/solutions/", "/exercises/") for name in PAGES if "/solutions/" in name}
VISITED = [name for name in PAGES if name not in ANSWERED]
WIDTHS = (320, 375, 640)  # the last is a window of 1280 pixels at a zoom of 200 %
PICTURES = [(320, "dark"), (640, "light")]  # in turn, as all chapters are made of the same parts
OTHERS = ("genindex", "py-modindex", "search", "404")


@pytest.fixture(scope="module")
def visits():
    return {}


@pytest.fixture
def facts(page_name, visits, html, tab):
    page = tab(width=375, mode="dark")
    picture = PICTURES[VISITED.index(page_name) % 2]
    return kept(visits, page_name, page, html.as_uri() + "/", html, BY_WIDTH, WIDTHS, picture)


class TestNarrow(EveryVisit):
    def test_formulas_and_figures_are_dark(self, facts):
        """Coloured formulas take the dark colour of the same meaning; figures are turned over."""
        dark_of = {LIGHT[name].upper(): rgb(DARK[name]) for name in LIGHT}
        assert [pair for pair in facts.look.coloured if pair[1] != dark_of[pair[0]]] == []
        assert [src for src, *_, style in facts.look.images if "invert(1)" not in style] == []
        assert max(int(channel) for channel in facts.look.background.strip("rgba()").split(",")[:3]) < 60

    def test_drawings_and_explorers_stand_on_the_ground_of_the_page(self, facts):
        """Their labels have the colours of the dark mode, unreadable on the light ground of the theme."""
        assert set(facts.look.grounds) <= {"rgba(0, 0, 0, 0)"}

    def test_names_in_tables_stay_whole(self, page_name, facts):
        if page_name == "book/notation":
            assert len(facts.look.names) > 10
            assert [name for name, count in facts.look.names if count != 1 and " " not in name] == []

    def test_every_answer_of_the_quick_check_says_whether_it_is_right(self, page_name, facts):
        """In a word, in a mark and in what is spoken, so that colour is never the only sign."""
        if page_name not in CHAPTERS:
            assert facts.answers == []
            return
        assert len(facts.answers) >= 6
        assert {tuple(option[:2]) for option in facts.answers} == {(False, "counter(option, upper-alpha)")}
        right, wrong = [True, '"✓" / "right:"', "Right."], [True, '"✗" / "wrong:"', "No."]
        opened = facts.opened_answers
        assert [option for option in opened if option not in (right, wrong)] == []
        assert 2 <= opened.count(right) <= 3


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_pages_that_nobody_wrote(name, mode, html, tab):
    """They are as narrow as the window, too, and all their words are seen."""
    page = tab((html / f"{name}.html").as_uri(), width=320, mode=mode)
    seen = page.evaluate(SEEN)
    assert (seen["too_wide"], seen["unread"]) == (0, [])
    assert unseen(page, 3) == []


def test_nothing_floats_over_the_text(html, tab):
    """Not even when one scrolls up again, at which the theme offers a button."""
    page = tab((html / "book/04_kl.html").as_uri(), width=320)
    for y in (3000, 2000):
        page.evaluate("y => scrollTo(0, y)", y)
        page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    floating = page.evaluate("""() => [...document.querySelectorAll("body *")]
      .filter((one) => getComputedStyle(one).position === "fixed" && one.checkVisibility())
      .filter((one) => {
        const { left, top, right, bottom } = one.getBoundingClientRect();
        return right > 0 && left < innerWidth && bottom > 0 && top < innerHeight;
      })
      .map((one) => one.outerHTML.slice(0, 80))""")
    assert floating == []
