"""Diagonal Gaussians against torch.distributions, quadrature and mpmath."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, Normal, kl_divergence

from vae_lib import gaussian

DTYPES = [torch.float32, torch.float64]
FLOAT32 = st.floats(allow_nan=False, allow_infinity=False, width=32, allow_subnormal=True)
MODERATE = st.floats(-5, 5, allow_subnormal=False)


def kl_truth(mu: float, logvar: float) -> float:
    """½ (μ² + eᵗ − 1 − t) with more digits than the subnormal numbers need."""
    with mpmath.workdps(200):
        t = mpmath.mpf(logvar)
        return float((mpmath.mpf(mu) ** 2 + mpmath.expm1(t) - t) / 2)


def distribution(mu, logvar) -> Independent:
    return Independent(Normal(mu, torch.exp(logvar / 2)), 1)


def random_pair(seed: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mu, logvar = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
    return mu, 2 * logvar


# KL to the standard normal


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("size", [1e-20, 1e-6, 1e-4, 1e-3, 1.99e-3, 2.01e-3, 0.1, 3, 60])
def test_kl_of_a_single_logvar_is_right_in_float32(size, sign):
    logvar = torch.tensor([[sign * size]], dtype=torch.float32)
    result = gaussian.kl_to_standard_normal(torch.zeros(1, 1), logvar)
    assert float(result) == pytest.approx(kl_truth(0, float(logvar)), rel=1e-3, abs=1e-44)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("size", [1e-20, 1e-5, 1e-3, 1.99e-3, 2.01e-3, 0.01, 0.1, 3])
def test_kl_of_a_single_logvar_is_right_to_twelve_digits_in_float64(size, sign):
    """Near 0 by the series, up to its last term; from 0.002 on by expm1, which loses three digits there."""
    logvar = torch.tensor([[sign * size]], dtype=torch.float64)
    result = gaussian.kl_to_standard_normal(torch.zeros_like(logvar), logvar)
    assert float(result) == pytest.approx(kl_truth(0, float(logvar)), rel=1e-12, abs=0)


@settings(max_examples=200)
@given(mu=FLOAT32.filter(lambda v: abs(v) < 1e18), logvar=FLOAT32.filter(lambda v: -1e38 < v < 88))
def test_kl_is_right_to_a_tenth_of_a_percent_for_every_float32(mu, logvar):
    result = float(gaussian.kl_to_standard_normal(torch.tensor([[mu]]), torch.tensor([[logvar]])))
    assert result == pytest.approx(kl_truth(mu, logvar), rel=1e-3, abs=1e-44)


def test_kl_is_never_negative_all_over_float32():
    bits = torch.arange(-(2**31), 2**31, 9973).to(torch.int32)  # one pattern of bits in ten thousand
    logvar = bits.view(torch.float32)
    logvar = logvar[logvar.isfinite()]
    assert len(logvar) > 400_000 and (logvar.abs() < 1e-40).any()  # subnormal ones too
    assert (gaussian.kl_to_standard_normal(torch.zeros(len(logvar), 1), logvar[:, None]) >= 0).all()


def test_kl_sums_over_latent_dimensions_and_keeps_rows_apart():
    mu, logvar = random_pair(0, 3, 4)
    result = gaussian.kl_to_standard_normal(mu, logvar)
    expected = [
        sum(kl_truth(float(m), float(t)) for m, t in zip(*rows, strict=True))
        for rows in zip(mu, logvar, strict=True)
    ]
    assert result.tolist() == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_gradients_are_mu_and_half_of_variance_minus_one(dtype):
    mu = torch.tensor([[0.7, -3.0, 0.0, 1e-5]], dtype=dtype, requires_grad=True)
    logvar = torch.tensor([[1e-6, -2.0, 0.0, 5.0]], dtype=dtype, requires_grad=True)
    gaussian.kl_to_standard_normal(mu, logvar).sum().backward()
    assert torch.equal(mu.grad, mu)
    assert torch.equal(logvar.grad, torch.expm1(logvar) / 2)


def test_kl_can_be_differentiated_twice():
    mu = torch.tensor([[0.7, -1.0], [0.1, 2.0]], dtype=torch.float64, requires_grad=True)
    logvar = torch.tensor([[1e-4, -2.0], [0.0, 1.5]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gaussian.kl_to_standard_normal, (mu, logvar))
    assert torch.autograd.gradgradcheck(gaussian.kl_to_standard_normal, (mu, logvar))


# KL between two Gaussians


@pytest.mark.parametrize("seed", range(5))
def test_kl_between_agrees_with_torch(seed):
    q, p = random_pair(seed, 6, 3), random_pair(seed + 100, 6, 3)
    expected = kl_divergence(distribution(*q), distribution(*p))
    torch.testing.assert_close(gaussian.kl_between(*q, *p), expected, rtol=1e-12, atol=1e-12)
    standard = kl_divergence(distribution(*q), Independent(Normal(torch.zeros(6, 3).double(), 1.0), 1))
    torch.testing.assert_close(gaussian.kl_to_standard_normal(*q), standard, rtol=1e-12, atol=1e-12)


def test_kl_between_agrees_with_quadrature(integral):
    mu_q, logvar_q, mu_p, logvar_p = (torch.tensor([[value]]).double() for value in (0.4, -1.4, -0.3, 0.8))
    q, p = distribution(mu_q, logvar_q), distribution(mu_p, logvar_p)
    area = integral(lambda z: q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z)), -8, 8)
    assert gaussian.kl_between(mu_q, logvar_q, mu_p, logvar_p).item() == pytest.approx(area, abs=1e-10)


@given(mu=MODERATE, logvar=MODERATE, shift=MODERATE, stretch=MODERATE)
def test_kl_between_is_zero_if_and_only_if_equal(mu, logvar, shift, stretch):
    q = [torch.tensor([[value]], dtype=torch.float64) for value in (mu, logvar)]
    p = [torch.tensor([[value]], dtype=torch.float64) for value in (mu + shift, logvar + stretch)]
    far = abs(shift) > 1e-6 or abs(stretch) > 1e-6
    assert gaussian.kl_between(*q, *q) == 0
    assert gaussian.kl_between(*q, *p) > 0 if far else gaussian.kl_between(*q, *p) >= 0


# Log density


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3)], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_log_prob_agrees_with_torch(shape, seed):
    mu, logvar = random_pair(seed, *shape[-2:])
    z, _ = random_pair(seed + 100, *shape)
    result = gaussian.log_prob(z, mu, logvar)
    assert result.shape == shape[:-1]
    torch.testing.assert_close(result, distribution(mu, logvar).log_prob(z), rtol=1e-12, atol=1e-12)


def test_density_integrates_to_one(integral):
    mu, logvar = torch.tensor([[0.4]]).double(), torch.tensor([[-1.0]]).double()
    assert integral(lambda z: gaussian.log_prob(z, mu, logvar).exp(), -8, 8) == pytest.approx(1, abs=1e-10)


# Draws


def test_a_draw_is_mu_plus_sigma_times_the_given_noise():
    (mu, logvar), (eps, _) = random_pair(0, 5, 2), random_pair(1, 3, 5, 2)
    assert torch.equal(gaussian.reparameterize(mu, logvar, eps=eps[0]), mu + torch.exp(logvar / 2) * eps[0])
    assert torch.equal(gaussian.reparameterize(mu, logvar, 3, eps=eps), mu + torch.exp(logvar / 2) * eps)


@pytest.mark.parametrize(("num_samples", "shape"), [(None, (5, 2)), (1, (1, 5, 2)), (3, (3, 5, 2))])
def test_every_row_dimension_and_sample_has_its_own_noise(num_samples, shape, generator):
    z = gaussian.reparameterize(torch.zeros(5, 2), torch.zeros(5, 2), num_samples, generator=generator)
    assert z.shape == shape
    assert len(z.unique()) == z.numel()


def test_draws_have_mean_mu_and_variance_sigma_squared(generator, within_5_standard_errors):
    mu, logvar = torch.tensor([[1.5, -2.0]]), torch.tensor([[-2.0, 1.0]])
    z = gaussian.reparameterize(mu, logvar, 100_000, generator=generator)
    within_5_standard_errors(z, mu)
    within_5_standard_errors((z - mu) ** 2, logvar.exp())


def test_gradients_flow_through_a_draw():
    mu, logvar = (value.requires_grad_() for value in random_pair(0, 4, 2))
    eps, _ = random_pair(1, 4, 2)
    gaussian.reparameterize(mu, logvar, eps=eps).sum().backward()
    assert torch.equal(mu.grad, torch.ones_like(mu))
    torch.testing.assert_close(logvar.grad, 0.5 * torch.exp(logvar / 2).detach() * eps)


@pytest.mark.usefixtures("global_rng_untouched")
def test_a_generator_makes_draws_reproducible():
    mu, logvar = random_pair(0, 4, 2)
    first, again, other = (
        gaussian.reparameterize(mu, logvar, generator=torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_without_a_generator_the_global_one_is_used():
    mu, logvar = random_pair(0, 4, 2)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        first, second = (gaussian.reparameterize(mu, logvar) for _ in range(2))
        torch.manual_seed(7)
        assert torch.equal(gaussian.reparameterize(mu, logvar), first) and not torch.equal(first, second)


# The whole range, and both dtypes


@pytest.mark.parametrize("value", [-200.0, -100.0, -1e-4, 0.0, 1e-4, 30.0, 60.0])
def test_gradients_are_finite_over_the_whole_range_in_float32(value, generator):
    mu = torch.randn(3, 2, generator=generator).requires_grad_()
    logvar = torch.full((3, 2), value, requires_grad=True)
    z = gaussian.reparameterize(mu, logvar, 5, generator=generator)
    (z.sum() + gaussian.kl_to_standard_normal(mu, logvar).sum()).backward()
    for tensor in (z, mu.grad, logvar.grad):
        assert tensor.isfinite().all()


@pytest.mark.parametrize("value", [-200.0, 60.0])
def test_densities_are_right_at_the_ends_of_the_range_in_float32(value):
    mu, logvar = torch.tensor([[1.0]]), torch.full((1, 1), value, requires_grad=True)
    density = gaussian.log_prob(mu, mu, logvar)
    assert float(density.detach()) == pytest.approx(-0.5 * (value + math.log(2 * math.pi)), rel=1e-6)
    (density.sum() + gaussian.kl_between(mu, logvar, mu, logvar).sum()).backward()
    assert float(logvar.grad) == -0.5
    assert gaussian.kl_between(mu, logvar, mu, logvar) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_is_kept(dtype):
    mu, logvar = (value.to(dtype) for value in random_pair(0, 4, 2))
    results = (
        gaussian.kl_to_standard_normal(mu, logvar),
        gaussian.kl_between(mu, logvar, logvar, mu),
        gaussian.log_prob(mu, logvar, mu),
        gaussian.reparameterize(mu, logvar),
        gaussian.reparameterize(mu, logvar, 3),
    )
    assert {result.dtype for result in results} == {dtype}
    assert [result.shape for result in results] == [(4,), (4,), (4,), (4, 2), (3, 4, 2)]


# What a caller may get wrong

FUNCTIONS_OF_MU_AND_LOGVAR = {
    "kl_to_standard_normal": gaussian.kl_to_standard_normal,
    "kl_between": lambda mu, logvar: gaussian.kl_between(mu, logvar, mu, mu),
    "kl_between, p": lambda mu, logvar: gaussian.kl_between(mu, mu, mu, logvar),
    "log_prob": lambda mu, logvar: gaussian.log_prob(mu, mu, logvar),
    "reparameterize": gaussian.reparameterize,
}


@pytest.mark.parametrize(
    "function", FUNCTIONS_OF_MU_AND_LOGVAR.values(), ids=FUNCTIONS_OF_MU_AND_LOGVAR.keys()
)
@pytest.mark.parametrize(
    ("left", "right"), [((4, 1), (4, 2)), ((4,), (4, 1)), ((4, 2), (2, 4)), ((1, 2), (4, 2))]
)
def test_shapes_that_differ_are_named(function, left, right, value_error):
    for mu, logvar in ((left, right), (right, left)):
        with value_error(mu, logvar):
            function(torch.zeros(mu), torch.zeros(logvar))


@pytest.mark.parametrize(
    "function", FUNCTIONS_OF_MU_AND_LOGVAR.values(), ids=FUNCTIONS_OF_MU_AND_LOGVAR.keys()
)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(function, bad, value_error):
    good, broken = torch.zeros(3, 2), torch.zeros(3, 2)
    broken[1, 0] = bad
    for arguments in ((good, broken), (broken, good)):
        with value_error("NaN or infinity in 1 of its 6"):
            function(*arguments)


@pytest.mark.parametrize(
    "function", FUNCTIONS_OF_MU_AND_LOGVAR.values(), ids=FUNCTIONS_OF_MU_AND_LOGVAR.keys()
)
def test_empty_tensors_and_other_dtypes_are_refused(function, value_error):
    with value_error("empty", (0, 2)):
        function(torch.zeros(0, 2), torch.zeros(0, 2))
    for dtype in (torch.int64, torch.float16, torch.bfloat16):
        with value_error(f"must be float32 or float64, got {dtype}"):
            function(torch.zeros(3, 2, dtype=dtype), torch.zeros(3, 2, dtype=dtype))


@pytest.mark.parametrize("function", [gaussian.kl_to_standard_normal, gaussian.reparameterize])
@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)], ids=str)
def test_anything_but_a_batch_of_rows_is_refused(function, shape, value_error):
    with value_error("(B, J)", shape):
        function(torch.zeros(shape), torch.zeros(shape))


@pytest.mark.parametrize("z", [(4,), (4, 1), (2, 4, 3), (3, 2), ()], ids=str)
def test_points_must_end_in_the_shape_of_mu(z, value_error):
    with value_error(z, (4, 2)):
        gaussian.log_prob(torch.zeros(z), torch.zeros(4, 2), torch.zeros(4, 2))


def test_a_density_needs_an_axis_to_sum_over(value_error):
    with value_error("the shape of mu, ()"):
        gaussian.log_prob(torch.zeros(()), torch.zeros(()), torch.zeros(()))


@pytest.mark.parametrize("eps", [(4,), (4, 1), (1, 2), (3, 4, 2)], ids=str)
def test_noise_must_have_the_shape_of_the_draw(eps, value_error):
    with value_error((4, 2), eps):
        gaussian.reparameterize(torch.zeros(4, 2), torch.zeros(4, 2), eps=torch.zeros(eps))


@pytest.mark.parametrize("num_samples", [0, -1, 2.5, True])
def test_num_samples_must_be_a_count(num_samples, value_error):
    with value_error("num_samples", num_samples):
        gaussian.reparameterize(torch.zeros(4, 2), torch.zeros(4, 2), num_samples)


def test_a_list_is_refused():
    with pytest.raises(TypeError, match="got list"):
        gaussian.kl_to_standard_normal([[0.0]], torch.zeros(1, 1))
