"""Programs for words and counts, with other q(z|x), with several z or none: what is right is not accused,
what is wrong is found, and what is not checked is said.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_diagnosis_wild import Linear, Net, bce, digits, kl, labels, mlp
from torch import distributions as D_
from torch import nn

from vae_lib import diagnose
from vae_lib.diagnosis.findings import FINDINGS
from vae_lib.diagnosis.report import CHECKS

pytestmark = pytest.mark.usefixtures("global_rng_untouched")

B, J, T, V, G = 20, 4, 6, 9, 10  # images, latent dimensions, words in a text, words known, columns of a table


def generator():
    return torch.Generator().manual_seed(1)


def words():
    return torch.randint(1, V, (B, T + 1), generator=generator())


def counts():
    return torch.poisson(8 * torch.rand(B, G, generator=generator()), generator=generator())


def drawn(mu, logvar):
    return mu + torch.exp(logvar / 2) * torch.randn_like(mu)


def examined(model, step, x, **options):
    torch.manual_seed(0)
    return diagnose(model(), step, x, **options)


# Words


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.gru = nn.Embedding(V, 5), nn.GRU(5, 7, batch_first=True)
        self.heads = nn.Linear(7, 2 * J)
        self.hidden, self.decoder_gru = nn.Linear(J, 7), nn.GRU(5, 7, batch_first=True)
        self.out = nn.Linear(7, V)

    def forward(self, text):
        e = self.embedding(text)
        mu, logvar = self.heads(self.gru(e)[1][-1]).chunk(2, 1)
        h, _ = self.decoder_gru(e, self.hidden(drawn(mu, logvar)).unsqueeze(0))
        return self.out(h), mu, logvar


def next_word(reduction, pad=-100):
    def step(model, batch):
        logits, mu, logvar = model(batch["text"])
        nll = F.cross_entropy(
            logits.flatten(0, 1), batch["next"].flatten(), reduction=reduction, ignore_index=pad
        )
        return nll / (len(mu) if reduction == "sum" else 1) + kl(mu, logvar) / len(mu)

    return step


def gathered(model, text):
    """The log-probabilities of the words are picked out, and the last word has no next one."""
    logits, mu, logvar = model(text[:, :-1])
    picked = torch.log_softmax(logits, -1).gather(-1, text[:, 1:].unsqueeze(-1))
    return (kl(mu, logvar) - picked.sum()) / B


def pairs():
    return {"text": words()[:, :-1], "next": words()[:, 1:]}


# Counts


class Counts(nn.Module):
    """Rates are a share of the total count of a row; θ is a parameter of each column."""

    def __init__(self):
        super().__init__()
        self.enc, self.dec = nn.Linear(G, 2 * J), nn.Linear(J, G)
        self.log_theta = nn.Parameter(0.1 * torch.arange(G))

    def forward(self, x):
        mu, logvar = self.enc(torch.log1p(x)).chunk(2, 1)
        return x.sum(1, keepdim=True) * torch.softmax(self.dec(drawn(mu, logvar)), 1), mu, logvar


def by_hand(m, x, theta):
    both = torch.log(theta + m + 1e-8)
    log_p = theta * (torch.log(theta) - both) + x * (torch.log(m + 1e-8) - both)
    return log_p + torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)


def negative_binomial(kl_weight=1.0):
    def step(model, x):
        m, mu, logvar = model(x)
        return (kl_weight * kl(mu, logvar) - by_hand(m, x, model.log_theta.exp()).sum()) / B

    return step


def of_logits(model, x):
    """The decoder's numbers are the logits of a negative binomial of torch."""
    mu, logvar = model.enc(torch.log1p(x)).chunk(2, 1)
    p = D_.NegativeBinomial(model.log_theta.exp(), logits=model.dec(drawn(mu, logvar)))
    return (kl(mu, logvar) - p.log_prob(x).sum()) / B


def zero_inflated(model, x):
    """A probability of zero beside the rates, all in one formula: no likelihood that is known."""
    m, mu, logvar = model(x)
    z_part = (x < 0.5) * F.softplus(-m.log()) - F.softplus(m.log())
    return (kl(mu, logvar) - (by_hand(m, x, model.log_theta.exp()) + z_part).sum()) / B


class Wanted(nn.Module):
    def log_prob(self, x, params):
        return by_hand(params, x, torch.exp(0.1 * torch.arange(G))).sum(1)


