"""Chapter 6: draws that slide with μ and σ, and the gradients that three estimators make of them."""

from __future__ import annotations

import torch

from vae_lib import estimators
from vae_lib.explorers.shared.base import MOST_DRAWS, Explorer, Slider
from vae_lib.explorers.shared.running_example import log_lik


class Reparameterization(Explorer):
    """d/dμ of E_q[log p(x|z)] for the running example, by (6.2), (6.3) and (6.4), from the same draws.

    Traits: `mu` and `sigma` of q, `num_samples` (L), and `seed` of the draws.
    """

    chapter = 6
    question = "What does a draw know about the gradient?"
    mu = Slider(0.6, -1.0, 2.5, 0.01, "μ, mean of q", color="approximate")
    sigma = Slider(0.5, 0.05, 1.5, 0.01, "σ, standard deviation of q", color="approximate")
    num_samples = Slider(10_000, 1, MOST_DRAWS, 0.01, "L, number of draws", log=True, integer=True)
    seed = Slider(1, 0, 99, 1, "seed of the draws", integer=True)

    def numbers(self) -> dict[str, float | None]:
        """Mean and variance of the L gradients of each kind, and the exact gradient, nats per unit.

        One draw has no variance, and no other draws to make a baseline of.
        """
        terms = {}
        q = (log_lik, self.mu, self.sigma, MOST_DRAWS)
        for name, estimate in (
            ("pathwise", estimators.pathwise_gradient),
            ("score", estimators.score_function_gradient),
        ):
            g = torch.Generator().manual_seed(self.seed)
            terms[name] = estimate(*q, generator=g)[: self.num_samples, 0]
        if self.num_samples > 1:
            g = torch.Generator().manual_seed(self.seed)
            eps = torch.randn(MOST_DRAWS, dtype=torch.float64, generator=g)[: self.num_samples]
            f = log_lik(self.mu + self.sigma * eps)
            others = (f.sum() - f) / (len(f) - 1)
            terms["baseline"] = (f - others) * eps / self.sigma
        shown = {}
        for name in ("pathwise", "score", "baseline"):
            shown[f"{name}_mean"] = terms[name].mean().item() if name in terms else None
            shown[f"{name}_variance"] = terms[name].var().item() if self.num_samples > 1 else None
        return shown | {"exact": 2 * (2.5 - 2 * self.mu)}
