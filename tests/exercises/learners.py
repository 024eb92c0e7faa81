"""Answers as learners write them, wrong and right ones, to every exercise that asks for code."""

from __future__ import annotations

import importlib
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from vae_lib.checks import CHAPTERS
from vae_lib.checks.answers import Choice, Numbers
from vae_lib.gaussian import kl_between, kl_to_standard_normal

EXERCISES = {
    number: exercise
    for chapter in CHAPTERS
    for number, exercise in importlib.import_module(f"vae_lib.checks.chapter_{chapter}").EXERCISES.items()
}
CODED = [number for number, exercise in EXERCISES.items() if not isinstance(exercise, Choice | Numbers)]


def scores(x_train, x_test, noise, correction=0, reduce=torch.mean):
    cov = torch.cov(x_train.T, correction=correction)
    eye = torch.eye(x_train.shape[1], dtype=x_train.dtype)
    covs = cov + noise * eye, torch.diag(cov.diagonal()) + noise * eye
    return tuple(reduce(MultivariateNormal(x_train.mean(0), c).log_prob(x_test)) for c in covs)


def terms(x, mu, logvar):
    square = (x - 2 * mu) ** 2 + 4 * logvar.exp()
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1)
    gap = 0.5 * (5 * (mu - 0.4 * x) ** 2 + 5 * logvar.exp() - math.log(5) - logvar - 1)
    return -0.5 * square - 0.5 * math.log(2 * math.pi), kl, gap


def spoiled(number, change):
    def answer(x, mu, logvar):
        results = list(terms(x, mu, logvar))
        results[number] = change(results[number], x, mu, logvar)
        return tuple(results)

    return answer


def divergences(of_q, of_posterior):
    """Answers to 3.2 that give something else than ln σ² to the two divergences."""

    def answer(x, mu, logvar):
        q = mu[:, None], of_q(logvar)[:, None]
        posterior = 0.4 * x[:, None], torch.full_like(x, of_posterior)[:, None]
        return terms(x, mu, logvar)[0], kl_to_standard_normal(*q), kl_between(*q, *posterior)

    return answer


def gaussian_density(z, mu, logvar):
    return Normal(mu, (0.5 * logvar).exp()).log_prob(z).sum(-1).exp()


def kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)


def kl_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1)


def moments_kl(mean, variance):
    return 0.5 * (mean**2 + variance - variance.log() - 1).sum()


def code_table(z, mu, logvar):
    """log q(z|x_i) of B points and N codes, (B, N)."""
    return Normal(mu, (0.5 * logvar).exp()).log_prob(z[:, None]).sum(-1)


def bce(x, logits, reduction="none"):
    return F.binary_cross_entropy_with_logits(logits, x, reduction=reduction)


def sigmoid_then_log(x, logits, epsilon=0.0):
    p = torch.sigmoid(logits)
    return -(x * (p + epsilon).log() + (1 - x) * (1 - p + epsilon).log()).sum(-1)


def one_maximum(values, axis, keepdim=False):
    """log_softmax with one maximum for the whole batch."""
    shifted = values - values.max()
    return shifted - shifted.exp().sum(axis, keepdim=keepdim).log()


def logs(mu, cov):
    return 0.5 * ((mu**2).sum(-1) + cov.trace() - torch.logdet(cov) - len(cov))


def draw(mu, L, generator):
    return torch.randn(L, *mu.shape, dtype=mu.dtype, generator=generator)


def sigma(logvar):
    return torch.exp(logvar / 2)


def in_place(mu, logvar):
    mu *= mu
    return 0.5 * (mu + logvar.exp() - logvar - 1).sum(-1)


def of_unknown_pair(mu, logvar):
    q, p = Normal(mu, sigma(logvar)), MultivariateNormal(torch.zeros_like(mu), torch.eye(mu.shape[1]))
    return kl_divergence(q, p)


def of_bernoulli(f, mu, logvar, eps):
    return Bernoulli(logits=mu).rsample()


def only_float32(mu, logvar):
    return kl(mu, logvar) @ torch.eye(len(mu))


def forgotten_return(mu, logvar):
    result = kl(mu, logvar)  # noqa: F841


def monte_carlo(change=lambda eps: eps, spread=sigma, reduce=lambda values: values.mean(0), detach=False):
    def answer(f, mu, logvar, L, generator):
        z = mu + spread(logvar) * change(draw(mu, L, generator))
        return reduce(f(z.detach() if detach else z))

    return answer


def global_noise(f, mu, logvar, L, generator):
    return f(mu + sigma(logvar) * torch.randn(L, *mu.shape, dtype=mu.dtype)).mean(0)


def fixed_sizes(f, mu, logvar, L, generator):
    return f(mu + sigma(logvar) * torch.randn(L, 5, 3, dtype=mu.dtype, generator=generator)).mean(0)


def mirrored_draws(f, mu, logvar, L, generator):
    eps = draw(mu, (L + 1) // 2, generator)
    both = torch.cat([eps, -eps])
    return f(mu + sigma(logvar) * (both[:L] if L > 1 else both)).mean(0)


def halves_logvar(f, mu, logvar, L, generator):
    with torch.no_grad():
        logvar /= 2
    return f(mu + logvar.exp() * draw(mu, L, generator)).mean(0)


def only_float64(mu, t, g):
    return mu + (sigma(t) * noise(mu, g)) @ torch.eye(mu.shape[1], dtype=torch.float64)


def float32_log(s):
    return torch.log(torch.tensor(2 * math.pi * s**2))


def gaussian_nll(x, mean, s, half=0.5, log=lambda s: math.log(2 * math.pi * s**2), count=None):
    count = x.shape[-1] if count is None else count
    return half * ((x - mean) ** 2).sum(-1) / s**2 + count / 2 * log(s)


def mixed(bce_of=lambda a: a, pixels=torch.sum, latents=torch.sum):
    def answer(x, a, mu, t):
        terms = 0.5 * (mu**2 + t.exp() - t - 1)
        return (pixels(bce(x, bce_of(a)), -1) + latents(terms, -1)).mean()

    return answer


def noise(like, generator):
    return torch.randn(like.shape, dtype=like.dtype, generator=generator)


RANDOM = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))


def kl_tester(at, rtol=1e-4):
    def answer(kl_function):
        found, wanted = kl_function(*at), kl(*at)
        return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=rtol)

    return answer


def asserts(kl_function):
    assert torch.allclose(kl_function(*RANDOM), kl(*RANDOM), rtol=1e-4)
    return True


