"""Takes a model and a loss as the user wrote them: copies both, and calls the loss with what it expects.

All that depends on how a program is written is here, so that the checks see one training step, whatever its
form.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator

from torch import Generator, Tensor, nn

from vae_lib import _validate as require

# How to get the scalar out of what a loss returns instead of one.
SCALAR_OF = {dict: '["loss"]', tuple: "[0]", list: "[0]", Tensor: ".mean()"}
# Names of a first argument that is the image, as in loss(x, x_hat, mu, logvar).
NAMES_OF_DATA = ("x", "X", "target", "targets", "inputs", "images", "data", "batch", "original")


def argument_order(loss: Callable[..., Tensor]) -> tuple[str, ...]:
    """What the loss takes, in the order of its arguments: ("model", "x"), or the four of a loss function."""
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


def training_step(loss: Callable[..., Tensor], order: tuple[str, ...], model: nn.Module, x: Tensor) -> Tensor:
    """What the loss returns for x; a loss(params, x, mu, logvar) is given the outputs of model(x)."""
    if order == ("model", "x"):
        return loss(model, x)
    outputs = model(x)
    if not isinstance(outputs, tuple | list) or len(outputs) != 3:
        raise ValueError(
            f"model(x) must return (params, mu, logvar), got {kind(outputs)}; or pass a loss(model, x)"
        )
    given = dict(zip(("params", "mu", "logvar"), outputs, strict=True), x=x)
    return loss(*(given[name] for name in order))


def scalar(value: object, order: tuple[str, ...]) -> Tensor:
    """The loss as a tensor of one element; anything else is refused, with a line of code that helps."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.sum()
    names, pick = ", ".join(order), SCALAR_OF.get(type(value), ".loss")
    raise ValueError(
        f"loss must return a scalar, got {kind(value)}: pass a function that does, "
        f"such as lambda {names}: loss({names}){pick}"
    )


def copies(model: nn.Module, loss: Callable[..., Tensor]) -> tuple[nn.Module, Callable[..., Tensor]]:
    """A copy of the model, and a copy of the loss or, where it cannot be copied, the loss itself."""
    # deepcopy refuses a tensor that is the result of a computation: one that the model has kept, or the
    # weight of a weight_norm. A detached copy takes its place.
    tensors = [one for one in (*held_by(model), *held_by(loss)) if isinstance(one, Tensor)]
    detached = {id(tensor): tensor.detach().clone() for tensor in tensors if not tensor.is_leaf}
    try:
        return copy.deepcopy((model, loss), detached.copy())
    except Exception:
        try:
            return copy.deepcopy(model, detached), loss
        except Exception as error:
            raise ValueError(
                f"model must be a module that copy.deepcopy can copy, and it fails: {error}"
            ) from error


def held_by(owner: object) -> Iterator[Tensor | Generator]:
    """The tensors and generators in a module and its submodules, also those in lists and dictionaries.

    For a method they are those of its object; anything else holds none.
    """
    owner = getattr(owner, "__self__", owner)
    for module in owner.modules() if isinstance(owner, nn.Module) else ():
        for value in vars(module).values():
            values = value.values() if isinstance(value, dict) else value
            values = values if isinstance(value, dict | list | tuple) else [value]
            yield from (one for one in values if isinstance(one, Tensor | Generator))


def kind(value: object) -> str:
    """What sort of value it is, for an error message."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"shape {require.shape_of(value)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
