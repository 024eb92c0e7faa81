"""Runs one training step on a copy of the model whose encode and decode return chosen values.

The loss is then a function of mu, of the encoder's second output s, and of params, all of them chosen. Its
gradients in the three show the KL term and the reconstruction term, and the argument of decode shows z.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from vae_lib import _validate as require
from vae_lib.diagnosis import adapt
from vae_lib.diagnosis.findings import Fault

# Most images in the step with the networks' own outputs; batch norms need two.
FIRST_BATCH = (2, 64)
# Two draws of z give the same gradients, up to this, where the KL term is a formula in mu and s.
SAME_GRADIENT = {"rtol": 1e-4, "atol": 1e-9}
# If they differ, the KL term is estimated from z: the gradients are averaged over so many draws.
DRAWS = 400
# How far gradients may be from those of a formula, relative: computed once, and averaged over draws.
EXACT, AVERAGED = 1e-3, 0.2


@dataclass
class Call:
    """One call of encode or decode in a training step."""

    args: tuple
    kwargs: dict
    outputs: tuple[Tensor, ...]
    returned: tuple[Tensor, ...]  # copies of the outputs, as the step may change what it gets in place
    modules: list[nn.Module]  # the submodules that computed the outputs

    def with_z(self, z: Tensor) -> tuple[tuple, dict]:
        """The arguments of this call of decode with another z."""
        return ((z, *self.args[1:]), self.kwargs) if self.args else ((), self.kwargs | {self._key: z})

    @property
    def z(self) -> Tensor:
        """What decode was given."""
        return self.args[0] if self.args else self.kwargs[self._key]

    @property
    def _key(self) -> str:
        return "z" if "z" in self.kwargs else next(iter(self.kwargs))


@dataclass
class Run:
    """One training step: its loss, and the calls of encode and decode that the loss depends on."""

    loss: Tensor
    encode: Call
    decode: Call


@dataclass
class Observation:
    """The values that took the place of the networks' outputs, the loss there, and its gradients in them."""

    mu: Tensor
    s: Tensor
    params: Tensor
    loss: float  # NaN where the gradients are averaged over draws
    gradients: tuple[Tensor, Tensor, Tensor]
    tolerance: float  # of the gradients, relative


