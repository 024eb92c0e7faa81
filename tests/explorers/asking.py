"""States of explorers, and what their scripts answer there."""

from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
from pathlib import Path

from examples import DATA

from tools.npm import node_command
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base

# What it shows is trained in the page; test_train.py looks at that.
TRAINS = "train"
SCRIPT = Path(__file__).with_name("numbers.mjs")


def made(name: str, state: dict) -> base.Explorer:
    """An explorer at a state, with the data that it needs."""
    return EXPLORERS[name](_data=DATA[name](), **state) if name in DATA else EXPLORERS[name](**state)


def ask(requests: list[dict]) -> list:
    """The answers of numbers.mjs, in the order of the requests."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    run = subprocess.run(
        [node_command(), SCRIPT], input=lines, capture_output=True, text=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def answers(name: str, at: list[dict], widths: tuple[int, ...] = ()) -> dict:
    """`outputs` and `room` of the script, and as `answers` its `numbers` and `words` at each state.

    `drawings` of an answer are its pictures of these widths: their `texts`, and `handles` with what they set.
    """
    data = DATA[name]() if name in DATA else {}
    return ask([{"name": name, "states": at, "data": data, "widths": widths}])[0]


def places(trait: base.Slider | base.Choice | base.Pixels) -> list:
    """Both ends of a slider and a value between; all options of a menu; white, mixed and black pixels."""
    if isinstance(trait, base.Pixels):
        return [(0,) * trait.count, tuple(i % 17 for i in range(trait.count)), (16,) * trait.count]
    if isinstance(trait, base.Choice):
        return list(trait.options)
    between = math.sqrt(trait.low * trait.high) if trait.log else 0.37 * trait.low + 0.63 * trait.high
    return [trait.low, round(between) if trait.integer else between, trait.high]


def somewhere(trait: base.Slider | base.Choice | base.Pixels, generator: random.Random):
    """A random value of a trait."""
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
    """The opening state, a grid over everything but the seed, and random states: fewer where each is slow."""
    traits = EXPLORERS[name].parameters()
    opening = EXPLORERS[name]().state()
    draws, models = "seed" in traits, name in DATA  # 100 000 draws for each state; a network encodes images
    grid = list(itertools.product(*(places(trait) for key, trait in traits.items() if key != "seed")))
    generator = random.Random(name)
    if len(grid) > 150:
        grid = generator.sample(grid, 150)
    keys = [key for key in traits if key != "seed"]
    found = [opening | dict(zip(keys, point, strict=True)) for point in (grid[::3] if draws else grid)]
    for _ in range(8 if draws or models else 60):
        found.append({key: somewhere(trait, generator) for key, trait in traits.items()})
    return [opening, *found]


def on_the_grid(name: str) -> list[dict]:
    """The same states, with numbers of two decimals, as a reader sets them."""
    traits = EXPLORERS[name].parameters()
    return [
        {k: max(traits[k].low, round(v, 2)) if isinstance(v, float) else v for k, v in s.items()}
        for s in states(name)
    ]
