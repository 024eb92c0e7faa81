"""Checks how z is drawn: is it μ + σ ε, with noise that is new each time and a gradient to both outputs?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.probe import Probe, gradients
from vae_lib.diagnosis.terms import SIGMA_OF

# How many z are drawn: 1024, or fewer where the images of so many would have more pixels than this.
LEAST_IMAGES, MOST_IMAGES, MOST_PIXELS = 64, 1024, 2**22
NO_NOISE = 1e-5  # z − μ below this is no noise
MARGIN_OF_SLOPE = 1e-3  # how far dz/dμ may be from 1
MARGIN_OF_WIDTH = 0.02  # how far d ln σ/ds may be from that of a known meaning of s, in the median
SAME_NOISE = 1e-3  # two ε that differ by less are the same
STANDARD_ERRORS = 5  # how far mean and variance of ε may be from 0 and 1
STEP = 1e-2  # the difference in s by which d ln σ/ds is computed where z gives no gradient


def wrong_draw(probe: Probe, meaning: str | None) -> tuple[list[Fault], str]:
    """What is wrong with the draw of z, and what could not be checked.

    `meaning` is what the encoder's second output s means in the KL term, None where that is not known.
    """
    mu, s, params = probe.choose(min(MOST_IMAGES, max(LEAST_IMAGES, MOST_PIXELS // probe.D)))

    def z_of(s: Tensor, draw: int, restore: bool = True) -> Tensor:
        run = probe.run(len(mu), (mu, s), params, draw, restore=restore)
        return run.decode.z.reshape(mu.shape)

    z, faults = z_of(s, 0), []
    noise = (z - mu).detach().double()
    no_noise = bool(noise.abs().max() < NO_NOISE)
    slopes = dict(zip(("mu", "logvar"), gradients(z.sum(), (mu, s)), strict=True))
    cut = [name for name, slope in slopes.items() if slope is None or not slope.any()]
    if no_noise:
        faults.append(Fault("no_noise", "z = mu"))
    if cut and not (no_noise and cut == ["logvar"]):
        faults.append(Fault("no_gradient_through_z", f"no gradient from z to {' and '.join(cut)}"))
    if no_noise:
        return faults, ""
    if "mu" not in cut and (slopes["mu"] - 1).abs().max() > MARGIN_OF_SLOPE:
        low, high = (f"{float(end):.3g}" for end in torch.aminmax(slopes["mu"]))
        seen = f"dz/dμ = {low}" if low == high else f"dz/dμ from {low} to {high}"
        return [*faults, Fault("draw_formula", seen)], ""
    if torch.equal(z, z_of(s, 1, restore=False)):
        faults.append(Fault("frozen_noise", "the same ε in two steps"))
    if "logvar" not in cut:
        rate = slopes["logvar"].double() / noise
    elif torch.equal(z, z_of(s, 0)):
        rate = torch.log((z_of(s + STEP, 0) - mu).detach().double() / noise) / STEP
    else:
        return faults, "the width of the draw: it has no gradient, and a generator of its own"
    used, error = _meaning_of(s, rate)
    if error > MARGIN_OF_WIDTH and meaning is None:
        return faults, "the width of the draw: it is no function of logvar known here"
    if error > MARGIN_OF_WIDTH:
        strange = f"the draw takes it for nothing that is known here, the KL term for {meaning}"
        return [*faults, Fault("sigma_mismatch", strange)], ""
    if meaning not in (None, used):
        code = "sigma_is_exp_logvar" if (meaning, used) == ("ln σ²", "ln σ") else "sigma_mismatch"
        faults.append(Fault(code, f"the draw takes it for {used}, the KL term for {meaning}"))
    return faults + _wrong_noise((noise / SIGMA_OF[used](s.detach().double())).flatten(1)), ""


def _meaning_of(s: Tensor, rate: Tensor) -> tuple[str, float]:
    """The meaning of s in the draw, where d ln σ/ds = `rate`, and the error of that rate, in the median."""
    errors = {}
    for meaning, sigma in SIGMA_OF.items():
        at = s.detach().double().requires_grad_()
        wanted = torch.autograd.grad(torch.log(sigma(at)).sum(), at)[0]
        errors[meaning] = (rate - wanted).abs().nanmedian().item()
    used = min(errors, key=errors.get)
    return used, errors[used]


def _wrong_noise(eps: Tensor) -> list[Fault]:
    """Are the ε, (B, J), different for all images and latent dimensions, and standard normal?"""
    if (eps - eps[0]).abs().max() < SAME_NOISE:
        return [Fault("one_eps_per_batch", "the same ε in all rows")]
    if eps.shape[1] > 1 and (eps - eps[:, :1]).abs().max() < SAME_NOISE:
        return [Fault("one_eps_per_image", "the same ε in all columns")]
    mean, variance, root = eps.mean().item(), eps.var().item(), math.sqrt(eps.numel())
    if abs(mean) * root > STANDARD_ERRORS or abs(variance - 1) * root > STANDARD_ERRORS * math.sqrt(2):
        return [Fault("noise_not_standard_normal", f"mean {mean:.2f} and variance {variance:.2f}")]
    return []