def shares(kl_weight):
    """Multinomial, as in recommendation: −Σ x ln softmax(params)."""

    def step(model, x):
        mu, logvar = model.enc(x).chunk(2, 1)
        logits = model.dec(drawn(mu, logvar))
        return (kl_weight * kl(mu, logvar) - (torch.log_softmax(logits, 1) * x).sum()) / B

    return step


def one_hot(model, x):
    """The images are one-hot, and the loss takes the places of their ones."""
    mu, logvar = model.enc(x).chunk(2, 1)
    return (
        F.cross_entropy(model.dec(drawn(mu, logvar)), x.argmax(1), reduction="sum") + kl(mu, logvar)
    ) / len(x)


# Other q(z|x)


class OtherQ(nn.Module):
    """A Gaussian q with correlations, z = μ + L ε, or with one σ for an image."""

    def __init__(self, width):
        super().__init__()
        self.body, self.mu, self.rest, self.dec = (
            mlp(64, 20),
            nn.Linear(20, J),
            nn.Linear(20, width),
            mlp(J, 20, 64),
        )

    def encode(self, x):
        h = torch.relu(self.body(x))
        rest = self.rest(h)
        if rest.shape[1] == 1:
            return self.mu(h), rest
        A = rest.view(-1, J, J)
        return self.mu(h), torch.tril(A, -1) + torch.diag_embed(A.diagonal(dim1=1, dim2=2).exp())

    def decode(self, z):
        return self.dec(z)


def correlated(draw=lambda q: q.rsample(), kl_of=D_.kl_divergence, reduction="sum"):
    def step(model, x):
        mu, L = model.encode(x)
        q, p = D_.MultivariateNormal(mu, scale_tril=L), D_.MultivariateNormal(torch.zeros(J), torch.eye(J))
        nll = F.binary_cross_entropy_with_logits(model.decode(draw(q)), x, reduction=reduction)
        return nll / (len(x) if reduction == "sum" else 1) + kl_of(q, p).mean()

    return step


def too_wide(q):
    return q.mean + 2 * (q.rsample() - q.mean)


def one_sigma(factor):
    def step(model, x):
        mu, logvar = model.encode(x)
        z = mu + factor * torch.exp(logvar / 2) * torch.randn_like(mu)
        nll = F.binary_cross_entropy_with_logits(model.decode(z), x, reduction="sum")
        return (nll + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()) / len(x)

    return step


# Two scales, masks, cycles, a prior of its own


class Heads(nn.Module):
    """Distributions for q and for p, with a floor under the scale of p."""

    def __init__(self):
        super().__init__()
        self.enc, self.body, self.mean = nn.Linear(64, 2 * J), nn.Linear(J, 16), nn.Linear(16, 64)
        self.scale = nn.Linear(16, 64)

    def forward(self, x):
        mu, s = self.enc(x).chunk(2, 1)
        q = D_.Independent(D_.Normal(mu, F.softplus(s) + 1e-5), 1)
        h = torch.tanh(self.body(q.rsample()))
        return q, D_.Independent(D_.Normal(self.mean(h), F.softplus(self.scale(h)) + 1e-3), 1)


def heads(kl_weight):
    def step(model, x):
        q, p = model(x)
        prior = D_.Independent(D_.Normal(torch.zeros(J), torch.ones(J)), 1)
        return (kl_weight * D_.kl_divergence(q, prior) - p.log_prob(x)).mean()

    return step


def masked(factor):
    def step(model, batch):
        x, mask = batch
        r, mu, logvar = model(x * mask)
        return factor * (F.binary_cross_entropy(r, x, reduction="none") * mask).sum() + kl(mu, logvar)

    return step


def with_mask():
    return digits(), (torch.rand(digits().shape, generator=generator()) > 0.2).float()


class Cycle:
    """The weight of the KL term rises again and again, from 0 to 1."""

    def __init__(self, length):
        self.step, self.length = 0, length

    def __call__(self, recon, x, mu, logvar):
        self.step += 1
        weight = min(1.0, (self.step % self.length) / 50) if self.length else min(1.0, self.step / 50)
        return bce(recon, x) + weight * kl(mu, logvar)


