"""Monte Carlo estimates of log p(x) (chapters 2 and 3) and of gradients (chapter 6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from vae_lib import _chunks, gaussian
from vae_lib import _validate as require


def log_marginal_naive(
    model: nn.Module, x: Tensor, num_samples: int, *, generator: torch.Generator | None = None
) -> Tensor:
    """log of (1/L) Σₗ p(x|zₗ) with zₗ from the prior: unbiased before the log is taken, but wasteful.

    Args:
        model: anything with latent_dim, decode(z) and a likelihood.
        x: observations, (B, D).
        num_samples: the number L of draws; every row gets its own L draws.
        generator: source of z; None takes torch's global one.

    Returns:
        (B,) nats, without gradient. The log makes it biased low, by about Var(p̂)/(2 p²).

    Raises:
        ValueError: x is not (B, D), is empty or not allowed by the likelihood, or num_samples < 1.

    Source: book equation (2.3).
    """
    return _log_mean_weight(model, x, num_samples, "prior", generator)


def log_marginal_importance(
    model: nn.Module, x: Tensor, num_samples: int, *, generator: torch.Generator | None = None
) -> Tensor:
    """log of (1/L) Σₗ p(x|zₗ) p(zₗ) / q(zₗ|x) with zₗ from q: the L-sample bound on log p(x).

    Args:
        model: anything with encode(x), decode(z) and a likelihood.
        x: observations, (B, D).
        num_samples: the number L of draws; every row gets its own L draws.
        generator: source of z; None takes torch's global one.

    Returns:
        (B,) nats, without gradient. With L = 1 its mean is the ELBO; it rises towards log p(x) with L.

    Raises:
        ValueError: x is not (B, D), is empty or not allowed by the likelihood, or num_samples < 1.

    Source: book equation (3.8); Burda, Grosse & Salakhutdinov (2016).
    """
    return _log_mean_weight(model, x, num_samples, "posterior", generator)


@torch.no_grad()
def log_weights(
    model: nn.Module,
    x: Tensor,
    num_samples: int,
    *,
    proposal: str = "posterior",
    generator: torch.Generator | None = None,
) -> Tensor:
    """The log weights that both estimates average: log p(x|z) or log p(x, z)/q(z|x).

    Args:
        proposal: "prior" draws z from p(z), "posterior" from q(z|x).

    Returns:
        (L, B) nats, without gradient; feed it to `effective_sample_size`. Everything else as in
        `log_marginal_importance`.
    """
    x = require.model_data(model, x)
    result = x.new_empty((require.count("num_samples", num_samples), len(x)))
    for rows, samples, weights in _weight_chunks(model, x, len(result), proposal, generator):
        result[samples, rows] = weights
    return result


def effective_sample_size(log_weights: Tensor, dim: int = 0) -> Tensor:
    """(Σ w)² / Σ w²: how many equal weights would be worth as much as these.

    Args:
        log_weights: ln w, any shape; only differences along `dim` matter, so −1000 everywhere is fine.
        dim: the sample axis.

    Returns:
        The shape without `dim`: between 1 (one draw carries everything) and the number of draws.

    Raises:
        ValueError: log_weights is empty or not finite.

    Source: book equation (2.4); Kong (1992).
    """
    require.floating("log_weights", log_weights)
    # The largest weight becomes 1: at −1000, float32 has no digits left for a sum of squares.
    weights = torch.exp(log_weights - log_weights.amax(dim, keepdim=True))
    return weights.sum(dim) ** 2 / (weights * weights).sum(dim)


def pathwise_gradient(
    f: Callable[[Tensor], Tensor],
    mu: float | Tensor,
    sigma: float | Tensor,
    num_samples: int,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Per-sample gradients of E[f(z)], z ~ N(μ, σ²), through z = μ + σε: f′(z) · (1, ε).

    Args:
        f: a differentiable function of z, elementwise: (L,) -> (L,).
        mu, sigma: numbers or 0-dimensional tensors; sigma above 0.
        num_samples: the number L of draws.
        generator: source of ε; None takes torch's global one.

    Returns:
        (L, 2) float64: d/dμ and d/dσ. Their mean over L is the unbiased estimate.

    Raises:
        ValueError: sigma ≤ 0, num_samples < 1, f changes the shape, or f does not depend on z
            differentiably.

    Source: book equation (6.2).
    """
    mu, sigma, eps = _scalar_gaussian(mu, sigma, num_samples, generator)
    with torch.enable_grad():
        z = (mu + sigma * eps).requires_grad_()
        values = _apply(f, z)
        if not values.requires_grad:
            raise ValueError("f(z) does not depend on z in a way that torch can differentiate")
        (slope,) = torch.autograd.grad(values.sum(), z)
    return torch.stack([slope, slope * eps], dim=1)