# Exercise -> wrong answers, each with a part of its message.
WRONG = {
    "1.3": [
        (lambda d, p: d.log_softmax(1), "p(y) are left out"),
        (lambda d, p: (d + p).softmax(1), "their logarithms are asked for"),
        (lambda d, p: d + p, "denominator p(x)"),
        (lambda d, p: (d + p).log_softmax(0), "axis 0"),
        (lambda d, p: (d + p) / (d + p).logsumexp(1, keepdim=True), "logarithms are divided"),
        (lambda d, p: d + p - d.logsumexp(1, keepdim=True), "In the denominator"),
        (lambda d, p: (d.exp() * p.exp() / (d.exp() * p.exp()).sum(1, keepdim=True)).log(), "near −10 000"),
        (lambda d, p: (d + p).softmax(1).log(), "NaN or infinity at log densities near −10 000"),
        (lambda d, p: one_maximum(d + p, 1, keepdim=True), "NaN or infinity at log densities near −10 000"),
        (lambda d, p: -(d + p).log_softmax(1), "sign is flipped"),
        (lambda d, p: (d + p).log_softmax(1).numpy(), "returns a numpy array, where a tensor is wanted"),
    ],
    "1.4": [
        (lambda a, b, c: (c @ (b - a), 0.5 * (a @ c @ a - b @ c @ b)), "inverse stands in the density"),
        (
            lambda a, b, c: (
                torch.linalg.solve(c, a - b),
                0.5 * (b @ torch.linalg.solve(c, b) - a @ torch.linalg.solve(c, a)),
            ),
            "not yet. w, c: The sign is flipped.",
        ),
        (lambda a, b, c: (b - a, 0.5 * (a @ a - b @ b)), "w, c: The covariance is left out"),
        (lambda a, b, c: (0.5 * line(a, b, c)[0], line(a, b, c)[1]), "not yet. w: It is too small by"),
        (
            lambda a, b, c: (
                torch.linalg.solve(c, b - a),
                a @ torch.linalg.solve(c, a) - b @ torch.linalg.solve(c, b),
            ),
            "c: It is too large by exactly the factor 2",
        ),
        (lambda a, b, c: torch.linalg.solve(c, b - a), "should return 2 things, w, c"),
        (lambda a, b, c: (torch.linalg.solve(c, b - a).tolist(), 0.0), "returns a list, where a tensor is"),
        (lambda a, b, c: (torch.linalg.solve(c, b - a) ** 2, a @ b), "the two quadratic forms"),
    ],
    "1.6": [
        (lambda a, b, s: scores(a, b, 0.0), "noise variance is left out"),
        (lambda a, b, s: scores(a, b, s, correction=1), "not yet. full, diagonal: The covariance divides"),
        (lambda a, b, s: scores(a, b, s, reduce=torch.sum), "did you sum over the images of the batch"),
        (lambda a, b, s: scores(a, a, s), "scored on the training images"),
        (
            lambda a, b, s: (
                scores(a, b, s)[0],
                Normal(a.mean(0), a.var(0, correction=0) + s).log_prob(b).sum(1).mean(),
            ),
            "diagonal: The variance of a pixel is used as its standard deviation",
        ),
        (
            lambda a, b, s: (
                MultivariateNormal(a.mean(0), torch.cov(a.T, correction=0) + s).log_prob(b).mean(),
                scores(a, b, s)[1],
            ),
            "full: The noise is added to every entry",
        ),
        (lambda a, b, s: scores(a, b, s, reduce=lambda v: v), "not yet averaged over axis 0"),
    ],
    "2.2": [
        (lambda w: w.mean(0), "mean of the logarithms"),
        (lambda w: w.logsumexp(0), "logarithm of the sum"),
        (lambda w: w.amax(0), "largest of the log-likelihoods"),
        (lambda w: w.exp().mean(0).log(), "0 in every floating-point type"),
        (lambda w: w.logsumexp(1) - math.log(w.shape[1]), "axis 1"),
        (lambda w: w.exp().mean(0), "its logarithm is asked for"),
        (lambda w: w.logsumexp(0) - math.log(11), "is a size written as a number"),
        (lambda w: (w - w.max()).exp().mean(0).log() + w.max(), "largest one of each image out"),
        (lambda w: w.logsumexp(0) / len(w), "The logarithm of the sum is divided by L"),
        (lambda w: (w.logsumexp(0) - math.log(len(w))).tolist(), "returns a list of 5, where one tensor"),
    ],
    "2.3": [
        (lambda w: w.sum(0) ** 2 / (w**2).sum(0), "used as if they were the weights"),
        (lambda w: (w.exp() ** 2).sum(0) / w.exp().sum(0) ** 2, "upside down"),
        (lambda w: w.exp().sum(0) ** 2 / (w.exp() ** 2).sum(0), "0 in every floating-point type"),
        (lambda w: (w - w.max()).exp().sum(0) ** 2 / (2 * (w - w.max())).exp().sum(0), "largest one of each"),
        (lambda w: w.exp().sum(0) / (w.exp() ** 2).sum(0), "not squared"),
        (lambda w: 2 * w.logsumexp(0) - (2 * w).logsumexp(0), "the logarithm of (2.4)"),
        (lambda w: 1 / w.softmax(0).amax(0), "the share of the largest weight"),
        (lambda w: w.exp().sum() ** 2 / (w.exp() ** 2).sum(), "shape is wrong"),
    ],
    "2.6": [
        (lambda z, p, s: p, "not corrected"),
        (lambda z, p, s: p - 0.5 * (z**2).sum(-1) + 0.5 * (z**2).sum(-1) / s**2, "depends on s"),
        (
            lambda z, p, s: p - 0.5 * (z**2).sum(-1) + 0.5 * (z**2).sum(-1) / s**2 + math.log(s),
            "counted once",
        ),
        (
            lambda z, p, s: (
                p - 0.5 * (z**2).sum(-1) + 0.5 * (z**2).sum(-1) / s + z.shape[1] / 2 * math.log(s)
            ),
            "standard deviation",
        ),
        (
            lambda z, p, s: p + 0.5 * (z**2).sum(-1) * (1 / s**2 - 1) - z.shape[1] * math.log(s),
            "ln s has the wrong sign",
        ),
        (lambda z, p, s: p - Normal(0.0, s).log_prob(z).sum(-1), "The density of the prior is missing"),
        (
            lambda z, p, s: (p + (Normal(0.0, 1.0).log_prob(z) - Normal(0.0, s).log_prob(z)).sum(-1)).exp(),
            "their logarithms are asked for",
        ),
        (
            lambda z, p, s: p + (Normal(0.0, 1.0).log_prob(z) - Normal(0.0, s).log_prob(z)).mean(-1),
            "averaged over the J dimensions",
        ),
        (
            lambda z, p, s: (
                p + (Normal(0.0, 1.0).log_prob(z) - Normal(0.0, math.exp(s**2 / 2)).log_prob(z)).sum(-1)
            ),
            "s² was given where its logarithm",
        ),
        (
            lambda z, p, s: (
                p + (Normal(0.0, 1.0).log_prob(z) - Normal(0.0, math.exp(s / 2)).log_prob(z)).sum(-1)
            ),
            "s was given where the logarithm of s²",
        ),
        (lambda z, p, s: p + Normal(0.0, 1.0).log_prob(z).sum(-1) ** 2, "go through the expectation"),
    ],
    "3.2": [
        (spoiled(0, lambda r, x, mu, t: r + 2 * t.exp()), "also feels the width of q"),
        (spoiled(0, lambda r, x, mu, t: r + 0.5 * math.log(2 * math.pi)), "reconstruction: It is off by"),
        (spoiled(1, lambda r, x, mu, t: -r), "kl: The sign is flipped"),
        (lambda x, mu, t: terms(x, mu, 1.5 * t), "reconstruction, kl, gap: It is right where logvar is 0"),
        (spoiled(1, lambda r, x, mu, t: 2 * r), "kl: It is too large by exactly the factor 2"),
        (
            spoiled(1, lambda r, x, mu, t: 0.5 * (mu**2 + t**2 - 2 * t.log() - 1)),
            "kl: logvar was taken for σ",
        ),
        (spoiled(2, lambda r, x, mu, t: terms(x, mu, t)[1]), "this is the one from the prior"),
        (divergences(lambda t: t.exp(), -math.log(5)), "kl, gap: The variance of q was given to it"),
        (divergences(sigma, -math.log(5)), "kl, gap: The standard deviation of q was given to it"),
        (divergences(lambda t: t, 0.2), "gap: The variance of the posterior was given to it"),
        (divergences(lambda t: t, 0.2**0.5), "gap: The standard deviation of the posterior"),
        (divergences(lambda t: t, -0.5 * math.log(5)), "gap: ln σ of the posterior"),
        (divergences(lambda t: t.exp(), 0.2), "gap: Both variances were given to it"),
        (divergences(sigma, 0.2**0.5), "gap: Both standard deviations were given to it"),
        (
            spoiled(2, lambda r, x, mu, t: (((mu - 0.4 * x) ** 2 + 0.2) / t.exp() + math.log(5) + t - 1) / 2),
            "gap: This divergence is the other way round",
        ),
        (spoiled(2, lambda r, x, mu, t: r.detach()), "gap: The right value, but no gradient reaches mu"),
    ],
    "3.3": [
        (lambda t: 0.5 * t.sum(-1), "Every constant is missing"),
        (lambda t: 0.5 * (t + math.log(2 * math.pi)).sum(-1), "average of (z − μ)²/σ² is missing"),
        (lambda t: (t + 1 + math.log(2 * math.pi)).sum(-1), "too large by exactly the factor 2"),
        (lambda t: -0.5 * (t + 1 + math.log(2 * math.pi)).sum(-1), "not yet. The sign is flipped."),
        (lambda t: 0.5 * (t + 1 + math.log(2 * math.pi)).mean(-1), "not yet. It is too small by"),
        (lambda t: 0.5 * (t + 1 + math.log(2 * math.pi)), "not yet summed over axis 1"),
    ],
    "4.1": [
        (lambda mu, t: 0.5 * (mu**2 + t.exp() - t - 1).mean(-1), "J = 3: did you average over the latent"),
        (lambda mu, t: (mu**2 + t.exp() - t - 1).sum(-1), "is a ½ missing"),
        (lambda mu, t: -kl(mu, t), "The sign is flipped."),
        (lambda mu, t: 0.5 * (mu**2 + t**2 - (t**2).log() - 1).sum(-1), "taken for σ itself"),
        (lambda mu, t: 0.5 * (mu**2 + t - t.log() - 1).sum(-1), "taken for the variance itself"),
        (lambda mu, t: 0.5 * (mu**2 + (2 * t).exp() - 2 * t - 1).sum(-1), "exp(logvar) was taken for σ"),
        (lambda mu, t: 0.5 * (mu**2 + t.exp() ** 2 - t - 1).sum(-1), "squared once more"),
        (lambda mu, t: 0.5 * (mu**2 + t.exp() - t).sum(-1), "−1 of each dimension"),
        (lambda mu, t: kl(mu, t).mean(), "you return their mean"),
        (lambda mu, t: kl(mu, t)[:, None], "in the wrong shape: it returns shape (5, 1)"),
        (lambda mu, t: 0.5 * (mu**2 + t.exp() - t - 1), "not yet summed over axis 1"),
        (lambda mu, t: kl(mu, t).detach(), "no gradient reaches mu"),
        (lambda mu, t: kl(mu.detach(), t), "no gradient reaches mu"),
        (lambda mu, t: torch.as_tensor(kl(mu, t).tolist()), "no gradient reaches mu"),
        (lambda mu, t: kl(mu, t) * (1 + 2e-5), "Right to a few digits only"),
        (only_float32, "only in float32. With float64 arguments it raised RuntimeError"),
        (lambda mu, t: kl(mu, t).detach().numpy(), "returns a numpy array, where a tensor is wanted"),
        (of_unknown_pair, "It raised NotImplementedError: No KL(p || q) is implemented"),
        (lambda mu, t: kl(mu, t) @ torch.eye(len(mu), dtype=torch.float64), "It works only in float64"),
        (lambda mu, t: kl(mu, t).double(), "It works only in float64"),
        (lambda mu, t: kl(mu, t).squeeze(), "squeeze drop the axis"),
        (lambda mu, t: 0.5 * (mu**2 + t.exp() - t).sum(-1) - 1.5, "is a size written as a number"),
        (lambda mu, t: 0.5 * (mu**3 + t.exp() - t - 1).sum(-1), "It is right where mu is 0"),
        (lambda mu, t: 0.5 * (mu**2 + t.exp() - 3 * t - 1 + mu * 2).sum(-1), "go through (4.5)"),
        (lambda mu, t: 0.5 * (mu**2 + t.exp() - (t + 0.1 - mu).log() - 1).sum(-1), "NaN or infinity among"),
        (lambda mu, t: "0.5", "It returns a str, where a tensor is wanted"),
        (in_place, "changes its argument mu in place"),
        (forgotten_return, "is the return missing"),
        (lambda mu, t: kl(mu, nothing), "NameError: name 'nothing' is not defined In the line"),  # noqa: F821
        (kl(torch.ones(2, 3), torch.ones(2, 3)), "without calling it"),
    ],
    "4.4": [
        (lambda mu, c: logs(mu, c) + len(c) / 2, "−J is missing"),
        (lambda mu, c: logs(mu, c) + 0.5 * (torch.logdet(c) - torch.det(c)), "without its logarithm"),
        (lambda mu, c: logs(mu, c) + 0.5 * (c.sum() - c.trace()), "trace takes the diagonal"),
        (lambda mu, c: 2 * logs(mu, c), "is a ½ missing"),
        (lambda mu, c: logs(mu, c) + torch.logdet(c), "sign of the log determinant"),
    ],
    "4.5": [
        (lambda mu, t: (mu, sigma(t) - 1 / sigma(t)), "derivative in σ; the"),
        (lambda mu, t: (mu, 0.5 * (1 - 1 / t.exp())), "derivative in σ²; the"),
        (lambda mu, t: (mu, 0.5 * t.exp()), "derivative of −ln σ² is missing"),
        (lambda mu, t: (mu, t.exp() - 1), "d/dlogvar: It is too large by exactly the factor 2"),
        (lambda mu, t: (0.5 * (t.exp() - 1), mu), "d/dμ, d/dlogvar: The two gradients have changed places"),
        (lambda mu, t: (-mu, 0.5 * (1 - t.exp())), "d/dμ, d/dlogvar: The sign is flipped."),
        (lambda mu, t: (mu**2 + t, mu * t), "go through (4.5), one derivative at a time."),
    ],
    "4.6": [
        (lambda w, m, s: ((w * m).sum(), (w * s).sum()), "averages the bumps' widths"),
        (lambda w, m, s: ((w * m).sum(), (w * s**2).sum().sqrt()), "averages the bumps' variances"),
        (lambda w, m, s: ((w * m).sum(), (w * (s**2 + m**2)).sum() - (w * m).sum() ** 2), "is the variance"),
        (lambda w, m, s: ((w * m).sum(), (w * (s**2 + m**2)).sum().sqrt()), "not subtracted"),
    ],
    "5.1": [
        (monte_carlo(spread=torch.exp), "exp(logvar) was taken for σ"),
        (monte_carlo(spread=lambda t: t), "taken for σ itself"),
        (monte_carlo(change=lambda e: e[:, :1].expand_as(e)), "same ε is used for several images"),
        (monte_carlo(reduce=lambda v: v.sum(0)), "did you sum over the samples"),
        (monte_carlo(reduce=lambda v: v.mean()), "averages over the images, too"),
        (monte_carlo(change=lambda e: e[:1]), "z is drawn once for each image"),
        (monte_carlo(change=lambda e: e[:1].expand_as(e)), "All L draws are the same"),
        (monte_carlo(detach=True), "no gradient reaches mu and logvar"),
        (global_noise, "The same generator gives different results"),
        (lambda f, mu, t, L, g: f(sigma(t) * draw(mu, L, g)).mean(0), "μ does not enter"),
        (
            lambda f, mu, t, L, g: f(mu + sigma(t) * draw(mu, L, torch.Generator().manual_seed(0))).mean(0),
            "seed of its own",
        ),
        (monte_carlo(reduce=lambda v: v), "not yet averaged over axis 0"),
        (monte_carlo(reduce=lambda v: (v.mean(0), v.std(0))), "returns a tuple, where a tensor"),
        (lambda f, mu, t, L, g: mu.sum(-1), "f is never called"),
        (lambda f, mu, t, L, g: f(draw(mu, L, g).sum(0).sum(0)), "f takes z of shape"),
        (monte_carlo(reduce=lambda v: v.mean(0).squeeze()), "does a squeeze drop an axis"),
        (fixed_sizes, "not for L = 1 and a batch of one image. It raised RuntimeError"),
        (mirrored_draws, "With L = 1, z is drawn 2 times for each image"),
        (halves_logvar, "changes its argument logvar in place"),
    ],
    "5.4": [
        (lambda v: v.std(0), "spread of one value"),
        (lambda v: v.std(0) / len(v), "root of L"),
        (lambda v: v.var(0) / len(v), "variance of the mean"),
        (lambda v: v.std(0, correction=0) / math.sqrt(len(v)), "s² divides by L here"),
        (lambda v: v.std() / math.sqrt(len(v)), "a single number where shape (B,)"),
        (lambda v: v.numpy().std(0, ddof=1) / len(v) ** 0.5, "returns a numpy array, where a tensor"),
    ],
    "5.5": [
        (lambda f, mu, t, e: f(mu + sigma(t) * e).mean(0), "mirror image −ε is missing"),
        (lambda f, mu, t, e: (f(mu + sigma(t) * e) - f(mu - sigma(t) * e)).mean(0) / 2, "subtracted"),
        (lambda f, mu, t, e: (f(mu + sigma(t) * e) + f(mu - sigma(t) * e)).mean(0), "is a ½ missing"),
        (lambda f, mu, t, e: (f(mu + sigma(t) * e) + f(mu - sigma(t) * e)) / 2, "not yet averaged"),
        (lambda f, mu, t, e: (f(mu + t.exp() * e) + f(mu - t.exp() * e)).mean(0) / 2, "was taken for σ"),
        (of_bernoulli, "It raised NotImplementedError In the line: return Bernoulli("),
    ],
    "6.1": [
        (lambda mu, t, e: mu + t * e, "taken for σ itself"),
        (lambda mu, t, e: mu + t.sqrt() * e, "taken for the variance itself"),
        (lambda mu, t, e: mu + t.exp() * e, "exp(logvar) was taken for σ"),
        (lambda mu, t, e: sigma(t) * e, "μ does not enter"),
        (lambda mu, t, e: mu + sigma(t) * e[0], "One ε is used for the whole batch"),
        (lambda mu, t, e: (mu + sigma(t) * e).detach(), "no gradient"),
        (lambda mu, t, e: mu + sigma(t).detach() * e, "no gradient reaches logvar"),
        (lambda mu, t, e: mu - sigma(t) * e, "It is right where eps is 0"),
        (lambda mu, t, e: t + sigma(mu) * e, "changed places"),
        (lambda mu, t, e: torch.normal(mu, sigma(t)), "It draws noise of its own"),
        (lambda mu, t, e: mu + sigma(t) * torch.randn_like(mu), "It draws noise of its own"),
        (lambda mu, t, e: mu + t.exp() * torch.randn_like(mu), "It draws noise of its own"),
        (
            lambda mu, t, e: mu + sigma(t) * draw(mu, 1, torch.Generator().manual_seed(0))[0],
            "another eps gives the same z",
        ),
        (lambda mu, t, e: mu + sigma(t), "ε does not enter"),
    ],
    "6.3": [
        (lambda mu, s: mu**2 / s**2 + 3, "mean of the square"),
        (lambda mu, s: mu**2 / s**2, "variance of ε² is missing"),
        (lambda mu, s: mu / s + 2, "squared in the variance"),
        (lambda mu, s: mu**2 / s**2 + 7, "off by the same amount"),
    ],
    "6.4": [
        (lambda r, u: -u.log() / r, "falls with u"),
        (lambda r, u: (1 - u).log() / r, "It is negative"),
        (lambda r, u: -(1 - u).log() * r, "rate multiplies"),
        (lambda r, u: -(1 - u).log() / r.detach(), "no gradient reaches rate"),
    ],
    "6.5": [
        (lambda v: v.mean().expand(len(v)), "contains the draw"),
        (lambda v: (v.sum() - v) / len(v), "divided by L"),
        (lambda v: v - (v.sum() - v) / (len(v) - 1), "baseline alone"),
        (lambda v: v.mean(), "one mean for all draws"),
        (lambda v: v.sum() - v, "not divided by their number"),
    ],
    "7.1": [
        (lambda x, a: bce(x, a).mean(-1), "D = 7: did you average over the pixels"),
        (lambda x, a: bce(x, a, "mean"), "shape is wrong"),
        (lambda x, a: bce(x, a, "sum"), "you return their sum"),
        (lambda x, a: -bce(x, a).sum(-1), "The sign is flipped."),
        (lambda x, a: bce(x, a.sigmoid()).sum(-1), "sigmoid is applied twice"),
        (sigmoid_then_log, "NaN or infinity at large logits"),
        (lambda x, a: bce(x, a), "not yet summed over axis 1"),
        (lambda x, a: bce(a, x).sum(-1), "x and the logits have changed places"),
        (lambda x, a: -(x * a.sigmoid().log()).sum(-1), "white part"),
        (lambda x, a: bce(x, a.detach()).sum(-1), "no gradient reaches logits"),
        (lambda x, a: sigmoid_then_log(x, a, 1e-8), "An epsilon in the logarithm, here 1e-08"),
        (lambda x, a: sigmoid_then_log(x, a, 1e-7), "An epsilon in the logarithm, here 1e-07"),
        (lambda x, a: sigmoid_then_log(x, a, 1e-6), "An epsilon in the logarithm, here 1e-06"),
        (lambda x, a: sigmoid_then_log(x, a, 1e-12), "wrong at large logits (±10 000)"),
        (lambda x, a: F.binary_cross_entropy(a.sigmoid(), x, reduction="none").sum(-1), "wrong at large"),
    ],
    "7.2": [
        (lambda x, m, s: 0.5 * ((x - m) ** 2).sum(-1) / s**2, "(D/2) log 2πσ² is missing"),
        (lambda x, m, s: gaussian_nll(x, m, s, log=lambda s: math.log(2 * math.pi)), "log σ is missing"),
        (lambda x, m, s: gaussian_nll(x, m, s, log=lambda s: 2 * math.log(s)), "log 2π is missing"),
        (lambda x, m, s: gaussian_nll(x, m, s, half=1), "½ before the squared error"),
        (lambda x, m, s: gaussian_nll(x, m, s, count=1), "counted once"),
        (lambda x, m, s: gaussian_nll(x, m, math.sqrt(s)), "taken for the variance"),
        (lambda x, m, s: gaussian_nll(x, m, s) / x.shape[1], "did you average over the pixels"),
        (lambda x, m, s: gaussian_nll(x, m, s, log=lambda s: math.log(2 * math.pi * s)), "squared in the"),
        (lambda x, m, s: gaussian_nll(x, m, s, half=0.5 * s), "not squared where it divides"),
        (lambda x, m, s: gaussian_nll(x, m, s, count=2 * x.shape[1]), "counted twice"),
        (lambda x, m, s: gaussian_nll(x, m, s, half=1, log=float32_log), "½ before the squared error"),
    ],
    "7.3": [
        (lambda x, m, b: (x - m).abs().sum(-1) / b, "constant D log 2b is missing"),
        (lambda x, m, b: (x - m).abs().sum(-1) / b + math.log(2 * b), "counted once"),
        (lambda x, m, b: ((x - m) ** 2).sum(-1) / b + x.shape[1] * math.log(2 * b), "error is squared"),
        (lambda x, m, b: (x - m).abs().sum(-1) / b - x.shape[1] * math.log(2 * b), "wrong sign"),
    ],
    "7.4": [
        (lambda x, a, s: (a.sigmoid() - x) / s**2, "gradient in m"),
        (lambda x, a, s: (x - a.sigmoid()) * a.sigmoid() * (1 - a.sigmoid()) / s**2, "The sign is flipped."),
        (lambda x, a, s: (a.sigmoid() - x) * a.sigmoid() * (1 - a.sigmoid()) / s, "sigma is not squared"),
        (lambda x, a, s: (a.sigmoid() - x) * a.sigmoid() / s**2, "1 − m is missing"),
        (lambda x, a, s: (a.sigmoid() - x) * a.sigmoid() * (1 - a.sigmoid()), "error in (7.4) is missing"),
        (lambda x, a, s: (a.sigmoid() - x) * a.sigmoid() * (1 - a.sigmoid()) * s**2, "weight is multiplied"),
    ],
    "7.5": [
        (lambda D: 2 * 255**2 / D, "upside down"),
        (lambda D: D / (2 * 255), "squared along with the error"),
        (lambda D: D / 255**2, "bare squared error"),
        (lambda D: 1 / (2 * 255**2), "mse_loss takes a mean"),
        (lambda D: D / (4 * 255**2), "too small by exactly the factor ½"),
    ],
    "8.3": [
        (lambda x, a, mu, t: (bce(x, a).sum(-1) - kl(mu, t)).mean(), "both terms are costs"),
        (lambda x, a, mu, t: (bce(x, a).mean(-1) + kl(mu, t)).mean(), "averaged over the D pixels"),
        (lambda x, a, mu, t: (bce(x, a).sum(-1) + kl(mu, t) / mu.shape[1]).mean(), "J latent dimensions"),
        (lambda x, a, mu, t: (bce(x, a).sum(-1) + 2 * kl(mu, t)).mean(), "½ of the KL term"),
        (lambda x, a, mu, t: bce(x, a).sum(-1).mean(), "KL term is missing"),
        (lambda x, a, mu, t: bce(x, a).sum(-1) + kl(mu, t), "not yet averaged over axis 0"),
        (lambda x, a, mu, t: (bce(x, a).sum(-1) + kl(mu, t)).sum(), "did you sum over the images"),
        (lambda x, a, mu, t: -(bce(x, a).sum(-1) + kl(mu, t)).mean(), "That is the ELBO"),
        (lambda x, a, mu, t: (sigmoid_then_log(x, a) + kl(mu, t)).mean(), "NaN or infinity at large logits"),
        (lambda x, a, mu, t: (bce(x, a).sum(-1) + kl(mu, t)).mean().item(), "no gradient reaches logits"),
        (lambda x, a, mu, t: (bce(x, a.sigmoid()).sum(-1) + kl(mu, t)).mean(), "sigmoid is applied twice"),
        (lambda x, a, mu, t: (bce(x, a).sum(-1) + kl(mu, 2 * t)).mean(), "exp(logvar) was taken for σ"),
        (lambda x, a, mu, t: bce(x, a).sum() + kl(mu, t).mean(), "summed over the images, where the KL is"),
        (lambda x, a, mu, t: (sigmoid_then_log(x, a, 1e-8) + kl(mu, t)).mean(), "An epsilon in the log"),
        (lambda x, a, mu, t: (bce(x, a).sum(-1), kl(mu, t)), "returns a tuple of 2, where one tensor"),
        (lambda x, a, mu, t: (bce(a, x).sum(-1) + kl(mu, t)).mean(), "changed places in the cross-entropy"),
        (lambda x, a, mu, t: (kl(mu, t) - (x * a.sigmoid().log()).sum(-1)).mean(), "only black pixels count"),
        (lambda x, a, mu, t: (((a.sigmoid() - x) ** 2).sum(-1) + kl(mu, t)).mean(), "That is a squared"),
        (lambda x, a, mu, t: (0.5 * ((a.sigmoid() - x) ** 2).sum(-1) + kl(mu, t)).mean(), "half a squared"),
    ],
    "8.4": [
        (lambda z, mu, t: kl(mu, t), "closed form"),
        (lambda z, mu, t: 0.5 * (z**2 - (z - mu) ** 2 / t.exp()).sum(-1), "log σ is missing"),
        (lambda z, mu, t: -0.5 * (z**2 - (z - mu) ** 2 / t.exp() - t).sum(-1), "The sign is flipped."),
        (lambda z, mu, t: -0.5 * ((z - mu) ** 2 / t.exp() + t + math.log(2 * math.pi)).sum(-1), "prior is"),
        (
            lambda z, mu, t: gaussian_density(z, mu, t) - gaussian_density(z, 0 * mu, 0 * t),
            "The densities are subtracted",
        ),
    ],
    "8.5": [
        (lambda e, D: -e / D, "nats per pixel"),
        (lambda e, D: e / (D * math.log(2)), "The sign is flipped."),
        (lambda e, D: -e / math.log(2), "whole image"),
        (lambda e, D: -e * math.log(2) / D, "ln 2 multiplies"),
        (lambda e, D: -e / (2 * D), "A bit is not 2 nats"),
        (lambda e, D: torch.log2(-e) / D, "a logarithm already"),
    ],
    "9.3": [
        (mixed(bce_of=torch.sigmoid, pixels=torch.mean, latents=torch.mean), "three mistakes are left"),
        (mixed(bce_of=torch.sigmoid, latents=torch.mean), "is given. The pixels are summed"),
        (mixed(bce_of=torch.sigmoid, pixels=torch.mean), "is given. The KL is right"),
        (mixed(pixels=torch.mean, latents=torch.mean), "Both terms are averaged"),
        (mixed(bce_of=torch.sigmoid), "sigmoid is applied twice"),
        (mixed(pixels=torch.mean), "averaged over the D pixels"),
        (mixed(latents=torch.mean), "J latent dimensions"),
    ],
    "9.4": [
        (lambda mu, t, g: mu + t.exp() * noise(mu, g), "exp(logvar) was taken for σ"),
        (lambda mu, t, g: mu + sigma(t) * noise(mu[0], g), "same ε is used for several images"),
        (lambda mu, t, g: mu + sigma(t) * noise(mu[:, :1], g), "same ε is used for several images"),
        (lambda mu, t, g: (mu + sigma(t) * noise(mu, g)).detach(), "no gradient reaches mu and logvar"),
        (lambda mu, t, g: torch.normal(mu, sigma(t), generator=g), "no gradient reaches mu"),
        (lambda mu, t, g: mu + sigma(t.detach()) * noise(mu, g), "no gradient reaches logvar"),
        (lambda mu, t, g: mu + sigma(t) * torch.randn_like(mu), "The same generator gives different results"),
        (lambda mu, t, g: mu + sigma(t) * noise(mu, torch.Generator().manual_seed(0)), "new noise"),
        (lambda mu, t, g: mu, "Two calls return the same z"),
        (lambda mu, t, g: sigma(t) * noise(mu, g), "μ does not enter"),
        (lambda mu, t, g: (mu + sigma(t) * noise(mu, g)).sum(), "shape is wrong"),
        (lambda mu, t, g: mu + sigma(t) * torch.randn(5, 3, generator=g), "RuntimeError"),
        (lambda mu, t, g: mu.add_(sigma(t) * noise(mu, g)), "changes an argument in place"),
        (lambda mu, t, g: mu + sigma(t) * torch.randn(mu.shape, generator=g).double(), "only in float64"),
        (lambda mu, t, g: 0.0, "returns a float, where a tensor"),
        (only_float64, "only in float64. With float32 arguments it raised RuntimeError"),
        (only_float64, "In the line: return mu + (sigma(t) * noise(mu, g)) @ torch.eye("),
        ("mu + sigma * eps", "without calling it"),
    ],
    "9.5": [
        (lambda t: 0.5 * (t.exp() - t - 1).sum(-1), "what the program charges, at μ = 0; it is to be"),
        (lambda t: 0.5 * ((2 * t).exp() - 2 * t - 1).sum(-1), "what belongs to the draw, at μ = 0"),
        (lambda t: 0.5 * ((2 * t).exp() - t.exp()).sum(-1), "do not cancel"),
        (lambda t: -0.5 * ((2 * t).exp() - t.exp() - t).sum(-1), "The sign is flipped."),
        (lambda t: ((2 * t).exp() - t.exp() - t).sum(-1), "is a ½ missing"),
        (lambda t: 0.5 * ((2 * t).exp() - t.exp() - t), "not yet summed over axis 1"),
    ],
    "9.6": [
        (lambda f: True, "0 for every input"),
        (lambda f: False, "refuses a right KL"),
        (kl_tester(torch.zeros(2, 5, 3)), "0 for every input"),
        (lambda f: bool((f(*RANDOM) >= 0).all()), "0 for every input"),
        (lambda f: bool((f(*RANDOM) > 0).all()), "without its ½"),
        (lambda f: torch.equal(f(*RANDOM), kl(*RANDOM)), "refuses a right KL"),
        (lambda f: torch.equal(f(*RANDOM), kl_to_standard_normal(*RANDOM)), "refuses a right KL"),
        (kl_tester(RANDOM * torch.tensor([1.0, 0.0])[:, None, None]), "ignores logvar"),
        (kl_tester(RANDOM * torch.tensor([0.0, 1.0])[:, None, None]), "ignores mu"),
        (kl_tester(torch.stack([RANDOM[0], RANDOM[1].abs()])), "only where logvar is positive"),
        (kl_tester(torch.stack([RANDOM[0].abs(), RANDOM[1]])), "only where mu is positive"),
        (kl_tester(RANDOM[:, :, :1]), "average over the latent dimensions"),
        (kl_tester(RANDOM[:, :1]), "the mean of the batch"),
        (kl_tester(RANDOM[:, :, :1].expand(2, 5, 3)), "first latent dimension only"),
        (kl_tester(RANDOM, rtol=0.1), "too large by a hundredth"),
        (lambda f: torch.allclose(f(*RANDOM), kl(*RANDOM)), "KL of another shape, an image's terms"),
        (lambda f: bool((f(*RANDOM).sum() - kl(*RANDOM).sum()).abs() < 1e-4), "gives each image the mean"),
        (lambda f: torch.isclose(f(*RANDOM), kl(*RANDOM)), "a tensor of shape (5,), where True or False"),
        (asserts, "It raised AssertionError"),
        (lambda f: int(kl_tester(RANDOM)(f)), "returns an int, where True or False"),
        (lambda f: print(end=""), "is the return missing"),
    ],
    "9.7": [
        (["frozen_noise"], "look at the KL term again"),
        ("kl_mean_over_latents", "look at the draw again"),
        (["frozen_noise", "kl_mean_over_latents", "sigma_is_exp_logvar"], "that of the draw"),
        (["batch_sums_differ"], "are not both terms sums"),
        (["no_kl"], "not among what it finds"),
        (["seed in forward"], "diagnose has no code"),
        (np.array(["frozen_noise"]), "look at the KL term again"),
        (17, "a list of strings"),
    ],
    "10.2": [
        (lambda mu, t, k: kl_terms(mu, t).clamp(min=k).mean(0).sum(), "inside the maximum"),
        (lambda mu, t, k: kl(mu, t).mean(), "for each dimension, before the sum"),
        (lambda mu, t, k: kl(mu, t).mean().clamp(min=k), "for each dimension, before the sum"),
        (lambda mu, t, k: torch.relu(kl_terms(mu, t).mean(0) - k).sum(), "are subtracted"),
        (lambda mu, t, k: kl_terms(mu, t).mean(0).clamp(max=k).sum(), "the smaller of the two"),
        (lambda mu, t, k: kl_terms(mu, t).sum(0).clamp(min=k).sum(), "summed over the images"),
        (lambda mu, t, k: (kl_terms(mu, t).mean(0) + k).sum(), "are added to each dimension"),
        (lambda mu, t, k: kl_terms(mu, t).mean(0).clamp(min=k).mean(), "exactly the factor J = 3"),
        (lambda mu, t, k: kl_terms(mu, t).mean(0).clamp(min=k), "not yet summed over axis 0"),
        (lambda mu, t, k: kl_terms(mu, t).detach().mean(0).clamp(min=k).sum(), "no gradient reaches mu"),
        (lambda mu, t, k: kl_terms(mu, t).mean(1).clamp(min=k).sum(), "The mean is over the dimensions"),
        (lambda mu, t, k: kl_terms(mu, t).mean().clamp(min=k), "The mean is over everything"),
        (lambda mu, t, k: kl_terms(mu, t).clamp(min=k).sum(), "and then summed"),
        (lambda mu, t, k: kl(mu, t).clamp(min=k).mean(), "each dimension has its own"),
        (lambda mu, t, k: kl_terms(mu, t).sum(0).clamp(min=k).sum() / len(mu), "after the maximum"),
        (lambda mu, t, k: F.threshold(kl_terms(mu, t).mean(0), k, 0.0).sum(), "Below λ nothing is charged"),
        (lambda mu, t, k: k * kl(mu, t).mean(), "multiplied by λ"),
        (lambda mu, t, k: (k * kl_terms(mu, t).mean(0).clamp(min=k)).sum(), "once more a factor λ"),
        (lambda mu, t, k: 0.5 * (mu**2 + t.exp() - t - 1).mean(0).clamp(min=k).sum(), "The ½ stands outside"),
        (lambda mu, t, k: (mu**2 + t.exp() - t - 1).mean(0).clamp(min=k).sum(), "is its ½ missing"),
        (lambda mu, t, k: torch.clamp(-kl_terms(mu, t).mean(0), min=k).sum(), "so that λ always wins"),
        (lambda mu, t, k: kl_terms(mu.mean(0), t.mean(0)).clamp(min=k).sum(), "averaged before the KL"),
        (lambda mu, t, k: (0.5 * (mu**2 + sigma(t) - t - 1)).mean(0).clamp(min=k).sum(), "where σ² belongs"),
        (lambda mu, t, k: kl_terms(mu, t).mean(0).clamp(min=k * mu.shape[1]).sum(), "right where free is 0"),
        (lambda mu, t, k: kl_terms(mu, t).mean(0).clamp(min=k * len(mu)).sum(), "right where free is 0"),
        (lambda mu, t, k: (0.5 * (mu + t.exp() - t - 1)).mean(0).clamp(min=k).sum(), "right where mu is 0"),
    ],
    "10.3": [
        (lambda z, mu, t: code_table(z, mu, t).logsumexp(1), "The 1/N is missing"),
        (lambda z, mu, t: code_table(z, mu, t).mean(1), "a mean of densities"),
        (lambda z, mu, t: code_table(z, mu, t).amax(1), "Only the image with the highest"),
        (lambda z, mu, t: code_table(z, mu, t).exp().mean(1), "its logarithm is asked for"),
        (lambda z, mu, t: code_table(z, mu, t).exp().mean(1).log(), "does an exponential round to 0"),
        (lambda z, mu, t: code_table(z, mu, 2 * t).logsumexp(1) - math.log(len(mu)), "taken for σ"),
        (
            lambda z, mu, t: torch.logsumexp(Normal(mu, sigma(t)).log_prob(z[:, None]), 1).sum(-1)
            - mu.shape[1] * math.log(len(mu)),
            "the product of the marginals",
        ),
        (lambda z, mu, t: Normal(mu.mean(0), sigma(t.mean(0))).log_prob(z).sum(-1), "That is one Gaussian"),
        (
            lambda z, mu, t: MultivariateNormal(
                mu.mean(0), torch.diag(mu.var(0, correction=0) + t.exp().mean(0))
            ).log_prob(z),
            "with the moments of q(z)",
        ),
        (lambda z, mu, t: code_table(z, mu, t).logsumexp(1) / len(mu), "divided by N"),
        (lambda z, mu, t: code_table(z, mu, t).logsumexp(1) + math.log(len(mu)), "ln N is added"),
        (lambda z, mu, t: code_table(z, mu, t).logsumexp(1) - math.log(mu.shape[1]), "ln J is subtracted"),
        (lambda z, mu, t: code_table(z, mu, t).logsumexp(1) - math.log(len(z)), "a constant term"),
        (
            lambda z, mu, t: Normal(mu, sigma(t)).log_prob(z[:, None]).mean(-1).logsumexp(1)
            - math.log(len(mu)),
            "log-densities add up",
        ),
        (
            lambda z, mu, t: Normal(mu, sigma(t)).log_prob(z[:, None]).logsumexp(-1).mean(1),
            "belongs over the N codes",
        ),
        (lambda z, mu, t: (code_table(z, mu, t).exp().mean(1) + 1e-12).log(), "does an exponential round"),
    ],
    "10.5": [
        (lambda mu, t: moments_kl(mu.mean(0), mu.var(0, correction=0)), "that of μ alone"),
        (lambda mu, t: moments_kl(mu.mean(0), t.exp().mean(0)), "the mean of σ² alone"),
        (lambda mu, t: moments_kl(0 * mu[0], mu.var(0, correction=0) + t.exp().mean(0)), "as if it were 0"),
        (lambda mu, t: moments_kl(mu.mean(0), mu.var(0) + t.exp().mean(0)), "divided by N − 1"),
        (lambda mu, t: moments_kl(mu.mean(0), mu.var(0, correction=0) + t.mean(0).exp()), "σ² is averaged"),
        (lambda mu, t: kl(mu, t).mean(), "before the prior is fitted"),
        (lambda mu, t: moments_kl(mu.mean(0), (mu**2).mean(0) + t.exp().mean(0)), "is no variance yet"),
        (lambda mu, t: moments_kl(mu.mean(0), (mu.std(0, correction=0) + sigma(t).mean(0)) ** 2), "is added"),
        (lambda mu, t: moments_kl(mu.mean(1), mu.var(1, correction=0) + t.exp().mean(1)), "over the N codes"),
        (lambda mu, t: moments_kl(mu.mean(), mu.var(correction=0) + t.exp().mean()), "each has its own"),
        (
            lambda mu, t: kl_between(
                torch.zeros_like(mu[:1]), torch.zeros_like(mu[:1]), *(v[:1] for v in fitted_prior(mu, t))
            ).sum(),
            "the other way round",
        ),
        (
            lambda mu, t: moments_kl(mu.mean(0), mu.var(0, correction=0) + (2 * t).exp().mean(0)),
            "exp(logvar) was taken for σ",
        ),
    ],
}  # fmt: skip


