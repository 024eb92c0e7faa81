"""Programs in the manner of public code, in many styles: what is right is not accused, what is wrong is
found.

Each function returns what `diagnose` is called with. `case` says which codes have to be found, and which must
not; without a word about it, none may be found at all.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
import torch.distributions as D_
import torch.nn.functional as F
from torch import nn

from vae_lib import datasets, diagnose
from vae_lib.diagnosis.report import CHECKS

pytestmark = pytest.mark.usefixtures("global_rng_untouched")

D, J, COUNT = 64, 8, 30
CASES: dict[str, tuple] = {}


def case(*must, never="any", open_=None):
    """Registers a program: codes that have to be found ("a|b" is either), and those that must not be."""

    def register(build):
        CASES[build.__name__] = (build, must, () if must and never == "any" else never, open_)
        return build

    return register


def digits(low=0.0, high=1.0):
    return low + (high - low) * datasets.load_digits().x_train[:COUNT]


def pictures(low=0.0, high=1.0):
    return digits(low, high).view(COUNT, 1, 8, 8)


def labels():
    return torch.arange(COUNT) % 10


def mlp(*widths, last=None):
    layers = [part for i, o in itertools.pairwise(widths) for part in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*layers[:-1], *([last] if last else []))


class Net(nn.Module):
    """encode, decode, and the draw between them."""

    end = nn.Sigmoid

    def __init__(self):
        super().__init__()
        self.enc, self.dec = mlp(D, 40, 2 * J), mlp(J, 40, D, last=self.end() if self.end else None)

    def encode(self, x):
        mu, logvar = self.enc(x.flatten(1)).chunk(2, 1)
        return mu, logvar

    def draw(self, mu, logvar):
        return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)

    def decode(self, z):
        return self.dec(z)

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.draw(mu, logvar)), mu, logvar


class Linear(Net):
    end = None


def kl(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def bce(p, x):
    return F.binary_cross_entropy(p, x.flatten(1), reduction="sum")


def mse(r, x):
    return 0.5 * F.mse_loss(r, x.flatten(1), reduction="sum")


def loss(recon, x, mu, logvar):
    return bce(recon, x) + kl(mu, logvar)


def loss_mse(recon, x, mu, logvar):
    return mse(recon, x) + kl(mu, logvar)


class Lit(nn.Module):
    def __init__(s, latent=8):
        super().__init__()
        s.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten()
        )
        s.fc_mu, s.fc_var = nn.Linear(64, latent), nn.Linear(64, latent)
        s.dec_in = nn.Linear(latent, 64)
        s.decoder = nn.Sequential(
            nn.Unflatten(1, (16, 2, 2)),
            nn.ConvTranspose2d(16, 8, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, 2, 1),
        )
        s.logs = {}
        s.global_step = 0

    def log_dict(s, d):
        s.logs.update({k: float(v) for k, v in d.items()})

    def step(s, batch):
        x, _y = batch
        h = s.encoder(x)
        mu, lv = s.fc_mu(h), s.fc_var(h)
        std = torch.exp(lv / 2)
        q = D_.Normal(mu, std)
        p = D_.Normal(torch.zeros_like(mu), torch.ones_like(std))
        z = q.rsample()
        xh = s.decoder(s.dec_in(z))
        return z, xh, p, q, x

    def training_step(s, batch, batch_idx):
        _z, xh, p, q, x = s.step(batch)
        rec = F.binary_cross_entropy_with_logits(xh, x, reduction="none").sum((1, 2, 3))
        kl = D_.kl_divergence(q, p).sum(-1)
        s.log_dict({"kl": kl.mean(), "rec": rec.mean()})
        return (rec + kl).mean()


@case()
def lightning_bound():
    m = Lit()
    return m, m.training_step, (pictures(), labels())


@case()
def lightning_dict_out():
    m = Lit()

    def tr(model, batch):
        return {"loss": model.training_step(batch, 0), "n": 3}

    return m, tr, (pictures(), labels())


@case()
def lightning_names():
    m = Lit()
    return (
        m,
        lambda mod, b: mod.training_step(b, 0),
        (pictures(), labels()),
        dict(mu="fc_mu", logvar="fc_var", decoder="decoder"),
    )


class LitMean(Lit):
    def training_step(s, batch, batch_idx):
        _z, xh, p, q, x = s.step(batch)
        return F.mse_loss(xh, x) + D_.kl_divergence(q, p).mean() * 0.1


@case("pixel_mean|sigma_too_wide|kl_mean_over_latents", never=())
def lightning_mean():
    m = LitMean()
    return m, m.training_step, (pictures(), labels())


class AntixK(nn.Module):
    def __init__(s):
        super().__init__()
        s.encoder = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.LeakyReLU(), nn.Flatten())
        s.fc_mu, s.fc_var = nn.Linear(128, 4), nn.Linear(128, 4)
        s.decoder_input = nn.Linear(4, 128)
        s.final = nn.Sequential(nn.Unflatten(1, (8, 4, 4)), nn.ConvTranspose2d(8, 1, 2, 2), nn.Tanh())

    def encode(s, x):
        r = s.encoder(x)
        return [s.fc_mu(r), s.fc_var(r)]

    def decode(s, z):
        return s.final(s.decoder_input(z))

    def reparameterize(s, mu, lv):
        std = torch.exp(0.5 * lv)
        eps = torch.randn_like(std)
        return eps * std + mu

    def forward(s, x, **kw):
        mu, lv = s.encode(x)
        z = s.reparameterize(mu, lv)
        return [s.decode(z), x, mu, lv]

    def loss_function(s, *args, **kw):
        recons, inp, mu, log_var = args
        w = kw["M_N"]
        rl = F.mse_loss(recons, inp)
        kld = torch.mean(-0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp(), dim=1), dim=0)
        return {"loss": rl + w * kld, "Reconstruction_Loss": rl.detach(), "KLD": -kld.detach()}


@case("logged_kl", never=("kl_sign", "kl_formula", "pixel_mean"))
def antixk():
    m = AntixK()
    return m, lambda mod, x: mod.loss_function(*mod(x), M_N=0.00025), pictures(-1, 1)


@case("pixel_mean", never=("kl_formula",))
def antixk_w1():
    m = AntixK()
    return m, lambda mod, x: mod.loss_function(*mod(x), M_N=1.0)["loss"], pictures(-1, 1)


@dataclass
class Out:
    recon: torch.Tensor
    mu: torch.Tensor
    logvar: torch.Tensor
    loss: torch.Tensor = None


class HF(nn.Module):
    def __init__(s):
        super().__init__()
        s.enc = mlp(64, 40, 16)
        s.dec = mlp(8, 40, 64)

    def forward(s, pixel_values, labels=None):
        h = s.enc(pixel_values)
        mu, lv = h[:, :8], h[:, 8:]
        z = mu + torch.randn_like(mu) * (0.5 * lv).exp()
        r = s.dec(z)
        loss = (
            F.binary_cross_entropy_with_logits(r, pixel_values, reduction="sum")
            - 0.5 * (1 + lv - mu.pow(2) - lv.exp()).sum()
        ) / len(r)
        return Out(r, mu, lv, loss)


@case()
def hf_output():
    return HF(), lambda m, b: m(**b).loss, {"pixel_values": digits(), "labels": labels()}


@case()
def hf_output_object():
    return HF(), lambda m, b: m(b["pixel_values"]), {"pixel_values": digits(), "labels": labels()}


class DGD:
    def __init__(s, p):
        s.mean, s.logvar = torch.chunk(p, 2, 1)
        s.logvar = torch.clamp(s.logvar, -30, 20)
        s.std = torch.exp(0.5 * s.logvar)
        s.var = torch.exp(s.logvar)

    def sample(s):
        return s.mean + s.std * torch.randn(s.mean.shape)

    def kl(s):
        return 0.5 * torch.sum(s.mean.pow(2) + s.var - 1 - s.logvar, dim=[1, 2, 3])


class LDM(nn.Module):
    def __init__(s):
        super().__init__()
        s.e, s.d = nn.Conv2d(1, 8, 2, 2), nn.ConvTranspose2d(4, 1, 2, 2)

    def encode(s, x):
        return DGD(s.e(x))

    def decode(s, z):
        return s.d(z)

    def forward(s, x):
        q = s.encode(x)
        return s.decode(q.sample()), q


@case()
def ldm_right():
    def step(m, x):
        r, q = m(x)
        return (r - x).abs().sum() / len(x) + q.kl().sum() / len(x)

    return LDM(), step, pictures()


@case("sigma_too_narrow", never=("kl_formula",))
def ldm_1e6():
    def step(m, x):
        r, q = m(x)
        return (r - x).abs().sum() / len(x) + 1e-6 * q.kl().sum() / len(x)

    return LDM(), step, pictures()


class IW(nn.Module):
    def __init__(s):
        super().__init__()
        s.encoder, s.decoder = mlp(64, 40, 16), mlp(8, 40, 64)


@case("several_draws", never=("kl_formula", "kl_sign", "beta", "wrong_target", "no_kl"))
def iwae():
    def step(m, x):
        mu, lv = m.encoder(x).chunk(2, -1)
        q = D_.Normal(mu, (lv / 2).exp())
        z = q.rsample((5,))
        lw = (
            D_.Bernoulli(logits=m.decoder(z)).log_prob((x > 0.5).float()).sum(-1)
            + D_.Normal(0, 1).log_prob(z).sum(-1)
            - q.log_prob(z).sum(-1)
        )
        return -(torch.logsumexp(lw, 0) - math.log(5)).mean()

    return IW(), step, digits()


@case("several_draws", never=("kl_formula", "kl_sign", "beta", "wrong_target", "no_kl"))
def iwae_repeat():
    def step(m, x):
        xr = x.repeat_interleave(5, 0)
        mu, lv = m.encoder(xr).chunk(2, -1)
        z = mu + (lv / 2).exp() * torch.randn_like(mu)
        r = m.decoder(z)
        lp = -F.binary_cross_entropy_with_logits(r, xr, reduction="none").sum(-1)
        lpz = -0.5 * (z**2).sum(-1)
        lq = -0.5 * (((z - mu) / (lv / 2).exp()) ** 2 + lv).sum(-1)
        lw = (lp + lpz - lq).view(len(x), 5)
        return -(torch.logsumexp(lw, 1)).mean()

    return IW(), step, digits()


@case()
def l3_mean_repeat():
    def step(m, x):
        mu, lv = m.encoder(x).chunk(2, -1)
        zs = mu.repeat(3, 1) + (lv.repeat(3, 1) / 2).exp() * torch.randn(3 * len(mu), 8)
        r = m.decoder(zs)
        rec = F.binary_cross_entropy_with_logits(r, x.repeat(3, 1), reduction="sum") / 3
        return (rec + kl(mu, lv)) / len(x)

    return IW(), step, digits()


@case("annealing", never=("no_kl", "beta"))
def beta_closure():
    n = 0

    def step(m, x):
        nonlocal n
        n += 1
        p, mu, lv = m(x)
        return bce(p, x) + min(1.0, n / 50) * kl(mu, lv)

    return Net(), step, digits()


@case("beta", never=("no_kl",))
def beta4():
    return Net(), lambda p, x, mu, lv: bce(p, x) + 4 * kl(mu, lv), digits()


@case()
def beta4_wanted():
    return Net(), lambda p, x, mu, lv: bce(p, x) + 4 * kl(mu, lv), digits(), dict(beta=4.0)


class DistEnc(nn.Module):
    def __init__(s):
        super().__init__()
        s.e, s.d = mlp(64, 40, 16), mlp(8, 40, 64)

    def encode(s, x):
        a, b = s.e(x).chunk(2, 1)
        return D_.Independent(D_.Normal(a, F.softplus(b) + 1e-4), 1)

    def decode(s, z):
        return D_.Independent(D_.Bernoulli(logits=s.d(z)), 1)


@case()
def distributions():
    prior = D_.Independent(D_.Normal(torch.zeros(8), torch.ones(8)), 1)

    def step(m, x):
        q = m.encode(x)
        z = q.rsample()
        return -(m.decode(z).log_prob((x > 0.5).float()) - D_.kl_divergence(q, prior)).mean()

    return DistEnc(), step, digits()


@case()
def distributions_mc():
    def step(m, x):
        q = m.encode(x)
        z = q.rsample()
        pr = D_.Independent(D_.Normal(torch.zeros(8), torch.ones(8)), 1)
        return -(m.decode(z).log_prob((x > 0.5).float()) + pr.log_prob(z) - q.log_prob(z)).mean()

    return DistEnc(), step, digits()


@case("kl_formula", never=())
def distributions_prior2():
    def step(m, x):
        q = m.encode(x)
        z = q.rsample()
        pr = D_.Independent(D_.Normal(torch.zeros(8), 2 * torch.ones(8)), 1)
        return -(m.decode(z).log_prob((x > 0.5).float()) + pr.log_prob(z) - q.log_prob(z)).mean()

    return DistEnc(), step, digits()


class LearnedPrior(DistEnc):
    def __init__(s):
        super().__init__()
        s.pm = nn.Parameter(torch.randn(8) * 0.3)
        s.ps = nn.Parameter(torch.zeros(8) + 0.2)


@case("other_objective", never=("kl_formula",))
def learned_prior():
    def step(m, x):
        q = m.encode(x)
        z = q.rsample()
        pr = D_.Independent(D_.Normal(m.pm, m.ps.exp()), 1)
        return -(m.decode(z).log_prob((x > 0.5).float()) - D_.kl_divergence(q, pr)).mean()

    return LearnedPrior(), step, digits()


class Cond(nn.Module):
    def __init__(s):
        super().__init__()
        s.e, s.d = mlp(74, 40, 16), mlp(18, 40, 64)

    def forward(s, x, y):
        h = s.e(torch.cat([x, y], 1))
        mu, lv = h.chunk(2, 1)
        z = mu + torch.exp(0.5 * lv) * torch.randn_like(mu)
        return torch.sigmoid(s.d(torch.cat([z, y], 1))), mu, lv


@case()
def cvae_batch():
    def lossf(recon_x, x, mu, logvar):
        return bce(recon_x, x) + kl(mu, logvar)

    return Cond(), lossf, (digits(), F.one_hot(labels(), 10).float())


@case()
def cvae_batch_step():
    def step(m, b):
        x, y = b
        r, mu, lv = m(x, y)
        return bce(r, x) + kl(mu, lv)

    return Cond(), step, (digits(), F.one_hot(labels(), 10).float())


class Loss(nn.Module):
    def __init__(s):
        super().__init__()
        s.mse = nn.MSELoss(reduction="sum")

    def forward(s, x_recon, x, mu, logvar):
        return s.mse(x_recon, x) + kl(mu, logvar)


@case()
def module_loss():
    return Linear(), Loss(), digits()


@case()
def loop_body():
    m = Net()
    opt = torch.optim.Adam(m.parameters())

    def train_step(batch):
        opt.zero_grad()
        p, mu, lv = m(batch)
        value = bce(p, batch) + kl(mu, lv)
        value.backward()
        opt.step()
        return value

    return m, train_step, digits()


class SigmaVAE(Linear):
    pass


@case()
def sigma_vae():
    def step(m, x):
        r, mu, lv = m(x)
        ls = ((x - r) ** 2).mean().sqrt().log()
        return (
            (0.5 * ((x - r) / ls.exp()) ** 2 + ls + 0.5 * math.log(2 * math.pi)).sum() + kl(mu, lv)
        ) / len(x)

    return SigmaVAE(), step, digits()


@case(
    "no_noise|no_gradient_through_z|sigma_mismatch|noise_not_standard_normal|one_eps_per_image|draw_formula",
    never=(),
)
def uniform_noise():
    class M(Net):
        def draw(s, mu, lv):
            return mu + torch.exp(0.5 * lv) * torch.rand_like(mu)

    return M(), loss, digits()


@case("same_head", never=())
def samehead():
    class M(Net):
        def encode(s, x):
            mu, _ = super().encode(x)
            return mu, mu

    return M(), loss, digits()


@case("capacity", never=("kl_sign", "beta", "kl_formula", "kl_floor"))
def capacity():
    def step_loss(p, x, mu, lv):
        return bce(p, x) / len(x) + 30 * (kl(mu, lv) / len(x) - 5).abs()

    return Net(), step_loss, digits()


@case("kl_floor", never=("kl_formula", "beta"))
def freebits_elem():
    def step_loss(p, x, mu, lv):
        return (bce(p, x) + torch.clamp(-0.5 * (1 + lv - mu**2 - lv.exp()), min=0.3).sum()) / len(x)

    return Net(), step_loss, digits()


@case("other_objective", never=("kl_formula",))
def mmd():
    def step(m, x):
        mu, lv = m.encode(x)
        z = m.draw(mu, lv)
        p = m.decode(z)
        t = torch.randn_like(z)

        def k(a, b):
            return torch.exp(-(torch.cdist(a, b) ** 2) / 8).mean()

        return bce(p, x) / len(x) + 10 * (k(z, z) + k(t, t) - 2 * k(z, t))

    return Net(), step, digits()


@case("other_objective", never=("kl_formula",))
def dip():
    def step_loss(p, x, mu, lv):
        c = torch.cov(mu.T)
        return bce(p, x) + kl(mu, lv) + 10 * ((c - torch.diag(torch.diag(c))) ** 2).sum()

    return Net(), step_loss, digits()


@case("unstable", never=("wrong_target",))
def handmade_log():
    def step_loss(p, x, mu, lv):
        return -(x * torch.log(p) + (1 - x) * torch.log(1 - p)).sum() + kl(mu, lv)

    return Net(), step_loss, digits()


@case()
def handmade_log_eps():
    def step_loss(p, x, mu, lv):
        return -(x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8)).sum() + kl(mu, lv)

    return Net(), step_loss, digits()


@case("batch_size_fixed", never=())
def fixed_view():
    class M(Net):
        def draw(s, mu, lv):
            return mu + torch.exp(0.5 * lv) * torch.randn(30, 8)

    return M(), loss, digits()


@case()
def half_model():
    return (
        Linear().bfloat16(),
        (
            lambda r, x, mu, lv: (
                F.binary_cross_entropy_with_logits(r.float(), x.float(), reduction="sum")
                + kl(mu.float(), lv.float())
            )
        ),
        digits().bfloat16(),
    )


@case()
def binarize_inside():
    def step(m, x):
        xb = (x > 0.5).float()
        p, mu, lv = m(xb)
        return bce(p, xb) + kl(mu, lv)

    return Net(), step, digits()


@case()
def dynamic_binarize():
    def step(m, x):
        xb = torch.bernoulli(x)
        p, mu, lv = m(xb)
        return bce(p, xb) + kl(mu, lv)

    return Net(), step, digits()


@case()
def normalize_inside():
    def step(m, x):
        xn = (x - 0.5) / 0.5
        p, mu, lv = m(xn)
        return mse(p, xn) + kl(mu, lv)

    return Linear(), step, digits()


@case("other_objective", never=("draw_formula", "kl_formula"))
def planar_flow():
    class M(Net):
        def __init__(s):
            super().__init__()
            s.w = nn.Parameter(torch.randn(8) * 0.5)
            s.u = nn.Parameter(torch.randn(8) * 0.5)

    def step(m, x):
        mu, lv = m.encode(x)
        z0 = m.draw(mu, lv)
        a = z0 @ m.w
        z = z0 + m.u * torch.tanh(a)[:, None]
        ld = torch.log((1 + (1 - torch.tanh(a) ** 2) * (m.u @ m.w)).abs() + 1e-6)
        lq = (-0.5 * lv - 0.5 * ((z0 - mu) ** 2) / lv.exp()).sum(1) - ld
        return (bce(m.decode(z), x) + (lq + 0.5 * (z**2).sum(1)).sum()) / len(x)

    return M(), step, digits()


@case("optimizer_lacks", never=())
def opt_lacks():
    m = Net()
    return m, loss, digits(), dict(optimizer=torch.optim.Adam(m.dec.parameters()))


@case()
def data_parallel():
    return nn.DataParallel(Net()), loss, digits()


@case()
def nn_gaussian_nll():
    class M(Net):
        out = None

        def __init__(s):
            super().__init__()
            s.dec = mlp(8, 40, 128)

        def decode(s, z):
            return s.dec(z).chunk(2, 1)

    def step(m, x):
        mu, lv = m.encode(x)
        r, v = m.decode(m.draw(mu, lv))
        return (F.gaussian_nll_loss(r, x, v.exp(), reduction="sum") + kl(mu, lv)) / len(x)

    return M(), step, digits()


@case()
def two_heads_auto():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.h = mlp(64, 40)
            s.a, s.b = nn.Linear(40, 8), nn.Linear(40, 8)
            s.g = mlp(8, 40)
            s.m, s.v = nn.Linear(40, 64), nn.Linear(40, 64)

        def forward(s, x):
            h = s.h(x).relu()
            mu, lv = s.a(h), s.b(h)
            z = mu + (0.5 * lv).exp() * torch.randn_like(mu)
            g = s.g(z).relu()
            m, v = s.m(g), s.v(g)
            return (0.5 * (v + (x - m) ** 2 / v.exp())).sum() / len(x) + kl(mu, lv) / len(x)

    return M(), lambda m, x: m(x), digits()


@case("kl_formula", never=())
def kl_sign_in_logvar():
    return Net(), lambda p, x, mu, lv: bce(p, x) - 0.5 * (1 - lv - mu**2 - lv.exp()).sum(), digits()


@case("output_range", never=())
def tanh_relu_range():
    class M(Net):
        out = nn.ReLU

    return M(), loss_mse, digits(-1, 1)


@case("sigma_too_wide", never=())
def hundred_kl():
    return Linear(), lambda r, x, mu, lv: mse(r, x) + 100 * kl(mu, lv), digits()


@pytest.mark.parametrize("name", CASES)
@torch.random.fork_rng()
def test_a_program_in_the_manner_of_public_code(name):
    torch.manual_seed(0)
    build, must, never, _ = CASES[name]
    model, step, x, *options = build()
    found = diagnose(model, step, x, **(options[0] if options else {}))
    for codes in must:
        assert set(codes.split("|")) & set(found.codes), f"missed {codes}: {found}"
    assert not (set(found.codes) if never == "any" else set(found.codes) & set(never)), str(found)
    assert {check.name for check in found.checks} == set(CHECKS)
