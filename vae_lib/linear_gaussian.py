"""The oracle of chapters 2 and 3: a linear model for which log p(x), posterior and gap are known exactly.

p(z) = N(0, I) and p(x|z) = N(x; W z + b, σ² I), so p(x) = N(x; b, W Wᵀ + σ² I). With W and σ fitted to data
this is probabilistic principal component analysis (Tipping & Bishop, 1999).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vae_lib import _validate as require
from vae_lib import gaussian
from vae_lib.likelihoods import Gaussian


class LinearGaussian(nn.Module):
    """A linear decoder with Gaussian noise. It has the interface of a VAE, and the exact answers beside it.

    Args:
        W: decoder matrix, (D, J), a tensor or nested lists (then float64).
        b: decoder bias, (D,).
        sigma: standard deviation of the noise, above 0, in the units of x.

    Raises:
        ValueError: W is not a matrix, b does not fit W, a value is not finite, or sigma ≤ 0.

    Source: book equations (2.6) to (2.8).
    """

    def __init__(self, W: Tensor, b: Tensor, sigma: float):
        super().__init__()
        W = W if isinstance(W, Tensor) else torch.tensor(W, dtype=torch.float64)
        b = b if isinstance(b, Tensor) else torch.tensor(b, dtype=W.dtype)
        require.floating("W", W)
        require.floating("b", b)
        if W.ndim != 2 or b.shape != W.shape[:1]:
            raise ValueError(
                f"W must have shape (D, J) and b (D,), "
                f"got W {require.shape_of(W)} and b {require.shape_of(b)}"
            )
        self.register_buffer("W", W)
        self.register_buffer("b", b.to(W))
        self.sigma = require.positive("sigma", sigma)
        self.likelihood = Gaussian(self.sigma)
        self.input_dim, self.latent_dim = W.shape

    @classmethod
    def fit(cls, x: Tensor, latent_dim: int) -> LinearGaussian:
        """The maximum-likelihood W, b and σ for data x of shape (N, D), in closed form, float64.

        Raises:
            ValueError: x is not (N, D) with N ≥ 2, or latent_dim is not below the rank of the data.

        Source: Tipping & Bishop (1999), equations (7) and (8).
        """
        x = require.data("x", x, torch.float64)
        require.matrix("x", x, "D")
        latent_dim = require.count("latent_dim", latent_dim)
        values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0).reshape(x.shape[1], x.shape[1]))
        values, vectors = values.flip(0), vectors.flip(1)
        noise = values[latent_dim:].mean() if latent_dim < x.shape[1] else values.new_zeros(())
        if noise <= 1e-12 * values[0]:
            raise ValueError(f"latent_dim must be below the rank of the data, got {latent_dim}")
        W = vectors[:, :latent_dim] * (values[:latent_dim] - noise).sqrt()
        return cls(W, x.mean(0), float(noise.sqrt()))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and ln σ² of the best diagonal Gaussian q(z|x), each (B, J); for J = 1 it is the posterior."""
        precision = self._precision()
        mean = self._posterior_mean(self._check_x(x), precision)
        return mean, -precision.diagonal().log().expand_as(mean)

    def decode(self, z: Tensor) -> Tensor:
        """W z + b, the mean of p(x|z): (..., D) for z of shape (..., J)."""
        if z.ndim == 0 or z.shape[-1] != self.latent_dim:
            raise ValueError(f"z must have shape (..., J={self.latent_dim}), got {require.shape_of(z)}")
        return z @ self.W.T + self.b

    def log_marginal(self, x: Tensor) -> Tensor:
        """log p(x) = log N(x; b, W Wᵀ + σ² I), exact: (B,) nats for x of shape (B, D)."""
        x = self._check_x(x)
        noise = self.sigma**2 * torch.eye(self.input_dim, dtype=x.dtype, device=x.device)
        factor = torch.linalg.cholesky(self.W @ self.W.T + noise)
        scaled = torch.linalg.solve_triangular(factor, (x - self.b).T, upper=False)
        constant = self.input_dim * gaussian.LOG_2PI + 2 * factor.diagonal().log().sum()
        return -0.5 * ((scaled * scaled).sum(0) + constant)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The true posterior p(z|x) = N(mean, cov), exact: mean (B, J), cov (J, J), the same for every x."""
        precision = self._precision()
        return self._posterior_mean(self._check_x(x), precision), torch.linalg.inv(precision)

    def elbo(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """ELBO of q = N(μ, diag σ²), exact: (B,) nats for x (B, D), mu and logvar (B, J)."""
        kl = gaussian.kl_to_standard_normal(mu, logvar)
        return self.reconstruction(x, mu, logvar) - kl

    def reconstruction(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """E_q[log p(x|z)] for q = N(μ, diag σ²), exact: (B,) nats."""
        x = self._check_q(x, mu, logvar)
        spread = (logvar.exp() * (self.W * self.W).sum(0)).sum(-1)  # Σⱼ σⱼ² |Wⱼ|²: the decoder seen through q
        return self.likelihood.log_prob(x, self.decode(mu)) - 0.5 * spread / self.sigma**2

    def kl_to_posterior(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """KL(q ‖ p(z|x)) for q = N(μ, diag σ²), exact: (B,) nats, never negative: the gap."""
        x = self._check_q(x, mu, logvar)
        precision = self._precision()
        miss = self._posterior_mean(x, precision) - mu
        diagonal = precision.diagonal()
        # Width, correlation and position: three parts, none of them negative.
        width = gaussian.kl_to_standard_normal(torch.zeros_like(mu), logvar + diagonal.log())
        correlation = diagonal.log().sum() - torch.logdet(precision)
        return width + 0.5 * (correlation + ((miss @ precision) * miss).sum(-1))

    def _precision(self) -> Tensor:
        """Inverse covariance of the posterior: I + WᵀW/σ²."""
        identity = torch.eye(self.latent_dim, dtype=self.W.dtype, device=self.W.device)
        return identity + self.W.T @ self.W / self.sigma**2

    def _posterior_mean(self, x: Tensor, precision: Tensor) -> Tensor:
        return torch.linalg.solve(precision, self.W.T @ (x - self.b).T / self.sigma**2).T

    def _check_x(self, x: Tensor) -> Tensor:
        x = require.data("x", x, self.W.dtype, self.W.device)
        require.matrix("x", x, "D", self.input_dim)
        return x

    def _check_q(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        x = self._check_x(x)
        gaussian._check_mu_logvar(mu, logvar)
        if mu.shape != (len(x), self.latent_dim):
            raise ValueError(
                f"mu and logvar must have shape (B={len(x)}, J={self.latent_dim}), got {require.shape_of(mu)}"
            )
        return x
