"""What chapters 1 to 5 once said and should not say again: each test recomputes what is right."""

from __future__ import annotations

import math
import re

import pytest
import torch
from bookfiles import BOOK, NOTEBOOKS, SOURCES, by_name
from sklearn.linear_model import LogisticRegression

from vae_lib import estimators, gaussian, training
from vae_lib.datasets import load_digits
from vae_lib.linear_gaussian import LinearGaussian
from vae_lib.models import VAE

TOY = LinearGaussian(W=[[2.0]], b=[0.0], sigma=1.0)
Z = torch.linspace(-12, 12, 12_001, dtype=torch.float64)


def normal(z, mean, sigma):
    """log N(z; mean, σ²); any of the three may be a number or a tensor."""
    logvar = 2 * torch.as_tensor(sigma, dtype=torch.float64).log()
    return -0.5 * ((z - mean) ** 2 / logvar.exp() + logvar + math.log(2 * math.pi))


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def book_errata() -> list[str]:
    """The entries of the book's own mistakes in chapters 1 to 5."""
    text = (BOOK / "errata.md").read_text(encoding="utf8").partition("## Mistakes of this book")[2]
    entries = [part.partition("\n\n")[0] for part in re.split(r"^- ", text, flags=re.M)[1:]]
    return [entry for entry in entries if re.match(r"\*\*\[((Chapter )?[1-5]|Glossary)", entry)]


def test_each_mistake_of_the_book_names_its_cell_and_its_test():
    cells = {cell.id for notebook in [*NOTEBOOKS, *SOURCES] for cell in notebook.code}
    found = book_errata()
    assert found
    for entry in found:
        right = entry.partition("**Right.**")[2]
        shown, names = re.findall(r"#cell-id=([\w-]+)", right), re.findall(r"`([^`]+)`", right)
        assert shown or "in the solution" in right, f"no cell in: {entry}"
        assert set(shown) <= cells
        assert names and set(names) <= set(globals()), f"no test of this file in: {entry}"


# Chapter 1


@pytest.fixture(scope="module")
def classifier():
    digits = load_digits()
    return LogisticRegression(max_iter=2000).fit(digits.x_train.double().numpy(), digits.y_train.numpy())


def test_ink_in_empty_places_does_not_make_the_classifier_sure(classifier):
    def confidence(images):
        return torch.tensor(classifier.predict_proba(images.reshape(-1, 64).numpy())).max(1).values.median()

    digits = load_digits()
    squares = digits.x_test.double().reshape(-1, 8, 8)
    lying = squares.rot90(dims=(1, 2)).reshape(-1, 64)
    erased = lying * (digits.x_train.double().mean(0) >= 0.1)
    assert confidence(lying) > confidence(squares)
    assert abs(confidence(erased) - confidence(lying)) < 0.01
    for other in (squares.rot90(2, dims=(1, 2)), squares.flip(2)):
        assert confidence(other) < confidence(squares) - 0.1


def test_few_images_carry_the_collapse_of_a_density():
    digits = load_digits()
    images, labels = digits.x_train.double(), digits.y_train
    held = torch.arange(len(images)) % 5 == 4
    scores, errors = [], []
    for noise in (1e-8, 1e-3):
        joint = []
        for k in range(10):
            fitted = images[~held & (labels == k)]
            cov = torch.cov(fitted.T, correction=0) + noise * torch.eye(64, dtype=torch.float64)
            log_p = torch.distributions.MultivariateNormal(fitted.mean(0), cov).log_prob(images[held])
            joint.append(log_p + math.log(len(fitted) / (~held).sum()))
        joint = torch.stack(joint, dim=1)
        scores.append(joint.logsumexp(1))
        errors.append((joint.argmax(1) != labels[held]).sum())
    assert scores[0].median() > scores[1].median() + 50 and scores[0].mean() < -1000
    assert (scores[0] < 0).sum() == 7 and errors[0] < 2.5 * errors[1]
    assert scores[0][scores[0] > 0].mean() > scores[1].mean() + 50


def test_the_mean_of_the_threes_is_a_three_to_the_classifier(classifier):
    digits = load_digits()
    threes = digits.x_train[digits.y_train == 3].double()
    assert classifier.predict(threes.mean(0, keepdim=True).numpy()) == [3]


# Chapter 2


def test_rho_grows_with_the_place_of_the_posterior_at_equal_width():
    rhos = []
    for x in (2.5, 10.0):
        joint = (2 * normal(x, 2 * Z, 1.0) + normal(Z, 0.0, 1.0)).exp()
        rhos.append((torch.trapezoid(joint, Z).log() - 2 * TOY.log_marginal(double([x]))).exp().item())
    assert rhos[0] == pytest.approx(2.9048, abs=1e-4) and rhos[1] == pytest.approx(12084.93, abs=0.01)
    assert torch.equal(TOY.posterior(double([2.5]))[1], TOY.posterior(double([10.0]))[1])


