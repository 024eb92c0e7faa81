"""Finds the reconstruction term in the loss by its gradient in params: the factor a, and the likelihood.

Params is what the decoder returned: one tensor, or a mean and a scale, or the logits of classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_lib.diagnosis import adapt
from vae_lib.diagnosis.findings import NLL_LINE, Fault
from vae_lib.diagnosis.probe import Observation, Probe, gradients
from vae_lib.diagnosis.terms import SHARE_THAT_MOVES, SIGMA_OF, fit, log_ratio
from vae_lib.likelihoods import ContinuousBernoulli

# Minus the log-likelihood of each pixel x, as a function of what decode returns, r.
NLL_OF: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Bernoulli of logits": lambda r, x: F.softplus(r) - x * r,
    "Bernoulli of probabilities": lambda r, x: -x * torch.log(r) - (1 - x) * torch.log1p(-r),
    "continuous Bernoulli": lambda r, x: -ContinuousBernoulli()._log_prob(x[..., None], r[..., None]),
    "Gaussian": lambda r, x: 0.5 * (r - x) ** 2,
    "Gaussian of a sigmoid": lambda r, x: 0.5 * (torch.sigmoid(r) - x) ** 2,
    "Gaussian of a tanh": lambda r, x: 0.5 * (torch.tanh(r) - x) ** 2,
    "Laplace": lambda r, x: (r - x).abs(),
    "Laplace of a sigmoid": lambda r, x: (torch.sigmoid(r) - x).abs(),
    "log-cosh": lambda r, x: F.softplus(2 * (r - x)) - (r - x),
    "Huber": lambda r, x: F.smooth_l1_loss(r, x, reduction="none"),
    "Poisson of log-rates": lambda r, x: torch.exp(r) - x * r,
    "Poisson of rates": lambda r, x: r - x * torch.log(r),
    "Bernoulli of a sigmoid": lambda r, x: F.softplus(torch.sigmoid(r)) - x * torch.sigmoid(r),
}
COUNTS = ("Poisson of log-rates", "Poisson of rates")
TAKE_LOGITS = ("Bernoulli of logits", "continuous Bernoulli", "Bernoulli of a sigmoid")
# The scale of these is hidden in the weight of the KL term. Its name, the power of the ratio KL :
# reconstruction that it is, and a right line.
WITH_A_SCALE = {
    "Gaussian": ("σ", 0.5, "nll = ((params - x) / sigma).pow(2).sum() / (2 * len(x))"),
    "Gaussian of a sigmoid": ("σ", 0.5, "nll = ((params.sigmoid() - x) / sigma).pow(2).sum() / (2 * len(x))"),
    "Gaussian of a tanh": ("σ", 0.5, "nll = ((params.tanh() - x) / sigma).pow(2).sum() / (2 * len(x))"),
    "Laplace": ("scale", 1, "nll = (params - x).abs().sum() / scale / len(x)"),
    "Laplace of a sigmoid": ("scale", 1, "nll = (params.sigmoid() - x).abs().sum() / scale / len(x)"),
    "log-cosh": ("scale", 1, "nll = torch.log(torch.cosh(params - x)).sum() / scale / len(x)"),
    "Huber": ("scale", 1, 'nll = F.smooth_l1_loss(params, x, reduction="sum") / scale / len(x)'),
}
# What these functions compute where params and x stand in each other's place, up to terms without r.
SWAPPED = {
    "binary_cross_entropy_with_logits": lambda r, x: -r * x,
    "binary_cross_entropy": lambda r, x: -r * torch.logit(x),
}
BYTES_FROM = 1.5  # data above this may be bytes, which the loss itself divides by 255
SOME = 0.02  # share of the pixels that a mask leaves out, or in, at least
LEAST_COUNTS = 6  # images from which on a dispersion of each column is told from the rest
# What programs add to a scale so that it is not 0; looked for where a scale nearly fits.
FLOORS, NEARLY = (1e-4, 1e-3, 1e-2), 0.1
SAME_FACTOR = 0.01  # how far the factors of single rows may be from each other, relative


@dataclass
class ReconstructionTerm:
    """The reconstruction term: its factor a and its likelihood, each None where it is not known.

    `target` are the pixels that it compares params with, `value` is Σ −log p(x|z), NaN where it is not known.
    `unchecked` says what could not be checked, and why. `weights`, (L, B), are those of the draws, where they
    are not all the same; `scale` is the σ that is part of the program, `trained` how it is found.
    """

    weight: float | None = None
    likelihood: str | None = None
    faults: list[Fault] = field(default_factory=list)
    target: Tensor | None = None
    value: float = math.nan
    unchecked: str = ""
    weights: Tensor | None = None
    trained: str = ""
    remark: str = ""

    @property
    def with_a_scale(self) -> bool:
        """Is the scale hidden in the weight?"""
        return self.likelihood in WITH_A_SCALE and not self.trained


@dataclass
class Fit:
    """One likelihood whose gradient was compared."""

    name: str
    factor: float
    error: float
    target: Tensor
    value: float = math.nan
    weights: Tensor | None = None
    share: float = 1.0  # of the pixels that get a gradient


def reconstruction_term(
    probe: Probe, seen: Observation, likelihood: nn.Module | None = None
) -> ReconstructionTerm:
    """Finds the reconstruction term by the gradient of the loss in params; `likelihood` is the one wanted."""
    gradient = torch.cat([part.flatten() for part in seen.gradients[2]])
    if not gradient.any():
        return ReconstructionTerm(faults=[Fault("no_reconstruction", "the same loss for other params")])
    if not gradient.isfinite().any():
        return ReconstructionTerm(faults=[Fault("not_finite", "infinite slopes in params")])
    x = probe.x.to(**probe.like)
    best = _nearest(probe, seen, x, likelihood)
    if probe.rows_per_image > 1 and (best is None or best.error > seen.tolerance):
        probe._interleaved = False
        best = _nearest(probe, seen, x, likelihood)
    if best is None or best.error > seen.tolerance:
        best = _other_target(probe, seen, x) or best
    if best is None or best.error > seen.tolerance:
        return ReconstructionTerm(
            faults=_wrong_target(probe, seen), unchecked=_unknown(probe, seen, likelihood)
        )
    if best.name in SWAPPED:
        return ReconstructionTerm(
            faults=[Fault("arguments_swapped", f"the gradient of {best.name}(x, params)")]
        )
    faults = _faults_of_likelihood(probe, best, likelihood is not None)
    # Of L draws with equal weights, each row has an L-th of the factor.
    draws = probe.draws if best.weights is None else 1
    remark = f"{100 * (1 - best.share):.0f} % of the pixels get no gradient, as under a mask"
    remark = remark if best.share < 1 else ""
    value = math.nan if best.name in WITH_A_SCALE else best.value / draws
    return ReconstructionTerm(
        best.factor * draws, best.name, faults, best.target, value, weights=best.weights, remark=remark
    )


def _unknown(probe: Probe, seen: Observation, likelihood: nn.Module | None) -> str:
    """What is said where no likelihood fits: what was seen, and what to pass."""
    shapes = " and ".join(str(tuple(part.shape)) for part in seen.params)
    if likelihood is None:
        return (
            "the reconstruction: its gradient is that of no likelihood known here; name the one that is "
            "meant with likelihood=, a module whose log_prob(x, params) returns log p(x|z) of each image, "
            f"where params is what the decoder returns, {shapes}"
        )
    name = type(likelihood).__name__
    return (
        f"the reconstruction: its gradient is neither that of {name} nor of another likelihood known here; "
        f"{name}.log_prob(x, params) was asked with what the decoder returns, {shapes}"
    )


# The likelihoods, one after the other


def _nearest(probe: Probe, seen: Observation, x: Tensor, likelihood: nn.Module | None) -> Fit | None:
    """The −log p whose gradient is nearest to that of the loss; one that is wanted comes first if it fits."""
    if likelihood is not None:
        wanted = _wanted(probe, seen, x, likelihood)
        if wanted is not None and wanted.error < seen.tolerance:
            return wanted
    fits: list[Fit] = []
    targets = (x, x / 255) if x.max() > BYTES_FROM else (x,)
    if 0 <= x.min() and x.max() <= 1 and ((x > 0) & (x < 1)).any():
        targets = (*targets, (x > 0.5).to(x.dtype))  # made binary by the step
    first, D = seen.params[0], probe.D
    for number, target in enumerate(targets):
        flat = probe.target(target, first)
        if len(seen.params) == 1 and first.numel() == flat.numel():
            fits += _of_one_tensor(
                probe, seen, flat.reshape(-1, D), target, divided=number > 0 and x.max() > BYTES_FROM
            )
        elif (
            first.numel() == flat.numel() and len(seen.params) == 2 and seen.params[1].numel() == flat.numel()
        ):
            fits += _of_two(seen, flat, target, [(0, 1), (1, 0)])
        elif len(seen.params) == 1 and first.numel() == 2 * flat.numel():
            fits += _of_two(seen, flat, target, [1, -1])
        if len(seen.params) == 1 and first.numel() > flat.numel() and first.numel() % flat.numel() == 0:
            fits += _of_classes(seen, flat, target, first.numel() // flat.numel())
    if len(seen.params) == 1 and first.numel() == x.numel():
        fits += _of_shares(seen, x) + _of_counts(probe, seen, x)
    if len(seen.params) == 1 and not any(one.error < seen.tolerance for one in fits):
        fits += _of_tokens(probe, seen, x)
    return min(fits, key=lambda one: one.error, default=None)


def _wanted(probe: Probe, seen: Observation, x: Tensor, likelihood: nn.Module) -> Fit | None:
    """The likelihood of the caller, asked with flat images, then with images and params as they are."""
    first = seen.params[0]
    flat = probe.target(x, first)
    asked = (
        [(flat, first.reshape(len(flat), -1))]
        if len(seen.params) == 1 and first.numel() % len(flat) == 0
        else []
    )
    shaped = x if probe.draws == probe.rows_per_image == 1 else flat.reshape(-1, *x.shape[1:])
    whole = seen.params[0] if len(seen.params) == 1 else tuple(seen.params)
    asked += [(shaped, whole), (flat, whole)]
    for data, params in asked:
        try:
            value = -likelihood.log_prob(data, params).sum()
            slopes = gradients(value, seen.params)
        except Exception:  # it does not take these shapes
            continue
        if any(slope is None for slope in slopes):
            continue
        factor, error = fit(
            *(torch.cat([p.flatten() for p in parts]) for parts in (seen.gradients[2], slopes))
        )
        if error < seen.tolerance:
            return Fit(f"{type(likelihood).__name__}, as wanted", factor, error, x)
    return None


def _of_one_tensor(probe: Probe, seen: Observation, flat: Tensor, target: Tensor, divided: bool) -> list[Fit]:
    """One number from the decoder for each pixel."""
    fits = []
    gradient, rows = seen.gradients[2][0], len(flat)
    r = seen.params[0].reshape(rows, -1)
    for name, nll in (NLL_OF | SWAPPED).items():
        if name == "Bernoulli of probabilities" and not probe.ends_in_sigmoid:
            continue
        if name == "Poisson of rates" and not (probe.decode_range[0] >= 0 and (r > 0).all()):
            continue
        if divided and name in COUNTS:
            continue
        value = nll(r, flat).sum()
        slope = gradients(value, [seen.params[0]])[0]
        fits.append(Fit(name, *fit(gradient, slope), target, value.item()))
        if probe.draws * probe.rows_per_image > 1 and fits[-1].error > seen.tolerance:
            weighted = _weighted(probe, gradient.reshape(rows, -1), slope.reshape(rows, -1), seen.tolerance)
            if weighted is not None:
                fits[-1] = Fit(name, weighted[1], 0.0, target, math.nan, weighted[0])
        live = (gradient != 0).reshape(slope.shape)
        share = live.double().mean().item()
        if fits[-1].error > seen.tolerance and SOME < share < 1 - SOME and name not in SWAPPED:
            factor, error = fit(gradient.reshape(slope.shape)[live], slope[live])  # a mask leaves pixels out
            fits.append(Fit(name, factor, error, target, share=share))
    return fits


def _weighted(probe: Probe, gradient: Tensor, slope: Tensor, tolerance: float) -> tuple[Tensor, float] | None:
    """The weights of the draws, (L, B), where each row has its own, and the factor of all of them
    together.
    """
    factors = (gradient * slope).sum(1) / (slope * slope).sum(1).clamp_min(1e-30)
    error = (gradient - factors[:, None] * slope).norm() / gradient.norm()
    if not error < tolerance:
        return None
    by_draw = _by_draw(probe, factors)
    total = by_draw.sum(0)
    if (by_draw < 0).any() or total.std(correction=0) > SAME_FACTOR * total.mean():
        return None
    return by_draw / total, total.mean().item()


def _by_draw(probe: Probe, rows: Tensor) -> Tensor:
    """Numbers of the rows of params as (L, B), where L counts the rows of an image, however they come
    about.
    """
    if probe.rows_per_image > 1:
        k = probe.rows_per_image
        return rows.reshape(-1, k).T if probe._interleaved else rows.reshape(k, -1)
    return rows.reshape(probe.draws, -1) if probe._z_leading else rows.reshape(-1, probe.draws).T


def _of_two(seen: Observation, flat: Tensor, target: Tensor, ways: list) -> list[Fit]:
    """A mean and a scale for each pixel: from two tensors, or from halves of one along a dimension."""
    fits = _of_two_with(seen, flat, target, ways, 0.0)
    nearest = min((one.error for one in fits), default=math.inf)
    for floor in FLOORS if seen.tolerance < nearest < NEARLY else ():
        fits += _of_two_with(seen, flat, target, ways, floor)
    return fits


def _of_two_with(seen: Observation, flat: Tensor, target: Tensor, ways: list, floor: float) -> list[Fit]:
    """The same, where the program adds this floor to its scale."""
    fits = []
    gradient = torch.cat([part.flatten() for part in seen.gradients[2]])
    counted = bool(flat.min() >= 0 and flat.max() >= 2 and (flat == flat.round()).all())
    kinds = OF_TWO | (COUNTS_OF_TWO if counted else {})
    for way in ways:
        if isinstance(way, tuple):
            r, v = (seen.params[number].reshape(len(flat), -1) for number in way)
        else:
            if seen.params[0].shape[way] % 2:
                continue
            r, v = (part.reshape(len(flat), -1) for part in seen.params[0].chunk(2, way))
        for meaning, sigma_of in SIGMA_OF.items():
            if meaning in ("σ", "σ²") and not (v > 0).all():
                continue
            for kind, nll in kinds.items():
                if kind.endswith(" of rates") and not (r > 0).all():
                    continue
                value = nll(r, flat, sigma_of(v) + floor).sum()
                slopes = gradients(value, seen.params)
                if any(slope is None for slope in slopes):
                    continue
                slope = torch.cat([part.flatten() for part in slopes])
                scale = next((word for key, word in SCALES.items() if kind.startswith(key)), "scale")
                fits.append(
                    Fit(f"{kind} with a {scale} for each pixel", *fit(gradient, slope), target, math.nan)
                )
    return fits


def _discretized(r: Tensor, t: Tensor, w: Tensor) -> Tensor:
    """Minus the log-probability of a pixel's bin of width 1/255 or, for x in [−1, 1], 2/255."""
    half = (0.5 if t.min() >= 0 else 1.0) / 255
    low, high = t.min(), t.max()
    upper, lower = (t - r + half) / w, (t - r - half) / w
    inside = torch.log((torch.sigmoid(upper) - torch.sigmoid(lower)).clamp_min(1e-12))
    return -torch.where(
        t <= low + 1e-6, F.logsigmoid(upper), torch.where(t >= high - 1e-6, -F.softplus(lower), inside)
    )


