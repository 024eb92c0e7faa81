"""The running example, on which the explorers of chapters 2 to 7 stand: p(x|z) = N(2z, 1) at x = 2.5."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_lib.linear_gaussian import LinearGaussian

MODEL = LinearGaussian(W=[[2.0]], b=[0.0], sigma=1.0)
X = torch.tensor([[2.5]], dtype=torch.float64)


def q(mu: float, logvar: float) -> tuple[Tensor, Tensor]:
    """Mean and ln σ² of q, each (1, 1), as the methods of `MODEL` take them."""
    return torch.full_like(X, mu), torch.full_like(X, logvar)


def log_lik(z: Tensor) -> Tensor:
    """log p(x|z) in nats for draws z, (L,)."""
    return MODEL.likelihood.log_prob(X.expand(len(z), 1), MODEL.decode(z[:, None]))
