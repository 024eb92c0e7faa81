"""Exercises 1.1 to 1.6: generative and discriminative."""

from __future__ import annotations

import math

import torch
from torch.distributions import MultivariateNormal, Normal

from vae_lib.checks.answers import Choice, Function, Numbers


def _log_label_probabilities(log_densities, log_priors):
    joint = log_densities + log_priors
    return joint - joint.logsumexp(-1, keepdim=True)


def _boundary(m_3, m_8, cov):
    inverse = torch.linalg.inv(cov)
    return inverse @ (m_8 - m_3), -0.5 * (m_8 @ inverse @ m_8 - m_3 @ inverse @ m_3)


def _scores(x_train, x_test, noise, *, correction=0):
    mean, cov = x_train.mean(0), torch.cov(x_train.T, correction=correction)
    eye = torch.eye(x_train.shape[1], dtype=x_train.dtype)
    covs = cov + noise * eye, torch.diag(cov.diagonal()) + noise * eye
    return tuple(MultivariateNormal(mean, c).log_prob(x_test).mean() for c in covs)


def _far_below(inputs):
    """All labels of the first image, and one of each image, 10 000 nats lower."""
    lower = torch.zeros_like(inputs["log_densities"])
    lower[0], lower[:, 0] = 1e4, 1e4
    return inputs | {"log_densities": inputs["log_densities"] - lower}


