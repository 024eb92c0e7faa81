"""The oracle against torch.distributions, quadrature and the identity of chapter 3."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal, kl_divergence

from vae_lib import gaussian
from vae_lib.linear_gaussian import LinearGaussian


def random_case(seed: int, D: int, J: int, B: int = 3):
    """A model and x, μ, ln σ² drawn at random, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    sigma = float(torch.exp(0.7 * normal()))
    return LinearGaussian(normal(D, J), normal(D), sigma), 2 * normal(B, D), normal(B, J), 2 * normal(B, J)


@given(seed=st.integers(0, 2**32), D=st.integers(1, 8), J=st.integers(1, 5))
def test_elbo_plus_gap_is_log_p(seed, D, J):
    model, x, mu, logvar = random_case(seed, D, J)
    gap = model.kl_to_posterior(x, mu, logvar)
    log_p = model.log_marginal(x)
    scale = (gap.abs() + log_p.abs()).clamp(min=1)  # a gap of thousands of nats has its last digits elsewhere
    assert ((model.elbo(x, mu, logvar) + gap - log_p).abs() <= 1e-10 * scale).all()
    assert (gap >= -1e-12).all()


@pytest.mark.parametrize(("D", "J"), [(1, 1), (3, 2), (2, 3), (8, 5)])
def test_log_p_is_that_of_the_marginal_gaussian(D, J):
    model, x, _, _ = random_case(1, D, J)
    covariance = model.W @ model.W.T + model.sigma**2 * torch.eye(D, dtype=torch.float64)
    torch.testing.assert_close(model.log_marginal(x), MultivariateNormal(model.b, covariance).log_prob(x))


def test_log_p_the_posterior_and_the_elbo_are_those_of_quadrature(oracle, integral):
    x = torch.tensor([[0.9, -0.2, 0.4]], dtype=torch.float64)
    mu, logvar = torch.tensor([[0.3]]).double(), torch.tensor([[-1.0]]).double()

    def joint(z):
        likelihood = torch.distributions.Normal(z @ oracle.W.T + oracle.b, oracle.sigma).log_prob(x).sum(-1)
        return (likelihood + torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)).exp()

    def bound(z):
        q = torch.distributions.Normal(mu, torch.exp(logvar / 2)).log_prob(z).sum(-1)
        return q.exp() * (joint(z).log() - q)

    p = integral(joint, -10, 10)
    mean = integral(lambda z: z[0] * joint(z), -10, 10) / p
    square = integral(lambda z: z[0] ** 2 * joint(z), -10, 10) / p
    posterior_mean, posterior_cov = oracle.posterior(x)
    assert oracle.log_marginal(x).item() == pytest.approx(math.log(p), abs=1e-10)
    assert posterior_mean.item() == pytest.approx(mean, abs=1e-10)
    assert posterior_cov.item() == pytest.approx(square - mean**2, abs=1e-10)
    assert oracle.elbo(x, mu, logvar).item() == pytest.approx(integral(bound, -10, 10), abs=1e-10)


@pytest.mark.parametrize(("D", "J"), [(1, 1), (3, 2), (2, 3), (8, 5)])
def test_the_posterior_is_the_conditional_of_the_joint_gaussian(D, J):
    model, x, _, _ = random_case(2, D, J)
    marginal = model.W @ model.W.T + model.sigma**2 * torch.eye(D, dtype=torch.float64)
    gain = model.W.T @ torch.linalg.inv(marginal)  # Cov(z, x) Cov(x)⁻¹
    mean, cov = model.posterior(x)
    torch.testing.assert_close(mean, (x - model.b) @ gain.T)
    torch.testing.assert_close(cov, torch.eye(J, dtype=torch.float64) - gain @ model.W)


@pytest.mark.parametrize(("D", "J"), [(1, 1), (3, 2), (2, 3), (8, 5)])
def test_the_gap_is_torchs_kl_to_the_posterior(D, J):
    model, x, mu, logvar = random_case(3, D, J)
    mean, cov = model.posterior(x)
    expected = kl_divergence(
        MultivariateNormal(mu, torch.diag_embed(logvar.exp())), MultivariateNormal(mean, cov)
    )
    torch.testing.assert_close(model.kl_to_posterior(x, mu, logvar), expected)


