"""Finds the KL term in the loss by its gradient in mu and s: the factor b, and the meaning of s in it.

The gradient is compared with that of a KL divergence to N(0, I), in closed form or estimated from z, for each
meaning that s may have. Where none fits, it is asked what else the term may be: a wrong formula, or another
aim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.probe import Observation, Probe, gradients

# What the encoder's second output s may mean, and σ as a function of it.
SIGMA_OF = {
    "ln σ²": lambda s: torch.exp(s / 2),
    "ln σ": torch.exp,
    "σ": lambda s: s,
    "σ²": torch.sqrt,
    "σ before a softplus": F.softplus,
}
# The s at which σ = 1.
S_OF_PRIOR = {
    "ln σ²": 0.0, "ln σ": 0.0, "σ": 1.0, "σ²": 1.0, "σ before a softplus": math.log(math.e - 1)
}  # fmt: skip
# The KL term is looked at again so near to the prior, relative to the first values, and so far from it; a KL
# term without free bits or capacity has the same weight there, up to the margin.
NEAR, FAR, MARGIN_NEAR = 0.1, 8.0, 0.02
SHARE_THAT_MOVES = 1e-5  # a gradient has changed if it moved by more than this share of the largest one
SAME_FACTOR = 0.01  # how far the factors of single elements may be from each other, relative


@dataclass
class KLTerm:
    """The KL term: its factor b and the meaning of s in it, each None where it is not known.

    `estimated` is whether it is a function of z. `aim` names what else the term pursues, in a few words; then
    its factor is no weight that could be compared. `open` says why the formula could not be checked.
    """

    weight: float | None = None
    meaning: str | None = None
    faults: list[Fault] = field(default_factory=list)
    estimated: bool = False
    aim: str = ""
    open: str = ""


def fit(gradient: Tensor, candidate: Tensor) -> tuple[float, float]:
    """The factor of `candidate` that comes nearest to `gradient`, and the relative error that remains."""
    gradient, candidate = gradient.flatten(), candidate.flatten()
    finite = gradient.isfinite()
    gradient, candidate = (value.detach()[finite].double() for value in (gradient, candidate))
    square = candidate @ candidate
    if not 0 < square < math.inf:
        return 0.0, math.inf
    factor = (gradient @ candidate) / square
    return factor.item(), ((gradient - factor * candidate).norm() / gradient.norm()).item()


def kl_of(mu: Tensor, s: Tensor, meaning: str) -> Tensor:
    """(4.5) for each latent dimension, for this meaning of s."""
    sigma = SIGMA_OF[meaning](s)
    return 0.5 * (mu**2 + sigma**2 - 2 * torch.log(sigma) - 1)


def log_ratio(mu: Tensor, s: Tensor, z: Tensor, meaning: str) -> Tensor:
    """log q(z|x) − log p(z) for each latent dimension, of which the KL divergence is the mean over z."""
    sigma = SIGMA_OF[meaning](s)
    return -torch.log(sigma) - 0.5 * ((z - mu) / sigma) ** 2 + 0.5 * z**2


def _fits(seen: Observation, weights: Tensor | None) -> dict[tuple[str, bool], tuple[float, float]]:
    """(meaning, estimated from z?) -> factor and error. `weights`, (L, B), are those of an importance
    bound.
    """
    gradient, inputs = torch.cat([g.flatten() for g in seen.gradients[:2]]), [seen.mu, seen.s]
    mu, s = seen.mu.flatten(1), seen.s.flatten(1)

    def factor(value: Tensor) -> tuple[float, float]:
        slopes = gradients(value, inputs)
        parts = [
            torch.zeros_like(one) if slope is None else slope
            for one, slope in zip(inputs, slopes, strict=True)
        ]
        return fit(gradient, torch.cat([part.flatten() for part in parts]))

    found = {}
    for meaning in SIGMA_OF:
        found[meaning, False] = factor(kl_of(mu, s, meaning).sum())
        if seen.random and seen.z is not None and seen.z.requires_grad:
            for of_q in ((mu, s), (mu.detach(), s.detach())):  # the second as in "sticking the landing"
                terms = log_ratio(*of_q, seen.z, meaning).sum(-1)
                share = 1 / len(seen.z) if weights is None else weights.to(terms).reshape(terms.shape)
                one = factor((terms * share).sum())
                found[meaning, True] = min(found.get((meaning, True), one), one, key=lambda pair: pair[1])
    return found


def kl_term(
    probe: Probe, seen: Observation, weights: Tensor | None = None, unit: float | None = None
) -> KLTerm:
    """Finds the KL term by the gradients of the loss in mu and s.

    `unit` is the factor of the reconstruction term, in which factors of the KL term are told.
    """
    unit = unit or 1 / len(seen.mu)
    in_mu, in_s, _ = seen.gradients
    if not in_mu.any() and not in_s.any():
        return KLTerm(faults=[_absent(probe, seen)])
    if probe.other_q:
        return _of_other_q(probe, seen, unit)
    fits = _fits(seen, weights)
    (meaning, estimated), (b, error) = min(fits.items(), key=lambda item: item[1][1])
    if error > seen.tolerance and probe.batch.count and (in_mu == 0).any():
        masked = _floored(seen, meaning)
        if masked is not None:
            return masked
    if error > seen.tolerance:
        return _unknown(probe, seen, weights, unit)
    if b < 0 or (weights is None and not estimated):
        aim = _capacity(probe, seen, b, meaning)
        if aim:
            return KLTerm(abs(b), meaning, [Fault("capacity", aim)], aim="a capacity")
    if b < 0:
        return KLTerm(b, meaning, [Fault("kl_sign", f"{b / unit:.3g} times these")], estimated)
    faults = [] if estimated else _near_the_prior(probe, seen, b, meaning)
    return KLTerm(b, meaning, faults, estimated)


# Meanings of the encoder's second output where q is a Gaussian with correlations: a matrix for each image.
FACTOR, COVARIANCE = "L of the covariance L Lᵀ", "the covariance"


def epsilon_of(noise: Tensor, s: Tensor, meaning: str) -> Tensor:
    """ε of z − μ = L ε, or of σ ε, (L, B, J)."""
    if meaning in SIGMA_OF:
        return noise / SIGMA_OF[meaning](s)
    L = s if meaning == FACTOR else torch.linalg.cholesky(s)
    return torch.linalg.solve_triangular(L, noise.movedim(0, -1), upper=False).movedim(-1, 0)


def kl_of_matrix(mu: Tensor, s: Tensor, meaning: str) -> Tensor:
    """The KL divergence to N(0, I) of a Gaussian with correlations, (B,)."""
    if meaning == FACTOR:
        trace, logdet = (s**2).sum((1, 2)), 2 * s.diagonal(dim1=1, dim2=2).abs().log().sum(1)
    else:
        trace, logdet = s.diagonal(dim1=1, dim2=2).sum(1), torch.logdet(s)
    return 0.5 * ((mu**2).sum(1) + trace - mu.shape[1] - logdet)


def _of_other_q(probe: Probe, seen: Observation, unit: float) -> KLTerm:
    """The KL term where q is no diagonal Gaussian: with a matrix for each image, else its part in mu."""
    in_mu, in_s, _ = seen.gradients
    if seen.s.shape[1:] == (probe.J, probe.J) and seen.mu.ndim == 2:
        lower = not torch.triu(seen.s.detach(), 1).any()
        meaning = FACTOR if lower else COVARIANCE
        wanted = torch.autograd.grad(kl_of_matrix(seen.mu, seen.s, meaning).sum(), [seen.mu, seen.s])
        b, error = fit(torch.cat([in_mu.flatten(), in_s.flatten()]), torch.cat([w.flatten() for w in wanted]))
        if error < seen.tolerance:
            faults = [Fault("kl_sign", f"{b / unit:.3g} times these")] if b < 0 else []
            return KLTerm(b, meaning, faults)
    for meaning in SIGMA_OF if seen.s.numel() == len(seen.mu) and seen.mu.ndim == seen.s.ndim == 2 else ():
        wanted = torch.autograd.grad(kl_of(seen.mu, seen.s, meaning).sum(), [seen.mu, seen.s])
        b, error = fit(torch.cat([in_mu.flatten(), in_s.flatten()]), torch.cat([w.flatten() for w in wanted]))
        if error < seen.tolerance:
            faults = [Fault("kl_sign", f"{b / unit:.3g} times these")] if b < 0 else []
            return KLTerm(b, meaning, faults)
    b, error = fit(in_mu, seen.mu)
    if error < seen.tolerance and b > 0:
        return KLTerm(
            b, None, open=f"{probe.other_q}; its gradient in mu is right, that beside it is not known"
        )
    return KLTerm(open=probe.other_q)


def _absent(probe: Probe, seen: Observation) -> Fault:
    """Is there a KL term at all, whose value changes with mu and logvar though it gives no gradient?"""
    with torch.no_grad():
        moved = [value.detach() * 1.5 + 0.1 for value in (seen.mu, seen.s)]
    run, _ = probe.gradients_at(*(value.requires_grad_() for value in moved), seen.params)
    if math.isfinite(seen.loss) and abs(run.loss.item() - seen.loss) > 1e-5 * abs(seen.loss):
        return Fault("kl_detached", "the loss changes with mu and logvar, but has no gradient in them")
    return Fault("no_kl", "the loss does not change with mu and logvar")


def _floored(seen: Observation, nearest: str) -> KLTerm | None:
    """Free bits for each element: those with a small KL get no gradient, the others the right one."""
    in_mu, in_s, _ = seen.gradients
    inside = (in_mu != 0) | (in_s != 0)
    if inside.all():
        return None
    best = None
    for meaning in SIGMA_OF:
        wanted = torch.autograd.grad(kl_of(seen.mu, seen.s, meaning).sum(), [seen.mu, seen.s])
        b, error = fit(*(torch.cat([a[inside], c[inside]]) for a, c in ((in_mu, in_s), wanted)))
        if best is None or error < best[2]:
            best = meaning, b, error
    meaning, b, error = best
    if error > seen.tolerance or b < 0:
        return None
    share = 1 - inside.double().mean().item()
    small = kl_of(seen.mu, seen.s, meaning)
    if small[~inside].max() > small[inside].max():
        return None
    found = f"{100 * share:.0f} % of the elements, those with a small KL, get no gradient from it"
    return KLTerm(b, meaning, [Fault("kl_floor", found)])


def _factor_at(probe: Probe, seen: Observation, meaning: str, scale: float) -> float:
    """The factor of the KL term's gradient in mu with all values nearer to the prior, or farther from it."""
    mu = (scale * seen.mu).detach().requires_grad_()
    s = seen.s.detach() if scale > 1 else S_OF_PRIOR[meaning] + scale * (seen.s - 1).detach()
    in_mu = probe.gradients_at(mu, s.requires_grad_(), seen.params)[1][0]
    return fit(in_mu, mu)[0]


