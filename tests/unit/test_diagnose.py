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
from vae_lib.diagnosis.gallery import PROGRAMS, Right
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
    assert found.codes == []
    if isinstance(likelihood, Gaussian):  # σ and the weight of the KL term are one choice
        assert f"Gaussian, σ = {likelihood.sigma.item():.3g} if β = 1\nnot checked: the weight" in str(found)
    else:
        assert found.unchecked == ()
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
    assert found.codes == [] and found.likelihood == "Gaussian, σ = 0.707 if β = 1" and found.beta is None
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert diagnose(model, averaged, x).codes == ["pixel_mean"]
    (finding,) = diagnose(model, averaged, x).findings
    assert "σ = 5.66, where pixels from 0.00 to 1.00 deviate by 0.50 at most, root" in finding.found


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


def kl_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1)


def without_logvar(mu, logvar):
    return mu, logvar.detach()


def with_a_frozen_trunk(program, x):
    with torch.no_grad():
        h = program.encoder[:-1](x)
    return program.encoder[-1](h).chunk(2, dim=1)


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
        ("no_gradient_to_encoder", {"encode": lambda self, x: without_logvar(*VAE.encode(self, x))}),
        ("no_gradient_to_encoder", {"encode": lambda self, x: with_a_frozen_trunk(self, x)}),
        ("no_gradient_to_decoder", {"decode": lambda self, z: VAE.decode(self, z).detach()}),
        ("no_gradient_through_z", {"decode": lambda self, z: VAE.decode(self, z.detach())}),
        ("sigmoid_twice", {"decode": lambda self, z: torch.sigmoid(VAE.decode(self, z))}),
        ("never_negative", {"decode": lambda self, z: F.relu(VAE.decode(self, z))}),
        ("draw_formula", {"reparameterize": lambda s, m, t: torch.randn_like(m) + m * torch.exp(t / 2)}),
        ("draw_formula", {"reparameterize": lambda s, m, t: (torch.randn_like(m) + m) * torch.exp(t / 2)}),
        ("draw_formula", {"reparameterize": lambda s, m, t: m + Right.reparameterize(s, m, t)}),
        ("sigma_mismatch", {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, -t)}),
        ("sigma_mismatch", {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, 4 * t)}),
        ("kl_floor", {"kl": lambda s, m, t: kl_terms(m, t).mean(0).clamp(min=0.5).sum()}),
        ("wrong_target", {"nll": lambda self, r, x: Right.nll(self, r, x.flip(0))}),
        ("wrong_target", {"nll": lambda self, r, x: Right.nll(self, r, x.view(-1, 8, 8).mT.flatten(1))}),
        ("wrong_target", {"nll": lambda self, r, x: (r[:, None] - x).pow(2).sum() / len(x)}),
        ("wrong_target", {"nll": lambda self, r, x: (r - r.mean(0) - x).abs().pow(1.5).sum() / len(x)}),
        ("arguments_swapped", {"nll": lambda self, r, x: Right.nll(self, x, r)}),
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
    assert str(found).startswith("the reconstruction could not be checked")
    assert "not checked: the reconstruction" in str(found) and "nothing wrong found" not in str(found)


@pytest.mark.parametrize("seed", [0, 3, 1000])
def test_the_numbers_that_are_tried_are_not_those_that_the_step_draws(seed):
    """With ε equal to the mu that is tried, mu and ε in each other's place pass every look at z."""
    seen = []

    class Spied(Right):
        def reparameterize(self, mu, logvar):
            seen.append((mu, torch.randn_like(mu)))
            return mu + torch.exp(logvar / 2) * seen[-1][1]

    assert check(Spied(64, 8, seed=0), seed=seed).codes == []
    assert len(seen) > 3 and not any(torch.isclose(mu, eps).all() for mu, eps in seen)


def test_what_is_cut_off_is_named():
    text = str(check(variant(encode=with_a_frozen_trunk)))
    assert "cut off: encoder.0.weight, encoder.0.bias\n" in text
    text = str(check(variant(decode=lambda self, z: VAE.decode(self, z).detach())))
    assert "cut off: params, decoder.0.weight, decoder.0.bias, decoder.2.weight and 1 more\n" in text


def test_what_is_frozen_on_purpose_or_constant_is_not_cut_off():
    program = Right(64, 8, seed=0)
    program.encoder.requires_grad_(False)
    assert check(program).codes == []
    fixed = variant(encode=lambda self, x: (VAE.encode(self, x)[0], torch.full((len(x), 8), -1.0)))
    assert check(fixed).codes == []


