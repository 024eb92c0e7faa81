"""A model as text: how much the rounding of its weights changes, and what is refused."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from examples import images_and_labels, latent, trained

from vae_lib import gaussian
from vae_lib.explorers import Latent
from vae_lib.explorers.shared import network
from vae_lib.likelihoods import Gaussian
from vae_lib.models import VAE


def elbo(model: VAE, x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """The ELBO of each image with given noise, in the model's precision."""
    with torch.no_grad():
        mu, logvar = model.encode(x)
        z = gaussian.reparameterize(mu, logvar, eps=eps.to(x.dtype))
        return model.likelihood.log_prob(x, model.decode(z)) - gaussian.kl_to_standard_normal(mu, logvar)


def test_rounded_weights_give_each_image_the_elbo_of_torch():
    """Within 0.01 nats for every test image at every snapshot; rounding to 8 bits would not do."""
    x, _ = images_and_labels()
    eps = torch.randn(len(x), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    worst = 0.0
    for i, model in enumerate(trained()):
        exact = elbo(model, x, eps)
        packed = elbo(network.unpack(latent(), i), x.double(), eps)
        worst = max(worst, (packed - exact).abs().max().item())
    assert 0 < worst < 0.01

    coarse = copy.deepcopy(trained()[-1])
    for parameter in coarse.parameters():
        step = parameter.data.abs().max() / 127
        parameter.data = (parameter.data / step).round() * step
    assert (elbo(coarse, x, eps) - elbo(trained()[-1], x, eps)).abs().max() > 0.01


def test_no_weight_moves_by_more_than_half_a_step():
    for i, model in enumerate(trained()):
        unpacked = dict(network.unpack(latent(), i).named_parameters())
        for name, weights in model.named_parameters():
            moved = (unpacked[name] - weights.double()).abs().max()
            assert moved <= 1.0001 * weights.abs().max() / 65_534, name
            assert unpacked[name].dtype == torch.float64


def test_images_and_labels_are_unpacked_unchanged():
    x, y = images_and_labels()
    assert torch.equal(network.images(latent()), x.double())
    assert [int(label) for label in latent()["labels"]] == y.tolist()


def test_what_is_packed_is_json():
    there = json.loads(json.dumps(latent()))
    assert Latent(_data=there).numbers() == Latent(_data=latent()).numbers()


def small(**changes) -> dict:
    given = {"snapshots": {0: VAE(4, 2, hidden=(3,), seed=0)}, "x": torch.zeros(2, 4), "y": torch.arange(2)}
    return given | changes


def test_a_layer_of_zeros_is_unpacked_as_zeros():
    given = small()
    torch.nn.init.zeros_(given["snapshots"][0].encoder[0].weight)
    assert network.unpack(network.pack(**given), 0).encoder[0].weight.abs().max() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"snapshots": {}}, "snapshots is empty"),
        ({"snapshots": {0: VAE(4, 2, hidden=(3,)), 1: VAE(4, 2, hidden=(5,))}}, "same widths"),
        ({"snapshots": {0: VAE(4, 2, hidden=(3, 3))}}, "one hidden layer"),
        ({"snapshots": {0: VAE(4, 2, hidden=())}}, "one hidden layer"),
        ({"snapshots": {0: VAE(4, 2, hidden=(3,), likelihood=Gaussian())}}, "Bernoulli"),
        ({"x": torch.zeros(2, 5)}, r"x must have shape \(B, D=4\)"),
        ({"x": torch.full((2, 4), 0.03)}, "multiples of 1/16"),
        ({"x": torch.full((2, 4), 17 / 16)}, "from 0 to 1"),
        ({"x": torch.full((2, 4), float("nan"))}, "multiples of 1/16"),
        ({"y": torch.arange(3)}, "2 labels"),
        ({"y": torch.tensor([0, 10])}, "from 0 to 9"),
    ],
)
def test_what_cannot_be_packed_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        network.pack(**small(**changes))


def test_weights_with_nan_are_refused():
    given = small()
    torch.nn.init.constant_(given["snapshots"][0].decoder[0].bias, float("nan"))
    with pytest.raises(ValueError, match=r"decoder\.0\.bias holds NaN"):
        network.pack(**given)


@pytest.mark.parametrize("snapshot", [-1, 1])
def test_missing_snapshots_are_refused(snapshot):
    with pytest.raises(ValueError, match=f"snapshot must be from 0 to 0, got {snapshot}"):
        network.unpack(network.pack(**small()), snapshot)