def test_few_runs_carry_the_mean_only_if_the_weights_are_skewed():
    below = {}
    for J in (1, 12):
        z = torch.randn(J, 2000, 400, generator=generator())
        estimate = normal(2.5, 2 * z, 1.0).sum(0).logsumexp(0) - math.log(2000)
        below[J] = (estimate < J * TOY.log_marginal(double([2.5])).float()).double().mean()
    assert 0.4 < below[1] < 0.6 and below[12] > 0.75


def test_the_claimed_error_is_the_effective_sample_size():
    log_w = 3 * torch.randn(50, 7, generator=generator(), dtype=torch.float64)
    w = log_w.exp()
    claimed = w.std(0) / w.mean(0) / math.sqrt(50)
    ess = estimators.effective_sample_size(log_w)
    torch.testing.assert_close(claimed**2, (50 / ess - 1) / 49)


def test_maximum_likelihood_maximizes_the_evidence():
    x = 2 * torch.randn(2000, 1, generator=generator()) + torch.randn(2000, 1, generator=generator(1))
    candidates = torch.linspace(0, 4, 81, dtype=torch.float64)
    zero = torch.zeros(2000, 1, dtype=torch.float64)
    evidence, likelihood = [], []
    for w in candidates:
        model = LinearGaussian(W=w.reshape(1, 1), b=[0.0], sigma=1.0)
        evidence.append(model.log_marginal(x.double()).sum())
        likelihood.append(model.reconstruction(x.double(), zero, zero).sum())  # log p(x|z) over the prior
    assert abs(candidates[torch.stack(evidence).argmax()] - 2) < 0.2
    assert candidates[torch.stack(likelihood).argmax()] == 0


@pytest.mark.parametrize(("signs", "shared_is_noisier"), [((1, 1), True), ((1, -1), False)])
def test_shared_draws_may_help_or_harm(signs, shared_is_noisier):
    x, noise = 2.5 * torch.tensor(signs), torch.randn(100, 4000, 2, generator=generator())
    for spread, means in ((1.0, torch.zeros(2)), (0.5, 0.6 * torch.tensor(signs))):  # exercises 2.5 and 5.1
        variances = []
        for eps in (noise[..., :1], noise):
            log_p = normal(x, 2 * (means + spread * eps), 1.0)
            estimate = log_p.logsumexp(0) if spread == 1 else log_p.mean(0)
            variances.append(estimate.mean(1).var())
        ratio = (variances[0] / variances[1]).item()
        assert ratio > 1.5 if shared_is_noisier else ratio < 1 / 1.5


# Chapter 3


def test_many_samples_do_not_help_a_narrow_q():
    exact, low = TOY.log_marginal(double([2.5])), {}
    for sigma in (0.05, 0.6):
        for L in (1, 256):
            z = 1.25 + sigma * torch.randn(L, 2000, generator=generator(), dtype=torch.float64)
            log_w = normal(2.5, 2 * z, 1.0) + normal(z, 0.0, 1.0) - normal(z, 1.25, sigma)
            low[sigma, L] = exact - (log_w.logsumexp(0) - math.log(L)).mean()
    assert low[0.05, 256] > 0.5 * low[0.05, 1] > 0.5
    assert low[0.6, 256] < 0.05 * low[0.6, 1]


def test_a_posterior_cut_off_has_constant_weights_and_half_the_mean():
    mean, cov = TOY.posterior(double([2.5]))
    z = Z[mean[0, 0] > Z]
    log_q = normal(z, mean[0, 0], cov[0, 0].sqrt()) + math.log(2)
    log_w = normal(2.5, 2 * z, 1.0) + normal(z, 0.0, 1.0) - log_q
    assert log_w.max() - log_w.min() < 1e-10
    torch.testing.assert_close(log_w[0], TOY.log_marginal(double([2.5]))[0] - math.log(2))


def test_correction_4_names_the_index_only():
    box = by_name("03_elbo").cell("correction-4").source
    assert "q_z(z \\mid x_i)" in box and "Only the index is wrong" in box


# Chapter 4


def best_gaussian(a, width):
    """(KL, mean, σ) of the Gaussian q with the smallest KL(q ‖ p), for equal bumps at −a and a."""
    log_p = torch.logaddexp(normal(Z, -a, width), normal(Z, a, width)) - math.log(2)
    z, log_p = Z[::8], log_p[::8]
    m, s = torch.meshgrid(torch.linspace(0, 3, 61), torch.linspace(0.4, 3, 53), indexing="ij")
    log_q = normal(z, m.double()[..., None], s.double()[..., None])
    kl = torch.trapezoid(log_q.exp() * (log_q - log_p), z)
    best = kl.argmin()
    return kl.flatten()[best].item(), m.flatten()[best].item(), s.flatten()[best].item()


def test_what_a_bump_left_out_costs():
    assert best_gaussian(2.5, 0.5) == pytest.approx((math.log(2), 2.5, 0.5), abs=1e-3)
    assert best_gaussian(1.5, 0.7)[1:] == pytest.approx((0.0, 1.5), abs=1e-3)
    assert best_gaussian(1.0, 0.5)[1] == 0


def test_the_kl_is_steeper_below_one():
    sigma = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    slope_below, slope_above = 1 / sigma - sigma, (2 - sigma) - 1 / (2 - sigma)  # at equal distances from 1
    assert (slope_below > slope_above).all()


