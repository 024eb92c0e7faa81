"""Findings about networks, weight and step: a program that has each, and one beside it that has not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_diagnosis_wild import Linear, Net, bce, digits, kl, loss, loss_mse, mlp, mse
from torch import nn

from vae_lib import diagnose

pytestmark = pytest.mark.usefixtures("global_rng_untouched")

D, J = 64, 8


def net(base=Net, **parts):
    """A network with some of its methods replaced."""
    return lambda: type("Variant", (base,), parts)()


def relu_head(self, x):
    return F.relu(self.enc(x)).chunk(2, 1)


def clamped_head(self, x):
    mu, logvar = self.enc(x).chunk(2, 1)
    return mu, logvar.clamp(-10, 10)


def softplus_on_logvar(self, x):
    mu, logvar = self.enc(x).chunk(2, 1)
    return mu, F.softplus(logvar)


def twice_mu(self, x):
    mu, _ = self.enc(x).chunk(2, 1)
    return mu, mu


class Skip(nn.Module):
    """encode returns its hidden layer too; decode may take it."""

    def __init__(self, used=True):
        super().__init__()
        self.used = used
        self.h, self.head = nn.Linear(D, 40), nn.Linear(40, 2 * J)
        self.dec = mlp(J + 40 * used, 40, D, last=nn.Sigmoid())

    def encode(self, x):
        h = F.relu(self.h(x))
        return *self.head(h).chunk(2, 1), h

    def decode(self, z, h):
        return self.dec(torch.cat([z, h], 1) if self.used else z)

    def forward(self, x):
        mu, logvar, h = self.encode(x)
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        return self.decode(z, h if self.used else None), mu, logvar


def shifted_in_eval(self, mu, logvar):
    std = torch.exp(0.5 * logvar)
    return mu + (std * torch.randn_like(std) if self.training else std)


def mean_in_eval(self, mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu) if self.training else mu


class WarmUp:
    """The weight of the KL term rises with each call, or is set back each time."""

    def __init__(self, rises=True):
        self.weight, self.step, self.rises = 0.0, 0, rises

    def __call__(self, recon, x, mu, logvar):
        self.step += 1
        weight = min(1.0, self.step / 100) if self.rises else 1.0
        return bce(recon, x) + weight * kl(mu, logvar)


class Scaled(Linear):
    def __init__(self):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.zeros(()))


def scaled_step(power, with_log=True):
    def step(model, x):
        r, mu, logvar = model(x)
        error = 0.5 * (x - r) ** 2 / model.log_sigma.exp() ** power
        return (error + (model.log_sigma if with_log else 0.0)).sum() + kl(mu, logvar)

    return step


def by_item(recon, x, mu, logvar):
    return bce(recon, x) + kl(mu, logvar).item()


def divided(number):
    return lambda recon, x, mu, logvar: bce(recon, x) / len(x) + kl(mu, logvar) / (number or len(x))


def over_pixels(factor):
    return lambda r, x, mu, logvar: mse(r, x) / len(x) + factor * kl(mu, logvar) / len(x)


def capacity(of):
    return lambda recon, x, mu, logvar: bce(recon, x) / len(x) + of(kl(mu, logvar) / len(x))


def logging(sign):
    def logged(recon, x, mu, logvar):
        terms = bce(recon, x), kl(mu, logvar)
        return {"loss": sum(terms), "rec": terms[0].detach(), "KLD": sign * terms[1].detach()}

    return logged


def covariance(weight):
    def step_loss(recon, x, mu, logvar):
        spread = torch.cov(mu.T)
        return bce(recon, x) + kl(mu, logvar) + weight * (spread - spread.diag().diag()).square().sum()

    return step_loss


def by_hand(small):
    return lambda p, x, mu, logvar: (
        kl(mu, logvar) - (x * torch.log(p + small) + (1 - x) * torch.log(1 - p + small)).sum()
    )


def draws(combined):
    """Five draws for each image, the bounds of which are combined."""

    def step(model, x):
        mu, logvar = model.encode(x)
        z = mu + torch.exp(logvar / 2) * torch.randn(5, *mu.shape)
        log_p = -F.binary_cross_entropy(model.decode(z), x.expand(5, *x.shape), reduction="none").sum(-1)
        log_q = -0.5 * (((z - mu) / torch.exp(logvar / 2)) ** 2 + logvar).sum(-1)
        return -combined(log_p - 0.5 * z.square().sum(-1) - log_q).mean()

    return step


def noise(count):
    return lambda self, mu, logvar: mu + torch.exp(logvar / 2) * torch.randn(count or len(mu), J)


def optimizer_of(*names):
    def options(model):
        return {
            "optimizer": torch.optim.Adam([p for name in names for p in getattr(model, name).parameters()])
        }

    return options


# Code -> (model, loss, images, options) of a program that has it, and of one that has not.
KINDS = {
    "mu_bounded": ((net(encode=relu_head), loss), (net(encode=clamped_head), loss)),
    "sigma_bounded": ((net(encode=softplus_on_logvar), loss), (net(encode=clamped_head), loss)),
    "same_head": ((net(encode=twice_mu), loss), (Net, loss)),
    "output_range": ((Net, loss_mse, digits(0, 255)), (Net, loss_mse)),
    "bypass": ((Skip, loss), (lambda: Skip(used=False), loss)),
    "optimizer_lacks": (
        (Net, loss, digits(), optimizer_of("enc")),
        (Net, loss, digits(), optimizer_of("enc", "dec")),
    ),
    "unstable": ((Net, by_hand(0.0)), (Net, by_hand(1e-7))),
    "batch_size_fixed": ((net(draw=noise(30)), loss), (net(draw=noise(None)), loss)),
    "kl_detached": ((Net, by_item), (Net, loss)),
    "kl_mean_over_pixels": ((Linear, over_pixels(1 / D)), (Linear, over_pixels(1.0))),
    "capacity": ((Net, capacity(lambda nats: (nats - 5).abs())), (Net, capacity(lambda nats: nats))),
    "other_objective": ((Net, covariance(10.0)), (Net, covariance(0.0))),
    "annealing": ((Net, WarmUp()), (Net, WarmUp(rises=False))),
    "logged_kl": ((Net, logging(-1)), (Net, logging(1))),
    "several_draws": ((Net, draws(lambda w: torch.logsumexp(w, 0))), (Net, draws(lambda w: w.mean(0)))),
    "constant_batch": ((Net, divided(30)), (Net, divided(None))),
    "sigma_too_wide": ((Linear, over_pixels(100.0)), (Linear, over_pixels(0.2))),
    "sigma_too_narrow": ((Linear, over_pixels(1e-6)), (Linear, over_pixels(1e-3))),
    "learned_scale": ((Scaled, scaled_step(1)), (Scaled, scaled_step(2))),
    "eval_draw": ((net(draw=shifted_in_eval), loss), (net(draw=mean_in_eval), loss)),
}


def examined(build, step, x=None, options=None):
    torch.manual_seed(0)
    model = build()
    return diagnose(model, step, digits() if x is None else x, **(options(model) if options else {}))


@pytest.mark.parametrize("code", KINDS)
@torch.random.fork_rng()
def test_a_finding_is_there_where_it_should_be_and_not_beside_it(code):
    wrong, right = KINDS[code]
    assert code in examined(*wrong).codes
    assert examined(*right).codes == []


@torch.random.fork_rng()
def test_a_missing_log_of_the_scale_is_named():
    (finding,) = examined(Scaled, scaled_step(2, with_log=False)).findings
    assert finding.code == "learned_scale" and "ln σ is missing" in finding.found


@torch.random.fork_rng()
def test_two_factors_that_cancel_are_no_two_bugs():
    """Both terms are means of their own, and the net σ is one that data can have."""

    def both(factor):
        return lambda r, x, mu, logvar: factor * F.mse_loss(r, x) + kl(mu, logvar) / mu.numel()

    assert examined(Linear, both(40.0)).codes == []  # σ² = D/(2 · 40 J) = 0.1
    assert "sigma_too_wide" in examined(Linear, both(10.0)).codes  # 0.4


# What stays as it was


@torch.random.fork_rng()
def test_a_step_leaves_no_trace():
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    seen, count = [], 0
    generator = torch.Generator().manual_seed(3)

    def step(x):
        nonlocal count
        count += 1
        seen.append(count)
        optimizer.zero_grad()
        recon, mu, logvar = model(x)
        value = bce(recon, x) + kl(mu, logvar)
        value.backward()
        optimizer.step()
        schedule.step()
        torch.rand(1, generator=generator)
        return value

    step(digits())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    grads = [p.grad.clone() for p in model.parameters()]
    rate, mode, state = optimizer.param_groups[0]["lr"], model.eval().training, generator.get_state()
    found = diagnose(model, step, digits())
    assert [one.severity for one in found.findings] == [] and count == 1 and seen == [1]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(torch.equal(p.grad, grad) for p, grad in zip(model.parameters(), grads, strict=True))
    assert optimizer.param_groups[0]["lr"] == rate and model.training == mode
    assert torch.equal(generator.get_state(), state) and "forward" not in vars(model)


@torch.random.fork_rng()
def test_an_error_in_the_step_says_what_was_tried_and_leaves_the_model():
    model = Net()

    def step(model, x):
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck") as caught:
        diagnose(model, step, digits())
    if hasattr(caught.value, "__notes__"):
        assert caught.value.__notes__ == [
            "diagnose was running the step as it stands, on 30 rows of the batch"
        ]
    assert "encode" not in vars(model) and model.training


# Named places


class Nameless(nn.Module):
    """No noise and no encode: nothing shows what is what, but its names."""

    def __init__(self):
        super().__init__()
        self.trunk, self.left, self.right = mlp(D, 40), nn.Linear(40, J), nn.Linear(40, J)
        self.back = mlp(J, 40, D, last=nn.Sigmoid())

    def forward(self, x):
        h = self.trunk(x)
        mu = self.left(h)
        return self.back(mu), mu, self.right(h)


@torch.random.fork_rng()
def test_places_may_be_named(value_error):
    names = {"mu": "left", "logvar": "right", "decoder": "back"}
    assert diagnose(Nameless(), loss, digits(), **names).codes == ["no_noise"]
    with value_error('name the submodules, as in mu="encoder.fc_mu"'):
        diagnose(Nameless(), loss, digits())
    with value_error("the model has no 'wrong': Nameless has trunk, left, right, back"):
        diagnose(Nameless(), loss, digits(), **(names | {"decoder": "wrong"}))


@torch.random.fork_rng()
def test_names_of_arguments_that_do_not_tell_are_asked_for(value_error):
    def unnamed(a, b, c, d):
        return bce(a, b) + kl(c, d)

    with value_error("the names (a, b, c, d) do not tell what is what: pass order="):
        diagnose(Net(), unnamed, digits())
    assert diagnose(Net(), unnamed, digits(), order=("params", "x", "mu", "logvar")).codes == []
