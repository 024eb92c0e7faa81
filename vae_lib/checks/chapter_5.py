"""Exercises 5.1 to 5.6: Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lib.checks import compare
from vae_lib.checks.answers import Choice, Exercise, Function, Numbers
from vae_lib.checks.calls import Unusable, attempted, call, kind_of, lower_first, to_float32
from vae_lib.checks.draws import OTHER_SIZES, SIZES, Draw

SAMPLES = 4001
AVERAGE = 1e-7  # how far the result may be from the mean of f over the draws, relative
# How far the draws may be from those of q: their spread, relative; their mean, in standard errors; and the
# correlation of two of them.
SPREAD, STANDARD_ERRORS, CORRELATION = 0.08, 6, 0.3
NO_GRADIENT = "The right value, but no gradient reaches"


def _recorded(z: Tensor) -> Tensor:
    """The function whose mean is asked for; neither even nor odd."""
    return (torch.sin(z) + z).sum(-1)


@dataclass(frozen=True)
class MonteCarloMean(Exercise):
    """monte_carlo_mean(f, mu, logvar, L, generator).

    An answer may draw in its own order, so its z are not known beforehand: f records each z that it is given,
    and the result is compared with the mean of f over these.
    """

    def examine(self, answer: object) -> str | None:
        attempted(answer)
        if not callable(answer):
            return "Give the function monte_carlo_mean itself, without calling it."
        try:
            result, draws, mu, logvar = self._run(answer, 1, Draw(positive_logvar=True))
            return (
                self._average(result, draws)
                or self._draws(draws, mu, logvar)
                or self._sizes(answer)
                or self._generator(answer)
                or self._gradient(answer)
                or self._types(answer)
            )
        except Unusable as error:
            return str(error)

    @staticmethod
    def _run(
        answer: Callable, seed: int, draw: Draw, samples: int = SAMPLES, convert: Callable = lambda v: v
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The result, all z that f was given, (number, B, J), mu and logvar."""
        mu, logvar, seen = convert(draw.normal("BJ", 2.0)), convert(draw.logvar()), []

        def f(z):
            if not isinstance(z, Tensor) or z.shape[-2:] != mu.shape:
                shape = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
                raise ValueError(
                    f"f takes z of shape (L, B, J) or (B, J), (B, J) = {tuple(mu.shape)} here; it got {shape}."
                )
            seen.append(z.detach().reshape(-1, *mu.shape))
            return _recorded(z)

        copies = {"mu": mu.clone(), "logvar": logvar.clone()}
        value = call(answer, [f, *copies.values(), samples, torch.Generator().manual_seed(seed)])
        if not isinstance(value, Tensor):
            raise Unusable(f"It returns {kind_of(value)}, where a tensor is wanted.")
        for (name, copy), before in zip(copies.items(), (mu, logvar), strict=True):
            if not torch.equal(copy, before):
                raise Unusable(f"It changes its argument {name} in place; the caller still needs it.")
        if not seen:
            raise Unusable("f is never called.")
        return value, torch.cat(seen), mu, logvar

    def _average(self, result: Tensor, draws: Tensor) -> str | None:
        """Is the result the mean of f over L draws?"""
        if len(draws) != SAMPLES:
            times = "once" if len(draws) == 1 else f"{len(draws)} times"
            return f"With L = {SAMPLES}, z is drawn {times} for each image."
        values = _recorded(draws)
        want, sizes = values.mean(0), {"B": SIZES["B"], "L": SAMPLES}
        if compare.close(result, want, AVERAGE):
            return None
        if compare.close(result, values.mean(), AVERAGE):
            return "It averages over the images, too: each image has its own mean, shape (B,)."
        return (
            compare.wrong_shape(result, want, sizes)
            or compare.wrong_factor([(result, want)], sizes)
            or "It is not the average of the values that f returned for your draws."
        )

    @staticmethod
    def _draws(draws: Tensor, mu: Tensor, logvar: Tensor) -> str | None:
        """Are the z like L draws of q, independent for each image and latent dimension?"""
        mean, spread, sigma = draws.mean(0), draws.std(0), (0.5 * logvar).exp()
        if (spread == 0).all():
            return "All L draws are the same z: L draws need L different ε."
        candidates = {
            "logvar was taken for σ itself; it is the logarithm of the variance.": logvar,
            "logvar was taken for the variance itself; it is the logarithm of it.": logvar.sqrt(),
            "exp(logvar) was taken for σ; it is the variance.": logvar.exp(),
            "The draws have the spread 1 for every image: σ does not enter.": torch.ones_like(sigma),
        }
        if not ((spread / sigma - 1).abs() < SPREAD).all():
            for message, other in candidates.items():
                if ((spread / other - 1).abs() < SPREAD).all():
                    return message
            return "The draws do not have the spread of q."
        if not ((mean - mu).abs() < STANDARD_ERRORS * sigma / math.sqrt(SAMPLES)).all():
            centred = (mean.abs() < STANDARD_ERRORS * sigma / math.sqrt(SAMPLES)).all()
            return (
                "The draws are centred at 0: μ does not enter."
                if centred
                else "The draws are not centred at μ."
            )
        eps = ((draws - mean) / spread).flatten(1)
        together = eps.T @ eps / len(eps) - torch.eye(eps.shape[1], dtype=eps.dtype)
        if together.abs().max() > CORRELATION:
            return "The same ε is used for several images or dimensions: each of the B · J needs its own."
        return None

    def _sizes(self, answer: Callable) -> str | None:
        """Is it right for L = 1, for a batch of one, and for another number of latent dimensions?"""
        try:
            result, draws, _, _ = self._run(answer, 1, Draw(sizes=OTHER_SIZES), 1)
        except Unusable as error:
            return f"Right at first, but not for L = 1 and a batch of one image. {error}"
        if len(draws) != 1:
            return f"With L = 1, z is drawn {len(draws)} times for each image."
        if compare.close(result, _recorded(draws[0]), AVERAGE):
            return None
        return (
            "Right at first, but not for L = 1 and a batch of one image: is a size written as a number, or does a "
            "squeeze drop an axis?"
        )

    def _generator(self, answer: Callable) -> str | None:
        """Do the draws come from the generator that is given, and from it alone?"""
        first, again, other = (self._run(answer, seed, Draw(7), 13)[0] for seed in (1, 1, 2))
        if not torch.equal(first, again):
            return "The same generator gives different results: do the draws come from the generator you are given?"
        if torch.equal(first, other):
            return "Two different generators give the same result: is there a seed of its own inside?"
        return None

    def _gradient(self, answer: Callable) -> str | None:
        """Do gradients reach mu and logvar through z?"""
        draw = Draw()
        mu, logvar = (tensor.requires_grad_() for tensor in (draw.normal("BJ"), draw.logvar()))
        value = call(answer, [lambda z: z.sum(-1), mu, logvar, 13, torch.Generator().manual_seed(1)])
        if not value.requires_grad:
            return f"{NO_GRADIENT} mu and logvar: is z detached, or drawn by a function without gradient?"
        for name, leaf in {"mu": mu, "logvar": logvar}.items():
            gradient = torch.autograd.grad(value.sum(), leaf, allow_unused=True, retain_graph=True)[0]
            if gradient is None or (gradient == 0).all():
                return f"{NO_GRADIENT} {name}: is z drawn by a function without gradient?"
        return None

    def _types(self, answer: Callable) -> str | None:
        """Does float32 in give float32 draws and a float32 result?"""
        try:
            result, draws, _, _ = self._run(answer, 1, Draw(), 13, convert=to_float32)
        except Unusable as error:
            return f"It works only in float64. With float32 arguments {lower_first(error)}"
        if result.dtype != torch.float32 or draws.dtype != torch.float32:
            return "It works only in float64: the draws are to have the type of mu."
        return None


