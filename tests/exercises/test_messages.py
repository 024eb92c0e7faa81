"""Each wrong answer gets the message that explains it, whatever is drawn, and no message is the answer."""

from __future__ import annotations

import functools
import inspect
import math
import re

import numpy as np
import pytest
from learners import CODED, EXERCISES, WRONG

from vae_lib.checks import check
from vae_lib.checks.answers import Choice, Function, Numbers

CASES = [(number, place) for number, cases in WRONG.items() for place in range(len(cases))]


@functools.cache
def message(number: str, place: int) -> str:
    """What `check` says of one of the wrong answers; computed once for all tests."""
    return check(number, WRONG[number][place][0]).message


def case_id(value):
    return re.sub(r"[^\w.]+", "-", value)[:40] if isinstance(value, str) else str(value)


@pytest.mark.parametrize(
    ("number", "place"), CASES, ids=[f"{n}-{case_id(WRONG[n][place][1])}" for n, place in CASES]
)
def test_a_wrong_answer_gets_its_message_whatever_is_drawn(number, place, capsys):
    """The notebooks store what is printed: the second run, on other draws, says the same."""
    answer, part = WRONG[number][place]
    result = check(number, answer)
    assert not result.passed and result.attempted
    assert part in result.message
    assert capsys.readouterr().out == f"{number}: {result.message}\n" == f"{result!r}\n"
    assert message(number, place) == result.message


@pytest.mark.parametrize("number", CODED)
def test_every_coded_exercise_has_three_messages_and_none_is_the_answer(number):
    """No code of the reference in any message: no call, and no expression of the kind a(b) or a ** b."""
    exercise = EXERCISES[number]
    messages = {message(number, place) for place in range(len(WRONG[number]))}
    assert len(messages) >= 3
    messages |= {*getattr(exercise, "mistakes", {}), *getattr(exercise, "extreme", {})}
    source = inspect.getsource(exercise.reference) if isinstance(exercise, Function) else ""
    for text in messages:
        text = text.partition(" In the line")[0]  # that line is the learner's own
        assert not re.search(r"\*\*|\.(sum|mean|exp|log|sqrt)\(|torch\.", text), text
        for line in filter(None, map(str.strip, source.splitlines())):
            assert len(line) < 8 or line not in text


def test_every_coded_exercise_has_wrong_answers():
    assert set(WRONG) == set(CODED)


@pytest.mark.parametrize("number", CODED)
def test_every_mistake_of_the_table_gets_its_own_message(number):
    for words, wrong in getattr(EXERCISES[number], "mistakes", {}).items():
        assert words in check(number, wrong).message


@pytest.mark.parametrize("number", [n for n, e in EXERCISES.items() if isinstance(e, Numbers)])
def test_every_mistake_in_numbers_gets_its_own_message(number):
    exercise = EXERCISES[number]
    right = exercise.right()
    assert exercise.examine(tuple(right.values())) is None
    mistakes = exercise.mistakes()
    assert mistakes
    for words, wrong in mistakes.items():
        assert exercise.examine(tuple((right | wrong).values())) == words
    if len(right) > 1:
        assert f"{len(right)} numbers in a tuple" in check(number, 1.0).message


def test_numbers_in_the_wrong_order_are_noticed():
    assert "The two have changed places." in check("4.2", (3 / math.sqrt(2), 4.5)).message


@pytest.mark.parametrize("number", [n for n, e in EXERCISES.items() if isinstance(e, Choice)])
def test_every_wrong_letter_has_its_reason(number):
    exercise = EXERCISES[number]
    letters = "abcd"[: len(exercise.wrong) + 1]
    assert sorted([exercise.right, *exercise.wrong]) == list(letters)
    assert check(number, f" {exercise.right.upper()} ").passed
    messages = [check(number, letter).message for letter in exercise.wrong]
    assert len(set(messages)) == len(messages) >= 2
    for other in ("e", 2, np.array(["a", "b"])):
        assert (
            f"one of {', '.join(letters)}, as a string; you gave {other!r}." in check(number, other).message
        )
