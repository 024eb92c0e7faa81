"""Exercises 7.1 to 7.6: cross-entropy or squared error."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from vae_lib.checks.answers import Function, Numbers
from vae_lib.likelihoods import Bernoulli, Gaussian

LARGE_LOGITS = {
    "at large logits (±10 000): sigmoid rounds to 0 or 1 there. The log of 0 is infinite, and an epsilon or a clamp "
    "against that changes the value. Work with the logits.": lambda inputs: (
        inputs | {"logits": 1e4 * inputs["logits"].sign()}
    )
}
LOG_2PI = math.log(2 * math.pi)


EPSILONS = {
    f"An epsilon in the logarithm, here {epsilon:g}, changes the value. Work with the logits.": epsilon
    for epsilon in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
}


def bernoulli_nll(x, logits):
    return -Bernoulli().log_prob(x, logits)


def nll_with_epsilon(x, logits, epsilon):
    p = torch.sigmoid(logits)
    return -(x * torch.log(p + epsilon) + (1 - x) * torch.log(1 - p + epsilon)).sum(-1)


def _squared(x, mean):
    return ((x - mean) ** 2).sum(-1)


def _laplace_nll(x, mean, b):
    return (x - mean).abs().sum(-1) / b + x.shape[-1] * math.log(2 * b)


def _squared_error_gradient(x, logits, sigma):
    m = torch.sigmoid(logits)
    return (m - x) * m * (1 - m) / sigma**2


def _gaussian_constant(D, sigma):
    return 0.5 * D * (LOG_2PI + 2 * math.log(sigma))


PIXELS = {"x": lambda d: d.uniform("BD"), "mean": lambda d: d.uniform("BD")}
LOGITS = {"x": lambda d: d.uniform("BD", 0.05, 0.95), "logits": lambda d: d.normal("BD", 2.0)}

EXERCISES = {
    "7.1": Function(
        name="bernoulli_nll",
        inputs=LOGITS,
        reference=bernoulli_nll,
        gradient=("logits",),
        mistakes={
            "The term of the white part, (1 − x) log(1 − p), is missing.": lambda x, a: (
                -(x * F.logsigmoid(a)).sum(-1)
            ),
            "The term of the black part, x log p, is missing.": lambda x, a: (
                -((1 - x) * F.logsigmoid(-a)).sum(-1)
            ),
            "The sigmoid is applied twice: the logits were squashed before a function that does it, too.": (
                lambda x, a: bernoulli_nll(x, a.sigmoid())
            ),
            "Black and white have changed places: x goes with p, 1 − x with 1 − p.": lambda x, a: (
                bernoulli_nll(1 - x, a)
            ),
            "x and the logits have changed places: PyTorch's function takes the logits first.": lambda x, a: (
                F.binary_cross_entropy_with_logits(x, a, reduction="none").sum(-1)
            ),
            "That is the squared error; a Bernoulli pixel has the cross-entropy.": lambda x, a: _squared(
                x, a.sigmoid()
            ),
            "The logarithm is missing.": lambda x, a: (
                -(x * a.sigmoid() + (1 - x) * (1 - a.sigmoid())).sum(-1)
            ),
        }
        | {
            message: lambda x, a, epsilon=epsilon: nll_with_epsilon(x, a, epsilon)
            for message, epsilon in EPSILONS.items()
        },
        extreme=LARGE_LOGITS,
        hint="(7.3)",
    ),
    "7.2": Function(
        name="gaussian_nll",
        inputs=PIXELS | {"sigma": lambda d: d.number(0.3, 0.8)},
        reference=lambda x, mean, sigma: -Gaussian(sigma).log_prob(x, mean),
        gradient=("mean",),
        mistakes={
            "The constant (D/2) log 2πσ² is missing: it decides the best σ.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2
            ),
            "log σ is missing from the constant, so that a larger σ always looks better.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2 + 0.5 * x.shape[-1] * LOG_2PI
            ),
            "log 2π is missing from the constant.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2 + x.shape[-1] * math.log(s)
            ),
            "The constant is counted once; each of the D pixels has one.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2 + _gaussian_constant(1, s)
            ),
            "The ½ before the squared error is missing.": lambda x, m, s: (
                _squared(x, m) / s**2 + _gaussian_constant(x.shape[-1], s)
            ),
            "sigma was taken for the variance; it is the standard deviation.": lambda x, m, s: (
                -Gaussian(math.sqrt(s)).log_prob(x, m)
            ),
            "The squared error is averaged over the D pixels; (7.1) sums.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2 / x.shape[-1] + _gaussian_constant(x.shape[-1], s)
            ),
            "The constant has the wrong sign.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2 - _gaussian_constant(x.shape[-1], s)
            ),
            "The constant of a pixel is counted twice: it is half of a logarithm.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2 + 2 * _gaussian_constant(x.shape[-1], s)
            ),
            "σ is not squared in the constant.": lambda x, m, s: (
                0.5 * _squared(x, m) / s**2 + _gaussian_constant(x.shape[-1], math.sqrt(s))
            ),
            "σ is not squared where it divides the squared error.": lambda x, m, s: (
                0.5 * _squared(x, m) / s + _gaussian_constant(x.shape[-1], s)
            ),
            "That is the squared error alone: σ does not enter.": lambda x, m, s: _squared(x, m),
        },
        hint="(7.4)",
    ),
    "7.3": Function(
        name="laplace_nll",
        inputs=PIXELS | {"b": lambda d: d.number(0.6, 1.5)},
        reference=_laplace_nll,
        mistakes={
            "The constant D log 2b is missing.": lambda x, m, b: (x - m).abs().sum(-1) / b,
            "The constant is counted once; each of the D pixels has one.": lambda x, m, b: (
                _laplace_nll(x, m, b) - (x.shape[-1] - 1) * math.log(2 * b)
            ),
            "The error is squared; in this density it stands as it is.": lambda x, m, b: (
                _squared(x, m) / b + x.shape[-1] * math.log(2 * b)
            ),
            "The error is not made positive: the density has the absolute value.": lambda x, m, b: (
                (x - m).sum(-1) / b + x.shape[-1] * math.log(2 * b)
            ),
            "The error is multiplied with b; in the density it is divided by it.": lambda x, m, b: (
                (x - m).abs().sum(-1) * b + x.shape[-1] * math.log(2 * b)
            ),
            "The 2 of the normalizer 1/(2b) is missing.": lambda x, m, b: (
                _laplace_nll(x, m, b) - x.shape[-1] * math.log(2)
            ),
            "The constant has the wrong sign: minus the log of 1/(2b).": lambda x, m, b: (
                (x - m).abs().sum(-1) / b - x.shape[-1] * math.log(2 * b)
            ),
        },
        hint="the density, then minus its logarithm, then the sum",
    ),
    "7.4": Function(
        name="squared_error_gradient",
        inputs=LOGITS | {"sigma": lambda d: d.number(0.3, 0.8)},
        reference=_squared_error_gradient,
        mistakes={
            "The derivative of the sigmoid is missing: that is the gradient in m.": lambda x, a, s: (
                (a.sigmoid() - x) / s**2
            ),
            "sigma is not squared.": lambda x, a, s: _squared_error_gradient(x, a, s) * s,
            "The weight of the squared error in (7.4) is missing: σ does not enter.": lambda x, a, s: (
                _squared_error_gradient(x, a, 1.0)
            ),
            "The weight is multiplied with; by (7.4) a larger σ makes the gradient smaller.": lambda x, a, s: (
                _squared_error_gradient(x, a, 1 / s)
            ),
            "The logit is compared with x; the mean is its sigmoid.": lambda x, a, s: (
                (a - x) * a.sigmoid() * (1 - a.sigmoid()) / s**2
            ),
            "The derivative of the sigmoid has two factors; 1 − m is missing.": lambda x, a, s: (
                (a.sigmoid() - x) * a.sigmoid() / s**2
            ),
            "The gradient is summed over the pixels; each logit has its own.": lambda x, a, s: (
                _squared_error_gradient(x, a, s).sum(-1)
            ),
            "That is the gradient of the cross-entropy; here the loss is the squared error.": lambda x, a, s: (
                a.sigmoid() - x
            ),
        },
        hint="the chain rule, one factor at a time",
    ),
    "7.5": Function(
        name="implied_beta",
        inputs={"D": lambda d: int(d.number(50, 900))},
        reference=lambda D: D / (2 * 255**2),
        mistakes={
            "The fraction is upside down: by (7.6) the factor of the KL is divided by that of the reconstruction.": (
                lambda D: 2 * 255**2 / D
            ),
            "The 255 is squared along with the error.": lambda D: D / (2 * 255),
            "mse_loss takes a mean: the D it divides by is missing.": lambda D: 1 / (2 * 255**2),
            "The scaling to bytes is left out.": lambda D: D / 2,
            "The images and the KL are not scaled alike: bytes make the reconstruction heavier, not the KL.": (
                lambda D: D * 255**2 / 2
            ),
            "The ½ of (7.4) is missing: bare squared error is twice ½ of it.": lambda D: D / 255**2,
        },
        hint="(7.6)",
    ),
    "7.6": Numbers(
        right=lambda: {
            "the factor of σ": 16.0,
            "the change of the ELBO": -64 * math.log(16),
            "the change of the KL": 0.0,
        },
        mistakes=lambda: {
            "σ is in the units of x: it is not σ² that is asked for.": {"the factor of σ": 256.0},
            "σ is in the units of x, so it moves with them.": {"the factor of σ": 1.0},
            "The ELBO moves by log 16 in each of the D = 64 pixels.": {
                "the change of the ELBO": -math.log(16)
            },
            "Stretching the axes thins a density out: look at the sign in (7.9).": {
                "the change of the ELBO": 64 * math.log(16)
            },
            "The ELBO is a log-density in x, so it feels the units of x.": {"the change of the ELBO": 0.0},
        },
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "7.1": "A pixel costs log(1 + e^η) − xη, in which no p is rounded to 0 or 1 before its logarithm is taken; and "
    "the pixels are independent given z, so their costs are summed.",
    "7.2": "The logarithm of the density has two terms, the weighted squared error and the constant, and both are "
    "counted once for each pixel; without the constant the best σ would be infinite.",
    "7.3": "Minus the logarithm of the density is absolute error with the weight 1/b, and a constant that keeps b from "
    "growing: so an L1 loss is minus a log-likelihood, too.",
    "7.4": "The chain rule multiplies the error by m(1 − m), which goes to 0 where the decoder is sure, even if it is "
    "wrong; the cross-entropy has no such factor in the logit.",
    "7.5": "The error is scaled by 255 before it is squared, and the mean divides by D, so the reconstruction has the "
    "factor 2 · 255²/D and the KL the factor 1.",
    "7.6": "σ and the decoder's mean are in units of x, and a density thins out by 16 along each of 64 axes; q(z|x) and "
    "its KL know nothing of the units of x.",
}
