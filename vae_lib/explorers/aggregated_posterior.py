"""Chapter 10: where the codes of the images lie, where the prior is, and what the decoder makes of both."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.distributions import Normal

from vae_lib.explorers.shared import network
from vae_lib.explorers.shared.base import Explorer, Slider
from vae_lib.models import VAE

MODELS, IMAGES = 5, 160  # numbers of trained models, and of images whose codes are shown
CORNERS = [[-1, -1], [-1, 1], [1, -1], [1, 1]]  # ε: their mean is exact for a polynomial of degree 3


def pack(models: Mapping[float, VAE], x: Tensor, y: Tensor) -> dict:
    """What `AggregatedPosterior` needs as `_data`.

    Args:
        models: β → the model trained with it; all with two latent dimensions and the same one hidden layer.
        x: images, (N, D), with grey values that are multiples of 1/16.
        y: their labels, (N,), from 0 to 9.

    Raises:
        ValueError: the models do not fit each other or the images, as `network.pack` says.
    """
    return {**network.pack(dict(enumerate(models.values())), x, y), "betas": [float(beta) for beta in models]}


def split(mu: Tensor, sigma: Tensor, eps: Tensor) -> Tensor:
    """Mutual information, total correlation and marginal KL of (10.2) in nats, (3,), at z = μ + σ ε.

    Args:
        mu, sigma: of q(z|x) for each of N images, (N, J).
        eps: the noise, (N, J).
    """
    log_q = Normal(mu, sigma).log_prob((mu + sigma * eps)[:, None])  # (N, N, J)
    own = log_q.diagonal().sum(0)
    whole = log_q.sum(2).logsumexp(1) - math.log(len(mu))
    each = log_q.logsumexp(1) - math.log(len(mu))
    prior = Normal(0.0, 1.0).log_prob(mu + sigma * eps)
    return torch.stack([own - whole, whole - each.sum(1), (each - prior).sum(1)]).mean(1)


class AggregatedPosterior(Explorer):
    """The codes of 160 images as a mixture of Gaussians, q(z), beside the prior, for five β.

    Everything in nats. `log_p` and `log_q` are log p(z) and log q(z) at the point one holds. The mean `kl` of
    the images is `mutual_information` + `total_correlation` + `marginal_kl` (10.2), measured at the four
    points (±1, ±1) of ε. There the sum is the mean of (4.5) exactly, and each part nearly what draws give.

    Traits: `model`, counted from 1 in the order of β; `z_1` and `z_2`, the point.

    Raises:
        ValueError: a trait is out of its bounds, or `_data` does not hold 5 models and 160 images.
    """

    chapter = 10
    question = "Is the prior where the codes are?"
    own_script = True
    required_counts, builder = {"models": MODELS, "images": IMAGES}, "aggregated_posterior.pack"
    model = Slider(1, 1, MODELS, 1, "model", integer=True)
    z_1 = Slider(-0.4, -4.0, 4.0, 0.01, "z₁ of the point you hold", color="likelihood")
    z_2 = Slider(0.9, -4.0, 4.0, 0.01, "z₂ of the point you hold", color="likelihood")

    @staticmethod
    def counts(data: Mapping) -> tuple[int, ...]:
        """Numbers of models and of images."""
        return len(data.get("betas", ())), len(data.get("labels", ()))

    def numbers(self) -> dict[str, float]:
        """Both densities at the point, and the parts of the mean KL.

        Raises:
            ValueError: the explorer was made without `_data`.
        """
        if not self._data:
            raise ValueError("there is no model to show: AggregatedPosterior(_data=pack(models, x, y))")
        with torch.no_grad():
            mu, logvar = network.unpack(self._data, self.model - 1).encode(network.images(self._data))
        sigma = torch.exp(logvar / 2)
        z = torch.tensor([self.z_1, self.z_2], dtype=torch.float64)
        log_q = Normal(mu, sigma).log_prob(z).sum(1).logsumexp(0) - math.log(IMAGES)
        corners = torch.tensor(CORNERS, dtype=torch.float64)
        parts = torch.stack([split(mu, sigma, eps.expand_as(mu)) for eps in corners]).mean(0)
        names = ("mutual_information", "total_correlation", "marginal_kl")
        return {
            "log_p": Normal(0.0, 1.0).log_prob(z).sum().item(),
            "log_q": log_q.item(),
            "kl": parts.sum().item(),
            **dict(zip(names, parts.tolist(), strict=True)),
        }
