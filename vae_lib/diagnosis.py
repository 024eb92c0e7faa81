"""What is wrong with a loss, in words: any model and its loss held against the identities of the book."""

from __future__ import annotations

import copy
import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_lib import _validate as check
from vae_lib.likelihoods import ContinuousBernoulli

# What the encoder's second output s may be taken for, and σ as a function of it.
READINGS = {
    "ln σ²": lambda s: torch.exp(s / 2),
    "ln σ": torch.exp,
    "σ": lambda s: s,
    "σ²": torch.sqrt,
    "σ before a softplus": F.softplus,
}

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
WITH_A_SCALE = ("Gaussian", "Gaussian of a sigmoid", "Laplace")  # its σ hides in the weight of the term

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
    "no_gradient_to_encoder": ("What the encoder puts out is cut off from its weights: it does not learn.",
        "a gradient from the loss to the encoder", "(6.2)", "no detach() and no torch.no_grad() in encode"),
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
    "other_likelihood": ("The reconstruction term belongs to another likelihood than the one wanted.",
        "the gradient of −log p(x|z)", "(7.1)", "nll = -likelihood.log_prob(x, params).mean()"),
    "pixel_mean": (
        "The reconstruction term is averaged over the D = {D} pixels: the KL term weighs {D} times too much.",
        "a sum over the pixels", "(7.1)", NLL_LINE),
    "sigmoid_twice": ("A sigmoid is applied twice: no pixel can be predicted below ½.",
        "probability sigmoid(params), where params are any real numbers", "(7.2)", NLL_LINE),
    "data_outside_unit_interval": ("Cross-entropy is for pixels from 0 to 1; beyond, it has no lower bound.",
        "x in [0, 1]", "(7.2)", "x = images.float() / 255"),
    "no_noise": ("z is the mean itself: the decoder never sees the width that the KL term pays for.",
        "z = μ + σ ε with ε ~ N(0, I)", "(6.1)", DRAW_LINE),
    "no_gradient_through_z": ("z is cut off from the encoder: the reconstruction term does not train it.",
        "dz/dμ = 1 and dz/dσ = ε", "(6.2)", DRAW_LINE),
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
        return (
            f"{self.code}: {self.message}\n  expected: {self.expected} {self.equation}\n"
            f"  found: {self.found}\n  right: {self.fix}"
        )


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` found. Printed, it is a text.

    Attributes:
        findings: what is off, a tuple of `Finding`; empty if nothing is.
        likelihood: the reconstruction loss that was recognized, or None.
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
        if not lines:
            weight = "" if self.beta is None else f", β = {self.beta:.3g}"
            lines = [f"nothing wrong found: {self.likelihood or 'reconstruction of an unknown kind'}{weight}"]
        return "\n".join([*lines, *(f"not checked: {text}" for text in self.unchecked)])

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
    the model, its gradients, its mode and torch's global random numbers stay as they are.

    Args:
        model: any module with encode(x) -> (mu, logvar) and decode(z) -> params, one tensor each.
        loss: loss(params, x, mu, logvar), of `params, mu, logvar = model(x)`; or loss(model, x), the whole
            step. It returns a scalar and has one draw of z per image.
        x: a batch as it goes into training, (B, ...).
        beta: the weight of the KL term that is wanted.
        likelihood: the p(x|z) that is wanted, with log_prob(x, params), such as `likelihoods.Gaussian()`.
            None recognizes Bernoulli, continuous Bernoulli, Gaussian and Laplace by their gradient; of the
            last two the scale stays unknown, and with it β, see (7.6).
        seed: of the numbers that are tried.

    Returns:
        Diagnosis: without findings if the loss is minus the ELBO up to a factor in front of all of it.

    Raises:
        ValueError: model, loss or x is not as described. An error inside the step is not caught.

    Source: book equations (3.4), (4.5), (6.1), (7.1) and (7.6); what it finds is the subject of chapter 9.
    """
    beta = check.positive("beta", beta)
    probe = _Probe(model, loss, x, seed)
    broken = probe.first_run()
    if broken:
        return Diagnosis((_finding(*broken),))
    seen = probe.look()
    b, reading, kl = _kl_term(seen)
    a, name, reconstruction, unchecked = _reconstruction_term(probe, seen, likelihood)
    ratio, weights = _weights(probe, seen, a, b, beta, name) if a and b else (None, [])
    if ratio and not (reconstruction or kl or weights):
        weights = _constant(seen, a, b, reading)
    draw, undrawn = _draw(probe, reading)
    findings = [
        _finding(*pair, D=probe.D, J=probe.J, beta=beta) for pair in reconstruction + kl + weights + draw
    ]
    return Diagnosis(tuple(findings), name, ratio, tuple(text for text in (unchecked, undrawn) if text))


def _finding(code: str, found: str, **fields) -> Finding:
    message, expected, equation, fix = FINDINGS[code]
    return Finding(code, message.format(**fields), expected.format(**fields), found, equation, fix)


@dataclass
class _Seen:
    """What was put in place of the networks' outputs, and the loss with its gradients there."""

    mu: Tensor
    s: Tensor
    params: Tensor
    loss: float
    slopes: tuple[Tensor, Tensor, Tensor]
    tolerance: float  # relative, of the slopes
    nll: float = math.nan  # Σ −log p(x|z), once it is known


class _Probe:
    """A copy of the model in which encode and decode answer what they are told, and the step that uses it."""

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor], x: Tensor, seed: int):
        if not isinstance(model, nn.Module) or not all(hasattr(model, name) for name in ("encode", "decode")):
            raise ValueError("model must be a module with encode(x) -> (mu, logvar) and decode(z) -> params")
        if not isinstance(x, Tensor) or x.ndim < 2 or x.numel() == 0:
            raise ValueError(f"x must be a batch, (B, ...), got {getattr(x, 'shape', type(x))}")
        self.step, self.x, self.seed = _step(loss), x, seed
        self.model = copy.deepcopy(model).train()
        self.networks = self.model.encode, self.model.decode
        for name in ("encode", "decode"):
            self.model._modules.pop(name, None)  # where it is a module, not a method
        self.model.encode, self.model.decode = self._encode, self._decode

    def _encode(self, *args):
        self.encoded = self.networks[0](*args) if self.encoded is None else self.encoded
        return self.encoded

    def _decode(self, z, *args):
        self.z = z
        self.params = self.networks[1](z, *args) if self.params is None else self.params
        return self.params

    def run(self, count: int, encoded=None, params=None, draw: int = 0) -> Tensor:
        """The loss of `count` rows, with `encoded` and `params` in place of what the networks put out."""
        self.encoded, self.params, self.z = encoded, params, None
        rows = self.x[torch.arange(count, device=self.x.device) % len(self.x)]
        with _forked(), torch.enable_grad():
            torch.manual_seed(self.seed + draw)
            loss = self.step(self.model, rows)
        if self.encoded is None or self.z is None:
            raise ValueError("this step does not go through model.encode and model.decode")
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise ValueError(f"loss must return a scalar, got {getattr(loss, 'shape', type(loss))}")
        return loss.sum()

    def first_run(self) -> tuple[str, str] | None:
        """One honest step, which shows the shapes. Returns what makes it idle to look further."""
        count = max(2, min(len(self.x), 64))  # two for the sake of batch norms
        loss = self.run(count)
        if not isinstance(self.encoded, tuple | list) or len(self.encoded) != 2:
            raise ValueError("encode must return (mu, logvar)")
        mu, logvar, params = *self.encoded, self.params
        if not isinstance(params, Tensor) or mu.dtype not in (torch.float32, torch.float64):
            raise ValueError("encode must return float32 or float64, and decode one tensor")
        pixels = self.x[0].numel()
        if mu.shape != logvar.shape or mu.numel() != self.z.numel() or params.numel() % (count * pixels):
            named = {"x": self.x[:1].expand(count, *self.x.shape[1:]), "mu": mu, "logvar": logvar}
            shapes = (named | {"z": self.z, "params": params}).items()
            return "shapes", ", ".join(f"{name} {check.shape_of(value)}" for name, value in shapes)
        values = {"x": self.x, "mu": mu, "logvar": logvar, "params": params, "the loss": loss}
        bad = [name for name, value in values.items() if not torch.isfinite(value).all()]
        if bad:
            return "not_finite", f"NaN or infinity in {', '.join(bad)}"
        if not mu.requires_grad and any(weight.requires_grad for weight in self.model.parameters()):
            return "no_gradient_to_encoder", "mu does not know how it was made"
        self.like = {"dtype": mu.dtype, "device": mu.device}
        self.latent, self.pixels, self.J, self.D = mu.shape[1:], params.shape[1:], mu[0].numel(), pixels
        with _forked(), torch.no_grad():
            far = self.networks[1](30 * self.random(torch.randn, self.z.shape))
        ends = [float(end) for output in (params.detach(), far) for end in torch.aminmax(output)]
        self.ends_in_sigmoid = min(ends) >= 0 and max(ends) <= 1
        return None

    def random(self, kind: Callable, shape) -> Tensor:
        generator = torch.Generator(self.like["device"]).manual_seed(self.seed)
        return kind(shape, generator=generator, **self.like)

    def trial(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """mu, s and params to put in place of the networks' outputs. s is positive: it may be a variance."""
        shape = (count, *self.latent)
        mu, s = self.random(torch.randn, shape), 0.3 + 1.7 * self.random(torch.rand, shape).flip(0)
        params = self.random(torch.randn, (count, *self.pixels))
        params = 0.05 + 0.9 * torch.sigmoid(params) if self.ends_in_sigmoid else 1.5 * params
        return mu.requires_grad_(), s.requires_grad_(), params.requires_grad_()

    def look(self, rows: int = 1, columns: int = 1) -> _Seen:
        """The loss and its slopes in mu, s and params, with the networks out of the way.

        The batch may be repeated, and the latent dimensions, to see which sums are means.
        """
        mu, s, params = (value.detach() for value in self.trial(len(self.x)))
        mu, s = (value.repeat(rows, columns, *[1] * (value.ndim - 2)) for value in (mu, s))
        params = params.repeat(rows, *[1] * (params.ndim - 1))
        at = mu, s, params = [value.requires_grad_() for value in (mu, s, params)]

        def slopes(draw):
            loss = self.run(len(mu), (mu, s), params, draw)
            if not loss.requires_grad:
                return loss.item(), [torch.zeros_like(value) for value in at]
            found = torch.autograd.grad(loss, at, allow_unused=True)
            return loss.item(), [
                torch.zeros_like(v) if g is None else g for v, g in zip(at, found, strict=True)
            ]

        (loss, first), (_, second) = slopes(0), slopes(1)
        if all(torch.allclose(g, h, rtol=1e-4, atol=1e-9) for g, h in zip(first, second, strict=True)):
            return _Seen(mu, s, params, loss, tuple(first), tolerance=1e-3)
        draws = [slopes(draw)[1] for draw in range(400)]  # the KL term itself is estimated from z
        mean = tuple(torch.stack(parts).mean(0) for parts in zip(*draws, strict=True))
        return _Seen(mu, s, params, math.nan, mean, tolerance=0.2)


def _forked():
    """Random numbers that are drawn inside are put back, on every device."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def _step(loss: Callable[..., Tensor]) -> Callable[[nn.Module, Tensor], Tensor]:
    """The training step as a function of model and x, from either kind of loss."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)
    if count == 2:
        return loss
    if count != 4:
        raise ValueError("loss must be a function loss(params, x, mu, logvar) or loss(model, x)")

    def step(model, x):
        answer = model(x)
        if not isinstance(answer, tuple | list) or len(answer) != 3:
            raise ValueError("model(x) must return (params, mu, logvar), or pass a function loss(model, x)")
        return loss(answer[0], x, *answer[1:])

    return step


def _fit(slope: Tensor, candidate: Tensor) -> tuple[float, float]:
    """The factor before `candidate` that comes nearest to `slope`, and how far that is off, relative."""
    slope, candidate = (value.detach().double().flatten() for value in (slope, candidate))
    factor = (slope @ candidate) / (candidate @ candidate)
    return factor.item(), ((slope - factor * candidate).norm() / slope.norm()).item()


def _best(fits: dict[str, tuple[float, float]]) -> str:
    return min(fits, key=lambda name: fits[name][1])


def _kl(seen: _Seen, reading: str) -> Tensor:
    """(4.5), summed over the batch, where s is taken for `reading`."""
    sigma = READINGS[reading](seen.s)
    return 0.5 * (seen.mu**2 + sigma**2 - 2 * torch.log(sigma) - 1).sum()


def _kl_term(seen: _Seen) -> tuple[float | None, str | None, list]:
    """b in loss = a Σ −log p + b Σ KL; what s is taken for there; what is off."""
    in_mu, in_s, _ = seen.slopes
    if not in_mu.any() and not in_s.any():
        return None, None, [("no_kl", "the loss does not change with mu and logvar")]
    slope, at = torch.cat([in_mu, in_s]), (seen.mu, seen.s)
    fits = {name: _fit(slope, torch.cat(torch.autograd.grad(_kl(seen, name), at))) for name in READINGS}
    reading = _best(fits)
    b, off = fits[reading]
    if off > seen.tolerance:
        half = torch.autograd.grad(_kl(seen, "ln σ²"), seen.s)[0]
        parts = [
            f"{_fit(part, wanted)[0] * len(part):.3g} {name}" if part.any() else f"0 {name}"
            for part, wanted, name in ((in_mu, seen.mu, "μ"), (in_s, half, "½(σ² − 1)"))
        ]
        return None, None, [("kl_formula", f"at best {' and '.join(parts)}")]
    wrong = [("kl_sign", f"{b * len(in_mu):.3g} times these")] if b < 0 else []
    return b, reading, wrong


def _reconstruction_term(
    probe: _Probe, seen: _Seen, likelihood
) -> tuple[float | None, str | None, list, str]:
    """a in loss = a Σ −log p + b Σ KL; which p; what is off; what could not be checked."""
    slope, x = seen.slopes[2], probe.x.to(**probe.like)
    if not slope.any():
        return None, None, [("no_reconstruction", "the same loss for other params")], ""
    if x.numel() != slope.numel():
        unlike = f"{slope[0].numel()} numbers from decode for {probe.D} pixels"
        return None, None, [], f"the reconstruction: {unlike}"
    flat = seen.params.flatten(1)
    candidates = {}
    for target in (x, x / 255) if x.max() > 1.5 else (x,):  # a loss may divide by itself
        for name, nll in LIKELIHOODS.items():
            if probe.ends_in_sigmoid or name != "Bernoulli of probabilities":
                candidates.setdefault(name, []).append((nll(flat, target.reshape(flat.shape)).sum(), target))
    fits = {
        (name, number): _fit(slope, torch.autograd.grad(value, seen.params, retain_graph=True)[0])
        for name, found in candidates.items()
        for number, (value, _) in enumerate(found)
    }
    name, number = _best(fits)
    (a, off), target = fits[name, number], candidates[name][number][1]
    if likelihood is not None:
        value = -likelihood.log_prob(x.reshape(flat.shape), flat).sum()
        wanted = _fit(slope, torch.autograd.grad(value, seen.params)[0])
        if wanted[1] < seen.tolerance:
            (a, off), name, target = wanted, f"{type(likelihood).__name__}, as wanted", x
    if off > seen.tolerance:
        return None, None, [], "the reconstruction: its gradient is that of no likelihood known here"
    wrong = [("reconstruction_sign", f"{a * len(x):.3g} times this")] if a < 0 else []
    if name == "Bernoulli of a sigmoid":
        wrong.append(("sigmoid_twice", "the gradient of a loss of sigmoid(sigmoid(params))"))
    elif name in TAKE_LOGITS and probe.ends_in_sigmoid:
        wrong.append(("sigmoid_twice", "decode ends in a sigmoid, and the loss takes its output for logits"))
    elif likelihood is not None and not name.endswith("as wanted"):
        wrong.append(("other_likelihood", f"that of {name}"))
    low, high = (float(end) for end in torch.aminmax(target))
    if "Bernoulli" in name and (low < 0 or high > 1):
        wrong.append(("data_outside_unit_interval", f"values from {low:g} to {high:g}"))
    if name in LIKELIHOODS and name not in WITH_A_SCALE:
        seen.nll = candidates[name][number][0].item()
    return a, name, wrong, ""


def _weights(
    probe: _Probe, seen: _Seen, a: float, b: float, beta: float, name: str
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
    causes = {}
    if D > 1 and is_(of_a * D, 1, 2) and (known or not is_(of_b * D, 1)):  # not the whole loss per pixel
        causes["pixel_mean"] = D
    if J > 1 and latents:
        causes["kl_mean_over_latents"] = 1 / J
    if averaged[0] != averaged[1]:
        causes["batch_sums_differ"] = count if averaged[0] else 1 / count
    found = f"{of_a:.3g} before −log p(x|z) and {of_b:.3g} before the KL"
    if not known:
        return None, [(code, found) for code in causes]
    causes |= {"kl_without_half": 2, "kl_half_twice": 0.5}
    for size in range(1, len(causes)):
        for codes in itertools.combinations(causes, size):
            if is_(ratio, math.prod(causes[code] for code in codes)):
                return b / a, [(code, found) for code in codes]
    return b / a, [("beta", f"β = {abs(b / a):.3g}: {found}")]


def _constant(seen: _Seen, a: float, b: float, reading: str) -> list:
    """Is the value of the loss that of its two terms, where none of them may drop a constant?"""
    constant = seen.loss - a * seen.nll - b * _kl(seen, reading).item()
    if not abs(constant) > 1e-4 * abs(seen.loss):  # NaN where a value is not known
        return []
    half = seen.mu[0].numel() / 2
    return [("loss_constant", f"{constant / a / len(seen.mu):+.3f} nats per image; J/2 is {half:g}")]


def _draw(probe: _Probe, reading: str | None) -> tuple[list, str]:
    """z = μ + σ ε: is there noise, new each time, as wide as the KL term says, and with a gradient?"""
    count = min(1024, max(64, 2**22 // probe.D))
    mu, s, params = probe.trial(count)

    def z_of(s, draw):
        probe.run(count, (mu, s), params, draw)
        return probe.z.reshape(mu.shape)

    z, wrong = z_of(s, 0), []
    eps = (z - mu).detach().double()
    quiet = bool(eps.abs().max() < 1e-5)
    slopes = torch.autograd.grad(z.sum(), (mu, s), allow_unused=True) if z.requires_grad else (None, None)
    lost = [
        part for part, slope in zip(("mu", "logvar"), slopes, strict=True) if slope is None or not slope.any()
    ]
    if quiet:
        wrong.append(("no_noise", "z = mu"))
    if lost and not (quiet and lost == ["logvar"]):
        wrong.append(("no_gradient_through_z", f"no gradient from z to {' and '.join(lost)}"))
    if quiet:
        return wrong, ""
    if torch.equal(z, z_of(s, 1)):
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
    if errors[used] > 0.02:
        return wrong, "the width of the draw: it is no function of logvar known here"
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