def _capacity(probe: Probe, seen: Observation, b: float, meaning: str) -> str:
    """Does the term pull the KL to a number, from above and from below?"""
    scales = (FAR,) if b < 0 else (NEAR,)
    other = [_factor_at(probe, seen, meaning, scale) for scale in scales]
    if any(one * b < 0 and abs(one) > 1e-3 * abs(b) for one in other):
        return "far from the prior the term pulls towards it, close to it away from it"
    return ""


def _near_the_prior(probe: Probe, seen: Observation, b: float, meaning: str) -> list[Fault]:
    """Is the weight of the KL term another one near the prior, as where it is clamped for free bits?"""
    margin = MARGIN_NEAR if not probe.coarse else 5 * MARGIN_NEAR
    ratio = _factor_at(probe, seen, meaning, NEAR) / b
    if abs(ratio - 1) < margin:
        return []
    return [Fault("kl_floor", f"close to the prior its weight is {ratio:.3g} times that elsewhere")]


# Where no KL divergence to N(0, I) fits


def _unknown(probe: Probe, seen: Observation, weights: Tensor | None, unit: float) -> KLTerm:
    """A term of another aim, which couples images or dimensions or has another prior; or a wrong formula."""
    _in_mu, in_s, _ = seen.gradients
    if weights is not None:
        return KLTerm(
            open="in a bound of several weighted draws it could not be told apart",
            aim="a bound of several draws",
        )
    coupled = _coupled(probe, seen)
    if coupled:
        return KLTerm(aim=coupled, faults=[Fault("other_objective", coupled)], open=f"the loss has {coupled}")
    if seen.random:
        width = _prior_of_estimate(seen)
        if width is not None:
            b, meaning, variance = width
            found = f"that of log q(z|x) − log p(z) with a prior of width {math.sqrt(variance):.3g}"
            return KLTerm(b, meaning, [Fault("kl_formula", found)], estimated=True, aim="another prior")
        return _of_the_mean(probe, seen, unit)
    prior = _prior_of(probe, seen)
    if prior is not None:
        b, meaning, mean, variance, learned = prior
        text = (
            f"a KL divergence to N({mean}, {variance})"
            if mean and variance
            else "a KL divergence to another prior than N(0, I)"
        )
        if learned:
            return KLTerm(b, meaning, [Fault("other_objective", f"{text}: {learned}")])
        return KLTerm(b, meaning, [Fault("kl_formula", f"that of {text}")], aim="another prior")
    if not in_s.any() and _value_moves(probe, seen, 1):
        return KLTerm(
            faults=[Fault("kl_detached", "the term changes with logvar, but has no gradient in it")]
        )
    return KLTerm(faults=[Fault("kl_formula", _in_parts(seen, unit))])


