"""A small book with faults and without solutions, built once: what the build says and leaves out."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pypdf import PdfReader
from solutions import secrets

from tools import exercises as tool

ROOT = Path(__file__).resolve().parents[2]

BAD_PAGE = """# Bad

A formula that nobody can read, $\\frac{1}{$, and one that KaTeX lacks:

$$
\\nosuchmacro{x}
$$
"""
GOOD_PAGE = """# Good

> **Often seen.** The half is missing.

> Just a quotation.

$$
\\begin{aligned} a &= b \\\\ &= c \\end{aligned} \\tag{4.2}
$$

See [(4.2)](#eq-4-2), and how it [is checked](04_kl.ipynb#cell-id=check-sum).
"""
ANSWER = "> <details>\n> <summary>Show the answer</summary>\n>\n> {}\n>\n> </details>"
# (text or code, tags): the id of each cell is that of its place in this list, but for the check.
CHAPTER = (
    ("# 4 · Chapter\n\n**Time:** 1 minutes; 5 with the asides.\n\nThe [check](#cell-id=check-sum).", None),
    ("# Adds one and one\nprint(1 + 1)", ["hide-input"]),
    ("## Why\n\nThe main road.\n\n" + 40 * "It is long.\n\n", None),
    ("### Aside · One and one are two", None),
    ("A zebra knows it.", None),
    ("# Check: the sum is two\nprint('difference below 1e-12')\nprint('second line')", ["hide-cell"]),
    ("## What follows\n\nThe main road goes on.", None),
    (
        "> **Predict first.** Which?\n>\n> - red\n> - green\n> - blue\n>\n"
        + ANSWER.format("Green, as grass is."),
        None,
    ),
    ("> **Predict first.** How much?\n>\n" + ANSWER.format("0.81 nats."), None),
    ("from vae_lib.explorers import KL\nKL()", []),
)
PREDICTIONS = {
    "cell-7": {"right": 2},
    "cell-8": {"number": 0.807, "unit": "nats", "of": "kl?mu=0&sigma=2", "name": "kl"},
}


def predicting(cell):
    return {"predict": PREDICTIONS[cell]} if cell in PREDICTIONS else {}


@pytest.fixture(scope="module")
def built(html, tmp_path_factory):
    """A good page, a page with bad formulas, a notebook that raises, and a chapter with its exercises.

    It is built without solutions where the solution pages had been before; and without -W, as a reader may
    build it. It takes the packages of npm that the build of the book fetched.
    """
    root = tmp_path_factory.mktemp("small book")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["local_extensions"] = {"site_extension": str(ROOT)}
    (root / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    parts = [
        {
            "caption": "Chapters",
            "chapters": [{"file": f"book/{name}"} for name in ("bad", "raises", "04_kl")],
        },
        {"caption": "Exercises", "chapters": [{"file": "book/exercises/04_kl"}]},
    ]
    toc = {"format": "jb-book", "root": "book/good", "parts": parts}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    shutil.copytree(ROOT / "_build" / "assets", root / "_build" / "assets")
    shutil.copytree(ROOT / "exercises" / "source" / "ch04", root / "exercises" / "source" / "ch04")
    (root / "book" / "exercises").mkdir(parents=True)
    shutil.copy(ROOT / "book" / "exercises" / "04_kl.ipynb", root / "book" / "exercises")
    (root / "book" / "good.md").write_text(GOOD_PAGE, encoding="utf-8")
    (root / "book" / "bad.md").write_text(BAD_PAGE, encoding="utf-8")
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# Raises"),
        new.new_code_cell("x = 1"),
        new.new_code_cell("assert x == 2, 'x is one'"),
    ]
    chapter = [
        new.new_markdown_cell(source, id=f"cell-{place}", metadata=predicting(f"cell-{place}"))
        if tags is None
        else new.new_code_cell(
            source, metadata={"tags": tags}, id="check-sum" if place == 5 else f"cell-{place}"
        )
        for place, (source, tags) in enumerate(CHAPTER)
    ]
    nbformat.write(new.new_notebook(cells=cells), root / "book" / "raises.ipynb")
    nbformat.write(new.new_notebook(cells=chapter), root / "book" / "04_kl.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool, "ROOT", root)
        patch.setattr(tool, "BOOK", root / "book")
        patch.setattr(tool, "SOURCE", root / "exercises" / "source")
        tool.pages()
        assert (root / "book" / "solutions" / "04_kl.ipynb").is_file()
        tool.pages(without=True)
    start = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        start,
        "build",
        str(root),
        "--toc",
        str(root / "_build" / "toc.yml"),
        "-n",
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return run, root


def test_faults_fail_the_build(built):
    assert built[0].returncode != 0


def test_failing_notebook_is_named_last(built):
    assert built[0].stderr.splitlines()[-1].strip() == "raises.ipynb, cell 3: AssertionError: x is one"


def test_bad_formulas_are_named(built):
    named = [line for line in built[0].stderr.splitlines() if "bad formula" in line]
    assert len(named) == 2
    assert all("bad.md" in line for line in named)


def test_a_good_page_has_its_boxes_links_and_formulas(built):
    page = (built[1] / "_build" / "html" / "book" / "good.html").read_text(encoding="utf-8")
    assert '<blockquote class="box box-often-seen">' in page
    assert page.count("<blockquote") == 2
    assert 'href="#eq-4-2"' in page and 'id="eq-4-2"' in page
    assert "<math" in page  # for screen readers


def test_nothing_but_the_faults_is_named(built):
    """So that a book without its solutions, whose links could lead to them, is built without a warning."""
    told = [line for line in built[0].stderr.splitlines() if re.search(r"\b(WARNING|ERROR): ", line)]
    assert told and [line for line in told if "bad.md" not in line and "raises.ipynb" not in line] == []


def test_no_file_of_a_book_without_solutions_has_one(built):
    """Pages, downloads, sources, search index: every file."""
    folder = built[1] / "_build" / "html"
    hidden = list(secrets(ROOT / "exercises" / "source" / "ch04" / "ch04.ipynb"))
    assert len(hidden) > 20
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {"04_kl.html", "04_kl.ipynb", "searchindex.js"} <= {file.name for file in files}
    for file in files:
        assert "solutions" not in file.relative_to(folder).parts
        text = file.read_bytes().decode("utf-8", "replace")
        assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text, file
        assert "Solution of 4" not in text, file
        assert [line for line in hidden if line in text] == [], file


@pytest.fixture
def chapter(built):
    """The address of the chapter, which has an aside and folded code."""
    return (built[1] / "_build" / "html" / "book" / "04_kl.html").as_uri()


def zebra(page):
    return page.get_by_text("A zebra knows it.")


def test_aside_shows_its_heading_alone(chapter, tab):
    page = tab(chapter)
    assert page.get_by_role("heading", name="Aside · One and one are two").is_visible()
    assert not zebra(page).is_visible()
    for heading in ("Why", "What follows"):
        assert page.get_by_role("heading", name=heading).is_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_aside_opens_by_a_click(chapter, tab, scripts):
    page = tab(chapter, scripts=scripts)
    page.locator("summary", has_text="Aside").click()
    assert zebra(page).is_visible()


@pytest.mark.parametrize("target", ["aside-one-and-one-are-two", "cell-id=check-sum"])
def test_aside_opens_for_a_link_from_another_page(chapter, tab, target):
    page = tab(f"{chapter}#{target}")
    assert zebra(page).is_visible()
    assert page.locator(f"[id='{target}']").bounding_box()["y"] < 700


def test_aside_opens_for_links_of_its_page(chapter, tab):
    """In the text and in the table of contents; also for one that was followed before."""
    page = tab(chapter)
    for link in ("article p a", ".bd-toc-nav a[href*=aside]"):
        for _ in range(2):
            page.locator(link).first.evaluate("link => link.click()")
            zebra(page).wait_for()
            page.locator("details.aside").evaluate("aside => (aside.open = false)")


def test_aside_opens_for_a_word_that_was_searched_for(chapter, tab):
    page = tab(f"{chapter}?highlight=zebra")
    zebra_marked = page.locator("details.aside .highlighted")
    zebra_marked.wait_for()
    assert zebra_marked.inner_text() == "zebra"


def test_asides_are_printed(chapter, tab):
    page = tab(chapter)
    assert "zebraknowsit" in re.sub(r"\s", "", printed(page))
    assert not zebra(page).is_visible()


def printed(page):
    return "".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(page.pdf())).pages)


def test_folded_code_has_a_line_that_says_what_it_does(chapter, tab):
    page = tab(f"{chapter}#cell-id=check-sum")
    lines = [" ".join(text.split()) for text in page.locator("details.hide > summary").all_text_contents()]
    assert lines == ["Code Adds one and one", "Code Check: the sum is two: difference below 1e-12"]
    assert not page.get_by_text("print(1 + 1)").is_visible()
    first, second = page.locator(".cell_output pre").all()
    assert first.inner_text().strip() == "2" and first.is_visible()
    assert "second line" in second.text_content() and not second.is_visible()


def test_a_switch_shows_all_code_and_is_remembered(chapter, tab):
    page = tab(chapter)
    switch, code = page.get_by_label("Show all code"), page.get_by_text("print(1 + 1)")
    switch.check()
    assert code.is_visible()
    page.reload()
    assert switch.is_checked() and code.is_visible()
    switch.uncheck()
    page.reload()
    assert not switch.is_checked() and not code.is_visible()


def test_a_link_of_another_page_leads_to_a_cell(built, tab):
    page = tab((built[1] / "_build" / "html" / "book" / "good.html").as_uri())
    page.get_by_role("link", name="is checked").click()
    zebra(page).wait_for()


def again(page, before="0"):
    """Load the page again, after a script; until its scripts have run and all of it is laid out."""
    page.evaluate(before)
    page.reload()
    page.locator(".vae-explorer.live").wait_for()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture(params=["choice", "number"])
def prediction(request, chapter, tab):
    """The two kinds: a page, its form, and functions that guess wrong and that guess right."""
    page = tab(chapter)
    again(page, "localStorage.clear()")
    form = page.locator("form.guess").nth(int(request.param == "number"))
    if request.param == "choice":
        guesses = [lambda name=name: form.get_by_label(name).check() for name in ("red", "green")]
    else:
        guesses = [lambda text=text: form.get_by_label("Your guess").fill(text) for text in ("−1,5", " 0,8 ")]
    return page, form, *guesses


WRONG = {
    "Not right. Your guess: red. The answer: green.",
    "Too low. Your guess: −1.5 nats. The answer: 0.807 nats.",
}
RIGHT = {"Right: green.", "Right. Your guess: 0.8 nats. The answer: 0.807 nats."}


def answer(form):
    return form.locator("xpath=..").locator("details")


def verdict(form):
    return form.get_by_role("status").inner_text()


def test_the_answer_opens_after_the_guess(prediction):
    _, form, guess_wrong, guess_right = prediction
    check, again = (form.get_by_role("button", name=name) for name in ("Check my guess", "Guess again"))
    assert not answer(form).locator("p").is_visible() and not again.is_visible()
    check.click()  # of nothing
    assert verdict(form) == "" and not answer(form).locator("p").is_visible()
    guess_wrong()
    check.click()
    assert verdict(form) in WRONG
    assert answer(form).locator("p").is_visible() and not check.is_visible()
    assert form.locator("input").first.is_disabled()
    again.click()
    assert verdict(form) == "" and not answer(form).locator("p").is_visible()
    assert form.locator("input").first.input_value() in ("1", "") and not form.locator(":checked").count()
    guess_right()
    check.click()
    assert verdict(form) in RIGHT


def test_a_guess_is_made_with_the_keyboard(prediction):
    page, form, *_ = prediction
    field = form.locator("input").first
    field.focus()
    if field.get_attribute("type") == "radio":
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
    else:
        page.keyboard.type("0.8")
    page.keyboard.press("Enter")
    assert verdict(form) in RIGHT
    assert form.get_by_role("button", name="Guess again").evaluate(
        "button => button === document.activeElement"
    )
    page.keyboard.press("Enter")
    assert verdict(form) == "" and field.evaluate("field => field === document.activeElement")


def test_a_guess_is_kept_until_it_is_taken_back(prediction):
    page, form, guess_wrong, _ = prediction
    guess_wrong()
    form.get_by_role("button", name="Check my guess").click()
    again(page)
    expect(form.get_by_role("status")).not_to_be_empty()
    assert verdict(form) in WRONG and answer(form).locator("p").is_visible()
    form.get_by_role("button", name="Guess again").click()
    again(page)
    assert verdict(form) == "" and not answer(form).locator("p").is_visible()


def test_a_guess_can_be_made_where_the_browser_keeps_nothing(chapter, browser):
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    )
    page.goto(chapter)
    form = page.locator("form.guess").first
    form.get_by_label("green").check()
    form.get_by_role("button", name="Check my guess").click()
    assert verdict(form) in RIGHT and answer(form).locator("p").is_visible()
    assert [problem for problem in problems if "book.js" in problem] == []
    page.close()


def test_a_guess_that_is_made_before_the_script_runs_is_not_lost(chapter, browser):
    """The button does nothing until then: it does not load the page again, with the guess in its address."""
    page, held = browser.new_page(), []
    page.route("**/book.js*", lambda route: held.append(route))
    page.goto(chapter, wait_until="commit")
    forms = page.locator("form.guess")
    forms.first.get_by_label("green").check()
    forms.nth(1).get_by_label("Your guess").fill("0.8")
    check = forms.locator("button:not([type])")
    for form in (0, 1):
        check.nth(form).click()
    assert held and page.url == chapter
    page.evaluate("window.same = true")
    held[0].continue_()
    page.wait_for_load_state()
    assert not answer(forms.first).locator("p").is_visible(), "not before it is checked"
    for form in (0, 1):
        check.nth(form).click()
        assert verdict(forms.nth(form)) in RIGHT and answer(forms.nth(form)).locator("p").is_visible()
    assert page.evaluate("window.same") and page.url == chapter
    page.close()


def test_what_is_no_number_is_refused(chapter, tab):
    page = tab(chapter)
    again(page, "localStorage.clear()")
    form = page.locator("form.guess").nth(1)
    for text in ("much", "1.2.3", "   "):
        form.get_by_label("Your guess").fill(text)
        form.get_by_role("button", name="Check my guess").click()
        assert verdict(form) == "Please type a number." and not answer(form).locator("p").is_visible()


@pytest.mark.parametrize(
    ("typed", "said"),
    [("20,000", "20\u202f000"), ("20 000", "20\u202f000"), ("1e-3", "0.001"), ("0,25", "0.25"), ("-3", "−3")],
)
def test_numbers_are_read_as_they_are_written(chapter, tab, typed, said):
    page = tab(chapter)
    again(page, "localStorage.clear()")
    form = page.locator("form.guess").nth(1)
    form.get_by_label("Your guess").fill(typed)
    form.get_by_role("button", name="Check my guess").click()
    assert f"Your guess: {said} nats." in form.get_by_role("status").text_content()


def test_the_figure_draws_the_guess_in_the_state_of_the_question_alone(chapter, tab):
    page = tab(chapter)
    again(page, "localStorage.clear()")
    card, form = page.locator("[data-explorer=kl]"), page.locator("form.guess").nth(1)
    page.locator("[data-explorer=kl].live:not([data-busy])").wait_for()
    form.get_by_label("Your guess").fill("1,5")
    form.get_by_role("button", name="Check my guess").click()
    page.locator("[data-explorer=kl].asked").wait_for()
    assert [card.locator(f"[name={name}]").input_value() for name in ("mu", "sigma")] == ["0", "2"]
    image, output = card.get_by_role("img"), card.locator("div:has(> output[name=kl])")
    assert image.get_attribute("aria-label").endswith(" Your guess: 1.5.")
    mark = "row => [getComputedStyle(row, '::after').content, getComputedStyle(row, '::after').visibility]"
    assert output.evaluate(mark) == ['"Your guess: 1.5"', "visible"]
    tall = card.bounding_box()["height"]
    card.locator("[name=sigma]").fill("1")
    page.locator("[data-explorer=kl]:not(.asked)").wait_for()
    assert "guess" not in image.get_attribute("aria-label")
    assert output.evaluate(mark)[1] == "hidden" and card.bounding_box()["height"] == tall
    card.locator("[name=sigma]").fill("2")
    page.locator("[data-explorer=kl].asked").wait_for()
    form.get_by_role("button", name="Guess again").click()
    page.locator("[data-explorer=kl]:not(.asked)").wait_for()


def test_a_guess_that_is_kept_is_drawn_but_sets_nothing(chapter, tab):
    page = tab(chapter)
    page.evaluate("localStorage.setItem('guess 04_kl/cell-8', '3')")
    page.reload()
    card = page.locator("[data-explorer=kl]")
    page.locator("[data-explorer=kl].live:not([data-busy])").wait_for()
    assert card.locator("[name=mu]").input_value() == "1"
    for name, value in (("mu", "0"), ("sigma", "2")):
        card.locator(f"[name={name}]").fill(value)
    page.locator("[data-explorer=kl].asked").wait_for()
    page.evaluate("localStorage.clear()")


def test_on_paper_and_without_scripts_it_is_a_list_and_details(chapter, tab):
    page = tab(chapter, scripts=False)
    for _ in ("without scripts", "on paper"):
        forms = page.locator("form.guess")
        assert forms.locator("input:visible, button:visible").count() == 0
        assert [text.strip() for text in forms.first.locator("li").all_inner_texts()] == [
            "red",
            "green",
            "blue",
        ]
        page = tab(chapter)
        page.emulate_media(media="print")
    page = tab(chapter, scripts=False)
    page.get_by_text("Show the answer").first.click()
    assert page.get_by_text("Green, as grass is.").is_visible()


FITS = """form => [...form.querySelectorAll("*:not(.visually-hidden)")].every((part) =>
  part.getBoundingClientRect().right <= form.parentElement.getBoundingClientRect().right)"""


@pytest.mark.parametrize(("width", "mode"), [(320, "dark"), (320, "light"), (1280, "dark")])
def test_a_prediction_can_be_read_and_fits(chapter, tab, width, mode):
    page = tab(chapter, width=width, mode=mode)
    again(page, "localStorage.clear()")
    for guessed in (False, True):
        if guessed:
            page.locator("form.guess").first.get_by_label("red").check()
            page.locator("form.guess").nth(1).get_by_label("Your guess").fill("20 000")
            for form in page.locator("form.guess").all():
                form.get_by_role("button", name="Check my guess").click()
        assert [form.evaluate(FITS) for form in page.locator("form.guess").all()] == [True, True]
        found = Axe().run(page, context="blockquote", options={"resultTypes": ["violations"]}).response
        assert [(rule["id"], node["target"]) for rule in found["violations"] for node in rule["nodes"]] == []
    page.evaluate("localStorage.clear()")
