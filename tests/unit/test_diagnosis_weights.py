"""How diagnose compares the weights of the two terms: which sums became means, and how exact it is."""

from __future__ import annotations

import re

import pytest
import torch.nn.functional as F
from programs import BUGS, examine, images, kl_terms, variant

from vae_lib import diagnose
from vae_lib.diagnosis.gallery import Right

pytestmark = pytest.mark.usefixtures("global_rng_untouched")


WRONG_WEIGHTS = [
    ("beta", {"kl": lambda self, mu, t: 0.3 * Right.kl(self, mu, t)}),
    ("kl_half_twice", {"kl": lambda self, mu, t: 0.5 * Right.kl(self, mu, t)}),
    ("batch_sums_differ", {"kl": lambda self, mu, t: kl_terms(mu, t).sum()}),
    ("loss_constant", {"kl": lambda self, mu, t: 0.5 * (mu**2 + t.exp() - t).sum(1).mean()}),
]


@pytest.mark.parametrize(("code", "parts"), WRONG_WEIGHTS)
def test_a_wrong_weight_is_found(code, parts):
    assert examine(variant(**parts)).codes == [code]


def weighted(factor):
    return variant(kl=lambda self, mu, t: factor * Right.kl(self, mu, t))


@pytest.mark.parametrize(
    ("factor", "codes"),
    [
        (1.015, []),  # up to 2 %
        (0.985, []),
        (1.025, ["beta"]),
        (0.975, ["beta"]),
        (2.03, ["kl_without_half"]),
        (2.06, ["beta"]),
        (1 / 8, ["beta"]),  # 1/J, but no mean over the latent dimensions
        (64, ["beta"]),  # D
    ],
)
def test_the_weight_is_right_up_to_a_limit(factor, codes):
    found = examine(weighted(factor))
    assert found.codes == codes and found.beta == pytest.approx(factor, rel=1e-3)
    if codes == ["beta"]:
        text = f"β = {factor:.3g}: 1 before −log p(x|z) and {factor:.3g} before the KL"
        assert found.findings[0].found == text
        assert found.findings[0].message.startswith(
            "The KL term has another weight than the β = 1 that is wanted."
        )


def shifted(share):
    """The right loss and a constant, as a share of the loss."""
    program = Right(64, 8, seed=0)

    def loss(logits, x, mu, logvar):
        right = program.loss(logits, x, mu, logvar)
        return right + share * right.detach()

    return diagnose(program, loss, images() / 255)


@pytest.mark.parametrize(("share", "codes"), [(5e-5, []), (2e-4, ["loss_constant"])])
def test_the_value_of_the_loss_is_right_up_to_a_limit(share, codes):
    assert shifted(share).codes == codes


def test_a_missing_constant_is_told_in_nats_for_each_image():
    program = variant(kl=lambda self, mu, t: 0.5 * (mu**2 + t.exp() - t).sum(1).mean())
    (finding,) = examine(program).findings
    assert (finding.code, finding.found) == ("loss_constant", "+4.000 nats per image; J/2 is 4")


# Sums that became means


def test_three_wrong_factors_at_once_are_told_apart():
    def loss(logits, x, mu, logvar):
        kl = (mu**2 + logvar.exp() - logvar - 1).mean()
        return F.binary_cross_entropy_with_logits(logits, x) + kl

    found = diagnose(Right(64, 8, seed=0), loss, images() / 255)
    assert found.codes == ["pixel_mean", "kl_mean_over_latents", "kl_without_half"]
    assert found.beta == pytest.approx(64 / 8 * 2, rel=1e-3)
    assert {finding.found for finding in found.findings} == {
        "0.0156 before −log p(x|z) and 0.25 before the KL"
    }
    assert "D = 64 pixels. The KL term weighs 64 times too much" in found.findings[0].message
    assert "J = 8 latent dimensions. It weighs 8 times too little" in found.findings[1].message


@pytest.mark.parametrize("count", [7, 8, 64])
def test_a_mean_over_the_batch_is_measured_and_not_guessed_from_the_factor(count):
    """Also where B = D or B = J."""
    program, x = Right(64, 8, seed=0), images(count) / 255

    def mixed(logits, x, mu, logvar):
        return program.nll(logits, x) + kl_terms(mu, logvar).sum()

    assert diagnose(program, mixed, x).codes == ["batch_sums_differ"]
    averaged = BUGS["pixel_mean"](64, 8, seed=0)
    assert diagnose(averaged, averaged.loss, x).codes == ["pixel_mean"]


def test_with_two_latent_dimensions_a_mean_is_told_from_a_half():
    program = BUGS["kl_mean_over_latents"](64, 2, seed=0)
    assert examine(program).codes == ["kl_mean_over_latents"]

    def half(logits, x, mu, logvar):
        return program.nll(logits, x) + Right.kl(program, mu, logvar) / 2

    assert diagnose(program, half, images() / 255).codes == ["kl_half_twice"]


