"""How diagnose takes models and losses as people write them, what it leaves alone, and what it refuses."""

from __future__ import annotations

from queue import SimpleQueue

import pytest
import torch
import torch.nn.functional as F
from programs import BUGS, decode, encode, examine, images, kl_terms, sampled_kl, variant
from torch import nn

from vae_lib import diagnose
from vae_lib.diagnosis import adapt
from vae_lib.diagnosis.gallery import Right
from vae_lib.objective import elbo

pytestmark = pytest.mark.usefixtures("global_rng_untouched")


# Losses


def test_the_first_argument_may_be_the_image_if_its_name_says_so():
    def by_name(x, x_hat, mu, logvar):
        return F.binary_cross_entropy_with_logits(x_hat, x, reduction="sum") + kl_terms(mu, logvar).sum()

    def both(x, target, mu, logvar):
        return by_name(target, x, mu, logvar)

    for loss in (by_name, both):
        assert diagnose(Right(64, 8, seed=0), loss, images() / 255).likelihood == "Bernoulli of logits"


@pytest.mark.parametrize(
    "name", ["x", "X", "target", "targets", "inputs", "images", "data", "batch", "original"]
)
def test_these_names_of_a_first_argument_mean_the_image(name):
    assert adapt.argument_order(eval(f"lambda {name}, out, mu, logvar: 0"), adapt.Batch(images())) == (
        "x",
        "params",
        "mu",
        "logvar",
    )


def test_a_penalty_is_computed_with_the_weights_of_the_model():
    """Though decode was tried with others."""
    program = Right(64, 8, seed=0)

    def loss(model, x):
        logits, mu, logvar = model(x)
        return model.loss(logits, x, mu, logvar) + sum((p**2).sum() for p in model.parameters())

    penalty = sum((p**2).sum() for p in program.parameters()).item()
    found = diagnose(program, loss, images() / 255)
    (remark,) = found.remarks
    assert found.codes == [] and "a term of the weights alone, such as an L2 penalty" in remark
    assert float(remark.split(" nats")[0]) == pytest.approx(penalty, rel=1e-4)


def test_a_step_may_also_decode_the_mean():
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


def test_a_loss_that_counts_its_calls_is_checked_as_it_stands():
    program = Right(64, 8, seed=0)
    warm_up = WarmUp(program)
    assert "β = 0.001:" in str(diagnose(program, warm_up, images() / 255)) and warm_up.count == 0
    warm_up.count = 999
    assert diagnose(program, warm_up, images() / 255).codes == [] and warm_up.count == 999
    assert diagnose(program, warm_up.__call__, images() / 255).codes == [] and warm_up.count == 999


def test_a_loss_that_cannot_be_copied_is_put_back_too():
    program = Right(64, 8, seed=0)
    warm_up = WarmUp(program)
    warm_up.count, warm_up.log = 1000, (line for line in ())
    assert diagnose(program, warm_up, images() / 255).codes == [] and warm_up.count == 1000


def test_a_loss_may_use_what_encode_has_kept():
    def keeping(self, x):
        self.hidden = self.encoder[0](x)
        return encode(self, x)

    program = variant(encode=keeping)

    def loss(model, x):
        logits, mu, logvar = model(x)
        return model.loss(logits, x, mu, logvar) + 0.1 * model.hidden.pow(2).mean()

    found = diagnose(program, loss, images() / 255)
    assert found.codes == [] and "a term of the weights alone" in found.remarks[0]


def fresh_kl(model, x):
    """A step whose KL term is estimated from a z of its own, and not from the one that is decoded."""
    mu, logvar = model.encode(x)
    kl = sampled_kl(mu, logvar, model.reparameterize(mu, logvar)).mean()
    return model.nll(model.decode(model.reparameterize(mu, logvar)), x) + kl


def test_a_loss_that_is_random_in_another_way_than_by_z_is_averaged():
    found = diagnose(Right(16, 4, hidden=(8,), seed=0), fresh_kl, images(width=16) / 255)
    assert found.codes == [] and found.open == ["KL formula"] and found.beta == pytest.approx(1, abs=0.1)
    assert found.unchecked == ("it is random: only its mean was compared, to a fifth",)


def test_a_loss_whose_factor_is_random_is_compared_run_by_run():
    program = Right(64, 8, seed=0)

    def loss(logits, x, mu, logvar):
        return program.loss(logits, x, mu, logvar) * (1 + torch.rand(()))

    assert diagnose(program, loss, images() / 255).codes == []


# Models


def test_a_model_that_counts_its_calls_is_checked_as_it_stands():
    def kl(self, mu, logvar):
        self.count += 1
        return self.count / 1000 * Right.kl(self, mu, logvar)

    program = variant(kl=kl)
    program.count = 299
    assert "β = 0.3:" in str(examine(program)) and program.count == 299


def keeps(program, mu, logvar):
    program.z, program.terms = Right.reparameterize(program, mu, logvar), [kl_terms(mu, logvar)]
    return program.z


