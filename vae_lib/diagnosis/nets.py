"""Checks the two networks themselves: what gets a gradient, what they can return, and what eval mode
changes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_lib import _wide
from vae_lib.diagnosis import adapt
from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.places import Call, Site
from vae_lib.diagnosis.probe import Observation, Probe, Unfit, gradients
from vae_lib.diagnosis.terms import SIGMA_OF

NAMED = 4  # most tensors that one finding names
# An encoder whose σ is always above the one or below the other is bounded: it cannot be narrow, or not
# the prior.
NEVER_NARROW, NEVER_WIDE = 0.3, 0.7
HUGE_LOGVAR = 20.0  # ln σ² beyond which a first step is next to an overflow: σ² = 5e8
SATURATED = 120.0  # a logit beyond which exp overflows in float32


# What gets a gradient


def without_gradient(probe: Probe) -> list[Fault]:
    """Finds outputs and parameters of the networks that get no gradient, and a decode that gives z none."""
    loss, mu, s, params = probe.first.loss, probe.first.mu, probe.first.s, probe.first.params
    total = sum((value.sum() for value in (mu, s, *params) if value.requires_grad), loss)
    trainable = any(value.requires_grad for _, value in probe.parameters.values())
    encoder = [
        call
        for name in ("encode", "encoder", "mu", "logvar")
        if name in probe.sites
        for call in _calls(probe, name)
    ]
    decode = probe._decode_call
    found = []
    if encoder:
        inside = [module for call in encoder for module in call.modules]
        found += _cut_off(
            probe, total, inside, {"mu": mu, "logvar": s}, trainable, None, "no_gradient_to_encoder"
        )
    if decode is not None:
        z = decode.inputs[0] if decode.inputs else None
        found += _cut_off(
            probe, total, decode.modules, {"params": params[0]}, trainable, z, "no_gradient_to_decoder"
        )
        if z is not None and z.requires_grad and params[0].requires_grad:
            outputs = sum(value.sum() for value in params if value.requires_grad)
            if all(slope is None for slope in gradients(outputs, decode.inputs)):
                found.append(
                    Fault("no_gradient_through_z", "no gradient from params to z: it is cut inside decode")
                )
    return found


def _calls(probe: Probe, name: str) -> list:
    return probe._first_calls.get(name, [])


def _cut_off(
    probe: Probe,
    total: Tensor,
    modules: list,
    outputs: dict[str, Tensor],
    trainable: bool,
    z: Tensor | None,
    code: str,
) -> list[Fault]:
    """Names what gets no gradient in one network: parameters in use, and outputs that are not constant."""
    inside = {id(p): p for module in modules for p in module.parameters(recurse=False)}
    parameters = [p for key, p in inside.items() if p.requires_grad and key in probe.parameters]
    trains = parameters or (z.requires_grad if z is not None else trainable and not inside)
    lost = [
        name
        for name, value in outputs.items()
        if trains and not value.requires_grad and (value != value[:1]).any()
    ]
    reached = gradients(total, parameters)
    unreached = [p for p, g in zip(parameters, reached, strict=True) if g is None]
    if (
        unreached and not lost
    ):  # a part of the network that runs, but on whose result nothing depends, is no cut
        unreached = [p for p in unreached if _matters(probe, p)]
    lost += [probe.parameters[id(p)][0] for p in unreached]
    if not lost:
        return []
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    return [Fault(code, f"cut off: {', '.join(lost[:NAMED])}{more}")]


def _matters(probe: Probe, parameter: Tensor) -> bool:
    """Does the loss change with this parameter, though it has no gradient in it?"""
    before = probe.run(probe.first_count).loss.item()
    with torch.no_grad():
        kept = parameter.detach().clone()
        parameter.data.copy_(kept * 1.5 + 0.05)
    try:
        after = probe.run(probe.first_count, restore=False).loss.item()
    finally:
        with torch.no_grad():
            parameter.data.copy_(kept)
    return after != before


def optimizer_lacks(probe: Probe, optimizers: list) -> tuple[list[Fault], str]:
    """Parameters that the loss trains and no optimizer holds; and what is said where none is known."""
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    ours = [
        opt
        for opt in optimizers
        if any(id(p) in probe.parameters for g in opt.param_groups for p in g["params"])
    ]
    if not ours:
        if optimizers:
            names = "none of the model's parameters"
            return [Fault("optimizer_lacks", f"the optimizer holds {names}")], ""
        return [], "the optimizer: pass it with optimizer= to see whether it holds all parameters"
    trained = [p for _, p in probe.parameters.values() if p.requires_grad]
    slopes = gradients(probe.first.loss, trained)
    lost = [
        probe.parameters[id(p)][0]
        for p, g in zip(trained, slopes, strict=True)
        if g is not None and id(p) not in held
    ]
    if not lost:
        return [], ""
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    return [Fault("optimizer_lacks", f"in no group: {', '.join(lost[:NAMED])}{more}")], ""


# What the networks can return


def ranges(probe: Probe) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Smallest and largest params, mu and s, also far from the prior and with other weights than they have
    now.

    Untrained, decode may return values near ½ only: random wide weights show whether it ends in a sigmoid or
    a ReLU. The weights are given back.
    """
    params = [probe.first.params[0].detach().flatten()]
    mus, ss = [probe.first.mu.detach().flatten()], [probe.first.s.detach().flatten()]
    call = probe._decode_call
    decode = probe.sites.get("decoder") or probe.sites.get("decode")
    encoder = next(
        (
            probe.sites[name]
            for name in ("encode", "encoder")
            if name in probe.sites and probe._first_calls.get(name)
        ),
        None,
    )
    with _wide.weights((value for _, value in probe.parameters.values()), probe.seed) as shake:
        for number in range(_wide.TRIES):
            shake()
            whole = None
            try:
                params.append(_decoded(probe, call, decode))
            except Exception:  # it is no function of its own, or needs what the step prepares for it
                whole = _whole_step(probe, number)
                params.append(whole[0])
            try:
                mu, s = _encoded(probe, encoder)
            except Exception:
                _, mu, s = whole or _whole_step(probe, number)
            mus.append(mu), ss.append(s)
    return tuple(
        _ends(torch.cat([v.float() for v in values]), len(values) > 1) for values in (params, mus, ss)
    )


