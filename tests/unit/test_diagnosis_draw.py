"""How diagnose checks the draw of z, with a program on each side of every limit."""

from __future__ import annotations

from queue import SimpleQueue

import pytest
import torch
import torch.nn.functional as F
from programs import BUGS, examine, images, kl_terms, seeded, variant

from vae_lib import diagnose
from vae_lib.diagnosis import draw
from vae_lib.diagnosis.gallery import Right

pytestmark = pytest.mark.usefixtures("global_rng_untouched")


def drawn_with(eps):
    """z = μ + σ ε with these ε."""
    return {"reparameterize": lambda self, mu, logvar: mu + torch.exp(logvar / 2) * eps(mu)}


WRONG_DRAWS = [
    ("no_noise", "z = mu", {"reparameterize": lambda s, m, t: m}),
    ("noise_not_standard_normal", "mean 0.50 and variance 0.08", drawn_with(torch.rand_like)),
    ("one_eps_per_batch", "the same ε in all rows", drawn_with(lambda mu: torch.randn(1, 8))),
    ("one_eps_per_image", "the same ε in all columns", drawn_with(lambda mu: torch.randn(len(mu), 1))),
    ("frozen_noise", "the same ε in two steps",
     drawn_with(lambda mu: torch.randn(mu.shape, generator=seeded()))),
    ("no_gradient_through_z", "no gradient from z to mu and logvar",
     {"reparameterize": lambda *given: Right.reparameterize(*given).detach()}),
    ("no_gradient_through_z", "no gradient from z to mu",
     {"reparameterize": lambda s, m, t: Right.reparameterize(s, m.detach(), t)}),
    ("no_gradient_through_z", "no gradient from z to logvar",
     {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, t.detach())}),
    ("draw_formula", "dz/dμ from ",
     {"reparameterize": lambda s, m, t: torch.randn_like(m) + m * torch.exp(t / 2)}),
    ("draw_formula", "dz/dμ from ",
     {"reparameterize": lambda s, m, t: (torch.randn_like(m) + m) * torch.exp(t / 2)}),
    ("draw_formula", "dz/dμ = 2", {"reparameterize": lambda s, m, t: m + Right.reparameterize(s, m, t)}),
    ("sigma_mismatch", "the draw takes it for nothing that is known here, the KL term for ln σ²",
     {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, -t)}),
    ("sigma_mismatch", "the draw takes it for nothing that is known here, the KL term for ln σ²",
     {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, 4 * t)}),
    ("sigma_mismatch", "the draw takes it for σ before a softplus, the KL term for ln σ²",
     {"reparameterize": lambda s, m, t: m + F.softplus(t) * torch.randn_like(m)}),
    ("sigma_is_exp_logvar", "the draw takes it for ln σ, the KL term for ln σ²",
     {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, 2 * t)}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "found", "parts"), WRONG_DRAWS)
def test_a_wrong_draw_is_found(code, found, parts):
    (finding,) = examine(variant(**parts)).findings
    assert finding.code == code and finding.found.startswith(found)


def with_slope_in_mu(slope):
    """The right z with another derivative."""

    def reparameterize(self, mu, logvar):
        return Right.reparameterize(self, mu, logvar) + (slope - 1) * (mu - mu.detach())

    return {"reparameterize": reparameterize}


def signs(mu):
    return torch.sign(torch.randn_like(mu))


def nearly_the_same(spread, shape):
    """ε of this shape, spread to all, plus a little noise of its own for each."""

    def eps(mu):
        common = torch.randn(len(mu) if shape == "rows" else 1, 1 if shape == "rows" else mu.shape[1])
        return common + spread * (torch.rand_like(mu) - 0.5)

    return drawn_with(eps)


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        # z − μ: no noise up to 0.00001; beyond, noise that does not depend on logvar
        ("no_noise", {"reparameterize": lambda s, m, t: m + 0.8e-5 * signs(m)}),
        ("no_gradient_through_z", {"reparameterize": lambda s, m, t: m + 1.5e-5 * signs(m)}),
        # dz/dμ: 1 up to 0.001
        (None, with_slope_in_mu(1.0008)),
        ("draw_formula", with_slope_in_mu(1.0015)),
        # d ln σ/ds: that of ln σ² is ½, up to 0.02
        (None, {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, 1.03 * t)}),
        ("sigma_mismatch", {"reparameterize": lambda s, m, t: Right.reparameterize(s, m, 1.05 * t)}),
        # ε: the same up to 0.001
        ("one_eps_per_batch", nearly_the_same(0.8e-3, "batch")),
        ("noise_not_standard_normal", nearly_the_same(1.5e-3, "batch")),
        ("one_eps_per_image", nearly_the_same(0.8e-3, "rows")),
        (None, nearly_the_same(1.5e-3, "rows")),
        # 1024 · 8 numbers: mean 0 up to 5/√8192 = 0.055, variance 1 up to 0.078
        (None, drawn_with(lambda mu: torch.randn_like(mu) + 0.035)),
        ("noise_not_standard_normal", drawn_with(lambda mu: torch.randn_like(mu) + 0.075)),
        (None, drawn_with(lambda mu: torch.randn_like(mu) * 1.05**0.5)),
        ("noise_not_standard_normal", drawn_with(lambda mu: torch.randn_like(mu) * 1.11**0.5)),
        ("noise_not_standard_normal", drawn_with(lambda mu: torch.randn_like(mu) * 0.89**0.5)),
    ],
)  # fmt: skip
def test_a_draw_is_right_up_to_a_limit(code, parts):
    assert next(iter(examine(variant(**parts)).codes), None) == code


