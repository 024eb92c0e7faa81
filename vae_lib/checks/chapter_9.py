"""Exercises 9.1 to 9.7: when the loss is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vae_lib import gaussian
from vae_lib.checks import chapter_8, compare
from vae_lib.checks.answers import Choice, Exercise, Function, Numbers
from vae_lib.checks.calls import NotAttempted, Unusable, attempted, call, kind_of
from vae_lib.checks.chapter_5 import MonteCarloMean
from vae_lib.checks.chapter_7 import bernoulli_nll
from vae_lib.checks.draws import OTHER_SIZES, SIZES, Draw
from vae_lib.diagnosis.findings import FINDINGS

_kl = gaussian.kl_to_standard_normal


def _half_mended(pixels: bool = True, latents: bool = True, sigmoid: bool = True) -> Callable:
    """The loss of exercise 9.3 with some of its three mistakes left."""

    def wrong(x, logits, mu, logvar):
        nll = bernoulli_nll(x, logits.sigmoid() if sigmoid else logits)
        nll = nll / x.shape[-1] if pixels else nll
        return (nll + (_kl(mu, logvar) / mu.shape[-1] if latents else _kl(mu, logvar))).mean()

    return wrong


@dataclass(frozen=True)
class Sample(Exercise):
    """mended_sample(mu, logvar, generator): one draw of z. Its draws are examined like those of exercise 5.1."""

    def examine(self, answer: object) -> str | None:
        attempted(answer)
        if not callable(answer):
            return "Give the function mended_sample itself, without calling it."
        try:
            return self._one(answer, SIZES) or self._one(answer, OTHER_SIZES) or self._many(answer)
        except Unusable as error:
            return str(error)

    @staticmethod
    def _one(answer: Callable, sizes: dict[str, int]) -> str | None:
        """Has z the right shape and other noise in a second call, and are the arguments left as they were?"""
        draw, generator = Draw(positive_logvar=True, sizes=sizes), torch.Generator().manual_seed(1)
        arguments = mu, logvar = draw.normal("BJ"), draw.logvar()
        first, second = (call(answer, [mu.clone(), logvar.clone(), generator]) for _ in range(2))
        if not isinstance(first, Tensor) or not isinstance(second, Tensor):
            return f"It returns {kind_of(first)}, where a tensor is wanted."
        if first.shape != mu.shape:
            return compare.wrong_shape(first, mu, {axis: sizes[axis] for axis in "BJ"})
        if torch.equal(first, second):
            return "Two calls return the same z: does each of them take new noise from the generator?"
        copies = [value.clone() for value in arguments]
        call(answer, [*copies, generator])
        if not all(torch.equal(*pair) for pair in zip(arguments, copies, strict=True)):
            return "It changes an argument in place; the caller still needs it."
        return None

    @staticmethod
    def _many(answer: Callable) -> str | None:
        """Are many draws those of q? They are put into an answer to exercise 5.1."""

        def mean(f, mu, logvar, L, generator):
            return f(torch.stack([call(answer, [mu, logvar, generator]) for _ in range(L)])).mean(0)

        return MonteCarloMean().examine(mean)


def _of_torch(mu, logvar):
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(-1)


RIGHT_KLS = (_kl, _of_torch, lambda mu, t: -0.5 * (1 + t - mu**2 - t.exp()).sum(-1))
# What a test has to refuse. Each key continues "It lets a wrong KL pass: ".
WRONG_KLS = {
    "one that is 0 for every input.": lambda mu, t: 0 * _kl(mu, t),
    "minus the KL.": lambda mu, t: -_kl(mu, t),
    "one without its ½.": lambda mu, t: 2 * _kl(mu, t),
    "one in which the −1 of each dimension is missing.": lambda mu, t: _kl(mu, t) + mu.shape[-1] / 2,
    "one that ignores mu. What was mu in your test?": lambda mu, t: _kl(0 * mu, t),
    "one that ignores logvar. What was logvar in your test?": lambda mu, t: _kl(mu, 0 * t),
    "one that takes exp(logvar) for σ. What was logvar in your test?": lambda mu, t: _kl(mu, 2 * t),
    "one that is right only where logvar is positive.": lambda mu, t: _kl(mu, t.abs()),
    "one that is right only where mu is positive.": lambda mu, t: _kl(mu.clamp(min=0), t),
    "an average over the latent dimensions. How many were there in your test?": lambda mu, t: (
        _kl(mu, t) / mu.shape[-1]
    ),
    "one that gives each image the mean of the batch. How many images were there in your test?": lambda mu, t: (
        _kl(mu, t).mean().expand(len(mu))
    ),
    "one that looks at the first latent dimension only.": lambda mu, t: (
        _kl(mu[:, :1], t[:, :1]) * mu.shape[-1]
    ),
    "one that is too large by a hundredth. How much do you tolerate?": lambda mu, t: 1.01 * _kl(mu, t),
}
WRONG_SHAPES = {
    "a single number, the mean over the batch": lambda mu, t: _kl(mu, t).mean(),
    "an image's terms that are not summed, (B, J)": lambda mu, t: (
        0.5 * (mu**2 + t.exp() - t - 1).expand(len(mu), -1)
    ),
    "sums over the images, (J,)": lambda mu, t: 0.5 * (mu**2 + t.exp() - t - 1).sum(0),
}


@dataclass(frozen=True)
class KLTester(Exercise):
    """kl_is_right(kl_function), a test that a learner writes: True for each right KL, False for each wrong one."""

    def examine(self, answer: object) -> str | None:
        attempted(answer)
        if not callable(answer):
            return "Give the function kl_is_right itself, without calling it."
        try:
            if not all(self._verdict(answer, right) for right in RIGHT_KLS):
                return (
                    "It refuses a right KL. Do you compare with a tolerance? Programs that are right round "
                    "differently in the last digits."
                )
            for description, wrong in WRONG_KLS.items():
                if self._verdict(answer, wrong):
                    return f"It lets a wrong KL pass: {description}"
            return next(filter(None, (self._shape(answer, *pair) for pair in WRONG_SHAPES.items())), None)
        except Unusable as error:
            return str(error)

    @staticmethod
    def _verdict(answer: Callable, kl: Callable) -> bool:
        """What the learner's test says of a KL: True or False, in one of the types that they may have."""
        value = call(answer, [kl])
        single = isinstance(value, Tensor) and value.dtype == torch.bool and value.numel() == 1
        if not single and not isinstance(value, bool | np.bool_):
            raise Unusable(f"It returns {kind_of(value)}, where True or False is wanted.")
        return bool(value)

    def _shape(self, answer: Callable, description: str, wrong: Callable) -> str | None:
        """Is a KL of a wrong shape refused, without an error?"""
        try:
            passes = self._verdict(answer, wrong)
        except Unusable as error:
            return f"For a KL of another shape, {description}, it should return False. {error}"
        return f"It lets a wrong KL pass: {description}." if passes else None


