"""Exercises 3.1 to 3.5: the evidence lower bound."""

from __future__ import annotations

import math

import torch

from vae_lib import gaussian
from vae_lib.checks.answers import Choice, Function, Numbers
from vae_lib.datasets import load_digits
from vae_lib.linear_gaussian import LinearGaussian

TOY = LinearGaussian(W=[[2.0]], b=[0.0], sigma=1.0)
LOG_5 = math.log(5)


def _column(values):
    return [value.unsqueeze(-1) for value in values]


def _elbo_terms(x, mu, logvar):
    x, mu, logvar = _column((x, mu, logvar))
    posterior = 0.4 * x, torch.full_like(x, -LOG_5)
    toy = LinearGaussian(W=TOY.W.to(x), b=TOY.b.to(x), sigma=1.0)
    return (
        toy.reconstruction(x, mu, logvar),
        gaussian.kl_to_standard_normal(mu, logvar),
        gaussian.kl_between(mu, logvar, *posterior),
    )


def _with(number, change):
    """The three terms, one of them spoiled."""

    def wrong(x, mu, logvar):
        terms = list(_elbo_terms(x, mu, logvar))
        terms[number] = change(x, mu, logvar)
        return tuple(terms)

    return wrong


def _misgiven(of_q=lambda t: t, of_posterior=-LOG_5):
    """The three terms, with something else than ln σ² given to the two divergences."""

    def wrong(x, mu, logvar):
        q = mu, of_q(logvar)
        gap = _kl(*q, 0.4 * x, torch.full_like(x, of_posterior))
        return _elbo_terms(x, mu, logvar)[0], gaussian.kl_to_standard_normal(*_column(q)), gap

    return wrong


def _kl(mu_q, logvar_q, mu_p, logvar_p):
    return gaussian.kl_between(*_column((mu_q, logvar_q, mu_p, logvar_p)))


