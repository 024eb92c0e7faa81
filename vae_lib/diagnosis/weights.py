"""Compares the factors of the two terms: is the weight of the KL term right? If not, which sum is a mean?"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.probe import Observation, Probe, gradients
from vae_lib.diagnosis.reconstruction import WITH_A_SCALE, ReconstructionTerm
from vae_lib.diagnosis.terms import KLTerm, fit, kl_of

MARGIN = 0.02  # how far a factor may be from the one it is taken for, relative
ALIKE = 0.3  # the same for sizes of gradients that depend on z
MARGIN_OF_VALUE = 1e-4  # how far the loss may be from the sum of its two terms, relative
# A weight of 1 is the usual unit of a squared error; it is absurd only where σ is so many times the most that
# data in their range can deviate. Any other weight is, beyond that most.
MOST_OF_UNIT = 4.0
# σ below two grey levels of 256, and below a tenth of what J linear dimensions leave over, is absurdly
# narrow.
TWO_LEVELS, SHARE_OF_REST = 2 / 255, 0.1


@dataclass
class Averages:
    """Which sums of the loss are means, and the factors of the two terms for one image."""

    nll_over_batch: bool
    kl_over_batch: bool
    kl_over_latents: bool
    latents_averaged: int
    factor_of_nll: float
    factor_of_kl: float
    known: bool = True  # the step could be run with another number of images


@dataclass
class Weight:
    """What is known of the weight: β or None, the net ratio, the faults, and a sentence about it."""

    beta: float | None
    faults: list[Fault]
    words: str = ""
    scale: float | None = None  # the σ that is implied
    averages: Averages | None = None


def weight(
    probe: Probe, seen: Observation, reconstruction: ReconstructionTerm, kl: KLTerm, beta: float
) -> Weight:
    """The net weight of the KL term, and which sums became means if it is not β."""
    a, b, name = reconstruction.weight, kl.weight, reconstruction.likelihood
    ratio, known = abs(b / a) / beta, not reconstruction.with_a_scale
    margin = max(MARGIN, seen.tolerance)
    near = functools.partial(_near, margin=margin)
    averages = _averages(probe, seen, a, b, near)
    D, J, count = probe.D, probe.J, probe.batch.count
    found = f"{averages.factor_of_nll:.3g} before −log p(x|z) and {averages.factor_of_kl:.3g} before the KL"
    scale = None if known else ratio ** WITH_A_SCALE[name][1]
    words = _in_words(probe, reconstruction, ratio, beta, scale)
    mixed = averages.nll_over_batch != averages.kl_over_batch
    if known and near(ratio, 1) and not mixed:
        return Weight(b / a, [], words, averages=averages)
    # Code -> the factor by which it changes the weight; and what to say of it, where that is not `found`.
    causes: dict[str, float] = {}
    said: dict[str, tuple] = {}
    wide = "" if known else _too_wide(reconstruction, scale, averages)
    narrow = "" if known else _too_narrow(probe, reconstruction, scale, averages)
    per_pixel = D > 1 and near(averages.factor_of_nll * D, 1, 2)
    latents = averages.latents_averaged if averages.kl_over_latents else 1
    plain_kl = near(averages.factor_of_kl * latents / beta, 1, 2, 0.5)
    if per_pixel and (known or (wide and plain_kl)):
        # With a scale, a mean may be a choice; and beside a KL term with a factor, D is not the net one.
        causes["pixel_mean"] = D
        said["pixel_mean"] = (found,) if known else (f"{found}: {wide}", WITH_A_SCALE[name][2])
    n = averages.latents_averaged
    if averages.kl_over_latents and n > 1:
        all_ = n == J
        near_unit = near(averages.factor_of_nll, 1, 2)
        if all_ and (known or near_unit or wide or narrow):
            causes["kl_mean_over_latents"] = 1 / J
        elif not all_ and (known or near_unit or wide or narrow):
            causes["kl_mean_over_latents"] = 1 / n
            said["kl_mean_over_latents"] = (
                f"{found}: a mean over {n} of the J = {J}, so {n} times too little",
            )
    unit = near(averages.factor_of_nll, 1, 2)
    if D > 1 and near(averages.factor_of_kl * D, 1) and unit and D != n:
        causes["kl_mean_over_pixels"] = 1 / D
    if mixed:
        terms = ("−log p(x|z)", "the KL")
        mean, total = terms if averages.nll_over_batch else terms[::-1]
        divisor = _constant(averages, ratio if known else None, abs(a), abs(b), causes, near)
        if divisor and divisor not in (J, D):
            causes["constant_batch"] = (count if averages.nll_over_batch else 1 / count) / (
                divisor if averages.nll_over_batch else 1 / divisor
            )
            same = ", the size of this batch" if divisor == count else f", this batch has {count}"
            said["constant_batch"] = (f"{mean} averaged over the batch, {total} divided by {divisor}{same}",)
        else:
            causes["batch_sums_differ"] = count if averages.nll_over_batch else 1 / count
            also = [f"{letter} = {size}" for letter, size in (("J", J), ("D", D)) if divisor == size]
            how = f"divided by {divisor}, which is {also[0]} too" if divisor and also else "summed"
            said["batch_sums_differ"] = (f"{mean} averaged over B = {count}, {total} {how}",)

    def faults(codes: Iterable[str]) -> list[Fault]:
        return [Fault(code, *said.get(code, (found,))) for code in codes]

    if not known:
        right = WITH_A_SCALE[name][2]
        if wide and not any(factor > 1 for factor in causes.values()):
            causes["sigma_too_wide"], said["sigma_too_wide"] = 1, (f"{found}: {wide}", right)
        if narrow and not any(factor < 1 for factor in causes.values()):
            causes["sigma_too_narrow"], said["sigma_too_narrow"] = 1, (f"{found}: {narrow}", right)
        return Weight(None, faults(causes), words, scale, averages)
    if mixed:  # whatever the weight is today, another batch has another
        certain = [code for code in causes if code in ("constant_batch", "batch_sums_differ")]
        if near(ratio, 1) or (certain == ["constant_batch"] and near(ratio, causes["constant_batch"])):
            return Weight(b / a, faults(certain), words, averages=averages)
    if reconstruction.trained and near(ratio, 0.5):
        return Weight(b / a, [Fault("learned_scale", reconstruction.trained)], words, averages=averages)
    causes |= {"kl_without_half": 2, "kl_half_twice": 0.5}
    for size in range(1, len(causes)):
        for codes in itertools.combinations(causes, size):
            if near(ratio, math.prod(causes[code] for code in codes)):
                return Weight(b / a, faults(codes), words, averages=averages)
    certain = [code for code in causes if code in ("constant_batch", "batch_sums_differ")]
    if certain:
        return Weight(b / a, faults(certain), words, averages=averages)
    return Weight(b / a, [Fault("beta", f"β = {abs(b / a):.3g}: {found}")], words, averages=averages)


def _near(value: float, *wanted: float, margin: float) -> bool:
    """Is `value` one of these, up to the margin?"""
    return any(abs(value / one - 1) < margin for one in wanted)


def _constant(averages, ratio, a: float, b: float, causes: dict, near) -> int | None:
    """The whole number by which the term that is not averaged over the batch is divided, None where it
    is none.
    """
    whole, divided = (averages.factor_of_nll, b) if averages.nll_over_batch else (averages.factor_of_kl, a)
    for other in (1.0, *(1 / f for f in causes.values()), *causes.values()):
        number = whole / divided * other
        if 1.5 < number < 1e6 and near(number, round(number)) and abs(number - round(number)) < 1e-3 * number:
            return round(number)
    return None


def _averages(probe: Probe, seen: Observation, a: float, b: float, near: Callable[..., bool]) -> Averages:
    """Finds which sums are means: their gradients are halved when everything in them stands there twice."""
    count, J, rows = probe.batch.count, probe.J, len(seen.mu)
    known = True
    try:
        twice = probe.observe(rows=2)
        first_half = _first_half(probe, twice.gradients[2][0])
        of_nll = _norm_ratio(first_half, seen.gradients[2][0])
        if twice.random:  # z differs between the two: the sizes are compared, of twice as many numbers
            of_kl = _norm_ratio(twice.gradients[0], seen.gradients[0]) / math.sqrt(2)
        else:
            of_kl = _norm_ratio(twice.gradients[0][:rows], seen.gradients[0])
        alike = abs(of_kl / of_nll - 1) < (ALIKE if twice.random else MARGIN) if of_nll else False
        nll_over_batch = of_nll < 0.75 if alike else near(of_nll, 0.5)
        kl_over_batch = nll_over_batch if alike else near(of_kl, 0.5) or (twice.random and of_kl < 0.75)
    except Exception as error:  # the step takes this batch only
        probe.same_size_only = (
            probe.same_size_only
            or f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
        )
        known = False
        nll_over_batch = kl_over_batch = near(abs(a) * count, 1, 2, 1 / probe.D, 2 / probe.D)
    of_nll = abs(a) * (count if nll_over_batch else 1)
    of_kl = abs(b) * (count if kl_over_batch else 1)
    latents, n = False, J
    if seen.mu.ndim > 2:  # maps: which of the dimensions are averaged is seen from the factor
        channels, places = seen.mu.shape[1], J // seen.mu.shape[1]
        latents, n = next(
            ((True, size) for size in (J, places, channels) if size > 1 and near(of_kl, 1 / size, 2 / size)),
            (False, J),
        )
    else:
        try:
            in_mu = probe.observe(columns=2).gradients[0][:, : seen.mu.shape[1]]
            latents = (
                near(_norm_ratio(in_mu, seen.gradients[0]), 0.5)
                if not seen.random
                else J > 1 and near(of_kl, 1 / J)
            )
        except Exception:  # the step works for J latent dimensions only
            latents = J > 1 and near(of_kl, 1 / J, 2 / J)
    return Averages(nll_over_batch, kl_over_batch, latents, n, of_nll, of_kl, known)


def _norm_ratio(one: torch.Tensor, other: torch.Tensor) -> float:
    """The factor between two gradients at the same values."""
    return fit(one, other)[0] if one.numel() == other.numel() else (one.norm() / other.norm()).item()


def _first_half(probe: Probe, gradient: torch.Tensor) -> torch.Tensor:
    """Of the gradient for a batch that stands there twice, the part of the first half."""
    L, shape = probe.draws, gradient.shape
    if L == 1:
        return gradient[: shape[0] // 2]
    if not probe._z_leading:
        return gradient[: shape[0] // 2]
    parts = gradient.reshape(L, -1, *shape[1:]) if shape[0] != L else gradient
    half = parts[:, : parts.shape[1] // 2]
    return half if shape[0] == L else half.reshape(-1, *shape[1:])


# What a weight means


def _spread(reconstruction: ReconstructionTerm) -> tuple[float, float]:
    """The pixels' own standard deviation, and how far they can deviate at most: half their range."""
    low, high = (float(end) for end in torch.aminmax(reconstruction.target))
    return reconstruction.target.double().std(correction=0).item(), (high - low) / 2