def test_the_elbo_is_reconstruction_minus_kl(oracle_2d):
    x, mu, logvar = torch.zeros(3, 4).double(), torch.ones(3, 2).double(), torch.zeros(3, 2).double()
    elbo = oracle_2d.reconstruction(x, mu, logvar) - gaussian.kl_to_standard_normal(mu, logvar)
    torch.testing.assert_close(oracle_2d.elbo(x, mu, logvar), elbo)


def test_the_gap_is_zero_at_the_posterior_and_only_there(oracle):
    x = torch.tensor([[0.9, -0.2, 0.4]], dtype=torch.float64)
    mu, logvar = oracle.encode(x)
    mean, cov = oracle.posterior(x)
    torch.testing.assert_close(mu, mean)
    torch.testing.assert_close(logvar.exp(), cov)
    assert oracle.kl_to_posterior(x, mu, logvar).item() == pytest.approx(0, abs=1e-15)
    assert oracle.kl_to_posterior(x, mu + 0.01, logvar) > 1e-5
    assert oracle.kl_to_posterior(x, mu, logvar + 0.01) > 1e-5


def test_encode_gives_the_best_diagonal_gaussian():
    model, x, _, _ = random_case(4, 6, 3)
    mu, logvar = (value.clone().requires_grad_() for value in model.encode(x))
    gap = model.kl_to_posterior(x, mu, logvar)
    gap.sum().backward()
    for gradient in (mu.grad, logvar.grad):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-10)
    assert (gap > 1e-3).all()  # the posterior is correlated, so no diagonal q reaches it


@given(seed=st.integers(0, 2**32), J=st.integers(1, 4))
def test_the_gap_is_never_negative_where_the_posterior_is_diagonal(seed, J):
    generator = torch.Generator().manual_seed(seed)
    W = torch.linalg.qr(torch.randn(6, J, generator=generator, dtype=torch.float64))[0]
    model = LinearGaussian(3 * W, torch.zeros(6, dtype=torch.float64), 0.3)
    x = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    assert (model.kl_to_posterior(x, *model.encode(x)) >= 0).all()


@pytest.mark.parametrize("shape", [(2,), (4, 2), (3, 4, 2)], ids=str)
def test_decode_is_linear(shape, oracle_2d):
    z = torch.randn(shape, dtype=torch.float64)
    expected = torch.einsum("...j,dj->...d", z, oracle_2d.W) + oracle_2d.b
    torch.testing.assert_close(oracle_2d.decode(z), expected)


def test_fit_finds_the_maximum_of_the_likelihood(generator):
    true = LinearGaussian([[1.0, 0.4], [-0.5, 1.0], [0.3, 0.6], [0.0, -0.7]], [0.2, 0.0, -0.1, 0.3], 0.4)
    z = torch.randn(20_000, 2, generator=generator, dtype=torch.float64)
    x = true.likelihood.sample(true.decode(z), generator=generator)
    fitted = LinearGaussian.fit(x, 2)
    torch.testing.assert_close(fitted.W @ fitted.W.T, true.W @ true.W.T, rtol=0, atol=0.05)
    assert fitted.sigma == pytest.approx(0.4, abs=0.01)
    W, b, log_sigma = (
        value.clone().requires_grad_()
        for value in (fitted.W, fitted.b, torch.tensor(fitted.sigma).double().log())
    )
    covariance = W @ W.T + torch.exp(2 * log_sigma) * torch.eye(4, dtype=torch.float64)
    MultivariateNormal(b, covariance).log_prob(x).mean().backward()
    for value in (W, b, log_sigma):
        torch.testing.assert_close(value.grad, torch.zeros_like(value), rtol=0, atol=1e-6)
    assert fitted.log_marginal(x).mean() > true.log_marginal(x).mean()


