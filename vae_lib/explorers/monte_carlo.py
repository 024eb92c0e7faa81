"""Chapter 5: the running mean of one run of draws, and the error it reports."""

from __future__ import annotations

import math

import torch

from vae_lib.explorers.shared import running_example
from vae_lib.explorers.shared.base import MOST_DRAWS, Explorer, Slider


class MonteCarlo(Explorer):
    """E_q[log p(x|z)] of the running example by (5.2): the mean of L draws from q = N(0.6, σ²).

    Traits: `num_samples` (L), `sigma`, the standard deviation of q, and `seed` of the draws.
    """

    chapter = 5
    question = "How far does an average of L draws miss?"
    num_samples = Slider(6500, 1, MOST_DRAWS, 0.01, "L, number of draws", log=True, integer=True)
    sigma = Slider(0.5, 0.05, 2.0, 0.01, "σ, standard deviation of q", color="approximate")
    seed = Slider(1, 0, 99, 1, "seed of the draws", integer=True)

    def numbers(self) -> dict[str, float | None]:
        """Estimate, standard error (5.3; none at L = 1), exact value and their difference, in nats."""
        g = torch.Generator().manual_seed(self.seed)
        eps = torch.randn(MOST_DRAWS, dtype=torch.float64, generator=g)[: self.num_samples]
        log_lik = running_example.log_lik(0.6 + self.sigma * eps)
        q = running_example.q(0.6, 2 * math.log(self.sigma))
        exact = running_example.MODEL.reconstruction(running_example.X, *q).item()
        estimate = log_lik.mean().item()
        return {
            "estimate": estimate,
            "standard_error": log_lik.std().item() / len(eps) ** 0.5 if len(eps) > 1 else None,
            "reconstruction": exact,
            "error": estimate - exact,
        }