def as_copies(program, x):
    return [part.clone() for part in encode(program, x)]


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
def test_models_may_keep_results_change_them_in_place_or_use_keywords(parts):
    program = variant(**parts)
    with torch.random.fork_rng():
        program(images() / 255)
    assert examine(program).codes == []


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_weights_may_be_computed_from_others(norm):
    program = Right(64, 8, seed=0)
    with torch.random.fork_rng():
        program.decoder[0] = norm(program.decoder[0])
        program(images() / 255)
    assert examine(program).codes == []


def test_the_networks_see_at_most_64_images():
    queue = SimpleQueue()  # not a list, which would be put back as it was

    def recording(self, x):
        queue.put(len(x))
        return encode(self, x)

    program = variant(encode=recording)
    assert diagnose(program, program.loss, images(100) / 255).codes == []
    rows = [queue.get() for _ in range(queue.qsize())]
    assert set(rows) == {64} and len(rows) <= 12  # once as they are, and some with other weights


# Outputs that do not fit


DO_NOT_FIT = [
    ("not_finite", "NaN or infinity in mu, logvar, params, the loss",
     {"encode": lambda self, x: tuple(v / 0 for v in encode(self, x))}),
    ("not_finite", "NaN or infinity in the loss", {"nll": lambda self, r, x: Right.nll(self, r, x) / 0}),
    ("shapes", "x (20, 64), mu (20, 8), logvar (20, 8), z (20, 8), params (20, 63)",
     {"decode": lambda self, z: decode(self, z)[:, 1:], "nll": lambda self, r, x: r.mean()}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "found", "parts"), DO_NOT_FIT)
def test_outputs_that_do_not_fit_end_the_diagnosis(code, found, parts):
    (finding,) = examine(variant(**parts)).findings
    assert (finding.code, finding.found) == (code, found)


# What is refused


def test_a_model_that_cannot_be_copied_is_examined_too():
    program = Right(64, 8, seed=0)
    program.log = (line for line in ())
    assert examine(program).codes == []


def test_the_objective_of_the_library_may_have_several_draws():
    found = diagnose(Right(64, 8, seed=0), lambda model, x: elbo(model, x, 5).loss, images() / 255)
    assert found.codes == [] and found.open == [] and found.beta == pytest.approx(1, rel=1e-3)


def test_an_error_inside_the_step_is_not_caught():
    def loss(model, x):
        return model(x)[0] + "nats"

    program = Right(64, 8, seed=0)
    with pytest.raises(TypeError, match="str"):
        diagnose(program, loss, images() / 255)


FOUR = "pass a function that does, such as lambda params, x, mu, logvar: loss(params, x, mu, logvar)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": nn.Linear(64, 8)},
         "model(x) must return (params, mu, logvar), got shape (20, 8); or pass a loss(model, x)"),
        ({"model": Right}, "model must be a torch module, got type"),
        ({"loss": 3}, "loss must be a function loss(params, x, mu, logvar) or loss(model, x), got a int"),
        ({"loss": lambda x: x.sum()}, "this step does not go through model.encode and model.decode"),
        ({"loss": lambda params, x, mu: 0},
         "loss must be a function loss(params, x, mu, logvar) or loss(model, x)"),
        ({"order": ("params", "y")}, "order must be made of model, index, beta"),
        ({"loss": lambda params, x, mu, logvar: params},
         f"loss must return a scalar, got shape (20, 64): {FOUR}.mean()"),
        ({"loss": lambda params, x, mu, logvar: {"loss": params}},
         f'loss must return a scalar, got a dict: {FOUR}["loss"].mean()'),
        ({"loss": lambda params, x, mu, logvar: [params]},
         f"loss must return a scalar, got a list of 1: {FOUR}[0].mean()"),
        ({"loss": lambda params, x, mu, logvar: set()}, f"loss must return a scalar, got a set: {FOUR}.loss"),
        ({"loss": lambda model, x: (model.encode(x), model(x))},
         "got a tuple of 2: pass a function that does, such as lambda model, x: loss(model, x)[0].mean()"),
        ({"loss": lambda model, x: (model.encoder(x) ** 2).sum()},
         "this step does not go through model.encode and model.decode"),
        ({"loss": lambda recon, x: F.mse_loss(recon, x)},
         "a loss of two arguments must be the whole step, loss(model, x): this one has (recon, x)"),
        ({"model": variant(forward=lambda self, x: self.encode(x))},
         "model(x) must return (params, mu, logvar), got a tuple of 2; or pass a loss(model, x)"),
        ({"x": torch.zeros(0, 64)}, "x must be a batch, (B, ...), got torch.Size([0, 64])"),
        ({"x": torch.zeros(64)}, "x must be a batch, (B, ...), got torch.Size([64])"),
        ({"x": [[0.0]]}, "x must be a batch, (B, ...), got <class 'list'>"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_refused(change, message, value_error):
    program = Right(64, 8, seed=0)
    with value_error(message):
        diagnose(**({"model": program, "loss": program.loss, "x": images() / 255} | change))


def test_one_bug_of_the_gallery_is_found_by_the_whole_step_too():
    program = BUGS["kl_without_half"](64, 8, seed=0)

    def step(model, x):
        logits, mu, logvar = model(x)
        return model.loss(logits, x, mu, logvar)

    assert diagnose(program, step, images() / 255).codes == ["kl_without_half"]
