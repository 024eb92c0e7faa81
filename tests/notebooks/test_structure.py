"""Every chapter has the same plan, runs anywhere, and shows nothing that Colab would show raw."""

from __future__ import annotations

import re

import pytest
from bookfiles import BOOK, EXERCISES, MATH, NOTEBOOKS, SOURCES, TAG, Notebook, title

BOXES = ("Predict first", "Definition", "Correction", "Takeaway", "Try it")
SECTIONS = ("## What goes wrong", "## Summary", "## Exercises")

each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
each_of_all = pytest.mark.parametrize(
    "notebook", [*NOTEBOOKS, *EXERCISES, *SOURCES], ids=lambda notebook: title(notebook.path)
)


def test_there_are_eight_chapters():
    assert [notebook.chapter for notebook in NOTEBOOKS] == list(range(1, 9))


@each_notebook
def test_plan(notebook: Notebook):
    opening = notebook.cells[0].source
    assert re.match(rf"# {notebook.chapter} · .+\n\n\*[^*]+\?\*\n", opening), (
        "title, then the question in italics"
    )
    assert "**You will be able to**" in opening
    assert notebook.cell("setup") and notebook.cell("you-are-here")
    assert "**Predict first.**" in notebook.markdown and "**Takeaway.**" in notebook.markdown
    positions = [notebook.markdown.index(section) for section in SECTIONS]
    assert positions == sorted(positions)


@each_notebook
def test_exercises_are_listed_and_linked(notebook: Notebook):
    section = notebook.markdown[notebook.markdown.index("## Exercises") :]
    exercises = next(one for one in EXERCISES if one.chapter == notebook.chapter)
    assert f"](exercises/{exercises.path.name})" in section
    listed = re.findall(r"^- (\d\.\d · .+)$", section, re.M)
    assert listed == re.findall(r"^## (\d\.\d · .+)$", exercises.markdown, re.M)
    assert f"{('Five', 'Six', 'Seven')[len(listed) - 5]} exercises" in section


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


@each_of_all
def test_markdown_is_understood_everywhere(notebook: Notebook):
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        assert not re.search(r"^(:::|```\{)|\{[a-z:]+\}`", cell.source, re.M), f"{cell.id}: MyST"
        assert not re.search(r"!\[", cell.source), f"{cell.id}: an image that a copy of the notebook lacks"
        assert set(re.findall(r"</?([a-z]+)[ >]", cell.source)) <= {"details", "summary"}, f"{cell.id}: HTML"
        assert not re.search(r"<summary>[^\n]*</summary>\n\S|\S\n</details>", cell.source), (
            f"{cell.id}: details"
        )
        headings = re.findall(r"^#.*", cell.source, re.M)
        assert not any("$" in heading for heading in headings), f"{cell.id}: a formula in a heading"
        for formula in MATH.findall(cell.source):
            assert not re.search(r"\\(eqref|label|newcommand|def|begin\{align\*?\})", formula), cell.id


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
def test_seeds_are_arguments(notebook: Notebook):
    code = "\n".join(cell.source for cell in notebook.code)
    assert not re.search(r"(?<!Generator\(\)\.)\bmanual_seed\(|np\.random\.(seed|randn?|normal)\(", code)


@each_of_all
def test_results_are_computed_not_written(notebook: Notebook):
    for cell in notebook.code:
        assert not re.search(r": True[\"']", cell.source), f"{cell.id}: prints a literal True"


@each_notebook
def test_stated_minutes(notebook: Notebook):
    """160 words a minute, half a minute for a formula or a figure, one for a cell of code, to the next 5."""
    prose = MATH.sub(" ", re.sub(r"<details>.*?</details>", " ", notebook.markdown, flags=re.DOTALL))
    figures = sum("fig" in cell.id for cell in notebook.code)
    minutes = (
        len(prose.split()) / 160 + (len(TAG.findall(notebook.markdown)) + figures) / 2 + len(notebook.code)
    )
    wanted = 5 * round(minutes / 5)
    print(f"{notebook.name}: {wanted} minutes")
    stated = re.search(r"^\*\*Time:\*\* (\d+) minutes\.", notebook.cells[0].source, re.M)
    assert stated and int(stated[1]) == wanted, f"should read **Time:** {wanted} minutes."


@each_notebook
def test_the_map_on_the_first_page_agrees(notebook: Notebook):
    title = re.match(r"# (.+)", notebook.cells[0].source)[1]
    minutes = re.search(r"^\*\*Time:\*\* (\d+) minutes", notebook.cells[0].source, re.M)[1]
    row = rf"^\| \[{re.escape(title)}\]\({notebook.name}\.ipynb\) \| .+\? \| {minutes} \|$"
    assert re.search(row, (BOOK / "intro.md").read_text(encoding="utf8"), re.M)