def _of_classes(seen: Observation, flat: Tensor, target: Tensor, K: int) -> list[Fit]:
    """Logits of K classes for each pixel: the gradient is a (softmax − one-hot), along one of the
    dimensions.
    """
    fits = []
    gradient, logits = seen.gradients[2][0], seen.params[0]
    for dim in range(1, logits.ndim):
        if logits.shape[dim] != K:
            continue
        p = torch.softmax(logits.detach(), dim)
        hot = torch.zeros_like(p).scatter_(
            dim, (gradient / gradient.abs().max()).argmin(dim, keepdim=True), 1.0
        )
        factor, error = fit(gradient, p - hot)
        if factor < 0:
            hot = torch.zeros_like(p).scatter_(dim, gradient.argmax(dim, keepdim=True), 1.0)
            factor, error = fit(gradient, p - hot)
        classes = hot.argmax(dim).reshape(len(flat), -1).double()
        if error < seen.tolerance and not _increases(flat.double(), classes):
            continue  # the classes are not those of the same pixels
        fits.append(Fit(f"categorical over {K} values", factor, error, target))
    return fits


def _of_shares(seen: Observation, x: Tensor) -> list[Fit]:
    """Logits of classes along one of the dimensions, and x one-hot or counts: Σ −x ln softmax(params)."""
    fits = []
    if (x < 0).any():
        return fits
    one_hot = bool(((x == 0) | (x == 1)).all())
    for dim in range(1, seen.params[0].ndim):
        target = x.reshape(seen.params[0].shape)
        value = -(target * torch.log_softmax(seen.params[0], dim)).sum()
        slope = gradients(value, seen.params)[0]
        single = one_hot and bool((target.sum(dim) == 1).all())
        K = target.shape[dim]
        name = f"categorical over {K} values" if single else f"multinomial over {K} values"
        fits.append(Fit(name, *fit(seen.gradients[2][0], slope), x, value.item()))
    return fits


