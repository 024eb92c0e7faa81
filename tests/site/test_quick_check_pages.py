"""The quick check of a chapter answers on the page: by keyboard and to a screen reader."""

FOCUSED = "element => element === document.activeElement"
MARKS = "summary => [getComputedStyle(summary, '::before').content, getComputedStyle(summary).listStyleType]"


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


def spoken(page):
    """The answers as a screen reader gets them: (name, open or not)."""
    session = page.context.new_cdp_session(page)
    section = session.send("Runtime.evaluate", {"expression": "document.querySelector('#quick-check')"})
    query = {"objectId": section["result"]["objectId"], "role": "DisclosureTriangle"}
    found = []
    for node in session.send("Accessibility.queryAXTree", query)["nodes"]:
        states = {state["name"]: state["value"].get("value") for state in node["properties"]}
        found.append((node["name"]["value"], states["expanded"]))
    return found


def test_screen_reader_hears_the_verdict_of_an_open_answer(served, tab):
    page = tab(f"{served}book/05_monte_carlo.html")
    texts = page.locator("#quick-check summary").all_inner_texts()
    assert spoken(page) == [(text, False) for text in texts]
    for summary in page.locator("#quick-check summary").all()[:2]:
        summary.click()
    opened = [(f"wrong: {texts[0]}", True), (f"right: {texts[1]}", True)]
    assert spoken(page) == opened + [(text, False) for text in texts[2:]]


def test_hints_keep_the_marker_of_the_browser(served, tab):
    page = tab(f"{served}book/exercises/03_elbo.html")
    hint = page.locator("article section > details > summary").first
    assert hint.evaluate(MARKS) == ["none", "disclosure-closed"]
    hint.click()
    assert hint.evaluate(MARKS) == ["none", "disclosure-open"]
