"""A reader whose browser has a font of 24 pixels, one and a half times as large as usual."""

import pytest


@pytest.fixture
def large(tab):
    """A function that opens an address at a width, in a browser with a large font."""
    sessions = []

    def open_page(address, width):
        page = tab(width=width)
        sessions.append(page.context.new_cdp_session(page))
        sessions[-1].send("Page.setFontSizes", {"fontSizes": {"standard": 24, "fixed": 20}})
        page.goto(address)
        assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "24px"
        return page

    yield open_page
    for session in sessions:
        session.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 13}})
        session.detach()


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
@pytest.mark.parametrize("name", ["intro", "04_kl"])
def test_the_page_is_as_wide_as_its_window(name, width, html, large):
    page = large((html / "book" / f"{name}.html").as_uri(), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    buttons = page.locator(".bd-header-article :is(a, button, label)").all()
    boxes = [button.bounding_box() for button in buttons if button.is_visible()]
    assert len(boxes) > 3
    assert [box for box in boxes if box["x"] < 0 or box["x"] + box["width"] > width + 1] == []


@pytest.mark.parametrize("width", [1000, 1500])
def test_words_stay_in_their_button(width, html, large):
    page = large((html / "book" / "04_kl.html").as_uri(), width)
    button = page.locator(".bd-sidebar-primary .search-button__button")
    assert button.is_visible()
    outside = button.evaluate("""button => [...button.querySelectorAll("*")].filter((part) => {
      const [box, { left, right }] = [button, part].map((one) => one.getBoundingClientRect());
      return right > left && (left < box.left || right > box.right);
    }).map((part) => part.outerHTML)""")
    assert outside == []