def test_logarithm_and_square_trade_places_at_three_quarters():
    square, logarithm = (0.5 * double(0.745, 0.755) ** 2, -double(0.745, 0.755).log())
    assert (square < logarithm).squeeze().tolist() == [True, False]


def test_the_kl_as_written_comes_out_negative_in_float32():
    logvar = torch.linspace(-1e-3, 1e-3, 2001)[:, None]
    as_written = 0.5 * (logvar.exp() - logvar - 1)
    assert (as_written < 0).any()
    assert (gaussian.kl_to_standard_normal(torch.zeros_like(logvar), logvar) >= 0).all()


# Chapter 5


def test_the_histogram_of_single_draws_has_another_shape_not_only_another_width():
    eps = torch.randn((100_000, 100), dtype=torch.float64, generator=generator())
    values = -0.5 * (2.5 - 2 * (0.6 + 0.5 * eps)) ** 2
    skewness = [(((r - r.mean()) / r.std()) ** 3).mean() for r in (values[:, 0], values.mean(1))]
    assert skewness[0] < -1 and abs(skewness[1]) < 0.3


def test_the_gap_does_not_say_which_estimate_is_noisier():
    def variances(m, s):  # exact: of log p(x|z), and of log p(x, z) − log q(z)
        return 4 * (2.5 - 2 * m) ** 2 * s**2 + 8 * s**4, (5 * (1 - m) * s) ** 2 + 2 * (0.5 - 2.5 * s**2) ** 2

    def gap(m, s):
        return TOY.kl_to_posterior(double([2.5]), double([m]), double([2 * math.log(s)])).item()

    assert gap(0.6, 0.5) == pytest.approx(gap(1.4, 0.5))
    closed, sampled = variances(0.6, 0.5)
    assert sampled < closed
    closed, sampled = variances(1.4, 0.5)
    assert sampled > closed
    closed, sampled = variances(0.0, 1.0)
    assert sampled == pytest.approx(closed) and gap(0.0, 1.0) > 3


def encoder_gradients(net, images, kind, draws, g):
    """(draws, B, parameters): the gradient of each image's loss over the encoder's parameters."""
    found = []
    for _ in range(draws):
        mu, logvar = net.encode(images)
        z, zero = gaussian.reparameterize(mu, logvar, generator=g), torch.zeros_like(mu)
        q = (mu.detach(), logvar.detach()) if kind == "detached" else (mu, logvar)
        kl = gaussian.log_prob(z, *q) - gaussian.log_prob(z, zero, zero)
        if kind == "closed":
            kl = gaussian.kl_to_standard_normal(mu, logvar)
        losses = kl - net.likelihood.log_prob(images, net.decode(z))
        rows = [torch.autograd.grad(one, net.encoder.parameters(), retain_graph=True) for one in losses]
        found.append(torch.stack([torch.cat([part.flatten() for part in row]) for row in rows]))
    return torch.stack(found)


@pytest.mark.parametrize("seed", range(2))
def test_with_q_detached_the_sampled_kl_has_the_quietest_gradient(seed):
    x = load_digits().x_train.double()
    net = VAE(64, 8, hidden=(128,), seed=seed).double()
    training.fit(net, x, epochs=10, batch_size=64, seed=seed)
    noise, mean, error = {}, {}, {}
    for kind in ("closed", "sampled", "detached"):
        G = encoder_gradients(net, x[:10], kind, 12, generator(seed))
        noise[kind], mean[kind] = G.var(0).sum(1).mean(), G.mean((0, 1))
        error[kind] = (G.var(0).mean(0) / (12 * 10)).sum()
    assert noise["sampled"] > 2 * noise["closed"] and noise["closed"] > 1.3 * noise["detached"]
    apart = (mean["closed"] - mean["detached"]).square().sum()
    assert apart < 4 * (error["closed"] + error["detached"])  # unbiased: the squared distance is noise


def test_an_encoder_pass_can_make_two_draws_worth_it():
    def variance_times_cost(L, data, noise, encoder):
        return (data + noise / L) * (L + encoder)

    for data, noise in ((113, 201), (100, 190), (100, 210), (1, 100)):
        assert variance_times_cost(1, data, noise, 0) < variance_times_cost(2, data, noise, 0)
        two_win = variance_times_cost(2, data, noise, 1) < variance_times_cost(1, data, noise, 1)
        assert two_win == (noise > 2 * data)


def test_a_mirrored_pair_helps_only_far_from_the_top():
    eps = torch.randn(2, 200_000, generator=generator(), dtype=torch.float64)
    for mu, sigma, helps in ((0.6, 0.5, True), (1.0, 0.2**0.5, False)):
        a = 2.5 - 2 * mu
        one, two = (normal(2.5, 2 * (mu + sigma * e), 1.0) for e in eps)
        mirrored = normal(2.5, 2 * (mu - sigma * eps[0]), 1.0)
        pair, independent = ((one + mirrored) / 2).var(), ((one + two) / 2).var()
        assert (pair < independent) == helps == (a**2 > 2 * sigma**2)
        assert pair == pytest.approx(8 * sigma**4, rel=0.03)