def _of_tokens(probe: Probe, seen: Observation, x: Tensor) -> list[Fit]:
    """Logits of K classes at each position, held against whole numbers of the batch, such as words.

    These may be another tensor than the one that goes in, or the same one position later. Positions without
    a gradient, as of padding, are left out.
    """
    gradient, logits = seen.gradients[2][0], seen.params[0]
    whole = [
        t.reshape(len(t), -1).to(logits.device)
        for _, t in adapt.leaves(probe.batch.rows(probe.batch.count))
        if t.ndim > 1 and len(t) == len(logits) and not t.is_floating_point()
    ]
    for dim in range(1, logits.ndim) if whole and logits.ndim > 2 else ():
        K = logits.shape[dim]
        live = (gradient != 0).any(dim)
        p = torch.softmax(logits.detach(), dim)
        nearest = (gradient / gradient.abs().max()).argmin(dim)
        hot = torch.zeros_like(p).scatter_(dim, nearest.unsqueeze(dim), 1.0) * live.unsqueeze(dim)
        factor, error = fit(gradient, (p - hot) * live.unsqueeze(dim))
        if not error < seen.tolerance:
            continue
        classes, live = nearest.reshape(len(logits), -1), live.reshape(len(logits), -1)
        n = classes.shape[1]
        for words in whole:
            for target in (words[:, :n], words[:, 1 : n + 1]):
                m = target.shape[1]
                if m >= n - 1 and not live[:, m:].any() and ((target == classes[:, :m]) | ~live[:, :m]).all():
                    return [Fit(f"categorical over {K} values", factor, error, x)]
    return []


