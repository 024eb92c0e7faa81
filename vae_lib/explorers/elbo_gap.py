"""Chapter 3: the three terms of log p(x), while q moves."""

from __future__ import annotations

import math

from vae_lib import gaussian
from vae_lib.explorers.shared import running_example
from vae_lib.explorers.shared.base import Explorer, Slider
from vae_lib.explorers.shared.running_example import MODEL, X


class ElboGap(Explorer):
    """log p(x) = reconstruction − KL + gap, (3.3), for q = N(μ, σ²) on the running example.

    The model is p(z) = N(0, 1), p(x|z) = N(2z, 1) with x = 2.5, whose posterior is N(1, 0.2).
    Traits: `mu` and `sigma`, mean and standard deviation of q.
    """

    chapter = 3
    question = "Where do the nats go when q moves?"
    mu = Slider(0.3, -1.0, 3.0, 0.01, "μ, mean of q", color="approximate")
    sigma = Slider(0.6, 0.1, 2.0, 0.01, "σ, standard deviation of q", color="approximate")

    def numbers(self) -> dict[str, float]:
        """The terms of (3.3), the bound and the fixed log p(x), all in nats."""
        q = running_example.q(self.mu, 2 * math.log(self.sigma))
        numbers = {
            "reconstruction": MODEL.reconstruction(X, *q),
            "kl": gaussian.kl_to_standard_normal(*q),
            "elbo": MODEL.elbo(X, *q),
            "gap": MODEL.kl_to_posterior(X, *q),
            "log_marginal": MODEL.log_marginal(X),
        }
        return {name: value.item() for name, value in numbers.items()}
