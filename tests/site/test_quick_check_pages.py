"""The quick check of a chapter answers on the page: by keyboard, to a screen reader, without any script."""

import pytest
from conftest import CHAPTERS

FOCUSED = "element => element === document.activeElement"
# Of each answer: is its reason seen, what stands before the answer, and the first word of the reason
LOOK = """() => [...document.querySelectorAll("#quick-check details")].map((option) => {
  const [summary, reason] = option.children, mark = getComputedStyle(summary, "::before").content;
  return [reason.checkVisibility(), mark, reason.firstChild.textContent];
})"""
MARKS = "summary => [getComputedStyle(summary, '::before').content, getComputedStyle(summary).listStyleType]"


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_answer_says_whether_it_is_right(name, served, tab):
    """In a word, in a mark and in what is spoken, so that colour is never the only sign."""
    page = tab(f"{served}{name}.html", 375)
    closed = page.evaluate(LOOK)
    assert len(closed) >= 6
    assert {tuple(option[:2]) for option in closed} == {(False, "counter(option, upper-alpha)")}
    page.evaluate("document.querySelectorAll('#quick-check details').forEach((one) => (one.open = true))")
    right, wrong = [True, '"✓" / "right:"', "Right."], [True, '"✗" / "wrong:"', "No."]
    opened = page.evaluate(LOOK)
    assert [option for option in opened if option not in (right, wrong)] == []
    assert 2 <= opened.count(right) <= 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_keyboard_opens_and_closes(served, tab):
    page = tab(f"{served}book/03_elbo.html")
    first, second = page.locator("#quick-check details").all()[:2]
    second.locator("summary").focus()
    page.keyboard.press("Shift+Tab")
    assert first.locator("summary").evaluate(FOCUSED)
    for key, shown in (("Enter", True), ("Space", False), ("Space", True), ("Enter", False)):
        page.keyboard.press(key)
        assert first.locator("p").is_visible() == shown, key
    page.keyboard.press("Tab")
    assert second.locator("summary").evaluate(FOCUSED)


def spoken(page, texts):
    """The answers as a screen reader gets them: (name, open or not)."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in nodes:
        name = node.get("name", {}).get("value", "")
        if node.get("role", {}).get("value") == "DisclosureTriangle" and name.split(": ", 1)[-1] in texts:
            states = {state["name"]: state["value"].get("value") for state in node["properties"]}
            found.append((name, states["expanded"]))
    return found


def test_screen_reader_hears_the_verdict_of_an_open_answer(served, tab):
    page = tab(f"{served}book/05_monte_carlo.html")
    texts = page.locator("#quick-check summary").all_inner_texts()
    assert spoken(page, texts) == [(text, False) for text in texts]
    for summary in page.locator("#quick-check summary").all()[:2]:
        summary.click()
    opened = [(f"wrong: {texts[0]}", True), (f"right: {texts[1]}", True)]
    assert spoken(page, texts) == opened + [(text, False) for text in texts[2:]]


def test_answers_without_javascript(served, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served}book/05_monte_carlo.html")
    borders = set()
    for option in page.locator("#quick-check details").all()[:2]:
        option.locator("summary").click()
        assert option.locator("p").is_visible()
        borders.add(option.evaluate("option => getComputedStyle(option).borderColor"))
    assert len(borders) == 2
    context.close()


def test_hints_keep_their_look(served, tab):
    page = tab(f"{served}book/exercises/03_elbo.html")
    hint = page.locator("article section > details > summary").first
    assert hint.evaluate(MARKS) == ["none", "disclosure-closed"]
    hint.click()
    assert hint.evaluate(MARKS) == ["none", "disclosure-open"]
