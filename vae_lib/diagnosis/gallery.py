"""Programs that train a VAE with one line wrong, and the right one (chapter 9)."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_lib import gaussian
from vae_lib.models import VAE
from vae_lib.training import _adam

ACTIVE = 0.01  # nats of KL from which on a latent dimension counts as used


class Right(VAE):
    """The usual program with nothing wrong: how it loads images, draws z and computes the terms of its loss.

    A bug is a subclass that replaces one of the four lines `load`, `reparameterize`, `nll` and `kl`. The
    lines are plain torch and draw from its global generator, as in the programs that they stand for.

    Attributes:
        code: a short name, the one under which `diagnose` finds the bug.
        title: what is wrong, in a few words.

    Source: book equation (8.1).
    """

    code = "right"
    title = "nothing is wrong"

    def load(self, images: Tensor) -> Tensor:
        """What goes into the model: grey values from 0 to 1, of images from 0 to 255."""
        return images / 255

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """z = μ + σ ε, (B, J)."""
        return mu + torch.exp(logvar / 2) * torch.randn_like(mu)

    def nll(self, logits: Tensor, x: Tensor) -> Tensor:
        """The reconstruction term of the loss, a scalar in nats per image."""
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)

    def kl(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """The KL term of the loss, a scalar in nats per image."""
        return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(logits, mu, logvar) for x as `load` gives it."""
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar

    def loss(self, logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """What this program minimizes, a scalar."""
        return self.nll(logits, x) + self.kl(mu, logvar)


class PixelMean(Right):
    """The reconstruction term is a mean over images and pixels, so the KL term weighs D times too much."""

    code = "pixel_mean"
    title = "mean over pixels instead of sum"

    def nll(self, logits, x):
        return F.binary_cross_entropy_with_logits(logits, x)


class KLMeanOverLatents(Right):
    """The KL term is a mean over images and latent dimensions, so it weighs J times too little."""

    code = "kl_mean_over_latents"
    title = "KL averaged over latent dimensions"

    def kl(self, mu, logvar):
        return 0.5 * (mu**2 + logvar.exp() - logvar - 1).mean()


class KLWithoutHalf(Right):
    """The factor ½ of the KL term is missing: β = 2."""

    code = "kl_without_half"
    title = "KL without its ½"

    def kl(self, mu, logvar):
        return (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()


class KLSign(Right):
    """The KL term has the wrong sign, and the loss has no lower bound."""

    code = "kl_sign"
    title = "KL with the wrong sign"

    def kl(self, mu, logvar):
        return 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()


class SigmaIsExpLogvar(Right):
    """The draw takes the encoder's second output for ln σ, the KL term takes it for ln σ²."""

    code = "sigma_is_exp_logvar"
    title = "σ = exp(logvar) in the draw"

    def reparameterize(self, mu, logvar):
        return mu + torch.exp(logvar) * torch.randn_like(mu)


class OneEpsPerBatch(Right):
    """All images of a batch share one ε, which broadcasting spreads without a word."""

    code = "one_eps_per_batch"
    title = "one ε for the whole batch"

    def reparameterize(self, mu, logvar):
        return mu + torch.exp(logvar / 2) * torch.randn(mu.shape[1])


class NoNoise(Right):
    """z is the mean, without noise: an autoencoder with a penalty."""

    code = "no_noise"
    title = "no noise, z = μ"

    def reparameterize(self, mu, logvar):
        return mu


class NoGradientThroughZ(Right):
    """torch.normal draws the right numbers, and no gradient passes through them."""

    code = "no_gradient_through_z"
    title = "z without gradient"

    def reparameterize(self, mu, logvar):
        return torch.normal(mu, torch.exp(logvar / 2))


class SigmoidTwice(Right):
    """A sigmoid before a loss that applies its own: no pixel can be predicted below ½."""

    code = "sigmoid_twice"
    title = "sigmoid applied twice"

    def nll(self, logits, x):
        return F.binary_cross_entropy_with_logits(torch.sigmoid(logits), x, reduction="sum") / len(x)


class Bytes(Right):
    """Bytes where grey values from 0 to 1 belong; cross-entropy of logits accepts them."""

    code = "data_outside_unit_interval"
    title = "images as bytes"

    def load(self, images):
        return images


class NoKL(Right):
    """The KL term was left out: an autoencoder with free noise."""

    code = "no_kl"
    title = "no KL term"

    def kl(self, mu, logvar):
        return torch.zeros(())


PROGRAMS: dict[str, type[Right]] = {program.code: program for program in (Right, *Right.__subclasses__())}


def lines(program: type[Right]) -> tuple[str, str]:
    """The line that a bug gets wrong, and the right one: two expressions, as they stand in this file."""
    part = next(name for name in ("load", "reparameterize", "nll", "kl") if name in vars(program))
    return line(program, part), line(Right, part)


def line(program: type[Right], part: str) -> str:
    """What `load`, `reparameterize`, `nll` or `kl` of a program returns: an expression of this file."""
    source = inspect.getsource(getattr(program, part)).splitlines()[-1]
    return source.strip().removeprefix("return ")


def train(
    program: Right, images: Tensor, *, epochs: int, batch_size: int = 64, lr: float = 1e-3, seed: int = 0
) -> list[tuple[float, float]]:
    """The loop of chapter 8 with the program's own loss; the program is trained in place.

    Args:
        program: an object of one of the `PROGRAMS`.
        images: (N, D), from 0 to 255.
        epochs, batch_size, lr: as in `training.fit`.
        seed: of the order of the images and of the noise; the CPU's global generator is left as it was,
            those of accelerators stay seeded.

    Returns:
        For each epoch the means of both terms, nll and kl, as the program itself reports them.
    """
    optimizer = _adam(program, lr)
    curves = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            total = torch.zeros(2, dtype=torch.float64)
            for rows in torch.randperm(len(images)).split(batch_size):
                x = program.load(images[rows])
                logits, mu, logvar = program(x)
                terms = torch.stack([program.nll(logits, x), program.kl(mu, logvar)])
                optimizer.zero_grad()
                terms.sum().backward()
                optimizer.step()
                total += terms.detach() * len(rows)
            curves.append(tuple((total / len(images)).tolist()))
    return curves


@dataclass(frozen=True)
class Fingerprint:
    """What the right evaluation says of a trained program, in nats per image.

    Attributes:
        reconstruction: mean of log p(x|z).
        kl: KL(q(z|x) ‖ p(z)) of each latent dimension, (J,), means over the images.
    """

    reconstruction: float
    kl: Tensor

    @property
    def elbo(self) -> float:
        """Reconstruction − kl."""
        return self.reconstruction - self.kl.sum().item()

    @property
    def active_units(self) -> int:
        """Latent dimensions with more than 0.01 nats of KL."""
        return int((self.kl > ACTIVE).sum())


@torch.no_grad()
def fingerprint(
    program: Right, images: Tensor, num_samples: int = 20, *, generator: torch.Generator | None = None
) -> Fingerprint:
    """The ELBO of a program as chapter 8 evaluates it, whatever the program was trained with.

    The encoder sees the images as the program loads them. Its outputs are taken for μ and ln σ², those of
    the decoder for the logits of a Bernoulli; z is drawn with noise, and x lies in [0, 1].

    Args:
        program: a trained object of one of the `PROGRAMS`.
        images: held-out images, (N, D), from 0 to 255.
        num_samples: the number L of draws.
        generator: source of ε; None takes torch's global one.

    Source: book equations (3.4), (4.5) and (7.2).
    """
    mu, logvar = program.encode(program.load(images))
    logits = program.decode(gaussian.reparameterize(mu, logvar, num_samples, generator=generator))
    x = (images / 255).expand(logits.shape)
    columns = zip(mu.split(1, dim=1), logvar.split(1, dim=1), strict=True)
    kl = torch.stack([gaussian.kl_to_standard_normal(*column).double().mean() for column in columns])
    return Fingerprint(program.likelihood.log_prob(x, logits).double().mean().item(), kl)