@dataclass(frozen=True)
class Codes(Exercise):
    """Codes of `diagnose`, in any order.

    Attributes:
        right: right code -> the message where it is missing.
        wrong: wrong code -> what speaks against it; other wrong codes get a general message.
    """

    right: dict[str, str]
    wrong: dict[str, str]

    def examine(self, answer: object) -> str | None:
        if answer is None or answer is ...:
            raise NotAttempted
        given = list(answer) if isinstance(answer, Iterable) and not isinstance(answer, str) else [answer]
        if not all(isinstance(code, str) for code in given):
            return "The answer is a list of strings, the codes."
        if not any(given):
            raise NotAttempted
        for code in given:
            if code not in FINDINGS:
                return f"diagnose has no code {code!r}: copy them from what it prints."
            if code not in self.right:
                return self.wrong.get(code, f"{code} is not among what it finds.")
        missing = [message for code, message in self.right.items() if code not in given]
        return missing[0] if missing else None


def _draw_minus_charge(logvar):
    return 0.5 * (torch.exp(2 * logvar) - torch.exp(logvar) - logvar).sum(-1)


TWO_LEFT = "One of three mistakes is mended; two are left, one of them in what the cross-entropy is given."

EXERCISES = {
    "9.1": Choice(
        right="c",
        wrong={
            "a": "With all logits 0 each pixel costs ln 2; does the mean of D such costs equal their sum?",
            "b": "Put μ = 0 and ln σ² = 0 into the KL without its −1: is it 0 there?",
            "d": "What does a sigmoid make of a logit of 0? That is what the second sigmoid gets.",
        },
    ),
    "9.2": Numbers(
        right=lambda: {"β of program A": 784 / 20, "β of program B": 1 / 128},
        mistakes=lambda: {
            "The fraction is upside down in A: by (7.6) β = b/a.": {"β of program A": 20 / 784},
            "The fraction is upside down in B: by (7.6) β = b/a.": {"β of program B": 128.0},
            "In A, the KL is averaged as well: over its 20 dimensions.": {"β of program A": 784.0},
            "In A, the cross-entropy is averaged as well: over its 784 pixels.": {"β of program A": 1 / 20},
            "In A, both factors are below 1, and β is their ratio, not their product.": {
                "β of program A": 1 / (784 * 20)
            },
            "In B, one term is a sum over the images and the other a mean.": {"β of program B": 1.0},
            "In B, no term is averaged over the pixels.": {"β of program B": 784 / 128},
        },
    ),
    "9.3": replace(
        chapter_8.EXERCISES["8.3"],
        name="mended_loss",
        mistakes=chapter_8.EXERCISES["8.3"].mistakes
        | {
            "That is the loss as it was: three mistakes are left.": _half_mended(),
            f"{TWO_LEFT} The KL is right.": _half_mended(latents=False),
            f"{TWO_LEFT} The pixels are summed.": _half_mended(pixels=False),
        },
    ),
    "9.4": Sample(),
    "9.5": Function(
        name="discount",
        inputs={"logvar": lambda d: d.logvar()},
        reference=_draw_minus_charge,
        gradient=("logvar",),
        mistakes={
            "That is what the program charges, at μ = 0; it is to be subtracted from what belongs to the draw.": (
                lambda t: _kl(0 * t, t)
            ),
            "That is what belongs to the draw, at μ = 0; what the program charges is to be subtracted.": (
                lambda t: _kl(0 * t, 2 * t)
            ),
            "The logarithms in the two KL do not cancel: the two variances differ.": lambda t: (
                0.5 * (torch.exp(2 * t) - torch.exp(t)).sum(-1)
            ),
            "The sign of the logarithm is wrong: (4.5) has minus ln σ².": lambda t: (
                0.5 * (torch.exp(2 * t) - torch.exp(t) + t).sum(-1)
            ),
            "The variances are missing; there are only logarithms left.": lambda t: -0.5 * t.sum(-1),
        },
        hint="(4.5), once for each of the two variances",
    ),
    "9.6": KLTester(),
    "9.7": Codes(
        right={
            "frozen_noise": "Something is missing from the list: look at the draw again.",
            "kl_mean_over_latents": "Something is missing from the list: look at the KL term again.",
        },
        wrong={
            "sigma_is_exp_logvar": "Which reading of the second output has the KL term here? Is it that of the draw?",
            "sigma_mismatch": "Which reading of the second output has the KL term here? Is it that of the draw?",
            "batch_sums_differ": "Over the images of the batch, are not both terms sums?",
            "beta": "The weight is wrong, that is true, and it has a more exact name: which factor is it?",
            "kl_formula": "Put σ = exp(s) into (4.5), and compare its slopes with those of the program.",
        },
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "9.1": "The KL term is 0 where μ = 0 and σ = 1, and twice 0 is 0: a test sees a wrong factor only at a point where "
    "what it multiplies differs from 0.",
    "9.2": "In A both means divide, by D and by J, so β = D/J; in B only the KL is divided by B, so β = 1/B and changes "
    "with the batch size.",
    "9.3": "Pixels and latent dimensions are summed, images averaged, and the cross-entropy with logits applies the "
    "only sigmoid; the sign of the KL looked suspicious and was right.",
    "9.4": "Each image has noise of its own, σ is the exponential of half the logarithm of the variance, and the "
    "gradient passes through the draw to both outputs of the encoder.",
    "9.5": "The draw has the variance e^(2t), the KL term is charged for e^t, and the difference is positive for every "
    "t but 0: the loss that is reported is too small.",
    "9.6": "It compares with something independent, at values of both signs and at sizes that differ, and it tolerates "
    "rounding and nothing else.",
    "9.7": "A seed inside the step repeats the same ε for every batch, and sum(0).mean() averages over the latent "
    "dimensions; the other two lines agree with each other or scale the whole loss.",
}
