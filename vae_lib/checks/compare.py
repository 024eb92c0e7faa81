"""From two tensors, what a learner's function returned and what it should have, to words."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from vae_lib.checks.draws import AXES

# Relative to the largest value: for float64, and what a float32 constant may cost a formula in float64.
EXACT, SINGLE = 1e-9, 3e-6


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
    return bool((difference <= tolerance * scale.clamp(min=1e-3)).all())


def shape_words(shape: Iterable[int], sizes: dict[str, int]) -> str:
    """A shape with the letters of its axes: "(5, 3), that is (B, J)"."""
    shape, letters = tuple(shape), {size: axis for axis, size in sizes.items()}
    if not shape:
        return "a single number"
    if len(shape) != sum(size in letters for size in shape):
        return f"shape {shape}"
    named = ", ".join(letters[size] for size in shape) + ("," if len(shape) == 1 else "")
    return f"shape ({named}) = {shape}"


def wrong_shape(got: Tensor, want: Tensor, sizes: dict[str, int]) -> str | None:
    """Words for a result whose shape is not the wanted one; None if the shapes agree."""
    if got.shape == want.shape:
        return None
    right = shape_words(want.shape, sizes)
    said = f"it returns {shape_words(got.shape, sizes)} where {right} is wanted"
    if got.numel() == want.numel() and close(got.reshape(want.shape), want):
        return f"The right values in the wrong shape: {said}."
    for name in ("sum", "mean"):
        if got.ndim == 0 and want.ndim and close(got, getattr(want, name)()):
            return f"The right values, but you return their {name}: {said}."
        axes = [axis for axis in range(got.ndim) if close(getattr(got, name)(axis), want, 1e-8)]
        if axes:
            missing = {"sum": "summed over", "mean": "averaged over"}[name]
            return f"The right terms, but they are not yet {missing} axis {axes[0]}: {said}."
    return f"The shape is wrong: {said}."


def factors(sizes: dict[str, int]) -> dict[float, str]:
    """Factor -> what it says about the answer."""
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


def constant(values: Tensor, tolerance: float = 1e-8) -> float | None:
    """The one value that all elements have, if they have one."""
    value = values.flatten()[0]
    same = bool(((values - value).abs() <= tolerance * value.abs().clamp(min=1e-3)).all())
    return value.item() if same and torch.isfinite(value) else None


def wrong_factor(pairs: list[tuple[Tensor, Tensor]], sizes: dict[str, int]) -> str | None:
    """Words for results that differ from the right ones by one factor, the same for every input."""
    got, want = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    ratio = constant(got / want) if (want != 0).all() and len(want) > 1 else None
    if ratio is None:
        return None
    words = next(
        (words for factor, words in factors(sizes).items() if abs(abs(ratio) / factor - 1) < 1e-7), ""
    )
    if abs(ratio + 1) < 1e-7:
        return "The sign is flipped."
    if words:
        return f"The sign is flipped, and it is {words}" if ratio < 0 else f"It is {words}"
    if ratio == 0:
        return "It is 0 for every input."
    return (
        "It is off by one factor, the same for every input: look for a constant that multiplies everything."
    )


def wrong_constant(pairs: list[tuple[Tensor, Tensor]]) -> str | None:
    """Words for results that differ from the right ones by one summand, the same for every input."""
    got, want = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    if len(want) < 2 or constant(got - want) is None:
        return None
    return (
        "It is off by the same amount for every input: a constant term is missing, or not what it should be."
    )


def same_as_a_mistake(got: Tensor, values: dict[str, Tensor], tolerance: float = EXACT) -> str | None:
    """Words of the usual mistake that gives this result."""
    return next((words for words, value in values.items() if close(got, value, tolerance)), None)


def like_a_mistake(got: Tensor, want: Tensor, values: dict[str, Tensor], sizes: dict[str, int]) -> str | None:
    """Words of the usual mistake that gives this result, alone or with a factor on top."""
    if same := same_as_a_mistake(got, values) or same_as_a_mistake(got, values, SINGLE):
        return same
    for words, value in values.items():
        if value.shape != got.shape or close(value, want, 1e-3):  # too small to be told beside a factor
            continue
        factor = wrong_factor([(got.detach().double(), value.detach().double())], sizes)
        if factor and "the same for every input" not in factor and " 0 for" not in factor:
            return f"Two things. {words} And then: {factor[0].lower()}{factor[1:]}"
    return None
