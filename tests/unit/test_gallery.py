"""Each program of the gallery differs from the right one in one line, with the effect of chapter 9."""

from __future__ import annotations

import math

import pytest
import torch

from vae_lib import datasets
from vae_lib.diagnosis.gallery import PROGRAMS, Right, fingerprint, lines, train
from vae_lib.training import evaluate, fit

D, J, B = 64, 8, 40
BUGS = [code for code in PROGRAMS if code != "right"]


@pytest.fixture(scope="module")
def images():
    return 255 * datasets.load_digits().x_train[:B]


def one_step(code, images):
    """The two terms of a program before training and their gradients, with the same ε for all programs."""
    program = PROGRAMS[code](D, J, seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        x = program.load(images)
        logits, mu, logvar = program(x)
    nll, kl = program.nll(logits, x), program.kl(mu, logvar)
    grads = torch.autograd.grad(nll + kl, list(program.parameters()), allow_unused=True)
    slopes = {name: g for (name, _), g in zip(program.named_parameters(), grads, strict=True)}
    return nll.item(), kl.item(), slopes


def test_each_bug_replaces_one_line_and_has_a_code_of_its_own():
    kinds = [kind for kind in Right.__subclasses__() if kind.__module__ == Right.__module__]
    assert next(iter(PROGRAMS)) == "right" and len(BUGS) == len(kinds), "two programs have one code"
    for code in BUGS:
        own = [name for name in vars(PROGRAMS[code]) if name in ("load", "reparameterize", "nll", "kl")]
        assert len(own) == 1, f"{code} replaces {own}, and should replace one of the four"
        wrong, right = lines(PROGRAMS[code])
        assert wrong != right and "return" not in wrong + right and PROGRAMS[code].title


def test_the_right_program_is_the_loop_of_the_library(images):
    ours, theirs = Right(D, J, seed=3), Right(D, J, seed=3)
    curves = train(ours, images, epochs=2, batch_size=16, seed=5)
    history = fit(theirs, images / 255, epochs=2, batch_size=16, seed=5, progress=False)
    assert [nll + kl for nll, kl in curves] == pytest.approx(history.loss, rel=1e-4)
    assert [kl for _, kl in curves] == pytest.approx(history.kl, rel=1e-3)
    seen = fingerprint(ours, images, 7, generator=torch.Generator().manual_seed(0))
    wanted = evaluate(theirs, images / 255, 7, generator=torch.Generator().manual_seed(0))
    assert seen.elbo == pytest.approx(wanted.elbo, rel=1e-4)
    mu, logvar = ours.encode(images / 255)
    by_hand = 0.5 * (mu**2 + logvar.exp() - logvar - 1).mean(0)
    torch.testing.assert_close(seen.kl.float(), by_hand.detach(), rtol=1e-3, atol=1e-5)
    assert seen.kl.sum().item() == pytest.approx(wanted.kl, rel=1e-4)
    assert seen.active_units == int((by_hand > 0.01).sum())


@pytest.mark.parametrize(
    ("code", "of_nll", "of_kl"),
    [
        ("pixel_mean", 1 / D, 1),
        ("kl_mean_over_latents", 1, 1 / J),
        ("kl_without_half", 1, 2),
        ("kl_sign", 1, -1),
        ("no_kl", 1, 0),
    ],
)
def test_bugs_in_a_term_multiply_it_by_their_factor(code, of_nll, of_kl, images):
    nll, kl, _ = one_step("right", images)
    assert one_step(code, images)[:2] == pytest.approx((of_nll * nll, of_kl * kl), rel=1e-5)
    assert 0.9 < nll / (D * math.log(2)) < 1.1, "an untrained model is near D ln 2"


@pytest.mark.parametrize("code", ["sigma_is_exp_logvar", "one_eps_per_batch", "no_noise"])
def test_bugs_in_the_draw_leave_the_kl_alone(code, images):
    nll, kl, _ = one_step("right", images)
    other = one_step(code, images)
    assert other[1] == kl and other[0] != nll and other[0] == pytest.approx(nll, rel=0.02)


def test_without_a_gradient_through_z_only_the_kl_trains_the_encoder(images):
    _, _, slopes = one_step("no_gradient_through_z", images)
    program = Right(D, J, seed=0)
    kl = program.kl(*program.encode(images / 255))
    wanted = torch.autograd.grad(kl, list(program.encoder.parameters()))
    for (name, _), g in zip(program.encoder.named_parameters(), wanted, strict=True):
        torch.testing.assert_close(slopes[f"encoder.{name}"], g)
    assert slopes["decoder.0.weight"].norm() > 0


def test_a_second_sigmoid_keeps_every_pixel_above_one_half(images):
    program, x = PROGRAMS["sigmoid_twice"](D, J), images / 255
    least = min(program.nll(torch.full_like(x, far), x).item() for far in (-50.0, 50.0))
    best = torch.where(x > 0.5, 50.0, -50.0)
    assert program.nll(best, x) > Right.nll(program, torch.logit(x.clamp(1e-6, 1 - 1e-6)), x) + 10
    assert least > 0.3 * D


def test_with_bytes_the_loss_has_no_lower_bound(images):
    program = PROGRAMS["data_outside_unit_interval"](D, J)
    x = program.load(images)
    assert x.max() > 200
    assert program.nll(torch.full_like(x, 1e4), x) < program.nll(torch.full_like(x, 1e2), x) < 0
    assert torch.equal(Right.load(program, images), images / 255)


@pytest.mark.usefixtures("global_rng_untouched")
def test_training_is_repeatable_and_leaves_the_global_generator_alone(images):
    runs = [train(Right(D, 2, seed=0), images, epochs=1, seed=seed) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