def _f(draw: Draw) -> Callable:
    """A smooth function of z, (..., J) -> (...), that is neither even nor odd."""
    a, b = draw.number(0.5, 1.5), draw.number(0.5, 1.5)
    return lambda z: (a * z + b * z**2 + torch.sin(z)).sum(-1)


def _pair(mu, logvar, eps):
    noise = (0.5 * logvar).exp() * eps
    return mu + noise, mu - noise


def _antithetic(f, mu, logvar, eps):
    plus, minus = _pair(mu, logvar, eps)
    return 0.5 * (f(plus) + f(minus)).mean(0)


EXERCISES = {
    "5.1": MonteCarloMean(),
    "5.2": Choice(
        right="b",
        wrong={
            "a": "The average over l stands before the ELBO's expectation, with no log around it. What does L change?",
            "c": "The spread differs, yes. But one of the two numbers has its log outside the average: see (3.8).",
            "d": "One of the two is unbiased for every L, by (5.2).",
        },
    ),
    "5.3": Numbers(
        right=lambda: {"the number of draws": 147_600.0},
        mistakes=lambda: {
            "That is the standard deviation over the error; by (5.3) both are squared.": {
                "the number of draws": math.sqrt(14.76) / 0.01
            },
            "The variance of a draw is divided by the error; (5.3) has the root of L, so square the error.": {
                "the number of draws": 1476.0
            },
            "That is the number for σ = ½, as in the chapter; here σ = 1.": {"the number of draws": 21_900.0},
            "The second piece, 8σ⁴, is missing.": {"the number of draws": 67_600.0},
            "The first piece, 4a²σ², is missing.": {"the number of draws": 80_000.0},
        },
    ),
    "5.4": Function(
        name="standard_error",
        inputs={"values": lambda d: d.normal("LB", 3.0, -20.0)},
        reference=lambda v: v.std(0) / math.sqrt(len(v)),
        mistakes={
            "That is the spread of one value; the error of their mean is smaller.": lambda v: v.std(0),
            "It divides by L; by (5.3) it is the root of L.": lambda v: v.std(0) / len(v),
            "That is the variance of the mean; its root is asked for.": lambda v: v.var(0) / len(v),
            "s² divides by L here; (5.3) divides by L − 1, as the mean is estimated, too.": (
                lambda v: v.std(0, correction=0) / math.sqrt(len(v))
            ),
            "It runs over the images (axis 1); the samples are along axis 0.": (
                lambda v: v.std(1) / math.sqrt(v.shape[1])
            ),
            "It divides by the root of L − 1; L − 1 belongs to s², the root of L to the mean.": (
                lambda v: v.std(0) / math.sqrt(len(v) - 1)
            ),
        },
        hint="(5.3)",
    ),
    "5.5": Function(
        name="antithetic_mean",
        inputs={
            "f": _f,
            "mu": lambda d: d.normal("BJ"),
            "logvar": lambda d: d.logvar(),
            "eps": lambda d: d.normal("LBJ"),
        },
        reference=_antithetic,
        gradient=("mu", "logvar"),
        mistakes={
            "Each ε is used once: its mirror image −ε is missing.": lambda f, mu, t, e: f(
                _pair(mu, t, e)[0]
            ).mean(0),
            "Only the mirror image −ε is used.": lambda f, mu, t, e: f(_pair(mu, t, e)[1]).mean(0),
            "The two values of a pair are subtracted; their mean is asked for.": lambda f, mu, t, e: (
                0.5 * (f(_pair(mu, t, e)[0]) - f(_pair(mu, t, e)[1])).mean(0)
            ),
            "The sign of the whole z is turned round; it is ε alone that is mirrored.": lambda f, mu, t, e: (
                0.5 * (f(_pair(mu, t, e)[0]) + f(-_pair(mu, t, e)[0])).mean(0)
            ),
            "The two z are averaged before f, which leaves μ: average the values of f.": lambda f, mu, t, e: (
                f(mu)
            ),
        },
        hint="the sentence that defines the pair",
    ),
    "5.6": Choice(
        right="a",
        wrong={
            "b": "In (5.4) put B = C/L. Which part still contains L?",
            "c": "In (5.4) put B = C/L. One of the two parts does not change with L at all.",
            "d": "The budget fixes the noise part. What does L do to the data part, with B = C/L?",
        },
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "5.1": "The expectation passes through the sum, so the estimate is right on average for every L; and as each image "
    "has an ε of its own, no image's error depends on another's.",
    "5.2": "The estimate of the ELBO is an average of logarithms, unbiased for every L; the bound has the logarithm of "
    "an average, which is too low, and less so with more draws.",
    "5.3": "The error falls with the root of L, so a hundredth of a nat takes a hundred squared times the variance of "
    "one draw, and a wider q has the larger variance.",
    "5.4": "With more draws s, the spread of single values, stays what it is, and the error of their mean falls with "
    "the root of their number.",
    "5.5": "−ε is as probable as ε, so each half of a pair is unbiased; what is odd in ε cancels within the pair, and "
    "what is even stays.",
    "5.6": "With B = C/L, (5.4) is (L · data part + noise part)/C, which grows with L, whatever the sizes of the two "
    "parts.",
}