def _in_parts(seen: Observation, unit: float) -> str:
    """The nearest multiples of the two gradients that were expected."""
    in_mu, in_s, _ = seen.gradients
    half = torch.autograd.grad(kl_of(seen.mu, seen.s, "ln σ²").sum(), seen.s)[0]
    parts = [
        f"{fit(part, wanted)[0] / unit:.3g} {name}" if part.any() else f"0 {name}"
        for part, wanted, name in ((in_mu, seen.mu, "μ"), (in_s, half, "½(σ² − 1)"))
    ]
    return f"at best {' and '.join(parts)}"


def _value_moves(probe: Probe, seen: Observation, which: int) -> bool:
    values = [seen.mu.detach().clone(), seen.s.detach().clone()]
    values[which] = values[which] * 1.5 + 0.1
    run, _ = probe.gradients_at(*(value.requires_grad_() for value in values), seen.params)
    return abs(run.loss.item() - seen.loss) > 1e-5 * abs(seen.loss)


def _coupled(probe: Probe, seen: Observation) -> str:
    """What the term couples: the gradients of other images, or of other latent dimensions, change as well."""
    base = probe.gradients_at(seen.mu, seen.s, seen.params)[1]

    def moved(where: tuple) -> tuple[Tensor, Tensor]:
        mu = seen.mu.detach().clone()
        mu[where] = mu[where] * 0.5 + 0.7
        after = probe.gradients_at(mu.requires_grad_(), seen.s, seen.params)[1]
        limit = max(SHARE_THAT_MOVES, seen.tolerance / 10 if probe.coarse else 0)
        changes = [
            (a - b).abs() > limit * max(b.abs().max().item(), 1e-30)
            for a, b in zip(after[:2], base[:2], strict=True)
        ]
        return changes[0] | changes[1]

    if len(seen.mu) > 1 and moved((0,))[1:].any():
        return "a term that couples the images of a batch, as a total correlation, a moment or an MMD does"
    if probe.J > 1:
        flat = moved((slice(None), 0)).reshape(len(seen.mu), seen.mu.shape[1], -1)
        if flat[:, 1:].any():
            if probe.layers > 1:
                times = f"z is drawn {probe.layers} times, each from a mu of its own"
                return f"a KL term of several layers, as {times}"
            return (
                "a term that couples the latent dimensions, as a flow or a prior of several components does"
            )
    return ""


