"""Chapter 2: log p(x) by draws from the prior, and how few of them count."""

from __future__ import annotations

import math

import torch

from vae_lib import estimators
from vae_lib.explorers.shared.base import MOST_DRAWS, Explorer, Slider
from vae_lib.linear_gaussian import LinearGaussian


class NaiveMonteCarlo(Explorer):
    """The estimate (2.3) of log p(x) for J independent copies of the running example, x = (2.5, …, 2.5).

    Traits: `num_samples` (L), `J` latent dimensions, and `seed` of the draws.
    """

    chapter = 2
    question = "How many draws from the prior does log p(x) take?"
    num_samples = Slider(10_000, 1, MOST_DRAWS, 0.01, "L, draws from the prior", log=True, integer=True)
    J = Slider(12, 1, 20, 1, "J, latent dimensions", integer=True)
    seed = Slider(5, 0, 99, 1, "seed of the draws", integer=True)

    def numbers(self) -> dict[str, float]:
        """Estimate, exact value and their difference in nats, (2.4), the largest share, and ρ."""
        g = torch.Generator().manual_seed(self.seed)
        z = torch.randn(self.J, MOST_DRAWS, dtype=torch.float64, generator=g)[:, : self.num_samples].T
        W = 2 * torch.eye(self.J, dtype=torch.float64)
        b = torch.zeros(self.J, dtype=torch.float64)
        model = LinearGaussian(W, b, sigma=1.0)
        x = torch.full((1, self.J), 2.5, dtype=torch.float64)
        log_w = model.likelihood.log_prob(x.expand_as(z), model.decode(z))
        estimate = (log_w.logsumexp(0) - math.log(len(log_w))).item()
        exact = model.log_marginal(x).item()
        # the second moment: a squared Gaussian density is one with half the variance, times a constant
        second = LinearGaussian(W, b, sigma=math.sqrt(0.5)).log_marginal(x).item()
        return {
            "log_marginal_naive": estimate,
            "log_marginal": exact,
            "error": estimate - exact,
            "effective_sample_size": estimators.effective_sample_size(log_w).item(),
            "largest_share": log_w.softmax(0).max().item(),
            "rho": math.exp(second - self.J / 2 * math.log(4 * math.pi) - 2 * exact),
        }
