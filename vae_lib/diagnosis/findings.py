"""The table of findings, and their texts.

A check returns a `Fault`, a code and what was seen; all other words of a finding stand in the table.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

KL_LINE = "kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()"
NLL_LINE = 'nll = F.binary_cross_entropy_with_logits(params, x, reduction="sum") / len(x)'
DRAW_LINE = "z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)"
KL_GRADIENT = "the gradient μ in mu and ½(σ² − 1) in logvar, for each image"

# Code: (what is wrong and what it does, what is expected, the equation, a line that would be right).
FINDINGS = {
    # The networks
    "shapes": ("The outputs of encoder and decoder do not fit together. No loss can be computed from "
        "them as it is meant.",
        "mu, logvar and z of one shape (B, J), params in the shape of x", "(4.1)",
        "mu, logvar = encoder(x).chunk(2, dim=-1)"),
    "not_finite": ("The first step is not finite. Nothing can be learned from it.", "finite numbers", "(3.4)",
        "look at the data, then at logvar"),
    "no_gradient_to_encoder": ("The encoder, or a part of it, gets no gradient. It does not learn.",
        "a gradient from the loss to the encoder", "(6.2)", "no detach() and no torch.no_grad() in encode"),
    "no_gradient_to_decoder": ("The decoder, or a part of it, gets no gradient. It does not learn.",
        "a gradient from the loss to the decoder", "(8.1)", "no detach() and no torch.no_grad() in decode"),
    "same_head": ("mu and logvar are the same numbers. So σ cannot be chosen apart from μ.",
        "two outputs of the encoder, each with weights of its own", "(4.1)",
        "mu, logvar = encoder(x).chunk(2, dim=-1)"),
    "mu_bounded": ("μ cannot take all values. A part of the latent space stays empty.",
        "any real number", "(4.1)", "a linear layer as the last one before mu, without an activation"),
    "sigma_bounded": ("σ cannot take all values. No latent dimension can be told precisely, or none switched "
        "off.",
        "any σ above 0; for logvar any real number", "(4.1)",
        "a linear layer as the last one before logvar, without an activation"),
    "output_range": ("The decoder cannot put out what the images hold. The rest of the error is not to be "
        "learned away.",
        "an output in the range of the pixels", "(7.4)",
        "scale the images into the decoder's range, or no activation after its last layer"),
    "bypass": ("The decoder sees more of the image than z. It can do without z, and without images it "
        "cannot sample.",
        "params = decode(z), of z alone", "(4.1)", "no skip connection from encoder to decoder, if "
            "samples are wanted"),
    "optimizer_lacks": ("The optimizer does not hold all parameters that the loss has a gradient "
        "in. These stay "
        "untrained.",
        "all parameters of both networks in the optimizer", "(8.1)",
        "give model.parameters() to the optimizer"),
    "unstable": ("One step away the numbers overflow. Training may end in NaN.",
        "finite numbers far from the first step, too", "(7.2)",
        'nll = F.binary_cross_entropy_with_logits(params, x, reduction="sum") / len(x)'),
    "batch_size_fixed": ("The step works for one batch size only. The last, smaller batch will fail.",
        "any number of images", "(8.1)", "len(x) in place of the number that is written there"),
    # The KL term
    "no_kl": ("There is no KL term. Nothing keeps the codes near the prior, and samples will be "
        "garbage.",
        "loss = −log p(x|z) + KL", "(3.4)", KL_LINE),
    "kl_sign": ("The KL term has the wrong sign. Training drives it to infinity.",
        KL_GRADIENT, "(4.6), (4.7)", KL_LINE),
    "kl_formula": ("The gradient of the KL term is not that of a KL divergence to N(0, I). Training pulls "
        "the codes to another place than the prior, or with another force.",
        KL_GRADIENT, "(4.6), (4.7)", KL_LINE),
    "kl_mean_over_latents": (
        "The KL term is averaged over the J = {J} latent dimensions. It weighs {J} times too "
        "little.",
        "a sum over the latent dimensions", "(4.5)", KL_LINE),
    "kl_without_half": ("The KL term weighs twice what it should. Its ½ is missing, or the other "
        "term has one too many.",
        "½ Σ (μ² + σ² − ln σ² − 1)", "(4.5)", KL_LINE),
    "kl_half_twice": ("The KL term weighs half of what it should. There is a ½ too many, or a 2 in "
        "the other term.",
        "½ Σ (μ² + σ² − ln σ² − 1)", "(4.5)", KL_LINE),
    "kl_floor": ("Close to the prior the KL term has another gradient. Some nats are free, or bounded.",
        "the gradients of (4.6) and (4.7) everywhere", "(4.5)",
        KL_LINE + "  # if free nats are meant, report the ELBO without them"),
    "kl_detached": ("The KL term has a value but gives no gradient. It is reported, and does not train.",
        KL_GRADIENT, "(4.6), (4.7)", KL_LINE + "  # without .item(), .detach() or no_grad()"),
    "kl_mean_over_pixels": (
        "The KL term is divided by the D = {D} pixels, the reconstruction is a sum. It weighs {D}"
        " times too little.",
        "the same unit for both terms", "(4.5)", KL_LINE),
    "capacity": ("The KL term is pulled to a number of nats, not to 0. This is a capacity, as in Burgess "
        "et al. (2018).",
        "nothing wrong, if this is meant", "(4.5)", KL_LINE + "  # report the ELBO without the capacity"),
    "other_objective": ("The loss pursues another aim beside the ELBO of a Gaussian q and a prior "
        "N(0, I). So its "
        "value is not minus this ELBO.",
        "nothing wrong, if this is meant", "(3.4)", "report the ELBO beside it, from both terms as they are"),
    "annealing": ("The weight of the KL term changes from call to call, as in a warm-up. So the loss of one"
        " step cannot be compared with that of another.",
        "nothing wrong, if it ends at the β that is wanted", "(7.6)", "report the ELBO with β = 1"),
    "logged_kl": ("What is reported as the KL term is not what is trained. The curve that you look at is "
        "another one than the loss's.",
        "the KL divergence, which is never negative", "(4.5)", KL_LINE + "  # and log this"),
    "several_draws": ("The draws of an image have unequal weights. This is a bound of its own, "
        "above the ELBO.",
        "nothing wrong, if this is meant (an importance-weighted bound)", "(3.4)",
        "report which bound it is, with its number of draws"),
    # The two terms together
    "batch_sums_differ": ("One term is averaged over the images of the batch, the other is summed. "
        "The weight "
        "between them depends on the batch size.",
        "the same for both terms", "(8.1)", "loss = (nll + kl).mean()  # both of shape (B,)"),
    "beta": ("The KL term has another weight than the β = {beta:g} that is wanted. The loss is that of"
        " another β-VAE.",
        "β = {beta:g}", "(7.6)", "loss = nll + beta * kl, or diagnose(…, beta=…) if the weight is meant"),
    "constant_batch": ("A term is divided by a fixed number where the batch size belongs. The last "
        "batch gets "
        "another β.",
        "the number of images in this batch", "(8.1)", "loss = (nll + kl).mean()  # both of shape (B,)"),
    "sigma_too_wide": (
        "The KL term weighs so much that a blank image is the best reconstruction. So z will be "
        "ignored.",
        "a σ about as large as the error that is left over", "(7.5), (7.6)",
        "the squared error over 2 sigma**2, with sigma near the error that is left over"),
    "sigma_too_narrow": (
        "The KL term weighs next to nothing. The codes will not come near the prior, and samples "
        "will be garbage.",
        "a σ about as large as the error that is left over", "(7.5), (7.6)",
        "the squared error over 2 sigma**2, with sigma near the error that is left over"),
    "learned_scale": ("The scale that is learned is not that of a likelihood. It runs away, or settles at a "
        "wrong value.",
        "(x − r)²/(2σ²) + ln σ for each pixel", "(7.4), (7.5)",
        "the sum of ((x - r) / sigma)**2 / 2 + log(sigma) over all pixels"),
    "loss_constant": ("The loss trains what it should, but its value is not minus the ELBO. It must not be "
        "reported as a bound, or compared with others.",
        "−log p(x|z) + KL, with the −1 of each latent dimension", "(3.4), (4.5)", KL_LINE),
    # The reconstruction term
    "no_reconstruction": ("The loss does not depend on what the decoder puts out. The decoder "
        "learns nothing.",
        "loss = −log p(x|z) + KL", "(3.4)", NLL_LINE),
    "reconstruction_sign": ("The reconstruction term has the wrong sign. Images become less probable.",
        "+1 times −log p(x|z)", "(3.4)", NLL_LINE),
    "arguments_swapped": ("Image and prediction stand in each other's place in the reconstruction "
        "term. The decoder"
        " is not drawn to the images.",
        "−log p(x|z) of the image x under the params of the decoder", "(7.2)",
        NLL_LINE + "  # and wrap a loss(x, params, …): lambda params, x, *rest: loss(x, params, *rest)"),
    "wrong_target": ("The reconstruction term holds a prediction against something else than its own image. "
        "The decoder cannot learn which image belongs to which z.",
        "each pixel's params against this pixel of the same image", "(7.1)",
        "assert params.shape == x.shape  # with images and pixels in the same order"),
    "other_likelihood": ("The reconstruction term belongs to another likelihood than the one "
        "wanted. The loss is "
        "another bound.",
        "the gradient of −log p(x|z)", "(7.1)", "nll = -likelihood.log_prob(x, params).mean()"),
    "pixel_mean": (
        "The reconstruction term is averaged over the D = {D} pixels. The KL term weighs {D} "
        "times too much.",
        "a sum over the pixels", "(7.1)", NLL_LINE),
    "sigmoid_twice": ("A sigmoid is applied twice. No pixel can be predicted below ½.",
        "probability sigmoid(params), where params are any real numbers", "(7.2)", NLL_LINE),
    "never_negative": ("The decoder puts out no negative number. No pixel can be predicted below ½.",
        "logits, which are any real numbers", "(7.2)", "no ReLU after the last layer of the decoder"),
    "data_outside_unit_interval": ("Cross-entropy is for pixels from 0 to 1. Beyond, it has no lower bound.",
        "x in [0, 1]", "(7.2)", "x = images.float() / 255"),
    # The draw of z
    "no_noise": ("z is the mean itself. The decoder never sees the width that the KL term pays for.",
        "z = μ + σ ε with ε ~ N(0, I)", "(6.1)", DRAW_LINE),
    "no_gradient_through_z": ("z is cut off from the encoder. The reconstruction term does not train it.",
        "dz/dμ = 1 and dz/dσ = ε", "(6.2)", DRAW_LINE),
    "draw_formula": ("z is not μ + σ ε. It does not follow the distribution of the KL term.",
        "dz/dμ = 1 and dz/dσ = ε", "(6.1), (6.2)", DRAW_LINE),
    "sigma_is_exp_logvar": (
        "The draw has σ = exp(logvar), the variance. This is not the width that the KL term pays for.",
        "σ = exp(logvar / 2), if logvar is ln σ² in the KL term", "(6.1)", DRAW_LINE),
    "sigma_mismatch": ("The draw and the KL term take the encoder's second output for different things. The "
        "width that is drawn is not the width that is paid for.",
        "one σ in both", "(4.5), (6.1)", DRAW_LINE),
    "eval_draw": ("In eval mode z is drawn in another way than in training. Reconstructions there are "
        "shifted.",
        "z = μ + σ ε in training, and in eval mode the same or z = μ", "(6.1)",
        "z = mu, and no part of sigma, where the model is not in training"),
    "one_eps_per_batch": ("All images of a batch get the same noise. Its errors no longer average out.",
        "for each image an ε of its own", "(6.1)", DRAW_LINE),
    "one_eps_per_image": ("All latent dimensions get the same noise. So q is not the Gaussian of "
        "the KL term.",
        "for each latent dimension an ε of its own", "(4.1), (6.1)", DRAW_LINE),
    "frozen_noise": ("Each step draws the same noise. The decoder learns these numbers by heart.",
        "a new ε in each step", "(6.1)", DRAW_LINE + ", without a seed inside the step"),
    "noise_not_standard_normal": ("The noise is not standard normal. z does not follow the "
        "distribution of the KL term.",
        "ε with mean 0 and variance 1", "(6.1)", DRAW_LINE + "  # randn, not rand"),
}  # fmt: skip

# Findings that are no mistakes: what is meant can be meant.
NOTES = {"annealing", "capacity", "other_objective", "several_draws", "bypass", "kl_floor"}


class Fault(NamedTuple):
    """What a check returns for a fault that it has seen; `finding` puts it into words.

    `code` is a key of `FINDINGS`, `found` is what was seen; `fix` replaces the right line of the table, and
    `severity` that of the code.
    """

    code: str
    found: str
    fix: str | None = None
    severity: str | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that is off, or that is worth a note.

    Attributes:
        code: its name for programs, such as "kl_mean_over_latents".
        message: what is wrong, and what it does.
        expected: what the book's equation says.
        found: what was seen instead.
        equation: number of the equation.
        fix: a line of code that would be right.
        severity: "error", or "note" for what is no mistake if it is meant.
    """

    code: str
    message: str
    expected: str
    found: str
    equation: str
    fix: str
    severity: str = "error"

    def __str__(self) -> str:
        name = self.code if self.severity == "error" else f"note, {self.code}"
        words = (
            f"{name}: {self.message}",
            f"  expected: {self.expected} {self.equation}",
            f"  found: {self.found}",
        )
        return "\n".join([*map(folded, words), f"  right: {self.fix}"])


def folded(line: str) -> str:
    """The line, in lines of at most 87 characters, as wide as a page of the book shows them."""
    line = line.replace(" = ", "\u00a0=\u00a0")  # an equation stays in one line
    lines = textwrap.fill(line, 87, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return lines.replace("\u00a0", " ")


def finding(fault: Fault, **sizes: float) -> Finding:
    """The finding of a fault; `sizes` (D, J, beta) go into the words of the table."""
    message, expected, equation, fix = FINDINGS[fault.code]
    severity = fault.severity or ("note" if fault.code in NOTES else "error")
    return Finding(
        fault.code,
        message.format(**sizes),
        expected.format(**sizes),
        fault.found,
        equation,
        fault.fix or fix,
        severity,
    )
