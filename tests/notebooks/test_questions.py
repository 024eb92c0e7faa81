"""The page of questions: short answers, each with a number that a linked cell prints."""

from __future__ import annotations

import re
import textwrap

import pytest
import torch
import torch.nn.functional as F
from bookfiles import BOOK, Notebook
from test_numbers import claims, numbers, was_printed

from site_extension.search import asked

PAGE = (BOOK / "questions.md").read_text(encoding="utf8")
ANSWERS = re.sub("^% .*\n", "", PAGE, flags=re.M)
QUESTIONS = dict(re.findall(r"^### (.+)\n\n((?:.+\n)+)", ANSWERS, re.M))
LINK = re.compile(r"\[([^\]]+)\]\((\w+\.ipynb)#cell-id=([\w-]+)\)")
each_question = pytest.mark.parametrize("question", QUESTIONS)


def test_every_question_has_one_answer():
    assert len(QUESTIONS) >= 20
    assert len(QUESTIONS) == PAGE.count("\n### ")
    texts = re.split(r"^##.*", ANSWERS, flags=re.M)[1:]
    assert {len(text.strip().split("\n\n")) for text in texts} == {1}, "an answer is one paragraph"


def test_every_question_has_other_wordings():
    """They are search terms: each has a word that the question itself does not have."""
    wordings = asked(BOOK / "questions.md")
    assert set(wordings) == {question.replace("`", "") for question in QUESTIONS}
    for question, others in wordings.items():
        own = set(re.findall(r"\w+", question.lower()))
        assert len(others) >= 2 and all(set(re.findall(r"\w+", other.lower())) - own for other in others), (
            question
        )


@each_question
def test_answer_has_at_most_five_lines(question: str):
    """A line of the page holds about 80 characters; of a link only its text is seen."""
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(QUESTIONS[question].split()))
    assert len(textwrap.wrap(text, 80)) <= 5


@each_question
def test_numbers_of_an_answer_were_printed_by_the_cells_that_it_links(question: str):
    answer = QUESTIONS[question]
    links = LINK.findall(answer)
    assert links, "no link to a cell"
    printed: set[float] = set()
    for _, file, cell_id in links:
        notebook = Notebook(BOOK / file)
        notebook.cells = [cell for cell in notebook.cells if cell.id == cell_id]
        assert notebook.cells, f"{file} has no cell {cell_id}"
        shown = numbers(notebook.output)
        assert shown, f"{cell_id} prints no number"
        printed |= shown
    assert [number for number, _ in claims(answer) if not was_printed(number, printed)] == []
    prose = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|\[[^\]]*\]", " ", answer)
    assert any(number in printed for number in numbers(prose) - {0, 1, 2}), "no number that shows it"


def test_what_makes_a_negative_kl_or_a_negative_bce():
    """A KL formula can be wrong without a wrong sign; pixels below 0 make BCE negative, too."""
    sigma_for_variance = 0.5 * (2.0 - torch.tensor(2.0).square().log() - 1)
    assert sigma_for_variance < 0 and "The formula is wrong" in QUESTIONS["Why is my KL negative?"]
    logits = torch.linspace(-100, 100, 401)
    lowest = {
        x: F.binary_cross_entropy_with_logits(logits, 0 * logits + x, reduction="none").min()
        for x in (-1, 0, 1, 2)
    }
    assert [x for x, loss in lowest.items() if loss < 0] == [-1, 2]
    assert "outside [0, 1]" in QUESTIONS["Can my loss be negative?"]
