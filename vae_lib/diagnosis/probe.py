"""A model whose networks answer what they are told, and what its loss does then; for `diagnosis`."""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from vae_lib import _validate as require

# How to get at the scalar in what a loss returns instead.
PICKS = {dict: '["loss"]', tuple: "[0]", list: "[0]", Tensor: ".mean()"}
# The first argument of loss(x, x_hat, mu, logvar) goes by one of these names.
NAMES_OF_DATA = ("x", "X", "target", "targets", "inputs", "images", "data", "batch", "original")


@dataclass
class Seen:
    """What was put in place of the networks' outputs, and the loss with its gradients there."""

    mu: Tensor
    s: Tensor
    params: Tensor
    loss: float
    slopes: tuple[Tensor, Tensor, Tensor]
    tolerance: float  # relative, of the slopes
    nll: float = math.nan  # Σ −log p(x|z), once it is known
    target: Tensor | None = None  # the pixels that the loss compares with, once they are known


@dataclass
class _Call:
    """One call of encode or decode by the step."""

    args: tuple
    kwargs: dict
    answer: tuple[Tensor, ...]
    handed: tuple[Tensor, ...]  # copies of the answer, which the step may change in place
    modules: list[nn.Module]  # those that worked on it

    def with_z(self, z: Tensor) -> tuple[tuple, dict]:
        """The arguments of decode with another z."""
        return ((z, *self.args[1:]), self.kwargs) if self.args else ((), self.kwargs | {self._key: z})

    @property
    def z(self) -> Tensor:
        return self.args[0] if self.args else self.kwargs[self._key]

    @property
    def _key(self) -> str:
        return "z" if "z" in self.kwargs else next(iter(self.kwargs))


