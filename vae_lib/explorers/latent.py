"""Chapter 8: the trained VAE itself, its latent plane, and the loss of what one draws."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from vae_lib import gaussian, objective
from vae_lib.explorers.shared import network
from vae_lib.explorers.shared.base import LEVELS, Explorer, Pixels, Slider
from vae_lib.explorers.shared.drawings import FACE

SNAPSHOTS, IMAGES = 6, 359  # numbers of epochs whose weights are kept, and of test images


class Latent(Explorer):
    """A VAE with two latent dimensions at six epochs of its training, with the test images.

    `Latent(_data=network.pack(snapshots, x_test, y_test))` shows it; everything is computed with the weights
    as they are packed. Traits: `drawing`, 64 grey levels from 0 to 16; `image`, 0 for the drawing or the
    number of a test image, counted from 1; `snapshot`, counted from 0; `z_1` and `z_2`, a point to decode;
    `seed` of the ε, one for the drawing and one for each test image.

    Raises:
        ValueError: a trait is out of its bounds, or `_data` does not hold 6 snapshots and 359 images.
    """

    chapter = 8
    question = "Which of the two terms notices that this is no digit?"
    required_counts, builder = {"snapshots": SNAPSHOTS, "images": IMAGES}, "network.pack"
    drawing = Pixels(FACE, "draw here")
    image = Slider(0, 0, IMAGES, 1, "image", integer=True)
    snapshot = Slider(SNAPSHOTS - 1, 0, SNAPSHOTS - 1, 1, "training", integer=True)
    z_1 = Slider(-1.5, -3.0, 3.0, 0.01, "z₁ of the point you hold", color="likelihood")
    z_2 = Slider(-1.0, -3.0, 3.0, 0.01, "z₂ of the point you hold", color="likelihood")
    seed = Slider(1, 0, 99, 1, "seed of ε", integer=True)

    @staticmethod
    def counts(data: Mapping) -> tuple[int, ...]:
        """Numbers of snapshots and of images."""
        return len(data.get("weights", ())), len(data.get("labels", ()))

    def numbers(self) -> dict[str, float]:
        """q(z|x) of the image, a draw from it, the terms of the ELBO with this draw, and their test means.

        `log_likelihood` is log p(x|z) of the same image at the point one holds. Everything in nats.

        Raises:
            ValueError: the explorer was made without `_data`.
        """
        if not self._data:
            raise ValueError("there is no model to show: Latent(_data=network.pack(snapshots, x, y))")
        model = network.unpack(self._data, self.snapshot)
        drawing = torch.tensor([self.drawing], dtype=torch.float64) / LEVELS
        x = torch.cat([drawing, network.images(self._data)])
        draws = [torch.Generator().manual_seed(self.seed) for _ in range(2)]
        eps = torch.randn(len(x), 2, dtype=torch.float64, generator=draws[0])
        with torch.no_grad():
            mu, logvar = model.encode(x)
            terms = objective.elbo(model, x, generator=draws[1])  # with the same ε
            z = gaussian.reparameterize(mu, logvar, eps=eps)
            held = model.decode(torch.tensor([[self.z_1, self.z_2]], dtype=torch.float64))
            log_likelihood = model.likelihood.log_prob(x[self.image : self.image + 1], held)
        pairs = {"mu": mu, "sigma": torch.exp(logvar / 2), "eps": eps, "sample": z}
        shown = {f"{name}_{j + 1}": v[self.image, j] for name, v in pairs.items() for j in range(2)}
        parts = {name: getattr(terms, name) for name in ("reconstruction", "kl", "elbo")}
        for name, part in parts.items():
            shown |= {name: part[self.image], f"mean_{name}": part[1:].mean()}
        shown["log_likelihood"] = log_likelihood
        return {name: float(value) for name, value in shown.items()}