def _prior_of(probe: Probe, seen: Observation):
    """b, the meaning of s, mean and variance of a Gaussian prior other than N(0, I); None if it is none."""
    at = [
        probe.gradients_at((seen.mu.detach() + step).requires_grad_(), seen.s, seen.params)[1]
        for step in (0, 1, -1)
    ]
    slope, back = (at[1][0] - at[0][0]).double(), (at[0][0] - at[2][0]).double()
    if not (slope > 0).all() or ((slope - back).abs() > 20 * seen.tolerance * slope.abs()).any():
        return None
    mean = seen.mu.detach().double() - at[0][0].double() / slope
    for meaning, sigma_of in SIGMA_OF.items():
        s = seen.s.detach().double().requires_grad_()
        sigma = sigma_of(s)
        rate = torch.autograd.grad(sigma.sum(), s)[0]
        b = ((slope * sigma * rate - at[0][1].double()) * sigma / rate).detach()
        if b.mean() > 0 and b.std() < SAME_FACTOR * b.mean().abs():
            b = b.mean()
            variance = b / slope
            same = (
                all(v.std() < SAME_FACTOR * (v.abs().mean() + 1) for v in (mean, variance))
                or mean.numel() == 1
            )
            loss = probe.gradients_at(seen.mu, seen.s, seen.params)[0].loss
            learned = [
                name for _, (name, p) in probe.parameters.items()
                if p.requires_grad and gradients(loss, [p])[0] is not None
            ]  # fmt: skip
            why = f"its prior has parameters, {', '.join(learned[:3])}" if learned else ""
            rows = mean.flatten(1)
            if not why and len(rows) > 1 and (rows.std(0) > SAME_FACTOR).any():
                why = "the prior differs from image to image"
            texts = (f"{mean.mean():.3g}", f"{variance.mean():.3g}") if same else ("", "")
            return b.item(), meaning, *texts, why
    return None


