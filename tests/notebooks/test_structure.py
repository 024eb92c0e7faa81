"""Chapters have one plan, and Jupyter, Colab and the site show their text and outputs in the same way."""

from __future__ import annotations

import re

import pytest
from bookfiles import BOOK, EXERCISES, MATH, NOTEBOOKS, PAGES, ROOT, SOURCES, WITH_EXERCISES, Notebook, title

BOXES = ("Predict first", "Definition", "Often seen", "Takeaway", "Try it")
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
)
SECTIONS = ("## What goes wrong", "## Summary", "## Exercises")

each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
each_with_exercises = pytest.mark.parametrize("notebook", WITH_EXERCISES, ids=lambda notebook: notebook.name)
each_of_all = pytest.mark.parametrize(
    "notebook", [*NOTEBOOKS, *EXERCISES, *SOURCES], ids=lambda notebook: title(notebook.path)
)


def test_chapters_are_numbered_from_0_and_each_has_exercises_or_says_where_to_go_on():
    assert [notebook.chapter for notebook in NOTEBOOKS] == list(range(len(NOTEBOOKS)))
    plans = {notebook.name: "## Exercises\n" in notebook.markdown for notebook in NOTEBOOKS}
    assert plans == {notebook.name: notebook.has_exercises for notebook in NOTEBOOKS}, "exercises/source/"


def test_every_notebook_and_page_is_in_the_table_of_contents():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    paths = [notebook.path for notebook in (*NOTEBOOKS, *EXERCISES)] + [*BOOK.glob("[a-z]*.ipynb"), *PAGES]
    files = [path.relative_to(ROOT).with_suffix("").as_posix() for path in paths]
    assert [file for file in files if not re.search(rf" {file}$", toc, re.M)] == [], "add them to _toc.yml"


def test_the_landing_page_counts_the_chapters_beside_the_one_page():
    intro = (BOOK / "intro.md").read_text(encoding="utf8")
    wanted = f"## The argument on one page and in {NUMBERS[len(NOTEBOOKS) - 1]} chapters"
    assert wanted in intro.splitlines(), f"book/intro.md should read {wanted}"


@each_notebook
def test_opening(notebook: Notebook):
    opening = notebook.cells[0].source
    assert re.match(rf"# {notebook.chapter} · .+\n\n\*[^*]+\?\*\n", opening), (
        "title, then the question in italics"
    )
    assert "**You will be able to**" in opening
    assert notebook.cell("setup") and notebook.cell("you-are-here")
    assert "**Takeaway.**" in notebook.markdown


@each_with_exercises
def test_plan(notebook: Notebook):
    assert "**Predict first.**" in notebook.markdown
    positions = [notebook.markdown.index(section) for section in SECTIONS]
    assert positions == sorted(positions)


@each_with_exercises
def test_exercises_are_listed_and_linked(notebook: Notebook):
    section = notebook.markdown[notebook.markdown.index("## Exercises") :]
    exercises = next(one for one in EXERCISES if one.chapter == notebook.chapter)
    assert f"](exercises/{exercises.path.name})" in section
    listed = re.findall(r"^- (\d+\.\d · .+)$", section, re.M)
    asked = re.findall(r"^## (\d+\.\d · .+)$", exercises.markdown, re.M)
    assert listed == asked, f"the list in {notebook.path.name} is not that of the exercises"
    assert f"{NUMBERS[len(asked)].capitalize()} exercises" in section, f"there are {len(asked)}"


@each_notebook
def test_boxes_are_of_the_five_kinds(notebook: Notebook):
    names = re.findall(r"^> \*\*([^*]+?)\.?\*\*", notebook.markdown, re.M)
    assert names
    assert [name for name in names if not name.startswith(BOXES)] == []


@each_of_all
def test_code_cells_are_short(notebook: Notebook):
    lengths = {
        cell.id: len([line for line in cell.source.splitlines() if line.strip()]) for cell in notebook.code
    }
    assert {cell: length for cell, length in lengths.items() if length > 30} == {}


