"""The Monte Carlo estimates against the linear-Gaussian oracle and against exact gradients."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vae_lib import _chunks
from vae_lib.estimators import (
    effective_sample_size,
    log_marginal_importance,
    log_marginal_naive,
    log_weights,
    pathwise_gradient,
    score_function_gradient,
)
from vae_lib.likelihoods import Bernoulli, Gaussian
from vae_lib.linear_gaussian import LinearGaussian
from vae_lib.models import VAE

LOG_MARGINALS = [log_marginal_naive, log_marginal_importance]
X = torch.tensor([[0.9, -0.2, 0.4]], dtype=torch.float64)


class WiderThanThePosterior(LinearGaussian):
    """An encoder that is a little off, as every trained one is."""

    def encode(self, x):
        mu, logvar = super().encode(x)
        return mu + 0.2, logvar + 0.6


class RecordingVAE(VAE):
    """Remembers how many rows it ever had to decode at once."""

    largest = total = 0

    def decode(self, z):
        rows = z[..., 0].numel()
        self.largest, self.total = max(self.largest, rows), self.total + rows
        return super().decode(z)


class ConstantLogProb(nn.Module):
    """A likelihood of a reader's own, with nothing but log_prob."""

    def __init__(self, value: float):
        super().__init__()
        self.value = value

    def log_prob(self, x, params):
        return x.new_full(x.shape[:-1], self.value)


@pytest.fixture
def off() -> WiderThanThePosterior:
    return WiderThanThePosterior([[1.0], [-0.5], [0.3]], [0.2, 0.0, -0.1], 0.6)


# log p(x)


@pytest.mark.parametrize("estimate", LOG_MARGINALS)
def test_the_estimate_of_p_is_unbiased_and_its_log_is_low(estimate, off, generator, within_5_standard_errors):
    truth = off.log_marginal(X)
    logs = estimate(off, X.expand(20_000, 3), 5, generator=generator)
    within_5_standard_errors(logs.exp(), truth.exp())
    assert logs.mean() < truth - 3 * logs.std() / len(logs) ** 0.5


@pytest.mark.parametrize("num_samples", [1, 2, 50])
def test_importance_sampling_from_the_posterior_is_exact(num_samples, oracle, generator):
    x = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    estimate = log_marginal_importance(oracle, x, num_samples, generator=generator)
    torch.testing.assert_close(estimate, oracle.log_marginal(x), rtol=0, atol=1e-10)


def test_with_one_sample_the_mean_of_the_bound_is_the_elbo(off, generator, within_5_standard_errors):
    logs = log_marginal_importance(off, X.expand(20_000, 3), 1, generator=generator)
    within_5_standard_errors(logs, off.elbo(X, *off.encode(X)))


def test_the_bound_rises_with_the_number_of_samples(off, generator):
    x = X.expand(4000, 3)
    bounds = [log_marginal_importance(off, x, size, generator=generator).mean() for size in (1, 4, 16, 64)]
    assert bounds == sorted(bounds)
    assert bounds[-1] < off.log_marginal(X) and bounds[-1] > off.log_marginal(X) - 0.01


@pytest.mark.parametrize("proposal", ["prior", "posterior"])
@pytest.mark.parametrize("num_samples", [1, 30])
def test_log_weights_are_what_the_estimators_average(proposal, num_samples, oracle_2d):
    x = torch.zeros(5, 4, dtype=torch.float64)
    estimate = dict(zip(("prior", "posterior"), LOG_MARGINALS, strict=True))[proposal]
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    weights = log_weights(oracle_2d, x, num_samples, proposal=proposal, generator=seeds[0])
    assert weights.shape == (num_samples, 5)
    expected = torch.logsumexp(weights, 0) - math.log(num_samples)
    torch.testing.assert_close(estimate(oracle_2d, x, num_samples, generator=seeds[1]), expected)


def test_log_weights_of_the_prior_are_log_likelihoods(oracle_2d):
    x = torch.zeros(5, 4, dtype=torch.float64)
    z = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = log_weights(oracle_2d, x, 6, proposal="prior", generator=torch.Generator().manual_seed(3))
    expected = torch.distributions.Normal(oracle_2d.decode(z), 0.7).log_prob(x).sum(-1)
    torch.testing.assert_close(weights, expected)


