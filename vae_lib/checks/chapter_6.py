"""Exercises 6.1 to 6.6: the reparameterization trick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from vae_lib import gaussian
from vae_lib.checks.answers import Choice, Function, Inputs, Numbers


@dataclass(frozen=True)
class WithGivenNoise(Function):
    """A function that takes its noise as the argument eps. One that draws its own is told so."""

    def _where(self, answer: Callable, inputs: Inputs, number: int) -> str:
        first, again, other = (
            self._run(answer, inputs | {"eps": eps})[number]
            for eps in (inputs["eps"], inputs["eps"], -inputs["eps"])
        )
        if not torch.equal(first, again):
            return (
                "It draws noise of its own: the same arguments give another z at each call. Use the eps that "
                "you are given."
            )
        if torch.equal(first, other):
            return "ε does not enter: another eps gives the same z."
        return super()._where(answer, inputs, number)


EXERCISES = {
    "6.1": WithGivenNoise(
        name="reparameterize",
        inputs={
            "mu": lambda d: d.normal("BJ"),
            "logvar": lambda d: d.logvar(),
            "eps": lambda d: d.normal("BJ"),
        },
        reference=lambda mu, logvar, eps: gaussian.reparameterize(mu, logvar, eps=eps),
        gradient=("mu", "logvar"),
        mistakes={
            "μ does not enter.": lambda mu, t, e: (0.5 * t).exp() * e,
            "σ does not enter.": lambda mu, t, e: mu + e,
            "ε does not enter: that is the mean of q, the same at every call.": lambda mu, t, e: mu,
            "The noise is divided by σ.": lambda mu, t, e: mu + e / (0.5 * t).exp(),
            "σ is added, where it multiplies ε.": lambda mu, t, e: mu + (0.5 * t).exp() + e,
            "One ε is used for the whole batch; each image has its own row.": lambda mu, t, e: (
                mu + (0.5 * t).exp() * e[:1]
            ),
            "μ and logvar have changed places.": lambda mu, t, e: t + (0.5 * mu).exp() * e,
        },
        hint="(6.1)",
    ),
    "6.2": Numbers(
        right=lambda: {"the pathwise term": 0.0, "the score-function term": 36.0, "with the baseline": 0.0},
        mistakes=lambda: {
            "The slope of a constant: the pathwise term has no noise.": {"the pathwise term": 36.0},
            "That is the standard deviation; the variance is asked for.": {"the score-function term": 6.0},
            "The spread of ε/σ is 1/σ: its variance is not σ².": {"the score-function term": 9 / 4},
            "The constant c is squared in a variance.": {"the score-function term": 12.0},
            "With b = c nothing is left to multiply the score with.": {"with the baseline": 36.0},
        },
    ),
    "6.3": Function(
        name="score_variance",
        inputs={"mu": lambda d: d.number(0.5, 2.0), "sigma": lambda d: d.number(0.3, 0.9)},
        reference=lambda mu, sigma: mu**2 / sigma**2 + 2,
        mistakes={
            "That is the mean of the square; the variance subtracts the square of the mean.": (
                lambda mu, sigma: mu**2 / sigma**2 + 3
            ),
            "The variance of ε² is missing.": lambda mu, sigma: mu**2 / sigma**2,
            "A factor in front of ε is squared in the variance.": lambda mu, sigma: mu / sigma + 2,
            "The division by σ is missing.": lambda mu, sigma: mu**2 + 2,
            "ε² has the mean 1, but not the variance 1.": lambda mu, sigma: mu**2 / sigma**2 + 1,
            "The division by σ is done once; the score is ε/σ, and it is squared.": lambda mu, sigma: (
                mu**2 / sigma + 2
            ),
        },
        hint="the two terms of zε/σ",
    ),
    "6.4": Function(
        name="exponential_sample",
        inputs={"rate": lambda d: d.uniform("B", 0.5, 3.0), "u": lambda d: d.uniform("LB", 0.02, 0.98)},
        reference=lambda rate, u: -torch.log1p(-u) / rate,
        gradient=("rate",),
        mistakes={
            "That has the right distribution, as u and 1 − u have the same, but it falls with u; the inverse of "
            "the distribution function rises.": lambda rate, u: -u.log() / rate,
            "The rate multiplies; a higher rate means smaller z.": lambda rate, u: -torch.log1p(-u) * rate,
            "It is negative; an exponential z is not.": lambda rate, u: torch.log1p(-u) / rate,
            "That is the distribution function, 1 − exp(−λz); its inverse is asked for.": lambda rate, u: (
                1 - torch.exp(-rate * u)
            ),
            "That is the density; the inverse of the distribution function is asked for.": lambda rate, u: (
                rate * torch.exp(-rate * u)
            ),
            "The rate does not enter.": lambda rate, u: -torch.log1p(-u).expand(len(u), len(rate)),
        },
        hint="the distribution function",
    ),
    "6.5": Function(
        name="leave_one_out",
        inputs={"values": lambda d: d.normal("L", 1.0, 3.0)},
        reference=lambda v: (v.sum() - v) / (len(v) - 1),
        mistakes={
            "The mean contains the draw it is to be multiplied with; that makes the gradient too short.": (
                lambda v: v.mean().expand_as(v)
            ),
            "That is one mean for all draws, its own included; each draw has a baseline without itself.": (
                lambda v: v.mean()
            ),
            "The sum of the others is divided by L; there are L − 1 of them.": lambda v: (
                (v.sum() - v) / len(v)
            ),
            "That is f minus the baseline; the baseline alone is asked for.": lambda v: (
                v - (v.sum() - v) / (len(v) - 1)
            ),
            "The sum of the others is not divided by their number.": lambda v: v.sum() - v,
        },
        hint="the text under (6.4)",
    ),
    "6.6": Choice(
        right="d",
        wrong={
            "a": "A method named sample answers without gradient; its sibling does not.",
            "b": "Ask it for the gradient: torch.normal does return one. Is it the right number?",
            "c": "The gradient is cut on purpose here; look for the word.",
        },
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "6.1": "The root halves the exponent, so z has the variance that the encoder means; and given ε, z is a "
    "differentiable function of μ and ln σ².",
    "6.2": "A constant has no slope, and with b = c nothing is left to multiply the score with; without a baseline the "
    "noise ε/σ is multiplied by c.",
    "6.3": "The parts με/σ and ε² are uncorrelated and have the variances μ²/σ² and 2, while the pathwise term of "
    "f(z) = z is the constant 1, with no variance at all.",
    "6.4": "The inverse distribution function turns a uniform u into a draw of the distribution, and for a fixed u it "
    "is a differentiable function of the rate.",
    "6.5": "The mean of the other draws is independent of the draw that it is subtracted from, so b times the score is "
    "still zero on average.",
    "6.6": "Only rsample is (6.1): sample stops the gradient, torch.normal returns one that is zero, and a detached μ "
    "learns nothing.",
}
