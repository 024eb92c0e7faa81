"""Chapter 4: the KL term, its integrand and its four parts."""

from __future__ import annotations

import math

import torch

from vae_lib import gaussian
from vae_lib.explorers.shared.base import Explorer, Slider


class KL(Explorer):
    """KL(N(μ, σ²) ‖ N(0, 1)): both densities, the integrand of (4.2), and the four terms of (4.5).

    Traits: `mu` and `sigma`, mean and standard deviation of q.
    """

    chapter = 4
    question = "What does KL charge for a mean and a width?"
    mu = Slider(1.0, -3.0, 3.0, 0.01, "μ, mean of q", color="approximate")
    sigma = Slider(0.4, 0.1, 3.0, 0.01, "σ, standard deviation of q", color="approximate")

    def numbers(self) -> dict[str, float]:
        """kl in nats, the four terms that add up to it, and its slopes in μ and ln σ²."""
        mu = torch.tensor([[self.mu]], dtype=torch.float64, requires_grad=True)
        logvar = torch.tensor([[2 * math.log(self.sigma)]], dtype=torch.float64, requires_grad=True)
        kl = gaussian.kl_to_standard_normal(mu, logvar)
        slopes = torch.autograd.grad(kl.sum(), (mu, logvar))
        return {
            "kl": kl.item(),
            "half_mu_squared": 0.5 * self.mu**2,
            "half_sigma_squared": 0.5 * self.sigma**2,
            "minus_log_sigma": -math.log(self.sigma),
            "minus_half": -0.5,
            "dkl_dmu": slopes[0].item(),
            "dkl_dlogvar": slopes[1].item(),
        }
