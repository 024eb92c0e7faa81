"""Chapter 8: one network trained at nine σ of its Gaussian decoder, from a small to a large one."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from numbers import Real

import torch
from torch import Tensor

from vae_lib import _validate as require
from vae_lib.diagnosis.gallery import ACTIVE
from vae_lib.explorers.shared.base import Explorer, Slider
from vae_lib.likelihoods import Gaussian

RUNS, IMAGES = 9, 8  # trained models; test images, reconstructions and samples of each


def pack(originals: Tensor, runs: Sequence[Mapping]) -> dict:
    """What `RateDistortion` needs as `_data`, made from what was measured on trained models.

    Args:
        originals: eight images in [0, 1], (8, D).
        runs: for each of nine models in the order of its σ a mapping with `sigma`, of p(x|z);
            `distortion`, the mean squared error per image, summed over pixels; `kl`, the mean KL of each
            latent dimension in nats, (J,); `means`, the reconstructions of the originals, (8, D); and
            `samples`, eight new images, (8, D). Pictures become bytes; values outside [0, 1] are
            clipped.

    Raises:
        ValueError: there are not nine runs, σ does not rise, or a value has the wrong shape, kind or sign.
    """
    require.matrix("originals", originals, "D")
    D = originals.shape[1]
    if len(runs) != RUNS:
        raise ValueError(f"runs must hold {RUNS} trained models, got {len(runs)}")
    sigmas = [require.positive("sigma", run["sigma"]) for run in runs]
    if sigmas != sorted(set(sigmas)):
        raise ValueError(f"runs must be in the order of sigma, got {sigmas}")
    if len({len(run["kl"]) for run in runs}) != 1:
        raise ValueError(f"all runs must have the same J, got {[len(run['kl']) for run in runs]}")
    return {
        "pixels": D,
        "originals": _bytes("originals", originals, D),
        "runs": [
            {
                "sigma": sigma,
                "distortion": require.weight("distortion", run["distortion"]),
                "kl": [require.weight("kl", nats) for nats in run["kl"]],
                "means": _bytes("means", run["means"], D),
                "samples": _bytes("samples", run["samples"], D),
            }
            for sigma, run in zip(sigmas, runs, strict=True)
        ],
    }


def _bytes(name: str, images: Tensor, width: int) -> str:
    """Eight images as bytes in base64."""
    require.matrix(name, require.floating(name, images), "D", width)
    if len(images) != IMAGES or math.isqrt(width) ** 2 != width:
        raise ValueError(f"{name} must be {IMAGES} square images, got shape {require.shape_of(images)}")
    levels = (255 * images.detach().cpu().clamp(0, 1)).round().to(torch.uint8)
    return base64.b64encode(levels.numpy().tobytes()).decode("ascii")


class RateDistortion(Explorer):
    """What a VAE with a Gaussian decoder pays for and gets at nine σ, measured on held-out images.

    `kl` is the rate in nats, the sum of the mean KL of each latent dimension, and `active_units` counts
    the dimensions above 0.01 nats. `distortion` is E_q[Σⱼ (xⱼ − mⱼ)²], the squared error per image;
    `reconstruction` is E_q[log p(x|z)] by (7.4) and `elbo` = `reconstruction` − `kl`. The same training with
    squared error weighted as for σ = 1 has `beta` = σ².

    Args:
        _data: what `pack` returns.

    Trait: `run`, which of the nine models, 1 for the smallest σ.

    Raises:
        ValueError: `run` is out of its bounds, or `_data` does not hold nine runs and eight images.
    """

    chapter = 8
    question = "Which latent dimensions survive when a nat gets dearer?"
    required_counts, builder = {"runs": RUNS, "images": IMAGES}, "rate_distortion.pack"
    run = Slider(7, 1, RUNS, 1, "run, from a sharp to a blunt p(x|z)", integer=True)

    @staticmethod
    def counts(data: Mapping) -> tuple[int, ...]:
        """Numbers of runs, and of images with as many pixels as `data` says."""
        images = len(base64.b64decode(data.get("originals", ""))) // (data.get("pixels") or math.inf)
        return len(data.get("runs", ())), int(images)

    def numbers(self) -> dict[str, Real]:
        """σ and β of the run, its distortion, rate, active dimensions and ELBO.

        Raises:
            ValueError: the explorer was made without `_data`.
        """
        if not self._data:
            raise ValueError("there is nothing to show: RateDistortion(_data=pack(originals, runs))")
        run = self._data["runs"][self.run - 1]
        sigma, distortion, D = run["sigma"], run["distortion"], self._data["pixels"]
        # An image that is off by the same amount everywhere and has this squared error.
        x = torch.zeros(1, D, dtype=torch.float64)
        reconstruction = Gaussian(sigma).log_prob(x, x + math.sqrt(distortion / D)).item()
        kl = math.fsum(run["kl"])
        return {
            "sigma": sigma,
            "beta": sigma**2,
            "distortion": distortion,
            "kl": kl,
            "active_units": sum(nats > ACTIVE for nats in run["kl"]),
            "reconstruction": reconstruction,
            "elbo": reconstruction - kl,
        }
