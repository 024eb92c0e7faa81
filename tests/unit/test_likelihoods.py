"""The four likelihoods against torch.distributions, quadrature and mpmath."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions

from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian, Laplace

ALL = [Bernoulli(), ContinuousBernoulli(), Gaussian(0.3), Gaussian(0.3, learn_sigma=True), Laplace(0.3)]
BERNOULLI_KINDS = ALL[:2]
DTYPES = [torch.float32, torch.float64]
LOGITS = [
    s * v for v in (1e-8, 1e-4, 1e-3, 0.01, 0.0999, 0.1, 0.1001, 0.5, 3.0, 40.0, 1e4) for s in (-1, 1)
] + [0.0]


def column(*values: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Each value as an image of one pixel: (B, 1)."""
    return torch.tensor(values, dtype=dtype)[:, None]


def by_name(value: object) -> str:
    return type(value).__name__


# Bernoulli


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("x", "logit", "nll", "gradient"),
    [(1, 1e4, 0, 0), (0, 1e4, 1e4, -1), (1, -1e4, 1e4, 1), (0, -1e4, 0, 0), (0.25, 1e4, 7500, -0.75)],
)
def test_bernoulli_is_exact_at_logits_of_ten_thousand(x, logit, nll, gradient, dtype):
    params = column(logit, dtype=dtype).requires_grad_()
    log_prob = Bernoulli().log_prob(column(x, dtype=dtype), params)
    log_prob.sum().backward()
    assert -log_prob.item() == nll
    assert params.grad.item() == gradient


@given(x=st.floats(0, 1), logit=st.floats(-40, 40))
def test_bernoulli_agrees_with_the_definition(x, logit):
    with mpmath.workdps(60):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(logit)))
        truth = float(x * mpmath.log(p) + (1 - mpmath.mpf(x)) * mpmath.log(1 - p))
    result = Bernoulli().log_prob(column(x), column(logit)).item()
    assert result == pytest.approx(truth, rel=1e-13, abs=1e-14)


def test_bernoulli_agrees_with_torch(generator):
    x = torch.randint(0, 2, (5, 7), generator=generator).double()
    logits = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    expected = distributions.Independent(distributions.Bernoulli(logits=logits), 1)
    torch.testing.assert_close(Bernoulli().log_prob(x, logits), expected.log_prob(x))
    torch.testing.assert_close(Bernoulli().mean(logits), expected.mean)


def test_bernoulli_samples(generator, within_5_standard_errors):
    logits = torch.tensor([-2.0, 0.0, 1.0])
    draws = Bernoulli().sample(logits.expand(100_000, 3), generator=generator)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    within_5_standard_errors(draws, torch.sigmoid(logits))


# Continuous Bernoulli


def definition(eta: float) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """λ, log C(λ) and the mean as the paper has them, with digits enough for 1 − λ = e^−10000."""
    with mpmath.workdps(60 if abs(eta) < 100 else 4400):
        lam = 1 / (1 + mpmath.exp(-mpmath.mpf(eta)))
        if eta == 0:
            return lam, mpmath.log(2), lam
        artanh = mpmath.atanh(1 - 2 * lam)
        return lam, mpmath.log(2 * artanh / (1 - 2 * lam)), lam / (2 * lam - 1) + 1 / (2 * artanh)


@pytest.mark.parametrize("eta", LOGITS)
def test_continuous_bernoulli_agrees_with_the_definition(eta):
    lam, log_c, mean = definition(eta)
    with mpmath.workdps(4400):
        at = {x: float(log_c + x * mpmath.log(lam) + (1 - x) * mpmath.log(1 - lam)) for x in (0, 0.5, 1)}
    likelihood = ContinuousBernoulli()
    for x, truth in at.items():
        result = likelihood.log_prob(column(x), column(eta)).item()
        assert result == pytest.approx(truth, rel=1e-12, abs=1e-13)
        assert likelihood.log_prob(
            column(x, dtype=torch.float32), column(eta, dtype=torch.float32)
        ).item() == pytest.approx(truth, rel=1e-5, abs=1e-6)
    assert likelihood.mean(column(eta)).item() == pytest.approx(float(mean), abs=1e-12)
    assert likelihood.mean(column(eta, dtype=torch.float32)).item() == pytest.approx(float(mean), abs=2e-6)


@given(eta=st.floats(-1e4, 1e4), x=st.floats(0, 1))
def test_log_c_is_at_least_log_2(eta, x):
    arguments = column(x), column(eta)
    log_c = ContinuousBernoulli().log_prob(*arguments) - Bernoulli().log_prob(*arguments)
    assert log_c.item() >= math.log(2) - 1e-9 * (1 + abs(eta) / 1e3)


