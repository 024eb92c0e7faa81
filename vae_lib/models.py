"""The variational autoencoder as a small multilayer perceptron (chapter 8)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vae_lib import _validate as require
from vae_lib.likelihoods import Bernoulli


class VAE(nn.Module):
    """Encoder x → (μ, ln σ²) and decoder z → params, each a multilayer perceptron with ReLU.

    Args:
        input_dim: D, the number of pixels.
        latent_dim: J, the number of latent dimensions.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        likelihood: p(x|z), a module of `vae_lib.likelihoods`; None is `Bernoulli()`.
        seed: seed of the initial weights. Torch's global generator of the CPU is left as it was; those of
            accelerators are seeded and stay so. None draws from the global generator.

    Raises:
        ValueError: a size is not a whole number of at least 1.

    Source: book chapter 8; Kingma & Welling (2014), appendix C.
    """

    def __init__(
        self,
        input_dim: int,
        latent_dim: int,
        hidden: Sequence[int] = (128,),
        likelihood: nn.Module | None = None,
        *,
        seed: int | None = None,
    ):
        super().__init__()
        self.input_dim = require.count("input_dim", input_dim)
        self.latent_dim = require.count("latent_dim", latent_dim)
        widths = [require.count("hidden", width) for width in hidden]
        self.likelihood = Bernoulli() if likelihood is None else likelihood
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.encoder = _perceptron([self.input_dim, *widths, 2 * self.latent_dim])
            self.decoder = _perceptron([self.latent_dim, *reversed(widths), self.input_dim])

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and ln σ² of q(z|x): two tensors of shape (B, J) for x of shape (B, D)."""
        require.matrix("x", x, "D", self.input_dim)
        mu, logvar = self.encoder(x).chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Parameters of p(x|z): (..., D) for z of shape (..., J); logits for the Bernoulli kinds."""
        if z.ndim == 0 or z.shape[-1] != self.latent_dim:
            raise ValueError(f"z must have shape (..., J={self.latent_dim}), got {require.shape_of(z)}")
        return self.decoder(z)

    @torch.no_grad()
    def generate(self, n: int, *, generator: torch.Generator | None = None, mean: bool = False) -> Tensor:
        """n new observations, (n, D): z from the prior, then x from p(x|z) (its mean with mean=True)."""
        weight = self.decoder[0].weight
        shape = (require.count("n", n), self.latent_dim)
        z = torch.randn(shape, dtype=weight.dtype, device=weight.device, generator=generator)
        params = self.decode(z)
        return self.likelihood.mean(params) if mean else self.likelihood.sample(params, generator=generator)


def _perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths with a ReLU between each two."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
