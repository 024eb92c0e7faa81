"""The three kinds of answers: a letter, numbers, a function. Each examines an answer and gives a message."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vae_lib.checks import compare
from vae_lib.checks.calls import (
    NotAttempted,
    Unusable,
    as_tensor,
    attempted,
    call,
    first_line,
    kind_of,
    lower_first,
    tensors,
    to_float32,
)
from vae_lib.checks.draws import OTHER_SIZES, SIZES, Draw

Inputs = dict[str, object]

# How far a result may be from the right one, relative to the largest value, beyond compare.EXACT and SINGLE.
CANCELLED = 1e-3  # of a formula that is known to be right: a float32 constant where two terms cancel
GRADIENT = 1e-5  # a gradient with a float32 constant
FEW_DIGITS = 1e-4  # a result that is right but for its last digits; a result in float32
# How far numbers may be from the right ones.
ROUNDED, ZERO = 2e-3, 1e-6  # relative; and 0, absolute
CLOSE = 0.05  # a wrong number is called close


class Exercise(ABC):
    """What `check` needs of an exercise."""

    @abstractmethod
    def examine(self, answer: object) -> str | None:
        """None if the answer is right, else a message that says what is wrong; NotAttempted for a stub."""


@dataclass(frozen=True)
class Choice(Exercise):
    """A letter. `right` is the right one; `wrong` says for each other letter what speaks against it."""

    right: str
    wrong: Mapping[str, str]

    def examine(self, answer: object) -> str | None:
        letter = answer.strip().lower() if isinstance(answer, str) else None
        if answer is None or answer is ... or letter == "":
            raise NotAttempted
        letters = sorted([self.right, *self.wrong])
        if letter not in letters:
            return f"The answer is one of {', '.join(letters)}, as a string; you gave {answer!r}."
        return None if letter == self.right else self.wrong[letter]


@dataclass(frozen=True)
class Numbers(Exercise):
    """One number or several.

    `right` computes them, by name. `mistakes` are usual wrong values: message -> {name: value}; all values of
    an entry have to agree. A learner may round to `tolerance`, relative.
    """

    right: Callable[[], Mapping[str, float]]
    mistakes: Callable[[], Mapping[str, Mapping[str, float]]] = dict
    tolerance: float = ROUNDED

    def examine(self, answer: object) -> str | None:
        right = self.right()
        given = [answer] if len(right) == 1 and not isinstance(answer, tuple | list) else answer
        if (
            given is None
            or given is ...
            or (isinstance(given, Sequence) and any(value is None or value is ... for value in given))
        ):
            raise NotAttempted
        wanted = "one number" if len(right) == 1 else f"{len(right)} numbers in a tuple: {', '.join(right)}"
        try:
            values = [float(value) for value in given]
        except (TypeError, ValueError, RuntimeError):
            return f"The answer is {wanted}; you gave something else, {kind_of(answer)}."
        if len(values) != len(right):
            return f"The answer is {wanted}; you gave {len(values)}."
        values = dict(zip(right, values, strict=True))
        if all(self._same(values[name], right[name]) for name in right):
            return None
        for message, wrong in self.mistakes().items():
            if all(self._same(values[name], value) for name, value in wrong.items()):
                return message
        return self._first_wrong(values, right)

    def _same(self, got: float, want: float) -> bool:
        return math.isclose(got, want, rel_tol=self.tolerance, abs_tol=ZERO)

    def _first_wrong(self, values: Mapping[str, float], right: Mapping[str, float]) -> str:
        """Names the first wrong number, and the sign, factor or power that explains it."""
        name = next(name for name in right if not self._same(values[name], right[name]))
        # Words begin a sentence; P(x) would be another symbol than p(x).
        begun = f"{name[0].upper()}{name[1:]}" if name[:3].isalpha() else name
        before = f"{begun} is not right"
        got, want = values[name], right[name]
        if self._same(-got, want):
            return f"{before}: its sign is flipped."
        for factor, named in ((2, "twice"), (0.5, "half of"), (-2, "minus twice"), (-0.5, "minus half of")):
            if self._same(got, factor * want):
                return f"{before}: it is {named} what it should be."
        if want > 0 and got > 0 and self._same(got, want**2):
            return f"{before}: it is the square of what is asked for."
        if want > 0 and got > 0 and self._same(got**2, want):
            return f"{before}: it is the square root of what is asked for."
        if want * got > 0 and abs(got / want - 1) < CLOSE:
            return f"{before}, but close: give at least four digits, or the expression itself."
        return f"{before}."


@dataclass(frozen=True)
class Function(Exercise):
    """A function, called with fresh random inputs.

    Attributes:
        name: what the exercise calls it.
        inputs: how each argument is drawn, in the order of the arguments.
        reference: the right result, from the same arguments; several results are a tuple.
        mistakes: message -> the wrong computation that it describes, from the same arguments.
        outputs: names of the results, if there are several.
        gradient: the arguments through which gradients must flow.
        extreme: end of a message -> what to change in the inputs so that a careless formula overflows.
        hint: what to go through when nothing else is known, such as "(4.5)".
    """

    name: str
    inputs: Mapping[str, Callable[[Draw], object]]
    reference: Callable
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    gradient: Sequence[str] = ()
    extreme: Mapping[str, Callable[[Inputs], Inputs]] = field(default_factory=dict)
    hint: str = "the text of the chapter"

    def examine(self, answer: object) -> str | None:
        attempted(answer)
        if not callable(answer):
            kind = type(answer).__name__
            return (
                f"Give the function {self.name} itself, without calling it; you gave something else ({kind})."
            )
        steps = (self._values, self._sizes, self._extremes, self._gradients, self._single_precision)
        try:
            return next(filter(None, (step(answer) for step in steps)), None)
        except Unusable as error:
            return str(error)

    # What is asked of an answer, in this order. Each returns a message, or None if all is well.

    def _values(self, answer: Callable) -> str | None:
        """Are the values right?"""
        draws = [Draw(positive_logvar=True), Draw()]
        try:
            cases = [self._case(answer, draw) for draw in draws]
        except Unusable as error:
            if self._single_precision(answer) is None:
                return f"It works only in float32. With float64 arguments {lower_first(error)}"
            return str(error)
        names_of: dict[str, list[str]] = {}
        for number, name in enumerate(self.outputs or [""]):
            message = self._explain(answer, cases, number)
            if message:
                names_of.setdefault(message, []).append(name)
        before = {
            message: f"{', '.join(names)}: " if self.outputs else "" for message, names in names_of.items()
        }
        return " ".join(f"{names}{message}" for message, names in before.items()) or None

    def _explain(self, answer: Callable, cases: list, number: int) -> str | None:
        """What is wrong with one of the results; None if nothing is but the rounding of a float32 constant.

        The usual mistakes are looked for in the first case, in which all of them give finite values.
        """
        pairs = [(got[number], want[number]) for _, got, want in cases]
        wrong_cases = [case for case, pair in zip(cases, pairs, strict=True) if not compare.close(*pair)]
        if not wrong_cases:
            return None
        inputs, (got, want) = cases[0][0], pairs[0]
        sizes = {axis: size for axis, size in SIZES.items() if _has_axis(inputs, size)}
        mistakes = self._results_of_mistakes(inputs, number, want)
        if all(compare.close(g, w, compare.SINGLE) for g, w in pairs):
            return compare.same_as_a_mistake(got, mistakes)
        found = compare.like_a_mistake(got, want, mistakes, sizes) or compare.wrong_shape(got, want, sizes)
        if found:
            return found
        if all(compare.close(g, w, FEW_DIGITS) for g, w in pairs):
            return "Right to a few digits only: is a rounded number, an epsilon or a float32 tensor in it?"
        if not all(torch.isfinite(g).all() for g, _ in pairs):
            return "NaN or infinity among the values: the logarithm or the root of a negative number?"
        found = compare.wrong_factor(pairs, sizes) or compare.wrong_constant(pairs)
        return found or self._where(answer, wrong_cases[0][0], number)

    def _where(self, answer: Callable, inputs: Inputs, number: int) -> str:
        """Names the argument in whose terms the mistake is: it is gone where the argument is 0."""
        for name, value in inputs.items():
            if isinstance(value, Tensor | float):
                zeroed = inputs | {name: 0 * value}
                try:
                    got, want = self._run(answer, zeroed)[number], self._right(zeroed)[number]
                except (Unusable, ArithmeticError, RuntimeError, ValueError):  # no inverse, no logarithm
                    continue
                if torch.isfinite(want).all() and compare.close(got, want, compare.SINGLE):
                    return f"It is right where {name} is 0, so look at the terms with {name} in them."
        return f"The values are wrong, and not in one of the usual ways: go through {self.hint}."

    def _sizes(self, answer: Callable) -> str | None:
        """Are they right for a batch of one, and for other lengths of the other axes?"""
        inputs = self._draw(Draw(sizes=OTHER_SIZES))
        try:
            got = self._run(answer, inputs)
        except Unusable as error:
            return f"Right at first, but not for arguments of other shapes (a batch of one image). {error}"
        if _all_close(got, self._right(inputs), CANCELLED):
            return None
        return (
            "Right at first, but not for arguments of other shapes: is a size written as a number, or does a "
            "squeeze drop the axis of a batch of one image?"
        )

    def _extremes(self, answer: Callable) -> str | None:
        """Are they finite and right where a careless formula overflows?"""
        for where, change in self.extreme.items():
            inputs = change(self._draw(Draw()))
            got, want = self._run(answer, inputs), self._right(inputs)
            if any(not torch.isfinite(result).all() for result in got):
                return f"Right at ordinary values, but NaN or infinity {where}"
            if not _all_close(got, want, compare.SINGLE):
                return f"Right at ordinary values, but wrong {where}"
        return None

    def _gradients(self, answer: Callable) -> str | None:
        """Is the gradient of each result right, in the arguments that need one?"""
        inputs = self._draw(Draw())
        with torch.enable_grad():
            wanted, found = (self._gradients_of(function, inputs) for function in (self.reference, answer))
        for (result, name), want in wanted.items():
            got, of = found[result, name], f"{result}: " if result else ""
            if want is not None and got is None:
                return (
                    f"{of}The right value, but no gradient reaches {name}: is there a detach, an item, a "
                    "no_grad or a new tensor on the way?"
                )
            if want is not None and not compare.close(got, want, GRADIENT):
                return (
                    f"{of}The right value, but the gradient with respect to {name} is not that of this value."
                )
        return None

    def _gradients_of(self, function: Callable, inputs: Inputs) -> dict[tuple[str, str], Tensor | None]:
        """(result, argument) -> gradient of a weighted sum of the result, or None."""
        copies, found = _copies(inputs, self.gradient), {}
        leaves = [copies[list(inputs).index(name)] for name in self.gradient]
        for result, value in zip(self.outputs or [""], tensors(call(function, copies)), strict=True):
            weights = torch.linspace(1, 2, value.numel(), dtype=value.dtype).reshape(value.shape)
            gradients = [None] * len(leaves)
            if leaves and value.requires_grad:
                total = (weights * value).sum()
                try:
                    gradients = torch.autograd.grad(total, leaves, allow_unused=True, retain_graph=True)
                except RuntimeError as error:
                    raise Unusable(f"The right value, but without a gradient: {first_line(error)}") from None
            found |= {(result, name): g for name, g in zip(self.gradient, gradients, strict=True)}
        return found

    def _single_precision(self, answer: Callable) -> str | None:
        """Does float32 in give float32 out, with its digits?"""
        inputs = self._draw(Draw())
        try:
            got = self._run(answer, {name: to_float32(value) for name, value in inputs.items()})
        except Unusable as error:
            return f"It works only in float64. With float32 arguments {lower_first(error)}"
        if not any(isinstance(value, Tensor) for value in inputs.values()):
            return None
        if any(result.dtype != torch.float32 for result in got):
            return (
                "It works only in float64: from float32 arguments it makes another type, so a tensor in it "
                "is made with a type of its own."
            )
        if not _all_close(got, self._right(inputs), FEW_DIGITS):
            return "It works only in float64: with float32 arguments too many digits are lost."
        return None

    # Running it

    def _draw(self, draw: Draw) -> Inputs:
        return {name: make(draw) for name, make in self.inputs.items()}

    def _right(self, inputs: Inputs) -> tuple[Tensor, ...]:
        return tensors(self.reference(*_copies(inputs)))

    def _run(self, answer: Callable, inputs: Inputs) -> tuple[Tensor, ...]:
        """The learner's results for copies of the inputs; Unusable if they are of the wrong kind."""
        copies = _copies(inputs)
        value = call(answer, copies)
        wanted, several = len(self.outputs) or 1, isinstance(value, tuple | list)
        if wanted > 1 and not (several and len(value) == wanted):
            raise Unusable(
                f"It should return {wanted} things, {', '.join(self.outputs)}, but returns {kind_of(value)}."
            )
        if wanted == 1 and several:
            raise Unusable(
                f"It returns {kind_of(value)} of {len(value)}, where one tensor or number is wanted."
            )
        dtypes = [copy.dtype for copy in copies if isinstance(copy, Tensor)] or [torch.float64]
        results = tuple(as_tensor(one, dtypes[0]) for one in (value if several else [value]))
        for (name, before), after in zip(inputs.items(), copies, strict=True):
            if isinstance(before, Tensor) and not torch.equal(before, after):
                raise Unusable(f"It changes its argument {name} in place; the caller still needs it.")
        return results

    def _case(self, answer: Callable, draw: Draw) -> tuple[Inputs, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Inputs, the learner's results and the right ones."""
        inputs = self._draw(draw)
        return inputs, self._run(answer, inputs), self._right(inputs)

    def _results_of_mistakes(self, inputs: Inputs, number: int, want: Tensor) -> dict[str, Tensor]:
        """Message -> what the usual mistake makes of one result, without the mistakes in other results."""
        results = {
            message: tensors(wrong(*_copies(inputs)))[number]
            for message, wrong in self._all_mistakes().items()
        }
        return {message: value for message, value in results.items() if not compare.close(value, want)}

    def _all_mistakes(self) -> dict[str, Callable]:
        """The mistakes of the exercise, and for an argument logvar the three ways to misread it."""
        found = dict(self.mistakes)
        if "logvar" not in self.inputs:
            return found
        place = list(self.inputs).index("logvar")

        def with_logvar(change: Callable[[Tensor], Tensor]) -> Callable:
            def wrong(*arguments):
                changed = change(arguments[place])
                return self.reference(*arguments[:place], changed, *arguments[place + 1 :])

            return wrong

        for message, change in MISREAD.items():
            found.setdefault(message, with_logvar(change))
        return found


# Message -> the logvar for which the right formula gives what a misread logvar gives.
MISREAD = {
    "logvar was taken for σ itself; it is the logarithm of the variance.": lambda t: 2 * t.log(),
    "logvar was taken for the variance itself; it is the logarithm of it.": torch.log,
    "exp(logvar) was taken for σ; it is the variance.": lambda t: 2 * t,
}


def _copies(inputs: Inputs, gradient: Sequence[str] = ()) -> list:
    """Copies of the arguments, those in `gradient` with a gradient."""
    return [
        value.clone().requires_grad_(name in gradient) if isinstance(value, Tensor) else value
        for name, value in inputs.items()
    ]


def _all_close(got: Sequence[Tensor], want: Sequence[Tensor], tolerance: float) -> bool:
    return all(compare.close(g, w, tolerance) for g, w in zip(got, want, strict=True))


def _has_axis(inputs: Inputs, size: int) -> bool:
    return any(isinstance(value, Tensor) and size in value.shape for value in inputs.values())
