"""Diagonal Gaussians: KL divergences, densities and draws (chapters 4 and 6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_lib import _validate as require

LOG_2PI = math.log(2 * math.pi)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σⱼ (μⱼ² + σⱼ² − ln σⱼ² − 1), in nats.

    Exact in closed form, never negative, and accurate for small values in float32: near σ = 1 the
    three σ terms cancel, so eᵗ − 1 − t is computed as one function of t = ln σ².

    Args:
        mu: means, (B, J).
        logvar: ln σ², (B, J).

    Returns:
        (B,) nats, summed over the J latent dimensions.

    Raises:
        ValueError: shapes differ or are not (B, J), a batch is empty, or a value is not finite.

    Source: book equation (4.5); Kingma & Welling (2014), appendix B.
    """
    _check_mu_logvar(mu, logvar)
    return _kl_to_standard_normal(mu, logvar)


def kl_between(mu_q: Tensor, logvar_q: Tensor, mu_p: Tensor, logvar_p: Tensor) -> Tensor:
    """KL(q ‖ p) between two diagonal Gaussians, in nats.

    Args:
        mu_q, logvar_q: mean and ln σ² of q, (B, J).
        mu_p, logvar_p: mean and ln σ² of p, (B, J).

    Returns:
        (B,) nats, summed over J. 0 if and only if q = p.

    Raises:
        ValueError: shapes differ or are not (B, J), a batch is empty, or a value is not finite.

    Source: book equation (4.8).
    """
    for name, value in {"mu_q": mu_q, "logvar_q": logvar_q, "mu_p": mu_p, "logvar_p": logvar_p}.items():
        require.floating(name, value)
    require.same_shape(mu_q=mu_q, logvar_q=logvar_q, mu_p=mu_p, logvar_p=logvar_p)
    require.matrix("mu_q", mu_q, "J")
    return _kl_to_standard_normal(_over_sigma(mu_q - mu_p, logvar_p), logvar_q - logvar_p)


def log_prob(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; μ, diag σ²), summed over the last axis, in nats.

    Args:
        z: points, (..., J): the shape of `mu`, or that with sample axes in front, such as (L, B, J).
        mu: means, (J,) or (B, J).
        logvar: ln σ², the shape of `mu`.

    Returns:
        Nats, the shape of z without its last axis; the constant −(J/2) ln 2π is included.

    Raises:
        ValueError: `mu` and `logvar` differ in shape, `z` does not end in it, or a value is not finite.

    Source: book equation (4.1).
    """
    for name, value in {"z": z, "mu": mu, "logvar": logvar}.items():
        require.floating(name, value)
    require.same_shape(mu=mu, logvar=logvar)
    if mu.ndim == 0 or z.shape[-mu.ndim :] != mu.shape:
        raise ValueError(
            f"z must have the shape of mu, {require.shape_of(mu)}, with sample axes in front at most, "
            f"got z {require.shape_of(z)}"
        )
    return _log_prob(z, mu, logvar)


def reparameterize(
    mu: Tensor,
    logvar: Tensor,
    num_samples: int | None = None,
    *,
    eps: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """z = μ + σ ⊙ ε with ε ~ N(0, I): a draw from N(μ, diag σ²) through which gradients flow.

    Args:
        mu: means, (B, J).
        logvar: ln σ², (B, J); σ = exp(logvar / 2).
        num_samples: the number L of draws, or None for a single draw without the sample axis.
        eps: the noise itself, in the shape of the result, instead of a fresh draw.
        generator: source of the noise; None takes torch's global one.

    Returns:
        (B, J), or (L, B, J) with num_samples=L. Each row gets its own ε.

    Raises:
        ValueError: shapes differ or are not (B, J), a value is not finite, num_samples < 1, or `eps`
            does not have the shape of the result.

    Source: book equation (6.1); Kingma & Welling (2014), section 2.4.
    """
    _check_mu_logvar(mu, logvar)
    shape = tuple(mu.shape) if num_samples is None else (require.count("num_samples", num_samples), *mu.shape)
    if eps is None:
        eps = torch.randn(shape, dtype=mu.dtype, device=mu.device, generator=generator)
    elif tuple(require.floating("eps", eps).shape) != shape:
        raise ValueError(f"eps must have shape {shape}, got {require.shape_of(eps)}")
    return _reparameterize(mu, logvar, eps)


# The formulas themselves, for callers inside vae_lib that have checked their data already.


class _KLToStandardNormal(torch.autograd.Function):
    """½ Σⱼ (μⱼ² + eᵗ − 1 − t) with t = ln σⱼ², and its gradients μ and ½(σ² − 1).

    eᵗ − 1 − t is never negative, but computed as it stands it loses all digits of a small t. For |t| < 0.002
    its Taylor series is used; beyond, expm1 loses at most three digits of the type's. The gradients are
    given, so that autograd need not walk through the series.
    """

    @staticmethod
    def forward(ctx, mu: Tensor, logvar: Tensor) -> Tensor:
        ctx.save_for_backward(mu, logvar)
        t = logvar
        series = t * t * (1 / 2 + t * (1 / 6 + t * (1 / 24 + t / 120)))
        width = torch.where(t.abs() < 2e-3, series, torch.expm1(t) - t)
        return 0.5 * width.addcmul_(mu, mu).sum(-1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = ctx.saved_tensors
        gradient = gradient.unsqueeze(-1)
        return gradient * mu, (0.5 * gradient) * torch.expm1(logvar)


_kl_to_standard_normal = _KLToStandardNormal.apply


def _reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
    return mu + torch.exp(0.5 * logvar) * eps


def _log_prob(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    scaled = _over_sigma(z - mu, logvar)
    return -0.5 * (scaled * scaled + logvar + LOG_2PI).sum(-1)


def _over_sigma(difference: Tensor, logvar: Tensor) -> Tensor:
    """difference / σ in two steps: 1/σ itself overflows float32 below logvar = −177, and 0 · ∞ is NaN."""
    root = torch.exp(-0.25 * logvar)
    return difference * root * root


def _log_prob_standard(z: Tensor) -> Tensor:
    """log N(z; 0, I), summed over the last axis."""
    return -0.5 * (z * z + LOG_2PI).sum(-1)


def _check_mu_logvar(mu: Tensor, logvar: Tensor) -> None:
    require.floating("mu", mu)
    require.floating("logvar", logvar)
    require.same_shape(mu=mu, logvar=logvar)
    require.matrix("mu", mu, "J")