# The width where z gives no gradient


def softplus_step(model, x):
    """A draw without gradient, in which the encoder's second output is σ before a softplus."""
    mu, s = model.encode(x)
    sigma = F.softplus(s)
    kl = 0.5 * (mu**2 + sigma**2 - 2 * sigma.log() - 1).sum(1).mean()
    return model.nll(model.decode(torch.normal(mu, sigma)), x) + kl


def test_the_width_of_a_draw_without_gradient_is_measured():
    assert diagnose(Right(64, 8, seed=0), softplus_step, images() / 255).codes == ["no_gradient_through_z"]

    def loss(model, x):
        mu, logvar = model.encode(x)
        return model.nll(model.decode(torch.normal(mu, logvar.exp())), x) + kl_terms(mu, logvar).sum(1).mean()

    found = diagnose(Right(64, 8, seed=0), loss, images() / 255)
    assert found.codes == ["no_gradient_through_z", "sigma_is_exp_logvar"]


def test_a_width_that_can_neither_be_measured_nor_differentiated_is_said_to_be_unchecked():
    program = Right(64, 8, seed=0)

    def loss(model, x):
        mu, logvar = model.encode(x)
        generator = torch.Generator()
        generator.seed()  # from the machine, so that no state brings the same numbers back
        z = torch.normal(mu, torch.exp(logvar / 2), generator=generator)
        return model.nll(model.decode(z), x) + kl_terms(mu, logvar).sum(1).mean()

    found = diagnose(program, loss, images() / 255)
    assert found.codes == ["no_gradient_through_z"] and found.unchecked == (
        "the width of the draw: it has no gradient, and a generator of its own",
    )


def test_a_width_without_a_kl_term_to_compare_with_is_said_to_be_unchecked():
    def reparameterize(self, mu, logvar):
        return Right.reparameterize(self, mu, -logvar)

    found = examine(variant(reparameterize=reparameterize, kl=BUGS["no_kl"].kl))
    assert found.codes == ["no_kl"]
    assert found.unchecked == ("the width of the draw: it is no function of logvar known here",)


# What is drawn


@pytest.mark.parametrize("seed", [0, 3, 1000])
def test_the_values_that_are_chosen_are_not_those_that_the_step_draws(seed):
    """With ε equal to the chosen mu, a program that exchanges the two looks like the right one."""
    queue = SimpleQueue()  # not a list, which would be put back as it was

    class Recording(Right):
        def reparameterize(self, mu, logvar):
            eps = torch.randn_like(mu)
            queue.put((mu, eps))
            return mu + torch.exp(logvar / 2) * eps

    assert examine(Recording(64, 8, seed=0), seed=seed).codes == []
    seen = [queue.get() for _ in range(queue.qsize())]
    assert len(seen) > 3 and not any(torch.isclose(mu, eps).all() for mu, eps in seen)


@pytest.mark.parametrize(("pixels", "count"), [(2**22, 1024), (64 * 100, 100), (64 * 10, 64)])
def test_fewer_z_are_drawn_where_images_are_large(pixels, count, monkeypatch):
    """As many as have so many pixels together, between 64 and 1024."""
    monkeypatch.setattr(draw, "MOST_PIXELS", pixels)
    queue = SimpleQueue()

    class Counting(Right):
        def reparameterize(self, mu, logvar):
            queue.put(len(mu))
            return super().reparameterize(mu, logvar)

    examine(Counting(64, 8, seed=0))
    assert max(queue.get() for _ in range(queue.qsize())) == count


def test_a_generator_of_the_model_is_neither_advanced_nor_taken_for_frozen_noise():
    program = variant(
        reparameterize=lambda self, mu, logvar: (
            mu + torch.exp(logvar / 2) * torch.randn(mu.shape, generator=self.generator)
        )
    )
    program.generator = seeded()
    assert examine(program).codes == []
    assert torch.equal(torch.rand(3, generator=program.generator), torch.rand(3, generator=seeded()))
