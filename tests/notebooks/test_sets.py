"""Words of the text that set an explorer: they stand in their cell, and the explorer can be set so."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import pytest
from bookfiles import NOTEBOOKS, Notebook, explorer_cell

from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared.base import Slider

WITH_EXPLORERS = [one for one in NOTEBOOKS if any(one.cell(explorer_cell(name)) for name in EXPLORERS)]
each_notebook = pytest.mark.parametrize("notebook", WITH_EXPLORERS, ids=lambda notebook: notebook.name)


def wanted(cell) -> list[tuple[str, str, dict]]:
    """(words, explorer, trait -> value) of each state that the cell sets; a range counts as its two ends."""
    found = []
    for words, state in cell.metadata.get("sets", {}).items():
        name, _, query = state.partition("?")
        values = dict(parse_qsl(query))
        for end in (0, -1):
            found.append((words, name, {key: value.split("..")[end] for key, value in values.items()}))
    return found


@each_notebook
def test_words_that_set_an_explorer_stand_in_their_cell(notebook: Notebook):
    for cell in notebook.cells:
        for words, name, _ in wanted(cell):
            formulas = re.findall(r"\$([^$]+)\$", cell.source)
            text = re.sub(r"\$[^$]+\$|`[^`]+`", "|", cell.source).replace("\n", " ")
            assert words in text or words in formulas, f"{cell.id}: {words}"
            assert notebook.cell(explorer_cell(name)), f"{cell.id}: no {name} on this page"


@each_notebook
def test_the_explorer_can_be_set_so(notebook: Notebook):
    for cell in notebook.cells:
        for words, name, values in wanted(cell):
            traits = EXPLORERS[name].parameters()
            state = {
                key: value if hasattr(traits[key], "options") else float(value)
                for key, value in values.items()
            }
            assert state, f"{cell.id}: {words}"
            EXPLORERS[name](**state)  # raises where a value is out of bounds


@each_notebook
def test_every_main_road_with_a_figure_has_words_that_set_it(notebook: Notebook):
    assert any(wanted(cell) for cell in notebook.main_road.cells)


def test_ranges_are_scrubbed_in_most_chapters():
    """Where a sentence speaks of a range; its ends differ, and its trait has a slider."""
    ranges = {}
    for notebook in WITH_EXPLORERS:
        for state in (s for cell in notebook.cells for s in cell.metadata.get("sets", {}).values()):
            found = re.fullmatch(r"(\w+)\?(\w+)=([-\d.]+?)\.\.([-\d.]+)", state)
            assert bool(found) == (".." in state), f"{state}: a range has one trait"
            if found:
                name, trait, start, end = found.groups()
                assert isinstance(EXPLORERS[name].parameters()[trait], Slider) and float(start) != float(end)
                ranges.setdefault(notebook.name, []).append(state)
    assert len(ranges) >= 5, ranges