def _of_counts(probe: Probe, seen: Observation, x: Tensor) -> list[Fit]:
    """A negative binomial whose rates, log-rates or logits are decoded, with a dispersion θ of each column.

    For a rate m its gradient g is a θ (m − x) / (m (θ + m)): so (m − x)/m is g times a linear function of m,
    with 1/a at m = 0 and a slope of each column. For logits l it is a (θ + x) sigmoid(l) − a x.
    """
    rows = x.reshape(len(x), -1).double()
    if len(rows) < LEAST_COUNTS or rows.min() < 0 or rows.max() < 2 or (rows != rows.round()).any():
        return []
    g = seen.gradients[2][0].detach().double().reshape(rows.shape)
    r = seen.params[0].detach().double().reshape(rows.shape)
    fits = []
    rates = [("negative binomial of log-rates", r.exp(), g / r.exp())]
    if probe.decode_range[0] >= 0 and (r > 0).all():
        rates.append(("negative binomial of rates", r, g))
    for name, m, slope in rates:
        inverse, of_column, error = _common((m - rows) / m, slope, slope * m)
        if inverse and (of_column / inverse > 0).all():
            fits.append(Fit(name, 1 / inverse, error, x))
    p = torch.sigmoid(r)
    factor, of_column, error = _common(g, -rows * (1 - p), p)
    if factor and (of_column / factor > 0).all():
        fits.append(Fit("negative binomial of logits", factor, error, x))
    return fits