def standard(like):
    """N(0, I), made in float32 as one does."""
    return MultivariateNormal(torch.zeros(like.shape[1]), torch.eye(like.shape[1]))


def loop(mu, logvar):
    result = torch.zeros(len(mu))
    for i in range(len(mu)):
        for m, t in zip(mu[i], logvar[i], strict=True):
            result[i] += 0.5 * (m**2 + t.exp() - t - 1)
    return result


def numbers(answer):
    """The same, with every single number as Python's own."""
    return lambda *given: tuple(value if value.ndim else value.item() for value in answer(*given))


def line(m_3, m_8, cov):
    inverse = torch.linalg.inv(cov)
    return inverse @ (m_8 - m_3), 0.5 * (m_3 @ inverse @ m_3 - m_8 @ inverse @ m_8)


def moments(w, m, s):
    mean = (w * m).sum()
    return mean, ((w * (s**2 + m**2)).sum() - mean**2).sqrt()


def mixture(mu, logvar):
    codes = Independent(Normal(mu, sigma(logvar)), 1)
    return MixtureSameFamily(Categorical(torch.ones_like(mu[:, 0])), codes)


def fitted_prior(mu, logvar):
    variance = mu.var(0, correction=0) + logvar.exp().mean(0)
    return mu.mean(0).expand_as(mu), variance.log().expand_as(mu)


