"""Data for the explorers that need some: name → a function that makes them, always the same."""

from __future__ import annotations

from functools import cache

import torch

from vae_lib.explorers import EXPLORERS, Explorer, rate_distortion


def example(name: str, **state) -> Explorer:
    """The explorer at this state, with data where it needs some."""
    return EXPLORERS[name](_data=data(name), **state)


@cache
def data(name: str) -> dict:
    return DATA[name]() if name in DATA else {}


def rate_distortion_data() -> dict:
    """Nine runs as training might leave them: the sharper, the more nats and the less error."""
    g = torch.Generator().manual_seed(0)
    variances = torch.tensor([0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1], dtype=torch.float64)
    runs = []
    for sigma in (0.1, 0.14, 0.2, 0.28, 0.4, 0.5, 0.6, 0.7, 0.85):
        kept = torch.minimum(variances, torch.tensor(sigma**2))  # reverse water-filling
        runs.append(
            {
                "sigma": sigma,
                "distortion": 0.4 + kept.sum().item(),
                "kl": 0.5 * torch.log(variances / kept) + 0.005 * torch.rand(8, generator=g),
                "means": torch.rand(8, 64, generator=g),
                "samples": torch.rand(8, 64, generator=g),
            }
        )
    return rate_distortion.pack(torch.rand(8, 64, generator=g), runs)


DATA = {"rate_distortion": rate_distortion_data}