def test_fit_finds_a_noise_that_is_small(generator):
    """Its variance is a hundred-millionth of the largest one; only rounding is taken for none."""
    x = torch.randn(500, 1, generator=generator, dtype=torch.float64) * torch.ones(3)
    x = x + 1e-4 * torch.randn(500, 3, generator=generator, dtype=torch.float64)
    assert LinearGaussian.fit(x, 1).sigma == pytest.approx(1e-4, rel=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_matrix_is_kept(dtype):
    model = LinearGaussian(torch.ones(3, 2, dtype=dtype), torch.zeros(3, dtype=torch.float64), 0.5)
    x, mu = torch.ones(4, 3, dtype=torch.int64), torch.zeros(4, 2, dtype=dtype)
    results = [
        model.log_marginal(x),
        *model.posterior(x),
        *model.encode(x),
        model.decode(mu),
        model.elbo(x, mu, mu),
        model.reconstruction(x, mu, mu),
        model.kl_to_posterior(x, mu, mu),
    ]
    assert {result.dtype for result in results} == {dtype}
    shapes = [(4,), (4, 2), (2, 2), (4, 2), (4, 2), (4, 3), (4,), (4,), (4,)]
    assert [tuple(result.shape) for result in results] == shapes


# What a caller may get wrong


@pytest.mark.parametrize(
    ("W", "b", "named"),
    [
        (torch.zeros(3), torch.zeros(3), ["W (3,)", "b (3,)"]),
        (torch.zeros(3, 2), torch.zeros(2), ["W (3, 2)", "b (2,)"]),
        (torch.zeros(3, 2), torch.zeros(3, 1), ["W (3, 2)", "b (3, 1)"]),
        (torch.zeros(3, 0), torch.zeros(3), ["W is empty", (3, 0)]),
        (torch.full((3, 2), math.nan), torch.zeros(3), ["W holds NaN"]),
        (torch.zeros(3, 2), torch.full((3,), math.inf), ["b holds NaN or infinity"]),
        (torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3), ["W", "int64"]),
    ],
)
def test_bad_parameters_are_refused(W, b, named, value_error):
    with value_error(*named):
        LinearGaussian(W, b, 1.0)


@pytest.mark.parametrize("sigma", [0, -1.0, math.nan, math.inf])
def test_sigma_must_be_positive(sigma, value_error):
    with value_error("sigma", "above 0", sigma):
        LinearGaussian([[1.0]], [0.0], sigma)


@pytest.mark.parametrize(
    "method", ["log_marginal", "posterior", "encode", "elbo", "kl_to_posterior", "reconstruction"]
)
@pytest.mark.parametrize(
    ("x", "named"),
    [
        (torch.zeros(3, 2), ["D=4", (3, 2)]),
        (torch.zeros(4), ["D=4", (4,)]),
        (torch.zeros(0, 4), ["empty", (0, 4)]),
        (torch.full((3, 4), math.nan), ["x holds NaN", "12 of its 12"]),
    ],
)
def test_bad_x_is_refused(method, x, named, oracle_2d, value_error):
    rest = [torch.zeros(3, 2).double()] * 2 if method in ("elbo", "kl_to_posterior", "reconstruction") else []
    with value_error(*named):
        getattr(oracle_2d, method)(x, *rest)


@pytest.mark.parametrize("method", ["elbo", "kl_to_posterior", "reconstruction"])
@pytest.mark.parametrize(
    ("mu", "logvar", "named"),
    [
        ((3, 2), (3, 1), [(3, 2), (3, 1)]),
        ((3, 1), (3, 1), ["B=3, J=2", (3, 1)]),
        ((1, 2), (1, 2), ["B=3, J=2", (1, 2)]),
        ((3,), (3,), [(3,)]),
    ],
)
def test_a_q_of_another_shape_is_refused(method, mu, logvar, named, oracle_2d, value_error):
    with value_error(*named):
        getattr(oracle_2d, method)(torch.zeros(3, 4), torch.zeros(mu).double(), torch.zeros(logvar).double())


def test_decode_wants_the_right_width(oracle_2d, value_error):
    with value_error("J=2", (4, 1)):
        oracle_2d.decode(torch.zeros(4, 1).double())


@pytest.mark.parametrize("latent_dim", [3, 4, 0])
def test_fit_wants_fewer_dimensions_than_the_data_have(latent_dim, generator, value_error):
    x = torch.randn(50, 2, generator=generator) @ torch.randn(2, 3, generator=generator)  # rank 2
    with value_error("latent_dim", latent_dim):
        LinearGaussian.fit(x, latent_dim)
    with value_error("latent_dim", 2):
        LinearGaussian.fit(x, 2)
