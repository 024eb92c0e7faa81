"""Fresh random inputs for a learner's function.

The lengths of the axes are different primes, so that a factor tells which axis was averaged or summed by
mistake. The second set of lengths, with a batch of one, shows answers that work for the first set only.
"""

from __future__ import annotations

import torch
from torch import Tensor

SIZES = {"B": 5, "D": 7, "J": 3, "L": 11, "K": 13, "N": 17}
OTHER_SIZES = {"B": 1, "D": 11, "J": 2, "L": 13, "K": 7, "N": 19}
AXES = {
    "B": "images of the batch",
    "D": "pixels",
    "J": "latent dimensions",
    "L": "samples",
    "K": "labels",
    "N": "training images",
}


class Draw:
    """Draws inputs: other ones each time, or those of a seed.

    With `positive_logvar` every ln σ² is above 0. Then the usual mistakes give finite values, also those that
    take its logarithm or its root, and can be recognized.
    """

    def __init__(
        self, seed: int | None = None, *, sizes: dict[str, int] = SIZES, positive_logvar: bool = False
    ):
        self.generator = torch.Generator()
        self.seed = self.generator.seed() if seed is None else seed
        self.generator.manual_seed(self.seed)
        self.sizes, self.positive_logvar = sizes, positive_logvar

    def normal(self, axes: str, scale: float = 1.0, shift: float = 0.0) -> Tensor:
        """Gaussian float64 numbers; the axes are letters of SIZES, "BJ" for (B, J)."""
        shape = [self.sizes[axis] for axis in axes]
        return shift + scale * torch.randn(shape, dtype=torch.float64, generator=self.generator)

    def uniform(self, axes: str, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform float64 numbers between low and high."""
        shape = [self.sizes[axis] for axis in axes]
        return low + (high - low) * torch.rand(shape, dtype=torch.float64, generator=self.generator)

    def number(self, low: float, high: float) -> float:
        """One uniform number as a float."""
        return self.uniform("", low, high).item()

    def logvar(self, axes: str = "BJ") -> Tensor:
        """ln σ², uniform."""
        return self.uniform(axes, 0.2, 1.6) if self.positive_logvar else self.uniform(axes, -2.0, 2.0)

    def covariance(self, axis: str = "J") -> Tensor:
        """A well-conditioned covariance matrix."""
        root = self.normal(2 * axis)
        return root @ root.T / self.sizes[axis] + 0.5 * torch.eye(self.sizes[axis], dtype=torch.float64)
