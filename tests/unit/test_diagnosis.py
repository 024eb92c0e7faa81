"""diagnose as a whole: every bug of the gallery gets its finding, right programs of all kinds get none."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
import torch.nn.functional as F
from programs import BUGS, Convolutional, Tutorial, examine, images, kl_terms, sampled_kl, tutorial_loss

from vae_lib import diagnose
from vae_lib.diagnosis.gallery import Right
from vae_lib.diagnosis.report import CHECKS
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae_lib.models import VAE
from vae_lib.objective import elbo

pytestmark = pytest.mark.usefixtures("global_rng_untouched")


# The gallery


@pytest.mark.parametrize("code", BUGS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_bug_gets_its_own_finding(code, seed):
    found = examine(BUGS[code](64, 8, seed=seed), seed=seed)
    assert found.codes == [code] and found.unchecked == ()
    text = str(found)
    assert code in text and found.findings[0].fix in text and not re.search(r"[{}]", text)


NOTHING_WRONG = """nothing wrong found: Bernoulli of logits, β = 1
right: KL formula, draw, gradient paths, reconstruction, weight, ranges, modes, batch
    size
weight: the KL term weighs what it does in the ELBO"""


@pytest.mark.parametrize("J", [1, 2, 8])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_in_the_right_program(J, seed):
    found = examine(Right(64, J, seed=seed), seed=seed)
    assert found.codes == [] and found.unchecked == () and found.beta == pytest.approx(1, rel=1e-4)
    assert str(found) == repr(found) == f"{NOTHING_WRONG}\nyour step was run {found.runs} times"
    assert [check.status for check in found.checks] == ["right"] * len(CHECKS)


def parts(program):
    return {name for name in ("load", "reparameterize", "nll", "kl") if name in vars(program)}


PAIRS = [(a, b) for a, b in itertools.combinations(BUGS, 2) if not parts(BUGS[a]) & parts(BUGS[b])]
# Without a KL term there is nothing that a weight or a width could be compared with.
HIDDEN = [("pixel_mean", "no_kl"), ("sigma_is_exp_logvar", "no_kl")]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_bugs_at_once_are_both_found(one, other):
    both = type("Both", (BUGS[one], BUGS[other]), {})
    wanted = {"no_kl"} if (one, other) in HIDDEN else {one, other}
    assert set(examine(both(64, 8, seed=0)).codes) == wanted


# Right programs of other kinds


def scaled(factor):
    return lambda params, x, mu, logvar: factor * tutorial_loss(params, x, mu, logvar)


@pytest.mark.parametrize(("factor", "count"), [(1.0, 1), (1 / 20, 20), (1 / 784, 2), (1e-3, 20)])
def test_the_loss_of_tutorials_is_right_in_any_unit(factor, count):
    x = images(count, 784).reshape(count, 1, 28, 28) / 255
    found = diagnose(Tutorial(), scaled(factor), x)
    assert found.codes == [] and found.likelihood == "Bernoulli of probabilities" and found.unchecked == ()


def test_a_loss_that_divides_bytes_itself_is_right():
    program = Right(64, 8, seed=0)

    def loss(model, x):
        logits, mu, logvar = model(x / 255)
        return model.loss(logits, x / 255, mu, logvar)

    found = diagnose(program, loss, images().to(torch.uint8))
    assert str(found).startswith(NOTHING_WRONG)


def test_a_loss_of_one_pixel_is_right():
    """As in the oldest tutorial, which divides both terms by the numbers of images and pixels."""

    def loss(recon_x, x, mu, logvar):
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / (len(x) * 784)
        return F.binary_cross_entropy(recon_x, x.view(-1, 784)) + kl

    assert diagnose(Tutorial(), loss, images(20, 784) / 255).codes == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "likelihood", [Bernoulli(), ContinuousBernoulli(), Gaussian(0.3), Gaussian(0.1, True)]
)
@pytest.mark.parametrize("count", [1, 9])
def test_the_objective_of_the_library_is_right(dtype, likelihood, count):
    model = VAE(16, 3, likelihood=likelihood, seed=1).to(dtype)
    x = torch.rand((count, 16), dtype=dtype, generator=torch.Generator().manual_seed(0))
    found = diagnose(model, lambda model, x: elbo(model, x).loss, x)
    assert found.codes == []
    if isinstance(likelihood, Gaussian) and likelihood.learn_sigma:
        assert found.likelihood == "Gaussian with a learned scale" and found.open == []
        assert found.beta == pytest.approx(1, rel=1e-3)
    elif isinstance(likelihood, Gaussian):  # σ and the weight of the KL term are one choice
        assert found.likelihood == f"Gaussian, σ = {likelihood.sigma.item():.3g} if β = 1"
        assert found.open == ["weight"]
    else:
        assert found.unchecked == ()
    wanted = diagnose(model, lambda model, x: elbo(model, x, beta=4).loss, x, beta=4, likelihood=likelihood)
    assert wanted.codes == [] and wanted.beta == pytest.approx(4, rel=1e-3)
    other = diagnose(model, lambda model, x: elbo(model, x, beta=4).loss, x, likelihood=likelihood)
    assert other.codes == ["beta"] and "β = 4" in str(other)


@pytest.mark.parametrize("count", [1, 5])
def test_convolutions_batch_norm_and_a_module_as_decode_are_right(count):
    """Also for one image, of which a batch norm cannot take the variance."""
    model = Convolutional()

    def loss(params, x, mu, logvar):
        return F.mse_loss(params, x, reduction="sum") / len(x) + kl_terms(mu, logvar).sum(1).mean()

    def averaged(params, x, mu, logvar):
        return F.mse_loss(params, x) + kl_terms(mu, logvar).sum(1).mean()

    x = images(count).reshape(count, 1, 8, 8) / 255
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = diagnose(model, loss, x)
    assert found.codes == [] and found.likelihood == "Gaussian, σ = 0.707 if β = 1" and found.beta is None
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    (finding,) = diagnose(model, averaged, x).findings
    assert finding.code == "pixel_mean"
    assert re.search(
        r"σ = 5.66, where pixels from 0.0\d to (1.00|0.9\d) deviate by (0.50|0.4\d)", finding.found
    )


KINDS = [lambda s: (s / 2).exp(), torch.exp, F.softplus]


@pytest.mark.parametrize(("of_draw", "of_kl"), list(itertools.product(range(3), repeat=2)))
def test_the_second_output_may_mean_ln_sigma_or_another_thing_if_both_sides_agree(of_draw, of_kl):
    def loss(model, x):
        mu, s = model.encode(x)
        logits = model.decode(mu + KINDS[of_draw](s) * torch.randn_like(mu))
        sigma = KINDS[of_kl](s)
        kl = 0.5 * (mu**2 + sigma**2 - 2 * sigma.log() - 1).sum(1).mean()
        return model.nll(logits, x) + kl

    mismatch = "sigma_is_exp_logvar" if (of_draw, of_kl) == (1, 0) else "sigma_mismatch"
    found = diagnose(Right(64, 4, seed=0), loss, images() / 255)
    assert found.codes == ([] if of_draw == of_kl else [mismatch])


@pytest.mark.parametrize("sigma_of", [lambda s: s, torch.sqrt], ids=["σ", "σ²"])
def test_the_second_output_may_be_sigma_itself_or_its_square(sigma_of):
    """Of an encoder that ends in a softplus."""

    class Positive(Right):
        def encode(self, x):
            mu, s = super().encode(x)
            return mu, F.softplus(s)

    def loss(model, x):
        mu, s = model.encode(x)
        logits = model.decode(mu + sigma_of(s) * torch.randn_like(mu))
        kl = 0.5 * (mu**2 + sigma_of(s) ** 2 - 2 * sigma_of(s).log() - 1).sum(1).mean()
        return model.nll(logits, x) + kl

    assert diagnose(Positive(64, 4, seed=0), loss, images() / 255).codes == []


def estimated(model, x, of_kl=1.0, prior_width=1.0):
    """A step whose KL term is estimated from the one z that is drawn."""
    mu, logvar = model.encode(x)
    z = model.reparameterize(mu, logvar)
    return model.nll(model.decode(z), x) + of_kl * sampled_kl(mu, logvar, z, prior_width).mean()


def test_a_kl_term_estimated_from_z_is_right():
    found = diagnose(Right(16, 4, hidden=(8,), seed=0), estimated, images(width=16) / 255)
    assert found.codes == [] and found.beta == pytest.approx(1, rel=1e-3)


def test_the_weight_of_a_kl_term_estimated_from_z_is_checked():
    model = Right(16, 4, hidden=(8,), seed=0)
    found = diagnose(model, lambda m, x: estimated(m, x, of_kl=2), images(count=8, width=16) / 255)
    assert found.codes == ["kl_without_half"]


# The model and the random numbers


def test_the_model_its_gradients_and_its_mode_stay_as_they_are():
    program = Right(64, 8, seed=0).eval()
    for parameter in program.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {key: value.clone() for key, value in program.state_dict().items()}
    examine(program)
    assert not program.training and "encode" not in vars(program) and "decode" not in vars(program)
    assert all(torch.equal(value, before[key]) for key, value in program.state_dict().items())
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in program.parameters())


def test_beta_must_be_positive(value_error):
    with value_error("beta must be a finite number above 0", -1.0):
        examine(Right(64, 8, seed=0), beta=-1.0)
