"""Small data for each explorer that shows what was computed before: a function of the explorer's name."""

from __future__ import annotations

import copy
import functools

import torch

from vae_lib import datasets, gallery
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers import aggregated_posterior as aggregated
from vae_lib.explorers.aggregated_posterior import IMAGES
from vae_lib.explorers.latent import SNAPSHOTS
from vae_lib.explorers.rate_distortion import pack
from vae_lib.explorers.shared import network
from vae_lib.explorers.which_bug import EPOCHS, cases
from vae_lib.models import VAE
from vae_lib.training import fit


@functools.cache
def latent() -> dict:
    """A smaller stand-in for the model of chapter 8."""
    return network.pack(dict(enumerate(trained())), *images_and_labels())


@functools.cache
def trained() -> list[VAE]:
    """The model before training and after each of five epochs."""
    model = VAE(64, 2, hidden=(12,), seed=0)
    kept = [copy.deepcopy(model)]
    x = datasets.load_digits().x_train
    fit(model, x, epochs=SNAPSHOTS - 1, batch_size=64, lr=0.01, progress=False,
        callback=lambda epoch, history: kept.append(copy.deepcopy(model)))  # fmt: skip
    return kept


def images_and_labels() -> tuple[torch.Tensor, torch.Tensor]:
    """The test images of the digits."""
    digits = datasets.load_digits()
    return digits.x_test, digits.y_test


@functools.cache
def aggregated_posterior() -> dict:
    """Smaller models than those of chapter 10, trained with the same five β."""
    digits, models = datasets.load_digits(binarize=True), {}
    for beta in (0.1, 0.5, 1.0, 2.0, 4.0):
        models[beta] = VAE(64, 2, hidden=(12,), seed=0)
        fit(models[beta], digits.x_train[:500], epochs=20, batch_size=64, lr=0.01, beta=beta, progress=False)
    return aggregated.pack(models, digits.x_test[:IMAGES], digits.y_test[:IMAGES])


def rate_distortion() -> dict:
    """Runs at nine σ: the smaller σ, the more nats and the less error."""
    g = torch.Generator().manual_seed(0)
    variances = torch.tensor([0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1], dtype=torch.float64)
    runs = []
    for sigma in (0.1, 0.14, 0.2, 0.28, 0.4, 0.5, 0.6, 0.8, 0.85):
        kept = torch.minimum(variances, torch.tensor(sigma**2))  # reverse water-filling
        runs.append(
            {
                "sigma": sigma,
                "distortion": 0.4 + kept.sum().item(),
                "kl": 0.5 * torch.log(variances / kept) + 0.005 * torch.rand(8, generator=g),
                "means": torch.rand(8, 64, generator=g),
                "samples": torch.rand(8, 64, generator=g),
            }
        )
    return pack(torch.rand(8, 64, generator=g), runs)


@functools.cache
def which_bug() -> dict:
    """The programs of chapter 9, smaller, trained on 64 images."""
    digits = datasets.load_digits()
    programs = {code: kind(64, 8, hidden=(16,), seed=0) for code, kind in gallery.PROGRAMS.items()}
    generator = torch.Generator().manual_seed(0)
    curves = {code: gallery.train(program, 255 * digits.x_train[:64], epochs=EPOCHS)
              for code, program in programs.items()}  # fmt: skip
    prints = {code: gallery.fingerprint(program, 255 * digits.x_test, generator=generator)
              for code, program in programs.items()}  # fmt: skip
    samples = {
        code: program.generate(6, generator=generator, mean=True) for code, program in programs.items()
    }
    return cases(curves, prints, samples)


DATA = {name: globals()[name] for name, cls in EXPLORERS.items() if cls.required_counts}
