"""What is wrong with a loss, in words: any model and its loss held against the identities of the book."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_lib import _validate as require
from vae_lib.diagnosis.probe import Probe, Seen, gradients
from vae_lib.likelihoods import ContinuousBernoulli

# What the encoder's second output s may be taken for, and σ as a function of it.
READINGS = {
    "ln σ²": lambda s: torch.exp(s / 2),
    "ln σ": torch.exp,
    "σ": lambda s: s,
    "σ²": torch.sqrt,
    "σ before a softplus": F.softplus,
}
# The s at which σ = 1.
AT_THE_PRIOR = {
    "ln σ²": 0.0, "ln σ": 0.0, "σ": 1.0, "σ²": 1.0, "σ before a softplus": math.log(math.e - 1)
}  # fmt: skip

# Minus the log-likelihood of each pixel x, as a function of what the decoder puts out, r.
LIKELIHOODS = {
    "Bernoulli of logits": lambda r, x: F.softplus(r) - x * r,
    "Bernoulli of probabilities": lambda r, x: -x * torch.log(r) - (1 - x) * torch.log1p(-r),
    "continuous Bernoulli": lambda r, x: -ContinuousBernoulli()._log_prob(x[..., None], r[..., None]),
    "Gaussian": lambda r, x: 0.5 * (r - x) ** 2,
    "Gaussian of a sigmoid": lambda r, x: 0.5 * (torch.sigmoid(r) - x) ** 2,
    "Laplace": lambda r, x: (r - x).abs(),
    "Bernoulli of a sigmoid": lambda r, x: F.softplus(torch.sigmoid(r)) - x * torch.sigmoid(r),
}
TAKE_LOGITS = ("Bernoulli of logits", "continuous Bernoulli", "Bernoulli of a sigmoid")

# A scale hides in the weight of these: its name, its power of the ratio KL : reconstruction, a right line.
WITH_A_SCALE = {
    "Gaussian": ("σ", 0.5, "nll = ((params - x) / sigma).pow(2).sum() / (2 * len(x))"),
    "Gaussian of a sigmoid": ("σ", 0.5, "nll = ((params.sigmoid() - x) / sigma).pow(2).sum() / (2 * len(x))"),
    "Laplace": ("scale", 1, "nll = (params - x).abs().sum() / scale / len(x)"),
}

# What comes out where params and x stand in each other's place, up to terms without r.
SWAPPED = {
    "binary_cross_entropy_with_logits": lambda r, x: -r * x,
    "binary_cross_entropy": lambda r, x: -r * torch.logit(x),
}

KL_LINE = "kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()"
NLL_LINE = 'nll = F.binary_cross_entropy_with_logits(params, x, reduction="sum") / len(x)'
DRAW_LINE = "z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)"
KL_SLOPES = "slopes μ in mu and ½(σ² − 1) in logvar, for each image"

# Code: what it means and does, what was expected, by which equation, and a line that would be right.
FINDINGS = {
    "shapes": ("The outputs of encoder and decoder do not fit together.",
        "mu, logvar and z of one shape (B, J), params in the shape of x", "(4.1)",
        "mu, logvar = encoder(x).chunk(2, dim=-1)"),
    "not_finite": ("The first step is not finite.", "finite numbers", "(3.4)",
        "look at the data, then at logvar"),
    "no_gradient_to_encoder": ("The encoder, or a part of it, gets no gradient: it does not learn.",
        "a gradient from the loss to the encoder", "(6.2)", "no detach() and no torch.no_grad() in encode"),
    "no_gradient_to_decoder": ("The decoder, or a part of it, gets no gradient: it does not learn.",
        "a gradient from the loss to the decoder", "(8.1)", "no detach() and no torch.no_grad() in decode"),
    "no_kl": ("There is no KL term: nothing keeps the codes near the prior, and samples will be garbage.",
        "loss = −log p(x|z) + KL", "(3.4)", KL_LINE),
    "kl_sign": ("The KL term has the wrong sign: training drives it to infinity.",
        KL_SLOPES, "(4.6), (4.7)", KL_LINE),
    "kl_formula": ("The slopes of the KL term are not those of a KL divergence to N(0, I).",
        KL_SLOPES, "(4.6), (4.7)", KL_LINE),
    "kl_mean_over_latents": (
        "The KL term is averaged over the J = {J} latent dimensions: it weighs {J} times too little.",
        "a sum over the latent dimensions", "(4.5)", KL_LINE),
    "kl_without_half": ("The KL term weighs twice what it should: its ½ is missing.",
        "½ Σ (μ² + σ² − ln σ² − 1)", "(4.5)", KL_LINE),
    "kl_half_twice": ("The KL term weighs half of what it should: a ½ too many, or a 2 in the other term.",
        "½ Σ (μ² + σ² − ln σ² − 1)", "(4.5)", KL_LINE),
    "kl_floor": ("Close to the prior the KL term has another slope: some nats are free, or bounded.",
        "the slopes of (4.6) and (4.7) everywhere", "(4.5)",
        KL_LINE + "  # if free nats are meant, report the ELBO without them"),
    "batch_sums_differ": ("One term is averaged over the images of the batch, the other is summed.",
        "the same for both terms", "(8.1)", "loss = (nll + kl).mean()  # both of shape (B,)"),
    "beta": ("The KL term has another weight than the β = {beta:g} that is wanted.",
        "β = {beta:g}", "(7.6)", "loss = nll + beta * kl, or diagnose(…, beta=…) if the weight is meant"),
    "loss_constant": ("The loss trains what it should, but its value is not minus the ELBO.",
        "−log p(x|z) + KL, with the −1 of each latent dimension", "(3.4), (4.5)", KL_LINE),
    "no_reconstruction": ("The loss does not depend on what the decoder puts out.",
        "loss = −log p(x|z) + KL", "(3.4)", NLL_LINE),
    "reconstruction_sign": ("The reconstruction term has the wrong sign: images become less probable.",
        "+1 times −log p(x|z)", "(3.4)", NLL_LINE),
    "arguments_swapped": ("Image and prediction stand in each other's place in the reconstruction term.",
        "−log p(x|z) of the image x under the params of the decoder", "(7.2)",
        NLL_LINE + "  # and wrap a loss(x, params, …): lambda params, x, *rest: loss(x, params, *rest)"),
    "wrong_target": ("The reconstruction term holds a prediction against something else than its own image.",
        "each pixel's params against this pixel of the same image", "(7.1)",
        "assert params.shape == x.shape  # with images and pixels in the same order"),
    "other_likelihood": ("The reconstruction term belongs to another likelihood than the one wanted.",
        "the gradient of −log p(x|z)", "(7.1)", "nll = -likelihood.log_prob(x, params).mean()"),
    "pixel_mean": (
        "The reconstruction term is averaged over the D = {D} pixels: the KL term weighs {D} times too much.",
        "a sum over the pixels", "(7.1)", NLL_LINE),
    "sigmoid_twice": ("A sigmoid is applied twice: no pixel can be predicted below ½.",
        "probability sigmoid(params), where params are any real numbers", "(7.2)", NLL_LINE),
    "never_negative": ("The decoder puts out no negative number: no pixel can be predicted below ½.",
        "logits, which are any real numbers", "(7.2)", "no ReLU after the last layer of the decoder"),
    "data_outside_unit_interval": ("Cross-entropy is for pixels from 0 to 1; beyond, it has no lower bound.",
        "x in [0, 1]", "(7.2)", "x = images.float() / 255"),
    "no_noise": ("z is the mean itself: the decoder never sees the width that the KL term pays for.",
        "z = μ + σ ε with ε ~ N(0, I)", "(6.1)", DRAW_LINE),
    "no_gradient_through_z": ("z is cut off from the encoder: the reconstruction term does not train it.",
        "dz/dμ = 1 and dz/dσ = ε", "(6.2)", DRAW_LINE),
    "draw_formula": ("z is not μ + σ ε: it does not follow the distribution of the KL term.",
        "dz/dμ = 1 and dz/dσ = ε", "(6.1), (6.2)", DRAW_LINE),
    "sigma_is_exp_logvar": (
        "The draw has σ = exp(logvar), the variance: not the width that the KL term pays for.",
        "σ = exp(logvar / 2), if logvar is ln σ² in the KL term", "(6.1)", DRAW_LINE),
    "sigma_mismatch": ("The draw and the KL term take the encoder's second output for different things.",
        "one σ in both", "(4.5), (6.1)", DRAW_LINE),
    "one_eps_per_batch": ("All images of a batch get the same noise: its errors no longer average out.",
        "for each image an ε of its own", "(6.1)", DRAW_LINE),
    "one_eps_per_image": ("All latent dimensions get the same noise: q is not the Gaussian of the KL term.",
        "for each latent dimension an ε of its own", "(4.1), (6.1)", DRAW_LINE),
    "frozen_noise": ("Each step draws the same noise: the decoder learns these numbers by heart.",
        "a new ε in each step", "(6.1)", DRAW_LINE + ", without a seed inside the step"),
    "noise_not_standard_normal": ("The noise is not standard normal.",
        "ε with mean 0 and variance 1", "(6.1)", DRAW_LINE + "  # randn, not rand"),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that is off.

    Attributes:
        code: its name for programs, such as "kl_mean_over_latents".
        message: what is wrong, and what it does.
        expected: what the book's equation says.
        found: what was seen instead.
        equation: number of the equation.
        fix: a line of code that would be right.
    """

    code: str
    message: str
    expected: str
    found: str
    equation: str
    fix: str

    def __str__(self) -> str:
        words = (
            f"{self.code}: {self.message}",
            f"  expected: {self.expected} {self.equation}",
            f"  found: {self.found}",
        )
        return "\n".join([*map(_folded, words), f"  right: {self.fix}"])