@pytest.mark.parametrize(("factor", "codes"), [(1, ["kl_mean_over_latents"]), (3, ["beta"])])
def test_a_mean_over_latents_is_guessed_where_the_step_takes_no_other_number_of_them(factor, codes):
    def kl(self, mu, logvar):
        return factor * kl_terms(mu.reshape(-1, 8), logvar).mean()

    def decode(self, z):
        return self.decoder(z.reshape(-1, 8))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=1)

    def reparameterize(self, mu, logvar):
        assert mu.shape[1] == 8
        return Right.reparameterize(self, mu, logvar)

    program = variant(kl=kl, decode=decode, encode=encode, reparameterize=reparameterize)
    assert examine(program).codes == codes


def test_the_term_that_is_averaged_over_the_batch_is_named():
    program, x = Right(64, 8, seed=0), images() / 255

    def summed_kl(logits, x, mu, logvar):
        return program.nll(logits, x) + kl_terms(mu, logvar).sum()

    def summed_nll(logits, x, mu, logvar):
        return len(x) * program.nll(logits, x) + program.kl(mu, logvar)

    for loss, found in (
        (summed_kl, "−log p(x|z) averaged over B = 20, the KL summed"),
        (summed_nll, "the KL averaged over B = 20, −log p(x|z) summed"),
    ):
        assert [finding.found for finding in diagnose(program, loss, x).findings] == [found]


# Terms with a scale


def with_weight(weight, reduction="sum"):
    def loss(params, x, mu, logvar):
        nll = F.mse_loss(params, x, reduction=reduction) / (len(x) if reduction == "sum" else 1)
        return nll + weight * kl_terms(mu, logvar).sum(1).mean()

    return loss


def test_the_scale_that_a_weight_implies_is_given():
    program, x = Right(64, 8, seed=0), images() / 255
    text = str(diagnose(program, with_weight(0.1), x))
    assert max(map(len, text.splitlines())) <= 87
    assert text.replace("\n    ", " ") == (
        "not all could be checked; in the rest nothing wrong was found: Gaussian, σ = 0.224 if β = 1\n"
        "right: KL formula, draw, gradient paths, reconstruction, ranges, modes, batch size\n"
        "open: weight, because it is a choice of σ, see (7.6): say with likelihood= which one is meant\n"
        "weight: it is a choice of σ, see (7.6): here σ = 0.224 if β = 1; the pixels' own standard "
        "deviation is "
        "0.279; for a σ of that size the same loss has β = 0.643\n"
        "your step was run 28 times"
    )
    assert diagnose(program, with_weight(10), x, beta=50).likelihood == "Gaussian, σ = 0.316 if β = 50"

    def laplace(params, x, mu, logvar):
        return (params - x).abs().sum() / len(x) + 0.2 * kl_terms(mu, logvar).sum(1).mean()

    assert diagnose(program, laplace, x).likelihood == "Laplace, scale = 0.2 if β = 1"


@pytest.mark.parametrize(
    ("weight", "codes"),
    [
        (0.00025, []),  # σ = 0.0894
        (0.0075, []),  # σ = 0.49; grey values from 0 to 1 have a standard deviation of 0.5 at most
        (0.0082, ["sigma_too_wide"]),  # σ = 0.512; with a weight of its own, the net factor is not D
        (1, ["pixel_mean"]),
    ],
)
def test_a_mean_over_pixels_may_be_a_choice_of_sigma_up_to_what_data_can_have(weight, codes):
    found = diagnose(Right(64, 8, seed=0), with_weight(weight, "mean"), images() / 255)
    assert found.codes == codes
    if codes:
        sigma = (64 * weight / 2) ** 0.5
        (finding,) = found.findings
        assert finding.found.endswith(
            f"before the KL: σ = {sigma:.3g}, where pixels from 0.00 to 1.00 deviate by 0.50 at most, "
            "root mean square"
        )
        assert finding.fix == "nll = ((params - x) / sigma).pow(2).sum() / (2 * len(x))"
    else:
        assert re.fullmatch(r"Gaussian, σ = 0\.\d+ if β = 1", found.likelihood)


def test_a_whole_loss_of_one_pixel_is_no_mean_over_pixels():
    """Squared error and KL are both divided by D, so σ is as wide as without: a choice, though a poor one."""

    def loss(params, x, mu, logvar):
        return with_weight(1)(params, x, mu, logvar) / 64

    found = diagnose(Right(64, 8, seed=0), loss, images() / 255)
    assert found.codes == [] and found.likelihood == "Gaussian, σ = 0.707 if β = 1"
