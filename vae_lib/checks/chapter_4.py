"""Exercises 4.1 to 4.6: the KL term in closed form."""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq

from vae_lib import gaussian
from vae_lib.checks.answers import Function, Numbers


def _kl_full(mu, cov):
    return 0.5 * ((mu**2).sum(-1) + cov.trace() - torch.logdet(cov) - len(cov))


def _moment_match(weights, means, sigmas):
    mean = (weights * means).sum()
    return mean, ((weights * (sigmas**2 + means**2)).sum() - mean**2).sqrt()


def _sigma_of_half_a_nat():
    ends = {"the narrow σ": (0.01, 1), "the wide σ": (1, 10)}
    return {name: math.sqrt(brentq(lambda s: s - math.log(s) - 2, *pair)) for name, pair in ends.items()}


EXERCISES = {
    "4.1": Function(
        name="kl_closed_form",
        inputs={"mu": lambda d: d.normal("BJ"), "logvar": lambda d: d.logvar()},
        reference=gaussian.kl_to_standard_normal,
        gradient=("mu", "logvar"),
        mistakes={
            "The −1 of each dimension is missing, so it is not 0 where q is the prior.": (
                lambda mu, t: 0.5 * (mu**2 + t.exp() - t).sum(-1)
            ),
            "The −1 is there once; each of the J dimensions has one.": (
                lambda mu, t: 0.5 * ((mu**2 + t.exp() - t).sum(-1) - 1)
            ),
            "The ½ stands before one term only; it belongs to the whole bracket.": (
                lambda mu, t: (0.5 * mu**2 + t.exp() - t - 1).sum(-1)
            ),
            "μ is not squared.": lambda mu, t: 0.5 * (mu + t.exp() - t - 1).sum(-1),
            "σ stands where σ² belongs.": lambda mu, t: 0.5 * (mu**2 + (0.5 * t).exp() - t - 1).sum(-1),
            "exp(logvar) is the variance already; it is squared once more.": (
                lambda mu, t: 0.5 * (mu**2 + (2 * t).exp() - t - 1).sum(-1)
            ),
            "ln σ stands where ln σ² belongs.": lambda mu, t: 0.5 * (mu**2 + t.exp() - 0.5 * t - 1).sum(-1),
            "The sign of the logarithm is flipped.": lambda mu, t: 0.5 * (mu**2 + t.exp() + t - 1).sum(-1),
            "This is the reverse divergence, of the prior from q.": (
                lambda mu, t: 0.5 * ((mu**2 + 1) / t.exp() + t - 1).sum(-1)
            ),
        },
        hint="(4.5)",
    ),
    "4.2": Numbers(
        right=lambda: {"the cost": 4.5, "the μ that costs half": 3 / math.sqrt(2)},
        mistakes=lambda: {
            "The ½ in front of (4.5) is missing.": {"the cost": 9.0},
            "Half the μ costs a quarter: the cost is a square.": {"the μ that costs half": 1.5},
            "That is the cost itself, not the μ.": {"the μ that costs half": 2.25},
            "The two have changed places.": {"the cost": 3 / math.sqrt(2), "the μ that costs half": 4.5},
        },
    ),
    "4.3": Numbers(
        right=_sigma_of_half_a_nat,
        mistakes=lambda: {
            "These are the solutions for s = σ²; σ is asked for.": {
                name: value**2 for name, value in _sigma_of_half_a_nat().items()
            },
            "The two have changed places.": dict(
                zip(_sigma_of_half_a_nat(), reversed(_sigma_of_half_a_nat().values()), strict=True)
            ),
        },
    ),
    "4.4": Function(
        name="kl_full",
        inputs={"mu": lambda d: d.normal("BJ"), "cov": lambda d: d.covariance()},
        reference=_kl_full,
        gradient=("mu", "cov"),
        mistakes={
            "The −J is missing, so it is not 0 where q is the prior.": lambda mu, cov: (
                _kl_full(mu, cov) + len(cov) / 2
            ),
            "All entries of the covariance are added up; the trace takes the diagonal.": (
                lambda mu, cov: _kl_full(mu, cov) + 0.5 * (cov.sum() - cov.trace())
            ),
            "The determinant stands without its logarithm.": (
                lambda mu, cov: _kl_full(mu, cov) + 0.5 * (torch.logdet(cov) - torch.det(cov))
            ),
            "The sign of the log determinant is flipped.": lambda mu, cov: (
                _kl_full(mu, cov) + torch.logdet(cov)
            ),
            "The correlations are ignored: the log determinant is not the sum of the logs of the diagonal.": (
                lambda mu, cov: _kl_full(mu, cov) + 0.5 * (torch.logdet(cov) - cov.diagonal().log().sum())
            ),
            "The log determinant of the Cholesky factor is half of that of the covariance.": (
                lambda mu, cov: _kl_full(mu, cov) + 0.25 * torch.logdet(cov)
            ),
            "The precision takes part, as for two Gaussians; here the second one has the covariance I.": (
                lambda mu, cov: (
                    _kl_full(mu, cov) + 0.5 * ((mu @ torch.linalg.inv(cov) * mu).sum(-1) - (mu**2).sum(-1))
                )
            ),
        },
        hint="(4.3) and (4.4)",
    ),
    "4.5": Function(
        name="kl_gradients",
        inputs={"mu": lambda d: d.normal("BJ"), "logvar": lambda d: d.logvar()},
        reference=lambda mu, t: (mu, 0.5 * torch.expm1(t)),
        outputs=("d/dμ", "d/dlogvar"),
        mistakes={
            "That is the derivative in σ; the encoder puts out ln σ².": (
                lambda mu, t: (mu, (0.5 * t).exp() - (-0.5 * t).exp())
            ),
            "That is the derivative in σ²; the encoder puts out ln σ².": lambda mu, t: (
                mu,
                0.5 * (1 - (-t).exp()),
            ),
            "The derivative of −ln σ² is missing.": lambda mu, t: (mu, 0.5 * t.exp()),
            "That is the term itself and not its derivative.": lambda mu, t: (
                0.5 * mu**2,
                0.5 * (t.exp() - t - 1),
            ),
            "σ stands where σ² belongs.": lambda mu, t: (mu, 0.5 * torch.expm1(0.5 * t)),
            "The two gradients have changed places.": lambda mu, t: (0.5 * torch.expm1(t), mu),
            "The gradient is summed over the dimensions; each dimension has its own.": (
                lambda mu, t: (mu.sum(-1), 0.5 * torch.expm1(t).sum(-1))
            ),
        },
        hint="(4.5), one derivative at a time",
    ),
    "4.6": Function(
        name="moment_match",
        inputs={
            "weights": lambda d: d.normal("K").softmax(0),
            "means": lambda d: d.normal("K", 2.0),
            "sigmas": lambda d: d.uniform("K", 0.3, 1.0),
        },
        reference=_moment_match,
        outputs=("mean", "sigma"),
        mistakes={
            "It averages the bumps' widths; where the bumps lie widens the best Gaussian, too.": lambda w, m, s: (
                _moment_match(w, m, s)[0],
                (w * s).sum(),
            ),
            "It averages the bumps' variances; where the bumps lie adds to that.": lambda w, m, s: (
                _moment_match(w, m, s)[0],
                (w * s**2).sum().sqrt(),
            ),
            "It has the spread of the bumps' centres alone; each bump has a width, too.": lambda w, m, s: (
                _moment_match(w, m, s)[0],
                _moment_match(w, m, 0 * s)[1],
            ),
            "That is the variance; the standard deviation is asked for.": lambda w, m, s: (
                _moment_match(w, m, s)[0],
                _moment_match(w, m, s)[1] ** 2,
            ),
            "The square of the mean is not subtracted.": lambda w, m, s: (
                _moment_match(w, m, s)[0],
                (w * (s**2 + m**2)).sum().sqrt(),
            ),
            "The weights of the bumps are ignored.": lambda w, m, s: _moment_match(
                torch.full_like(w, 1 / len(w)), m, s
            ),
        },
        hint="mean and variance of a mixture",
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "4.1": "At μ = 0 and ln σ² = 0, where q is the prior, the four terms cancel in each dimension: the quickest test of "
    "such a function.",
    "4.2": "At σ = 1 only the square of μ is left, and halving a square divides μ by the root of 2, not by 2.",
    "4.3": "The narrow σ is nearer to 1 than the wide one because the KL is steeper on the narrow side.",
    "4.4": "Correlations enter through the log determinant alone and lower it, so at equal variances correlated "
    "latents cost more.",
    "4.5": "Both derivatives vanish only where q is the prior; the pull on a narrow q never exceeds ½, that on a wide one "
    "grows with σ².",
    "4.6": "The log of a Gaussian q is quadratic in z, so its average under p depends on the mean and the variance of p "
    "alone; the variance has a part within the bumps and one between them.",
}
