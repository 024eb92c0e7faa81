"""The scripts and vae_lib: the same numbers at every state, and draws of a known generator."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
import subprocess
from pathlib import Path

import pytest
import torch
from examples import DATA

from site_extension.explorers import draw
from tools.npm import node_command
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base

SCRIPT = Path(__file__).with_name("numbers.mjs")
each_explorer = pytest.mark.parametrize("name", EXPLORERS)


def made(name: str, state: dict) -> base.Explorer:
    """An explorer at a state, with the data that it needs."""
    return EXPLORERS[name](_data=DATA[name](), **state) if name in DATA else EXPLORERS[name](**state)


def question(name: str, state: dict) -> dict:
    """What `ask` is to be asked."""
    return {"name": name, "state": state, "data": DATA[name]() if name in DATA else {}}


def ask(requests: list[dict]) -> list:
    """The answers of the scripts, in the order of the requests."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    run = subprocess.run(
        [node_command(), SCRIPT], input=lines, capture_output=True, text=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def places(trait: base.Slider | base.Choice | base.Pixels) -> list:
    """Both ends of a slider and something between; all options of a menu; white, mixed and black pixels."""
    if isinstance(trait, base.Pixels):
        return [(0,) * trait.count, tuple(i % 17 for i in range(trait.count)), (16,) * trait.count]
    if isinstance(trait, base.Choice):
        return list(trait.options)
    between = math.sqrt(trait.low * trait.high) if trait.log else 0.37 * trait.low + 0.63 * trait.high
    return [trait.low, round(between) if trait.integer else between, trait.high]


def somewhere(trait: base.Slider | base.Choice | base.Pixels, generator: random.Random):
    if isinstance(trait, base.Pixels):
        return tuple(generator.choices(range(base.LEVELS + 1), k=trait.count))
    if isinstance(trait, base.Choice):
        return generator.choice(list(trait.options))
    if trait.log:
        value = math.exp(generator.uniform(math.log(trait.low), math.log(trait.high)))
    else:
        value = generator.uniform(trait.low, trait.high)
    return round(value) if trait.integer else min(trait.high, max(trait.low, value))


def states(name: str) -> list[dict]:
    """The opening state, a grid over everything but the seed, and random states."""
    traits = EXPLORERS[name].parameters()
    opening = EXPLORERS[name]().state()
    slow = "seed" in traits  # a hundred thousand draws for each state
    grid = list(itertools.product(*(places(trait) for key, trait in traits.items() if key != "seed")))
    generator = random.Random(name)
    if len(grid) > 300:
        grid = generator.sample(grid, 300)
    keys = [key for key in traits if key != "seed"]
    found = [opening | dict(zip(keys, point, strict=True)) for point in (grid[::3] if slow else grid)]
    for _ in range(8 if slow else 200):
        found.append({key: somewhere(trait, generator) for key, trait in traits.items()})
    return [opening, *found]


def close(ours: float | None, theirs: float | None, drawn: bool) -> bool:
    """Closed forms to eleven digits; what is summed over draws, and may cancel, to nine."""
    if ours is None or theirs is None:
        return ours is theirs
    relative, absolute = (1e-9, 1e-11) if drawn else (1e-11, 1e-13)
    return math.isclose(ours, theirs, rel_tol=relative, abs_tol=absolute)


@each_explorer
def test_script_shows_the_numbers_of_vae_lib(name):
    at, drawn = states(name), "seed" in EXPLORERS[name].parameters()
    for state, answer in zip(at, ask([question(name, s) for s in at]), strict=True):
        wanted = made(name, state).numbers()
        assert [output["name"] for output in answer["outputs"]] == list(wanted), "an output for each number"
        wrong = {key: (answer["numbers"][key], wanted[key]) for key in wanted
                 if not close(answer["numbers"][key], wanted[key], drawn)}  # fmt: skip
        assert wrong == {}, state


@each_explorer
def test_every_state_can_be_drawn_and_said(name):
    at = states(name)[:40]
    cards = [made(name, state).card() | {"id": "e"} for state in at]
    for state, drawn in zip(at, draw(cards), strict=True):
        assert not re.search(r"NaN|undefined|Infinity|null|\[object", drawn), state
        assert len(re.search(r'aria-label="([^"]*)"', drawn)[1].split()) >= 15


def test_the_words_follow_the_state():
    for name, explorer in EXPLORERS.items():
        words = {answer["words"] for answer in ask([question(name, s) for s in states(name)[:20]])}
        assert len(words) > 5, explorer


@each_explorer
def test_the_card_has_room_for_the_longest_words(name):
    """What is said at any state fits into the characters that are reserved, and these are not far more."""
    at = [{k: round(v, 2) if isinstance(v, float) else v for k, v in s.items()} for s in states(name)]
    answers = ask([question(name, s) for s in at])
    longest = max((answer["words"] for answer in answers), key=len)
    assert len(longest) <= answers[0]["room"] <= len(longest) + 80, longest


SEEDS = (0, 1, 7, 99)


def test_draws_are_those_of_torch():
    for seed, draws in zip(SEEDS, ask([{"seed": seed, "count": 100_000} for seed in SEEDS]), strict=True):
        wanted = torch.randn(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert torch.allclose(torch.tensor(draws, dtype=torch.float64), wanted, rtol=0, atol=1e-13)


def test_draws_have_the_moments_of_a_standard_normal():
    """Mean, variance, third and fourth moment within five standard errors, and no two neighbours alike."""
    for draws in ask([{"seed": seed, "count": 100_000} for seed in SEEDS]):
        z = torch.tensor(draws, dtype=torch.float64)
        root = len(z) ** 0.5
        for power, moment, spread in ((1, 0, 1), (2, 1, 2**0.5), (3, 0, 15**0.5), (4, 3, 96**0.5)):
            assert abs((z**power).mean() - moment) < 5 * spread / root, power
        for lag in (1, 8, 16):
            assert abs((z[lag:] * z[:-lag]).mean()) < 5 / root, lag


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
