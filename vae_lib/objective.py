"""The evidence lower bound and the loss (chapter 3), estimated with the samples of chapters 5 and 6."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vae_lib import _validate as require
from vae_lib import gaussian, likelihoods


@dataclass(frozen=True)
class ELBO:
    """One estimate of the evidence lower bound, in nats.

    Attributes:
        reconstruction: (B,), the mean over the L samples of log p(x|z).
        kl: (B,), KL(q(z|x) ‖ p(z)), exact.
        elbo: (B,), reconstruction − kl: the lower bound on log p(x), whatever β is.
        loss: scalar, minus the batch mean of reconstruction − β · kl: what training minimizes. For β = 1
            it estimates (3.6), which is a sum over the N images of the data, divided by N.
    """

    reconstruction: Tensor
    kl: Tensor
    loss: Tensor

    @property
    def elbo(self) -> Tensor:
        """Reconstruction − kl per sample, (B,) nats, without any β."""
        return self.reconstruction - self.kl


def elbo(
    model: nn.Module,
    x: Tensor,
    num_samples: int = 1,
    beta: float = 1.0,
    *,
    generator: torch.Generator | None = None,
) -> ELBO:
    """The ELBO of each row of x, with the reconstruction term estimated from L draws z = μ + σ ⊙ ε.

    Args:
        model: anything with encode(x) -> (mu, logvar), decode(z) -> params and a likelihood.
        x: observations, (B, D), or images, (B, C, H, W), for a model that takes them.
        num_samples: the number L of draws.
        beta: weight of the KL term in `loss`, at least 0; it does not touch `elbo`.
        generator: source of ε; None takes torch's global one.

    Returns:
        ELBO, everything per sample in nats. Gradients flow to the encoder and the decoder.

    Raises:
        ValueError: x is not (B, D), is empty, holds NaN or values that the likelihood does not allow; the
            decoder's output has another shape; num_samples < 1; beta < 0; or the model puts out NaN.

    Source: book equations (3.4), (3.6) and (8.1); Kingma & Welling (2014), equation (10).
    """
    x = require.model_data(model, x)
    beta = require.weight("beta", beta)
    result = _elbo(model, x, require.count("num_samples", num_samples), beta, generator)
    require.finite("the reconstruction term of this model", result.reconstruction)
    require.finite("the KL term of this model", result.kl)
    return result


def _elbo(
    model: nn.Module, x: Tensor, num_samples: int, beta: float, generator: torch.Generator | None
) -> ELBO:
    """`elbo` of data that has passed `_validate.model_data`: only shapes are checked, which costs nothing."""
    mu, logvar = model.encode(x)
    require.same_shape(mu=mu, logvar=logvar)
    require.matrix("mu", mu, "J")
    # A single draw needs no sample axis, and is a fifth of a training step cheaper without one.
    samples = () if num_samples == 1 else (num_samples,)
    eps = torch.randn((*samples, *mu.shape), dtype=mu.dtype, device=mu.device, generator=generator)
    z = gaussian._reparameterize(mu, logvar, eps)
    if x.ndim > 2:  # images: a decoder with convolutions takes one axis before them
        params = model.decode(z.flatten(0, -2)).reshape(*samples, len(x), -1)
        target = x.flatten(1).expand(*samples, len(x), -1)
    else:
        params, target = model.decode(z), x.expand(*samples, *x.shape)
    require.same_shape(x=target, params=params)
    reconstruction = likelihoods._log_prob(model.likelihood, target, params)
    if samples:
        reconstruction = reconstruction.mean(0)
    kl = gaussian._kl_to_standard_normal(mu, logvar)
    return ELBO(reconstruction, kl, loss=(beta * kl - reconstruction).mean())
