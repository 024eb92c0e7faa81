"""The tasks of an explorer: none is done when it opens, and each can be done by the controls."""

from __future__ import annotations

import re
from operator import itemgetter

import pytest
from asking import TRAINS, answers

from vae_lib.explorers import EXPLORERS

# which_bug is a game of its own.
WITHOUT = {"which_bug"}
each_explorer = pytest.mark.parametrize("name", [name for name in EXPLORERS if name not in WITHOUT])


def tasks(name: str) -> list[dict]:
    return answers(name, [])["tasks"]


@each_explorer
def test_there_are_two_to_four_short_tasks(name: str):
    words = [task["words"] for task in tasks(name)]
    assert 2 <= len(words) <= 4, f"{name}.js has {len(words)} `tasks`; see Task in shared/types.d.ts"
    assert all(len(text) <= 80 and text.endswith((".", "?")) for text in words)


def test_no_number_breaks_at_the_end_of_a_line():
    """Between the digits of a number stands a narrow space at which no line breaks."""
    broken = re.compile(r"\d[ \u2009]\d{3}\b")
    said = [
        words
        for name in EXPLORERS
        for words in (EXPLORERS[name].question, *map(itemgetter("words"), tasks(name)))
    ]
    assert [words for words in said if broken.search(words)] == []
    assert any(re.search(r"\d\u202f\d{3}", words) for words in said)


@each_explorer
def test_no_task_is_done_when_the_explorer_opens(name: str):
    (opening,) = answers(name, [EXPLORERS[name]().state()])["answers"]
    assert opening["done"] == [False] * len(opening["done"])


@pytest.mark.parametrize("name", [name for name in EXPLORERS if name not in WITHOUT | {TRAINS}])
def test_every_task_can_be_done_and_not_where_it_starts(name: str):
    """Its `reach` is a state that the traits allow, and that a slider can stand at."""
    opening = EXPLORERS[name]().state()
    for number, task in enumerate(tasks(name)):
        start, reach = opening | task.get("start", {}), opening | task["reach"]
        EXPLORERS[name](**start), EXPLORERS[name](**reach)
        for key, value in task["reach"].items():
            trait = EXPLORERS[name].parameters()[key]
            if hasattr(trait, "step") and not trait.log:
                assert (value / trait.step) == pytest.approx(round(value / trait.step)), key
        before, after = answers(name, [start, reach])["answers"]
        assert (before["done"][number], after["done"][number]) == (False, True), task["words"]