def _common(y: Tensor, one: Tensor, other: Tensor) -> tuple[float, Tensor, float]:
    """The least squares of y = A one + S other, A for all, S for each column; and the relative error."""
    square = (other**2).sum(0).clamp_min(1e-300)
    rest = lambda v: v - (v * other).sum(0) / square * other  # noqa: E731
    a, b = rest(y), rest(one)
    A = ((a * b).sum() / (b**2).sum().clamp_min(1e-300)).item()
    S = ((y - A * one) * other).sum(0) / square
    return A, S, ((a - A * b).norm() / y.norm()).item()


def _increases(x: Tensor, classes: Tensor) -> bool:
    """Do the classes grow with the pixels, so that they are theirs?"""
    if x.shape != classes.shape:
        return False
    order = x.flatten().argsort(stable=True)
    sorted_x, sorted_classes = x.flatten()[order], classes.flatten()[order]
    falls = (sorted_classes.diff() < 0) & (sorted_x.diff() > 1e-6)
    return not falls.any()


def _other_target(probe: Probe, seen: Observation, x: Tensor) -> Fit | None:
    """Images that the step itself has scaled or made binary: the target that the gradient shows.

    Where the gradient is a (h(r) − t) for each pixel, two values of r show a and t.
    """
    if len(seen.params) != 1 or seen.params[0].numel() != len(x) * probe.D:
        return None
    r = seen.params[0].detach()
    other = (r + 0.5 * torch.ones_like(r) if not probe.ends_in_sigmoid else 0.5 * r + 0.2).requires_grad_()
    here, there = (
        seen.gradients[2][0].double(),
        probe.gradients_at(seen.mu, seen.s, [other])[1][2][0].double(),
    )
    r, r2, flat = r.double(), other.detach().double(), x.double().flatten()
    shapes = {
        "Gaussian": (lambda r: r, torch.ones_like),
        "Bernoulli of logits": (torch.sigmoid, torch.ones_like),
        "Bernoulli of probabilities": (lambda r: r, lambda r: r * (1 - r)),
    }
    for name, (h, inner) in shapes.items():
        if name == "Bernoulli of probabilities" and not probe.ends_in_sigmoid:
            continue
        a = ((there * inner(r2) - here * inner(r)) / (h(r2) - h(r))).flatten()
        if not (a > 0).all() or a.std() > SAME_FACTOR * a.mean():
            continue
        t = h(r).flatten() - (here * inner(r)).flatten() / a.mean()
        if _is_made_from(t, flat):
            t = t.round() if (t - t.round()).abs().max() < 1e-3 else t
            return Fit(name, a.mean().item(), 0.0, t.reshape(x.shape).to(x.dtype))
    return None


