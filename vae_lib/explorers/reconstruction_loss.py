"""Chapter 7: what one pixel costs under a Bernoulli and under a Gaussian decoder."""

from __future__ import annotations

import torch

from vae_lib.explorers.shared.base import Explorer, Slider
from vae_lib.likelihoods import Bernoulli, Gaussian


class ReconstructionLoss(Explorer):
    """−log p(x|z) of one pixel against the decoder's mean p, by (7.3) and by (7.4) with D = 1.

    `bernoulli_nll` is minus `Bernoulli().log_prob` of the pixel at the logit of p, `gaussian_nll` minus
    `Gaussian(sigma).log_prob` at the mean p, both in nats. `…_excess` is what each is above its minimum
    over p, which lies at p = x; the slopes are the derivatives in the logit and in the mean.

    Traits: `p`, the decoder's mean; `x`, the grey value of the pixel; `sigma`, of the Gaussian decoder.
    """

    chapter = 7
    question = "Is the loss of a perfectly predicted pixel 0?"
    p = Slider(0.5, 0.01, 0.99, 0.01, "p, the decoder’s mean", color="likelihood")
    x = Slider(0.5, 0.0, 1.0, 0.01, "x, grey value of the pixel")
    sigma = Slider(0.2, 0.1, 2.0, 0.01, "σ of the Gaussian p(x|z)", color="likelihood")

    def numbers(self) -> dict[str, float]:
        """Both losses in nats, what they are above their minimum, and their slopes."""
        x, p = torch.tensor([[[self.x]], [[self.p]]], dtype=torch.float64)
        nll, excess, slope = {}, {}, {}
        for name, likelihood, transform in (
            ("bernoulli", Bernoulli(), lambda mean: torch.logit(mean).clamp(-1000, 1000)),
            ("gaussian", Gaussian(self.sigma), lambda mean: mean),
        ):
            params = transform(p).requires_grad_()
            loss = -likelihood.log_prob(x, params)
            nll[f"{name}_nll"] = loss.item()
            excess[f"{name}_excess"] = (loss + likelihood.log_prob(x, transform(x))).item()
            slope[f"{name}_slope"] = torch.autograd.grad(loss.sum(), params)[0].item()
        return nll | excess | slope
