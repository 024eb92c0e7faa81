"""Exercises 10.1 to 10.5: in practice."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal

from vae_lib import gaussian
from vae_lib.checks.answers import Choice, Function, Numbers
from vae_lib.checks.draws import Draw

_kl = gaussian.kl_to_standard_normal


def _kl_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1)


def _from_off_to_on(draw: Draw, values: torch.Tensor) -> torch.Tensor:
    """Near 0 in the first dimension and for the last image: below the free nats; the last dimension is above."""
    images, dimensions = (draw.sizes[axis] for axis in "BJ")
    rising = torch.linspace(0.1, 2.5, dimensions, dtype=values.dtype)
    return values * rising * torch.linspace(1, 0, images, dtype=values.dtype)[:, None]


def _free_bits(mu, logvar, free):
    return _kl_terms(mu, logvar).mean(0).clamp(min=free).sum()


def _log_each(z, mu, logvar):
    """log q(z_j|x_i) of each point, code and dimension, (B, N, J)."""
    return Normal(mu, torch.exp(logvar / 2)).log_prob(z[:, None])


def _log_aggregated(z, mu, logvar):
    return _log_each(z, mu, logvar).sum(-1).logsumexp(1) - math.log(len(mu))


def _variance(mu, logvar):
    """The variance of the aggregated posterior in each dimension, (J,)."""
    return mu.var(0, correction=0) + logvar.exp().mean(0)


def _of(mu, variance):
    """The KL from the Gaussian with the mean of mu and this variance to the standard normal."""
    return _kl_terms(mu.mean(0), variance.log()).sum()


def _gain(mu, logvar):
    return _of(mu, _variance(mu, logvar))


def _left(mu, logvar):
    """The mean KL to the fitted prior."""
    prior = mu.mean(0).expand_as(mu), _variance(mu, logvar).log().expand_as(mu)
    return gaussian.kl_between(mu, logvar, *prior).mean()


VALUES, WEIGHT, LEVEL = 3 * 256 * 256, 1e-6, 2 / 255
LEVELS, SCALE = "width of a grey level in units of b (sum)", "b (mean)"

EXERCISES = {
    "10.1": Choice(
        right="b",
        wrong={
            "a": "In the first epochs β is near 0: what does a nat cost then, and what does it save?",
            "c": "When β has reached 1, how much squared error does a nat save at σ = 1, and what does it cost (7.6)?",
            "d": "The price of a nat is highest at the end. Does one buy more of it then?",
        },
    ),
    "10.2": Function(
        name="free_bits",
        inputs={
            "mu": lambda d: _from_off_to_on(d, d.uniform("BJ", 0.5, 1.5)),
            "logvar": lambda d: _from_off_to_on(d, d.logvar()),
            "free": lambda d: d.number(0.1, 0.2),
        },
        reference=_free_bits,
        gradient=("mu", "logvar"),
        mistakes={
            "The maximum is taken for each image; (10.3) has the mean over the images inside the maximum.": (
                lambda mu, t, free: _kl_terms(mu, t).clamp(min=free).mean(0).sum()
            ),
            "The maximum is taken for each image, and then summed; (10.3) has a mean over the images inside it.": (
                lambda mu, t, free: _kl_terms(mu, t).clamp(min=free).sum()
            ),
            "The mean is over the dimensions; it is to be over the images, for each dimension.": (
                lambda mu, t, free: _kl_terms(mu, t).mean(1).clamp(min=free).sum()
            ),
            "That has the value of the plain KL term: the maximum is taken for each dimension, before the sum.": (
                lambda mu, t, free: _kl(mu, t).mean()
            ),
            "The mean is over everything: each dimension has a mean over the images of its own.": (
                lambda mu, t, free: _kl_terms(mu, t).mean().clamp(min=free)
            ),
            "That is the smaller of the two; the larger is charged.": lambda mu, t, free: (
                _kl_terms(mu, t).mean(0).clamp(max=free).sum()
            ),
            "Below λ nothing is charged; (10.3) charges λ there.": lambda mu, t, free: (
                _kl_terms(mu, t).mean(0) * (_kl_terms(mu, t).mean(0) > free)
            ).sum(),
            "The free nats are subtracted: the gradient is right, but (10.3) charges the larger of the two itself.": (
                lambda mu, t, free: (_kl_terms(mu, t).mean(0) - free).clamp(min=0).sum()
            ),
            "The KL of a dimension is summed over the images; it is to be averaged.": lambda mu, t, free: (
                _kl_terms(mu, t).sum(0).clamp(min=free).sum()
            ),
            "The sum over the images is divided by B after the maximum; it is to be averaged before.": (
                lambda mu, t, free: _kl_terms(mu, t).sum(0).clamp(min=free).sum() / len(mu)
            ),
            "The free nats are added to each dimension; (10.3) has the larger of the two.": lambda mu, t, free: (
                (_kl_terms(mu, t).mean(0) + free).sum()
            ),
            "The KL is multiplied by λ, which is no weight but the least that a dimension is charged.": (
                lambda mu, t, free: free * _kl_terms(mu, t).mean(0).sum()
            ),
            "A right term, and then once more a factor λ.": lambda mu, t, free: (
                free * _free_bits(mu, t, free)
            ),
            "One maximum for the sum over the dimensions; each dimension has its own.": lambda mu, t, free: (
                _kl_terms(mu, t).sum(1).clamp(min=free).mean()
            ),
            "The ½ stands outside of the maximum, where it halves λ as well.": lambda mu, t, free: (
                0.5 * (2 * _kl_terms(mu, t)).mean(0).clamp(min=free).sum()
            ),
            "The KL of a dimension is twice too large: is its ½ missing?": lambda mu, t, free: (
                (2 * _kl_terms(mu, t)).mean(0).clamp(min=free).sum()
            ),
            "The KL has the wrong sign inside the maximum, so that λ always wins.": lambda mu, t, free: (
                (-_kl_terms(mu, t)).mean(0).clamp(min=free).sum()
            ),
            "mu and logvar are averaged before the KL; it is the KL that is averaged.": lambda mu, t, free: (
                _kl_terms(mu.mean(0), t.mean(0)).clamp(min=free).sum()
            ),
            "exp(logvar / 2), the σ, stands where σ² belongs.": lambda mu, t, free: (
                (_kl_terms(mu, t) + 0.5 * ((t / 2).exp() - t.exp())).mean(0).clamp(min=free).sum()
            ),
        },
        hint="(4.5), its mean over the images, and (10.3)",
    ),
    "10.3": Function(
        name="log_aggregated",
        inputs={
            "z": lambda d: d.normal("BJ", 1.5),
            "mu": lambda d: d.normal("NJ"),
            "logvar": lambda d: d.logvar("NJ"),
        },
        reference=_log_aggregated,
        gradient=("z", "mu", "logvar"),
        mistakes={
            "The 1/N is missing: that is the log of a sum over the images, not of a mean.": lambda z, mu, t: (
                _log_aggregated(z, mu, t) + math.log(len(mu))
            ),
            "That is the mean of the logarithms; (10.1) is a mean of densities.": lambda z, mu, t: (
                _log_each(z, mu, t).sum(-1).mean(1)
            ),
            "The log-sum-exp is divided by N; a 1/N inside the logarithm is something to subtract.": (
                lambda z, mu, t: _log_each(z, mu, t).sum(-1).logsumexp(1) / len(mu)
            ),
            "ln N is added: the logarithm of 1/N is negative.": lambda z, mu, t: (
                _log_aggregated(z, mu, t) + 2 * math.log(len(mu))
            ),
            "ln J is subtracted; it is N codes that are averaged.": lambda z, mu, t: (
                _log_aggregated(z, mu, t) + math.log(len(mu) / mu.shape[1])
            ),
            "The dimensions are averaged; their log-densities add up.": lambda z, mu, t: (
                _log_each(z, mu, t).mean(-1).logsumexp(1) - math.log(len(mu))
            ),
            "The log-sum-exp is over the dimensions; it belongs over the N codes.": lambda z, mu, t: (
                _log_each(z, mu, t).logsumexp(-1).mean(1)
            ),
            "Each dimension has a mean over the images of its own: that is the product of the marginals.": (
                lambda z, mu, t: (_log_each(z, mu, t).logsumexp(1) - math.log(len(mu))).sum(-1)
            ),
            "That is the density; its logarithm is asked for.": lambda z, mu, t: _log_aggregated(
                z, mu, t
            ).exp(),
            "Only the image with the highest density counts; all N do.": lambda z, mu, t: (
                _log_each(z, mu, t).sum(-1).amax(1)
            ),
            "That is one Gaussian, with the mean of mu and of logvar; (10.1) is a mixture of N.": lambda z, mu, t: (
                _log_each(z, mu.mean(0, keepdim=True), t.mean(0, keepdim=True)).sum(-1)[:, 0]
            ),
            "That is one Gaussian, with the moments of q(z); (10.1) is a mixture of N.": lambda z, mu, t: (
                _log_each(z, mu.mean(0, keepdim=True), _variance(mu, t).log()[None]).sum(-1)[:, 0]
            ),
            "exp(logvar) was taken for σ.": lambda z, mu, t: _log_aggregated(z, mu, 2 * t),
        },
        extreme={
            "where z is far from all codes: does an exponential round to 0?": lambda inputs: (
                inputs | {"z": inputs["z"] + 100}
            )
        },
        hint="(4.1) and (10.1)",
    ),
    "10.4": Numbers(
        right=lambda: {LEVELS: LEVEL / WEIGHT, SCALE: VALUES * WEIGHT},
        mistakes=lambda: {
            "From −1 to 1 it is 2, so a level is 2/255 wide.": {LEVELS: LEVEL / 2 / WEIGHT},
            "256 levels have 255 steps between them.": {LEVELS: 2 / 256 / WEIGHT},
            "The first number is upside down: how many times does b fit into a level?": {
                LEVELS: WEIGHT / LEVEL
            },
            "b with the mean is not that small: what does the mean over the D values do to the error?": {
                SCALE: WEIGHT
            },
            "Each image has three colours: D is three times as large.": {SCALE: 256 * 256 * WEIGHT},
            "The two have changed places.": {LEVELS: VALUES * WEIGHT, SCALE: LEVEL / WEIGHT},
            "The first number is the whole range divided by b; a step is one of 255.": {LEVELS: 2 / WEIGHT},
            "b with the mean is D alone: where is the weight of the KL?": {SCALE: VALUES},
            "b is upside down: it is the weight itself that becomes b, up to D.": {SCALE: 1 / WEIGHT},
            "For the program with the mean b itself is asked for, not a level divided by it.": {
                SCALE: LEVEL / VALUES / WEIGHT
            },
            "The mean divides the error by D; which b does that make, if the KL is to stand alone?": {
                SCALE: 1 / VALUES / WEIGHT
            },
        },
    ),
    "10.5": Function(
        name="gain",
        inputs={"mu": lambda d: 0.3 + 1.5 * d.normal("NJ"), "logvar": lambda d: d.logvar("NJ")},
        reference=_gain,
        gradient=("mu", "logvar"),
        mistakes={
            "The variance of q(z) has two parts; that of μ alone is here.": lambda mu, t: _of(
                mu, mu.var(0, correction=0)
            ),
            "The variance of q(z) has two parts; the mean of σ² alone is here.": lambda mu, t: _of(
                mu, t.exp().mean(0)
            ),
            "The mean of μ² is no variance yet: what is to be subtracted?": lambda mu, t: _of(
                mu, (mu**2).mean(0) + t.exp().mean(0)
            ),
            "A standard deviation is added; it is variances that add up.": lambda mu, t: _of(
                mu, (mu.std(0, correction=0) + (t / 2).exp().mean(0)) ** 2
            ),
            "Mean and variance are over the dimensions; they belong over the N codes.": lambda mu, t: _gain(
                mu.T, t.T
            ),
            "There is one mean and one variance for all dimensions; each has its own.": lambda mu, t: _gain(
                mu.reshape(-1, 1), t.reshape(-1, 1)
            ),
            "The KL is the other way round, from the standard normal to the fitted Gaussian.": (
                lambda mu, t: (
                    0.5 * ((1 + mu.mean(0) ** 2) / _variance(mu, t) + _variance(mu, t).log() - 1).sum()
                )
            ),
            "The mean of q(z) is left out, as if it were 0.": lambda mu, t: _of(0 * mu, _variance(mu, t)),
            "The variance of μ is divided by N − 1; q(z) is a mean over N codes.": lambda mu, t: _of(
                mu, mu.var(0) + t.exp().mean(0)
            ),
            "That is the mean KL to the standard normal, before the prior is fitted.": lambda mu, t: _kl(
                mu, t
            ).mean(),
            "That is the mean KL to the fitted prior; the difference of the two is asked for.": _left,
            "ln σ² is averaged, where σ² is to be.": lambda mu, t: _of(
                mu, mu.var(0, correction=0) + t.mean(0).exp()
            ),
        },
        hint="the KL between two Gaussians, averaged over the images, for both priors",
    ),
}

# What a right answer shows, in one sentence.
WHY = {
    "10.1": "While β is small a nat costs less than it saves, and when β is 1 it costs more, so the same loss ends at "
    "the same answer.",
    "10.2": "Where the mean KL of a dimension is below the free nats the maximum is a constant, so that nothing pushes it "
    "to the prior, and above them the gradient is the usual one.",
    "10.3": "A mixture is a mean of densities, and log-sum-exp takes its logarithm without leaving the range of floating "
    "point.",
    "10.4": "A factor before the error and one before the KL make one scale, b = D times the weight with the mean, so the "
    "same weight means a different model for each size of images.",
    "10.5": "The terms of the two KL that belong to one image cancel, and what is left is the KL from the fitted Gaussian "
    "to the standard normal, which is never negative.",
}