def _is_made_from(t: Tensor, x: Tensor) -> bool:
    """Is t = α x + β, or x made binary at a threshold or by chance?"""
    design = torch.stack([x, torch.ones_like(x)], 1)
    solved = torch.linalg.lstsq(design, t[:, None]).solution
    scale = (t.max() - t.min()).clamp_min(1e-12)
    if solved[0] > 0 and ((design @ solved)[:, 0] - t).abs().max() < 1e-3 * scale:
        return True
    binary = ((t - t.round()).abs() < 1e-3).all() and t.min() > -0.1 and t.max() < 1.1
    if not binary or x.std() == 0 or t.std() == 0:
        return False
    together = torch.corrcoef(torch.stack([x, t]))[0, 1]
    return bool(together > 0.4)


def _negative_binomial(m: Tensor, x: Tensor, theta: Tensor) -> Tensor:
    """Minus the log-probability of counts x, of a negative binomial with mean m and dispersion θ."""
    both = torch.log(theta + m)
    constant = torch.lgamma(theta) - torch.lgamma(x + theta)
    return constant + theta * (both - torch.log(theta)) + x * (both - torch.log(m))


# Minus the log-likelihood of x with two numbers for each pixel, r and the scale w.
OF_TWO = {
    "Gaussian": lambda r, t, w: torch.log(w) + 0.5 * ((r - t) / w) ** 2,
    "Laplace": lambda r, t, w: torch.log(w) + (r - t).abs() / w,
    "Gaussian of a sigmoid": lambda r, t, w: torch.log(w) + 0.5 * ((r.sigmoid() - t) / w) ** 2,
    "logistic": lambda r, t, w: torch.log(w) + F.softplus((t - r) / w) + F.softplus((r - t) / w),
    "discretized logistic": _discretized,
}
COUNTS_OF_TWO = {
    "negative binomial of rates": _negative_binomial,
    "negative binomial of log-rates": lambda r, t, w: _negative_binomial(r.exp(), t, w),
    "negative binomial of logits": lambda r, t, w: (
        torch.lgamma(w) - torch.lgamma(t + w) + w * F.softplus(r) + t * F.softplus(-r)
    ),
}
SCALES = {"Gaussian": "variance", "negative binomial": "dispersion"}


