"""diagnose: every bug gets its own finding, and the right loss none, whatever the model looks like."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vae_lib import diagnose
from vae_lib.diagnosis import FINDINGS
from vae_lib.gallery import PROGRAMS, Right
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae_lib.models import VAE
from vae_lib.objective import elbo

pytestmark = pytest.mark.usefixtures("global_rng_untouched")
BUGS = {code: program for code, program in PROGRAMS.items() if code != "right"}


def images(count=20, width=64, seed=0):
    return torch.randint(0, 256, (count, width), generator=torch.Generator().manual_seed(seed)).float()


def check(program, **options):
    return diagnose(program, program.loss, program.load(images()), **options)


class Tutorial(nn.Module):
    """A VAE as tutorials write it: pictures in, probabilities out, sums over everything."""

    @torch.random.fork_rng()
    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 40), nn.Linear(40, 20), nn.Linear(40, 20)
        self.fc3, self.fc4 = nn.Linear(20, 40), nn.Linear(40, 784)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def tutorial_loss(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(len(x), -1), reduction="sum")
    return BCE - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


class Convolutional(nn.Module):
    @torch.random.fork_rng()
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.heads = nn.Linear(64, 6)
        self.decode = nn.Sequential(
            nn.Linear(3, 64), nn.Unflatten(1, (4, 4, 4)), nn.Dropout(), nn.ConvTranspose2d(4, 1, 2, 2)
        )

    def encode(self, x):
        return self.heads(self.encoder(x)).chunk(2, dim=1)

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(mu + torch.exp(logvar / 2) * torch.randn_like(mu)), mu, logvar


# The gallery


@pytest.mark.parametrize("code", BUGS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_bug_gets_its_own_finding(code, seed):
    found = check(BUGS[code](64, 8, seed=seed), seed=seed)
    assert found.codes == [code] and found.unchecked == ()
    text = str(found)
    assert code in text and found.findings[0].fix in text and not re.search(r"[{}]", text)


@pytest.mark.parametrize("J", [1, 2, 8])
@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_found_in_the_right_program(J, seed):
    found = check(Right(64, J, seed=seed), seed=seed)
    assert found.codes == [] and found.unchecked == () and found.beta == pytest.approx(1, rel=1e-4)
    assert str(found) == repr(found) == "nothing wrong found: Bernoulli of logits, β = 1"


def parts(program):
    return {name for name in ("load", "reparameterize", "nll", "kl") if name in vars(program)}


PAIRS = [(a, b) for a, b in itertools.combinations(BUGS, 2) if not parts(BUGS[a]) & parts(BUGS[b])]
# Without a KL term there is nothing that a weight or a width could be compared with.
MEANINGLESS = [("pixel_mean", "no_kl"), ("sigma_is_exp_logvar", "no_kl")]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_bugs_at_once(one, other):
    both = type("Both", (BUGS[one], BUGS[other]), {})
    wanted = {"no_kl"} if (one, other) in MEANINGLESS else {one, other}
    assert set(check(both(64, 8, seed=0)).codes) == wanted


def test_three_wrong_factors_at_once():
    program = Right(64, 8, seed=0)

    def loss(logits, x, mu, logvar):
        kl = (mu**2 + logvar.exp() - logvar - 1).mean()
        return F.binary_cross_entropy_with_logits(logits, x) + kl

    found = diagnose(program, loss, images() / 255)
    assert found.codes == ["pixel_mean", "kl_mean_over_latents", "kl_without_half"]
    assert found.beta == pytest.approx(64 / 8 * 2, rel=1e-3)


@pytest.mark.parametrize("count", [7, 8, 64])
def test_counts_that_are_equal_are_told_apart(count):
    """B = D or B = J: which sum became a mean is measured, not guessed from the factor."""
    program, x = Right(64, 8, seed=0), images(count) / 255

    def mixed(logits, x, mu, logvar):
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1)
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x) + kl.sum()

    assert diagnose(program, mixed, x).codes == ["batch_sums_differ"]
    averaged = BUGS["pixel_mean"](64, 8, seed=0)
    assert diagnose(averaged, averaged.loss, x).codes == ["pixel_mean"]


def test_with_two_latent_dimensions_a_mean_is_no_half():
    program = BUGS["kl_mean_over_latents"](64, 2, seed=0)
    assert check(program).codes == ["kl_mean_over_latents"]

    def half(logits, x, mu, logvar):
        return program.nll(logits, x) + Right.kl(program, mu, logvar) / 2

    assert diagnose(program, half, images() / 255).codes == ["kl_half_twice"]


# Right losses of other kinds


def scaled(factor):
    return lambda params, x, mu, logvar: factor * tutorial_loss(params, x, mu, logvar)


@pytest.mark.parametrize("factor", [1.0, 1 / 20, 1 / 784, 1e-3])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_the_loss_of_tutorials_is_right_in_any_unit(factor, count):
    x = images(count, 784).reshape(count, 1, 28, 28) / 255
    found = diagnose(Tutorial(), scaled(factor), x)
    assert found.codes == [] and found.likelihood == "Bernoulli of probabilities" and found.unchecked == ()


def test_a_loss_may_divide_bytes_itself():
    program = Right(64, 8, seed=0)

    def loss(model, x):
        logits, mu, logvar = model(x / 255)
        return model.loss(logits, x / 255, mu, logvar)

    assert diagnose(program, loss, images().to(torch.uint8)).codes == []


def test_the_oldest_tutorial_divides_both_terms_by_batch_and_pixels():
    def loss(recon_x, x, mu, logvar):
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / (20 * 784)
        return F.binary_cross_entropy(recon_x, x.view(-1, 784)) + kl

    assert diagnose(Tutorial(), loss, images(20, 784) / 255).codes == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "likelihood", [Bernoulli(), ContinuousBernoulli(), Gaussian(0.3), Gaussian(0.1, True)]
)
@pytest.mark.parametrize("count", [1, 9])
def test_the_objective_of_the_library(dtype, likelihood, count):
    model = VAE(16, 3, likelihood=likelihood, seed=1).to(dtype)
    x = torch.rand((count, 16), dtype=dtype, generator=torch.Generator().manual_seed(0))
    found = diagnose(model, lambda model, x: elbo(model, x).loss, x)
    assert found.codes == [] and found.unchecked == ()
    wanted = diagnose(model, lambda model, x: elbo(model, x, beta=4).loss, x, beta=4, likelihood=likelihood)
    assert wanted.codes == [] and wanted.beta == pytest.approx(4, rel=1e-3)
    other = diagnose(model, lambda model, x: elbo(model, x, beta=4).loss, x, likelihood=likelihood)
    assert other.codes == ["beta"] and "β = 4" in str(other)


def test_a_convolutional_model_with_batch_norm_and_a_module_as_decode():
    model = Convolutional()

    def loss(params, x, mu, logvar):
        nll = F.mse_loss(params, x, reduction="sum") / len(x)
        return nll + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()

    def averaged(params, x, mu, logvar):
        return F.mse_loss(params, x) + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()

    x = images(5).reshape(5, 1, 8, 8) / 255
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = diagnose(model, loss, x)
    assert found.codes == [] and found.likelihood == "Gaussian" and found.beta is None
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert diagnose(model, averaged, x).codes == ["pixel_mean"]


def test_other_readings_of_the_second_output_are_fine_when_both_sides_agree():
    program, x = Right(64, 4, seed=0), images() / 255

    def step(sigma_of_draw, sigma_of_kl):
        def loss(model, x):
            mu, s = model.encode(x)
            logits = model.decode(mu + sigma_of_draw(s) * torch.randn_like(mu))
            sigma = sigma_of_kl(s)
            kl = 0.5 * (mu**2 + sigma**2 - 2 * sigma.log() - 1).sum(1).mean()
            return model.nll(logits, x) + kl

        return loss

    kinds = [lambda s: (s / 2).exp(), torch.exp, F.softplus]
    for one, other in itertools.product(range(3), repeat=2):
        found = diagnose(program, step(kinds[one], kinds[other]), x).codes
        wanted = (
            [] if one == other else ["sigma_is_exp_logvar" if (one, other) == (1, 0) else "sigma_mismatch"]
        )
        assert found == wanted


def test_a_kl_term_that_is_estimated_from_z_is_right_too():
    def loss(model, x):
        mu, logvar = model.encode(x)
        z = model.reparameterize(mu, logvar)
        log_q = torch.distributions.Normal(mu, torch.exp(logvar / 2)).log_prob(z)
        kl = (log_q - torch.distributions.Normal(0.0, 1.0).log_prob(z)).sum(1).mean()
        return model.nll(model.decode(z), x) + kl

    found = diagnose(Right(64, 4, seed=0), loss, images() / 255)
    assert found.codes == [] and found.beta == pytest.approx(1, abs=0.1)
    twice = diagnose(Right(64, 4, seed=0), lambda m, x: 2 * loss(m, x) - m.nll(m(x)[0], x), images() / 255)
    assert twice.codes == ["kl_without_half"]


# Bugs that the gallery does not have


def seeded():
    return torch.Generator().manual_seed(0)


def drawn_with(eps):
    return {"reparameterize": lambda self, mu, logvar: mu + torch.exp(logvar / 2) * eps(mu)}


def variant(**parts):
    return type("Variant", (Right,), parts)(64, 8, seed=0)


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("reconstruction_sign", {"nll": lambda self, r, x: -Right.nll(self, r, x)}),
        ("no_reconstruction", {"nll": lambda self, r, x: Right.nll(self, r.detach(), x)}),
        ("kl_formula", {"kl": lambda self, mu, t: 0.5 * (mu**2 - t - 1).sum(1).mean()}),
        ("kl_formula", {"kl": lambda self, mu, t: 0.5 * (mu.abs() + t.exp() - t - 1).sum(1).mean()}),
        ("loss_constant", {"kl": lambda self, mu, t: 0.5 * (mu**2 + t.exp() - t).sum(1).mean()}),
        ("beta", {"kl": lambda self, mu, t: 0.3 * Right.kl(self, mu, t)}),
        ("noise_not_standard_normal", drawn_with(torch.rand_like)),
        ("one_eps_per_image", drawn_with(lambda mu: torch.randn(len(mu), 1))),
        ("frozen_noise", drawn_with(lambda mu: torch.randn(mu.shape, generator=seeded()))),
        ("no_gradient_through_z", {"reparameterize": lambda *given: Right.reparameterize(*given).detach()}),
        ("no_gradient_through_z", {"reparameterize": lambda s, m, t: Right.reparameterize(s, m.detach(), t)}),
        ("no_gradient_to_encoder", {"encode": lambda self, x: [v.detach() for v in VAE.encode(self, x)]}),
        ("sigmoid_twice", {"decode": lambda self, z: torch.sigmoid(VAE.decode(self, z))}),
        ("not_finite", {"encode": lambda self, x: tuple(v / 0 for v in VAE.encode(self, x))}),
        ("shapes", {"encode": lambda self, x: (VAE.encode(self, x)[0], VAE.encode(self, x)[1][:, :1])}),
    ],
)  # fmt: skip
def test_other_bugs(code, parts):
    assert check(variant(**parts)).codes == [code]


def test_every_code_has_been_seen():
    seen = set(BUGS) | set(re.findall(r'"(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert set(FINDINGS) <= seen and set(BUGS) <= set(FINDINGS)


def test_another_likelihood_than_the_one_wanted_is_named():
    program, x = Right(64, 8, seed=0), images() / 255
    found = diagnose(program, program.loss, x, likelihood=Gaussian(0.3))
    assert found.codes == ["other_likelihood"] and "Bernoulli of logits" in str(found)


def test_a_reconstruction_of_an_unknown_kind_is_said_to_be_unchecked():
    program = variant(nll=lambda self, r, x: (r.sigmoid() - x).abs().pow(1.5).sum(1).mean())
    found = check(program)
    assert found.codes == [] and len(found.unchecked) == 1
    assert "not checked: the reconstruction" in str(found) and "nothing wrong found" in str(found)


# What it leaves alone, and what it refuses


def test_the_model_its_gradients_and_its_mode_stay_as_they_are():
    program = Right(64, 8, seed=0).eval()
    for parameter in program.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {key: value.clone() for key, value in program.state_dict().items()}
    check(program)
    assert not program.training and "encode" not in vars(program) and "decode" not in vars(program)
    assert all(torch.equal(value, before[key]) for key, value in program.state_dict().items())
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in program.parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": nn.Linear(64, 8)}, ["encode(x) -> (mu, logvar)"]),
        ({"loss": lambda x: x.sum()}, ["loss(params, x, mu, logvar)", "loss(model, x)"]),
        ({"loss": lambda params, x, mu, logvar: params}, ["scalar", "64"]),
        ({"loss": lambda model, x: (model.encoder(x) ** 2).sum()}, ["does not go through model.encode"]),
        ({"x": torch.zeros(0, 64)}, ["x must be a batch", "0, 64"]),
        ({"beta": -1.0}, ["beta"]),
    ],
)
def test_what_cannot_be_checked_is_refused(change, words, value_error):
    program = Right(64, 8, seed=0)
    with value_error(*words):
        diagnose(**({"model": program, "loss": program.loss, "x": images() / 255} | change))
