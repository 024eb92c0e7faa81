"""Every chapter asks two or three questions when all is said, with a reason for each option."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pytest
from bookfiles import NOTEBOOKS, Notebook

OPTION = re.compile(
    r"<details>\n<summary>(?P<text>.+)</summary>\n\n"
    r"\*\*(?P<verdict>Right|No)\.\*\* (?P<reason>.+)\n\n</details>"
)


@dataclass(frozen=True)
class Question:
    text: str
    options: list[dict[str, str]]

    @property
    def right(self) -> list[int]:
        return [place for place, option in enumerate(self.options) if option["verdict"] == "Right"]


def questions(notebook: Notebook) -> list[Question]:
    cell = notebook.cell("quick-check")
    if cell is None:
        return []
    _, *parts = re.split(r"^\*\*(\d)\.\*\* ", cell.source, flags=re.M)
    numbers, texts = parts[::2], parts[1::2]
    assert numbers == ["1", "2", "3"][: len(numbers)], "questions are numbered in order"
    found = []
    for text in texts:
        asked = OPTION.sub("", text).strip()
        assert "\n" not in asked, f"neither a question nor an option with its reason: {asked}"
        found.append(Question(asked, [option.groupdict() for option in OPTION.finditer(text)]))
    return found


each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)


@each_notebook
def test_two_or_three_questions_before_the_end(notebook: Notebook):
    assert 2 <= len(questions(notebook)) <= 3, "the cell quick-check has two or three questions"
    ids = [cell.id for cell in notebook.cells]
    place = ids.index("quick-check")
    assert notebook.cells[place].source.startswith("## Quick check\n\n")
    end = "## Summary\n" if notebook.has_exercises else "## Where to go on\n"
    assert notebook.cells[place + 1].source.startswith(end)


@each_notebook
def test_three_or_four_options_of_which_one_is_right(notebook: Notebook):
    for question in questions(notebook):
        assert 3 <= len(question.options) <= 4, question.text
        assert len({option["text"] for option in question.options}) == len(question.options), question.text
        assert len(question.right) == 1, question.text


@each_notebook
def test_every_option_has_a_reason(notebook: Notebook):
    for question in questions(notebook):
        reasons = [option["reason"] for option in question.options]
        assert [reason for reason in reasons if len(reason.split()) < 8] == []
        assert len(set(reasons)) == len(reasons), question.text


@each_notebook
def test_options_are_plain_text(notebook: Notebook):
    """A line of HTML, in which the site reads neither Markdown nor formulas."""
    texts = [option["text"] for question in questions(notebook) for option in question.options]
    assert [text for text in texts if re.search(r"[$`*_<>\\\[\]]", text)] == []


@each_notebook
def test_the_right_option_is_not_always_at_the_same_place(notebook: Notebook):
    assert len({question.right[0] for question in questions(notebook)}) > 1


def test_neither_place_nor_length_gives_the_right_option_away():
    asked = [question for notebook in NOTEBOOKS for question in questions(notebook)]
    places = Counter(question.right[0] for question in asked)
    assert max(places.values()) <= len(asked) / 2 and {0, 1, 2} <= set(places)
    longest = [max(range(len(q.options)), key=lambda i: len(q.options[i]["text"])) for q in asked]
    share = sum(place == question.right[0] for place, question in zip(longest, asked, strict=True)) / len(
        asked
    )
    assert share < 0.5, f"the longest option is right in {share:.0%} of the questions"
