"""Every page as a reader sees it who opened it from a folder, at the width of a phone and in dark mode."""

import pytest
from conftest import CHAPTERS, rgb
from visits import BY_WIDTH, EveryVisit, kept

from vae_lib.palette import DARK, LIGHT

WIDTHS = (320, 375, 640)  # the last is a window of 1280 pixels at a zoom of 200 %


@pytest.fixture(scope="module")
def visits():
    return {}


@pytest.fixture
def facts(page_name, visits, html, tab):
    page = tab(width=375, mode="dark")
    return kept(visits, page_name, page, html.as_uri() + "/", html, BY_WIDTH, WIDTHS)


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
