"""Exercises 8.1 to 8.6: training a VAE."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from vae_lib import gaussian
from vae_lib.checks.answers import Choice, Function, Numbers
from vae_lib.checks.chapter_7 import EPSILONS, LARGE_LOGITS, LOGITS, bernoulli_nll, nll_with_epsilon

_kl = gaussian.kl_to_standard_normal


def _negative_elbo(x, logits, mu, logvar, weight=1.0):
    return (bernoulli_nll(x, logits) + weight * _kl(mu, logvar)).mean()


def _log_standard(z):
    return gaussian.log_prob(z, torch.zeros_like(z), torch.zeros_like(z))


def _kl_one_sample(z, mu, logvar):
    return gaussian.log_prob(z, mu, logvar) - _log_standard(z)


EXERCISES = {
    "8.1": Numbers(
        right=lambda: {"the expected loss": 784 * math.log(2), "the implied β": 784.0},
        mistakes=lambda: {
            "That is what was printed, the loss of one pixel; the image has 784.": {
                "the expected loss": math.log(2)
            },
            "That is for the 8×8 digits; these images have 28×28 pixels.": {
                "the expected loss": 64 * math.log(2)
            },
            "That is in bits; the loss is in nats.": {"the expected loss": 784.0},
            "The fraction is upside down: by (7.6) β = b/a, and here a has become smaller.": {
                "the implied β": 1 / 784
            },
            "Dividing one of the two terms changes their balance, so β is not 1.": {"the implied β": 1.0},
        },
    ),
    "8.2": Choice(
        right="c",
        wrong={
            "a": "The KL term has no gradient there, that is true. Is it the only term that reaches the encoder?",
            "b": "Put μ = 0 and σ = 1 into (4.5): is there a cost?",
            "d": "Put μ = 0 and σ = 1 into (4.6) and (4.7): does the KL term push?",
        },
    ),
    "8.3": Function(
        name="negative_elbo",
        inputs=LOGITS | {"mu": lambda d: d.normal("BJ"), "logvar": lambda d: d.logvar()},
        reference=_negative_elbo,
        gradient=("logits", "mu", "logvar"),
        mistakes={
            "The KL term is subtracted; in the loss both terms are costs.": lambda x, a, mu, t: (
                _negative_elbo(x, a, mu, t, -1)
            ),
            "The KL term is missing.": lambda x, a, mu, t: _negative_elbo(x, a, mu, t, 0),
            "The ½ of the KL term is missing.": lambda x, a, mu, t: _negative_elbo(x, a, mu, t, 2),
            "The KL is averaged over the J latent dimensions; it is a sum.": lambda x, a, mu, t: (
                _negative_elbo(x, a, mu, t, 1 / mu.shape[-1])
            ),
            "The cross-entropy is averaged over the D pixels; it is a sum.": lambda x, a, mu, t: (
                bernoulli_nll(x, a) / x.shape[-1] + _kl(mu, t)
            ).mean(),
            "Both terms are averaged, over the pixels and over the latent dimensions; both are sums.": (
                lambda x, a, mu, t: (bernoulli_nll(x, a) / x.shape[-1] + _kl(mu, t) / mu.shape[-1]).mean()
            ),
            "The reconstruction has the wrong sign: the loss is to fall when the image becomes more probable.": (
                lambda x, a, mu, t: (_kl(mu, t) - bernoulli_nll(x, a)).mean()
            ),
            "That is the ELBO; the loss is minus the ELBO.": lambda x, a, mu, t: -_negative_elbo(x, a, mu, t),
            "The KL is summed over the images, where the cross-entropy is averaged.": lambda x, a, mu, t: (
                bernoulli_nll(x, a).mean() + _kl(mu, t).sum()
            ),
            "The cross-entropy is summed over the images, where the KL is averaged.": lambda x, a, mu, t: (
                bernoulli_nll(x, a).sum() + _kl(mu, t).mean()
            ),
            "The cross-entropy is missing.": lambda x, a, mu, t: _kl(mu, t).mean(),
            "The image and the logits have changed places in the cross-entropy.": lambda x, a, mu, t: (
                F.binary_cross_entropy_with_logits(x, a, reduction="none").sum(-1) + _kl(mu, t)
            ).mean(),
            "In the cross-entropy only black pixels count; a white pixel costs something, too.": (
                lambda x, a, mu, t: (-(x * F.logsigmoid(a)).sum(-1) + _kl(mu, t)).mean()
            ),
            "That is a squared error; on black-and-white pixels the reconstruction is a cross-entropy.": (
                lambda x, a, mu, t: (((x - a.sigmoid()) ** 2).sum(-1) + _kl(mu, t)).mean()
            ),
            "That is half a squared error; on black-and-white pixels the reconstruction is a cross-entropy.": (
                lambda x, a, mu, t: (0.5 * ((x - a.sigmoid()) ** 2).sum(-1) + _kl(mu, t)).mean()
            ),
            "The sigmoid is applied twice: the logits were squashed before a function that does it, too.": (
                lambda x, a, mu, t: _negative_elbo(x, a.sigmoid(), mu, t)
            ),
        }
        | {
            message: lambda x, a, mu, t, epsilon=epsilon: (
                nll_with_epsilon(x, a, epsilon) + _kl(mu, t)
            ).mean()
            for message, epsilon in EPSILONS.items()
        },
        extreme=LARGE_LOGITS,
        hint="(8.1)",
    ),
    "8.4": Function(
        name="kl_one_sample",
        inputs={
            "z": lambda d: d.normal("BJ", 1.5),
            "mu": lambda d: d.normal("BJ"),
            "logvar": lambda d: d.logvar(),
        },
        reference=_kl_one_sample,
        gradient=("z", "mu", "logvar"),
        mistakes={
            "That is the closed form; here z, the draw, is to be used.": lambda z, mu, t: _kl(mu, t),
            "The prior is missing: that is log q(z) alone.": lambda z, mu, t: gaussian.log_prob(z, mu, t),
            "The densities' log σ is missing: it does not cancel, as the prior has σ = 1.": lambda z, mu, t: (
                _kl_one_sample(z, mu, t) + 0.5 * t.sum(-1)
            ),
            "q is left out: that is minus the log of the prior.": lambda z, mu, t: -_log_standard(z),
            "The densities are subtracted; the difference of their logarithms is asked for.": lambda z, mu, t: (
                gaussian.log_prob(z, mu, t).exp() - _log_standard(z).exp()
            ),
            "The prior is evaluated at μ; it is to be evaluated at z.": lambda z, mu, t: (
                gaussian.log_prob(z, mu, t) - _log_standard(mu)
            ),
        },
        hint="(4.1) and (4.2)",
    ),
    "8.5": Function(
        name="bits_per_pixel",
        inputs={"elbo": lambda d: d.normal("B", 5.0, -40.0), "D": lambda d: int(d.number(50, 900))},
        reference=lambda elbo, D: -elbo / (D * math.log(2)),
        mistakes={
            "It is in nats per pixel still: a bit is a number of nats.": lambda elbo, D: -elbo / D,
            "It is the bits of the whole image; per pixel is asked for.": lambda elbo, D: -elbo / math.log(2),
            "ln 2 multiplies, where it divides: a bit is less than a nat, so there are more of them.": (
                lambda elbo, D: -elbo * math.log(2) / D
            ),
            "A bit is not 2 nats.": lambda elbo, D: -elbo / (2 * D),
            "The ELBO is a logarithm already: it needs another unit, not a second logarithm.": (
                lambda elbo, D: (-elbo).log2() / D
            ),
            "D is added to ln 2, where the two multiply.": lambda elbo, D: -elbo / (D + math.log(2)),
            "D multiplies, where it divides.": lambda elbo, D: -elbo * D / math.log(2),
        },
        hint="(8.2)",
    ),
    "8.6": Choice(
        right="b",
        wrong={
            "a": "A dimension that is worth less than it costs is not used; what becomes of the reconstruction then?",
            "c": "The KL term has become four times as expensive. Does one buy more of it then?",
            "d": "The ELBO is evaluated with β = 1, and this run maximizes something else.",
        },
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "8.1": "Dividing one term by 784 leaves the other with 784 times its weight, and the first printed loss shows it "
    "before any training.",
    "8.2": "Where q is the prior the KL term is at its minimum and so is silent; only a decoder that begins to use the "
    "dimension sends a gradient to it.",
    "8.3": "What belongs to one image is summed and images are averaged, so both terms stay in nats per image and β "
    "stays 1.",
    "8.4": "Averaged over draws from q, the difference of the two logarithms is the KL by its definition (4.2), though a "
    "single one can be negative.",
    "8.5": "A lower bound on log p(x) is an upper bound on the code length, and ln 2 turns nats into bits.",
    "8.6": "At four times the price hardly a nat of KL pays for itself, so q returns to the prior and the decoder draws "
    "the mean image.",
}