WRONG_TARGETS = [
    ("another image in row 0 changes the slopes in row 19", lambda self, r, x: Right.nll(self, r, x.flip(0))),
    ("changes the slopes in rows 1, 2, 3 …", lambda self, r, x: (r[:, None] - x).pow(2).sum()),
    (
        "another prediction in row 0 changes",
        lambda s, r, x: (r - r.mean(0).detach() - x).abs().pow(1.5).sum(),
    ),
    (
        "pixel 1 of an image is held against the params of pixel 2",
        lambda s, r, x: Right.nll(s, r, x.roll(1, 1)),
    ),
]


@pytest.mark.parametrize(("words", "nll"), WRONG_TARGETS)
def test_a_wrong_target_is_shown_by_what_moves(words, nll):
    assert words in str(check(variant(nll=nll)))


def test_with_one_image_or_equal_pixels_a_target_of_an_unknown_loss_is_left_open():
    program = variant(nll=lambda self, r, x: (r.sigmoid() - x).abs().pow(1.5).sum(1).mean())
    for x in (torch.rand(1, 64, generator=seeded()), torch.full((3, 64), 0.5)):
        found = diagnose(program, program.loss, x)
        assert found.codes == [] and "could not be checked" in str(found)


def test_params_that_are_not_one_for_each_pixel_are_left_open():
    program = variant(decode=lambda self, z: VAE.decode(self, z).repeat(1, 2))
    found = diagnose(program, lambda r, x, m, t: program.nll(r[:, :64], x) + program.kl(m, t), images() / 255)
    assert found.codes == [] and found.unchecked == (
        "the reconstruction: 128 numbers from decode for 64 pixels",
    )


def test_a_width_without_a_kl_term_to_compare_with_is_left_open():
    def reparameterize(self, mu, logvar):
        return Right.reparameterize(self, mu, -logvar)

    found = check(variant(reparameterize=reparameterize, kl=BUGS["no_kl"].kl))
    assert found.codes == ["no_kl"] and "not checked: the width of the draw" in str(found)


def test_the_batch_mean_of_one_term_is_named():
    program, x = Right(64, 8, seed=0), images() / 255

    def summed_kl(logits, x, mu, logvar):
        return program.nll(logits, x) + kl_terms(mu, logvar).sum()

    def summed_nll(logits, x, mu, logvar):
        return len(x) * program.nll(logits, x) + program.kl(mu, logvar)

    assert "−log p(x|z) averaged over B = 20, the KL summed" in str(diagnose(program, summed_kl, x))
    assert "the KL averaged over B = 20, −log p(x|z) summed" in str(diagnose(program, summed_nll, x))


# Terms with a scale


def with_weight(weight, reduction="sum"):
    def loss(params, x, mu, logvar):
        nll = F.mse_loss(params, x, reduction=reduction) / (len(x) if reduction == "sum" else 1)
        return nll + weight * kl_terms(mu, logvar).sum(1).mean()

    return loss


def test_the_scale_that_a_weight_implies_is_given():
    program, x = Right(64, 8, seed=0), images() / 255
    text = str(diagnose(program, with_weight(100), x))
    assert max(map(len, text.splitlines())) <= 87
    text = text.replace("\n    ", " ")
    assert text.startswith(
        "nothing wrong found: Gaussian, σ = 7.07 if β = 1\nnot checked: the weight of the KL"
    )
    assert "a choice of σ, see (7.6); the pixels' own standard deviation is 0.279" in text
    assert diagnose(program, with_weight(100), x, beta=50).likelihood == "Gaussian, σ = 1 if β = 50"

    def laplace(params, x, mu, logvar):
        return (params - x).abs().sum() / len(x) + 0.2 * kl_terms(mu, logvar).sum(1).mean()

    assert diagnose(program, laplace, x).likelihood == "Laplace, scale = 0.2 if β = 1"


def test_a_mean_over_pixels_is_a_choice_of_sigma_up_to_what_data_can_have():
    program, x = Right(64, 8, seed=0), images() / 255
    small = diagnose(program, with_weight(0.00025, "mean"), x)
    assert small.codes == [] and small.likelihood == "Gaussian, σ = 0.0894 if β = 1"
    assert diagnose(program, with_weight(0.015, "mean"), x).codes == ["pixel_mean"]  # σ = 0.69
    usual = diagnose(program, with_weight(1, "mean"), x)
    assert usual.codes == ["pixel_mean"] and "((params - x) / sigma).pow(2)" in usual.findings[0].fix


# What decode can put out