# What Jupyter, Colab and the site do not all show in the same way.
OUTSIDE_FORMULAS = {
    "MyST": r"^ *(:::|```+\{|~~~|\([\w-]+\)=$|%|\+\+\+|: )|\{[a-z:]+\}`|\{\{|^---\n",
    "a raw directive": r"^ *\.\. [\w-]+::",
    "a footnote": r"\[\^[^\]]+\]",
    "a list of tasks": r"^ *[-*] \[[ x]\]",
    "an image that a copy of the notebook lacks": r"!\[|attachment:",
    "HTML": r"<(?!/?(?:details|summary)>|https?:)/?[a-zA-Z!]",
    "no empty line beside details": r"<summary>[^\n]*</summary>\n\S|\S\n</details>",
    "no empty line before a table": r"^[^|\n]+\n\|.*\|\n\|[-:| ]+\|$",
    "a formula without dollars": r"\\begin\{|\\\(|\\\[",
    "a heading that is none": r"^#+[^#\s]|^[^\n|]+\n(===+|---+)$",
}
IN_FORMULAS = {
    "a command that not all know": r"\\(eqref|ref|label|newcommand|def|begin\{align\*?\})",
}
WITH_FORMULAS = {
    "a formula in a heading": r"^#+ .*\$",
    "a label of MyST": r"\$\$ *\([\w-]+\) *$",
}


def not_everywhere(source: str) -> list[str]:
    """What a cell of text has that not all of Jupyter, Colab and the site show; in a quotation, too."""
    source = re.sub(r"^> ?", "", source, flags=re.M)
    text = re.sub(r"^```\w*\n.*?^```$|(?<!\})`[^`\n]+`", " ", source, flags=re.M | re.S)
    formulas, around = " ".join(MATH.findall(text)), MATH.sub("x", text)
    read = ((OUTSIDE_FORMULAS, around), (IN_FORMULAS, formulas), (WITH_FORMULAS, text))
    return [what for rules, part in read for what, rule in rules.items() if re.search(rule, part, re.M)]


@each_of_all
def test_markdown_is_understood_everywhere(notebook: Notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert {cell.id: found for cell in cells if (found := not_everywhere(cell.source))} == {}
    assert not any(cell.get("attachments") for cell in cells)
    assert all(cell.cell_type != "raw" for cell in notebook.cells)


@pytest.mark.parametrize(
    ("what", "source"),
    [
        ("MyST", ":::{note}\nText\n:::"),
        ("MyST", "```{figure} a.png\n```"),
        ("MyST", "See {ref}`the loss`."),
        ("MyST", "(the-loss)=\n# The loss"),
        ("MyST", "A {{ name }}."),
        ("MyST", "% a comment"),
        ("MyST", "Term\n: what it means"),
        ("MyST", "---\ntitle: a\n---\n"),
        ("a raw directive", ".. note:: Text"),
        ("a footnote", "As is known.[^1]"),
        ("a list of tasks", "- [ ] to do"),
        ("an image that a copy of the notebook lacks", "![A curve](curve.png)"),
        ("an image that a copy of the notebook lacks", "[A curve](attachment:curve.png)"),
        ("HTML", 'Text<br/>and <img src="a.png">'),
        ("HTML", "<div>Text</div>"),
        ("HTML", "<!-- a comment -->"),
        ("no empty line beside details", "<details>\n<summary>Hint</summary>\nText\n\n</details>"),
        ("no empty line beside details", "<details>\n<summary>Hint</summary>\n\nText\n</details>"),
        ("no empty line beside details", "> <details>\n> <summary>Hint</summary>\n> Text\n>\n> </details>"),
        ("no empty line before a table", "Text\n| a | b |\n|---|---|\n| 1 | 2 |"),
        ("a formula without dollars", "\\begin{align}x\\end{align}"),
        ("a formula without dollars", "Let \\(x\\) be"),
        ("a heading that is none", "#Loss"),
        ("a heading that is none", "Loss\n===="),
        ("a command that not all know", "$$x \\label{loss}$$"),
        ("a command that not all know", "$$\\begin{align}x\\end{align}$$"),
        ("a formula in a heading", "## Where $x$ is"),
        ("a label of MyST", "$$\nx\n$$ (loss)"),
    ],
)
def test_what_is_not_understood_everywhere_is_found(what: str, source: str):
    assert what in not_everywhere(f"Before.\n\n{source}" if not source.startswith("---") else source)


@pytest.mark.parametrize(
    "source",
    [
        "## Two claims\n\n> **Definition.** A *model*: $p(x) < 1$, and `<div>` is code.",
        "<details>\n<summary>Hint</summary>\n\nText\n\n</details>",
        "> Text\n>\n> <details>\n> <summary>Hint</summary>\n>\n> Text\n>\n> </details>",
        "$$\n\\begin{aligned} a &< b \\\\ c & \\tag{1.1} \\end{aligned}\n$$\n",
        "A table:\n\n| a | b |\n|---|---|\n| $a$ | [link](03_elbo.ipynb) |",
        "```python\nx = {}\n: {{ }}\n```\n\n`{x: 1}` and <https://example.org>",
    ],
)
def test_what_all_understand_is_let_through(source: str):
    assert not_everywhere(source) == []


@each_of_all
def test_outputs_are_clean(notebook: Notebook):
    for cell in notebook.code:
        for output in cell.outputs:
            assert output.get("name") != "stderr", f"{cell.id}: a warning"
            if output.output_type == "error":
                assert "raises-exception" in cell.metadata.get("tags", []), f"{cell.id}: a stored error"
            if "image/png" in output.get("data", {}):
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) > 40, f"{cell.id}: a figure without alt text"


