"""Checks the two networks in a step with their own outputs: what gets a gradient, what decode can return."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.probe import Call, Probe, gradients, random_state_kept

NAMED = 4  # most tensors that one finding names
# For `output_range`: how often weights are drawn, their standard deviation times √inputs, and that of z.
TRIES, WIDTH_OF_WEIGHTS, WIDTH_OF_Z = 8, 2, 30


def without_gradient(probe: Probe) -> list[Fault]:
    """Finds outputs and parameters of the networks that get no gradient, and a decode that gives z none."""
    encode, decode, loss = probe.first.encode, probe.first.decode, probe.first.loss
    outputs = (*encode.outputs, *decode.outputs)
    total = sum((value.sum() for value in outputs if value.requires_grad), loss)
    trainable = any(value.requires_grad for _, value in probe.parameters.values())
    named = {"mu": encode.outputs[0], "logvar": encode.outputs[1]}
    found = [
        *_cut_off(probe, total, encode, named, trainable, "no_gradient_to_encoder"),
        *_cut_off(probe, total, decode, {"params": decode.outputs[0]}, trainable, "no_gradient_to_decoder"),
    ]
    z, params = decode.z, decode.outputs[0]
    if z.requires_grad and params.requires_grad and gradients(params.sum(), [z])[0] is None:
        found.append(Fault("no_gradient_through_z", "no gradient from params to z: it is cut inside decode"))
    return found


def _cut_off(
    probe: Probe, total: Tensor, call: Call, outputs: dict[str, Tensor], trainable: bool, code: str
) -> list[Fault]:
    """Names what gets no gradient in one network: parameters in use, and outputs that are not constant."""
    inside = {id(p): p for module in call.modules for p in module.parameters(recurse=False)}
    parameters = [p for key, p in inside.items() if p.requires_grad and key in probe.parameters]
    is_decoder = call is probe.first.decode
    trains = parameters or (call.z.requires_grad if is_decoder else trainable and not inside)
    lost = [
        name
        for name, value in outputs.items()
        if trains and not value.requires_grad and (value != value[:1]).any()
    ]
    reached = gradients(total, parameters)
    lost += [probe.parameters[id(p)][0] for p, g in zip(parameters, reached, strict=True) if g is None]
    if not lost:
        return []
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    return [Fault(code, f"cut off: {', '.join(lost[:NAMED])}{more}")]


def output_range(probe: Probe) -> tuple[float, float]:
    """Smallest and largest output of decode, also far from the prior and with other weights than it has now.

    Untrained, decode may return values near ½ only: random wide weights show whether it ends in a sigmoid or
    a ReLU. The weights are given back.
    """
    call = probe.first.decode
    values = [call.outputs[0].detach().flatten()]
    weights = [value for _, value in probe.parameters.values() if value.is_floating_point()]
    kept = [weight.detach().clone() for weight in weights]
    with random_state_kept(), torch.no_grad():
        torch.manual_seed(probe.seed)
        for _ in range(TRIES):
            for weight in weights:
                inputs = weight[0].numel() if weight.ndim > 1 else 1
                weight.copy_(WIDTH_OF_WEIGHTS * torch.randn_like(weight) / math.sqrt(inputs))
            args, kwargs = call.with_z(WIDTH_OF_Z * torch.randn_like(call.z))
            values.append(probe.networks["decode"](*args, **kwargs).flatten())
        for weight, value in zip(weights, kept, strict=True):
            weight.copy_(value)
    values = torch.cat(values)
    low, high = torch.aminmax(values[values.isfinite()])
    return float(low), float(high)