class Probe:
    """A copy of a model in which encode and decode return chosen values, with the training step around it.

    `first_run` comes first: it finds the shapes that all chosen values have.
    """

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor], x: Tensor, seed: int):
        if not isinstance(model, nn.Module) or not all(hasattr(model, name) for name in ("encode", "decode")):
            raise ValueError("model must be a module with encode(x) -> (mu, logvar) and decode(z) -> params")
        if not isinstance(x, Tensor) or x.ndim < 2 or x.numel() == 0:
            raise ValueError(f"x must be a batch, (B, ...), got {getattr(x, 'shape', type(x))}")
        self.order, self.x, self.seed = adapt.argument_order(loss), x, seed
        self.model, self._given_loss = adapt.copies(model, loss)
        self.model.train()
        self.parameters = {id(value): (name, value) for name, value in self.model.named_parameters()}
        self._counters = [
            (module, {name: value for name, value in vars(module).items() if isinstance(value, int | float)})
            for module in self.model.modules()
        ]
        # What a copy of the loss shares with the loss: the model that it may hold, parameters, generators.
        self._shared = {id(module): module for module in self.model.modules()} | {
            id(v): v for v in adapt.held_by(self._given_loss) if isinstance(v, nn.Parameter | torch.Generator)
        }
        if self._given_loss is loss:  # it cannot be copied
            self._shared[id(loss)] = loss
        self.networks = {name: getattr(self.model, name) for name in ("encode", "decode")}
        for name in self.networks:
            self.model._modules.pop(name, None)  # where it is a submodule, not a method
            setattr(self.model, name, functools.partial(self._replacement, name))
        self.decode_range = (-math.inf, math.inf)  # see nets.output_range

    # What is known of the model after the first run

    def first_run(self) -> Fault | None:
        """Runs one step with the networks' own outputs to learn their shapes.

        A fault that it returns makes all other checks impossible.
        """
        least, most = FIRST_BATCH
        count = max(least, min(len(self.x), most))
        try:
            self.first = self.run(count)
        except (AttributeError, TypeError) as error:
            if self.order != ("model", "x") or any(self._calls.values()):
                raise
            raise ValueError(
                "a loss of two arguments must be the whole step, loss(model, x), by way of model.encode; "
                f"called so, it failed: {error}"
            ) from error
        (mu, logvar), (params,), z = self.first.encode.outputs, self.first.decode.outputs, self.first.decode.z
        pixels = self.x[0].numel()
        draws, rest = divmod(z.numel(), mu.numel())
        if draws > 1 and not rest and params.numel() % (draws * count * pixels) == 0:
            shapes = f"z {require.shape_of(z)} for mu {require.shape_of(mu)}"
            raise ValueError(f"the step must draw one z per image, L = 1, got {shapes}")
        if mu.shape != logvar.shape or mu.numel() != z.numel() or params.numel() % (count * pixels):
            named = {"x": self.x[:1].expand(count, *self.x.shape[1:]), "mu": mu, "logvar": logvar}
            shapes = (named | {"z": z, "params": params}).items()
            return Fault("shapes", ", ".join(f"{name} {require.shape_of(value)}" for name, value in shapes))
        values = {"x": self.x, "mu": mu, "logvar": logvar, "params": params, "the loss": self.first.loss}
        bad = [name for name, value in values.items() if not torch.isfinite(value).all()]
        if bad:
            return Fault("not_finite", f"NaN or infinity in {', '.join(bad)}")
        self.like = {"dtype": mu.dtype, "device": mu.device}
        self._latent_shape, self._params_shape = mu.shape[1:], params.shape[1:]
        self.J, self.D = mu[0].numel(), pixels
        return None

    @property
    def ends_in_sigmoid(self) -> bool:
        """Are all outputs of decode between 0 and 1, so that they can be probabilities only?"""
        low, high = self.decode_range
        return 0 <= low and high <= 1

    @property
    def never_negative(self) -> bool:
        """Are the outputs of decode never negative, as after a ReLU, and not probabilities?"""
        low, high = self.decode_range
        return 0 <= low and high > 1

    # Running the step

    def run(
        self,
        count: int,
        encoded: tuple[Tensor, Tensor] | None = None,
        params: Tensor | None = None,
        draw: int = 0,
        x: Tensor | None = None,
        restore: bool = True,
    ) -> Run:
        """One training step on `count` rows of x, repeated where there are fewer.

        `encoded` and `params` take the place of the networks' outputs. `draw` numbers the draws of ε: the
        same number gives the same ε. `restore` takes back what earlier runs counted.
        """
        self._chosen = {"encode": encoded, "decode": None if params is None else (params,)}
        self._calls = {"encode": [], "decode": []}
        if restore:
            self._restore()
        x = self.x if x is None else x
        with random_state_kept(), torch.enable_grad():
            torch.manual_seed(self.seed + draw)
            rows = x[torch.arange(count, device=x.device) % len(x)]
            loss = adapt.training_step(self._loss, self.order, self.model, rows)
        if not all(self._calls.values()):
            raise ValueError("this step does not go through model.encode and model.decode")
        loss = adapt.scalar(loss, self.order)
        return Run(loss, *(_call_used(calls, loss) for calls in self._calls.values()))

    def _restore(self) -> None:
        """Restores the loss and the numbers that the model keeps, which an earlier run may have changed."""
        self._loss = copy.deepcopy(self._given_loss, self._shared.copy())
        for module, numbers in self._counters:
            vars(module).update(numbers)

    def _replacement(self, name: str, *args, **kwargs) -> Tensor | tuple[Tensor, Tensor]:
        """Runs in place of encode or decode: returns the chosen values, if any, and records the call."""
        outputs, modules = self._chosen[name], []
        if outputs is None:
            hook = register_module_forward_pre_hook(lambda module, _: modules.append(module))
            try:
                outputs = self.networks[name](*args, **kwargs)
            finally:
                hook.remove()
            if name == "encode" and not (isinstance(outputs, tuple | list) and len(outputs) == 2):
                raise ValueError(f"encode must return (mu, logvar), got {adapt.kind(outputs)}")
            outputs = tuple(outputs) if name == "encode" else (outputs,)
            if not all(isinstance(v, Tensor) and v.dtype in (torch.float32, torch.float64) for v in outputs):
                raise ValueError("encode must return two float32 or float64 tensors, and decode one")
        returned = tuple(value.clone() for value in outputs)
        self._calls[name].append(Call(args, kwargs, outputs, returned, modules))
        return returned if name == "encode" else returned[0]

    # Observing the loss at chosen values

    def choose(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Random mu, s and params for `count` rows; s is positive, as a step may take it for a variance."""
        # Not the seed of `run`: were mu equal to the ε that the step draws, the two could not be told apart.
        generator = torch.Generator(self.like["device"]).manual_seed(self.seed + 10**9)
        draw = functools.partial(torch.randn, generator=generator, **self.like)
        mu, s, params = (
            draw(count, *shape) for shape in (self._latent_shape, self._latent_shape, self._params_shape)
        )
        s = 0.3 + 1.7 * torch.special.ndtr(s)  # evenly from 0.3 to 2
        params = 0.05 + 0.9 * torch.sigmoid(params) if self.ends_in_sigmoid else 1.5 * params
        return mu.requires_grad_(), s.requires_grad_(), params.requires_grad_()

    def gradients_at(self, values: Sequence[Tensor], draw: int = 0, **options) -> tuple[float, list[Tensor]]:
        """The loss with these mu, s and params in place of the networks' outputs, and its three gradients."""
        mu, s, params = values
        loss = self.run(len(mu), (mu, s), params, draw, **options).loss
        found = zip(values, gradients(loss, values), strict=True)
        return loss.item(), [torch.zeros_like(value) if g is None else g for value, g in found]

    def observe(self, rows: int = 1, columns: int = 1) -> Observation:
        """The loss and its gradients at the values of `choose`.

        With rows=2 every image stands twice in the batch, with columns=2 every latent dimension: this shows
        which sums are means.
        """
        mu, s, params = (value.detach() for value in self.choose(len(self.x)))
        mu, s = (value.repeat(rows, columns, *[1] * (value.ndim - 2)) for value in (mu, s))
        params = params.repeat(rows, *[1] * (params.ndim - 1))
        values = tuple(value.requires_grad_() for value in (mu, s, params))
        (loss, first), (_, second) = self.gradients_at(values, 0), self.gradients_at(values, 1)
        if all(torch.allclose(g, h, **SAME_GRADIENT) for g, h in zip(first, second, strict=True)):
            return Observation(*values, loss, tuple(first), EXACT)
        draws = [self.gradients_at(values, draw, restore=False)[1] for draw in range(DRAWS)]
        mean = tuple(torch.stack(parts).mean(0) for parts in zip(*draws, strict=True))
        return Observation(*values, math.nan, mean, AVERAGED)


def gradients(value: Tensor, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients of `value` in these tensors, each None where `value` does not depend on the tensor."""
    known = [one for one in inputs if one.requires_grad]
    found = {}
    if value.requires_grad and known:
        parts = torch.autograd.grad(value, known, allow_unused=True, retain_graph=True)
        found = {id(one): part for one, part in zip(known, parts, strict=True)}
    return [found.get(id(one)) for one in inputs]


def random_state_kept():
    """A context after which torch's global generators are as before, on every device."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def _call_used(calls: list[Call], loss: Tensor) -> Call:
    """The call whose outputs the loss depends on: a step may also decode mu, to show it. Else the first."""
    for call in calls if len(calls) > 1 else ():
        if any(gradient is not None for gradient in gradients(loss, call.returned)):
            return call
    return calls[0]
