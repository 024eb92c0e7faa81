"""Finds the two terms in the loss by their gradients: a Σ −log p(x|z) + b Σ KL, with a, b, p and σ to find.

The gradient in mu and s is compared with that of a KL divergence, for each meaning that s may have; the
gradient in params with that of each likelihood known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_lib.diagnosis.findings import NLL_LINE, Fault
from vae_lib.diagnosis.probe import EXACT, Observation, Probe, gradients
from vae_lib.likelihoods import ContinuousBernoulli

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
# The KL term is looked at again so near to the prior, relative to the first values; a KL term without free
# bits has the same weight there, up to the margin.
NEAR, MARGIN_NEAR = 0.1, 0.02

# Minus the log-likelihood of each pixel x, as a function of what decode returns, r.
NLL_OF = {
    "Bernoulli of logits": lambda r, x: F.softplus(r) - x * r,
    "Bernoulli of probabilities": lambda r, x: -x * torch.log(r) - (1 - x) * torch.log1p(-r),
    "continuous Bernoulli": lambda r, x: -ContinuousBernoulli()._log_prob(x[..., None], r[..., None]),
    "Gaussian": lambda r, x: 0.5 * (r - x) ** 2,
    "Gaussian of a sigmoid": lambda r, x: 0.5 * (torch.sigmoid(r) - x) ** 2,
    "Laplace": lambda r, x: (r - x).abs(),
    "Bernoulli of a sigmoid": lambda r, x: F.softplus(torch.sigmoid(r)) - x * torch.sigmoid(r),
}
TAKE_LOGITS = ("Bernoulli of logits", "continuous Bernoulli", "Bernoulli of a sigmoid")
# The scale of these is hidden in the weight of the KL term. Its name, the power of the ratio KL :
# reconstruction that it is, and a right line.
WITH_A_SCALE = {
    "Gaussian": ("σ", 0.5, "nll = ((params - x) / sigma).pow(2).sum() / (2 * len(x))"),
    "Gaussian of a sigmoid": ("σ", 0.5, "nll = ((params.sigmoid() - x) / sigma).pow(2).sum() / (2 * len(x))"),
    "Laplace": ("scale", 1, "nll = (params - x).abs().sum() / scale / len(x)"),
}
# What these functions compute where params and x stand in each other's place, up to terms without r.
SWAPPED = {
    "binary_cross_entropy_with_logits": lambda r, x: -r * x,
    "binary_cross_entropy": lambda r, x: -r * torch.logit(x),
}
BYTES_FROM = 1.5  # data above this may be bytes, which the loss itself divides by 255
SHARE_THAT_MOVES = 1e-5  # a gradient has changed if it moved by more than this share of the largest one


@dataclass
class KLTerm:
    """The KL term: its factor b and the meaning of s in it, each None where it is not known."""

    weight: float | None = None
    meaning: str | None = None
    faults: list[Fault] = field(default_factory=list)


@dataclass
class ReconstructionTerm:
    """The reconstruction term: its factor a and its likelihood, each None where it is not known.

    `target` are the pixels that it compares params with, `value` is Σ −log p(x|z), NaN where it is not known.
    `unchecked` says what could not be checked, and why.
    """

    weight: float | None = None
    likelihood: str | None = None
    faults: list[Fault] = field(default_factory=list)
    target: Tensor | None = None
    value: float = math.nan
    unchecked: str = ""


def fit(gradient: Tensor, candidate: Tensor) -> tuple[float, float]:
    """The factor of `candidate` that comes nearest to `gradient`, and the relative error that remains."""
    finite = gradient.isfinite()
    gradient, candidate = (value.detach()[finite].double() for value in (gradient, candidate))
    square = candidate @ candidate
    if not 0 < square < math.inf:
        return 0.0, math.inf
    factor = (gradient @ candidate) / square
    return factor.item(), ((gradient - factor * candidate).norm() / gradient.norm()).item()


# The KL term


def kl_of(seen: Observation, meaning: str) -> Tensor:
    """(4.5), summed over the batch, for this meaning of s."""
    sigma = SIGMA_OF[meaning](seen.s)
    return 0.5 * (seen.mu**2 + sigma**2 - 2 * torch.log(sigma) - 1).sum()


def kl_term(probe: Probe, seen: Observation) -> KLTerm:
    """Finds the KL term by the gradients of the loss in mu and s."""
    in_mu, in_s, _ = seen.gradients
    if not in_mu.any() and not in_s.any():
        return KLTerm(faults=[Fault("no_kl", "the loss does not change with mu and logvar")])
    gradient, inputs = torch.cat([in_mu, in_s]), (seen.mu, seen.s)
    fits = {
        name: fit(gradient, torch.cat(torch.autograd.grad(kl_of(seen, name), inputs))) for name in SIGMA_OF
    }
    meaning = min(fits, key=lambda name: fits[name][1])
    b, error = fits[meaning]
    if error > seen.tolerance:
        half = torch.autograd.grad(kl_of(seen, "ln σ²"), seen.s)[0]
        parts = [
            f"{fit(part, wanted)[0] * len(part):.3g} {name}" if part.any() else f"0 {name}"
            for part, wanted, name in ((in_mu, seen.mu, "μ"), (in_s, half, "½(σ² − 1)"))
        ]
        return KLTerm(faults=[Fault("kl_formula", f"at best {' and '.join(parts)}")])
    if b < 0:
        return KLTerm(b, meaning, [Fault("kl_sign", f"{b * len(in_mu):.3g} times these")])
    return KLTerm(b, meaning, _near_the_prior(probe, seen, b, meaning))


def _near_the_prior(probe: Probe, seen: Observation, b: float, meaning: str) -> list[Fault]:
    """Is the weight of the KL term another one near the prior, as where it is clamped for free bits?"""
    if seen.tolerance > EXACT:
        return []
    mu = (NEAR * seen.mu).detach().requires_grad_()
    s = (S_OF_PRIOR[meaning] + NEAR * (seen.s - 1)).detach().requires_grad_()
    in_mu = probe.gradients_at((mu, s, seen.params))[1][0]
    ratio = fit(in_mu, mu)[0] / b
    if abs(ratio - 1) < MARGIN_NEAR:
        return []
    return [Fault("kl_floor", f"close to the prior its weight is {ratio:.3g} times that elsewhere")]


# The reconstruction term


def reconstruction_term(
    probe: Probe, seen: Observation, likelihood: nn.Module | None = None
) -> ReconstructionTerm:
    """Finds the reconstruction term by the gradient of the loss in params; `likelihood` is the one wanted."""
    gradient, x = seen.gradients[2], probe.x.to(**probe.like)
    if not gradient.any():
        return ReconstructionTerm(faults=[Fault("no_reconstruction", "the same loss for other params")])
    if not gradient.isfinite().any():
        return ReconstructionTerm(faults=[Fault("not_finite", "infinite slopes in params")])
    if x.numel() != gradient.numel():
        unlike = f"{gradient[0].numel()} numbers from decode for {probe.D} pixels"
        return ReconstructionTerm(unchecked=f"the reconstruction: {unlike}")
    name, a, error, target, value = _nearest(probe, seen, x, likelihood)
    if error > seen.tolerance:
        unknown = "the reconstruction: its gradient is that of no likelihood known here"
        return ReconstructionTerm(faults=_wrong_target(probe, seen), unchecked=unknown)
    if name in SWAPPED:
        return ReconstructionTerm(faults=[Fault("arguments_swapped", f"the gradient of {name}(x, params)")])
    faults = _faults_of_likelihood(probe, name, a, target, likelihood is not None)
    return ReconstructionTerm(a, name, faults, target, math.nan if name in WITH_A_SCALE else value)


def _nearest(
    probe: Probe, seen: Observation, x: Tensor, likelihood: nn.Module | None
) -> tuple[str, float, float, Tensor, float]:
    """The −log p whose gradient is nearest to that of the loss: name, factor, error, target, value.

    The likelihood that is wanted comes first if its error is within the tolerance.
    """
    gradient, flat = seen.gradients[2], seen.params.flatten(1)
    fits = []
    for target in (x, x / 255) if x.max() > BYTES_FROM else (x,):
        for name, nll in (NLL_OF | SWAPPED).items():
            if probe.ends_in_sigmoid or name != "Bernoulli of probabilities":
                value = nll(flat, target.reshape(flat.shape)).sum()
                fits.append((name, *fit(gradient, *gradients(value, [seen.params])), target, value.item()))
    if likelihood is not None:
        value = -likelihood.log_prob(x.reshape(flat.shape), flat).sum()
        factor, error = fit(gradient, *gradients(value, [seen.params]))
        if error < seen.tolerance:
            return f"{type(likelihood).__name__}, as wanted", factor, error, x, math.nan
    return min(fits, key=lambda fit: fit[2])


def _faults_of_likelihood(
    probe: Probe, name: str, a: float, target: Tensor, one_is_wanted: bool
) -> list[Fault]:
    """What is wrong with a likelihood that was recognized, for these outputs of decode and these data."""
    faults = []
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
    return faults


def _wrong_target(probe: Probe, seen: Observation) -> list[Fault]:
    """Where no likelihood fits: is each prediction compared with another image or pixel than its own?

    One image or prediction is changed at a time: only the gradients of its own row may change. Then one pixel
    is changed in all images: only the gradients of this pixel may change.
    """
    values = tuple(value.detach().requires_grad_() for value in (seen.mu, seen.s, seen.params))
    params = values[2]
    before, x, last = probe.gradients_at(values)[1][2], probe.x, len(probe.x) - 1
    mirrored = (x.double().amin() + x.double().amax() - x.double()).to(x.dtype)

    def changed(x: Tensor, params: Tensor) -> Tensor:
        after = probe.gradients_at((*values[:2], params.detach().requires_grad_()), x=x)[1][2]
        return ((after - before).abs() > SHARE_THAT_MOVES * before.abs().max()).flatten(1)

    for row in {0, last} if last else ():
        here = torch.arange(len(x), device=x.device) == row
        in_x, in_params = (here.reshape(-1, *[1] * (value.ndim - 1)) for value in (x, params))
        for what, there in (
            ("image", changed(torch.where(in_x, mirrored, x), params)),
            ("prediction", changed(x, torch.where(in_params, 0.7 * params, params))),
        ):
            others = [i for i in there.any(1).nonzero().flatten().tolist() if i != row]
            if others:
                rows = f"row{'s' * (len(others) > 1)} {', '.join(map(str, others[:3]))}"
                more = " …" if len(others) > 3 else ""
                seen = f"another {what} in row {row} changes the slopes in {rows}{more}"
                return [Fault("wrong_target", seen)]
    pixel = min(1, probe.D - 1)  # not a corner, which a transposed image keeps in its place
    here = (torch.arange(probe.D, device=x.device) == pixel).reshape(x[0].shape)
    there = changed(torch.where(here, mirrored, x), params).any(0)
    if there.any() and not there[pixel]:
        other = int(there.nonzero()[0])
        seen = f"pixel {pixel} of an image is held against the params of pixel {other}"
        return [Fault("wrong_target", seen)]
    return []
