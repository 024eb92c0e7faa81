"""Every explorer follows a question and an announcement; then come its numbers and what can be seen in it."""

from __future__ import annotations

import re

import pytest
from bookfiles import NOTEBOOKS, Notebook, explorer_cell

from vae_lib.explorers import EXPLORERS

each_explorer = pytest.mark.parametrize("name", EXPLORERS)


def chapters(name: str) -> list[Notebook]:
    """The chapters that show the explorer; a later one, or one without exercises, may show it once more."""
    shown = [notebook for notebook in NOTEBOOKS if notebook.cell(explorer_cell(name))]
    return [notebook for notebook in shown if notebook.has_exercises]


def place(name: str) -> tuple[Notebook, dict[str, int]]:
    """The chapter of the explorer, and the position of each of its cells."""
    shown = chapters(name)
    assert shown, f"no chapter with exercises has a cell {explorer_cell(name)}"
    notebook = shown[0]
    return notebook, {cell.id: position for position, cell in enumerate(notebook.cells)}


REPEATED = [
    (notebook, name)
    for notebook in NOTEBOOKS
    for name in EXPLORERS
    if notebook.cell(explorer_cell(name)) and notebook.chapter != EXPLORERS[name].chapter
]


def depends_on_training(cell) -> bool:
    """Does the output differ between machines and so is not stored? tests/site looks at the built page."""
    return "nbval-ignore-output" in cell.metadata.get("tags", [])


@each_explorer
def test_explorer_is_in_the_chapter_that_it_names(name: str):
    assert chapters(name)[0].chapter == EXPLORERS[name].chapter


@pytest.mark.parametrize(("notebook", "name"), REPEATED, ids=lambda value: getattr(value, "name", value))
def test_repeated_explorer_stands_alone_in_its_cell_between_texts(notebook: Notebook, name: str):
    """Where no numbers follow, its code is not on the page; in a chapter it may open at another state."""
    place = [cell.id for cell in notebook.cells].index(explorer_cell(name))
    before, cell, after = notebook.cells[place - 1 : place + 2]
    assert before.cell_type == after.cell_type == "markdown"
    state = r".*" if notebook.has_exercises else ""
    assert re.fullmatch(rf"{EXPLORERS[name].__name__}\({state}\)", cell.source)
    assert "remove-input" in cell.metadata["tags"]
    assert f'data-explorer="{name}"' in cell.outputs[0].data["text/html"]


@each_explorer
def test_explorer_is_announced_computed_and_read(name: str):
    notebook, at = place(name)
    wanted = [explorer_cell(name) + part for part in ("-announce", "", "-numbers", "-read")]
    assert [cell for cell in wanted if cell not in at] == [], f"cells that {notebook.path.name} lacks"
    announce, figure, numbers, read = (at[cell] for cell in wanted)
    assert announce < figure < numbers < read
    before = "\n\n".join(cell.source for cell in notebook.cells[:figure] if cell.cell_type == "markdown")
    assert "**Predict first.**" in before
    cell = notebook.cells[figure]
    assert re.search(rf"^# .+\n\w+ = {EXPLORERS[name].__name__}\(.*\)\n\w+$", cell.source, re.S)
    if depends_on_training(cell):
        assert "_data=" in cell.source
    else:
        assert f'data-explorer="{name}"' in cell.outputs[0].data["text/html"]


@each_explorer
def test_numbers_are_computed_below_the_explorer(name: str):
    """The cell prints the numbers that the explorer shows when it opens, one in each line."""
    notebook, at = place(name)
    cell = notebook.cells[at[explorer_cell(name) + "-numbers"]]
    assert "assert " in cell.source and ".numbers()[" in cell.source
    if depends_on_training(cell):
        return
    printed = dict(line.split() for line in cell.outputs[0].text.splitlines())
    wanted = EXPLORERS[name]().numbers()
    assert list(printed) == list(wanted)
    for output, value in wanted.items():
        if value is None:
            assert printed[output] == "none"
        else:
            decimals = len(printed[output].partition(".")[2].partition("e")[0])
            assert abs(float(printed[output]) - value) <= 0.5001 * 10**-decimals * max(1, abs(value) / 1e3)
