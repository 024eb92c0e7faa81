"""The multilayer perceptron: shapes, order of the outputs, generation and seeds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae_lib.models import VAE


def widths(perceptron: nn.Sequential) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in perceptron if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize(
    ("hidden", "encoder", "decoder"),
    [
        ((), [(6, 4)], [(2, 6)]),
        ((5,), [(6, 5), (5, 4)], [(2, 5), (5, 6)]),
        ([5, 3], [(6, 5), (5, 3), (3, 4)], [(2, 3), (3, 5), (5, 6)]),
    ],
)
def test_the_decoder_mirrors_the_encoder(hidden, encoder, decoder):
    model = VAE(6, 2, hidden)
    assert widths(model.encoder) == encoder and widths(model.decoder) == decoder
    for part in (model.encoder, model.decoder):
        assert [type(layer) for layer in part] == ([nn.Linear, nn.ReLU] * len(part))[: len(part)]
        assert isinstance(part[-1], nn.Linear)


def test_default_sizes_and_likelihood():
    model = VAE(64, 8)
    assert widths(model.encoder) == [(64, 128), (128, 16)]
    assert isinstance(model.likelihood, Bernoulli)
    assert (model.input_dim, model.latent_dim) == (64, 8)
    assert (
        sum(p.numel() for p in model.parameters())
        == 64 * 128 + 128 + 128 * 16 + 16 + 8 * 128 + 128 + 128 * 64 + 64
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_encode_gives_mu_first_and_logvar_second(dtype):
    model, x = VAE(6, 2, seed=0).to(dtype), torch.rand(4, 6, dtype=dtype)
    mu, logvar = model.encode(x)
    assert mu.shape == logvar.shape == (4, 2) and mu.dtype == logvar.dtype == dtype
    with torch.no_grad():
        model.encoder[-1].bias[2:] += 10
    new_mu, new_logvar = model.encode(x)
    torch.testing.assert_close(new_mu, mu)
    torch.testing.assert_close(new_logvar, logvar + 10)


@pytest.mark.parametrize("shape", [(2,), (4, 2), (3, 4, 2)], ids=str)
def test_decode_keeps_sample_axes(shape):
    model = VAE(6, 2, seed=0)
    z = torch.randn(shape)
    torch.testing.assert_close(model.decode(z).reshape(-1, 6), model.decode(z.reshape(-1, 2)))
    assert model.decode(z).shape == (*shape[:-1], 6)


@pytest.mark.parametrize("likelihood", [Bernoulli(), ContinuousBernoulli(), Gaussian(0.2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_generate_draws_from_prior_decoder_and_likelihood(likelihood, dtype):
    model = VAE(6, 2, likelihood=likelihood, seed=0).to(dtype)
    seeded = torch.Generator().manual_seed(3)
    params = model.decode(torch.randn(5, 2, generator=seeded, dtype=dtype))
    draws = likelihood.sample(params, generator=seeded)
    again = torch.Generator().manual_seed(3)
    assert torch.equal(model.generate(5, generator=again), draws) and draws.shape == (5, 6)
    again.manual_seed(3)
    means = model.generate(5, generator=again, mean=True)
    assert torch.equal(means, likelihood.mean(params)) and not means.requires_grad
    assert means.dtype == draws.dtype == dtype


@pytest.mark.usefixtures("global_rng_untouched")
def test_seeds_leave_the_global_generator_alone():
    first, again, other = (VAE(6, 2, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])
    VAE(6, 2, seed=0).generate(3, generator=torch.Generator().manual_seed(0))


def test_a_seed_also_seeds_the_accelerators(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    VAE(6, 2, seed=3)
    assert seeded == [3]


def test_without_a_seed_the_global_generator_decides():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        first, second = VAE(6, 2), VAE(6, 2)
        torch.manual_seed(7)
        again = VAE(6, 2)
    assert torch.equal(first.encoder[0].weight, again.encoder[0].weight)
    assert not torch.equal(first.encoder[0].weight, second.encoder[0].weight)


@pytest.mark.parametrize("bad", [0, -1, 2.5, True])
@pytest.mark.parametrize("name", ["input_dim", "latent_dim", "hidden"])
def test_sizes_must_be_counts(name, bad, value_error):
    sizes = {"input_dim": 6, "latent_dim": 2, name: (5, bad) if name == "hidden" else bad}
    with value_error(name, bad):
        VAE(**sizes)


@pytest.mark.parametrize("n", [0, -2, 1.5])
def test_generate_needs_a_count(n, value_error):
    with value_error("n must be", n):
        VAE(6, 2).generate(n)


@pytest.mark.parametrize("shape", [(6,), (4, 5), (1, 4, 6)], ids=str)
def test_encode_wants_rows_of_the_right_width(shape, value_error):
    with value_error("D=6", shape):
        VAE(6, 2).encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(), (4, 3), (4, 1), (2, 4)], ids=str)
def test_decode_wants_the_right_width(shape, value_error):
    with value_error("J=2", shape):
        VAE(6, 2).decode(torch.zeros(shape))