class Conditional(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc, self.prior, self.dec = nn.Linear(64, 2 * J), nn.Linear(10, 2 * J), nn.Linear(J, 64)


def own_prior(kl_weight):
    def step(model, batch):
        x, y = batch
        q, p = (
            D_.Normal(mu, torch.exp(logvar / 2))
            for mu, logvar in (model.enc(x).chunk(2, 1), model.prior(F.one_hot(y, 10).float()).chunk(2, 1))
        )
        nll = F.binary_cross_entropy_with_logits(model.dec(q.rsample()), x, reduction="none").sum(1)
        return (nll + kl_weight * D_.kl_divergence(q, p).sum(1)).mean()

    return step


def means_with_a_factor(factor):
    """Both terms are means; the factor is that of the KL term."""
    return lambda r, x, mu, logvar: F.mse_loss(r, x) + factor * kl(mu, logvar) / len(mu)


def images_and_labels():
    return digits(), labels()


# (model, step, batch): a right program, and one that differs in one thing; with the codes of that.
PAIRS = {
    "text": ((Text, next_word("sum"), pairs()), (Text, next_word("mean"), pairs()), ["pixel_mean"]),
    "padding": (
        (Text, next_word("sum", pad=3), pairs()), (Text, next_word("mean", pad=3), pairs()), ["beta"]
    ),
    "counts": (
        (Counts, negative_binomial(), counts()),
        (Counts, negative_binomial(0.1), counts()),
        ["beta"],
    ),
    "shares": ((Counts, shares(1.0), counts()), (Counts, shares(0.2), counts()), ["beta"]),
    "correlated": (
        (lambda: OtherQ(J * J), correlated(), digits()),
        (lambda: OtherQ(J * J), correlated(draw=too_wide), digits()),
        ["sigma_mismatch"],
    ),
    "correlated mean": (
        (lambda: OtherQ(J * J), correlated(), digits()),
        (lambda: OtherQ(J * J), correlated(reduction="mean"), digits()),
        ["pixel_mean"],
    ),
    "correlated sign": (
        (lambda: OtherQ(J * J), correlated(), digits()),
        (lambda: OtherQ(J * J), correlated(kl_of=lambda q, p: -D_.kl_divergence(q, p)), digits()),
        ["kl_sign"],
    ),
    "one sigma": (
        (lambda: OtherQ(1), one_sigma(1), digits()),
        (lambda: OtherQ(1), one_sigma(2), digits()),
        ["sigma_mismatch"],
    ),
    "two heads": ((Heads, heads(1.0), digits()), (Heads, heads(0.1), digits()), ["beta"]),
    "mask": ((Net, masked(1.0), with_mask()), (Net, masked(-1.0), with_mask()), ["reconstruction_sign"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@torch.random.fork_rng()
def test_a_right_program_of_another_kind_is_right_and_a_wrong_one_is_found(name):
    right, wrong, codes = PAIRS[name]
    found = examined(*right)
    assert found.codes == [] and found.open == [] and found.beta == pytest.approx(1, rel=1e-3)
    assert examined(*wrong).codes == codes


LIKELIHOODS = {
    gathered: (Text, words(), f"categorical over {V} values"),
    negative_binomial(): (Counts, counts(), "negative binomial of rates"),
    of_logits: (Counts, counts(), "negative binomial of logits"),
    one_hot: (Counts, F.one_hot(torch.arange(B) % G, G).float(), f"categorical over {G} values"),
    shares(1.0): (Counts, counts(), f"multinomial over {G} values"),
}


@pytest.mark.parametrize(("step", "row"), LIKELIHOODS.items())
@torch.random.fork_rng()
def test_a_likelihood_for_words_or_counts_is_named(step, row):
    model, x, name = row
    found = examined(model, step, x)
    assert (found.likelihood, found.open, found.codes) == (name, [], [])


@torch.random.fork_rng()
def test_a_likelihood_that_is_not_known_says_what_to_pass():
    found = examined(Counts, zero_inflated, counts())
    assert found.codes == [] and found.open == ["reconstruction", "weight"]
    assert "log_prob(x, params)" in found.unchecked[0] and f"({B}, {G})" in found.unchecked[0]
    wanted = examined(Counts, zero_inflated, counts(), likelihood=Wanted())
    assert wanted.codes == [] and "neither that of Wanted" in wanted.unchecked[0]
    assert (
        examined(Counts, negative_binomial(), counts(), likelihood=Wanted()).likelihood == "Wanted, as wanted"
    )


@torch.random.fork_rng()
def test_a_masked_squared_error_is_still_a_choice_of_sigma():
    def step(model, batch):
        x, mask = batch
        r, mu, logvar = model(x * mask)
        return 0.5 * ((r - x) ** 2 * mask).sum() + kl(mu, logvar)

    found = examined(Linear, step, with_mask())
    assert found.codes == [] and found.open == ["weight"] and "as under a mask" in found.remarks[-1]


@torch.random.fork_rng()
def test_a_weight_that_comes_in_cycles_is_no_wrong_beta():
    cycles, rises = (examined(Net, Cycle(length), digits()) for length in (100, 0))
    assert cycles.codes == rises.codes == ["annealing"]
    assert cycles.open == ["weight"] and rises.open == []
    assert "it seems to go to" not in cycles.findings[0].found


@torch.random.fork_rng()
def test_the_weight_is_compared_with_a_prior_of_its_own_too():
    right, wrong = (examined(Conditional, own_prior(weight), images_and_labels()) for weight in (1.0, 0.1))
    assert right.codes == ["other_objective"] and right.open == []
    assert [one.code for one in wrong.errors] == ["beta"]


@torch.random.fork_rng()
def test_a_mean_over_pixels_beside_a_kl_term_with_a_factor_is_told_by_the_net_sigma():
    plain, factor = (examined(Linear, means_with_a_factor(one), digits()) for one in (1.0, 0.1))
    assert plain.codes == ["pixel_mean"] and factor.codes == ["sigma_too_wide"]


# Several z, or none


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.prior, self.dec = (nn.Linear(*n) for n in ((64, 8), (4, 8), (4, 8), (4, 64)))

    def forward(self, x):
        mu, logvar = self.one(x).chunk(2, 1)
        z = drawn(mu, logvar)
        top, width = self.two(z).chunk(2, 1)
        mean, scale = self.prior(drawn(top, width)).chunk(2, 1)
        lower = 0.5 * (scale - logvar + (logvar.exp() + (mu - mean) ** 2) / scale.exp() - 1).sum()
        nll = F.binary_cross_entropy_with_logits(self.dec(z), x, reduction="sum")
        return (nll + lower + kl(top, width)) / len(x)


def sequence(model, x):
    """One z for each line of an image, one after the other."""
    total, h = 0.0, torch.zeros(len(x), 4)
    for line in x.view(-1, 8, 8).unbind(1):
        mu, logvar = model.two(torch.tanh(h)).chunk(2, 1)
        h = drawn(mu, logvar + line.mean())
        total = total + ((model.dec(h)[:, :8] - line) ** 2).sum() + kl(mu, logvar)
    return total


class Coded(nn.Module):
    """A VQ-VAE: no noise, no σ."""

    def __init__(self):
        super().__init__()
        self.enc, self.codes, self.dec = nn.Linear(64, 8), nn.Embedding(5, 4), nn.Linear(8, 64)

    def encode(self, x):
        return self.enc(x)

    def decode(self, z):
        return self.dec(z)


def quantized(model, x):
    h = model.encode(x)
    code = model.codes(torch.cdist(h.view(-1, 4), model.codes.weight).argmin(1)).view(h.shape)
    pulled = F.mse_loss(code, h.detach()) + 0.25 * F.mse_loss(code.detach(), h)
    return F.mse_loss(model.decode(h + (code - h).detach()), x) + pulled


@torch.random.fork_rng()
def test_several_z_are_named_and_not_accused():
    found = examined(Layers, lambda model, x: model(x), digits())
    assert found.errors == [] and "z is drawn 2 times" in found.findings[0].found
    found = examined(Layers, sequence, digits())
    assert (
        found.findings == () and found.open == list(CHECKS) and found.headline == "nothing could be checked"
    )
    text = str(found)
    assert text.count("z is drawn 8 times") == 1 and text.endswith("your step was run once")


@torch.random.fork_rng()
def test_a_program_without_a_gaussian_q_is_refused(value_error):
    with value_error(
        "There are no random numbers in it: a program without a Gaussian q(z|x), such as a VQ-VAE"
    ):
        examined(Coded, quantized, digits())


# Words


@pytest.mark.parametrize("code", FINDINGS)
def test_a_finding_begins_with_two_plain_sentences(code):
    message = FINDINGS[code][0].format(D=6, J=2, beta=1.0)
    first, second = message.removesuffix(".").split(". ", 1)
    assert len(first) > 10 and len(second) > 10
    assert not any(mark in first + second for mark in (": ", "(4.", "(7."))
