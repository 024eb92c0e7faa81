"""Every page as a reader at a computer sees it: served, 1280 pixels wide, in light mode."""

import base64
import io
import re

import pytest
from conftest import CHAPTERS, PAGES
from fontTools.ttLib import TTFont
from visits import RULES, EveryVisit, kept

VISITED = [name for name in PAGES if "/solutions/" not in name]  # the other module visits these
WIDTHS = (768, 1280, 1440, 1920)
PICTURES = [(768, "light"), (1440, "dark")]  # in turn; a page that is light here is dark there


@pytest.fixture(scope="module")
def visits():
    return {}


@pytest.fixture
def facts(page_name, visits, html, served, tab):
    picture = PICTURES[VISITED.index(page_name) % 2]
    return kept(visits, page_name, tab(), served, html, RULES, WIDTHS, picture)


@pytest.fixture(scope="module")
def icons(html):
    """The characters that the icon font holds; it was cut down to those in use."""
    sheet = (html / "_static" / "site.css").read_text(encoding="utf-8")
    font = re.search(r"Font Awesome\\ 6 Free;[^}]*woff2;base64,([^)]+)\)", sheet)[1]
    assert len(font) < 20_000
    return TTFont(io.BytesIO(base64.b64decode(font))).getBestCmap()


class TestWide(EveryVisit):
    def test_weighs_at_most_700_kb(self, page_name, facts):
        """At most 0.7 MB over the wire, text gzipped as every host sends it, and 250 KB of script.

        The digits come as a script, which works from a folder, too, and count as data: at most 40 kB as sent.
        """
        scripts = {name: size for name, (_, size) in facts.files.items() if name.endswith(".js")}
        scripts.pop("_static/digits.js", None)
        assert facts.files.get("_static/digits.js", (0, 0))[0] <= 40_000
        heaviest = sorted(((sent, name) for name, (sent, _) in facts.files.items()), reverse=True)
        assert sum(sent for sent, _ in heaviest) <= 700_000, heaviest[:8]
        assert sum(scripts.values()) <= 250_000, scripts
        assert len(facts.files) >= 10

    def test_images_load_late_and_have_a_size(self, facts):
        images = facts.look.images
        assert [
            src for src, loading, width, height, _ in images if loading != "lazy" or not width * height
        ] == []

    def test_the_icon_font_holds_the_icons_in_use(self, facts, icons):
        assert len(facts.look.icons) >= 5
        assert [hex(ord(code)) for code in facts.look.icons if ord(code) not in icons] == []

    def test_formulas_and_output_fit_the_column(self, page_name, facts):
        assert facts.look.cut == []
        if page_name in CHAPTERS:
            assert facts.look.boxes > 5

    def test_main_road_is_short(self, page_name, facts):
        """About 12 screens of 900 pixels with asides closed, and open code in at most every second one."""
        if page_name in CHAPTERS:
            one_page = page_name.replace("book/", "book/exercises/") not in PAGES
            assert facts.road.screens <= (14 if one_page else 13)
            assert facts.road.code <= facts.road.screens / 2
            assert facts.road.cut == []
