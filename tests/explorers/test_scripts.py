"""The scripts and vae_lib: the same numbers at every state, and draws of a known generator."""

from __future__ import annotations

import math
import re

import pytest
import torch
from asking import TRAINS, answers, ask, made, on_the_grid, states

from site_extension.explorers import draw
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base

each_explorer = pytest.mark.parametrize("name", EXPLORERS)
each_other = pytest.mark.parametrize("name", [name for name in EXPLORERS if name != TRAINS])


def close(ours: float | None, theirs: float | None, drawn: bool) -> bool:
    """Closed forms to eleven digits; what is summed over draws, and may cancel, to nine."""
    if ours is None or theirs is None:
        return ours is theirs
    relative, absolute = (1e-9, 1e-11) if drawn else (1e-11, 1e-13)
    return math.isclose(ours, theirs, rel_tol=relative, abs_tol=absolute)


@each_explorer
def test_script_shows_the_numbers_of_vae_lib(name):
    at, drawn = states(name), "seed" in EXPLORERS[name].parameters()
    script = answers(name, at)
    for state, answer in zip(at, script["answers"], strict=True):
        wanted = made(name, state).numbers()
        assert [output["name"] for output in script["outputs"]] == list(wanted), "an output for each number"
        wrong = {key: (answer["numbers"][key], wanted[key]) for key in wanted
                 if not close(answer["numbers"][key], wanted[key], drawn)}  # fmt: skip
        assert wrong == {}, state


@each_explorer
def test_every_state_can_be_drawn_and_described(name):
    at = states(name)
    at = at[:: max(1, len(at) // 25)]
    opening = EXPLORERS[name]().state()
    for key, trait in EXPLORERS[name].parameters().items():  # a number may be typed with all its digits
        if isinstance(trait, base.Slider) and not trait.integer:
            at.append(opening | {key: max(0.0, trait.low) + 1e-7})
    cards = [made(name, state).card() | {"id": "e"} for state in at]
    for state, parts in zip(at, draw(cards), strict=True):
        drawn = "".join(parts)
        assert not re.search(r"NaN|undefined|Infinity|null|\[object", drawn), state
        words = re.search(r'role="img" aria-label="([^"]*)"', drawn)[1]
        assert len(words.split()) >= 15, f"describe() has at least 15 words, not {words!r}"
        said = [words, *re.findall(r">([^<]+)<", drawn)]
        assert [text for text in said if re.search(r"\de[-+]?\d|-\d", text)] == [], (
            "numbers as programs write them"
        )


@each_other
def test_the_card_has_room_for_the_longest_words(name):
    """Each description fits into the characters that are reserved, and these are not far more."""
    script = answers(name, on_the_grid(name))
    longest = max((answer["words"] for answer in script["answers"]), key=len)
    least = len(longest)
    room = script.get("room", 0)
    assert least <= room <= least + 80, f"room: {room} should be {least} to {least + 80}, for {longest!r}"


WIDTHS = (690, 340)  # on a computer and on a telephone


@each_other
def test_handles_and_words_are_where_they_belong(name):
    """A handle sets the value at which it stands, and another beside it; words begin inside the picture."""
    at = on_the_grid(name)
    at = at[:: max(1, len(at) // 15)]
    handles = 0
    for state, answer in zip(at, answers(name, at, WIDTHS)["answers"], strict=True):
        for drawing in answer["drawings"]:
            for handle in drawing["handles"]:
                handles += 1
                here = {key: state[key] for key in handle["here"]}
                assert handle["here"] == pytest.approx(here, rel=1e-6, abs=1e-6), (state, drawing["width"])
                if name != "rate_distortion":  # whose handle goes from run to run
                    (key, *_) = here
                    moved = handle["right"][key] - here[key]
                    backwards = key == "sigma_3"  # drawn on the left of its mean
                    assert moved < 0 if backwards else moved >= 0, (key, state)
                assert 0 <= handle["y"] <= drawing["height"]
            for text in drawing["texts"]:
                assert 0 <= text["y"] <= drawing["height"], (text, state, drawing["width"])
    assert handles


SEEDS = (0, 1, 7, 99)


def test_draws_are_those_of_torch():
    for seed, draws in zip(SEEDS, ask([{"seed": seed, "count": 100_000} for seed in SEEDS]), strict=True):
        wanted = torch.randn(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert torch.allclose(torch.tensor(draws, dtype=torch.float64), wanted, rtol=0, atol=1e-13)


def test_random_explorers_come_near_the_exact_values():
    """Within five standard errors of what they estimate, for several seeds."""
    for seed in SEEDS:
        n = EXPLORERS["monte_carlo"](num_samples=20_000, seed=seed).numbers()
        assert abs(n["estimate"] - n["reconstruction"]) < 5 * n["standard_error"]
        n = EXPLORERS["reparameterization"](num_samples=20_000, seed=seed).numbers()
        for kind in ("pathwise", "score", "baseline"):
            error = (n[f"{kind}_variance"] / 20_000) ** 0.5
            assert abs(n[f"{kind}_mean"] - n["exact"]) < 5 * error, kind
        n = EXPLORERS["naive_monte_carlo"](num_samples=20_000, J=2, seed=seed).numbers()
        relative = math.expm1(n["log_marginal_naive"] - n["log_marginal"])
        assert abs(relative) < 5 * ((n["rho"] - 1) / 20_000) ** 0.5
