"""A small trained VAE and its test images as text, for a script that runs them without torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from vae_lib import _validate as require
from vae_lib.explorers.shared.base import LEVELS
from vae_lib.likelihoods import Bernoulli
from vae_lib.models import VAE

STEPS = 32_767  # the largest weight of a layer, in steps of its grid


def pack(snapshots: Mapping[int, VAE], x: Tensor, y: Tensor) -> dict:
    """Weights at several epochs of one training run, and labelled images, as data that JSON can hold.

    Each weight matrix and each bias becomes 16-bit whole numbers times a step of its own, so that no weight
    moves by more than 1/65534 of the largest beside it; the bytes are written in base64.

    Args:
        snapshots: epoch → the model as it was then; all with the same one hidden layer and logits of
            a Bernoulli as output.
        x: images, (N, D), with grey values that are multiples of 1/16.
        y: their labels, (N,), from 0 to 9.

    Returns:
        The dictionary that `unpack` and `images` read, and `Latent(_data=…)`.

    Raises:
        ValueError: the models do not fit each other or the images, a weight is not finite, or an image or
            a label cannot be written without loss.

    Source: book chapter 8.
    """
    if not snapshots:
        raise ValueError("snapshots is empty: it must hold a model for each epoch that is to be shown")
    layouts = {epoch: _layout(model) for epoch, model in snapshots.items()}
    widths = next(iter(layouts.values()))
    if any(layout != widths for layout in layouts.values()):
        raise ValueError(f"all models must have the same widths (D, hidden, J), got {layouts}")
    require.matrix("x", x, "D", widths[0])
    levels = (LEVELS * x.double()).round()
    if not torch.equal(levels, LEVELS * x.double()) or levels.min() < 0 or levels.max() > LEVELS:
        raise ValueError(f"x must hold multiples of 1/{LEVELS} from 0 to 1 alone")
    if y.shape != x.shape[:1] or y.min() < 0 or y.max() > 9:
        raise ValueError(f"y must be {len(x)} labels from 0 to 9, got shape {require.shape_of(y)}")
    return {
        "epochs": [int(epoch) for epoch in snapshots],
        "widths": widths,
        "weights": [_written(model) for model in snapshots.values()],
        "images": _text(levels.to(torch.uint8)),
        "labels": "".join(str(label) for label in y.tolist()),
    }


def unpack(data: dict, snapshot: int) -> VAE:
    """The model of a snapshot, counted from 0, in float64: with the weights that the script computes with.

    Raises:
        ValueError: `data` has no such snapshot.
    """
    if not 0 <= snapshot < len(data["weights"]):
        raise ValueError(f"snapshot must be from 0 to {len(data['weights']) - 1}, got {snapshot}")
    pixels, hidden, latent = data["widths"]
    model = VAE(pixels, latent, hidden=(hidden,), seed=0).double()
    with torch.no_grad():
        for parameter, (step, text) in zip(model.parameters(), data["weights"][snapshot], strict=True):
            whole = np.frombuffer(base64.b64decode(text), "<i2").astype(float)
            parameter.copy_(torch.from_numpy(whole * step).reshape(parameter.shape))
    return model


def images(data: dict) -> Tensor:
    """The images, (N, D) in [0, 1], float64."""
    levels = np.frombuffer(base64.b64decode(data["images"]), np.uint8)
    return torch.from_numpy(levels.reshape(len(data["labels"]), -1) / LEVELS)


def _layout(model: VAE) -> list[int]:
    """[D, hidden, J] of a model that the script can run."""
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]
    pixels, latent, hidden = model.input_dim, model.latent_dim, shapes[0][0]
    if [p.shape for p in VAE(pixels, latent, hidden=(hidden,), seed=0).parameters()] != shapes:
        raise ValueError(f"a model must have one hidden layer, got weights of shapes {shapes}")
    if type(model.likelihood) is not Bernoulli:
        raise ValueError(f"a model must have a Bernoulli likelihood, got {model.likelihood}")
    return [pixels, hidden, latent]


def _written(model: VAE) -> list[tuple[float, str]]:
    """(step, whole numbers in base64) for each weight matrix and bias, in torch's order."""
    parts = []
    for name, parameter in model.named_parameters():
        weights = require.floating(name, parameter).detach().cpu().double()
        step = max(weights.abs().max().item(), 1e-30) / STEPS
        parts.append((step, _text((weights / step).round().to(torch.int16))))
    return parts


def _text(values: Tensor) -> str:
    """The bytes of a tensor, lowest first, in base64."""
    array = values.cpu().numpy()
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