def _ends(values: Tensor, tried: bool) -> tuple[float, float]:
    finite = values[values.isfinite()]
    if not tried or not len(finite):
        return -math.inf, math.inf
    low, high = torch.aminmax(finite)
    return float(low), float(high)


def _decoded(probe: Probe, call: Call | None, site: Site | None) -> Tensor:
    """What the decoder returns for z far from the prior."""
    if call is None or site is None or probe._z_at is None:
        raise Unfit("there is no decoder that could be called")
    value = call.inputs[probe._z_at]
    z = _wide.WIDTH_OF_Z * torch.randn_like(value)
    if probe._z_features is not None:
        flat = value.detach().clone().reshape(math.prod(value.shape[: probe._z_lead]), -1)
        flat[:, probe._z_features] = z.reshape(flat.shape)[:, probe._z_features]
        z = flat.reshape(value.shape)
    args, kwargs = call.with_inputs({id(value): z})
    out = site.original(*args, **kwargs)
    names = dict(adapt.float_leaves(out))
    key = next(iter((site.direct | site.extra) or names))
    return names.get(key, next(iter(names.values()))).flatten()


def _encoded(probe: Probe, site: Site | None) -> tuple[Tensor, Tensor]:
    if site is None or not site.direct or "both" in site.direct.values():
        raise Unfit("there is no encoder that could be called")
    call = probe._first_calls[site.name][0]
    out = dict(adapt.leaves(site.original(*call.args, **call.kwargs)))
    by_role = {role: out[name].flatten() for name, role in site.direct.items()}
    return by_role["mu"], by_role["s"]


def _whole_step(probe: Probe, draw: int) -> tuple[Tensor, Tensor, Tensor]:
    """params, mu and s in a whole step, with the weights of now."""
    trace = _seen_in(probe, draw)
    return tuple(trace[role].detach().flatten() for role in ("params0", "mu", "s"))


def _seen_in(probe: Probe, draw: int = 0, count: int | None = None) -> dict[str, Tensor]:
    """The tensors at all places in a step with the networks' own outputs."""
    run = probe.run(count or probe.first_count, draw=draw, restore=False)
    seen = dict(probe._trace.seen)
    for site in probe.sites.values():
        for call in site.calls[:1]:
            values = dict(adapt.leaves(call.out))
            for name, role in (site.direct | site.extra).items():
                if role == "both":
                    seen["mu"], seen["s"] = values[name].chunk(2, 1)
                elif role not in seen:
                    seen[role] = values[name]
    seen["run"] = run
    return seen


def bounded(
    probe: Probe, mu: tuple[float, float], s: tuple[float, float], meaning: str | None
) -> list[Fault]:
    """Can mu and σ be what the KL term lets them be?"""
    faults = []
    low, high = mu
    if low >= 0 or high <= 0:
        if math.isfinite(low) and math.isfinite(high) and low != high:
            side = "never negative" if low >= 0 else "never positive"
            faults.append(Fault("mu_bounded", f"mu is {side}: a ReLU or the like after the last layer"))
    elif -1.001 <= low and high <= 1.001 and low < -0.9 and high > 0.9:
        faults.append(
            Fault("mu_bounded", f"mu lies between {low:.3g} and {high:.3g}, as after a tanh", severity="note")
        )
    low, high = s
    if meaning in SIGMA_OF and math.isfinite(low) and math.isfinite(high) and high > low:
        if meaning in ("σ", "σ²") and low < 0:
            return faults
        with torch.no_grad():
            narrow, wide = (
                SIGMA_OF[meaning](torch.tensor(float(end), dtype=torch.float64)).item() for end in (low, high)
            )
        named = {"ln σ²": "logvar", "ln σ": "ln σ"}.get(meaning, "the encoder's second output")
        if narrow > NEVER_NARROW:
            faults.append(
                Fault("sigma_bounded", f"{named} is {low:.3g} at least: σ is never below {narrow:.3g}")
            )
        elif wide < NEVER_WIDE:
            faults.append(
                Fault("sigma_bounded", f"{named} is {high:.3g} at most: σ is never above {wide:.3g}")
            )
    return faults


