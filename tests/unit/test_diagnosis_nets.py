"""How diagnose checks the two networks: what gets a gradient, and what decode can return."""

from __future__ import annotations

import pytest
import torch
from programs import Tutorial, decode, encode, examine, images, tutorial_loss, variant
from torch import nn

from vae_lib import diagnose
from vae_lib.diagnosis.gallery import Right

pytestmark = pytest.mark.usefixtures("global_rng_untouched")


def without_logvar(mu, logvar):
    return mu, logvar.detach()


def with_a_frozen_trunk(program, x):
    with torch.no_grad():
        h = program.encoder[:-1](x)
    return program.encoder[-1](h).chunk(2, dim=1)


WITHOUT_GRADIENT = [
    ("no_gradient_to_encoder", "cut off: mu, logvar, encoder.0.weight, encoder.0.bias and 2 more",
     {"encode": lambda self, x: [v.detach() for v in encode(self, x)]}),
    ("no_gradient_to_encoder", "cut off: logvar",
     {"encode": lambda self, x: without_logvar(*encode(self, x))}),
    ("no_gradient_to_encoder", "cut off: encoder.0.weight, encoder.0.bias",
     {"encode": lambda self, x: with_a_frozen_trunk(self, x)}),
    ("no_gradient_to_decoder",
     "cut off: params, decoder.0.weight, decoder.0.bias, decoder.2.weight and 1 more",
     {"decode": lambda self, z: decode(self, z).detach()}),
    ("no_gradient_through_z", "no gradient from params to z: it is cut inside decode",
     {"decode": lambda self, z: decode(self, z.detach())}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "found", "parts"), WITHOUT_GRADIENT)
def test_what_gets_no_gradient_is_named(code, found, parts):
    (finding,) = examine(variant(**parts)).findings
    assert (finding.code, finding.found) == (code, found)


def test_what_is_frozen_on_purpose_or_constant_is_not_cut_off():
    program = Right(64, 8, seed=0)
    program.encoder.requires_grad_(False)
    assert examine(program).codes == []
    fixed = variant(encode=lambda self, x: (encode(self, x)[0], torch.full((len(x), 8), -1.0)))
    assert examine(fixed).codes == []


@pytest.mark.parametrize(("std", "bias"), [(0.0, 0.0), (1e-4, 0.2)])
def test_small_outputs_of_an_untrained_decode_are_not_taken_for_probabilities(std, bias):
    program = Right(64, 8, seed=0)
    with torch.no_grad():
        program.decoder[-1].weight.mul_(std)
        program.decoder[-1].bias.fill_(bias)
    assert examine(program).codes == []


def test_a_decode_that_is_negative_for_few_z_only_is_not_taken_for_a_relu():
    """A bias of 3 keeps the outputs above 0 for the z of the prior, and for the weights that it has now."""
    program = Right(64, 8, seed=0)
    with torch.no_grad():
        program.decoder[-1].bias.fill_(3.0)
    assert examine(program).codes == []


@pytest.mark.parametrize("std", [0.0, 1.0])
@pytest.mark.parametrize("layers", [1, 6])
@torch.random.fork_rng()
def test_a_sigmoid_is_seen_whatever_the_weights(std, layers):
    model = Tutorial()
    middle = [part for _ in range(layers) for part in (nn.Linear(40, 40), nn.LayerNorm(40), nn.ReLU())]
    with torch.no_grad():
        model.fc4.weight.mul_(std)
    model.fc3 = nn.Sequential(model.fc3, *middle)
    found = diagnose(model, tutorial_loss, images(20, 784) / 255)
    assert found.codes == [] and found.likelihood == "Bernoulli of probabilities"


class Shifted(nn.Module):
    """A linear decoder with a constant that is no parameter."""

    def __init__(self, shift):
        super().__init__()
        self.shift, self.linear = shift, nn.Linear(8, 64)

    def forward(self, z):
        return self.linear(z) + self.shift


@pytest.mark.parametrize(("shift", "codes"), [(20.0, []), (1000.0, ["never_negative"])])
def test_decode_is_tried_far_from_the_prior_and_with_wide_weights(shift, codes):
    """Sums of 8 products of weights (2/√8) and z (30) have the standard deviation 60: none is below −1000."""
    program = variant()
    with torch.random.fork_rng():
        program.decoder = Shifted(shift)
    assert examine(program).codes == codes


def test_decode_may_need_what_encode_has_kept():
    def keeping(self, x):
        self.rows = len(x)
        return encode(self, x)

    program = variant(encode=keeping, decode=lambda self, z: decode(self, z).reshape(self.rows, 64))
    assert examine(program).codes == []