def _folded(line: str) -> str:
    """The line, in lines of at most 87 characters, as wide as a page of the book shows them."""
    return textwrap.fill(line, 87, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` found. Printed, it is a text.

    Attributes:
        findings: what is off, a tuple of `Finding`; empty if nothing is.
        likelihood: the reconstruction loss that was recognized, with the scale that its weight implies where
            it has one; or None.
        beta: the weight of the KL term, or None where the likelihood has an unknown scale.
        unchecked: what could not be checked, and why.
    """

    findings: tuple[Finding, ...]
    likelihood: str | None = None
    beta: float | None = None
    unchecked: tuple[str, ...] = ()

    @property
    def codes(self) -> list[str]:
        """The codes of the findings."""
        return [finding.code for finding in self.findings]

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings]
        if not lines and self.likelihood is None:
            lines = ["the reconstruction could not be checked; in the rest nothing wrong was found"]
        elif not lines:
            weight = "" if self.beta is None else f", β = {self.beta:.3g}"
            lines = [f"nothing wrong found: {self.likelihood}{weight}"]
        return "\n".join([*lines, *(_folded(f"not checked: {text}") for text in self.unchecked)])

    __repr__ = __str__


def diagnose(
    model: nn.Module,
    loss: Callable[..., Tensor],
    x: Tensor,
    *,
    beta: float = 1.0,
    likelihood: nn.Module | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Hold the loss of a VAE against the identities of the book, and say in words what is off.

    The training step is run on a copy of the model whose encode and decode answer with numbers chosen here,
    so that the two terms, their gradients and the draw of z can be looked at one by one. Nothing is trained;
    the model, its gradients, its mode and torch's global random numbers stay as they are. So does a loss that
    is an object or a method and keeps count, as for a warm-up of β; a counter of a plain function advances.

    Args:
        model: any module with encode(x) -> (mu, logvar) and decode(z) -> params, one tensor each.
        loss: loss(params, x, mu, logvar), of `params, mu, logvar = model(x)`; or loss(model, x), the whole
            step. It returns a scalar and has one draw of z per image. Where its first argument is called x,
            target or the like, and the second is not, it gets (x, params, mu, logvar).
        x: a batch as it goes into training, (B, ...).
        beta: the weight of the KL term that is wanted.
        likelihood: the p(x|z) that is wanted, with log_prob(x, params), such as `likelihoods.Gaussian()`.
            None recognizes Bernoulli, continuous Bernoulli, Gaussian and Laplace by their gradient; of the
            last two the scale is not known, and with it β: the scale is given for the wanted β, see (7.6).
        seed: of the numbers that are tried.

    Returns:
        Diagnosis: without findings if the loss is minus the ELBO up to a factor in front of all of it.

    Raises:
        ValueError: model, loss or x is not as described. An error inside the step is not caught.

    Source: book equations (3.4), (4.5), (6.1), (7.1) and (7.6); what it finds is the subject of chapter 9.
    """
    beta = require.positive("beta", beta)
    probe = Probe(model, loss, x, seed)
    broken, cut = probe.first_run()
    if broken:
        return Diagnosis((_finding(*broken),))
    seen = probe.look()
    b, reading, kl = _kl_term(probe, seen)
    a, name, reconstruction, unchecked = _reconstruction_term(probe, seen, likelihood)
    ratio, weights = _weights(probe, seen, a, b, beta, name) if a and b else (None, [])
    if ratio and not (reconstruction or kl or weights):
        weights = _constant(seen, a, b, reading)
    if name in WITH_A_SCALE and a and b and not weights:
        name, unchecked = _scale(seen, name, abs(b / a) / beta, beta)
    draw, undrawn = _draw(probe, reading)
    findings = [
        _finding(*one, D=probe.D, J=probe.J, beta=beta) for one in cut + reconstruction + kl + weights + draw
    ]
    return Diagnosis(tuple(findings), name, ratio, tuple(text for text in (unchecked, undrawn) if text))


def _finding(code: str, found: str, right: str | None = None, **fields) -> Finding:
    message, expected, equation, fix = FINDINGS[code]
    return Finding(code, message.format(**fields), expected.format(**fields), found, equation, right or fix)


# The two terms


def _fit(slope: Tensor, candidate: Tensor) -> tuple[float, float]:
    """The factor before `candidate` that comes nearest to `slope`, and how far that is off, relative."""
    finite = slope.isfinite()
    slope, candidate = (value.detach()[finite].double() for value in (slope, candidate))
    size = candidate @ candidate
    if not 0 < size < math.inf:
        return 0.0, math.inf
    factor = (slope @ candidate) / size
    return factor.item(), ((slope - factor * candidate).norm() / slope.norm()).item()


def _kl(seen: Seen, reading: str) -> Tensor:
    """(4.5), summed over the batch, where s is taken for `reading`."""
    sigma = READINGS[reading](seen.s)
    return 0.5 * (seen.mu**2 + sigma**2 - 2 * torch.log(sigma) - 1).sum()


def _kl_term(probe: Probe, seen: Seen) -> tuple[float | None, str | None, list]:
    """b in loss = a Σ −log p + b Σ KL; what s is taken for there; what is off."""
    in_mu, in_s, _ = seen.slopes
    if not in_mu.any() and not in_s.any():
        return None, None, [("no_kl", "the loss does not change with mu and logvar")]
    slope, at = torch.cat([in_mu, in_s]), (seen.mu, seen.s)
    fits = {name: _fit(slope, torch.cat(torch.autograd.grad(_kl(seen, name), at))) for name in READINGS}
    reading = min(fits, key=lambda name: fits[name][1])
    b, off = fits[reading]
    if off > seen.tolerance:
        half = torch.autograd.grad(_kl(seen, "ln σ²"), seen.s)[0]
        parts = [
            f"{_fit(part, wanted)[0] * len(part):.3g} {name}" if part.any() else f"0 {name}"
            for part, wanted, name in ((in_mu, seen.mu, "μ"), (in_s, half, "½(σ² − 1)"))
        ]
        return None, None, [("kl_formula", f"at best {' and '.join(parts)}")]
    if b < 0:
        return b, reading, [("kl_sign", f"{b * len(in_mu):.3g} times these")]
    return b, reading, _floor(probe, seen, b, reading)


def _floor(probe: Probe, seen: Seen, b: float, reading: str) -> list:
    """Is the slope of the KL term the same close to the prior, where free bits would have none?"""
    if seen.tolerance > 0.01:
        return []
    mu = (0.1 * seen.mu).detach().requires_grad_()
    s = (AT_THE_PRIOR[reading] + 0.1 * (seen.s - 1)).detach().requires_grad_()
    in_mu = probe.slopes((mu, s, seen.params))[1][0]
    there, _ = _fit(in_mu, mu)
    if abs(there / b - 1) < 0.02:
        return []
    return [("kl_floor", f"close to the prior its weight is {there / b:.3g} times that elsewhere")]


def _recognized(probe: Probe, seen: Seen, x: Tensor, likelihood) -> tuple[str, float, float, Tensor, float]:
    """The −log p with the gradient nearest to that of the loss: name, factor, how far off, target, value."""
    slope, flat = seen.slopes[2], seen.params.flatten(1)
    fits = []
    for target in (x, x / 255) if x.max() > 1.5 else (x,):  # a loss may divide by itself
        for name, nll in (LIKELIHOODS | SWAPPED).items():
            if probe.ends_in_sigmoid or name != "Bernoulli of probabilities":
                value = nll(flat, target.reshape(flat.shape)).sum()
                fits.append((name, *_fit(slope, *gradients(value, [seen.params])), target, value.item()))
    if likelihood is not None:
        value = -likelihood.log_prob(x.reshape(flat.shape), flat).sum()
        wanted = _fit(slope, *gradients(value, [seen.params]))
        if wanted[1] < seen.tolerance:
            return f"{type(likelihood).__name__}, as wanted", *wanted, x, math.nan
    return min(fits, key=lambda fit: fit[2])


def _reconstruction_term(probe: Probe, seen: Seen, likelihood) -> tuple[float | None, str | None, list, str]:
    """a in loss = a Σ −log p + b Σ KL; which p; what is off; what could not be checked."""
    slope, x = seen.slopes[2], probe.x.to(**probe.like)
    if not slope.any():
        return None, None, [("no_reconstruction", "the same loss for other params")], ""
    if not slope.isfinite().any():
        return None, None, [("not_finite", "infinite slopes in params")], ""
    if x.numel() != slope.numel():
        unlike = f"{slope[0].numel()} numbers from decode for {probe.D} pixels"
        return None, None, [], f"the reconstruction: {unlike}"
    name, a, off, target, value = _recognized(probe, seen, x, likelihood)
    if off > seen.tolerance:
        unknown = "the reconstruction: its gradient is that of no likelihood known here"
        return None, None, _misplaced(probe, seen), unknown
    if name in SWAPPED:
        return None, None, [("arguments_swapped", f"the gradient of {name}(x, params)")], ""
    _, _, right = WITH_A_SCALE.get(name, (None, None, NLL_LINE))
    wrong = [("reconstruction_sign", f"{a * len(x):.3g} times this", right)] if a < 0 else []
    if name == "Bernoulli of a sigmoid":
        wrong.append(("sigmoid_twice", "the gradient of a loss of sigmoid(sigmoid(params))"))
    elif name in TAKE_LOGITS and probe.ends_in_sigmoid:
        wrong.append(("sigmoid_twice", "decode ends in a sigmoid, and the loss takes its output for logits"))
    elif name in TAKE_LOGITS and probe.never_negative:
        wrong.append(("never_negative", "no negative number from decode, whatever its weights"))
    elif likelihood is not None and not name.endswith("as wanted"):
        wrong.append(("other_likelihood", f"that of {name}"))
    low, high = (float(end) for end in torch.aminmax(target))
    if "Bernoulli" in name and (low < 0 or high > 1):
        standardized = "x without its standardization, or another likelihood: " + WITH_A_SCALE["Gaussian"][2]
        right = standardized if low < 0 else None
        wrong.append(("data_outside_unit_interval", f"values from {low:g} to {high:g}", right))
    seen.target = target
    if name not in WITH_A_SCALE:
        seen.nll = value
    return a, name, wrong, ""


def _misplaced(probe: Probe, seen: Seen) -> list:
    """Where no likelihood fits: does a slope depend on another image, or on another pixel than its own?"""
    at = tuple(value.detach().requires_grad_() for value in (seen.mu, seen.s, seen.params))
    before, x, last = probe.slopes(at)[1][2], probe.x, len(probe.x) - 1
    mirrored = (x.double().amin() + x.double().amax() - x.double()).to(x.dtype)

    def moved(x, params):
        after = probe.slopes((*at[:2], params.detach().requires_grad_()), x=x)[1][2]
        return ((after - before).abs() > 1e-5 * before.abs().max()).flatten(1)

    for row in {0, last} if last else ():
        changed = torch.arange(len(x), device=x.device) == row
        here = changed.reshape(-1, *[1] * (x.ndim - 1))
        inside = changed.reshape(-1, *[1] * (at[2].ndim - 1))
        for what, there in (
            ("image", moved(torch.where(here, mirrored, x), at[2])),
            ("prediction", moved(x, torch.where(inside, 0.7 * at[2], at[2]))),
        ):
            others = [i for i in there.any(1).nonzero().flatten().tolist() if i != row]
            if others:
                rows = f"row{'s' * (len(others) > 1)} {', '.join(map(str, others[:3]))}"
                more = " …" if len(others) > 3 else ""
                return [("wrong_target", f"another {what} in row {row} changes the slopes in {rows}{more}")]
    pixel = min(1, probe.D - 1)  # off the diagonal, and not where a flip leaves it
    here = (torch.arange(probe.D, device=x.device) == pixel).reshape(x[0].shape)
    there = moved(torch.where(here, mirrored, x), at[2]).any(0)
    if there.any() and not there[pixel]:
        other = int(there.nonzero()[0])
        return [("wrong_target", f"pixel {pixel} of an image is held against the params of pixel {other}")]
    return []


def _weights(
    probe: Probe, seen: Seen, a: float, b: float, beta: float, name: str
) -> tuple[float | None, list]:
    """b/a, and which sums became means if it is not β."""
    D, J, margin = probe.D, probe.J, max(0.02, seen.tolerance)

    def is_(value, *wanted):
        return any(abs(value / one - 1) < margin for one in wanted)

    ratio, known = abs(b / a) / beta, name not in WITH_A_SCALE
    if known and is_(ratio, 1):
        return b / a, []
    # Where a sum is a mean, the slopes are halved when everything stands there twice.
    count, twice = len(probe.x), probe.look(rows=2)
    averaged = [is_(_fit(twice.slopes[part][:count], seen.slopes[part])[0], 0.5) for part in (2, 0)]
    of_a, of_b = (abs(f) * (count if mean else 1) for f, mean in zip((a, b), averaged, strict=True))
    try:
        latents = is_(_fit(probe.look(columns=2).slopes[0][:, : seen.mu.shape[1]], seen.slopes[0])[0], 0.5)
    except Exception:  # the step is made for J latent dimensions
        latents = J > 1 and is_(of_b, 1 / J, 2 / J)
    found = f"{of_a:.3g} before −log p(x|z) and {of_b:.3g} before the KL"
    causes, told = {}, {}
    if D > 1 and is_(of_a * D, 1, 2):
        if known:
            causes["pixel_mean"] = D
        elif (wide := _too_wide(seen, name, ratio)) and not is_(of_b * D, 1):  # not the whole loss per pixel
            causes["pixel_mean"], told["pixel_mean"] = D, (f"{found}: {wide}", WITH_A_SCALE[name][2])
    if J > 1 and latents:
        causes["kl_mean_over_latents"] = 1 / J
    if averaged[0] != averaged[1]:
        causes["batch_sums_differ"] = count if averaged[0] else 1 / count
        one, other = ("−log p(x|z)", "the KL") if averaged[0] else ("the KL", "−log p(x|z)")
        told["batch_sums_differ"] = (f"{one} averaged over B = {count}, {other} summed",)

    def findings(codes):
        return [(code, *told.get(code, (found,))) for code in codes]

    if not known:
        return None, findings(causes)
    causes |= {"kl_without_half": 2, "kl_half_twice": 0.5}
    for size in range(1, len(causes)):
        for codes in itertools.combinations(causes, size):
            if is_(ratio, math.prod(causes[code] for code in codes)):
                return b / a, findings(codes)
    return b / a, [("beta", f"β = {abs(b / a):.3g}: {found}")]


def _too_wide(seen: Seen, name: str, ratio: float) -> str:
    """Why the implied scale is no choice of σ but a slip; empty if it may be one.

    The best σ² is the mean squared error (7.5), and the root mean square deviation of data from their mean is
    half their range at most (for a Laplace: the mean deviation from their median).
    """
    symbol, power, _ = WITH_A_SCALE[name]
    low, high = (float(end) for end in torch.aminmax(seen.target))
    scale, most = ratio**power, (high - low) / 2
    average = "root mean square" if power == 0.5 else "mean"
    wide = f"{symbol} = {scale:.3g}, where pixels from {low:.2f} to {high:.2f} deviate by {most:.2f} at most"
    wide += f", {average}"
    return wide if scale > most else ""


def _scale(seen: Seen, name: str, ratio: float, beta: float) -> tuple[str, str]:
    """The likelihood with the scale that a weight of β implies, and what remains open by that."""
    symbol, power, _ = WITH_A_SCALE[name]
    spread = seen.target.std(correction=0).item()
    return (
        f"{name}, {symbol} = {ratio**power:.3g} if β = {beta:g}",
        f"the weight of the KL term: it is a choice of {symbol}, see (7.6); "
        f"the pixels' own standard deviation is {spread:.3g}",
    )


def _constant(seen: Seen, a: float, b: float, reading: str) -> list:
    """Is the value of the loss that of its two terms, where none of them may drop a constant?"""
    constant = seen.loss - a * seen.nll - b * _kl(seen, reading).item()
    if not abs(constant) > 1e-4 * abs(seen.loss):  # NaN where a value is not known
        return []
    half = seen.mu[0].numel() / 2
    return [("loss_constant", f"{constant / a / len(seen.mu):+.3f} nats per image; J/2 is {half:g}")]


# The draw


def _draw(probe: Probe, reading: str | None) -> tuple[list, str]:
    """z = μ + σ ε: is there noise, new each time, as wide as the KL term says, and with a gradient?"""
    count = min(1024, max(64, 2**22 // probe.D))
    mu, s, params = probe.trial(count)

    def z_of(s, draw, anew=True):
        probe.run(count, (mu, s), params, draw, anew=anew)
        return probe.decoding.z.reshape(mu.shape)

    z, wrong = z_of(s, 0), []
    eps = (z - mu).detach().double()
    quiet = bool(eps.abs().max() < 1e-5)
    slopes = gradients(z.sum(), (mu, s))
    lost = [
        part for part, slope in zip(("mu", "logvar"), slopes, strict=True) if slope is None or not slope.any()
    ]
    if quiet:
        wrong.append(("no_noise", "z = mu"))
    if lost and not (quiet and lost == ["logvar"]):
        wrong.append(("no_gradient_through_z", f"no gradient from z to {' and '.join(lost)}"))
    if quiet:
        return wrong, ""
    if "mu" not in lost and (slopes[0] - 1).abs().max() > 1e-3:
        low, high = (f"{float(end):.3g}" for end in torch.aminmax(slopes[0]))
        seen = f"dz/dμ = {low}" if low == high else f"dz/dμ from {low} to {high}"
        return [*wrong, ("draw_formula", seen)], ""
    if torch.equal(z, z_of(s, 1, anew=False)):
        wrong.append(("frozen_noise", "the same ε in two steps"))
    # d ln σ/ds of the draw: by its gradient, or from the same ε at a slightly larger s
    step = 1e-2
    if "logvar" not in lost:
        rate = slopes[1].double() / eps
    elif torch.equal(z, z_of(s, 0)):
        rate = torch.log((z_of(s + step, 0) - mu).detach().double() / eps) / step
    else:
        return wrong, "the width of the draw: it has no gradient, and a generator of its own"
    errors = {}
    for kind, sigma in READINGS.items():
        at = s.detach().double().requires_grad_()
        wanted = torch.autograd.grad(torch.log(sigma(at)).sum(), at)[0]
        errors[kind] = (rate - wanted).abs().nanmedian().item()
    used = min(errors, key=errors.get)
    if errors[used] > 0.02 and reading is None:
        return wrong, "the width of the draw: it is no function of logvar known here"
    if errors[used] > 0.02:
        strange = f"the draw takes it for nothing that is known here, the KL term for {reading}"
        return [*wrong, ("sigma_mismatch", strange)], ""
    if reading not in (None, used):
        pair = "sigma_is_exp_logvar" if (reading, used) == ("ln σ²", "ln σ") else "sigma_mismatch"
        wrong.append((pair, f"the draw takes it for {used}, the KL term for {reading}"))
    eps = (eps / READINGS[used](s.detach().double())).flatten(1)
    if (eps - eps[0]).abs().max() < 1e-3:
        wrong.append(("one_eps_per_batch", "the same ε in all rows"))
    elif probe.J > 1 and (eps - eps[:, :1]).abs().max() < 1e-3:
        wrong.append(("one_eps_per_image", "the same ε in all columns"))
    else:
        mean, variance, root = eps.mean().item(), eps.var().item(), math.sqrt(eps.numel())
        if abs(mean) * root > 5 or abs(variance - 1) * root > 5 * math.sqrt(2):
            wrong.append(("noise_not_standard_normal", f"mean {mean:.2f} and variance {variance:.2f}"))
    return wrong, ""