EXERCISES = {
    "1.1": Choice(
        right="c",
        wrong={
            "a": "One of the two keeps its value: in (1.1) the density stands above and below the line.",
            "b": "By (1.2) p(x) is a sum of densities; what becomes of a sum if each of its terms shrinks?",
            "d": "Something changes: p(x) is made of the very densities that shrink, (1.2).",
        },
    ),
    "1.2": Numbers(
        right=lambda: {"p(x)": 2 / 5, "p(y=8|x)": 3 / 4},
        mistakes=lambda: {
            "p(x) adds up the densities without their weights p(y): look at (1.2).": {"p(x)": 4 / 5},
            "That is the probability of the other label.": {"p(y=8|x)": 1 / 4},
            "p(x|8) is a density of x, not yet the probability of the label: divide as in (1.1).": {
                "p(y=8|x)": 3 / 5
            },
            "p(y=8|x) lacks the division by p(x), see (1.1).": {"p(y=8|x)": 3 / 10},
            "p(y=8|x) lacks the factor p(y=8) in the numerator, see (1.1).": {"p(y=8|x)": 3 / 2},
        },
    ),
    "1.3": Function(
        name="log_label_probabilities",
        inputs={
            "log_densities": lambda d: d.normal("BK", 2.0, -4.0),
            "log_priors": lambda d: d.normal("K").log_softmax(0),
        },
        reference=_log_label_probabilities,
        mistakes={
            "The labels' frequencies p(y) are left out.": lambda ld, lp: ld.log_softmax(-1),
            "It is normalized over the images (axis 0), so not the labels of an image add up to 1.": (
                lambda ld, lp: (ld + lp).log_softmax(0)
            ),
            "These are the probabilities; their logarithms are asked for.": lambda ld, lp: (ld + lp).softmax(
                -1
            ),
            "The logarithms are divided; the logarithm of a quotient is their difference.": lambda ld, lp: (
                (ld + lp) / (ld + lp).logsumexp(-1, keepdim=True)
            ),
            "In the denominator the labels' frequencies p(y) are left out.": lambda ld, lp: (
                ld + lp - ld.logsumexp(-1, keepdim=True)
            ),
            "This is log p(x, y): the denominator p(x) of (1.1) is missing.": lambda ld, lp: ld + lp,
            "The logarithms of p(x|y) and p(y) are multiplied; a product of probabilities is a sum of logs.": (
                lambda ld, lp: (ld * lp).log_softmax(-1)
            ),
        },
        extreme={
            "at log densities near −10 000: exp of that is 0 in every floating-point type, and the log of 0 is "
            "lost. Is there a function that stays in the logarithm, for each image on its own?": _far_below
        },
        hint="(1.1) and (1.2)",
    ),
    "1.4": Function(
        name="boundary",
        inputs={
            "m_3": lambda d: d.normal("D"),
            "m_8": lambda d: d.normal("D"),
            "cov": lambda d: d.covariance("D"),
        },
        reference=_boundary,
        outputs=("w", "c"),
        mistakes={
            "The covariance itself is used where its inverse stands in the density.": lambda a, b, cov: (
                _boundary(a, b, torch.linalg.inv(cov))
            ),
            "The covariance is left out.": lambda a, b, cov: _boundary(
                a, b, torch.eye(len(a), dtype=cov.dtype)
            ),
            "The two quadratic forms of the means are added, where they are subtracted.": lambda a, b, cov: (
                _boundary(a, b, cov)[0],
                -0.5 * (b @ torch.linalg.solve(cov, b) + a @ torch.linalg.solve(cov, a)),
            ),
            "The difference of the means is put into one quadratic form; the square of a difference is not the "
            "difference of squares.": lambda a, b, cov: (
                _boundary(a, b, cov)[0],
                -0.5 * (b - a) @ torch.linalg.solve(cov, b - a),
            ),
            "The sum of the means stands where their difference belongs.": lambda a, b, cov: (
                torch.linalg.solve(cov, a + b),
                _boundary(a, b, cov)[1],
            ),
        },
        hint="the two quadratic forms",
    ),
    "1.5": Numbers(
        right=lambda: {"the change by inverting": 0.0, "the change by halving": 64 * math.log(2)},
        mistakes=lambda: {
            "Inverting reflects the axes; by which factor does a reflection stretch the volume?": {
                "the change by inverting": -64 * math.log(2)
            },
            "Inverting is not halving: it reflects the axes. By which factor does that stretch the volume?": {
                "the change by inverting": 64 * math.log(2)
            },
            "That is in powers of ten; log p(x) is in nats.": {"the change by halving": 64 * math.log10(2)},
            "That is the change for one pixel, and in the wrong direction.": {
                "the change by halving": -math.log(2)
            },
            "That is the change for one pixel; the density has D = 64 of them.": {
                "the change by halving": math.log(2)
            },
            "That is in bits; log p(x) is in nats.": {"the change by halving": 64.0},
            "The direction is wrong: a density on a smaller volume is higher.": {
                "the change by halving": -64 * math.log(2)
            },
            "The change by halving is not 0: the same probability now sits in a smaller volume.": {
                "the change by halving": 0.0
            },
        },
    ),
    "1.6": Function(
        name="held_out_scores",
        inputs={
            "x_train": lambda d: d.normal("ND") @ d.covariance("D"),
            "x_test": lambda d: d.normal("BD") @ d.covariance("D"),
            "noise": lambda d: d.number(0.1, 0.4),
        },
        reference=_scores,
        outputs=("full", "diagonal"),
        mistakes={
            "The noise variance is left out of the covariance.": lambda a, b, s: _scores(a, b, 0.0),
            "The noise is squared; it is a variance already.": lambda a, b, s: _scores(a, b, s**2),
            "The covariance divides by N − 1; maximum likelihood divides by N (correction=0).": (
                lambda a, b, s: _scores(a, b, s, correction=1)
            ),
            "The variance of a pixel is used as its standard deviation.": lambda a, b, s: (
                _scores(a, b, s)[0],
                Normal(a.mean(0), a.var(0, correction=0) + s).log_prob(b).sum(-1).mean(),
            ),
            "The noise is added to every entry of the covariance; it belongs on the diagonal alone.": (
                lambda a, b, s: (
                    MultivariateNormal(a.mean(0), torch.cov(a.T, correction=0) + s).log_prob(b).mean(),
                    _scores(a, b, s)[1],
                )
            ),
            "It is scored on the training images; held-out means the others.": lambda a, b, s: _scores(
                a, a, s
            ),
            "The Gaussian is fitted to the held-out images.": lambda a, b, s: _scores(b, b, s),
            "The two scores have changed places.": lambda a, b, s: _scores(a, b, s)[::-1],
        },
        hint="the mean, the covariance with its noise, and (1.3)",
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "1.1": "The sum p(x) takes the common factor over, and in the ratio p(y=8|x) it cancels, so only p(x) notices a "
    "strange image.",
    "1.2": "The probability of a label is the share of its term in the sum p(x), so with equal frequencies the "
    "probabilities stand in the ratio of the densities, three to one.",
    "1.3": "In logarithms the quotient is a difference, and logsumexp takes the largest term out, so that no density is "
    "rounded to 0 on the way.",
    "1.4": "With one covariance the terms quadratic in x are the same for both classes and cancel, which leaves a "
    "straight boundary, as logistic regression has it.",
    "1.5": "A density is probability per volume: a reflection keeps every volume, and halving 64 axes puts the same "
    "probability into a volume 2 to the power of 64 times as small.",
    "1.6": "Both Gaussians have the same mean and the same variance in each pixel, so the difference of their scores is "
    "what it is worth to know how pixels vary together.",
}