def by_numpy(kl_function):
    found, wanted = kl_function(*RANDOM), kl(*RANDOM)
    return found.shape == wanted.shape and np.isclose(found, wanted, rtol=1e-4).all()


# Exercise -> right answers as learners write them: with Python's numbers, with constants in float32.
RIGHT = [
    ("1.3", lambda d, p: torch.stack([row.log_softmax(0) for row in d + p])),
    ("1.4", line),
    ("1.4", numbers(line)),
    ("1.6", scores),
    ("1.6", numbers(scores)),
    ("1.6", lambda *given: tuple(np.float64(value) for value in scores(*given))),
    ("2.2", lambda w: w.logsumexp(0) - torch.log(torch.tensor(len(w)))),
    ("2.2", lambda w: (w - w.amax(0)).exp().mean(0).log() + w.amax(0)),
    ("2.3", lambda w: 1 / (w.softmax(0) ** 2).sum(0)),
    ("2.6", lambda z, p, s: p + (Normal(0.0, 1.0).log_prob(z) - Normal(0.0, s).log_prob(z)).sum(-1)),
    ("3.3", lambda t: 0.5 * (t + torch.log(torch.tensor(2 * math.pi * math.e))).sum(-1)),
    ("4.1", loop),
    ("4.6", moments),
    ("4.6", numbers(moments)),
    ("5.4", lambda v: v.std(0) / torch.sqrt(torch.tensor(len(v)))),
    ("6.3", lambda mu, s: torch.tensor(mu) ** 2 / torch.tensor(s) ** 2 + 2),
    ("6.5", lambda v: torch.tensor([(v.sum() - one) / (len(v) - 1) for one in v])),
    ("7.2", lambda x, m, s: gaussian_nll(x, m, s, log=float32_log)),
    ("7.5", lambda D: torch.tensor(D) / (2 * 255**2)),
    (
        "8.4",
        lambda z, mu, t: MultivariateNormal(mu, t.exp().diag_embed()).log_prob(z) - standard(z).log_prob(z),
    ),
    ("8.5", lambda e, D: -e / (D * torch.log(torch.tensor(2.0)))),
    ("9.6", by_numpy),
    ("9.7", np.array(["frozen_noise", "kl_mean_over_latents"])),
    ("9.7", {"frozen_noise", "kl_mean_over_latents"}),
    ("10.2", lambda mu, t, k: sum(torch.maximum(v, torch.tensor(k)) for v in kl_terms(mu, t).mean(0))),
    ("10.2", lambda mu, t, k: (torch.relu(kl_terms(mu, t).mean(0) - k) + k).sum()),
    ("10.2", lambda mu, t, k: sum(max(v, k) for v in kl_terms(mu, t).mean(0))),
    ("10.3", lambda z, mu, t: mixture(mu, t).log_prob(z)),
    (
        "10.3",
        lambda z, mu, t: (
            torch.stack([code_table(one[None], mu, t).logsumexp(1)[0] for one in z]) - math.log(len(mu))
        ),
    ),
    ("10.3", lambda z, mu, t: code_table(z, mu, t).logsumexp(1) - torch.log(torch.tensor(len(mu)))),
    ("10.5", lambda mu, t: kl(mu, t).mean() - kl_between(mu, t, *fitted_prior(mu, t)).mean()),
]