# What is wrong with it


def _faults_of_likelihood(probe: Probe, best: Fit, one_is_wanted: bool) -> list[Fault]:
    """What is wrong with a likelihood that was recognized, for these outputs of decode and these data."""
    faults, name, a, target = [], best.name, best.factor, best.target
    if a < 0:
        _, _, right = WITH_A_SCALE.get(name, (None, None, NLL_LINE))
        faults.append(Fault("reconstruction_sign", f"{a * len(target):.3g} times this", right))
    if name == "Bernoulli of a sigmoid":
        faults.append(Fault("sigmoid_twice", "the gradient of a loss of sigmoid(sigmoid(params))"))
    elif name in TAKE_LOGITS and probe.ends_in_sigmoid:
        seen = "decode ends in a sigmoid, and the loss takes its output for logits"
        faults.append(Fault("sigmoid_twice", seen))
    elif name in TAKE_LOGITS and probe.never_negative:
        faults.append(Fault("never_negative", "no negative number from decode, whatever its weights"))
    elif one_is_wanted and not name.endswith("as wanted"):
        faults.append(Fault("other_likelihood", f"that of {name}"))
    low, high = (float(end) for end in torch.aminmax(target))
    if "Bernoulli" in name and (low < 0 or high > 1):
        standardized = "x without its standardization, or another likelihood: " + WITH_A_SCALE["Gaussian"][2]
        right = standardized if low < 0 else None
        faults.append(Fault("data_outside_unit_interval", f"values from {low:g} to {high:g}", right))
    elif name in ("Gaussian", "Laplace", "log-cosh", "Huber") or (
        "for each pixel" in name and "sigmoid" not in name
    ):
        faults += _out_of_range(probe, low, high)
    return faults


def _out_of_range(probe: Probe, low: float, high: float) -> list[Fault]:
    """Can the decoder return what the images hold?"""
    least, most = probe.decode_range
    margin = 0.01 * (high - low)
    below, above = low < least - margin, high > most + margin
    if len(probe._params) > 1 or not (below or above):
        return []
    ends = f"{least:.3g} to {most:.3g}" if math.isfinite(most) and most < 1e3 else f"{least:.3g} and more"
    if below and not above and least > -0.01 and most > 1.1:
        ends = "0 and more"
    return [Fault("output_range", f"decode returns {ends}, the pixels run from {low:.3g} to {high:.3g}")]


