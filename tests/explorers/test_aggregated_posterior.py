"""The parts of the mean KL that the explorer shows, against the closed form and against draws."""

from __future__ import annotations

import pytest
import torch
from examples import aggregated_posterior

from vae_lib import gaussian
from vae_lib.explorers import AggregatedPosterior
from vae_lib.explorers.aggregated_posterior import MODELS, split
from vae_lib.explorers.shared import network

each_model = pytest.mark.parametrize("model", range(1, MODELS + 1))


def codes(model: int) -> tuple[torch.Tensor, torch.Tensor]:
    data = aggregated_posterior()
    with torch.no_grad():
        return network.unpack(data, model - 1).encode(network.images(data))


@each_model
def test_the_three_parts_add_up_to_the_closed_form(model: int):
    kl = gaussian.kl_to_standard_normal(*codes(model)).mean().item()
    assert AggregatedPosterior(_data=aggregated_posterior(), model=model).numbers()["kl"] == pytest.approx(
        kl, rel=1e-11
    )


@each_model
def test_each_part_is_nearly_that_of_draws(model: int):
    mu, logvar = codes(model)
    g = torch.Generator().manual_seed(0)
    noise = (torch.randn(mu.shape, dtype=mu.dtype, generator=g) for _ in range(100))
    drawn = torch.stack([split(mu, torch.exp(logvar / 2), eps) for eps in noise]).mean(0).tolist()
    numbers = AggregatedPosterior(_data=aggregated_posterior(), model=model).numbers()
    assert list(numbers.values())[3:] == pytest.approx(drawn, abs=0.1)


def test_without_data_there_is_no_model_to_show():
    with pytest.raises(ValueError, match="there is no model to show"):
        AggregatedPosterior().numbers()
