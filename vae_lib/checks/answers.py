"""The three kinds of exercises: a letter, numbers, a function. Each examines an answer and returns words."""

from __future__ import annotations

import dis
import linecache
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vae_lib.checks import compare
from vae_lib.checks.draws import OTHER_SIZES, SIZES, Draw

Inputs = dict[str, object]

# What a float32 constant may cost beyond compare.SINGLE, relative to the largest value: in a formula whose
# values are known to be right, where two terms may cancel; and in a gradient.
CANCELLED, SLOPE = 1e-3, 1e-5


class NotAttempted(Exception):
    """The answer is still the stub."""


class Exercise(Protocol):
    def examine(self, answer: object) -> str | None:
        """None if the answer is right, else what is wrong, in words; raises NotAttempted for a stub."""


@dataclass(frozen=True)
class Choice:
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
class Numbers:
    """One number or several.

    `right` computes them, by name. `mistakes` are usual wrong values: words -> {name: value}; all values of
    an entry have to agree. A learner may round to `tolerance`, relative; 0 has to be 0 to 1e-6.
    """

    right: Callable[[], Mapping[str, float]]
    mistakes: Callable[[], Mapping[str, Mapping[str, float]]] = dict
    tolerance: float = 2e-3

    def examine(self, answer: object) -> str | None:
        right = self.right()
        given = [answer] if len(right) == 1 and not isinstance(answer, tuple | list) else answer
        if (
            given is None
            or given is ...
            or (isinstance(given, Sequence) and any(value is None or value is ... for value in given))
        ):
            raise NotAttempted
        try:
            values = [float(value) for value in given]
        except (TypeError, ValueError, RuntimeError):
            return f"The answer is {_count(right)}; you gave something else, {short(answer)}."
        if len(values) != len(right):
            return f"The answer is {_count(right)}; you gave {len(values)}."
        values = dict(zip(right, values, strict=True))
        if all(self._same(values[name], right[name]) for name in right):
            return None
        for words, wrong in self.mistakes().items():
            if all(self._same(values[name], value) for name, value in wrong.items()):
                return words
        return self._which(values, right)

    def _same(self, got: float, want: float) -> bool:
        return math.isclose(got, want, rel_tol=self.tolerance, abs_tol=1e-6)

    def _which(self, values: Mapping[str, float], right: Mapping[str, float]) -> str:
        """Which of the numbers is wrong, and whether a sign or a factor explains it."""
        name = next(name for name in right if not self._same(values[name], right[name]))
        before = f"{name[0].upper()}{name[1:]} is not right"
        got, want = values[name], right[name]
        if self._same(-got, want):
            return f"{before}: its sign is flipped."
        for factor, words in ((2, "twice"), (0.5, "half of"), (-2, "minus twice"), (-0.5, "minus half of")):
            if self._same(got, factor * want):
                return f"{before}: it is {words} what it should be."
        if want > 0 and got > 0 and self._same(got, want**2):
            return f"{before}: it is the square of what is asked for."
        if want > 0 and got > 0 and self._same(got**2, want):
            return f"{before}: it is the square root of what is asked for."
        if want * got > 0 and 0.95 < got / want < 1.05:
            return f"{before}, but close: give at least four digits, or the expression itself."
        return f"{before}."