def _wrong_target(probe: Probe, seen: Observation) -> list[Fault]:
    """Where no likelihood fits: is each prediction compared with another image or pixel than its own?

    One image or prediction is changed at a time: only the gradients of its own row may change. Then one pixel
    is changed in all images: only the gradients of this pixel may change.
    """
    if probe.draws > 1 or probe.rows_per_image > 1 or seen.random_params:
        return []
    x, last = probe.x, len(probe.x) - 1
    before = probe.gradients_at(seen.mu, seen.s, seen.params)[1][2]
    mirrored = (x.double().amin() + x.double().amax() - x.double()).to(x.dtype)

    def changed(x: Tensor, factor: Tensor | float) -> Tensor:
        params = [(value.detach() * factor).requires_grad_() for value in seen.params]
        after = probe.gradients_at(seen.mu, seen.s, params, x=x)[1][2]
        limit = max(SHARE_THAT_MOVES, seen.tolerance / 10 if probe.coarse else 0)
        moved = [(a - b).abs() > limit * b.abs().max() for a, b in zip(after, before, strict=True)]
        return torch.cat([one.reshape(len(x), -1) for one in moved], 1)

    for row in {0, last} if last else ():
        here = torch.arange(len(x), device=x.device) == row
        in_x = here.reshape(-1, *[1] * (x.ndim - 1))
        factors = 1 - 0.3 * here.reshape(-1, *[1] * (seen.params[0].ndim - 1)).to(**probe.like)
        same_rank = all(value.ndim == seen.params[0].ndim for value in seen.params)
        for what, there in (
            ("image", changed(torch.where(in_x, mirrored, x), 1.0)),
            ("prediction", changed(x, factors) if same_rank else torch.zeros(len(x), 1, dtype=torch.bool)),
        ):
            others = [i for i in there.any(1).nonzero().flatten().tolist() if i != row]
            if others and (what == "image" or not _only_a_factor(probe, seen, x, factors, row)):
                rows = f"row{'s' * (len(others) > 1)} {', '.join(map(str, others[:3]))}"
                more = " …" if len(others) > 3 else ""
                return [
                    Fault(
                        "wrong_target", f"another {what} in row {row} changes the gradients in {rows}{more}"
                    )
                ]
    if len(seen.params) > 1 or seen.params[0].numel() != x.numel():
        return []
    pixel = min(1, probe.D - 1)  # not a corner, which a transposed image keeps in its place
    here = (torch.arange(probe.D, device=x.device) == pixel).reshape(x[0].shape)
    there = changed(torch.where(here, mirrored, x), 1.0).any(0)
    if there.any() and not there[pixel]:
        other = int(there.nonzero()[0])
        return [
            Fault("wrong_target", f"pixel {pixel} of an image is held against the params of pixel {other}")
        ]
    return []


def _only_a_factor(probe: Probe, seen: Observation, x: Tensor, factors: Tensor, row: int) -> bool:
    """Does a prediction change the gradients of the others by one common factor only, as an adaptive
    weight does?
    """
    params = [(value.detach() * factors).requires_grad_() for value in seen.params]
    before, after = seen.gradients[2][0], probe.gradients_at(seen.mu, seen.s, params, x=x)[1][2][0]
    others = torch.arange(len(x), device=x.device) != row
    _, error = fit(after[others], before[others])
    return error < seen.tolerance


def bound_of_draws(probe: Probe, seen: Observation, term: ReconstructionTerm, meaning: str | None) -> str:
    """Are the weights of the draws those of an importance-weighted bound? Says what was compared."""
    if term.likelihood is None or term.likelihood not in NLL_OF or seen.z is None:
        return ""
    flat = probe.target(term.target, seen.params[0])
    nll = NLL_OF[term.likelihood](seen.params[0].reshape(len(flat), -1), flat).sum(1)
    mu, s = seen.mu.flatten(1), seen.s.flatten(1)
    for name in [meaning] if meaning else SIGMA_OF:
        ratio = log_ratio(mu, s, seen.z, name).sum(-1)
        ratio = ratio if probe.rows_per_image == 1 else _by_draw(probe, ratio.flatten())
        wanted = torch.softmax(-(_by_draw(probe, nll) + ratio), 0)
        if (wanted - term.weights).abs().max() < SAME_FACTOR:
            return name
    return ""