def _prior_of_estimate(seen: Observation):
    """b, the meaning of s and the prior's variance, where the term is log q(z|x) − log p(z) with one
    of another width.
    """
    if seen.z is None or not seen.z.requires_grad:
        return None
    gradient = torch.cat([g.flatten() for g in seen.gradients[:2]]).double()
    inputs = [seen.mu, seen.s]
    for meaning in SIGMA_OF:
        sigma = SIGMA_OF[meaning](seen.s.flatten(1))
        log_q = (-torch.log(sigma) - 0.5 * ((seen.z - seen.mu.flatten(1)) / sigma) ** 2).sum() / len(seen.z)
        square = 0.5 * (seen.z**2).sum() / len(seen.z)
        columns = []
        for value in (log_q, square):
            parts = gradients(value, inputs)
            columns.append(
                torch.cat(
                    [
                        (torch.zeros_like(one) if part is None else part).flatten()
                        for one, part in zip(inputs, parts, strict=True)
                    ]
                )
            )
        both = torch.stack(columns, 1).double()
        solved = torch.linalg.lstsq(both, gradient[:, None]).solution[:, 0]
        error = (both @ solved - gradient).norm() / gradient.norm()
        if error < seen.tolerance and (solved > 0).all():
            return solved[0].item(), meaning, (solved[0] / solved[1]).item()
    return None


def _of_the_mean(probe: Probe, seen: Observation, unit: float) -> KLTerm:
    """The term is random in another way than by z: is its mean a KL divergence?"""
    averaged = probe.averaged(seen)
    averaged.random = False
    fits = _fits(averaged, None)
    (meaning, _), (b, error) = min(fits.items(), key=lambda item: item[1][1])
    if error > averaged.tolerance:
        return KLTerm(faults=[Fault("kl_formula", _in_parts(averaged, unit))])
    if b < 0:
        return KLTerm(b, meaning, [Fault("kl_sign", f"{b / unit:.3g} times these")], estimated=True)
    return KLTerm(b, meaning, [], estimated=True, open="it is random: only its mean was compared, to a fifth")