@dataclass(frozen=True)
class Function:
    """A function, run on fresh random inputs.

    Attributes:
        name: what the exercise calls it.
        inputs: how each argument is drawn, in the order of the arguments.
        reference: the right result, from the same arguments; several results are a tuple.
        mistakes: words -> the wrong computation that they describe, from the same arguments.
        outputs: names of the results, if there are several.
        gradient: the arguments through which gradients must flow.
        extreme: words -> what to change in the inputs so that a careless formula overflows.
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
        except Wrong as wrong:
            return str(wrong)

    # What is asked of an answer, in this order. Each returns words, or None if all is well.

    def _values(self, answer: Callable) -> str | None:
        """The right values, without a change of the arguments."""
        draws = [Draw(tame=True), Draw()]
        try:
            cases = [self._case(answer, draw) for draw in draws]
        except Wrong as wrong:
            if self._single_precision(answer) is None:
                return f"It works only in float32. With float64 arguments {inside(wrong)}"
            return str(wrong)
        said: dict[str, list[str]] = {}
        for number, name in enumerate(self.outputs or [""]):
            words = self._explain(answer, cases, number)
            if words:
                said.setdefault(words, []).append(name)
        named = {words: f"{', '.join(names)}: " if self.outputs else "" for words, names in said.items()}
        return " ".join(f"{names}{words}" for words, names in named.items()) or None

    def _explain(self, answer: Callable, cases: list, number: int) -> str | None:
        """What is wrong with one of the results; None if nothing is but the rounding of a float32 constant.

        The first case is the tame one, in which the usual mistakes are looked for.
        """
        pairs = [(got[number], want[number]) for _, got, want in cases]
        spoiled = [case for case, pair in zip(cases, pairs, strict=True) if not compare.close(*pair)]
        if not spoiled:
            return None
        inputs, (got, want) = cases[0][0], pairs[0]
        sizes = {axis: SIZES[axis] for axis in SIZES if _has_axis(inputs, SIZES[axis])}
        mistakes = {
            words: tensors(wrong(*_copies(inputs)))[number] for words, wrong in self._all_mistakes().items()
        }
        # Of several results, a mistake may spoil another one than this.
        mistakes = {words: value for words, value in mistakes.items() if not compare.close(value, want)}
        if all(compare.close(g, w, compare.SINGLE) for g, w in pairs):
            return compare.same_as_a_mistake(got, mistakes)
        said = compare.like_a_mistake(got, want, mistakes, sizes) or compare.wrong_shape(got, want, sizes)
        if said:
            return said
        if all(compare.close(g, w, 1e-4) for g, w in pairs):
            return "Right to a few digits only: is a rounded number, an epsilon or a float32 tensor in it?"
        if not all(torch.isfinite(g).all() for g, _ in pairs):
            return "NaN or infinity among the values: the logarithm or the root of a negative number?"
        said = compare.wrong_factor(pairs, sizes) or compare.wrong_constant(pairs)
        return said or self._where(answer, spoiled[0][0], number)

    def _where(self, answer: Callable, inputs: Inputs, number: int) -> str:
        """In which argument's terms the mistake sits, if setting that argument to 0 removes it."""
        for name, value in inputs.items():
            if isinstance(value, Tensor):
                zeroed = inputs | {name: torch.zeros_like(value)}
                try:
                    got, want = self._run(answer, zeroed)[number], self._right(zeroed)[number]
                except (Wrong, RuntimeError):  # a covariance of zeros has no inverse
                    continue
                if torch.isfinite(want).all() and compare.close(got, want, compare.SINGLE):
                    return f"It is right where {name} is 0, so look at the terms with {name} in them."
        return f"The values are wrong, and not in one of the usual ways: go through {self.hint}."

    def _sizes(self, answer: Callable) -> str | None:
        """The same for a batch of one, and for other lengths of the other axes."""
        inputs = self._draw(Draw(sizes=OTHER_SIZES))
        try:
            got = self._run(answer, inputs)
        except Wrong as wrong:
            return f"Right at first, but not for arguments of other shapes (a batch of one image). {wrong}"
        if _all_close(got, self._right(inputs), CANCELLED):
            return None
        return (
            "Right at first, but not for arguments of other shapes: is a size written as a number, or does a "
            "squeeze drop the axis of a batch of one image?"
        )

    def _gradients(self, answer: Callable) -> str | None:
        """The right gradient of each result, with respect to the arguments that need one."""
        inputs = self._draw(Draw())
        with torch.enable_grad():
            wanted, found = (self._gradient_of(function, inputs) for function in (self.reference, answer))
        for (result, name), want in wanted.items():
            got, of = found[result, name], f"{result}: " if result else ""
            if want is not None and got is None:
                return (
                    f"{of}The right value, but no gradient reaches {name}: is there a detach, an item, a "
                    "no_grad or a new tensor on the way?"
                )
            if want is not None and not compare.close(got, want, SLOPE):
                return (
                    f"{of}The right value, but the gradient with respect to {name} is not that of this value."
                )
        return None

    def _gradient_of(self, function: Callable, inputs: Inputs) -> dict[tuple[str, str], Tensor | None]:
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
                    raise Wrong(f"The right value, but without a gradient: {_first(error)}") from None
            found |= {(result, name): g for name, g in zip(self.gradient, gradients, strict=True)}
        return found

    def _single_precision(self, answer: Callable) -> str | None:
        """float32 in, float32 out, with its digits."""
        inputs = self._draw(Draw())
        try:
            got = self._run(answer, {name: single(value) for name, value in inputs.items()})
        except Wrong as wrong:
            return f"It works only in float64. With float32 arguments {inside(wrong)}"
        if not any(isinstance(value, Tensor) for value in inputs.values()):
            return None
        if any(result.dtype != torch.float32 for result in got):
            return (
                "It works only in float64: from float32 arguments it makes another type, so a tensor in it "
                "is made with a type of its own."
            )
        if not _all_close(got, self._right(inputs), 1e-4):
            return "It works only in float64: with float32 arguments too many digits are lost."
        return None

    def _extremes(self, answer: Callable) -> str | None:
        """Finite and right where a careless formula overflows."""
        for words, change in self.extreme.items():
            inputs = change(self._draw(Draw()))
            got, want = self._run(answer, inputs), self._right(inputs)
            if any(not torch.isfinite(result).all() for result in got):
                return f"Right at ordinary values, but NaN or infinity {words}"
            if not _all_close(got, want, compare.SINGLE):
                return f"Right at ordinary values, but wrong {words}"
        return None

    # Running it

    def _draw(self, draw: Draw) -> Inputs:
        return {name: make(draw) for name, make in self.inputs.items()}

    def _right(self, inputs: Inputs) -> tuple[Tensor, ...]:
        return tensors(self.reference(*_copies(inputs)))

    def _run(self, answer: Callable, inputs: Inputs) -> tuple[Tensor, ...]:
        """The learner's results for copies of the inputs; Wrong says what is wrong with them as such."""
        copies = _copies(inputs)
        value = call(answer, copies)
        wanted, several = len(self.outputs) or 1, isinstance(value, tuple | list)
        if wanted > 1 and not (several and len(value) == wanted):
            raise Wrong(
                f"It should return {wanted} things, {', '.join(self.outputs)}, but returns {short(value)}."
            )
        if wanted == 1 and several:
            raise Wrong(f"It returns {short(value)} of {len(value)}, where one tensor or number is wanted.")
        kinds = [copy.dtype for copy in copies if isinstance(copy, Tensor)] or [torch.float64]
        results = tuple(_result(one, kinds[0]) for one in (value if several else [value]))
        for (name, before), after in zip(inputs.items(), copies, strict=True):
            if isinstance(before, Tensor) and not torch.equal(before, after):
                raise Wrong(f"It changes its argument {name} in place; the caller still needs it.")
        return results

    def _case(self, answer: Callable, draw: Draw) -> tuple[Inputs, tuple[Tensor, ...], tuple[Tensor, ...]]:
        inputs = self._draw(draw)
        return inputs, self._run(answer, inputs), self._right(inputs)

    def _all_mistakes(self) -> dict[str, Callable]:
        """Those of the exercise, and for an argument logvar the three ways to misread it."""
        found = dict(self.mistakes)
        if "logvar" not in self.inputs:
            return found
        place = list(self.inputs).index("logvar")

        def with_logvar(change: Callable[[Tensor], Tensor]) -> Callable:
            def wrong(*arguments):
                changed = change(arguments[place])
                return self.reference(*arguments[:place], changed, *arguments[place + 1 :])

            return wrong

        for words, change in MISREAD.items():
            found.setdefault(words, with_logvar(change))
        return found


