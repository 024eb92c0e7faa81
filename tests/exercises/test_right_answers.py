"""Right answers pass however they are written and whatever is drawn; stubs are not attempted yet."""

from __future__ import annotations

import importlib
import re

import pytest
import torch
from learners import CODED, EXERCISES, RIGHT, gaussian_nll, kl, monte_carlo, terms

from vae_lib.checks import CHAPTERS, CheckFailed, check
from vae_lib.checks.answers import Numbers
from vae_lib.checks.chapter_9 import Codes
from vae_lib.checks.draws import Draw


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=[f"{i}-{n}" for i, (n, _) in enumerate(RIGHT)])
def test_a_right_answer_is_right(number, answer):
    assert {check(number, answer).message for _ in range(4)} == {"right"}


def test_why_it_is_right_is_said_after_the_verdict(capsys):
    check("4.1", kl)
    verdict, *why = capsys.readouterr().out.splitlines()
    assert (
        verdict == "4.1: right"
        and " ".join(why) == importlib.import_module("vae_lib.checks.chapter_4").WHY["4.1"]
    )
    assert check("4.1", "no function").why == ""


@pytest.mark.parametrize(
    ("number", "answer"), [("4.1", kl), ("5.1", monte_carlo()), ("3.2", terms), ("7.2", gaussian_nll)]
)
def test_a_right_answer_is_right_for_twenty_draws(number, answer):
    assert [EXERCISES[number].examine(answer) for _ in range(20)] == [None] * 20


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_says_in_one_sentence_why_the_right_answer_is_right(chapter):
    module = importlib.import_module(f"vae_lib.checks.chapter_{chapter}")
    assert list(module.WHY) == list(module.EXERCISES), f"WHY in chapter_{chapter}.py, one for each exercise"
    for sentence in module.WHY.values():
        assert sentence.endswith(".") and ". " not in sentence and 10 < len(sentence.split()) < 60


# Stubs


def bare_stub(x): ...


def documented_stub(x):
    """What it should compute."""
    ...


def raising_stub(*x):
    raise NotImplementedError("your answer")


@pytest.mark.parametrize("number", EXERCISES)
def test_stubs_are_not_attempted_yet(number, capsys):
    stubs = [None, ...]
    is_function = number in CODED and not isinstance(EXERCISES[number], Codes)
    stubs += [bare_stub, documented_stub, raising_stub, lambda *given: ...] if is_function else []
    stubs += [(None, None), (1.0, ...)] if isinstance(EXERCISES[number], Numbers) else [""]
    stubs += [[""]] if isinstance(EXERCISES[number], Codes) else []
    stubs.remove("") if is_function else None
    for stub in stubs:
        result = check(number, stub)
        assert (result.message, result.passed, result.attempted) == ("not attempted yet", False, False)
    assert capsys.readouterr().out == f"{number}: not attempted yet\n" * len(stubs)


def test_a_constant_is_an_attempt():
    assert check("7.5", lambda D: 0.001).attempted


# What `check` does


def test_strict_raises_and_is_silent_else(capsys):
    for answer, part in ((None, "not attempted yet"), ("a", "not yet"), ("e", "one of a, b, c, d")):
        with pytest.raises(CheckFailed, match=f"1.1: .*{part}"):
            check("1.1", answer, strict=True)
    assert check("1.1", "c", strict=True).passed
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("number", "part"),
    [
        ("0.1", 'exercises are named "1.1" to "10.…"'),
        ("99.1", 'exercises are named "1.1" to "10.…"'),
        ("kl", 'exercises are named "1.1" to "10.…"'),
        (4.1, 'exercises are named "1.1" to "10.…"'),
        ("1.99", "chapter 1 has the exercises 1.1, 1.2, 1.3, 1.4, 1.5, 1.6"),
    ],
)
def test_an_unknown_exercise_is_named(number, part):
    with pytest.raises(ValueError, match=re.escape(f"{part}, got {number!r}")):
        check(number, None)


def test_a_result_shows_nothing_of_its_own(capsys):
    """At the end of a cell, where `check` has printed it already."""
    check("1.1", "c")._ipython_display_()
    assert capsys.readouterr().out.count("1.1: right\n") == 1


def test_gradients_are_asked_for_where_they_are_switched_off():
    with torch.no_grad():
        assert check("4.1", kl).passed
        assert "no gradient" in check("4.1", lambda mu, t: kl(mu, t).detach()).message


# What is drawn


def test_inputs_are_fresh_each_time():
    seen = []

    def answer(mu, logvar):
        seen.append((mu.detach().clone(), logvar.detach().clone()))
        return kl(mu, logvar)

    assert check("4.1", answer).passed and check("4.1", answer).passed
    means = [mu for mu, _ in seen]
    assert len(seen) >= 8 and len({tuple(mu.flatten().tolist()) for mu in means}) == len(means)
    assert {mu.dtype for mu in means} == {torch.float32, torch.float64}
    assert {mu.shape for mu in means} == {(5, 3), (1, 2)}


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    check("4.1", kl), check("5.1", monte_carlo())
    assert torch.equal(before, torch.random.get_rng_state())


def test_draws_of_a_seed_are_the_same():
    assert torch.equal(Draw(3).normal("BJ"), Draw(3).normal("BJ"))
    assert not torch.equal(Draw().normal("BJ"), Draw().normal("BJ"))
    assert (Draw(positive_logvar=True).logvar() > 0).all() and (Draw(0).logvar() < 0).any()
