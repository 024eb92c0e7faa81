"""Compares two tensors, what a learner's function returned and what it should, and says how they differ.

Each function returns a message, or None where it does not recognize the difference.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from vae_lib.checks.draws import AXES

# How far a result may be from the right one, relative to the largest value: computed in float64, and with a
# float32 constant in it.
EXACT, SINGLE = 1e-9, 3e-6
SMALLEST = 1e-3  # differences are relative to this where all values are smaller
ONE_FACTOR = 1e-8  # ratios or differences of results are one number up to this, relative
NAMED_FACTOR = 1e-7  # a ratio is a factor that has a name up to this, relative
UNSEEN = 1e-3  # a mistake that changes the result by less, relative, is not looked for beside a factor


def close(got: Tensor, want: Tensor, tolerance: float = EXACT) -> bool:
    """Same shape and same values, NaN and infinity in the same places included."""
    if got.shape != want.shape:
        return False
    got, want = got.detach().double(), want.detach().double()
    finite = torch.isfinite(want)
    if not torch.equal(torch.isfinite(got), finite):
        return False
    scale = want[finite].abs().max() if finite.any() else torch.tensor(0.0)
    difference = (got - want)[finite].abs()
    return bool((difference <= tolerance * scale.clamp(min=SMALLEST)).all())


def described(shape: Iterable[int], sizes: dict[str, int]) -> str:
    """A shape with the letters of its axes: "shape (B, J) = (5, 3)"."""
    shape, letters = tuple(shape), {size: axis for axis, size in sizes.items()}
    if not shape:
        return "a single number"
    if len(shape) != sum(size in letters for size in shape):
        return f"shape {shape}"
    named = ", ".join(letters[size] for size in shape) + ("," if len(shape) == 1 else "")
    return f"shape ({named}) = {shape}"


def wrong_shape(got: Tensor, want: Tensor, sizes: dict[str, int]) -> str | None:
    """A message about a shape that is not the wanted one, and the sum or mean that explains it."""
    if got.shape == want.shape:
        return None
    right = described(want.shape, sizes)
    said = f"it returns {described(got.shape, sizes)} where {right} is wanted"
    if got.numel() == want.numel() and close(got.reshape(want.shape), want):
        return f"The right values in the wrong shape: {said}."
    for name in ("sum", "mean"):
        if got.ndim == 0 and want.ndim and close(got, getattr(want, name)()):
            return f"The right values, but you return their {name}: {said}."
        axes = [axis for axis in range(got.ndim) if close(getattr(got, name)(axis), want, ONE_FACTOR)]
        if axes:
            missing = {"sum": "summed over", "mean": "averaged over"}[name]
            return f"The right terms, but they are not yet {missing} axis {axes[0]}: {said}."
    return f"The shape is wrong: {said}."


def factors(sizes: dict[str, int]) -> dict[float, str]:
    """Factor -> what it tells about the answer."""
    found = {
        0.5: "too small by exactly the factor ½: is a 2 missing, or a ½ there once too often?",
        2.0: "too large by exactly the factor 2: is a ½ missing?",
    }
    for axis, size in sizes.items():
        named = f"by exactly the factor {axis} = {size}"
        found[1 / size] = f"too small {named}: did you average over the {AXES[axis]}, where a sum is wanted?"
        found[float(size)] = f"too large {named}: did you sum over the {AXES[axis]}, where a mean is wanted?"
    if "B" in sizes:
        for axis in sizes.keys() - {"B"}:
            both = f"by exactly the factor B · {axis} = {sizes['B']} · {sizes[axis]}"
            found[1 / (sizes["B"] * sizes[axis])] = (
                f"too small {both}: did you average over everything, where the {AXES[axis]} are to be summed?"
            )
    return found


def constant(values: Tensor) -> float | None:
    """The one finite value that all elements have, if they have one."""
    value = values.flatten()[0]
    same = bool(((values - value).abs() <= ONE_FACTOR * value.abs().clamp(min=SMALLEST)).all())
    return value.item() if same else None


def wrong_factor(pairs: list[tuple[Tensor, Tensor]], sizes: dict[str, int]) -> str | None:
    """A message about results that are the right ones times one factor."""
    got, want = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    ratio = constant(got / want) if len(want) > 1 else None
    if ratio is None:
        return None
    named = next(
        (text for factor, text in factors(sizes).items() if abs(abs(ratio) / factor - 1) < NAMED_FACTOR), ""
    )
    if abs(ratio + 1) < NAMED_FACTOR:
        return "The sign is flipped."
    if named:
        return f"The sign is flipped, and it is {named}" if ratio < 0 else f"It is {named}"
    if ratio == 0:
        return "It is 0 for every input."
    return (
        "It is off by one factor, the same for every input: look for a constant that multiplies everything."
    )


def wrong_constant(pairs: list[tuple[Tensor, Tensor]]) -> str | None:
    """A message about results that are the right ones plus one number."""
    got, want = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    if len(want) < 2 or constant(got - want) is None:
        return None
    return (
        "It is off by the same amount for every input: a constant term is missing, or not what it should be."
    )


def same_as_a_mistake(got: Tensor, mistakes: dict[str, Tensor], tolerance: float = EXACT) -> str | None:
    """The message of the usual mistake that gives this result."""
    return next((message for message, value in mistakes.items() if close(got, value, tolerance)), None)


def like_a_mistake(
    got: Tensor, want: Tensor, mistakes: dict[str, Tensor], sizes: dict[str, int]
) -> str | None:
    """The message of the usual mistake that gives this result, alone or with a factor on top.

    The right result with a factor is one mistake and not two.
    """
    if same := same_as_a_mistake(got, mistakes) or same_as_a_mistake(got, mistakes, SINGLE):
        return same
    if named_factor(got, want, sizes):
        return None
    for message, value in mistakes.items():
        if not close(value, want, UNSEEN) and (factor := named_factor(got, value, sizes)):
            return f"Two things. {message} And then: {factor[0].lower()}{factor[1:]}"
    return None


def named_factor(got: Tensor, want: Tensor, sizes: dict[str, int]) -> str | None:
    """The message about a factor that has a name, such as a 2 or the sign."""
    if got.shape != want.shape:
        return None
    found = wrong_factor([(got.detach().double(), want.detach().double())], sizes)
    return None if found and ("the same for every input" in found or " 0 for" in found) else found