MISREAD = {
    "logvar was taken for σ itself; it is the logarithm of the variance.": lambda t: 2 * t.log(),
    "logvar was taken for the variance itself; it is the logarithm of it.": torch.log,
    "exp(logvar) was taken for σ; it is the variance.": lambda t: 2 * t,
}


class Wrong(ValueError):
    """A result that cannot even be compared; its text says why."""


def attempted(answer: object) -> None:
    """Raise NotAttempted for None, … and a function whose body is still the stub."""
    code = getattr(answer, "__code__", None)
    if answer is None or answer is ...:
        raise NotAttempted
    if code and code.co_code in _STUBS and set(code.co_consts) <= {None, answer.__doc__}:
        raise NotAttempted


def _stub(x): ...


def _documented_stub(x):
    """As the notebooks have it."""
    ...


_STUBS = {_stub.__code__.co_code, _documented_stub.__code__.co_code}


def call(function: Callable, arguments: Sequence) -> object:
    try:
        value = function(*arguments)
    except (Wrong, NotAttempted):  # of an answer that runs within another function
        raise
    except Exception as error:
        if isinstance(error, NotImplementedError) and _raised_by(error, function):
            raise NotAttempted from None
        raise Wrong(_place(error, function)) from None
    if value is None:
        raise Wrong("It returns None: is the return missing?")
    if value is ...:
        raise NotAttempted
    return value


