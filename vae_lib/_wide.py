"""Random wide weights, which show what a network can return: whether it ends in a sigmoid, say."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

# How often weights are drawn, their standard deviation times √inputs, and that of the z that is decoded.
TRIES, WIDTH_OF_WEIGHTS, WIDTH_OF_Z = 8, 2, 30


@contextlib.contextmanager
def weights(given: Iterable[Tensor], seed: int = 0) -> Iterator[Callable[[], None]]:
    """Inside, a function that gives these weights random wide values; afterwards they are as before."""
    given = [weight for weight in given if weight.is_floating_point()]
    kept = [weight.detach().clone() for weight in given]

    def shake() -> None:
        for weight in given:
            inputs = weight[0].numel() if weight.ndim > 1 else 1
            weight.data.copy_(WIDTH_OF_WEIGHTS * torch.randn_like(weight) / math.sqrt(inputs))

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
        torch.manual_seed(seed)
        try:
            yield shake
        finally:
            for weight, value in zip(given, kept, strict=True):
                weight.data.copy_(value)