def rotation(J: int = 5, seed: int = 0) -> torch.Tensor:
    """The random orthogonal matrix of exercise 3.5."""
    random = torch.randn(J, J, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(random).Q


def _rotated():
    images = load_digits().x_test.double()
    model = LinearGaussian.fit(load_digits().x_train, 5)
    rotated = LinearGaussian(model.W @ rotation(), model.b, model.sigma)
    return {
        "the change of log p(x)": 0.0,
        "the mean gap after the rotation": rotated.kl_to_posterior(images, *rotated.encode(images))
        .mean()
        .item(),
    }


EXERCISES = {
    "3.1": Numbers(
        right=lambda: {"the ELBO": -105.0},
        mistakes=lambda: {
            "That is what the colleague reports: 45 nats above the bound with L = 5000, which only rises with L.": {
                "the ELBO": -55.0
            },
            "A KL divergence of −25 is impossible, so it cannot simply be left out: what is it really?": {
                "the ELBO": -80.0
            },
            "That is the bound with L = 5000; the ELBO is the one with a single draw, which is lower.": {
                "the ELBO": -100.0
            },
            "The ELBO is a lower bound on log p(x), here a large negative number.": {"the ELBO": 105.0},
        },
        tolerance=1e-6,
    ),
    "3.2": Function(
        name="elbo_terms",
        inputs={
            "x": lambda d: d.normal("B", 2.0),
            "mu": lambda d: d.normal("B"),
            "logvar": lambda d: d.logvar("B"),
        },
        reference=_elbo_terms,
        outputs=("reconstruction", "kl", "gap"),
        gradient=("mu", "logvar"),
        mistakes={
            "It is log p(x|z) at z = μ; the average over q also feels the width of q.": _with(
                0, lambda x, mu, t: -0.5 * (x - 2 * mu) ** 2 - 0.5 * math.log(2 * math.pi)
            ),
            "The variance of 2z is not that of z: how does a factor 2 change a variance?": _with(
                0, lambda x, mu, t: -0.5 * ((x - 2 * mu) ** 2 + t.exp()) - 0.5 * math.log(2 * math.pi)
            ),
            "The variance of 2z is not twice that of z.": _with(
                0, lambda x, mu, t: -0.5 * ((x - 2 * mu) ** 2 + 2 * t.exp()) - 0.5 * math.log(2 * math.pi)
            ),
            "The decoder's mean is 2z, not z.": _with(
                0, lambda x, mu, t: -0.5 * ((x - mu) ** 2 + t.exp()) - 0.5 * math.log(2 * math.pi)
            ),
            "This divergence is the other way round: q is what the average runs under.": _with(
                2, lambda x, mu, t: _kl(0.4 * x, torch.full_like(x, -LOG_5), mu, t)
            ),
            "This divergence is the other way round: q comes first.": _with(
                1, lambda x, mu, t: _kl(torch.zeros_like(x), torch.zeros_like(x), mu, t)
            ),
            "1/5 is the variance of the posterior; here it was taken for the standard deviation.": _with(
                2,
                lambda x, mu, t: gaussian.kl_between(
                    *_column((mu, t, 0.4 * x, torch.full_like(x, -2 * LOG_5)))
                ),
            ),
            "The variance of q was given to it where the logarithm of the variance is asked for.": _misgiven(
                torch.exp
            ),
            "The standard deviation of q was given to it where ln σ² is asked for.": _misgiven(
                lambda t: (0.5 * t).exp()
            ),
            "The variance of the posterior was given to it where the logarithm of it is asked for.": _misgiven(
                of_posterior=1 / 5
            ),
            "The standard deviation of the posterior was given to it where ln σ² is asked for.": _misgiven(
                of_posterior=5**-0.5
            ),
            "ln σ of the posterior was given to it where ln σ² is asked for.": _misgiven(
                of_posterior=-0.5 * LOG_5
            ),
            "Both variances were given to it where their logarithms are asked for.": _misgiven(
                torch.exp, 1 / 5
            ),
            "Both standard deviations were given to it where ln σ² is asked for.": _misgiven(
                lambda t: (0.5 * t).exp(), 5**-0.5
            ),
            "The gap is the divergence from the posterior; this is the one from the prior.": _with(
                2, lambda x, mu, t: gaussian.kl_to_standard_normal(*_column((mu, t)))
            ),
            "This is the ELBO; the gap is what it misses of log p(x).": _with(
                2, lambda x, mu, t: TOY.elbo(*_column((x, mu, t)))
            ),
        },
        hint="(3.3)",
    ),
    "3.3": Function(
        name="gaussian_entropy",
        inputs={"logvar": lambda d: d.logvar()},
        reference=lambda t: 0.5 * (t + math.log(2 * math.pi) + 1).sum(-1),
        gradient=("logvar",),
        mistakes={
            "ln 2π is missing in each dimension.": lambda t: 0.5 * (t + 1).sum(-1),
            "The average of (z − μ)²/σ² is missing: it is a number, in each dimension.": (
                lambda t: 0.5 * (t + math.log(2 * math.pi)).sum(-1)
            ),
            "Every constant is missing: only the part that depends on σ is there.": lambda t: 0.5 * t.sum(-1),
            "The constant is counted once; each of the J dimensions has one.": lambda t: (
                0.5 * t.sum(-1) + 0.5 * (math.log(2 * math.pi) + 1)
            ),
        },
        hint="the log of the density, averaged under q itself",
    ),
    "3.4": Choice(
        right="b",
        wrong={
            "a": "The place is right. But a divergence is 0 only between equal distributions; are they equal there?",
            "c": "At this x the posterior's mean is far from that of the prior.",
            "d": "The posterior's mean, 2x/5, moves with x, and with it the gap.",
        },
    ),
    "3.5": Numbers(
        right=_rotated,
        mistakes=lambda: {
            "The gap is still 0: is q the one that the rotated model's own encode returns, and was the model "
            "built with W R?": {"the mean gap after the rotation": 0.0},
        },
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "3.1": "A KL divergence of −25 cannot be, and no ELBO lies above the bound with more draws: with the sign of the "
    "KL mended both are as they should be.",
    "3.2": "The average of a square is the squared mean plus the variance, so the width of q costs reconstruction; "
    "and the three terms add up to log p(x), whatever q is.",
    "3.3": "The entropy falls without bound when a σ goes to 0, and the rest of the ELBO does not rise without bound: "
    "that keeps q from becoming a spike.",
    "3.4": "At x = 0 the posterior is centred like the prior, but it is narrower at every x, and a divergence is 0 "
    "only between equals.",
    "3.5": "Rotated, W has the same W Wᵀ and so the same p(x), but its columns are no longer orthogonal: the posterior "
    "has correlations, and the gap is what the best q without correlations, which encode returns, cannot follow.",
}
