"""The ELBO estimate, term by term, by hand and against the oracle."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vae_lib import gaussian
from vae_lib.likelihoods import Bernoulli, Gaussian
from vae_lib.models import VAE
from vae_lib.objective import ELBO, elbo


@pytest.fixture
def model() -> VAE:
    return VAE(6, 2, hidden=(5,), seed=0).double()


@pytest.fixture
def x(generator) -> torch.Tensor:
    return torch.rand(4, 6, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_every_term_is_the_one_computed_by_hand(model, x, num_samples, beta):
    result = elbo(model, x, num_samples, beta, generator=torch.Generator().manual_seed(3))
    mu, logvar = model.encode(x)
    eps = torch.randn(num_samples, 4, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    logits = model.decode(mu + torch.exp(logvar / 2) * eps)
    nll = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1).mean(0)
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)
    torch.testing.assert_close(result.reconstruction, -nll)
    torch.testing.assert_close(result.kl, kl)
    torch.testing.assert_close(result.elbo, -nll - kl)
    torch.testing.assert_close(result.loss, (nll + beta * kl).mean())
    assert isinstance(result, ELBO) and result.loss.ndim == 0


@pytest.mark.parametrize("num_samples", [1, 4])
def test_the_estimate_is_unbiased(num_samples, oracle_2d, generator, within_5_standard_errors):
    x = torch.tensor([[0.9, -0.2, 0.4, 1.0]], dtype=torch.float64)
    mu, logvar = oracle_2d.encode(x)
    result = elbo(oracle_2d, x.expand(20_000, 4), num_samples, generator=generator)
    within_5_standard_errors(result.reconstruction, oracle_2d.reconstruction(x, mu, logvar))
    within_5_standard_errors(result.elbo, oracle_2d.elbo(x, mu, logvar))
    torch.testing.assert_close(result.kl[:1], gaussian.kl_to_standard_normal(mu, logvar))


def test_for_the_same_decoder_calls_more_images_beat_more_samples(model, generator):
    """(5.4): the variance is (data part + noise part / L) / B, here with B·L = 8 decoder calls."""
    images = torch.rand(200, 6, generator=generator, dtype=torch.float64).round()

    def variance(L, B, repeats=150):
        drawn = torch.randint(200, (repeats, B), generator=generator)
        gradients = []
        for batch in drawn:
            loss = elbo(model, images[batch], L, generator=generator).loss
            gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, model.parameters())]))
        return torch.stack(gradients).var(0).sum().item()

    assert 1.2 * variance(1, 8) < variance(2, 4) < variance(8, 1) / 2


def test_the_gradient_reaches_every_parameter(model, x, generator):
    elbo(model, x, generator=generator).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


def test_the_reconstruction_term_has_a_gradient_for_the_encoder(model, x, generator):
    elbo(model, x, beta=0.0, generator=generator).loss.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.encoder.parameters())


def test_the_gradient_reaches_a_learnt_sigma(x, generator):
    model = VAE(6, 2, likelihood=Gaussian(0.3, learn_sigma=True), seed=0)
    elbo(model, x, generator=generator).loss.backward()
    assert model.likelihood.log_sigma.grad != 0


def test_every_row_has_its_own_noise(model):
    x = torch.full((5, 6), 0.5)
    assert len(elbo(model, x).reconstruction.unique()) == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_model_is_kept_and_x_converted(dtype, generator):
    model = VAE(6, 2, seed=0).to(dtype)
    pixels = torch.randint(0, 2, (4, 6), generator=generator)
    seeds = (torch.Generator().manual_seed(3) for _ in range(4))
    results = [elbo(model, pixels.to(d), generator=next(seeds)) for d in (dtype, torch.bool, torch.uint8)]
    for result in results:
        terms = (result.reconstruction, result.kl, result.elbo, result.loss)
        assert {term.dtype for term in terms} == {dtype}
        assert torch.equal(result.elbo, results[0].elbo)


@pytest.mark.usefixtures("global_rng_untouched")
def test_a_generator_makes_it_reproducible(model, x):
    first, again, other = (
        elbo(model, x, 2, generator=torch.Generator().manual_seed(seed)).loss for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_readers_own_likelihood_needs_only_log_prob(model, x, generator):
    class Laplace(nn.Module):
        def log_prob(self, x, params):
            return torch.distributions.Laplace(params, 1.0).log_prob(x).sum(-1)

    model.likelihood = Laplace()
    result = elbo(model, x - 5, generator=generator)  # it accepts what a Bernoulli would not
    assert result.elbo.shape == (4,) and (result.reconstruction < -20).all()


def test_an_overridden_log_prob_is_called(model, x, generator):
    class Tempered(Bernoulli):
        def log_prob(self, x, params):
            return super().log_prob(x, params) / 2

    model.decode = lambda z: torch.zeros(4, 6).double()
    for model.likelihood, bound in ((Bernoulli(), -6 * math.log(2)), (Tempered(), -3 * math.log(2))):
        found = elbo(model, x, generator=generator).reconstruction
        torch.testing.assert_close(found, torch.full((4,), bound).double())


# What a caller may get wrong


@pytest.mark.parametrize(
    ("x", "named"),
    [
        (torch.zeros(0, 6), ["empty", (0, 6)]),
        (torch.zeros(6), ["(B, D)", (6,)]),
        (torch.zeros(2, 3, 6), ["(B, D)", (2, 3, 6)]),
        (torch.zeros(2, 5), ["D=6", (2, 5)]),
        (torch.full((2, 6), math.nan), ["x holds NaN", "12 of its 12"]),
        (torch.full((2, 6), 200, dtype=torch.uint8), ["[0, 1]", "from 200 to 200", "divide by 255"]),
        (torch.full((2, 6), -0.5), ["[0, 1]", "-0.5"]),
    ],
)
def test_bad_data_is_refused(x, named, model, value_error):
    with value_error(*named):
        elbo(model, x)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"num_samples": 0}, ["num_samples", 0]),
        ({"num_samples": 2.5}, ["num_samples", 2.5]),
        ({"beta": -1.0}, ["beta", -1.0]),
        ({"beta": math.nan}, ["beta", "nan"]),
        ({"beta": math.inf}, ["beta", "inf"]),
        ({"beta": None}, ["beta", "None"]),
        ({"beta": "1"}, ["beta", "'1'"]),
        ({"beta": True}, ["beta", "True"]),
        ({"beta": torch.ones(2)}, ["beta", "tensor([1., 1.])"]),
    ],
    ids=str,
)
def test_bad_numbers_are_refused(arguments, named, model, x, value_error):
    with value_error(*named):
        elbo(model, x, **arguments)


@pytest.mark.parametrize("shapes", [((4, 2), (4, 1)), ((4,), (4, 1)), ((4,), (4,))], ids=str)
def test_an_encoder_whose_outputs_do_not_match_is_refused(shapes, model, x, value_error):
    model.encode = lambda x: tuple(torch.zeros(shape).double() for shape in shapes)
    model.decode = lambda z: torch.zeros(4, 6).double()
    with value_error(*shapes):
        elbo(model, x)


@pytest.mark.parametrize(("num_samples", "x_shape", "out"), [(1, (4, 6), (4, 1)), (3, (3, 4, 6), (3, 4, 1))])
@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian()])
def test_a_decoder_of_another_shape_is_refused(likelihood, num_samples, x_shape, out, model, x, value_error):
    model.likelihood, model.decoder = likelihood, nn.Linear(2, 1).double()
    with value_error(f"x {x_shape}", f"params {out}"):
        elbo(model, x, num_samples)


@pytest.mark.parametrize(("part", "named"), [("encoder", "model"), ("decoder", "reconstruction term")])
def test_a_model_that_puts_out_nan_is_named(part, named, model, x, value_error):
    with torch.no_grad():
        getattr(model, part)[-1].bias.fill_(math.nan)
    with value_error(named, "NaN"):
        elbo(model, x)


def test_an_infinite_kl_is_named(model, x, value_error):
    with torch.no_grad():
        model.encoder[-1].bias.fill_(800.0)
    model.decode = lambda z: torch.zeros(4, 6).double()
    with value_error("KL term", "infinity"):
        elbo(model, x)
