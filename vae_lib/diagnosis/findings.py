"""The table of findings, their texts, and the result of `diagnose`.

A check returns a `Fault`, a code and what was seen; all other words of a finding stand in the table.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

KL_LINE = "kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()"
NLL_LINE = 'nll = F.binary_cross_entropy_with_logits(params, x, reduction="sum") / len(x)'
DRAW_LINE = "z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)"
KL_SLOPES = "slopes μ in mu and ½(σ² − 1) in logvar, for each image"

# Code: (what is wrong and what it does, what is expected, the equation, a line that would be right).
FINDINGS = {
    # The networks
    "shapes": ("The outputs of encoder and decoder do not fit together.",
        "mu, logvar and z of one shape (B, J), params in the shape of x", "(4.1)",
        "mu, logvar = encoder(x).chunk(2, dim=-1)"),
    "not_finite": ("The first step is not finite.", "finite numbers", "(3.4)",
        "look at the data, then at logvar"),
    "no_gradient_to_encoder": ("The encoder, or a part of it, gets no gradient: it does not learn.",
        "a gradient from the loss to the encoder", "(6.2)", "no detach() and no torch.no_grad() in encode"),
    "no_gradient_to_decoder": ("The decoder, or a part of it, gets no gradient: it does not learn.",
        "a gradient from the loss to the decoder", "(8.1)", "no detach() and no torch.no_grad() in decode"),
    # The KL term
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
    # The two terms together
    "batch_sums_differ": ("One term is averaged over the images of the batch, the other is summed.",
        "the same for both terms", "(8.1)", "loss = (nll + kl).mean()  # both of shape (B,)"),
    "beta": ("The KL term has another weight than the β = {beta:g} that is wanted.",
        "β = {beta:g}", "(7.6)", "loss = nll + beta * kl, or diagnose(…, beta=…) if the weight is meant"),
    "loss_constant": ("The loss trains what it should, but its value is not minus the ELBO.",
        "−log p(x|z) + KL, with the −1 of each latent dimension", "(3.4), (4.5)", KL_LINE),
    # The reconstruction term
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
    # The draw of z
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


class Fault(NamedTuple):
    """What a check returns for a fault that it has seen; `finding` puts it into words.

    `code` is a key of `FINDINGS`, `found` is what was seen; `fix` replaces the right line of the table.
    """

    code: str
    found: str
    fix: str | None = None


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


def finding(fault: Fault, **sizes: float) -> Finding:
    """The finding of a fault; `sizes` (D, J, beta) go into the words of the table."""
    message, expected, equation, fix = FINDINGS[fault.code]
    return Finding(
        fault.code, message.format(**sizes), expected.format(**sizes), fault.found, equation, fault.fix or fix
    )
