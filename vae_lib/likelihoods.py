"""Likelihoods: what the decoder's output means. log p(x|z) is in nats, with every constant (chapter 7).

Each likelihood is a small module with `log_prob(x, params)`, `mean(params)` and `sample(params)`;
`params` is what the decoder puts out, in the shape of x.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_lib import _validate as require
from vae_lib.gaussian import LOG_2PI


class _Likelihood(nn.Module):
    """The part that all four share: what may be passed in, and the sum over the pixels."""

    unit_interval = False  # does x have to lie in [0, 1]?

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """log p(x|z) in nats, summed over the last axis (the D pixels).

        Args:
            x: observations, (B, D) or with sample axes in front; integers and booleans are converted.
            params: the decoder's output, in exactly the shape of x.

        Returns:
            (B,): the shape of x without its last axis.

        Raises:
            ValueError: the shapes differ, x is outside [0, 1] where it has to be inside, or a value is
                not finite.
        """
        require.floating("params", params)
        x = self.check_data(x, params.dtype)
        require.same_shape(x=x, params=params)
        return self._log_prob(x, params)

    def check_data(self, x: Tensor, dtype: torch.dtype, device: torch.device | None = None) -> Tensor:
        """x in `dtype`, after the checks that do not depend on the decoder's output."""
        x = require.data("x", x, dtype, device)
        if self.unit_interval:
            require.unit_interval("x", x)
        return x

    def mean(self, params: Tensor) -> Tensor:
        """E[x|z], in the shape of params."""
        return self._mean(require.floating("params", params))

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """A draw x ~ p(x|z), in the shape of params, without gradient."""
        require.floating("params", params)
        with torch.no_grad():
            return self._sample(params, generator)


def _log_prob(likelihood: nn.Module, x: Tensor, params: Tensor) -> Tensor:
    """log p(x|z) of data that is checked already: not checked again, unless `log_prob` is overridden."""
    ours = getattr(type(likelihood), "log_prob", None) is _Likelihood.log_prob
    return likelihood._log_prob(x, params) if ours else likelihood.log_prob(x, params)


class Bernoulli(_Likelihood):
    """p(x|z) = Πⱼ pⱼ^xⱼ (1 − pⱼ)^(1 − xⱼ) with pⱼ = sigmoid(logitⱼ); minus its log is binary cross-entropy.

    `params` are the logits, so that log p stays exact where sigmoid would round to 0 or 1. Grey x is
    accepted, as in common practice; the result is then a score, not a normalized likelihood. Use binarized
    data or `ContinuousBernoulli` when log p(x) is to mean a probability.

    Source: book equations (7.2) and (7.3).
    """

    unit_interval = True

    def _log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(params, x, reduction="none").sum(-1)

    def _mean(self, params: Tensor) -> Tensor:
        return torch.sigmoid(params)

    def _sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.bernoulli(torch.sigmoid(params), generator=generator)


