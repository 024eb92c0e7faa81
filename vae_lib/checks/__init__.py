"""Checks of the exercises: `check("4.1", answer)` says whether an answer is right, and if not, what is wrong.

A function is called with fresh random inputs, in float64 and float32, with gradients and at extreme values,
and its results are compared with those of vae_lib. The message is in the learner's terms ("too small by
exactly the factor D = 7") and never tells the answer. Each chapter has a module here: `chapter_4.py` has the
exercises 4.1, 4.2, ….
"""

# answers    the three kinds of answers, and how each is examined
# calls      calls a learner's function: what it returned or raised, whether it is a stub
# draws      random inputs for it
# compare    two tensors, the learner's and the right one: a message about the difference
# chapter_N  the exercises of a chapter, with their usual mistakes, and why the right answer is right

from __future__ import annotations

import importlib
import textwrap
from dataclasses import dataclass
from pathlib import Path

from vae_lib.checks.answers import Exercise
from vae_lib.checks.calls import NotAttempted

__all__ = ["CheckFailed", "Result", "check"]

CHAPTERS = sorted(int(path.stem[8:]) for path in Path(__file__).parent.glob("chapter_*.py"))


class CheckFailed(AssertionError):
    """Raised by check(…, strict=True) for an answer that is wrong or missing."""


@dataclass(frozen=True)
class Result:
    """What `check` found.

    Attributes:
        exercise: its number, such as "4.1".
        message: "right", "not attempted yet", or what is wrong.
        why: a sentence that says why the right answer is right; empty for other answers.
        passed: is the answer right?
        attempted: is there an answer at all?
    """

    exercise: str
    message: str
    passed: bool = False
    attempted: bool = True
    why: str = ""

    def __repr__(self) -> str:
        return "\n".join([f"{self.exercise}: {self.message}", *textwrap.wrap(self.why, 80)])

    def _ipython_display_(self) -> None:
        """Shows nothing at the end of a cell, as `check` has printed the result."""


def check(exercise: str, answer: object, *, strict: bool = False) -> Result:
    """Say whether an answer to an exercise is right, and if it is not, what is wrong with it.

    Args:
        exercise: its number, such as "4.1".
        answer: the function, number, tuple or letter that the exercise asks for.
        strict: raise CheckFailed unless the answer is right, and print nothing; for graders.

    Returns:
        Result, with .passed and .message; its text is printed.

    Raises:
        ValueError: there is no such exercise.
        CheckFailed: with strict=True, the answer is wrong or missing.
    """
    found, why = _exercise(exercise)
    try:
        wrong = found.examine(answer)
        result = Result(exercise, f"not yet. {wrong}") if wrong else Result(exercise, "right", True, why=why)
    except NotAttempted:
        result = Result(exercise, "not attempted yet", attempted=False)
    if not strict:
        print(result)
    elif not result.passed:
        raise CheckFailed(repr(result))
    return result


def _exercise(exercise: str) -> tuple[Exercise, str]:
    """The exercise of this number, and the sentence that says why its answer is right."""
    chapter = exercise.partition(".")[0] if isinstance(exercise, str) else None
    if chapter not in map(str, CHAPTERS):
        raise ValueError(f'exercises are named "1.1" to "{CHAPTERS[-1]}.…", got {exercise!r}')
    module = importlib.import_module(f"vae_lib.checks.chapter_{chapter}")
    if exercise not in module.EXERCISES:
        raise ValueError(
            f"chapter {chapter} has the exercises {', '.join(module.EXERCISES)}, got {exercise!r}"
        )
    if exercise not in module.WHY:
        raise ValueError(f"WHY in vae_lib/checks/chapter_{chapter}.py has no sentence for {exercise!r}")
    return module.EXERCISES[exercise], module.WHY[exercise]