def same_head(probe: Probe) -> list[Fault]:
    """Are mu and logvar the same numbers?"""
    mu, s = probe.first.mu, probe.first.s
    if mu.shape == s.shape and torch.equal(mu.detach(), s.detach()) and (mu != mu[:1]).any():
        return [Fault("same_head", "mu and logvar are equal in all elements")]
    return []


def bypass(probe: Probe, seen: Observation) -> list[Fault]:
    """Does the decoder get anything else of the images beside z?"""
    if probe._decode_call is None or probe._z_at is None:
        return []
    count = probe.first_count
    mu, s, _ = probe.choose(count)
    x = probe.x.double()
    other = (x.amin() + x.amax() - x).flip(0).to(probe.x.dtype)
    runs = [probe.run(count, (mu, s), x=value) for value in (None, other)]
    before, after = (run.decode.inputs for run in runs)
    for number, (one, two) in enumerate(zip(before, after, strict=False)):
        if one.shape != two.shape:
            continue
        moved = (
            (one != two).reshape(math.prod(one.shape[: probe._z_lead]), -1)
            if number == probe._z_at
            else one != two
        )
        if number == probe._z_at:
            if probe._z_features is None:
                continue
            keep = torch.ones(moved.shape[1], dtype=torch.bool, device=moved.device)
            keep[probe._z_features] = False
            moved = moved[:, keep]
        if moved.any():
            what = "beside z" if number != probe._z_at else "in one tensor with z"
            return [Fault("bypass", f"a tensor of shape {tuple(one.shape)}, {what}, changes with the images")]
    return []


# Eval mode


def modes(probe: Probe) -> tuple[list[Fault], str]:
    """How z is drawn in eval mode: as in training, not at all, or in another way."""
    if probe._z_at is None:
        return [], "eval mode: z could not be found"
    count = probe.first_count
    mu, s, params = probe.choose(count)
    try:
        probe.inner.eval()
        probe.state = probe._again()
        first, second = (probe.run(count, (mu, s), params, draw).z for draw in (0, 1))
    except Exception as error:
        return (
            [],
            f"eval mode: the step fails there, {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}",
        )
    finally:
        probe.inner.train()
        probe.state = probe._baseline
        probe.state.restore()
    trained, again = (probe.run(count, (mu, s), params, draw).z for draw in (0, 1))
    if any(one is None for one in (first, second, trained)):
        return [], "eval mode: z could not be found there"
    flat = mu.flatten(1)
    fixed = torch.equal(first, second)
    in_eval, in_training = (first - flat).detach(), (trained - flat).detach()
    if torch.equal(trained, again):  # training is said to be wrong elsewhere
        return [], ""
    if in_eval.abs().max() < 1e-5:
        if not probe.was_training:
            words = "the model is in eval mode, where z = mu without noise; all else here is of train mode"
            return [Fault("eval_draw", words, severity="note")], ""
        return [], ""
    if fixed:
        alike = s.shape == mu.shape and (in_eval / s.flatten(1).detach()).std() < 2
        what = (
            "z = mu + sigma"
            if (in_eval > 0).all() and alike
            else "z is mu and something that is the same in each run"
        )
        return [Fault("eval_draw", f"in eval mode {what}")], ""
    ratio = (in_eval.std() / in_training.std()).item()
    if not 0.7 < ratio < 1.4 and in_eval.numel() > 200:
        return [
            Fault("eval_draw", f"in eval mode the noise is {ratio:.2g} times as wide as in train mode")
        ], ""
    return [], ""


# Numbers that overflow


def unstable(probe: Probe, meaning: str | None, likelihood: str | None) -> list[Fault]:
    """Is the first step next to an overflow, or is a logarithm taken of a probability that can be 0?"""
    faults = []
    largest = probe.first.s.detach().float().max().item()
    limit = {"ln σ²": HUGE_LOGVAR, "ln σ": HUGE_LOGVAR / 2}.get(meaning)
    if limit and largest > limit:
        faults.append(
            Fault("unstable", f"logvar is up to {largest:.3g} in the first step, and exp overflows at 88")
        )
    values = None
    if likelihood == "Bernoulli of probabilities":
        values, what = (0.0, 1.0), "for a decoder that returns exactly 0 or 1"
    elif likelihood in ("Bernoulli of logits", "Bernoulli of a sigmoid"):
        values, what = (-SATURATED, SATURATED), f"for logits of ±{SATURATED:.0f}"
    if values and len(probe._params) == 1 and not probe.coarse:
        mu, s, params = probe.choose(probe.batch.count)
        ends = torch.where(params[0] < params[0].median(), *(torch.full_like(params[0], v) for v in values))
        loss = probe.run(probe.batch.count, (mu, s), [ends.detach()]).loss
        if not torch.isfinite(loss):
            name = "NaN" if torch.isnan(loss) else "infinite"
            faults.append(Fault("unstable", f"the loss is {name} {what}"))
    return faults
