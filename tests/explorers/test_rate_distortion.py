"""The data of rate_distortion: what is refused, and the numbers that are computed from them."""

from __future__ import annotations

import base64
import math

import pytest
import torch
from examples import rate_distortion

from vae_lib.explorers import RateDistortion
from vae_lib.explorers.rate_distortion import pack
from vae_lib.likelihoods import Gaussian
from vae_lib.models import VAE
from vae_lib.objective import elbo

IMAGES = torch.linspace(0, 1, 8 * 4).reshape(8, 4)


def runs(**changes) -> list[dict]:
    """Nine runs; `changes` go to the third."""
    made = [
        {"sigma": 0.1 * i, "distortion": i, "kl": [1.0, 0.01, 0.011], "means": IMAGES, "samples": IMAGES}
        for i in range(1, 10)
    ]
    made[2].update(changes)
    return made


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sigma": 0.0}, "sigma must be a finite number above 0"),
        ({"sigma": 0.2}, "in the order of sigma"),
        ({"sigma": 0.9}, "in the order of sigma"),
        ({"distortion": -1.0}, "distortion must be"),
        ({"distortion": math.nan}, "distortion must be"),
        ({"kl": [1.0, 2.0]}, "the same J, got [3, 3, 2,"),
        ({"kl": [1.0, -0.1, 0.0]}, "kl must be"),
        ({"means": IMAGES[:7]}, "means must be 8 square images, got shape (7, 4)"),
        ({"means": torch.ones(8, 9)}, "means must have shape (B, D=4)"),
        ({"samples": torch.full((8, 4), math.nan)}, "samples holds NaN"),
    ],
)
def test_runs_that_do_not_fit_are_refused(changes, named):
    with pytest.raises(ValueError) as caught:
        pack(IMAGES, runs(**changes))
    assert named in str(caught.value)


def test_nine_runs_and_square_images_are_needed():
    with pytest.raises(ValueError, match="runs must hold 9 trained models, got 8"):
        pack(IMAGES, runs()[:8])
    with pytest.raises(ValueError, match="originals must be 8 square images"):
        pack(torch.zeros(8, 3), runs(means=torch.zeros(8, 3), samples=torch.zeros(8, 3)))
    with pytest.raises(ValueError, match=r"RateDistortion\(_data=pack"):
        RateDistortion().numbers()


def test_pictures_are_bytes_between_white_and_black():
    images = torch.tensor([[-0.5, 0.0, 0.4, 1.7]]).expand(8, 4)
    packed = pack(IMAGES, runs(means=images))
    assert list(base64.b64decode(packed["runs"][2]["means"])) == [0, 0, 102, 255] * 8
    assert list(base64.b64decode(packed["originals"]))[-1] == 255 and packed["pixels"] == 4


def test_a_dimension_counts_above_a_hundredth_of_a_nat():
    explorer = RateDistortion(_data=pack(IMAGES, runs()), run=3)
    assert explorer.numbers()["active_units"] == 2
    assert explorer.numbers()["kl"] == pytest.approx(1.021, rel=1e-12)
    assert explorer.numbers()["beta"] == pytest.approx(0.09, rel=1e-12)


def test_the_numbers_are_those_of_the_objective():
    """Distortion and KL measured on a model give the ELBO that vae_lib computes on it."""
    x = torch.rand(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = VAE(4, 3, hidden=(5,), likelihood=Gaussian(0.3), seed=0).double()
    exact = elbo(model, x, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mu, logvar = model.encode(x)
        eps = torch.randn(5, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        distortion = ((x - model.decode(mu + torch.exp(logvar / 2) * eps)) ** 2).sum(-1).mean().item()
        kl = (0.5 * (mu**2 + logvar.exp() - logvar - 1)).mean(0).tolist()
    made = runs(sigma=0.3, distortion=distortion, kl=kl)
    numbers = RateDistortion(_data=pack(IMAGES, made), run=3).numbers()
    for name in ("elbo", "reconstruction", "kl"):
        assert numbers[name] == pytest.approx(getattr(exact, name).mean().item(), rel=1e-10), name


def test_example_collapses_as_sigma_rises():
    rows = [RateDistortion(_data=rate_distortion(), run=run).numbers() for run in range(1, 10)]
    active = [row["active_units"] for row in rows]
    assert active == sorted(active, reverse=True) and active[0] == 8 and active[-1] == 0
    assert [row["kl"] for row in rows] == sorted((row["kl"] for row in rows), reverse=True)