class Probe:
    """A copy of the model in which encode and decode answer what they are told, and the step that uses it."""

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor], x: Tensor, seed: int):
        if not isinstance(model, nn.Module) or not all(hasattr(model, name) for name in ("encode", "decode")):
            raise ValueError("model must be a module with encode(x) -> (mu, logvar) and decode(z) -> params")
        if not isinstance(x, Tensor) or x.ndim < 2 or x.numel() == 0:
            raise ValueError(f"x must be a batch, (B, ...), got {getattr(x, 'shape', type(x))}")
        self.order, self.x, self.seed = _arguments(loss), x, seed
        self.model, self.given = _copies(model, loss)
        self.model.train()
        self.weights = {id(weight): (name, weight) for name, weight in self.model.named_parameters()}
        self.counts = [
            (module, {name: value for name, value in vars(module).items() if isinstance(value, int | float)})
            for module in self.model.modules()
        ]
        self.shared = {id(module): module for module in self.model.modules()} | {
            id(v): v for v in _held(self.given) if isinstance(v, nn.Parameter | torch.Generator)
        }
        if self.given is loss:
            self.shared[id(loss)] = loss
        self.networks = {name: getattr(self.model, name) for name in ("encode", "decode")}
        for name in self.networks:
            self.model._modules.pop(name, None)  # where it is a module, not a method
            setattr(self.model, name, functools.partial(self.answer, name))

    def renew(self) -> None:
        """The loss as it was given, and the numbers in the model: no run sees what an earlier one counted."""
        self.loss = copy.deepcopy(self.given, self.shared.copy())
        for module, numbers in self.counts:
            vars(module).update(numbers)

    def answer(self, name: str, *args, **kwargs) -> Tensor | tuple[Tensor, Tensor]:
        """What encode or decode answers: what it was told to, or what the network says."""
        answer, modules = self.told[name], []
        if answer is None:
            watch = register_module_forward_pre_hook(lambda module, _: modules.append(module))
            try:
                answer = self.networks[name](*args, **kwargs)
            finally:
                watch.remove()
            if name == "encode" and not (isinstance(answer, tuple | list) and len(answer) == 2):
                raise ValueError(f"encode must return (mu, logvar), got {_kind(answer)}")
            answer = tuple(answer) if name == "encode" else (answer,)
            if not all(isinstance(v, Tensor) and v.dtype in (torch.float32, torch.float64) for v in answer):
                raise ValueError("encode must return two float32 or float64 tensors, and decode one")
        handed = tuple(value.clone() for value in answer)
        self.calls[name].append(_Call(args, kwargs, answer, handed, modules))
        return handed if name == "encode" else handed[0]

    def run(self, count: int, encoded=None, params=None, draw: int = 0, x=None, anew: bool = True) -> Tensor:
        """The loss of `count` rows, with `encoded` and `params` in place of what the networks put out."""
        self.told = {"encode": encoded, "decode": None if params is None else (params,)}
        self.calls = {"encode": [], "decode": []}
        if anew:
            self.renew()
        x = self.x if x is None else x
        with _forked(), torch.enable_grad():
            torch.manual_seed(self.seed + draw)
            loss = self.step(x[torch.arange(count, device=x.device) % len(x)])
        if not all(self.calls.values()):
            raise ValueError("this step does not go through model.encode and model.decode")
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            names, pick = ", ".join(self.order), PICKS.get(type(loss), ".loss")
            raise ValueError(
                f"loss must return a scalar, got {_kind(loss)}: pass a function that does, "
                f"such as lambda {names}: loss({names}){pick}"
            )
        self.encoding, self.decoding = (_used(calls, loss) for calls in self.calls.values())
        return loss.sum()

    def step(self, x: Tensor) -> Tensor:
        """The training step, from either kind of loss."""
        if self.order == ("model", "x"):
            return self.loss(self.model, x)
        answer = self.model(x)
        if not isinstance(answer, tuple | list) or len(answer) != 3:
            raise ValueError(
                f"model(x) must return (params, mu, logvar), got {_kind(answer)}; or pass a loss(model, x)"
            )
        given = dict(zip(("params", "mu", "logvar"), answer, strict=True), x=x)
        return self.loss(*(given[name] for name in self.order))

    def first_run(self) -> tuple[tuple[str, str] | None, list]:
        """One honest step, for the shapes. Returns what makes it idle to look further, and what is cut."""
        count = max(2, min(len(self.x), 64))  # two for the sake of batch norms
        try:
            loss = self.run(count)
        except (AttributeError, TypeError) as error:
            if self.order != ("model", "x") or any(self.calls.values()):
                raise
            raise ValueError(
                "a loss of two arguments must be the whole step, loss(model, x), by way of model.encode; "
                f"called so, it failed: {error}"
            ) from error
        (mu, logvar), (params,), z = self.encoding.answer, self.decoding.answer, self.decoding.z
        pixels = self.x[0].numel()
        draws, rest = divmod(z.numel(), mu.numel())
        if draws > 1 and not rest and params.numel() % (draws * count * pixels) == 0:
            shapes = f"z {require.shape_of(z)} for mu {require.shape_of(mu)}"
            raise ValueError(f"the step must draw one z per image, L = 1, got {shapes}")
        if mu.shape != logvar.shape or mu.numel() != z.numel() or params.numel() % (count * pixels):
            named = {"x": self.x[:1].expand(count, *self.x.shape[1:]), "mu": mu, "logvar": logvar}
            shapes = (named | {"z": z, "params": params}).items()
            return ("shapes", ", ".join(f"{name} {require.shape_of(value)}" for name, value in shapes)), []
        values = {"x": self.x, "mu": mu, "logvar": logvar, "params": params, "the loss": loss}
        bad = [name for name, value in values.items() if not torch.isfinite(value).all()]
        if bad:
            return ("not_finite", f"NaN or infinity in {', '.join(bad)}"), []
        self.like = {"dtype": mu.dtype, "device": mu.device}
        self.latent, self.pixels, self.J, self.D = mu.shape[1:], params.shape[1:], mu[0].numel(), pixels
        cut = self.cuts(loss)
        low, high = self.ends_of_decode()
        self.ends_in_sigmoid, self.never_negative = 0 <= low and high <= 1, 0 <= low and high > 1
        return None, cut

    def cuts(self, loss: Tensor) -> list:
        """Which outputs and weights of the two networks no gradient reaches in an honest step."""
        encoded, z, decoded = self.encoding.answer, self.decoding.z, self.decoding.answer
        total = sum((value.sum() for value in (*encoded, *decoded) if value.requires_grad), loss)
        trainable = any(weight.requires_grad for _, weight in self.weights.values())
        found = []
        for call, outputs, code in (
            (self.encoding, {"mu": encoded[0], "logvar": encoded[1]}, "no_gradient_to_encoder"),
            (self.decoding, {"params": decoded[0]}, "no_gradient_to_decoder"),
        ):
            inside = {id(w): w for module in call.modules for w in module.parameters(recurse=False)}
            weights = [w for key, w in inside.items() if w.requires_grad and key in self.weights]
            reached = gradients(total, weights)
            trains = weights or (z.requires_grad if call is self.decoding else trainable and not inside)
            lost = [
                name
                for name, value in outputs.items()
                if trains and not value.requires_grad and (value != value[:1]).any()  # it may be a constant
            ]
            lost += [self.weights[id(w)][0] for w, g in zip(weights, reached, strict=True) if g is None]
            if lost:
                more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
                found.append((code, f"cut off: {', '.join(lost[:4])}{more}"))
        params = decoded[0]
        if z.requires_grad and params.requires_grad and gradients(params.sum(), [z])[0] is None:
            found.append(("no_gradient_through_z", "no gradient from params to z: it is cut inside decode"))
        return found

    def ends_of_decode(self) -> tuple[float, float]:
        """The range of what decode puts out far from the prior and with any weights, not just these."""
        z, values = self.decoding.z, [self.decoding.answer[0].detach().flatten()]
        weights = [weight for _, weight in self.weights.values() if weight.is_floating_point()]
        kept = [weight.detach().clone() for weight in weights]
        with _forked(), torch.no_grad():
            torch.manual_seed(self.seed)
            for _ in range(8):
                for weight in weights:
                    inputs = weight[0].numel() if weight.ndim > 1 else 1
                    weight.copy_(2 * torch.randn_like(weight) / math.sqrt(inputs))
                args, kwargs = self.decoding.with_z(30 * torch.randn_like(z))
                values.append(self.networks["decode"](*args, **kwargs).flatten())
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
        values = torch.cat(values)
        low, high = torch.aminmax(values[values.isfinite()])
        return float(low), float(high)

    def trial(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """mu, s and params to put in place of the networks' outputs. s is positive: it may be a variance."""
        # A seed far from those of `run`: with one of them, these would be the numbers that the step draws.
        generator = torch.Generator(self.like["device"]).manual_seed(self.seed + 10**9)
        draw = functools.partial(torch.randn, generator=generator, **self.like)
        mu, s, params = draw(count, *self.latent), draw(count, *self.latent), draw(count, *self.pixels)
        s = 0.3 + 1.7 * torch.special.ndtr(s)  # evenly from 0.3 to 2
        params = 0.05 + 0.9 * torch.sigmoid(params) if self.ends_in_sigmoid else 1.5 * params
        return mu.requires_grad_(), s.requires_grad_(), params.requires_grad_()

    def slopes(self, at: tuple, draw: int = 0, **options) -> tuple[float, list[Tensor]]:
        """The loss and its slopes in mu, s and params, with these in place of the networks' outputs."""
        mu, s, params = at
        loss = self.run(len(mu), (mu, s), params, draw, **options)
        found = zip(at, gradients(loss, at), strict=True)
        return loss.item(), [torch.zeros_like(value) if slope is None else slope for value, slope in found]

    def look(self, rows: int = 1, columns: int = 1) -> Seen:
        """The loss and its slopes at the numbers of `trial`.

        The batch may be repeated, and the latent dimensions, to see which sums are means.
        """
        mu, s, params = (value.detach() for value in self.trial(len(self.x)))
        mu, s = (value.repeat(rows, columns, *[1] * (value.ndim - 2)) for value in (mu, s))
        params = params.repeat(rows, *[1] * (params.ndim - 1))
        at = tuple(value.requires_grad_() for value in (mu, s, params))
        (loss, first), (_, second) = self.slopes(at, 0), self.slopes(at, 1)
        if all(torch.allclose(g, h, rtol=1e-4, atol=1e-9) for g, h in zip(first, second, strict=True)):
            return Seen(*at, loss, tuple(first), tolerance=1e-3)
        # The KL term itself is estimated from z.
        draws = [self.slopes(at, draw, anew=False)[1] for draw in range(400)]
        mean = tuple(torch.stack(parts).mean(0) for parts in zip(*draws, strict=True))
        return Seen(*at, math.nan, mean, tolerance=0.2)


# Model and loss as they are handed over


def _kind(value) -> str:
    """What a value is, for a message."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"shape {require.shape_of(value)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _forked():
    """Random numbers that are drawn inside are put back, on every device."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def _held(owner) -> Iterator[Tensor | torch.Generator]:
    """The tensors and generators that a module and those inside it hold, also in lists and dictionaries."""
    owner = getattr(owner, "__self__", owner)  # of a method
    for module in owner.modules() if isinstance(owner, nn.Module) else ():
        for value in vars(module).values():
            values = value.values() if isinstance(value, dict) else value
            values = values if isinstance(value, dict | list | tuple) else [value]
            yield from (one for one in values if isinstance(one, Tensor | torch.Generator))


def _copies(model: nn.Module, loss: Callable[..., Tensor]) -> tuple[nn.Module, Callable[..., Tensor]]:
    """A copy of the model, and of the loss where that is possible."""
    # Results that the model has kept, also the weight of a weight_norm, know how they were made; deepcopy
    # refuses those.
    held = [one for one in (*_held(model), *_held(loss)) if isinstance(one, Tensor)]
    made = {id(tensor): tensor.detach().clone() for tensor in held if not tensor.is_leaf}
    try:
        return copy.deepcopy((model, loss), made.copy())
    except Exception:
        try:
            return copy.deepcopy(model, made), loss
        except Exception as error:
            raise ValueError(
                f"model must be a module that copy.deepcopy can copy, and it fails: {error}"
            ) from error


def _arguments(loss: Callable[..., Tensor]) -> tuple[str, ...]:
    """What the loss takes, in this order."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if len(names) == 2:
        return "model", "x"
    if len(names) != 4:
        raise ValueError("loss must be a function loss(params, x, mu, logvar) or loss(model, x)")
    data_first = names[0] in NAMES_OF_DATA and names[1] not in NAMES_OF_DATA
    return ("x", "params", "mu", "logvar") if data_first else ("params", "x", "mu", "logvar")


def gradients(value: Tensor, at: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients of `value`, each None where it does not depend on that tensor."""
    known = [one for one in at if one.requires_grad]
    found = {}
    if value.requires_grad and known:
        parts = torch.autograd.grad(value, known, allow_unused=True, retain_graph=True)
        found = {id(one): part for one, part in zip(known, parts, strict=True)}
    return [found.get(id(one)) for one in at]


def _used(calls: list[_Call], loss: Tensor) -> _Call:
    """The call that the loss learns through: a step may also decode mu, to show it. The first if none."""
    for call in calls if len(calls) > 1 else ():
        if any(slope is not None for slope in gradients(loss, call.handed)):
            return call
    return calls[0]