def _in_words(
    probe: Probe, reconstruction: ReconstructionTerm, ratio: float, beta: float, scale: float | None
) -> str:
    """The net weight in a sentence, whatever factors it comes from."""
    if scale is None:
        if _near(ratio * beta, 1, margin=MARGIN):
            return "the KL term weighs what it does in the ELBO"
        return f"the KL term weighs {ratio * beta:.3g} times what it does in the ELBO"
    symbol, power, _ = WITH_A_SCALE[reconstruction.likelihood]
    spread, _ = _spread(reconstruction)
    fitting = (
        f"; for a {symbol} of that size the same loss has β = {ratio * beta / spread ** (1 / power):.3g}"
        if spread > 0
        else ""
    )
    return (
        f"it is a choice of {symbol}, see (7.6): here {symbol} = {scale:.3g} if β = {beta:g}; "
        f"the pixels' own standard deviation is {spread:.3g}{fitting}"
    )


def _is_unit(averages: Averages) -> bool:
    """Is it the usual (r − x)² or ½ (r − x)², beside a KL term with the factor 1?"""
    return _near(averages.factor_of_nll / averages.factor_of_kl, 1, 2, margin=MARGIN)


def _too_wide(reconstruction: ReconstructionTerm, scale: float, averages: Averages) -> str:
    """Why the implied scale cannot have been chosen; empty if it can.

    The best σ² is the mean squared error (7.5), and the root mean square deviation of data from their mean is
    half their range at most (for a Laplace: the mean deviation from their median).
    """
    symbol, power, _ = WITH_A_SCALE[reconstruction.likelihood]
    low, high = (float(end) for end in torch.aminmax(reconstruction.target))
    most = (high - low) / 2
    if not scale > most * (MOST_OF_UNIT if _is_unit(averages) else 1.0) * (1 + 1e-6) or most == 0:
        return ""
    average = "root mean square" if power == 0.5 else "mean"
    pixels = f"pixels from {low:.2f} to {high:.2f} deviate by {most:.2f} at most, {average}"
    return f"{symbol} = {scale:.3g}, where {pixels}"


