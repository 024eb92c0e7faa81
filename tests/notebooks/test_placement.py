"""Every explorer has its place: after a question, with words around it and its numbers computed."""

from __future__ import annotations

import re

import pytest
from bookfiles import NOTEBOOKS, Notebook

from vae_lib.explorers import EXPLORERS

CHAPTERS = {
    "generative": 1,
    "naive_monte_carlo": 2,
    "elbo_gap": 3,
    "kl": 4,
    "monte_carlo": 5,
    "reparameterization": 6,
    "reconstruction_loss": 7,
    "implied_beta": 7,
    "latent": 8,
}


def place(name: str) -> tuple[Notebook, dict[str, int], str]:
    """The notebook, the position of each of its cells, and how the ids of the explorer's cells begin."""
    notebook = next(notebook for notebook in NOTEBOOKS if notebook.chapter == CHAPTERS[name])
    positions = {cell.id: position for position, cell in enumerate(notebook.cells)}
    return notebook, positions, f"explorer-{name.replace('_', '-')}"


def hangs_on_training(cell) -> bool:
    """Is the cell's output another on each machine, and so not stored? tests/site looks at the built page."""
    return "nbval-ignore-output" in cell.metadata.get("tags", [])


def test_every_explorer_is_in_the_book():
    assert list(CHAPTERS) == list(EXPLORERS), "in the order of the chapters"


@pytest.mark.parametrize("name", CHAPTERS)
def test_explorer_is_announced_computed_and_read(name: str):
    notebook, at, key = place(name)
    announce, figure, numbers, read = (at[key + part] for part in ("-announce", "", "-numbers", "-read"))
    assert announce < figure < numbers < read
    before = "\n\n".join(cell.source for cell in notebook.cells[:figure] if cell.cell_type == "markdown")
    assert "**Predict first.**" in before
    cell = notebook.cells[figure]
    assert re.search(rf"^\w+ = {EXPLORERS[name].__name__}\(.*\)\n\w+$", cell.source, re.S)
    if hangs_on_training(cell):
        assert "_data=" in cell.source
    else:
        assert f'data-explorer="{name}"' in cell.outputs[0].data["text/html"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_numbers_are_computed_below_the_explorer(name: str):
    """The cell prints what the explorer shows as it opens, one line a number."""
    notebook, at, key = place(name)
    cell = notebook.cells[at[key + "-numbers"]]
    assert "assert " in cell.source and ".numbers()[" in cell.source
    if hangs_on_training(cell):
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
