"""Compares the factors of the two terms: is the weight of the KL term right? If not, which sum is a mean?"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.probe import Observation, Probe
from vae_lib.diagnosis.terms import WITH_A_SCALE, KLTerm, ReconstructionTerm, fit, kl_of

MARGIN = 0.02  # how far a factor may be from the one it is taken for, relative
MARGIN_OF_VALUE = 1e-4  # how far the loss may be from the sum of its two terms, relative


@dataclass
class Averages:
    """Which sums of the loss are means, and the factors of the two terms for one image."""

    nll_over_batch: bool
    kl_over_batch: bool
    kl_over_latents: bool
    factor_of_nll: float
    factor_of_kl: float


def wrong_weights(
    probe: Probe, seen: Observation, reconstruction: ReconstructionTerm, kl: KLTerm, beta: float
) -> tuple[float | None, list[Fault]]:
    """b/a, and which sums became means if it is not β. b/a is None where the likelihood hides a scale."""
    a, b, name = reconstruction.weight, kl.weight, reconstruction.likelihood
    ratio, known = abs(b / a) / beta, name not in WITH_A_SCALE
    near = functools.partial(_near, margin=max(MARGIN, seen.tolerance))
    if known and near(ratio, 1):
        return b / a, []
    averages = _averages(probe, seen, a, b, near)
    D, J, count = probe.D, probe.J, len(probe.x)
    found = f"{averages.factor_of_nll:.3g} before −log p(x|z) and {averages.factor_of_kl:.3g} before the KL"
    # Code -> the factor by which it changes the weight; and what to say of it, where that is not `found`.
    causes, words = {}, {}
    if D > 1 and near(averages.factor_of_nll * D, 1, 2):
        wide = "" if known else _too_wide(reconstruction, ratio)
        # With a scale, a mean may be a choice; or the whole loss may be per pixel, which changes nothing.
        if known or (wide and not near(averages.factor_of_kl * D, 1)):
            causes["pixel_mean"] = D
            words["pixel_mean"] = (found,) if known else (f"{found}: {wide}", WITH_A_SCALE[name][2])
    if J > 1 and averages.kl_over_latents:
        causes["kl_mean_over_latents"] = 1 / J
    if averages.nll_over_batch != averages.kl_over_batch:
        terms = ("−log p(x|z)", "the KL")
        mean, total = terms if averages.nll_over_batch else terms[::-1]
        causes["batch_sums_differ"] = count if averages.nll_over_batch else 1 / count
        words["batch_sums_differ"] = (f"{mean} averaged over B = {count}, {total} summed",)

    def faults(codes: Iterable[str]) -> list[Fault]:
        return [Fault(code, *words.get(code, (found,))) for code in codes]

    if not known:
        return None, faults(causes)
    causes |= {"kl_without_half": 2, "kl_half_twice": 0.5}
    for size in range(1, len(causes)):
        for codes in itertools.combinations(causes, size):
            if near(ratio, math.prod(causes[code] for code in codes)):
                return b / a, faults(codes)
    return b / a, [Fault("beta", f"β = {abs(b / a):.3g}: {found}")]


def _near(value: float, *wanted: float, margin: float) -> bool:
    """Is `value` one of these, up to the margin?"""
    return any(abs(value / one - 1) < margin for one in wanted)


def _averages(probe: Probe, seen: Observation, a: float, b: float, near: Callable[..., bool]) -> Averages:
    """Finds which sums are means: their gradients are halved when everything in them stands there twice."""
    count, J = len(probe.x), probe.J
    twice = probe.observe(rows=2).gradients
    nll_over_batch, kl_over_batch = (
        near(fit(twice[part][:count], seen.gradients[part])[0], 0.5) for part in (2, 0)
    )
    of_nll = abs(a) * (count if nll_over_batch else 1)
    of_kl = abs(b) * (count if kl_over_batch else 1)
    try:
        in_mu = probe.observe(columns=2).gradients[0][:, : seen.mu.shape[1]]
        kl_over_latents = near(fit(in_mu, seen.gradients[0])[0], 0.5)
    except Exception:  # the step works for J latent dimensions only
        kl_over_latents = J > 1 and near(of_kl, 1 / J, 2 / J)
    return Averages(nll_over_batch, kl_over_batch, kl_over_latents, of_nll, of_kl)


def _too_wide(reconstruction: ReconstructionTerm, ratio: float) -> str:
    """Why the implied scale cannot have been chosen; empty if it can.

    The best σ² is the mean squared error (7.5), and the root mean square deviation of data from their mean is
    half their range at most (for a Laplace: the mean deviation from their median).
    """
    symbol, power, _ = WITH_A_SCALE[reconstruction.likelihood]
    low, high = (float(end) for end in torch.aminmax(reconstruction.target))
    scale, most = ratio**power, (high - low) / 2
    average = "root mean square" if power == 0.5 else "mean"
    wide = f"{symbol} = {scale:.3g}, where pixels from {low:.2f} to {high:.2f} deviate by {most:.2f} at most"
    wide += f", {average}"
    return wide if scale > most else ""


def implied_scale(reconstruction: ReconstructionTerm, b: float, beta: float) -> tuple[str, str]:
    """The likelihood with the scale that a weight of β implies, and what remains unchecked by that."""
    symbol, power, _ = WITH_A_SCALE[reconstruction.likelihood]
    ratio = abs(b / reconstruction.weight) / beta
    spread = reconstruction.target.std(correction=0).item()
    return (
        f"{reconstruction.likelihood}, {symbol} = {ratio**power:.3g} if β = {beta:g}",
        f"the weight of the KL term: it is a choice of {symbol}, see (7.6); "
        f"the pixels' own standard deviation is {spread:.3g}",
    )


def wrong_constant(seen: Observation, reconstruction: ReconstructionTerm, kl: KLTerm) -> list[Fault]:
    """Is the value of the loss that of its two terms, or is a constant missing?"""
    a, b = reconstruction.weight, kl.weight
    constant = seen.loss - a * reconstruction.value - b * kl_of(seen, kl.meaning).item()
    if not abs(constant) > MARGIN_OF_VALUE * abs(seen.loss):  # also where a value is NaN, not known
        return []
    half = seen.mu[0].numel() / 2
    return [Fault("loss_constant", f"{constant / a / len(seen.mu):+.3f} nats per image; J/2 is {half:g}")]