def _too_narrow(probe: Probe, reconstruction: ReconstructionTerm, scale: float, averages: Averages) -> str:
    """Why the implied scale is narrower than any decoder with J dimensions could come to the images."""
    symbol, _, _ = WITH_A_SCALE[reconstruction.likelihood]
    x = reconstruction.target.reshape(len(reconstruction.target), -1).double()
    low, high = (float(end) for end in torch.aminmax(x))
    if not 0 < scale < TWO_LEVELS * (high - low) / (MOST_OF_UNIT if _is_unit(averages) else 1.0):
        return ""
    rest = x.std(correction=0).item()
    if len(x) > 2 * probe.J and x.numel() < 4e6:
        values = torch.linalg.svdvals(x - x.mean(0))[probe.J :]
        rest = math.sqrt((values**2).sum().item() / x.numel())
    if scale >= SHARE_OF_REST * rest:
        return ""
    return (
        f"{symbol} = {scale:.3g}, where {probe.J} linear dimensions leave a root mean square of {rest:.3g} "
        f"of pixels from {low:.2f} to {high:.2f}: the KL term weighs next to nothing"
    )


def wrong_constant(
    probe: Probe, seen: Observation, reconstruction: ReconstructionTerm, kl: KLTerm
) -> tuple[list[Fault], str]:
    """Is the value of the loss that of its two terms, or is a constant missing? And what else it has."""
    a, b = reconstruction.weight, kl.weight
    value = kl_of(seen.mu, seen.s, kl.meaning).sum().item()
    constant = seen.loss - a * reconstruction.value - b * value
    if not abs(constant) > (MARGIN_OF_VALUE if not probe.coarse else seen.tolerance) * abs(seen.loss):
        return [], ""  # also where a value is NaN, not known
    here = probe.gradients_at(seen.mu, seen.s, seen.params)[0].loss
    weights = [value for _, value in probe.parameters.values()]
    each = constant / a / len(seen.mu)
    if any(slope is not None and slope.any() for slope in gradients(here, weights)):
        return [], f"{each:+.3f} nats per image come from a term of the weights alone, such as an L2 penalty"
    half = seen.mu[0].numel() / 2
    return [Fault("loss_constant", f"{each:+.3f} nats per image; J/2 is {half:g}")], ""