@pytest.mark.parametrize("eta", [0.0, 0.05, -0.05, 0.3, -3.0, 40.0])
def test_continuous_bernoulli_integrates_to_one_and_its_mean_is_the_mean(eta, integral):
    likelihood = ContinuousBernoulli()
    assert integral(lambda x: likelihood.log_prob(x, column(eta)).exp(), 0, 1) == pytest.approx(1, abs=1e-10)
    mean = integral(lambda x: x * likelihood.log_prob(x, column(eta)).exp(), 0, 1)
    assert mean == pytest.approx(likelihood.mean(column(eta)).item(), abs=1e-10)


def test_continuous_bernoulli_agrees_with_torch(generator):
    x = torch.rand(5, 7, generator=generator, dtype=torch.float64)
    logits = 3 * torch.randn(5, 7, generator=generator, dtype=torch.float64)
    expected = distributions.Independent(distributions.ContinuousBernoulli(logits=logits), 1)
    torch.testing.assert_close(ContinuousBernoulli().log_prob(x, logits), expected.log_prob(x))
    torch.testing.assert_close(ContinuousBernoulli().mean(logits), expected.mean)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-6), (torch.float64, 1e-12)])
def test_continuous_bernoulli_gradient_is_x_minus_its_mean(dtype, tolerance):
    x, params = column(*[0.3] * len(LOGITS), dtype=dtype), column(*LOGITS, dtype=dtype).requires_grad_()
    ContinuousBernoulli().log_prob(x, params).sum().backward()
    wanted = x.double() - ContinuousBernoulli().mean(params.detach().double())
    torch.testing.assert_close(params.grad.double(), wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("eta", [0.0, 5e-4, -0.5, 2.0, -30.0, 1e4, -1e4])
def test_continuous_bernoulli_samples(eta, generator, within_5_standard_errors):
    _, _, mean = definition(eta)
    flip = eta > 0  # near 1, look at 1 − x
    with mpmath.workdps(60):
        size = mpmath.mpf(abs(eta))
        second = 1 / mpmath.mpf(3) if eta == 0 else 2 / size**2 - (1 + 2 / size) / mpmath.expm1(size)
    draws = ContinuousBernoulli().sample(column(eta).expand(100_000, 1), generator=generator)
    assert draws.min() >= 0 and draws.max() <= 1
    within_5_standard_errors(draws, float(mean))
    within_5_standard_errors((1 - draws if flip else draws) ** 2, float(second))


@pytest.mark.parametrize(
    ("eta", "dtype", "tolerance"),
    [
        (1e-5, torch.float32, 1.3e-6),  # up to 0.001 a uniform draw is taken, which is off by η/8 at most
        (9e-4, torch.float64, 1.2e-4),
        (1.1e-3, torch.float64, 1e-12),
        (0.05, torch.float64, 1e-12),
        (3.0, torch.float64, 1e-12),
        (30.0, torch.float64, 1e-12),
    ],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_continuous_bernoulli_samples_invert_the_distribution_function(eta, dtype, tolerance, sign):
    params = torch.full((1000,), sign * eta, dtype=dtype)
    x = ContinuousBernoulli().sample(params, generator=torch.Generator().manual_seed(0)).double()
    u = torch.rand(1000, dtype=dtype, generator=torch.Generator().manual_seed(0)).double()
    found = torch.expm1(sign * eta * x) / math.expm1(sign * eta)
    torch.testing.assert_close(found, u if sign < 0 else 1 - u, rtol=0, atol=tolerance)


def test_continuous_bernoulli_samples_stay_in_the_unit_interval(monkeypatch):
    """Also where a generator returns 1, of which the formula takes the logarithm of 0."""
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: torch.ones(shape))
    for params in (-torch.linspace(1e-3, 40, 20_000), torch.linspace(1e-3, 40, 20_000)):
        x = ContinuousBernoulli().sample(params)
        assert x.min() >= 0 and x.max() <= 1


# Gaussian


@pytest.mark.parametrize("learn_sigma", [False, True])
@pytest.mark.parametrize("sigma", [0.1, 1.0, 2.5])
def test_gaussian_agrees_with_torch_constants_included(sigma, learn_sigma, generator):
    x, params = torch.randn(2, 5, 7, generator=generator, dtype=torch.float64)
    expected = distributions.Independent(distributions.Normal(params, sigma), 1).log_prob(x)
    likelihood = Gaussian(sigma, learn_sigma).double()
    tolerance = 1e-6 if learn_sigma else 1e-13  # log σ was born in float32
    torch.testing.assert_close(likelihood.log_prob(x, params), expected, rtol=tolerance, atol=tolerance)
    assert float(likelihood.sigma.detach()) == pytest.approx(sigma, rel=1e-6)
    assert torch.equal(likelihood.mean(params), params)


def test_sigma_is_a_parameter_only_when_it_is_learnt():
    assert not list(Gaussian(0.5).parameters()) and not Gaussian(0.5).learn_sigma
    learnt = Gaussian(0.5, learn_sigma=True)
    assert len(list(learnt.parameters())) == 1 and learnt.learn_sigma and learnt.sigma.requires_grad
    other = Gaussian(2.0, learn_sigma=True)
    other.load_state_dict(learnt.state_dict())
    assert float(other.sigma.detach()) == pytest.approx(0.5)
    assert "sigma=0.5, learn_sigma=True" in repr(learnt) and "sigma=0.1235," in repr(Gaussian(0.123456))


def test_the_best_sigma_squared_is_the_mean_squared_error(generator):
    x, params = torch.randn(2, 50, 4, generator=generator, dtype=torch.float64)
    best = float(((x - params) ** 2).mean().sqrt())
    slopes = []
    for sigma in (0.9 * best, best, 1.1 * best):
        likelihood = Gaussian(sigma, learn_sigma=True).double()
        (-likelihood.log_prob(x, params).mean()).backward()
        slopes.append(likelihood.log_sigma.grad.item())
    assert slopes[0] < -0.1 and slopes[1] == pytest.approx(0, abs=1e-6) and slopes[2] > 0.1


@pytest.mark.parametrize("learn_sigma", [False, True])
def test_gaussian_samples(learn_sigma, generator, within_5_standard_errors):
    params = torch.tensor([-1.0, 2.0])
    draws = Gaussian(0.3, learn_sigma).sample(params.expand(100_000, 2), generator=generator)
    within_5_standard_errors(draws, params)
    within_5_standard_errors((draws - params) ** 2, 0.09)


# Laplace


@pytest.mark.parametrize("scale", [0.1, 1.0, 2.5])
def test_laplace_agrees_with_torch_constants_included(scale, generator):
    x, params = torch.randn(2, 5, 7, generator=generator, dtype=torch.float64)
    expected = distributions.Independent(distributions.Laplace(params, scale), 1).log_prob(x)
    likelihood = Laplace(scale)
    torch.testing.assert_close(likelihood.log_prob(x, params), expected, rtol=1e-13, atol=1e-13)
    assert torch.equal(likelihood.mean(params), params)
    assert likelihood.scale == scale and not list(likelihood.parameters())


def test_laplace_with_scale_1_is_the_l1_loss_and_a_constant(generator):
    x, params = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    l1 = torch.nn.functional.l1_loss(params, x, reduction="none").sum(-1)
    torch.testing.assert_close(-Laplace().log_prob(x, params), l1 + 3 * math.log(2))


def test_the_best_scale_is_the_mean_absolute_error(generator):
    x, params = torch.randn(2, 50, 4, generator=generator, dtype=torch.float64)
    best = float((x - params).abs().mean())
    low, at_best, high = (-Laplace(b).log_prob(x, params).mean() for b in (0.98 * best, best, 1.02 * best))
    assert at_best < low and at_best < high
    assert at_best.item() == pytest.approx(4 * (math.log(2 * best) + 1))


def test_laplace_samples(generator, within_5_standard_errors):
    params = torch.tensor([-1.0, 2.0])
    draws = Laplace(0.3).sample(params.expand(100_000, 2), generator=generator)
    within_5_standard_errors(draws, params)
    within_5_standard_errors((draws - params).abs(), 0.3)
    within_5_standard_errors((draws - params) ** 2, 2 * 0.3**2)


@pytest.mark.parametrize("scale", [0.0, -0.1, math.nan, math.inf, "1", True])
def test_a_scale_that_is_not_above_0_is_refused(scale, value_error):
    with value_error("scale must be a finite number above 0", repr(scale)):
        Laplace(scale)


def test_laplace_shows_its_scale():
    assert repr(Laplace(0.123456)) == "Laplace(scale=0.1235)"


# What all of them do


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3)], ids=str)
def test_shapes_and_dtype_are_kept(likelihood, dtype, shape, generator):
    x = torch.rand(shape, generator=generator, dtype=dtype)
    params = torch.randn(shape, generator=generator, dtype=dtype)
    assert likelihood.log_prob(x, params).shape == shape[:-1]
    assert likelihood.mean(params).shape == likelihood.sample(params).shape == shape
    results = likelihood.log_prob(x, params), likelihood.mean(params), likelihood.sample(params)
    assert {result.dtype for result in results} == {dtype}


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
def test_pixels_are_summed_and_rows_are_not(likelihood, generator):
    x, params = torch.rand(2, 4, 3, generator=generator, dtype=torch.float64)
    one_by_one = [
        sum(likelihood.log_prob(x[i, j].reshape(1, 1), params[i, j].reshape(1, 1)) for j in range(3))
        for i in range(4)
    ]
    torch.testing.assert_close(likelihood.log_prob(x, params), torch.cat(one_by_one))


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
@pytest.mark.usefixtures("global_rng_untouched")
def test_samples_are_reproducible_and_without_gradient(likelihood):
    params = torch.zeros(20, 5, requires_grad=True)
    first, again, other = (
        likelihood.sample(params, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not first.requires_grad


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
@pytest.mark.parametrize("size", [0.0, 1e-4, 1e3, 1e4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_are_finite_and_not_zero_where_x_is_wrong(likelihood, size, dtype):
    params = column(size, -size, dtype=dtype).requires_grad_()
    likelihood.log_prob(column(0, 1, dtype=dtype), params).sum().backward()
    assert params.grad.isfinite().all()
    assert (params.grad != 0).all() or (isinstance(likelihood, Gaussian | Laplace) and size == 0)


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float64])
def test_x_of_another_dtype_is_converted(likelihood, dtype, generator):
    x = torch.randint(0, 2, (4, 3), generator=generator)
    params = torch.randn(4, 3, generator=generator)
    result = likelihood.log_prob(x.to(dtype), params)
    assert result.dtype == torch.float32
    assert torch.equal(result, likelihood.log_prob(x.float(), params))


# What a caller may get wrong


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
@pytest.mark.parametrize(
    ("x", "params"), [((4, 1), (4, 3)), ((4,), (4, 1)), ((4, 3), (2, 4, 3)), ((3, 4), (4, 3))]
)
def test_shapes_that_differ_are_named(likelihood, x, params, value_error):
    for left, right in ((x, params), (params, x)):
        with value_error(f"x {left}", f"params {right}"):
            likelihood.log_prob(torch.zeros(left), torch.zeros(right))


@pytest.mark.parametrize("likelihood", BERNOULLI_KINDS, ids=by_name)
@pytest.mark.parametrize(
    ("x", "named"),
    [
        ([0, 255], ["from 0 to 255", "bytes", "divide by 255"]),
        ([0.0, 1.25], ["from 0 to 1.25"]),
        ([-0.5, 1.0], ["from -0.5 to 1"]),
    ],
    ids=str,
)
def test_x_outside_the_unit_interval_is_refused(likelihood, x, named, value_error):
    with value_error("[0, 1]", *named):
        likelihood.log_prob(torch.tensor([x]), torch.zeros(1, 2))


@pytest.mark.parametrize(("x", "hint"), [([0, 1.4], False), ([0, 1.6], True), ([-0.1, 200], False)])
def test_the_hint_about_bytes_is_for_what_may_be_bytes(x, hint):
    with pytest.raises(ValueError) as caught:
        Bernoulli().log_prob(torch.tensor([x]), torch.zeros(1, 2))
    assert str(caught.value).endswith("; these look like bytes: divide by 255 first") is hint


@pytest.mark.parametrize("likelihood", BERNOULLI_KINDS, ids=by_name)
def test_unscaled_bytes_are_recognized_in_any_dtype(likelihood, value_error):
    for dtype in (torch.uint8, torch.int64, torch.float32):
        with value_error("divide by 255"):
            likelihood.log_prob(torch.tensor([[0, 200]], dtype=dtype), torch.zeros(1, 2))


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_are_refused(likelihood, bad, value_error):
    good, broken = torch.full((2, 3), 0.5), torch.full((2, 3), 0.5)
    broken[1, 2] = bad
    with value_error("x holds NaN or infinity in 1 of its 6"):
        likelihood.log_prob(broken, good)
    for call in (lambda: likelihood.log_prob(good, broken), lambda: likelihood.mean(broken)):
        with value_error("params holds NaN or infinity"):
            call()
    with value_error("params holds NaN or infinity"):
        likelihood.sample(broken)


@pytest.mark.parametrize("likelihood", ALL, ids=by_name)
def test_empty_complex_and_integer_arguments_are_refused(likelihood, value_error):
    with value_error("empty", (0, 3)):
        likelihood.log_prob(torch.zeros(0, 3), torch.zeros(0, 3))
    with value_error("params", "int64"):
        likelihood.log_prob(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int64))
    with value_error("real", "complex64"):
        likelihood.log_prob(torch.zeros(2, 3, dtype=torch.complex64), torch.zeros(2, 3))
    with pytest.raises(TypeError, match="list"):
        likelihood.log_prob([[0.0]], torch.zeros(1, 1))


@pytest.mark.parametrize("learn_sigma", [False, True])
@pytest.mark.parametrize("sigma", [0, -0.5, math.nan, math.inf])
def test_sigma_must_be_positive(sigma, learn_sigma, value_error):
    with value_error("sigma", "above 0", sigma):
        Gaussian(sigma, learn_sigma)
