"""Checks how z is drawn: is it μ + σ ε, with noise that is new each time and a gradient to both outputs?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.probe import Probe, Unfit, gradients
from vae_lib.diagnosis.terms import SIGMA_OF, epsilon_of

# How many z are drawn: 1024, or fewer where the images of so many would have more pixels than this.
LEAST_IMAGES, MOST_IMAGES, MOST_PIXELS = 64, 1024, 2**22
NO_NOISE = 1e-5  # z − μ below this is no noise
MARGIN_OF_SLOPE = 1e-3  # how far dz/dμ may be from 1
MARGIN_OF_WIDTH = 0.02  # how far d ln σ/ds may be from that of a known meaning of s, in the median
SAME_NOISE = 1e-3  # two ε that differ by less are the same
STANDARD_ERRORS = 5  # how far mean and variance of ε may be from 0 and 1
STEP = 1e-2  # the difference in s by which d ln σ/ds is computed where z gives no gradient
FEW = 16  # from so many numbers on, mean and variance of ε are compared; runs that are joined to have more


class Draws:
    """z for chosen mu and s, drawn by the step: for 1024 images, or for the batch where it takes no
    other number.
    """

    def __init__(self, probe: Probe):
        self.probe = probe
        pixels = probe.D if probe.runs_without_networks else 8 * probe.D
        most = min(MOST_IMAGES, max(LEAST_IMAGES, MOST_PIXELS // pixels))
        counts = [most] if most != probe.batch.count else []
        for count in (*counts, probe.batch.count):
            self.count = count
            self.mu, self.s, self.params = probe.choose(count)
            try:
                self.at(self.s, 0)
                return
            except Unfit:
                raise
            except Exception as error:
                if count == probe.batch.count:
                    raise
                text = str(error).splitlines()
                probe.same_size_only = (
                    probe.same_size_only or f"{type(error).__name__}: {text[0][:120] if text else ''}"
                )

    def at(self, s: Tensor, draw: int, restore: bool = True) -> Tensor:
        """z as (L, B, J)."""
        run = self.probe.run(self.count, (self.mu, s), self.params, draw, restore=restore)
        if run.z is None:
            raise Unfit("z could not be found in what the decoder gets")
        return run.z


def wrong_draw(probe: Probe, meaning: str | None) -> tuple[list[Fault], str]:
    """What is wrong with the draw of z, and what could not be checked.

    `meaning` is what the encoder's second output s means in the KL term, None where that is not known.
    """
    try:
        draws = Draws(probe)
        z = draws.at(draws.s, 0)
    except Unfit as error:
        return [], f"the draw: {error}"
    margin = 1e-2 if probe.coarse else 1.0
    mu, s = draws.mu.flatten(1), draws.s.flatten(1)
    faults = []
    noise = (z - mu).detach().double()
    no_noise = bool(noise.abs().max() < (NO_NOISE if not probe.coarse else margin))
    slopes = dict(zip(("mu", "logvar"), gradients(z.sum(), (draws.mu, draws.s)), strict=True))
    cut = [name for name, slope in slopes.items() if slope is None or not slope.any()]
    if no_noise:
        faults.append(Fault("no_noise", "z = mu"))
    if cut and not (no_noise and cut == ["logvar"]):
        faults.append(Fault("no_gradient_through_z", f"no gradient from z to {' and '.join(cut)}"))
    if no_noise:
        return faults, ""
    L = probe.draws
    limit = MARGIN_OF_SLOPE if not probe.coarse else 0.03
    if "mu" not in cut and (slopes["mu"] / L - 1).abs().max() > limit:
        if _mixes(draws, z):
            return faults, "the draw: z is a function of all latent dimensions, as after a flow"
        low, high = (f"{float(end):.3g}" for end in torch.aminmax(slopes["mu"] / L))
        seen = f"dz/dμ = {low}" if low == high else f"dz/dμ from {low} to {high}"
        return [*faults, Fault("draw_formula", seen)], ""
    if torch.equal(z, draws.at(draws.s, 1, restore=False)):
        faults.append(Fault("frozen_noise", "the same ε in two steps"))
    if probe.other_q:
        return _with_correlations(draws, noise, meaning, faults)
    if "logvar" not in cut:
        rates = [gradients(one.sum(), [draws.s])[0] for one in z] if L > 1 else [slopes["logvar"]]
        rate = torch.stack([one.flatten(1).double() for one in rates]) / noise
    elif torch.equal(z, draws.at(draws.s, 0)):
        wider = draws.at((draws.s + STEP).detach(), 0)
        rate = torch.log((wider - mu).detach().double() / noise) / STEP
    else:
        return faults, "the width of the draw: it has no gradient, and a generator of its own"
    used, error = _meaning_of(s, rate)
    if error > MARGIN_OF_WIDTH * (4 if probe.coarse else 1) and meaning is None:
        return faults, "the width of the draw: it is no function of logvar known here"
    if error > MARGIN_OF_WIDTH * (4 if probe.coarse else 1):
        strange = f"the draw takes it for nothing that is known here, the KL term for {meaning}"
        return [*faults, Fault("sigma_mismatch", strange)], ""
    if meaning not in (None, used):
        code = "sigma_is_exp_logvar" if (meaning, used) == ("ln σ²", "ln σ") else "sigma_mismatch"
        faults.append(Fault(code, f"the draw takes it for {used}, the KL term for {meaning}"))
    eps = noise / SIGMA_OF[used](s.detach().double())
    more = eps.numel() < 2 * LEAST_IMAGES * FEW and not any(fault.code == "frozen_noise" for fault in faults)
    others = [
        (
            (draws.at(draws.s, 2 + n, restore=False) - mu).detach().double()
            / SIGMA_OF[used](s.detach().double())
        )
        for n in range(7 if more else 0)
    ]
    return faults + _wrong_noise(eps, others), ""


def _with_correlations(draws: Draws, noise: Tensor, meaning: str | None, faults: list[Fault]):
    """Is z = μ + L ε with a standard normal ε, where L is known?"""
    if meaning is None:
        return faults, f"the width is not known: {draws.probe.other_q}"
    eps = epsilon_of(noise, draws.s.detach().double(), meaning)
    wrong = [] if faults else _wrong_noise(eps, [])
    if any(fault.code == "noise_not_standard_normal" for fault in wrong):
        seen = f"the ε of the draw has {wrong[0].found}, and not 0 and 1"
        wrong = [Fault("sigma_mismatch", f"{seen}; the KL term takes it for {meaning}")]
    return faults + wrong, ""


def _mixes(draws: Draws, z: Tensor) -> bool:
    """Does one dimension of z depend on other dimensions of mu?"""
    slope = gradients(z[..., 0].sum(), [draws.mu])[0]
    return slope is not None and bool(slope.flatten(1)[:, 1:].any())


def _meaning_of(s: Tensor, rate: Tensor) -> tuple[str, float]:
    """The meaning of s in the draw, where d ln σ/ds = `rate`, and the error of that rate, in the median."""
    errors = {}
    for meaning, sigma in SIGMA_OF.items():
        at = s.detach().double().requires_grad_()
        wanted = torch.autograd.grad(torch.log(sigma(at)).sum(), at)[0]
        errors[meaning] = (rate - wanted).abs().nanmedian().item()
    used = min(errors, key=errors.get)
    return used, errors[used]


def _wrong_noise(eps: Tensor, others: list[Tensor]) -> list[Fault]:
    """Are the ε, (L, B, J), different for all images and latent dimensions, and standard normal?"""
    if len(eps) > 1 and (eps - eps[:1]).abs().max() < SAME_NOISE:
        return [Fault("frozen_noise", f"the same ε in all of the {len(eps)} draws of an image")]
    first = eps[0]
    if len(first) > 1 and (first - first[0]).abs().max() < SAME_NOISE:
        return [Fault("one_eps_per_batch", "the same ε in all rows")]
    if first.shape[1] > 1 and (first - first[:, :1]).abs().max() < SAME_NOISE:
        return [Fault("one_eps_per_image", "the same ε in all columns")]
    eps = torch.cat([eps, *others]) if others else eps
    mean, variance, root = eps.mean().item(), eps.var().item(), math.sqrt(eps.numel())
    if abs(mean) * root > STANDARD_ERRORS or abs(variance - 1) * root > STANDARD_ERRORS * math.sqrt(2):
        return [Fault("noise_not_standard_normal", f"mean {mean:.2f} and variance {variance:.2f}")]
    return []