# A scale that the program finds itself


@dataclass
class LearnedScale:
    """What is known of a scale that is trained or computed: the factor of −log p, a name, words, faults."""

    name: str
    words: str
    coefficient: float | None = None
    faults: list[Fault] = field(default_factory=list)
    doubled: str = ""  # what is said if it comes out at half the weight


def learned_scale(probe: Probe, seen: Observation, term: ReconstructionTerm) -> LearnedScale | None:
    """Does the scale of a squared or absolute error change: with a parameter, or with the error itself?

    The loss is c Σ (w e + τ), where e is ½ (r − x)² and w = 1/σ², or |r − x| and 1/scale. In a parameter of
    w, its derivative for two e shows c w' and c τ'; the right τ is −½ ln w, or −ln w.
    """
    if term.likelihood not in ("Gaussian", "Laplace") or probe.draws > 1:
        return None
    r, target = (
        seen.params[0].detach(),
        probe.target(term.target, seen.params[0]).reshape(seen.params[0].shape),
    )
    wide = [(target + 2 * (r - target)).requires_grad_()]
    parameters = [p for _, p in probe.parameters.values() if p.requires_grad]
    losses = [probe.gradients_at(seen.mu, seen.s, params)[0].loss for params in (seen.params, wide)]
    slopes = [gradients(loss, parameters) for loss in losses]
    scales = [
        number for number, pair in enumerate(zip(*slopes, strict=True))
        if pair[0] is not None and pair[1] is not None and not torch.allclose(*pair, rtol=1e-4, atol=1e-12)
    ]  # fmt: skip
    power = 2 if term.likelihood == "Gaussian" else 1
    errors = [((one - target).abs() ** power / power).double().sum().item() for one in (r, wide[0].detach())]
    count = r.numel()
    if not scales:
        return _of_the_error(probe, seen, term, wide, errors, count)
    totals = [sum(pair[number].double().sum().item() for number in scales) for pair in slopes]
    slope = (totals[1] - totals[0]) / (errors[1] - errors[0])
    rest = totals[0] - slope * errors[0]
    names = ", ".join(
        name for key, (name, p) in probe.parameters.items() if any(p is parameters[n] for n in scales)
    )
    name, what = f"{term.likelihood} with a learned scale", f"the scale is learned ({names})"
    if abs(rest) < 1e-4 * abs(slope * errors[0]):
        found = "the derivative in the scale is never 0: ln σ is missing, so σ grows without end"
        return LearnedScale(name, what, None, [Fault("learned_scale", found)])
    coefficient = -power * rest * term.weight / (count * slope)
    if coefficient <= 0:
        found = "ln σ has the wrong sign: the scale runs away"
        return LearnedScale(name, what, None, [Fault("learned_scale", found)])
    scale = (coefficient / term.weight) ** (1 / power)
    trained = f"ln σ weighs twice what it should: σ, and not σ², settles at the squared error ({names})"
    return LearnedScale(name, f"{what}: now {scale:.3g}", coefficient, doubled=trained)


def _of_the_error(probe, seen, term, wide, errors: list[float], count: int) -> LearnedScale | None:
    """Is the scale computed from the error of the batch?"""
    gradient = probe.gradients_at(seen.mu, seen.s, wide)[1][2][0]
    before = seen.gradients[2][0]
    factor = fit(gradient, before)[0] / (
        2 if term.likelihood == "Gaussian" else 1
    )  # the new factor, relative
    if abs(factor - 1) < 0.01:
        return None
    if abs(factor * errors[1] / errors[0] - 1) < 0.02:
        coefficient = term.weight * errors[0] * (2 if term.likelihood == "Gaussian" else 1) / count
        return LearnedScale(
            f"{term.likelihood} with the scale of the batch's own error",
            "the scale is computed from the error",
            coefficient,
        )
    words = "the weight of the reconstruction term depends on its own error"
    return LearnedScale(term.likelihood, words, None, [Fault("other_objective", words)])