@each_of_all
def test_what_is_printed_fits_the_column(notebook: Notebook):
    """On a desktop; on a phone it scrolls."""
    for cell in notebook.code:
        for output in cell.outputs:
            if output.output_type == "stream":
                assert max(map(len, output.text.splitlines()), default=0) <= 87, cell.id


@each_of_all
def test_seeds_are_arguments(notebook: Notebook):
    code = "\n".join(cell.source for cell in notebook.code)
    assert not re.search(r"(?<!Generator\(\)\.)\bmanual_seed\(|np\.random\.(seed|randn?|normal)\(", code)


@each_of_all
def test_results_are_computed_not_written(notebook: Notebook):
    for cell in notebook.code:
        assert not re.search(r": True[\"']", cell.source), f"{cell.id}: prints a literal True"


@each_notebook
def test_stated_minutes(notebook: Notebook):
    """Of the main road to the minute, of all to the next 5; Notebook.minutes says how they are counted."""
    main, whole = round(notebook.main_road.minutes), 5 * round(notebook.minutes / 5)
    asides = f"; {whole} with the asides" if notebook.asides.cells else ""
    wanted = f"**Time:** {main} minutes{asides}."
    assert wanted in notebook.cells[0].source.splitlines(), f"should read {wanted}"


@each_notebook
def test_first_page_has_title_and_minutes_of_the_chapter(notebook: Notebook):
    title = re.match(r"# (.+)", notebook.cells[0].source)[1]
    main, whole = re.search(
        r"^\*\*Time:\*\* (\d+) minutes(?:; (\d+) with the asides)?\.$", notebook.cells[0].source, re.M
    ).groups()
    whole = whole or main
    row = rf"^\| \[{re.escape(title)}\]\({notebook.name}\.ipynb\) \| .+\? \| {main} \| {whole} \|$"
    there = re.search(row, (BOOK / "intro.md").read_text(encoding="utf8"), re.M)
    wanted = f"| [{title}]({notebook.name}.ipynb) | its question? | {main} | {whole} |"
    assert there, f"the table of book/intro.md should have the row {wanted}"


def test_first_door_leads_to_the_first_chapter_and_says_its_minutes():
    intro, first = (BOOK / "intro.md").read_text(encoding="utf8"), NOTEBOOKS[0]
    minutes = re.search(r"^\*\*Time:\*\* (\d+) minutes", first.cells[0].source, re.M)[1]
    target, text = re.search(
        r"^:::\{rst-class\} doors\n- \[\w+\]\(([^)]+)\)\n((?:  .+\n)+)", intro, re.M
    ).groups()
    assert target == first.path.name and re.findall(r"(\d+) minutes", text) == [minutes]