@pytest.mark.parametrize(("std", "bias"), [(0.0, 0.0), (1e-4, 0.2)])
def test_small_first_outputs_are_no_sigmoid(std, bias):
    program = Right(64, 8, seed=0)
    with torch.no_grad():
        program.decoder[-1].weight.mul_(std)
        program.decoder[-1].bias.fill_(bias)
    assert check(program).codes == []


@pytest.mark.parametrize("std", [0.0, 1.0])
@pytest.mark.parametrize("layers", [1, 6])
@torch.random.fork_rng()
def test_a_sigmoid_is_seen_whatever_the_weights(std, layers):
    model = Tutorial()
    middle = [part for _ in range(layers) for part in (nn.Linear(40, 40), nn.LayerNorm(40), nn.ReLU())]
    with torch.no_grad():
        model.fc4.weight.mul_(std)
    model.fc3 = nn.Sequential(model.fc3, *middle)
    found = diagnose(model, tutorial_loss, images(20, 784) / 255)
    assert found.codes == [] and found.likelihood == "Bernoulli of probabilities"


def test_decode_may_need_what_encode_has_kept():
    def encode(self, x):
        self.rows = len(x)
        return VAE.encode(self, x)

    program = variant(encode=encode, decode=lambda self, z: VAE.decode(self, z).reshape(self.rows, 64))
    assert check(program).codes == []


# Steps and models as people write them


def test_a_step_may_show_the_reconstruction_of_the_mean_too():
    program, x = Right(64, 8, seed=0), images() / 255

    def after(model, x):
        logits, mu, logvar = model(x)
        with torch.no_grad():
            model.decode(mu)
        return model.loss(logits, x, mu, logvar)

    def before(model, x):
        model.decode(model.encode(x)[0])
        return after(model, x)

    for step in (after, before):
        found = diagnose(program, step, x)
        assert found.codes == [] and found.beta == pytest.approx(1, rel=1e-4)


class WarmUp:
    """A weight of the KL term that grows from call to call."""

    def __init__(self, model):
        self.model, self.count = model, 0

    def __call__(self, logits, x, mu, logvar):
        self.count += 1
        return self.model.nll(logits, x) + min(1, self.count / 1000) * self.model.kl(mu, logvar)


def test_a_loss_that_counts_is_taken_as_it_stands():
    program = Right(64, 8, seed=0)
    warm_up = WarmUp(program)
    assert "β = 0.001:" in str(diagnose(program, warm_up, images() / 255)) and warm_up.count == 0
    warm_up.count = 999
    assert diagnose(program, warm_up, images() / 255).codes == [] and warm_up.count == 999
    assert diagnose(program, warm_up.__call__, images() / 255).codes == [] and warm_up.count == 999


def test_a_model_that_counts_is_taken_as_it_stands():
    def kl(self, mu, logvar):
        self.count += 1
        return self.count / 1000 * Right.kl(self, mu, logvar)

    program = variant(kl=kl)
    program.count = 299
    assert "β = 0.3:" in str(check(program)) and program.count == 299


def test_a_loss_may_use_what_encode_has_kept():
    def encode(self, x):
        self.hidden = self.encoder[0](x)
        return VAE.encode(self, x)

    program = variant(encode=encode)

    def loss(model, x):
        logits, mu, logvar = model(x)
        return model.loss(logits, x, mu, logvar) + 0.1 * model.hidden.pow(2).mean()

    assert diagnose(program, loss, images() / 255).codes == ["loss_constant"]


def test_a_loss_that_cannot_be_copied_is_used_as_it_is():
    program = Right(64, 8, seed=0)
    warm_up = WarmUp(program)
    warm_up.count, warm_up.log = 1000, (line for line in ())
    assert diagnose(program, warm_up, images() / 255).codes == [] and warm_up.count > 1000


def test_a_generator_of_the_model_is_neither_advanced_nor_taken_for_frozen_noise():
    program = variant(
        reparameterize=lambda self, mu, logvar: (
            mu + torch.exp(logvar / 2) * torch.randn(mu.shape, generator=self.generator)
        )
    )
    program.generator = seeded()
    assert check(program).codes == []
    assert torch.equal(torch.rand(3, generator=program.generator), torch.rand(3, generator=seeded()))


def keeps(program, mu, logvar):
    program.z, program.terms = Right.reparameterize(program, mu, logvar), [kl_terms(mu, logvar)]
    return program.z


def as_copies(program, x):
    return [part.clone() for part in VAE.encode(program, x)]


def clamps_in_place(program, x):
    mu, logvar = program.encode(x)
    logvar.clamp_(-10, 10)
    return program.decode(program.reparameterize(mu, logvar)).mul_(1.0), mu, logvar


