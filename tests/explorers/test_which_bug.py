"""The runs of which_bug: complete, not in the order of the gallery, without true values before a guess."""

from __future__ import annotations

import json

import pytest
import torch
from examples import which_bug as bugs

from vae_lib.diagnosis.gallery import PROGRAMS, Fingerprint
from vae_lib.explorers import WhichBug, which_bug


def runs(**changes) -> dict:
    given = {
        "curves": dict.fromkeys(PROGRAMS, [(1.0, 2.0)] * 60),
        "fingerprints": dict.fromkeys(PROGRAMS, Fingerprint(-20.0, torch.tensor([0.5, 0.0]))),
        "samples": dict.fromkeys(PROGRAMS, torch.zeros(6, 64)),
    }
    return given | changes


def test_every_program_is_a_case_and_not_in_the_order_of_the_gallery():
    missing, unknown = set(PROGRAMS) - {*which_bug.ORDER}, {*which_bug.ORDER} - set(PROGRAMS)
    assert not missing, f"put {missing} into ORDER in vae_lib/explorers/which_bug.py"
    assert not unknown and len(which_bug.ORDER) == len(PROGRAMS) and [*which_bug.ORDER] != [*PROGRAMS]
    there = json.loads(json.dumps(bugs()))
    assert [run["code"] for run in there["cases"]] == list(which_bug.ORDER)
    assert WhichBug(_data=there).numbers() == WhichBug(_data=bugs()).numbers()


def test_true_values_are_hidden_before_a_guess():
    explorer = WhichBug(_data=which_bug.cases(**runs()), case=3, epoch=7)
    hidden = ("elbo", "elbo_lost", "kl", "active_units")
    assert [explorer.numbers()[name] for name in hidden] == [None] * 4
    assert explorer.numbers()["reported_loss"] == 3.0
    explorer.guess = "no_noise"
    assert [explorer.numbers()[name] for name in hidden] == [-20.5, 0.0, 0.5, 1]


def test_another_case_resets_the_guess():
    explorer = WhichBug(_data=which_bug.cases(**runs()), case=3, guess="no_kl")
    assert explorer.guess == "no_kl", "a state given whole is kept"
    explorer.case = 3
    explorer.epoch = 7
    assert explorer.guess == "no_kl"
    explorer.case = 4
    assert explorer.guess == "none" and explorer.numbers()["kl"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"curves": {}}, "no run of sigma_is_exp_logvar"),
        ({"curves": dict.fromkeys(PROGRAMS, [(1.0, 2.0)] * 59)}, "60 epochs and 6 samples, got 59 and 6"),
        ({"samples": dict.fromkeys(PROGRAMS, torch.zeros(5, 64))}, "got 60 and 5"),
    ],
)
def test_incomplete_runs_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        which_bug.cases(**runs(**changes))


def test_other_data_are_refused():
    with pytest.raises(ValueError, match="_data="):
        WhichBug().numbers()
    with pytest.raises(
        ValueError, match=rf"_data must hold {len(PROGRAMS)} cases and 60 epochs.* got 0 and 0"
    ):
        WhichBug(_data={"something": "else"})
