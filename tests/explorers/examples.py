"""Data for the explorers that show what was computed before."""

from __future__ import annotations

import copy
import functools

import torch

from vae_lib import datasets
from vae_lib.explorers import network
from vae_lib.explorers.latent import SNAPSHOTS
from vae_lib.models import VAE
from vae_lib.training import fit


@functools.cache
def latent() -> dict:
    """A model that learned for a few seconds less than that of chapter 8."""
    return network.pack(dict(enumerate(trained())), *images_and_labels())


@functools.cache
def trained() -> list[VAE]:
    """The model before training and after each of five epochs."""
    torch.set_num_threads(1)
    model = VAE(64, 2, hidden=(12,), seed=0)
    kept = [copy.deepcopy(model)]
    x = datasets.load_digits().x_train
    fit(model, x, epochs=SNAPSHOTS - 1, batch_size=64, lr=0.01, progress=False,
        callback=lambda epoch, history: kept.append(copy.deepcopy(model)))  # fmt: skip
    return kept


def images_and_labels():
    digits = datasets.load_digits()
    return digits.x_test, digits.y_test


DATA = {"latent": latent}
