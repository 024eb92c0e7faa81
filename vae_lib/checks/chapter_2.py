"""Exercises 2.1 to 2.6: the likelihood of a latent-variable model."""

from __future__ import annotations

import math

import torch

from vae_lib import estimators, gaussian
from vae_lib.checks.answers import Choice, Function, Numbers


def _naive_log_marginal(log_likelihoods):
    return log_likelihoods.logsumexp(0) - math.log(len(log_likelihoods))


def _log_prior_over_proposal(z, s):
    zeros = torch.zeros_like(z[0])
    return gaussian.log_prob(z, zeros, zeros) - gaussian.log_prob(z, zeros, zeros + 2 * math.log(s))


def _corrected(z, log_likelihood, s):
    return log_likelihood + _log_prior_over_proposal(z, s)


def _far_below(name):
    """The same weights, those of the first image 10 000 nats lower."""

    def lower(inputs):
        values = inputs[name].clone()
        values[:, 0] -= 1e4
        return inputs | {name: values}

    return {
        "at weights of about exp(−10 000): that is 0 in every floating-point type. Take the largest one of "
        "each image out before you exponentiate.": lower
    }


EXERCISES = {
    "2.1": Numbers(
        right=lambda: {"p(0)": 1 / math.sqrt(10 * math.pi), "the posterior's variance": 1 / 5},
        mistakes=lambda: {
            "The variance of p(x) is used as its standard deviation.": {
                "p(0)": 1 / (5 * math.sqrt(2 * math.pi))
            },
            "The variance of p(x) has two parts; the noise of the decoder is missing.": {
                "p(0)": 1 / math.sqrt(8 * math.pi)
            },
            "That is log p(0); the density is asked for.": {"p(0)": -0.5 * math.log(10 * math.pi)},
            "That is p(x|z) at z = 0 and x = 0; the integral over z is missing.": {
                "p(0)": 1 / math.sqrt(2 * math.pi)
            },
            "That is the factor before −z²/2; the variance is its inverse.": {
                "the posterior's variance": 5.0
            },
            "The factor before −z²/2 has two parts; the prior's is missing.": {
                "the posterior's variance": 1 / 4
            },
            "That is the variance of the prior; the posterior is narrower.": {
                "the posterior's variance": 1.0
            },
            "The 2 of 2z is not squared.": {
                "p(0)": 1 / math.sqrt(6 * math.pi),
                "the posterior's variance": 1 / 3,
            },
            "That is the standard deviation of the posterior.": {
                "the posterior's variance": 1 / math.sqrt(5)
            },
        },
    ),
    "2.2": Function(
        name="naive_log_marginal",
        inputs={"log_likelihoods": lambda d: d.normal("LB", 2.0, -5.0)},
        reference=_naive_log_marginal,
        mistakes={
            "That is the mean of the logarithms, which lies below the logarithm of the mean.": (
                lambda log_w: log_w.mean(0)
            ),
            "That is the logarithm of the sum; an average divides by L = 11, which is a term in the log.": (
                lambda log_w: log_w.logsumexp(0)
            ),
            "The average runs over the images (axis 1); it is to run over the samples (axis 0).": (
                lambda log_w: log_w.logsumexp(1) - math.log(log_w.shape[1])
            ),
            "That is the estimate of p(x); its logarithm is asked for.": lambda log_w: log_w.exp().mean(0),
            "That is the largest of the log-likelihoods; the other draws count, too.": (
                lambda log_w: log_w.max(0).values
            ),
            "log L is divided by; in a logarithm, division is a difference.": (
                lambda log_w: log_w.logsumexp(0) / math.log(len(log_w))
            ),
            "log L is added, where an average divides by L.": lambda log_w: (
                log_w.logsumexp(0) + math.log(len(log_w))
            ),
            "The logarithm of the sum is divided by L; the average divides the sum itself, inside the logarithm.": (
                lambda log_w: log_w.logsumexp(0) / len(log_w)
            ),
            "L is subtracted, where its logarithm belongs.": lambda log_w: log_w.logsumexp(0) - len(log_w),
        },
        extreme=_far_below("log_likelihoods"),
        hint="(2.3)",
    ),
    "2.3": Function(
        name="effective_sample_size",
        inputs={"log_weights": lambda d: d.normal("LB", 1.5, -1.0)},
        reference=estimators.effective_sample_size,
        mistakes={
            "The log weights are used as if they were the weights.": lambda t: t.sum(0) ** 2 / (t**2).sum(0),
            "That is the logarithm of (2.4).": lambda t: estimators.effective_sample_size(t).log(),
            "That is 1 over the share of the largest weight; (2.4) looks at all weights.": (
                lambda t: 1 / t.softmax(0).max(0).values
            ),
            "The fraction is upside down.": lambda t: 1 / estimators.effective_sample_size(t),
            "The sum in the numerator is not squared.": lambda t: t.exp().sum(0) / (2 * t).exp().sum(0),
            "The numerator squares each weight and then sums; (2.4) sums first.": lambda t: torch.ones_like(
                t[0]
            ),
            "That is the share of the draws that matter; (2.4) counts them.": (
                lambda t: estimators.effective_sample_size(t) / len(t)
            ),
            "The sum runs over the images (axis 1); the draws of an image are along axis 0.": (
                lambda t: estimators.effective_sample_size(t, 1)
            ),
        },
        extreme=_far_below("log_weights"),
        hint="(2.4)",
    ),
    "2.4": Choice(
        right="a",
        wrong={
            "b": "Compare where the posterior is with where the prior draws are; the posterior's mean is 2x/5.",
            "c": "The width of the posterior stays, that is true. But ρ also asks how dense the prior is there.",
        },
    ),
    "2.5": Choice(
        right="b",
        wrong={
            "a": "Each z is still a draw from the prior, for every image. Does an expectation ask who else uses it?",
            "c": "The ESS of one image depends on the draws and on this image alone; the others change nothing.",
            "d": "Both halves are wrong: what does the weight of one image know about the other images?",
        },
    ),
    "2.6": Function(
        name="corrected_log_weights",
        inputs={
            "z": lambda d: d.normal("LJ", 0.6),
            "log_likelihood": lambda d: d.normal("L", 2.0, -5.0),
            "s": lambda d: d.number(0.4, 0.8),
        },
        reference=_corrected,
        mistakes={
            "The weights are not corrected: the average would be the p(x) of a model with another prior.": (
                lambda z, log_p, s: log_p
            ),
            "The ratio is upside down: the density you drew from divides.": lambda z, log_p, s: (
                log_p - _log_prior_over_proposal(z, s)
            ),
            "s was taken for the variance; it is the standard deviation.": lambda z, log_p, s: _corrected(
                z, log_p, math.sqrt(s)
            ),
            "The constant of the density you drew from is missing: it depends on s.": lambda z, log_p, s: (
                _corrected(z, log_p, s) - z.shape[-1] * math.log(s)
            ),
            "ln s is counted once; each of the J dimensions has one.": lambda z, log_p, s: (
                _corrected(z, log_p, s) - (z.shape[-1] - 1) * math.log(s)
            ),
            "ln s has the wrong sign: the density you drew from is divided by.": lambda z, log_p, s: (
                _corrected(z, log_p, s) - 2 * z.shape[-1] * math.log(s)
            ),
            "These are the weights; their logarithms are asked for.": lambda z, log_p, s: _corrected(
                z, log_p, s
            ).exp(),
            "The density of the prior is missing.": lambda z, log_p, s: (
                log_p - gaussian.log_prob(z, torch.zeros_like(z[0]), torch.full_like(z[0], 2 * math.log(s)))
            ),
            "The log densities are averaged over the J dimensions of z; independent dimensions add up.": (
                lambda z, log_p, s: log_p + _log_prior_over_proposal(z, s) / z.shape[-1]
            ),
            "s² was given where its logarithm is asked for.": lambda z, log_p, s: _corrected(
                z, log_p, math.exp(s**2 / 2)
            ),
            "s was given where the logarithm of s² is asked for.": lambda z, log_p, s: _corrected(
                z, log_p, math.exp(s / 2)
            ),
            "The density you drew from is not divided by.": lambda z, log_p, s: (
                log_p + gaussian.log_prob(z, torch.zeros_like(z[0]), torch.zeros_like(z[0]))
            ),
        },
        hint="the expectation under the density that you draw from",
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "2.1": "As 2z plus noise x has the variance 4 + 1, and the factor before −z²/2 is 1 + 4 at every x, so that only the "
    "mean of the posterior moves with x.",
    "2.2": "An average divides a sum by L, which in the logarithm subtracts log L, and the log of a sum is logsumexp.",
    "2.3": "A factor that all weights share cancels in (2.4), so the largest weight may be made 1 before anything is "
    "exponentiated.",
    "2.4": "The posterior keeps its width and moves to 4 standard deviations from the centre of the prior, where draws "
    "hardly ever fall.",
    "2.5": "For a single image nothing has changed: its L draws are independent draws from the prior; only the errors of "
    "different images are now correlated.",
    "2.6": "Multiplied and divided by the density of the draws, the integral stays what it is, so the weights "
    "p(x|z) p(z) over that density average to p(x).",
}
