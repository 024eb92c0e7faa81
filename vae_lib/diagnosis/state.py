"""Keeps what running a step may change, and puts it back: weights, buffers, modes, counters, generators.

The walk starts at the model and the step and follows what they hold: attributes, containers, the variables
that a function has closed over, and the globals that it names. What it cannot see is what a step changes
elsewhere: files, iterators, objects of compiled extensions.
"""

from __future__ import annotations

import functools
import inspect
import random
import sys
import types
from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor, nn

# Most objects that are followed, and most elements of one container: the data set is not copied.
MOST_OBJECTS, MOST_ELEMENTS, MOST_NUMBERS = 20_000, 2_000, 2_000_000
# Objects of these packages are not followed: they are tools, and hold no counter of the user.
FOREIGN = {"torch", "numpy", "matplotlib", "pandas", "sklearn", "tqdm", "PIL", "pytest", "_pytest", "vae_lib"}
FOLLOWED = (types.SimpleNamespace, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)


class State:
    """A snapshot of everything that is found from these objects; `restore` makes it so again."""

    def __init__(self, *roots: object):
        self.tensors: list[Tensor] = []
        self.optimizers: list[torch.optim.Optimizer] = []
        self._containers: list[tuple[object, object]] = []
        self._cells: list[tuple[types.CellType, object]] = []
        self._globals: list[tuple[dict, str, object]] = []
        self._generators: list[tuple[object, object]] = []
        self._seen: dict[int, object] = {}
        self._todo = deque(roots)
        while self._todo and len(self._seen) < MOST_OBJECTS:
            self._visit(self._todo.popleft())
        # A batch norm changes its running means without a new version number.
        self._buffers = {id(t) for t in self.tensors if not t.requires_grad and t.numel() <= MOST_ELEMENTS}
        grads = [t.grad for t in self.tensors if t.is_leaf and t.grad is not None]
        self._grads = [(t, t.grad) for t in self.tensors if t.is_leaf]
        self._values = [
            [t, t.detach().clone(), t._version]
            for t in (*self.tensors, *grads)
            if isinstance(t, nn.Parameter) or t.numel() <= MOST_NUMBERS
        ]

    # What is found

    def _visit(self, value: object) -> None:
        if value is None or isinstance(
            value, bool | int | float | complex | str | bytes | type | types.ModuleType
        ):
            return
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            if not (value.is_meta or value.is_inference()) and value.layout == torch.strided:
                self.tensors.append(value)
        elif isinstance(value, torch.Generator):
            self._generators.append((value, value.get_state()))
        elif isinstance(value, random.Random):
            self._generators.append((value, value.getstate()))
        elif type(value).__module__ == "numpy.random._generator":
            self._generators.append((value.bit_generator, value.bit_generator.state))
        elif isinstance(value, dict | list | deque | set):
            if len(value) <= MOST_ELEMENTS:
                self._containers.append((value, value.copy()))
                self._todo.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, tuple):
            self._todo.extend(value[:MOST_ELEMENTS])
        elif isinstance(value, functools.partial):
            self._todo.extend((value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            self._todo.extend((value.__self__, value.__func__))
        elif isinstance(value, types.FunctionType):
            self._visit_function(value)
        elif _is_users(value):
            if isinstance(value, torch.optim.Optimizer):
                self.optimizers.append(value)
            if hasattr(value, "__dict__"):
                self._containers.append((vars(value), vars(value).copy()))
                self._todo.extend(vars(value).values())
            for part in vars(type(value)).values() if not _is_foreign(type(value)) else ():
                part = part.fget if isinstance(part, property) else getattr(part, "__func__", part)
                if isinstance(part, types.FunctionType):
                    self._todo.append(part)

    def _visit_function(self, function: types.FunctionType) -> None:
        if _is_foreign(function) and not function.__closure__:
            return
        function = inspect.unwrap(function)
        for cell in function.__closure__ or ():
            try:
                self._cells.append((cell, cell.cell_contents))
                self._todo.append(cell.cell_contents)
            except ValueError:  # not yet filled
                continue
        self._todo.extend((*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()))
        space = function.__globals__
        for name in _names(function.__code__):
            if name in space and not name.startswith("__"):
                self._globals.append((space, name, space[name]))
                self._todo.append(space[name])

    def numbers(self) -> dict[str, tuple[object, object, float]]:
        """The numbers that are found, as name -> (where they stand, the key there, their value)."""
        found = {}
        for place, _ in self._containers:
            if isinstance(place, dict):
                for key, value in place.items():
                    if type(value) in (int, float):
                        found[f"{id(place)}.{key}"] = (place, key, value)
        for place, key, _ in self._globals:
            if type(place.get(key)) in (int, float):
                found[f"{id(place)}.{key}"] = (place, key, place[key])
        for number, (cell, _) in enumerate(self._cells):
            if type(cell.cell_contents) in (int, float):
                found[f"cell {number}"] = (cell, None, cell.cell_contents)
        return found

    # Back

    def restore(self) -> None:
        """Everything as it was; what did not change is not touched."""
        for cell, value in self._cells:
            if cell.cell_contents is not value:
                cell.cell_contents = value
        for space, name, value in self._globals:
            if space.get(name) is not value:
                space[name] = value
        for place, kept in self._containers:
            if isinstance(place, dict):
                if len(place) != len(kept) or any(place.get(k, place) is not v for k, v in kept.items()):
                    place.clear()
                    place.update(kept)
            elif isinstance(place, set):
                if place != kept:
                    place.clear()
                    place.update(kept)
            elif len(place) != len(kept) or any(a is not b for a, b in zip(place, kept, strict=True)):
                place.clear()
                place.extend(kept)
        for tensor, grad in self._grads:
            if tensor.grad is not grad:
                tensor.grad = grad
        with torch.no_grad():
            for record in self._values:
                tensor, value, version = record
                if tensor._version != version or (
                    id(tensor) in self._buffers and not torch.equal(tensor, value)
                ):
                    tensor.data.copy_(value)  # without a new version, which would break graphs that are kept
                    record[2] = tensor._version
        for generator, state in self._generators:
            if isinstance(generator, torch.Generator):
                generator.set_state(state)
            elif isinstance(generator, random.Random):
                generator.setstate(state)
            else:
                generator.state = state


def _names(code: types.CodeType) -> Iterator[str]:
    """The names that a function's code uses, also in functions inside of it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _is_foreign(thing: object) -> bool:
    package = (getattr(thing, "__module__", None) or "").split(".")[0]
    if getattr(thing, "__module__", "") in ("vae_lib.diagnosis.gallery", "vae_lib.models"):
        return False
    return package in FOREIGN or (package in sys.stdlib_module_names and package != "__main__")


def _is_users(value: object) -> bool:
    """May this object hold something that a step counts?"""
    return isinstance(value, (nn.Module, *FOLLOWED)) or not _is_foreign(type(value))


@functools.cache
def _has_device() -> bool:
    """Is there a device with a generator of its own?"""
    kinds = (torch.cuda, getattr(torch, "xpu", torch.cuda), torch.backends.mps)
    return any(kind.is_available() for kind in kinds)


class generators_kept:
    """A context after which the global generators of torch, numpy and random are as before, on every
    device.
    """

    def __enter__(self) -> None:
        self._torch = torch.random.fork_rng(devices=range(torch.cuda.device_count()))
        self._torch.__enter__()
        self._random = random.getstate()
        numpy = sys.modules.get("numpy")
        self._numpy = (numpy.random, numpy.random.get_state()) if numpy else None

    def __exit__(self, *error: object) -> None:
        self._torch.__exit__(*error)
        random.setstate(self._random)
        if self._numpy:
            self._numpy[0].set_state(self._numpy[1])

    @staticmethod
    def seed(seed: int) -> None:
        """The same numbers from all global generators for the same seed."""
        if _has_device():
            torch.manual_seed(seed)
        else:  # torch.manual_seed is slow here: it notes the stack for devices that are not there
            torch.default_generator.manual_seed(seed)
        random.seed(seed)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(seed % 2**32)
