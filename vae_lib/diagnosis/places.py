"""Finds where in a training step mu, logvar, z and the decoder's output are, and puts chosen values there.

A place is the output of a named function or module, such as model.decode or "encoder.fc_mu", or else the
tensor that one operation of torch returns. The user's own step runs in both
cases: only the tensor is another.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vae_lib.diagnosis import adapt

# Operations by their names in torch.
SOURCES = set("randn randn_like normal_ rand rand_like uniform_ _standard_normal".split())
PASSING = set(
    "to float double half bfloat16 type type_as cuda cpu view reshape flatten expand expand_as broadcast_to "
    "repeat repeat_interleave tile unsqueeze squeeze contiguous detach clone requires_grad_ __get__".split()
)
ADDING = set("add add_ __add__ __radd__ __iadd__ addcmul addcmul_".split())
MULTIPLYING = set("mul mul_ __mul__ __rmul__ __imul__ multiply".split())
# With a number beside the tensor.
SCALING = set(
    "mul mul_ div div_ __truediv__ __rmul__ true_divide pow add add_ sub __rsub__ __mul__ __pow__".split()
)
ONE_MINUS = {"__rsub__", "rsub", "add"}
# From the encoder's output to σ, and from the decoder's output to what the loss takes.
TO_SIGMA = PASSING | set(
    "exp exp_ sqrt sqrt_ clamp clamp_ clip clamp_min clamp_max softplus abs broadcast_tensors".split()
)
TO_LOSS = PASSING - {"__get__"} | set(
    "log log1p clamp clamp_ exp logsigmoid log_sigmoid log_softmax "
    "neg permute transpose broadcast_tensors".split()
)
COMPARING = set(
    "sub sub_ __sub__ __rsub__ mul __mul__ __rmul__ binary_cross_entropy binary_cross_entropy_with_logits "
    "mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy nll_loss poisson_nll_loss gaussian_nll_loss "
    "xlogy gather kl_div eq".split()
)
IN_FORMULAS = (
    (PASSING - {"__get__"})
    | ADDING
    | MULTIPLYING
    | SCALING
    | TO_LOSS
    | set("log2 exp2 lgamma softplus sigmoid logaddexp sub rsub true_divide xlogy".split())
)
# The second tensor gives no numbers, only its type or its shape.
LIKE_ANOTHER = {"type_as", "expand_as", "view_as", "reshape_as"}
# With classes, where params have more numbers than the images; and what takes some columns of a tensor.
OF_CLASSES = {"cross_entropy", "nll_loss", "gather"}
PARTS = {"__getitem__", "chunk", "split", "narrow", "tanh", "log_softmax"}
MOST_STEPS = 4


@dataclass
class Op:
    """One operation that was seen: the region and the number by which it is found again, what went in
    and out.
    """

    region: str
    index: str
    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class Trace(TorchFunctionMode):
    """Numbers the operations of a step, each region apart; keeps them, or puts chosen tensors at some
    of them.
    """

    def __init__(self, births: dict[tuple[str, str, int], Tensor] | None = None, keep: bool = False):
        super().__init__()
        self.births, self.keep, self.ops = births or {}, keep, []
        self.regions, self.counts, self.used = ["step"], {}, {}

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None):
        out = func(*args, **(kwargs or {}))
        if not counts(out):
            return out
        region, index = self.regions[-1], self._count(func)
        if self.keep:
            outputs = _tensors(out)
            if outputs:
                inputs, name = (
                    _tensors((*args, *(kwargs or {}).values())),
                    getattr(func, "__name__", str(func)),
                )
                inputs = inputs[:1] if name in LIKE_ANOTHER else inputs
                self.ops.append(Op(region, index, name, inputs, outputs))
        elif self.births:
            if isinstance(out, Tensor):
                if (region, index, 0) in self.births:
                    out = self._chosen(region, index, 0, out)
            elif isinstance(out, tuple | list) and any(
                (region, index, n) in self.births for n in range(len(out))
            ):
                parts = [
                    self._chosen(region, index, number, part)
                    if (region, index, number) in self.births
                    else part
                    for number, part in enumerate(out)
                ]
                out = type(out)(parts) if type(out) in (tuple, list) else tuple(parts)
        return out

    def _count(self, func: Callable) -> str:
        """The name of the operation and how often it came, so that others may come and go in between."""
        key = self.regions[-1], getattr(func, "__name__", str(func))
        self.counts[key] = self.counts.get(key, 0) + 1
        return f"{key[1]} {self.counts[key]}"

    def _chosen(self, region: str, index: str, number: int, real: Tensor) -> Tensor:
        value = self.births[region, index, number]
        if value.shape[1:] != real.shape[1:] and value.shape[-1:] != real.shape[-1:]:
            return real  # another operation than in the first run
        self.used[region, index, number] = True
        return like(value, real)

    def enter(self, region: str) -> None:
        """From here on operations count apart, in this region."""
        self.regions.append(region)
        self.counts = {key: count for key, count in self.counts.items() if key[0] != region}

    def leave(self) -> None:
        """The region ends."""
        self.regions.pop()


def counts(out: object) -> bool:
    """Is it the result of an operation to be numbered? A batch norm counts its batches in train mode only."""
    return not isinstance(out, Tensor) or out.ndim > 0 or out.is_floating_point()


def like(value: Tensor, real: Tensor) -> Tensor:
    """The chosen value in the type of the real one; a copy, as the step may change it in place."""
    return value.to(real.dtype) if value.dtype != real.dtype else value.clone()


def _tensors(tree: object) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, tuple | list):
        return [part for one in tree for part in _tensors(one)]
    return []


@dataclass
class Call:
    """One call of a named place in a training step: what went in, what came out."""

    args: tuple
    kwargs: dict
    out: object
    modules: list[nn.Module] = field(default_factory=list)

    @property
    def inputs(self) -> list[Tensor]:
        """The floating-point tensors among the arguments."""
        return [value for _, value in adapt.float_leaves([*self.args, *self.kwargs.values()])]

    def with_inputs(self, changed: dict[int, Tensor]) -> tuple[tuple, dict]:
        """The arguments with other tensors, given by the id of those that they replace."""
        swap = lambda tree: adapt._mapped(lambda one: changed.get(id(one), one), tree)  # noqa: E731
        return tuple(swap(one) for one in self.args), {key: swap(one) for key, one in self.kwargs.items()}


class Site:
    """A function or module of the model whose calls are seen, and whose output can be replaced."""

    def __init__(self, name: str, path: str, root: object):
        self.name, self.path = name, path
        *way, last = path.split(".")
        owner = root
        for part in way:
            owner = _part(owner, part, path)
        target = _part(owner, last, path)
        if not callable(target):
            raise ValueError(
                f"{name}={path!r} must name a module or a function of the model, got {type(target).__name__}"
            )
        self.target = target
        self.owner, self.key = (target, "forward") if isinstance(target, nn.Module) else (owner, last)
        self.original = getattr(self.owner, self.key)
        self.calls: list[Call] = []
        self.direct: dict[str, str] = {}  # names of the output's tensors -> the roles that they have
        self.template: object = None
        self.extra: dict[str, str] = {}  # the same where the real function is run as well

    def install(self, replacement: Callable) -> None:
        """Puts `replacement` in the place of the function."""
        self._own = self.key in vars(self.owner)
        self._kept = vars(self.owner).get(self.key)
        setattr(self.owner, self.key, replacement)

    def remove(self) -> None:
        """Puts the function back."""
        if self._own:
            setattr(self.owner, self.key, self._kept)
        else:
            delattr(self.owner, self.key)

    def rebuilt(self, chosen: dict[str, Tensor]) -> object:
        """The output, made of chosen tensors."""
        return rebuilt(self.template, {name: chosen[role] for name, role in self.direct.items()})


def _part(owner: object, name: str, path: str) -> object:
    owner = unwrapped(owner)
    if isinstance(owner, nn.ModuleList | nn.Sequential) and name.lstrip("-").isdigit():
        return owner[int(name)]
    if isinstance(owner, dict | nn.ModuleDict) and name in owner:
        return owner[name]
    if not hasattr(owner, name):
        known = [key for key, _ in owner.named_children()] if isinstance(owner, nn.Module) else []
        raise ValueError(
            f"the model has no {path!r}: {type(owner).__name__} has {', '.join(known) or 'no such part'}"
        )
    return getattr(owner, name)


def unwrapped(model: object) -> object:
    """The module inside of torch.compile, DataParallel and the like."""
    while isinstance(model, nn.Module):
        if hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        else:
            break
    return model


def rebuilt(tree: object, values: dict[str, Tensor], name: str = "") -> object:
    """The containers of `tree` with other tensors, by the names of `adapt.leaves`."""
    if isinstance(tree, Tensor):
        return like(values[name], tree) if name in values else tree
    inner = lambda key, value: rebuilt(value, values, f"{name}.{key}".lstrip("."))  # noqa: E731
    if isinstance(tree, dict):
        parts = {key: inner(key, value) for key, value in tree.items()}
        return parts if type(tree) is dict else type(tree)(parts)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(inner(key, value) for key, value in zip(tree._fields, tree, strict=True)))
    if isinstance(tree, tuple | list):
        return type(tree)(inner(str(number), value) for number, value in enumerate(tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        made = copy.copy(tree)
        for f in dataclasses.fields(tree):
            object.__setattr__(made, f.name, inner(f.name, getattr(tree, f.name)))
        return made
    return tree


def plain(tree: object) -> bool:
    """Is it made of tensors in tuples, lists, dictionaries and dataclasses only, so that `rebuilt` can
    make it?
    """
    if isinstance(tree, Tensor) or tree is None:
        return True
    if isinstance(tree, dict):
        return all(map(plain, tree.values()))
    if isinstance(tree, tuple | list):
        return all(map(plain, tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type | dict):
        return all(plain(getattr(tree, f.name)) for f in dataclasses.fields(tree))
    return False


# Looking for the places in the operations of a step


class Search:
    """The operations of one step, searched for the draw z = mu + σ ε and for what the loss compares
    with x.
    """

    def __init__(self, ops: list[Op], x: list[Tensor]):
        self.ops = ops
        self.made: dict[int, list[int]] = {}
        for number, op in enumerate(ops):
            for out in op.outputs:
                self.made.setdefault(id(out), []).append(number)
        self.noise = self._from_noise()
        self.data = {id(value) for value in x}

    def birth(self, tensor: Tensor, first: bool = True) -> tuple[str, str, int] | None:
        """The operation that returned this tensor, None where it was not seen."""
        numbers = self.made.get(id(tensor))
        if not numbers:
            return None
        op = self.ops[numbers[0 if first else -1]]
        return op.region, op.index, next(n for n, out in enumerate(op.outputs) if out is tensor)

    def _from_noise(self) -> set[int]:
        """All tensors that are random numbers, or random numbers in another form."""
        noise: set[int] = set()
        for op in self.ops:
            fresh = op.name in SOURCES or (
                op.name == "normal" and not any(t.requires_grad for t in op.inputs)
            )
            if op.name == "from_numpy" or fresh:
                noise.update(id(out) for out in op.outputs)
            elif op.name in PASSING and op.inputs and id(op.inputs[0]) in noise:
                noise.update(id(out) for out in op.outputs)
        return noise

    def draw(self) -> tuple[Tensor, Tensor | None, Tensor] | None:
        """mu, s and z, at the first sum of a tensor of the networks and of noise times another one."""
        return next(self._draws(), None)

    def layers(self) -> int:
        """How many z are drawn, each from a mu and a σ of its own, as in several layers or in a sequence."""
        own = {
            id(mu) for mu, s, _ in self._draws() if s is not None and s.requires_grad and s.shape == mu.shape
        }
        return len(own)

    def _draws(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        noisy: dict[int, Tensor | None] = dict.fromkeys(self.noise)  # noise times σ -> σ
        for number, op in enumerate(self.ops):
            if op.name == "normal" and len(op.inputs) == 2 and any(t.requires_grad for t in op.inputs):
                yield op.inputs[0], self.root(op.inputs[1], number, TO_SIGMA), op.outputs[0]
                continue
            if len(op.inputs) < 2 and not (op.name in PASSING and op.inputs and id(op.inputs[0]) in noisy):
                continue
            inside = [t for t in op.inputs if id(t) in noisy]
            outside = [t for t in op.inputs if id(t) not in noisy and t.requires_grad]
            if not inside:
                continue
            out = op.outputs[0]
            if op.name in PASSING:
                noisy[id(out)] = noisy[id(inside[0])]
            elif op.name in ("addcmul", "addcmul_") and len(outside) == 2:
                yield outside[0], self.root(outside[1], number, TO_SIGMA), out
            elif op.name in MULTIPLYING and outside and noisy[id(inside[0])] is None:
                noisy[id(out)] = outside[0]
            elif op.name in ADDING and outside and out.numel() % max(1, outside[0].numel()) == 0:
                sigma = noisy[id(inside[0])]
                mu = self.root(outside[0], number, PASSING - {"detach"})
                yield mu, None if sigma is None else self.root(sigma, number, TO_SIGMA), out

    def root(self, tensor: Tensor, before: int, through: set[str], scaling: set[str] = SCALING) -> Tensor:
        """Back from a tensor through functions of one tensor, to where it came from."""
        while True:
            numbers = [number for number in self.made.get(id(tensor), ()) if number < before]
            if not numbers:
                return tensor
            op = self.ops[numbers[-1]]
            known = op.name in through or (op.name in scaling and len(op.inputs) == 1)
            if not known or not op.inputs:
                return tensor
            at = next(n for n, out in enumerate(op.outputs) if out is tensor)
            source = op.inputs[at if op.name == "broadcast_tensors" and at < len(op.inputs) else 0]
            if not source.requires_grad or (source is tensor and numbers[-1] == before):
                return tensor
            tensor, before = source, numbers[-1]

    def params(self, z: Tensor, pixels: int, count: int) -> list[Tensor]:
        """What depends on z and is compared with the images: the decoder's outputs.

        A tensor made of the images that has less than half of their numbers is none to compare with, such as
        the total counts of cells, with which their rates are multiplied. Outputs that stand in a formula with
        others are seen when those are known: so the operations are gone through until nothing new is found.
        """
        found: list[Tensor] = []
        while True:
            more = self._compared(z, pixels, count, found)
            after = {id(one): self._after(one) for one in more}
            kept = [one for one in more if not any(id(one) in after[k] for k in after if k != id(one))]
            if {id(one) for one in kept} == {id(one) for one in found}:
                return found
            found = kept

    def _compared(self, z: Tensor, pixels: int, count: int, known_already: list[Tensor]) -> list[Tensor]:
        """The known outputs, and those that are compared with the images or stand beside a known one."""
        of_z, of_x = {id(z)}, set(self.data)
        started = self.made.get(id(z), [0])[-1]
        found = list(known_already)
        derived = {number for one in found for number in self._after(one)}
        for number, op in enumerate(self.ops):
            from_z = [t for t in op.inputs if id(t) in of_z]
            from_x = [t for t in op.inputs if id(t) in of_x and id(t) not in of_z]
            whole = any(2 * t.numel() >= count * pixels or op.name in OF_CLASSES for t in from_x)
            learned = any(t.requires_grad for t in op.inputs)
            if op.name == "broadcast_tensors" and len(op.inputs) == len(op.outputs):
                for one, out in zip(op.inputs, op.outputs, strict=True):  # each is its own
                    for group in (of_x, of_z, derived):
                        group.update([id(out)] if id(one) in group else [])
                continue
            if from_x and not learned:
                of_x.update(id(out) for out in op.outputs)
            if number <= started or not from_z:
                continue
            of_z.update(id(out) for out in op.outputs)
            if op.name not in COMPARING | ADDING | {"div", "__truediv__", "gaussian_nll_loss"}:
                continue
            known = [t for t in op.inputs if id(t) in derived]
            others = [t for t in from_z if id(t) not in derived]
            if others and ((op.name in COMPARING and whole) or known):
                for other in others:
                    root = self._before_a_formula(self.root(other, number, TO_LOSS, ONE_MINUS), of_z)
                    if op.name not in OF_CLASSES:
                        root = self._not_a_part(root, number, pixels, of_z)
                        if root.numel() % pixels or 2 * root.numel() < count * pixels:
                            continue
                    if all(root is not one for one in found):
                        found.append(root)
                        derived |= self._after(root)
        return found

    def _not_a_part(self, tensor: Tensor, before: int, pixels: int, of_z: set[int]) -> Tensor:
        """Where only some columns are compared, as of a table of mixed kinds: the tensor that has all."""
        for _ in range(MOST_STEPS):
            if tensor.numel() % pixels == 0:
                break
            numbers = [number for number in self.made.get(id(tensor), ()) if number < before]
            sources = [t for t in self.ops[numbers[-1]].inputs if id(t) in of_z] if numbers else []
            if len(sources) != 1 or self.ops[numbers[-1]].name not in PARTS | IN_FORMULAS:
                break
            tensor, before = sources[0], numbers[-1]
        return tensor

    def _before_a_formula(self, tensor: Tensor, of_z: set[int]) -> Tensor:
        """Where a tensor is a formula of one tensor that stands in it more than once: that one, else itself.

        Such as m in ln m − ln(θ + m). The operations are followed back, the last one first, until all come
        from one tensor.
        """
        ahead = {id(tensor): tensor}
        for op in reversed(self.ops):
            if not any(id(out) in ahead for out in op.outputs):
                continue
            sources = {id(t): t for t in op.inputs if id(t) in of_z}
            if op.name not in IN_FORMULAS or not sources or (len(ahead) == 1 and len(sources) == 1):
                return tensor
            for out in op.outputs:
                ahead.pop(id(out), None)
            ahead |= sources
            if len(ahead) == 1:
                return next(iter(ahead.values()))
        return tensor

    def _after(self, tensor: Tensor) -> set[int]:
        """All tensors computed from this one."""
        found = {id(tensor)}
        for op in self.ops:
            if op.name == "broadcast_tensors" and len(op.inputs) == len(op.outputs):  # each is its own
                pairs = zip(op.inputs, op.outputs, strict=True)
                found.update(id(out) for one, out in pairs if id(one) in found)
            elif any(id(t) in found for t in op.inputs):
                found.update(id(out) for out in op.outputs)
        return found
