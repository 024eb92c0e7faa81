"""Chapter 5: the running mean of one run of draws, and the error it reports."""

from __future__ import annotations

import math

import torch

from vae_lib.explorers.base import MOST_DRAWS, Explorer, Slider
from vae_lib.linear_gaussian import LinearGaussian


class MonteCarlo(Explorer):
    """E_q[log p(x|z)] of the running example by (5.2): the mean of L draws from q = N(0.6, σ²).

    Traits: `num_samples` (L), `sigma`, the standard deviation of q, and `seed` of the draws.
    """

    question = "How far does an average of L draws miss?"
    num_samples = Slider(6500, 1, MOST_DRAWS, 0.01, "L, number of draws", log=True, integer=True)
    sigma = Slider(0.5, 0.05, 2.0, 0.01, "σ, standard deviation of q")
    seed = Slider(1, 0, 99, 1, "seed of the draws", integer=True)

    def numbers(self) -> dict[str, float | None]:
        """Estimate, standard error (5.3; none at L = 1), exact value and their difference, in nats."""
        toy = LinearGaussian(W=[[2.0]], b=[0.0], sigma=1.0)
        x = torch.tensor([[2.5]], dtype=torch.float64)
        g = torch.Generator().manual_seed(self.seed)
        eps = torch.randn(MOST_DRAWS, dtype=torch.float64, generator=g)[: self.num_samples]
        z = (0.6 + self.sigma * eps).unsqueeze(1)
        log_lik = toy.likelihood.log_prob(x.expand_as(z), toy.decode(z))
        mu = torch.tensor([[0.6]], dtype=torch.float64)
        logvar = torch.full_like(mu, 2 * math.log(self.sigma))
        exact = toy.reconstruction(x, mu, logvar).item()
        estimate = log_lik.mean().item()
        return {
            "estimate": estimate,
            "standard_error": log_lik.std().item() / len(eps) ** 0.5 if len(eps) > 1 else None,
            "reconstruction": exact,
            "error": estimate - exact,
        }