@pytest.mark.parametrize("estimate", LOG_MARGINALS)
@pytest.mark.usefixtures("global_rng_untouched")
def test_every_row_has_its_own_draws_and_a_generator_repeats_them(estimate, off):
    first, again, other = (
        estimate(off, X.expand(50, 3), 3, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len(first.unique()) == 50


@pytest.mark.parametrize("estimate", LOG_MARGINALS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_of_the_model_is_kept_and_no_gradient_made(estimate, dtype):
    model = VAE(6, 2, seed=0).to(dtype)
    for x in (torch.ones(4, 6, dtype=torch.uint8), torch.full((4, 6), 0.5, dtype=torch.float64)):
        result = estimate(model, x, 3)
        assert result.dtype == dtype and result.shape == (4,) and not result.requires_grad
        assert log_weights(model, x, 3).dtype == dtype


@pytest.mark.parametrize("estimate", LOG_MARGINALS)
@pytest.mark.parametrize("level", [-1000.0, 1020.0])
@pytest.mark.parametrize("num_samples", [3, 56, 100])
def test_equal_log_weights_average_to_themselves(estimate, level, num_samples):
    """Exactly: the sum of the weights is taken in float64, also for a model in float32."""

    class PriorAsEncoder(VAE):
        def encode(self, x):
            return x.new_zeros(len(x), 2), x.new_zeros(len(x), 2)

    model = PriorAsEncoder(6, 2, likelihood=ConstantLogProb(level), seed=0)
    assert estimate(model, torch.zeros(3, 6), num_samples).tolist() == [level] * 3


# Chunks


@pytest.mark.parametrize("chunk", [1, 64 * 7, 64 * 100, 2**20])
def test_no_sample_is_lost_or_counted_twice_in_chunks_of_any_size(chunk, oracle, monkeypatch, generator):
    monkeypatch.setattr(_chunks, "ELEMENTS", chunk)
    x = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    exact = log_marginal_importance(oracle, x, 23, generator=generator)
    torch.testing.assert_close(exact, oracle.log_marginal(x), rtol=0, atol=1e-10)
    assert log_weights(oracle, x, 23).isfinite().all()
    model = RecordingVAE(6, 2, seed=0)
    log_marginal_naive(model, torch.zeros(9, 6), 23)
    assert model.total == 9 * 23
    assert model.largest <= max(1, chunk // 64)


@pytest.mark.parametrize("estimate", LOG_MARGINALS)
def test_the_estimate_does_not_depend_on_the_chunks(estimate, off, monkeypatch, generator):
    results = []
    for chunk in (64 * 300, 2**20):
        monkeypatch.setattr(_chunks, "ELEMENTS", chunk)
        results.append(estimate(off, X.expand(500, 3), 40, generator=generator))
    assert not torch.equal(*results)
    error = sum(result.var() / len(result) for result in results) ** 0.5
    assert abs(results[0].mean() - results[1].mean()) < 5 * error


@pytest.mark.parametrize("estimate", [*LOG_MARGINALS, log_weights])
@pytest.mark.parametrize(("pixels", "num_samples"), [(2, 30), (64, 30), (784, 3)])
def test_no_more_rows_are_decoded_at_once_than_fit_in_a_chunk(estimate, pixels, num_samples):
    model = RecordingVAE(pixels, 2, hidden=(4,), seed=0)
    estimate(model, torch.zeros(700, pixels), num_samples)
    assert model.total == 700 * num_samples
    assert 700 <= model.largest <= 2**20 / max(pixels, 64)


def test_memory_does_not_grow_with_the_number_of_samples():
    script = """
import resource, torch
from vae_lib.estimators import log_marginal_importance, log_marginal_naive
from vae_lib.linear_gaussian import LinearGaussian
from vae_lib.training import evaluate
model, x = LinearGaussian(torch.zeros(784, 2), torch.zeros(784), 1.0), torch.zeros(400, 784)
for num_samples in (3, 50):
    for estimate in (log_marginal_importance, log_marginal_naive, evaluate):
        estimate(model, x, num_samples)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert after - before < 30  # MiB; the pixels of all samples at once are 60, and are needed several times


# Effective sample size


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, -1000.0, -1e7, 1000.0])
def test_equal_weights_give_the_number_of_draws(level, dtype):
    size = effective_sample_size(torch.full((100, 3), level, dtype=dtype))
    torch.testing.assert_close(size, torch.full((3,), 100, dtype=dtype), rtol=1e-6, atol=0)


def test_each_image_has_its_own_largest_weight():
    size = effective_sample_size(torch.tensor([[0.0, -1000.0], [0.0, -1000.0], [-500.0, -1000.0]]))
    assert size.tolist() == [2, 3]


@given(st.lists(st.floats(-30, 0), min_size=1, max_size=20), st.floats(-1000, 1000))
def test_effective_sample_size_is_its_definition_wherever_the_level_is(logs, level):
    logs = torch.tensor(logs, dtype=torch.float64)
    weights = logs.exp()
    expected = float(weights.sum() ** 2 / (weights**2).sum())
    size = float(effective_sample_size(logs + level))
    assert size == pytest.approx(expected, rel=1e-9)
    assert 1 - 1e-9 <= size <= len(logs) + 1e-9


def test_one_large_weight_gives_an_effective_size_of_one():
    weights = torch.tensor([[0.0, -500.0, -500.0], [-3.0, -3.0, -500.0]])
    assert effective_sample_size(weights, dim=1).tolist() == [1, 2]
    assert effective_sample_size(weights).shape == (3,)


# Gradients of an expectation

FUNCTIONS = {  # f, and d/dμ and d/dσ of E[f(z)]
    "cube": (lambda z: z**3, lambda m, s: (3 * m**2 + 3 * s**2, 6 * m * s)),
    "sine": (
        torch.sin,
        lambda m, s: (math.cos(m) * math.exp(-(s**2) / 2), -s * math.sin(m) * math.exp(-(s**2) / 2)),
    ),
}


@pytest.mark.parametrize(("f", "exact"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
@pytest.mark.parametrize(("mu", "sigma"), [(0.7, 0.4), (-1.0, 1.5)])
def test_gradient_estimates_are_unbiased(f, exact, mu, sigma, generator, within_5_standard_errors):
    truth = torch.tensor(exact(mu, sigma), dtype=torch.float64)
    estimates = {
        "pathwise": pathwise_gradient(f, mu, sigma, 100_000, generator=generator),
        "score": score_function_gradient(f, mu, sigma, 100_000, generator=generator),
        "number": score_function_gradient(f, mu, sigma, 100_000, baseline=2.5, generator=generator),
    }
    for draws in estimates.values():
        assert draws.shape == (100_000, 2) and draws.dtype == torch.float64
        within_5_standard_errors(draws, truth)
    if f is not torch.sin:  # a wave much shorter than σ is where the score function may win
        assert (estimates["pathwise"].var(0) < estimates["score"].var(0)).all()


def test_the_mean_as_a_baseline_is_unbiased_even_for_two_samples(generator, within_5_standard_errors):
    f, exact = FUNCTIONS["cube"]
    means = torch.stack(
        [
            score_function_gradient(f, 0.7, 0.4, 2, baseline="mean", generator=generator).mean(0)
            for _ in range(4000)
        ]
    )
    within_5_standard_errors(means, torch.tensor(exact(0.7, 0.4), dtype=torch.float64))


def test_a_baseline_lowers_the_variance_and_keeps_the_mean():
    def gradient(baseline, offset):
        seeded = torch.Generator().manual_seed(3)
        return score_function_gradient(
            lambda z: z + offset, 0.0, 1.0, 5000, baseline=baseline, generator=seeded
        )

    assert (gradient("mean", 10).var(0) < gradient(None, 10).var(0) / 10).all()
    torch.testing.assert_close(gradient(10, 10), gradient(None, 0))
    torch.testing.assert_close(gradient("mean", 10), gradient("mean", 0))


@pytest.mark.parametrize("baseline", [None, 0.5, "mean"])
def test_the_score_function_needs_no_derivative(baseline, generator, within_5_standard_errors):
    draws = score_function_gradient(
        lambda z: z > 0, 0.5, 2.0, 100_000, baseline=baseline, generator=generator
    )
    density = math.exp(-(0.25**2) / 2) / math.sqrt(2 * math.pi)
    within_5_standard_errors(draws, torch.tensor([density / 2, -0.25 * density / 2], dtype=torch.float64))


def test_per_sample_gradients_are_those_computed_by_hand():
    eps = torch.randn(6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    mu, sigma = torch.tensor(0.7), torch.tensor(0.5)
    z = 0.7 + 0.5 * eps
    with torch.no_grad():  # the caller's mode does not matter
        path = pathwise_gradient(
            lambda z: z**2, float(mu), sigma, 6, generator=torch.Generator().manual_seed(3)
        )
    score = score_function_gradient(lambda z: z**2, 0.7, sigma, 6, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(path, torch.stack([2 * z, 2 * z * eps], 1))
    torch.testing.assert_close(score, z[:, None] ** 2 * torch.stack([eps / 0.5, (eps**2 - 1) / 0.5], 1))


@pytest.mark.parametrize("estimate", [pathwise_gradient, score_function_gradient])
@pytest.mark.usefixtures("global_rng_untouched")
def test_gradient_draws_are_reproducible(estimate):
    first, again, other = (
        estimate(torch.sin, 0.0, 1.0, 5, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


# What a caller may get wrong


@pytest.mark.parametrize("estimate", [*LOG_MARGINALS, log_weights])
@pytest.mark.parametrize(
    ("x", "named"),
    [
        (torch.zeros(0, 6), ["empty", (0, 6)]),
        (torch.zeros(6), ["(B, D)", (6,)]),
        (torch.full((2, 6), math.nan), ["NaN", "12 of its 12"]),
        (torch.full((2, 6), 255), ["from 255 to 255", "divide by 255"]),
        (torch.full((2, 6), -0.5), ["[0, 1]", "-0.5"]),
        (torch.zeros(2, 5), ["2, 5)"]),
    ],
)
def test_bad_data_is_refused(estimate, x, named, value_error):
    with value_error(*named):
        estimate(VAE(6, 2, seed=0), x, 3)


@pytest.mark.parametrize("estimate", [*LOG_MARGINALS, log_weights])
@pytest.mark.parametrize("num_samples", [0, -3, 1.5, True])
def test_num_samples_must_be_a_count(estimate, num_samples, value_error):
    with value_error("num_samples", num_samples):
        estimate(VAE(6, 2, seed=0), torch.zeros(2, 6), num_samples)


@pytest.mark.parametrize("shapes", [((4, 2), (4, 1)), ((4, 1), (4, 2)), ((4,), (4,))], ids=str)
def test_an_encoder_whose_outputs_do_not_match_is_refused(shapes, value_error):
    model = VAE(6, 2, seed=0)
    model.encode = lambda x: tuple(torch.zeros(shape) for shape in shapes)
    model.decode = lambda z: torch.zeros(3, 4, 6)
    with value_error(*shapes):
        log_marginal_importance(model, torch.zeros(4, 6), 3)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian()])
@pytest.mark.parametrize("estimate", LOG_MARGINALS)
def test_a_decoder_of_another_width_is_refused(estimate, likelihood, value_error):
    model = VAE(6, 2, likelihood=likelihood, seed=0)
    model.decoder = nn.Linear(2, 1)
    with value_error("x (3, 4, 6)", "params (3, 4, 1)"):
        estimate(model, torch.zeros(4, 6), 3)


def test_an_unknown_proposal_is_refused(oracle, value_error):
    with value_error("proposal", "'q'"):
        log_weights(oracle, X, 3, proposal="q")


@pytest.mark.parametrize(
    "logs", [torch.zeros(0, 3), torch.tensor([0.0, math.nan]), torch.tensor([0.0, -math.inf])]
)
def test_empty_or_infinite_log_weights_are_refused(logs, value_error):
    with value_error("log_weights"):
        effective_sample_size(logs)


@pytest.mark.parametrize("estimate", [pathwise_gradient, score_function_gradient])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((torch.sin, 0.0, 0.0, 5), ["sigma", "above 0", 0.0]),
        ((torch.sin, 0.0, -0.5, 5), ["sigma", -0.5]),
        ((torch.sin, 0.0, math.nan, 5), ["sigma", "nan"]),
        ((torch.sin, math.inf, 1.0, 5), ["mu", "inf"]),
        ((torch.sin, 0.0, 1.0, 0), ["num_samples", 0]),
        ((torch.sum, 0.0, 1.0, 5), ["f(z) ()", "z (5,)"]),
        ((lambda z: z[:, None], 0.0, 1.0, 5), ["f(z) (5, 1)", "z (5,)"]),
    ],
)
def test_bad_arguments_of_the_gradients_are_refused(estimate, arguments, named, value_error):
    with value_error(*named):
        estimate(*arguments)


@pytest.mark.parametrize("f", [lambda z: (z > 0).double(), torch.ones_like, lambda z: z.detach()])
def test_the_pathwise_gradient_needs_a_derivative(f, value_error):
    with value_error("differentiate"):
        pathwise_gradient(f, 0.0, 1.0, 5)


@pytest.mark.parametrize("estimate", [pathwise_gradient, score_function_gradient])
def test_f_must_give_a_tensor(estimate):
    with pytest.raises(TypeError, match=r"f\(z\) must be a torch.Tensor .* got float"):
        estimate(lambda z: 3.0, 0.0, 1.0, 5)


def test_bad_baselines_are_refused(value_error):
    with value_error("baseline", "'median'"):
        score_function_gradient(torch.sin, 0.0, 1.0, 5, baseline="median")
    with value_error("at least 2"):
        score_function_gradient(torch.sin, 0.0, 1.0, 1, baseline="mean")
