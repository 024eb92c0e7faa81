"""Small programs that train a VAE, right and wrong ones, for the tests of `diagnose`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from vae_lib import diagnose
from vae_lib.diagnosis.gallery import PROGRAMS, Right
from vae_lib.models import VAE

BUGS = {code: program for code, program in PROGRAMS.items() if code != "right"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count=20, width=64, seed=0):
    """Random grey images from 0 to 255."""
    return torch.randint(0, 256, (count, width), generator=seeded(seed)).float()


def examine(program, **options):
    """What `diagnose` finds in one of the gallery's programs, or in a variant."""
    return diagnose(program, program.loss, program.load(images()), **options)


def variant(**parts):
    """The right program with some of its methods replaced."""
    return type("Variant", (Right,), parts)(64, 8, seed=0)


def kl_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1)


def sampled_kl(mu, logvar, z, prior_width=1.0):
    """The KL term estimated from z, for each image."""
    log_q = torch.distributions.Normal(mu, torch.exp(logvar / 2)).log_prob(z)
    return (log_q - torch.distributions.Normal(0.0, prior_width).log_prob(z)).sum(1)


class Tutorial(nn.Module):
    """A VAE as in many tutorials: pictures in, probabilities out, sums over everything."""

    @torch.random.fork_rng()
    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 40), nn.Linear(40, 20), nn.Linear(40, 20)
        self.fc3, self.fc4 = nn.Linear(20, 40), nn.Linear(40, 784)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def tutorial_loss(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(len(x), -1), reduction="sum")
    return BCE - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


class Convolutional(nn.Module):
    """A VAE with convolutions, a batch norm, dropout, and a decode that is a module."""

    @torch.random.fork_rng()
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.norm, self.heads = nn.BatchNorm1d(64), nn.Linear(64, 6)
        self.decode = nn.Sequential(
            nn.Linear(3, 64), nn.Unflatten(1, (4, 4, 4)), nn.Dropout(), nn.ConvTranspose2d(4, 1, 2, 2)
        )

    def encode(self, x):
        return self.heads(self.norm(self.encoder(x))).chunk(2, dim=1)

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(mu + torch.exp(logvar / 2) * torch.randn_like(mu)), mu, logvar


def encode(program, x):
    """The encode that the variants change."""
    return VAE.encode(program, x)


def decode(program, z):
    """The decode that the variants change."""
    return VAE.decode(program, z)
