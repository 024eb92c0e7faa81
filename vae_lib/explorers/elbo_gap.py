"""Chapter 3: the three terms of log p(x), while q moves."""

from __future__ import annotations

import math

import torch

from vae_lib import gaussian
from vae_lib.explorers.base import Explorer, Slider
from vae_lib.linear_gaussian import LinearGaussian


class ElboGap(Explorer):
    """log p(x) = reconstruction − KL + gap, (3.3), for q = N(μ, σ²) on the running example.

    The model is p(z) = N(0, 1), p(x|z) = N(2z, 1) with x = 2.5, whose posterior is N(1, 0.2).
    Traits: `mu` and `sigma`, mean and standard deviation of q.
    """

    question = "Where do the nats go when q moves?"
    mu = Slider(1.25, -1.0, 3.0, 0.01, "μ, mean of q")
    sigma = Slider(0.1, 0.1, 2.0, 0.01, "σ, standard deviation of q")

    def numbers(self) -> dict[str, float]:
        """The terms of (3.3), the bound and the fixed log p(x), all in nats."""
        model = LinearGaussian(W=[[2.0]], b=[0.0], sigma=1.0)
        x, mu = (torch.tensor([[value]], dtype=torch.float64) for value in (2.5, self.mu))
        logvar = torch.full_like(mu, 2 * math.log(self.sigma))
        numbers = {
            "reconstruction": model.reconstruction(x, mu, logvar),
            "kl": gaussian.kl_to_standard_normal(mu, logvar),
            "elbo": model.elbo(x, mu, logvar),
            "gap": model.kl_to_posterior(x, mu, logvar),
            "log_marginal": model.log_marginal(x),
        }
        return {name: value.item() for name, value in numbers.items()}