def _raised_by(error: Exception, function: Callable) -> bool:
    """Was it raised by a raise in the function's own file, as in a stub, and not by a library?"""
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    code, own = last.tb_frame.f_code, getattr(function, "__code__", None)
    by_raise = dis.opname[code.co_code[last.tb_lasti]] == "RAISE_VARARGS"
    return own is not None and code.co_filename == own.co_filename and by_raise


def _place(error: Exception, function: Callable) -> str:
    """What was raised, and in which line of the learner's code."""
    said = ": ".join(filter(None, (type(error).__name__, _first(error))))
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    source = (lines[-1].line or linecache.getline(file, lines[-1].lineno).strip()) if lines else ""
    return f"It raised {said}" + (f" In the line: {source}" if source else "")


def _first(error: Exception) -> str:
    """The first line of what it says."""
    return (str(error).splitlines() or [""])[0][:200]


def inside(wrong: Wrong) -> str:
    """Its words, to go on a sentence with."""
    return f"{str(wrong)[0].lower()}{str(wrong)[1:]}"


def _copies(inputs: Inputs, gradient: Sequence[str] = ()) -> list:
    return [
        value.clone().requires_grad_(name in gradient) if isinstance(value, Tensor) else value
        for name, value in inputs.items()
    ]


def single(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def tensors(value: object) -> tuple[Tensor, ...]:
    """One or several results as tensors; a number becomes one without axes."""
    values = value if isinstance(value, tuple | list) else (value,)
    return tuple(v if isinstance(v, Tensor) else torch.as_tensor(v, dtype=torch.float64) for v in values)


def _result(value: object, kind: torch.dtype) -> Tensor:
    """One result of a learner as a tensor; a number becomes one without axes, of this type."""
    if isinstance(value, Tensor):
        return value
    try:
        number = torch.as_tensor(value, dtype=kind)
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None or number.ndim:
        raise Wrong(f"It returns {short(value)}, where a tensor is wanted.")
    return number


def _all_close(got: Sequence[Tensor], want: Sequence[Tensor], tolerance: float = compare.EXACT) -> bool:
    return all(compare.close(g, w, tolerance) for g, w in zip(got, want, strict=True))


def _has_axis(inputs: Inputs, size: int) -> bool:
    return any(isinstance(value, Tensor) and size in value.shape for value in inputs.values())


def _count(right: Mapping[str, float]) -> str:
    return "one number" if len(right) == 1 else f"{len(right)} numbers in a tuple: {', '.join(right)}"


def short(value: object) -> str:
    """What kind of thing it is, with its article."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    kind = "numpy array" if isinstance(value, np.ndarray) else type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
