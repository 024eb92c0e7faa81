"""Checks of what a caller passes in. Every message names what is wrong and what was expected."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """The shape as a plain tuple, which reads better in a message than torch.Size."""
    return tuple(tensor.shape)


def floating(name: str, value: Tensor) -> Tensor:
    """`value`, if it is a floating-point tensor without NaN or infinity and with at least one element."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} must be float32 or float64, got {value.dtype}")
    if value.numel() == 0:
        raise ValueError(f"{name} is empty: its shape is {shape_of(value)}")
    finite(name, value)
    return value


def finite(name: str, value: Tensor) -> None:
    """Raise if `value` holds NaN or infinity (an extra addition is far cheaper than isfinite().all())."""
    if not torch.isfinite(value.detach().sum()) and not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} holds NaN or infinity in {bad} of its {value.numel()} elements")


def same_shape(**tensors: Tensor) -> None:
    """Raise unless all shapes agree: nothing is broadcast silently."""
    if len({t.shape for t in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {shape_of(t)}" for name, t in tensors.items())
        raise ValueError(f"shapes must be equal, got {shapes}")


def matrix(name: str, value: Tensor, columns: str, width: int | None = None) -> None:
    """Raise unless `value` is (B, columns); `width` fixes the number of columns."""
    if value.ndim != 2 or (width is not None and value.shape[1] != width):
        wanted = columns if width is None else f"{columns}={width}"
        raise ValueError(f"{name} must have shape (B, {wanted}), got {shape_of(value)}")


def count(name: str, value: int) -> int:
    """`value` as an int of at least 1."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
    if isinstance(value, bool) or number < 1:
        raise ValueError(f"{name} must be at least 1, got {value!r}")
    return number


def real(name: str, value: float, bounds: str = "", inside: Callable[[float], bool] = math.isfinite) -> float:
    """`value` as a finite float that is `inside` its bounds; a tensor may have one element."""
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if not (math.isfinite(number) and inside(number)):
        raise ValueError(f"{name} must be a finite number{bounds}, got {value!r}")
    return number


def positive(name: str, value: float) -> float:
    """`value` as a finite float above 0."""
    return real(name, value, " above 0", lambda number: number > 0)


def weight(name: str, value: float) -> float:
    """`value` as a finite float of at least 0."""
    return real(name, value, " of at least 0", lambda number: number >= 0)


def data(name: str, value: Tensor, dtype: torch.dtype, device: torch.device | None = None) -> Tensor:
    """`value` as (B, D) observations in `dtype`: integers and booleans are converted, floats are cast."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.is_complex():
        raise ValueError(f"{name} must be real, got {value.dtype}")
    return floating(name, value.to(device=device, dtype=dtype))


def unit_interval(name: str, value: Tensor) -> None:
    """Raise unless every element is in [0, 1]; say so when it looks like bytes."""
    low, high = (float(v) for v in torch.aminmax(value.detach()))
    if low < 0 or high > 1:
        hint = "; these look like bytes: divide by 255 first" if low >= 0 and high > 1.5 else ""
        raise ValueError(f"{name} must lie in [0, 1], got values from {low:g} to {high:g}{hint}")


def model_data(model: nn.Module, x: Tensor) -> Tensor:
    """x as (B, D), or (B, ...) for images, in the model's dtype and on its device, checked by its
    likelihood.
    """
    likelihood = getattr(model, "likelihood", None)
    if likelihood is None:
        raise ValueError(
            f"{type(model).__name__} has no likelihood: set what the decoder's output means, such as "
            "model.likelihood = likelihoods.Bernoulli() for logits, or likelihoods.Gaussian(sigma)"
        )
    reference = next(iter([*model.parameters(), *model.buffers()]), x)
    if hasattr(likelihood, "check_data"):
        x = likelihood.check_data(x, reference.dtype, reference.device)
    else:  # a reader's own likelihood, with log_prob alone
        x = data("x", x, reference.dtype, reference.device)
    if x.ndim < 3 or hasattr(model, "input_dim"):  # images may have more axes, in a model that takes them
        matrix("x", x, "D")
    return x