def score_function_gradient(
    f: Callable[[Tensor], Tensor],
    mu: float | Tensor,
    sigma: float | Tensor,
    num_samples: int,
    *,
    baseline: float | str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Per-sample gradients of E[f(z)], z ~ N(μ, σ²), that never differentiate f: (f(z) − b) ∇ log q(z).

    Args:
        f: any function of z, elementwise: (L,) -> (L,).
        mu, sigma: numbers or 0-dimensional tensors; sigma above 0.
        num_samples: the number L of draws.
        baseline: a number b; "mean" takes for each sample the mean of f over the other L − 1, which keeps
            the estimate unbiased; None is 0.
        generator: source of ε; None takes torch's global one.

    Returns:
        (L, 2) float64: d/dμ and d/dσ. Their mean over L is the unbiased estimate.

    Raises:
        ValueError: sigma ≤ 0, num_samples < 1 (< 2 with baseline="mean"), f changes the shape, or the
            baseline is neither a number nor "mean".

    Source: book equations (6.3) and (6.4); Williams (1992).
    """
    mu, sigma, eps = _scalar_gaussian(mu, sigma, num_samples, generator)
    with torch.no_grad():
        values = _apply(f, mu + sigma * eps).double()  # an indicator is an f too
        if isinstance(baseline, str):
            if baseline != "mean":
                raise ValueError(f'baseline must be a number, "mean" or None, got {baseline!r}')
            if len(values) < 2:
                raise ValueError('baseline="mean" needs num_samples of at least 2')
            values = (values - values.mean()) * len(values) / (len(values) - 1)
        elif baseline is not None:
            values = values - float(baseline)
        return torch.stack([values * eps / sigma, values * (eps * eps - 1) / sigma], dim=1)


@torch.no_grad()
def _log_mean_weight(
    model: nn.Module, x: Tensor, num_samples: int, proposal: str, generator: torch.Generator | None
) -> Tensor:
    """log of the mean weight, chunk by chunk, the running total in float64."""
    x = require.model_data(model, x)
    num_samples = require.count("num_samples", num_samples)
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    for rows, _, weights in _weight_chunks(model, x, num_samples, proposal, generator):
        total[rows] = torch.logaddexp(total[rows], torch.logsumexp(weights.double(), 0))
    return (total - math.log(num_samples)).to(x.dtype)


def _weight_chunks(
    model: nn.Module, x: Tensor, num_samples: int, proposal: str, generator: torch.Generator | None
) -> Iterator[tuple[slice, slice, Tensor]]:
    """(rows of x, samples, log weights (l, b)) until all rows have all their samples."""
    if proposal not in ("prior", "posterior"):
        raise ValueError(f'proposal must be "prior" or "posterior", got {proposal!r}')
    rows_at_once = _chunks.rows_at_once(x.shape[1])
    for row in range(0, len(x), rows_at_once):
        block = x[row : row + rows_at_once]
        samples_at_once = max(1, rows_at_once // len(block))
        if proposal == "posterior":
            mu, logvar = model.encode(block)
            require.same_shape(mu=mu, logvar=logvar)
            require.matrix("mu", mu, "J")
        else:
            mu = logvar = block.new_zeros((len(block), model.latent_dim))
        for first in range(0, num_samples, samples_at_once):
            size = min(samples_at_once, num_samples - first)
            eps = torch.randn((size, *mu.shape), dtype=mu.dtype, device=mu.device, generator=generator)
            z = gaussian._reparameterize(mu, logvar, eps)
            weights = model.likelihood.log_prob(block.expand(size, *block.shape), model.decode(z))
            if proposal == "posterior":
                weights = weights + gaussian._log_prob_standard(z) - gaussian._log_prob(z, mu, logvar)
            yield slice(row, row + len(block)), slice(first, first + size), weights


def _scalar_gaussian(
    mu: float | Tensor, sigma: float | Tensor, num_samples: int, generator: torch.Generator | None
) -> tuple[float, float, Tensor]:
    """μ and σ as checked numbers, and L draws of ε in float64."""
    size = require.count("num_samples", num_samples)
    eps = torch.randn(size, dtype=torch.float64, generator=generator)
    return require.real("mu", mu), require.positive("sigma", sigma), eps


def _apply(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """f(z), which must have the shape of z."""
    values = f(z)
    if not isinstance(values, Tensor):
        raise TypeError(f"f(z) must be a torch.Tensor in the shape of z, got {type(values).__name__}")
    require.same_shape(z=z, **{"f(z)": values})
    return values
