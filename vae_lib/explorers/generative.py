"""Chapter 1: p(y|x) and p(x) of the same two Gaussians, far from the data as well."""

from __future__ import annotations

import math

import torch

from vae_lib import gaussian
from vae_lib.explorers.shared.base import Explorer, Slider


class Generative(Explorer):
    """Two classes, 3 and 8, one feature, p(y) = ½ each: p(x, y), their sum (1.2) and Bayes' rule (1.1).

    The numbers are taken at the probe `x`: `log_joint_3` and `log_joint_8` are log p(x, y), `log_marginal`
    is log p(x), all in nats, and `p_y_given_x` is p(y = 8|x).

    Traits: `mean_3`, `mean_8`, `sigma_3`, `sigma_8`, the Gaussian p(x|y) of each class; `x`, the feature.
    They open with the mean ink at the lower left of the training threes and eights, to two decimals.
    """

    chapter = 1
    question = "Can a classifier be certain where it has seen nothing?"
    x = Slider(0.9, -0.5, 1.5, 0.01, "x, ink at the lower left")
    mean_3 = Slider(0.16, 0.0, 0.2, 0.01, "mean of the threes", color="likelihood")
    mean_8 = Slider(0.43, 0.4, 1.0, 0.01, "mean of the eights", color="likelihood")
    sigma_3 = Slider(0.1, 0.05, 0.3, 0.01, "σ of the threes", color="likelihood")
    sigma_8 = Slider(0.1, 0.05, 0.3, 0.01, "σ of the eights", color="likelihood")

    def numbers(self) -> dict[str, float]:
        """p(y = 8|x), and log p(x), log p(x, 3) and log p(x, 8) in nats."""
        means, sigmas = torch.tensor(
            [[[self.mean_3], [self.mean_8]], [[self.sigma_3], [self.sigma_8]]], dtype=torch.float64
        )
        x = torch.full_like(means, self.x)
        log_joint = math.log(0.5) + gaussian.log_prob(x, means, 2 * sigmas.log())
        log_marginal = torch.logsumexp(log_joint, 0)
        return {
            "p_y_given_x": (log_joint[1] - log_marginal).exp().item(),
            "log_marginal": log_marginal.item(),
            "log_joint_3": log_joint[0].item(),
            "log_joint_8": log_joint[1].item(),
        }
