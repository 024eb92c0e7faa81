"""Calls a learner's function: what it returned, what it raised and in which line, whether it is a stub."""

from __future__ import annotations

import dis
import linecache
import traceback
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor


class NotAttempted(Exception):
    """The answer is still the stub."""


class Unusable(ValueError):
    """A result that cannot be compared with the right one; its text says why."""


def call(function: Callable, arguments: Sequence) -> object:
    """What the function returns; Unusable if it raises or returns nothing, NotAttempted if it is a stub."""
    try:
        value = function(*arguments)
    except (Unusable, NotAttempted):  # of an answer that was called within this function
        raise
    except Exception as error:
        if isinstance(error, NotImplementedError) and _is_raised_by(error, function):
            raise NotAttempted from None
        raise Unusable(_what_was_raised(error, function)) from None
    if value is None:
        raise Unusable("It returns None: is the return missing?")
    if value is ...:
        raise NotAttempted
    return value


def attempted(answer: object) -> None:
    """Raise NotAttempted for None, for … and for a function whose body is still the stub."""
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


def _is_raised_by(error: Exception, function: Callable) -> bool:
    """Was it raised by a raise statement in the function's own file, as in a stub, and not by a library?"""
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    code, own = last.tb_frame.f_code, getattr(function, "__code__", None)
    by_raise = dis.opname[code.co_code[last.tb_lasti]] == "RAISE_VARARGS"
    return own is not None and code.co_filename == own.co_filename and by_raise


def _what_was_raised(error: Exception, function: Callable) -> str:
    """The error, and the line of the learner's code that it came from."""
    said = ": ".join(filter(None, (type(error).__name__, first_line(error))))
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    source = (lines[-1].line or linecache.getline(file, lines[-1].lineno).strip()) if lines else ""
    return f"It raised {said}" + (f" In the line: {source}" if source else "")


# What goes in and comes out


def to_float32(value: object) -> object:
    """The value, in float32 if it is a tensor of floating-point numbers."""
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def tensors(value: object) -> tuple[Tensor, ...]:
    """One or several results as tensors; a number becomes one without axes."""
    values = value if isinstance(value, tuple | list) else (value,)
    return tuple(v if isinstance(v, Tensor) else torch.as_tensor(v, dtype=torch.float64) for v in values)


def as_tensor(value: object, dtype: torch.dtype) -> Tensor:
    """One result of a learner as a tensor; a number becomes one without axes, of this type."""
    if isinstance(value, Tensor):
        return value
    try:
        number = torch.as_tensor(value, dtype=dtype)
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None or number.ndim:
        raise Unusable(f"It returns {kind_of(value)}, where a tensor is wanted.")
    return number


# Parts of messages


def first_line(error: Exception) -> str:
    """The first line of an error's text, at most 200 characters of it."""
    return (str(error).splitlines() or [""])[0][:200]


def lower_first(error: Unusable) -> str:
    """The error's text with its first letter in lower case, to continue a sentence."""
    return f"{str(error)[0].lower()}{str(error)[1:]}"


def kind_of(value: object) -> str:
    """What kind of value it is, with its article: "a list", "a tensor of shape (5, 3)"."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    kind = "numpy array" if isinstance(value, np.ndarray) else type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
