"""Chapter 7: which β a line of code trains, and what that β does to the running example."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from vae_lib import gaussian
from vae_lib.explorers.shared import running_example
from vae_lib.explorers.shared.base import Choice, Explorer, Slider
from vae_lib.likelihoods import Bernoulli, Gaussian

REDUCTIONS = {
    "sum_mean": "sum per image, mean over images",
    "mean": "mean over everything",
    "sum": "sum over everything",
}


def written_reconstruction(kind: str, reduction: str, sigma: float, output, x):
    """The reconstruction loss as people write it, for outputs and targets of shape (B, D)."""
    if kind == "gaussian":
        total = -Gaussian(sigma).log_prob(x, output).sum()
        return total / {"sum_mean": len(x), "mean": x.numel(), "sum": 1}[reduction]
    loss = {"bce": F.binary_cross_entropy_with_logits, "mse": F.mse_loss}[kind]
    if reduction == "sum_mean":
        return loss(output, x, reduction="sum") / len(x)
    return loss(output, x, reduction=reduction)


def written_kl(reduction: str, kl):
    """The KL term as people write it, for a kl of shape (B, J)."""
    return {"sum_mean": lambda: kl.sum(1).mean(), "mean": kl.mean, "sum": kl.sum}[reduction]()


def factor(written, exact, at) -> float:
    """f in written = f · exact + const, measured by their gradients with respect to `at`."""
    (slope,), (reference,) = (torch.autograd.grad(value, at) for value in (written, exact))
    return ((slope * reference).sum() / (reference * reference).sum()).item()


class ImpliedBeta(Explorer):
    """The factors a and b of (7.6) of a loss as written, its β = b/a, and the best q under that β.

    The factors are measured: gradients of the loss as written, divided by those of −log p(x|z) summed
    over pixels and of the KL summed over dimensions, both averaged over images. The Gaussian kinds are
    compared with σ = 1, so that they are the ELBO of a decoder with σ = √β (`equivalent_sigma`, None for
    cross-entropy). `kl` and `gap` belong to the Gaussian q that maximizes E_q[log p(x|z)] − β KL for
    p(z) = N(0, 1), p(x|z) = N(2z, 1) and x = 2.5, which is N(5/(4 + β), β/(4 + β)).

    Traits: `reconstruction`, `reduction` and `kl_reduction`, the code; `sigma` of the Gaussian decoder;
    `D` pixels, `J` latent dimensions, `B` images.
    """

    chapter = 7
    question = "Which β does this line of code train?"
    reconstruction = Choice(
        "mse",
        {"mse": "F.mse_loss", "bce": "bce with logits", "gaussian": "Gaussian −log p with σ"},
        "reconstruction",
    )
    reduction = Choice("mean", REDUCTIONS, "reduction of the reconstruction")
    kl_reduction = Choice("sum_mean", REDUCTIONS, "reduction of the KL")
    D = Slider(784, 1, 10_000, 0.01, "D, pixels", log=True, integer=True)
    J = Slider(8, 1, 100, 0.01, "J, latent dimensions", log=True, integer=True)
    B = Slider(64, 1, 100, 0.01, "B, images in a batch", log=True, integer=True)
    sigma = Slider(0.1, 0.01, 10.0, 0.01, "σ of p(x|z)", log=True, color="likelihood")

    def numbers(self) -> dict[str, float | None]:
        """beta and its factors, the σ that means the same, kl and gap of the best q in nats."""
        draw = torch.Generator().manual_seed(0)
        D, J = (torch.randn(2, width, dtype=torch.float64, generator=draw) for width in (self.D, self.J))
        # A batch of B times the same image: the factors do not depend on what it shows.
        x, at = D[0].sigmoid().expand(self.B, -1), D[1].requires_grad_()
        output = at.expand(self.B, -1)
        likelihood = Bernoulli() if self.reconstruction == "bce" else Gaussian(1.0)
        written = written_reconstruction(self.reconstruction, self.reduction, self.sigma, output, x)
        a = factor(written, -likelihood.log_prob(x, output).mean(), at)

        logvar, at = J[0].expand(self.B, -1), J[1].requires_grad_()
        mu = at.expand(self.B, -1)
        each = 0.5 * (mu**2 + logvar.exp() - logvar - 1)
        b = factor(written_kl(self.kl_reduction, each), gaussian.kl_to_standard_normal(mu, logvar).mean(), at)

        beta = b / a
        best = running_example.q(5 / (4 + beta), -math.log1p(4 / beta))
        return {
            "beta": beta,
            "factor_a": a,
            "factor_b": b,
            "equivalent_sigma": None if self.reconstruction == "bce" else math.sqrt(beta),
            "kl": gaussian.kl_to_standard_normal(*best).item(),
            "gap": running_example.MODEL.kl_to_posterior(running_example.X, *best).item(),
        }
