"""How diagnose finds the KL term and the reconstruction term, with a program on each side of every limit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from programs import (
    BUGS,
    Tutorial,
    decode,
    encode,
    examine,
    images,
    kl_terms,
    sampled_kl,
    seeded,
    variant,
)

from vae_lib import diagnose
from vae_lib.diagnosis import terms
from vae_lib.diagnosis.gallery import Right
from vae_lib.diagnosis.probe import Probe
from vae_lib.likelihoods import Gaussian

pytestmark = pytest.mark.usefixtures("global_rng_untouched")


def unknown_nll(self, r, x):
    """The gradient of no known likelihood."""
    return (r.sigmoid() - x).abs().pow(1.5).sum(1).mean()


WRONG_TERMS = [
    ("kl_formula", {"kl": lambda self, mu, t: 0.5 * (mu**2 - t - 1).sum(1).mean()}),
    ("kl_formula", {"kl": lambda self, mu, t: 0.5 * (mu.abs() + t.exp() - t - 1).sum(1).mean()}),
    ("kl_floor", {"kl": lambda s, m, t: kl_terms(m, t).mean(0).clamp(min=0.5).sum()}),
    ("reconstruction_sign", {"nll": lambda self, r, x: -Right.nll(self, r, x)}),
    ("no_reconstruction", {"nll": lambda self, r, x: Right.nll(self, r.detach(), x)}),
    ("sigmoid_twice", {"decode": lambda self, z: torch.sigmoid(decode(self, z))}),
    ("never_negative", {"decode": lambda self, z: F.relu(decode(self, z))}),
    ("arguments_swapped", {"nll": lambda self, r, x: Right.nll(self, x, r)}),
    ("wrong_target", {"nll": lambda self, r, x: Right.nll(self, r, x.flip(0))}),
    ("wrong_target", {"nll": lambda self, r, x: Right.nll(self, r, x.view(-1, 8, 8).mT.flatten(1))}),
    ("wrong_target", {"nll": lambda self, r, x: (r - x.mean(0)).pow(2).sum() / len(x)}),
    ("wrong_target", {"nll": lambda self, r, x: (r - r.mean(0) - x).abs().pow(1.5).sum() / len(x)}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "parts"), WRONG_TERMS)
def test_a_wrong_term_is_found(code, parts):
    assert examine(variant(**parts)).codes == [code]


# The KL term


def near_the_prior(weight):
    """A KL term with another weight where all mu are small, as `diagnose` chooses them there."""
    return lambda self, mu, t: Right.kl(self, mu, t) * (weight if mu.abs().mean() < 0.3 else 1.0)


@pytest.mark.parametrize(
    ("kl", "codes"),
    [
        # A factor of σ² changes the gradient by a third of its excess, relative; the limit is 0.001.
        (lambda s, m, t: 0.5 * (m**2 + 1.0015 * t.exp() - t - 1).sum(1).mean(), []),
        (lambda s, m, t: 0.5 * (m**2 + 1.009 * t.exp() - t - 1).sum(1).mean(), ["kl_formula"]),
        (near_the_prior(0.985), []),
        (near_the_prior(0.975), ["kl_floor"]),
        (near_the_prior(1.025), ["kl_floor"]),
    ],
)
def test_a_kl_term_is_right_up_to_a_limit(kl, codes):
    assert [code for code in examine(variant(kl=kl)).codes if code != "loss_constant"] == codes


@pytest.mark.parametrize(
    ("prior_width", "codes"), [(1.0, []), (1.0005, []), (1.01, ["kl_formula"]), (1.2, ["kl_formula"])]
)
def test_a_kl_term_estimated_from_z_is_compared_draw_by_draw(prior_width, codes):
    """The gradient of log q(z|x) − log p(z) is known for each z, so no mean over draws is needed."""

    def loss(model, x):
        mu, logvar = model.encode(x)
        z = model.reparameterize(mu, logvar)
        return model.nll(model.decode(z), x) + sampled_kl(mu, logvar, z, prior_width).mean()

    with Probe(Right(16, 2, hidden=(8,), seed=0), loss, images(8, 16) / 255, seed=0) as probe:
        assert probe.first_run() is None
        faults = terms.kl_term(probe, probe.observe()).faults
    assert [fault.code for fault in faults] == codes
    if codes:
        assert faults[0].found == f"that of log q(z|x) − log p(z) with a prior of width {prior_width:.3g}"


@pytest.mark.parametrize(
    ("kl", "found"),
    [
        (lambda s, m, t: 0 * Right.kl(s, m, t), "the loss does not change with mu and logvar"),
        (lambda s, m, t: -3 * Right.kl(s, m, t), "-3 times these"),
        (lambda s, m, t: (m**2).sum(1).mean(), "at best 2 μ and 0 ½(σ² − 1)"),
        (lambda s, m, t: (t.exp() - t).sum(1).mean(), "at best 0 μ and 2 ½(σ² − 1)"),
        (near_the_prior(0.5), "close to the prior its weight is 0.5 times that elsewhere"),
    ],
)
def test_what_was_seen_of_the_kl_term_is_told(kl, found):
    assert examine(variant(kl=kl)).findings[0].found == found


# The reconstruction term


@pytest.mark.parametrize(
    ("nll", "found"),
    [
        (lambda s, r, x: Right.nll(s, r.detach(), x), "the same loss for other params"),
        (lambda s, r, x: -2 * Right.nll(s, r, x), "-2 times this"),
        (lambda s, r, x: Right.nll(s, r.sigmoid(), x), "the gradient of a loss of sigmoid(sigmoid(params))"),
    ],
)
def test_what_was_seen_of_the_reconstruction_term_is_told(nll, found):
    assert examine(variant(nll=nll)).findings[0].found == found


def test_what_was_seen_of_the_outputs_of_decode_is_told():
    for end, found in (
        (torch.sigmoid, "decode ends in a sigmoid, and the loss takes its output for logits"),
        (F.relu, "no negative number from decode, whatever its weights"),
    ):
        program = variant(decode=lambda self, z, end=end: end(decode(self, z)))
        assert examine(program).findings[0].found == found


@pytest.mark.parametrize(
    ("nll", "likelihood"),
    [
        (lambda s, r, x: (r.sigmoid() - x).pow(2).sum(1).mean(), "Gaussian of a sigmoid, σ = 0.707 if β = 1"),
        (lambda s, r, x: (r - x).pow(2).sum(1).mean(), "Gaussian, σ = 0.707 if β = 1"),
        (lambda s, r, x: (r - x).abs().sum(1).mean(), "Laplace, scale = 1 if β = 1"),
    ],
)
def test_other_likelihoods_are_recognized(nll, likelihood):
    assert examine(variant(nll=nll)).likelihood == likelihood


def test_another_likelihood_than_the_one_wanted_is_named():
    found = examine(Right(64, 8, seed=0), likelihood=Gaussian(0.3))
    assert found.codes == ["other_likelihood"] and found.findings[0].found == "that of Bernoulli of logits"


@pytest.mark.parametrize(
    ("error", "likelihood"), [(1e-3, "Bernoulli of logits"), (6e-3, None)], ids=["inside", "outside"]
)
def test_a_likelihood_is_recognized_up_to_a_limit(error, likelihood):
    def nll(self, r, x):
        return Right.nll(self, r, x) + error * unknown_nll(self, r, x)

    found = examine(variant(nll=nll))
    assert found.likelihood == likelihood and set(found.codes) <= {"loss_constant"}


def test_a_reconstruction_of_an_unknown_kind_is_said_to_be_unchecked():
    found = examine(variant(nll=unknown_nll))
    (unknown,) = found.unchecked
    assert found.codes == [] and unknown.startswith(
        "the reconstruction: its gradient is that of no likelihood known here; name the one that is "
        "meant with likelihood=, a module whose log_prob(x, params) returns log p(x|z)"
    )
    assert found.open == ["reconstruction", "weight"]
    assert str(found).startswith("not all could be checked; in the rest nothing wrong was found\n")


def test_params_that_are_not_one_for_each_pixel_are_said_to_be_unchecked():
    program = variant(decode=lambda self, z: decode(self, z)[:, :1].repeat(1, 96))
    found = diagnose(program, lambda r, x, m, t: program.nll(r[:, :64], x) + program.kl(m, t), images() / 255)
    (unknown,) = found.unchecked
    assert found.codes == [] and unknown.endswith("what the decoder returns, (20, 96)")


def test_an_image_given_for_the_prediction_is_recognized_in_both_cross_entropies():
    def unnamed(a, b, mu, logvar):
        return F.binary_cross_entropy_with_logits(b, a, reduction="sum") + kl_terms(mu, logvar).sum()

    def with_probabilities(a, b, mu, logvar):
        return F.binary_cross_entropy(b, a, reduction="sum") + kl_terms(mu, logvar).sum()

    options = {"order": ("params", "x", "mu", "logvar")}
    (finding,) = diagnose(Right(64, 8, seed=0), unnamed, images() / 255, **options).findings
    assert finding.code == "arguments_swapped"
    assert finding.found == "the gradient of binary_cross_entropy_with_logits(x, params)"
    grey = images(20, 784) / 255  # 0 and 1 among them, where the gradient is infinite
    (finding,) = diagnose(Tutorial(), with_probabilities, grey, **options).findings
    assert finding.code == "arguments_swapped"
    assert finding.found == "the gradient of binary_cross_entropy(x, params)"
    (finding,) = diagnose(Tutorial(), with_probabilities, grey.round(), **options).findings
    assert (finding.code, finding.found) == ("not_finite", "infinite slopes in params")


@pytest.mark.parametrize(
    ("x", "found", "fix"),
    [
        (images(), "values from 0 to 255", "x = images.float() / 255"),
        (3 * images() / 255 - 1, "values from -1 to 2",
         "x without its standardization, or another likelihood: nll = ((params - x) / sigma).pow(2).sum() "
         "/ (2 * len(x))"),
    ],
)  # fmt: skip
def test_data_outside_the_unit_interval_get_the_line_for_their_kind(x, found, fix):
    program = Right(64, 8, seed=0)
    (finding,) = diagnose(program, program.loss, x).findings
    assert (finding.code, finding.found, finding.fix) == ("data_outside_unit_interval", found, fix)


# Another image, or another pixel


@pytest.mark.parametrize(
    ("found", "nll"),
    [
        ("another image in row 0 changes the gradients in row 19", lambda s, r, x: Right.nll(s, r, x.flip(0))),  # noqa: E501
        ("another image in row 0 changes the gradients in rows 1, 2, 3 …",
         lambda s, r, x: (r - x.mean(0)).pow(2).sum()),
        ("another prediction in row 0 changes the gradients in rows 1, 2, 3 …",
         lambda s, r, x: (r - r.mean(0).detach() - x).abs().pow(1.5).sum()),
        ("another image in row 19 changes the gradients in row 18",
         lambda s, r, x: Right.nll(s, r, torch.cat([x[:-2], x[-1:], x[-1:]]))),
        ("pixel 1 of an image is held against the params of pixel 2",
         lambda s, r, x: Right.nll(s, r, x.roll(1, 1))),
    ],
)  # fmt: skip
def test_a_wrong_target_is_shown_by_the_gradients_that_change(found, nll):
    (finding,) = examine(variant(nll=nll)).findings
    assert (finding.code, finding.found) == ("wrong_target", found)


@pytest.mark.parametrize(("coupling", "codes"), [(3e-6, []), (1e-2, ["wrong_target"])])
def test_images_may_be_coupled_up_to_a_limit(coupling, codes):
    """As by a weight that depends on the whole batch; the limit is a hundred-thousandth of a gradient."""
    program = variant(nll=lambda s, r, x: unknown_nll(s, r, x) * (1 + coupling * x.mean())).double()
    assert diagnose(program, program.loss, images().double() / 255).codes == codes


def test_with_one_image_or_equal_pixels_a_wrong_target_cannot_be_seen():
    program = variant(nll=unknown_nll)
    for x in (torch.rand(1, 64, generator=seeded()), torch.full((3, 64), 0.5)):
        found = diagnose(program, program.loss, x)
        assert found.codes == [] and "reconstruction" in found.open


def test_a_frozen_second_output_has_no_other_meaning():
    """A constant logvar has no gradient to compare; the KL term is found by mu alone."""
    fixed = variant(encode=lambda self, x: (encode(self, x)[0], torch.full((len(x), 8), -1.0)))
    assert examine(fixed).codes == []
    assert set(examine(BUGS["no_kl"](64, 8, seed=0)).codes) == {"no_kl"}