class ContinuousBernoulli(_Likelihood):
    """The Bernoulli formula made a density on [0, 1]: p(x|z) = Πⱼ C(λⱼ) λⱼ^xⱼ (1 − λⱼ)^(1 − xⱼ).

    `params` are the logits η of λ. log C(λ) = log(2 artanh(1 − 2λ) / (1 − 2λ)) is at least log 2, its value
    at λ = ½; in the logit it reads log C = softplus(η) + log(η / (e^η − 1)).

    Source: book equation (7.8); Loaiza-Ganem & Cunningham (2019).
    """

    unit_interval = True

    def _log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        # x η − softplus(η) is the Bernoulli part, + log C: the two softplus cancel exactly, which leaves
        # x η − log((e^η − 1)/η). For large η, (x − 1) η − log((1 − e^−η)/η) is the same with all its digits.
        small = params.abs() < 0.1
        size = torch.where(small, torch.ones_like(params), params.abs())
        square = params * params
        series = params / 2 + square / 24 * (1 - square / 120 * (1 - square / 63))
        far = torch.log(-torch.expm1(-size)) - torch.log(size)
        mirrored = (~small & (params > 0)).to(params.dtype)
        return ((x - mirrored) * params - torch.where(small, series, far)).sum(-1)

    def _mean(self, params: Tensor) -> Tensor:
        # d/dη log((e^η − 1)/η) = 1/(1 − e^−η) − 1/η, a smooth function with value ½ at 0.
        small = params.abs() < 0.1
        size = torch.where(small, torch.ones_like(params), params.abs())
        square = params * params
        series = 0.5 + params / 12 * (1 - square / 60 * (1 - square / 42))
        upper = -1 / torch.expm1(-size) - 1 / size  # the mean for η = size > 0; for −size it is 1 − upper
        return torch.where(small, series, torch.where(params > 0, upper, 1 - upper))

    def _sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        # Inverse CDF: F(x) = (e^(ηx) − 1)/(e^η − 1), so x = log(1 + u (e^η − 1))/η; mirrored for η > 0.
        u = torch.rand(params.shape, dtype=params.dtype, device=params.device, generator=generator)
        size = params.abs()
        flat = size < 1e-3
        safe = torch.where(flat, torch.ones_like(size), size)
        x = torch.where(flat, u, -torch.log1p(u * torch.expm1(-safe)) / safe)
        return torch.where(params > 0, 1 - x, x).clamp(0, 1)


class Gaussian(_Likelihood):
    """p(x|z) = N(x; params, σ² I): squared error with the weight 1/(2σ²), plus (D/2) log 2πσ².

    Args:
        sigma: the standard deviation, above 0, in the units of x; with `learn_sigma` its starting value.
        learn_sigma: make log σ a parameter that is trained along with the decoder (one σ for all pixels).

    Raises:
        ValueError: sigma is not a finite number above 0.

    Source: book equations (7.4) and (7.5).
    """

    def __init__(self, sigma: float = 1.0, learn_sigma: bool = False):
        super().__init__()
        self._fixed_sigma = require.positive("sigma", sigma)
        self.learn_sigma = bool(learn_sigma)
        if self.learn_sigma:
            self.log_sigma = nn.Parameter(torch.tensor(math.log(self._fixed_sigma)))

    @property
    def sigma(self) -> Tensor:
        """σ as a 0-dimensional tensor; with `learn_sigma` it carries the gradient."""
        if self.learn_sigma:
            return self.log_sigma.exp()
        return torch.tensor(self._fixed_sigma, dtype=torch.float64)

    def extra_repr(self) -> str:
        return f"sigma={float(self.sigma.detach()):.4g}, learn_sigma={self.learn_sigma}"

    def _log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        log_sigma = self.log_sigma if self.learn_sigma else math.log(self._fixed_sigma)
        scaled = (x - params) / (self.log_sigma.exp() if self.learn_sigma else self._fixed_sigma)
        return -0.5 * (scaled * scaled).sum(-1) - x.shape[-1] * (log_sigma + 0.5 * LOG_2PI)

    def _mean(self, params: Tensor) -> Tensor:
        return params

    def _sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        eps = torch.randn(params.shape, dtype=params.dtype, device=params.device, generator=generator)
        return params + float(self.sigma) * eps


class Laplace(_Likelihood):
    """p(x|z) with the density exp(−|xⱼ − mⱼ| / b) / 2b in each pixel: absolute error / b, plus D ln 2b.

    `params` are the medians m, which are the means, too. So an L1 loss, summed over the pixels, is minus this
    logarithm with b = 1, without the constant.

    Args:
        scale: b, above 0, in the units of x; the standard deviation is √2 b.

    Raises:
        ValueError: scale is not a finite number above 0.

    Source: book equation (10.5).
    """

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = require.positive("scale", scale)

    def extra_repr(self) -> str:
        return f"scale={self.scale:.4g}"

    def _log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        return -(x - params).abs().sum(-1) / self.scale - x.shape[-1] * math.log(2 * self.scale)

    def _mean(self, params: Tensor) -> Tensor:
        return params

    def _sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        # The difference of two standard exponential draws is a standard Laplace draw.
        first, second = (torch.empty_like(params).exponential_(generator=generator) for _ in range(2))
        return params + self.scale * (first - second)