def by_keyword(program, x):
    mu, logvar = program.encode(x=x)
    return program.decode(z=program.reparameterize(mu, logvar)), mu, logvar


@pytest.mark.parametrize(
    "parts",
    [
        {"reparameterize": keeps},
        {"forward": clamps_in_place, "encode": as_copies},
        {"forward": by_keyword},
    ],
)
def test_models_that_keep_results_change_them_in_place_or_use_keywords(parts):
    program = variant(**parts)
    with torch.random.fork_rng():
        program(images() / 255)
    assert check(program).codes == []


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_weights_that_are_made_of_others(norm):
    program = Right(64, 8, seed=0)
    with torch.random.fork_rng():
        program.decoder[0] = norm(program.decoder[0])
        program(images() / 255)
    assert check(program).codes == []


def test_an_image_that_is_called_so_may_come_first():
    def by_name(x, x_hat, mu, logvar):
        return F.binary_cross_entropy_with_logits(x_hat, x, reduction="sum") + kl_terms(mu, logvar).sum()

    def unnamed(a, b, mu, logvar):
        return by_name(a, b, mu, logvar)

    def with_probabilities(a, b, mu, logvar):
        return F.binary_cross_entropy(b, a, reduction="sum") + kl_terms(mu, logvar).sum()

    x = images() / 255
    assert diagnose(Right(64, 8, seed=0), by_name, x).likelihood == "Bernoulli of logits"
    found = diagnose(Right(64, 8, seed=0), unnamed, x)
    assert found.codes == ["arguments_swapped"] and "binary_cross_entropy_with_logits(x, params)" in str(
        found
    )
    grey = images(20, 784) / 255  # 0 and 1 among them, where the slope is infinite
    found = diagnose(Tutorial(), with_probabilities, grey)
    assert found.codes == ["arguments_swapped"] and "binary_cross_entropy(x, params)" in str(found)
    assert diagnose(Tutorial(), with_probabilities, grey.round()).codes == ["not_finite"]


def test_data_outside_the_unit_interval_get_the_line_for_their_kind():
    program = Right(64, 8, seed=0)
    bytes_, standardized = images(), (images() / 255 - 0.5) / 0.3
    assert diagnose(program, program.loss, bytes_).findings[0].fix == "x = images.float() / 255"
    found = diagnose(program, program.loss, standardized)
    assert found.codes == ["data_outside_unit_interval"] and "/ 255" not in found.findings[0].fix
    assert "without its standardization" in found.findings[0].fix


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


def uncopyable():
    program = Right(64, 8, seed=0)
    program.log = (line for line in ())
    return program


def test_an_error_inside_the_step_is_not_caught():
    def loss(model, x):
        return model(x)[0] + "nats"

    program = Right(64, 8, seed=0)
    with pytest.raises(TypeError, match="str"):
        diagnose(program, loss, images() / 255)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": nn.Linear(64, 8)}, ["encode(x) -> (mu, logvar)"]),
        ({"loss": lambda x: x.sum()}, ["loss(params, x, mu, logvar)", "loss(model, x)"]),
        ({"loss": lambda params, x, mu, logvar: params}, ["scalar", "64"]),
        ({"loss": lambda model, x: (model.encoder(x) ** 2).sum()}, ["does not go through model.encode"]),
        ({"loss": lambda params, x, mu, logvar: {"loss": params}}, ["a dict", 'x, mu, logvar)["loss"]']),
        ({"loss": lambda model, x: (model.encode(x), model(x))}, ["a tuple of 2", "loss(model, x)[0]"]),
        ({"loss": lambda recon, x: F.mse_loss(recon, x)}, ["two arguments", "loss(model, x)", "it failed"]),
        ({"loss": lambda model, x: elbo(model, x, 5).loss}, ["one z per image", "L = 1", "5, 20, 8"]),
        ({"model": variant(forward=lambda self, x: self.encode(x))}, ["(params, mu, logvar)", "tuple of 2"]),
        ({"model": variant(encode=lambda self, x: x)}, ["encode must return (mu, logvar)", "20, 64"]),
        ({"model": variant(decode=lambda self, z: (z, z))}, ["decode one"]),
        ({"model": uncopyable()}, ["copy.deepcopy", "generator"]),
        ({"x": torch.zeros(0, 64)}, ["x must be a batch", "0, 64"]),
        ({"beta": -1.0}, ["beta"]),
    ],
)
def test_what_cannot_be_checked_is_refused(change, words, value_error):
    program = Right(64, 8, seed=0)
    with value_error(*words):
        diagnose(**({"model": program, "loss": program.loss, "x": images() / 255} | change))
