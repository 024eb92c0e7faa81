"""Takes batches, losses and what networks return in the forms in which people write them.

All that depends on how a program is written is here and in `places`, so that the checks see one training
step, whatever its form.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from vae_lib import _validate as require

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
# What a name tells: of an argument of a loss, of a key in a batch, of a part of what a network returns.
ROLES = {
    "model": r"model|net|network|vae|module|self",
    "index": r"batch_?(idx|index|nb|i)|step|i|idx|optimizer_idx",
    "beta": r"beta|kld?_?(weight|w|coef\w*|scale|factor|beta|lambda)|weight|lambda_?kld?|anneal\w*"
        r"|warm_?up|m_n",
    "params": r"(x|img|image|images|inputs?)_?(hat|tilde|prime|dash|rec\w*|out|pred|gen|fake|logits?"
        r"|probs?|bar|dec\w*)"
              r"|rec|recons?(_?(x|img|image|images|batch|b))?|reconst\w*|reconstructed\w*|reconstruction(_?x)?s?"
              r"|fake\w*|pred\w*|y_?(hat|pred)|logits?|probs?|out|outputs?|decoded|decoder_out\w*|gen\w*|params?"
              r"|xr|rx|r|p|sample|x_r",
    "logvar": r"(z_?)?(log_?var\w*|log_?v|log_?sigma\w*|log_?std\w*|log_?sd|lv|sigma\w*|std\w*|sd|var"
        r"|variance"
              r"|scale|ls|lsd|s)(_?z)?|q_?(logvar|std|sigma|var|scale)|posterior_(logvar|std|var)",
    "mu": r"(z_?)?(mus?|means?|loc|m|mu_?vec|mean_?vec)(_?z)?|q_?(mu|mean|loc)|posterior_(mu|mean)",
    "z": r"zs?|latents?|codes?|z_?samples?|sampled_z|embedding",
    "x": r"x(_?(true|real|in|orig|input|batch|target))?|targets?|inputs?|images?|imgs?|data|batch"
        r"|originals?|real\w*"
         r"|y_?true|orig\w*|pixel_values|input_\w+|src|source|features|true_?x|x_?t",
}  # fmt: skip
LOSS_KEYS = ("loss", "total_loss", "loss_total", "total", "objective", "train_loss", "neg_elbo", "nelbo")


def role_of(name: str) -> str | None:
    """What an argument or a part with this name is, None where the name does not tell."""
    name = name.lower().strip("_")
    return next((role for role, names in ROLES.items() if re.fullmatch(names, name)), None)


# Trees of tensors, whatever the container


def leaves(tree: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of what a network returned, each with its name there: attribute, key or position."""
    if isinstance(tree, Tensor):
        yield name, tree
        return
    if isinstance(tree, torch.distributions.Distribution):
        while isinstance(tree, torch.distributions.Independent):
            tree = tree.base_dist
        arguments = [key for key in tree.arg_constraints if key in vars(tree)]
        if isinstance(tree, torch.distributions.TransformedDistribution):
            yield from leaves(tree.base_dist, name)
        parts = [(key, vars(tree)[key]) for key in arguments]
    elif isinstance(tree, dict):
        parts = list(tree.items())
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        parts = list(zip(tree._fields, tree, strict=True))
    elif isinstance(tree, tuple | list):
        parts = [(str(number), value) for number, value in enumerate(tree)]
    elif dataclasses.is_dataclass(tree) or (
        hasattr(tree, "__dict__") and not isinstance(tree, nn.Module | type)
    ):
        parts = [(key, value) for key, value in vars(tree).items()]
    else:
        return
    for key, value in parts:
        if (
            isinstance(value, Tensor | dict | tuple | list)
            or dataclasses.is_dataclass(value)
            or _holds(value)
        ):
            yield from leaves(value, f"{name}.{key}".lstrip("."))


def _holds(value: object) -> bool:
    return isinstance(value, torch.distributions.Distribution) or (
        hasattr(value, "__dict__") and any(isinstance(part, Tensor) for part in vars(value).values())
    )


def float_leaves(tree: object) -> list[tuple[str, Tensor]]:
    """The floating-point tensors of `leaves`, each once; but (mu, mu) are two."""
    found = [(name, value) for name, value in leaves(tree) if value.dtype in FLOATS and value.ndim]
    if len(found) == 2:
        return found
    return list({id(value): (name, value) for name, value in reversed(found)}.values())[::-1]


# Batches


class Batch:
    """A batch as the step takes it: a tensor, or images and labels in a tuple or a dictionary."""

    def __init__(self, given: object):
        self.given = given
        found = [] if isinstance(given, str) else list(leaves(given))
        tensors = [(name, value) for name, value in found if value.ndim >= 2 and value.numel()]
        named = [value for name, value in tensors if role_of(name.split(".")[-1]) == "x"]
        floats = [value for _, value in tensors if value.is_floating_point()]
        first = next(iter(named + floats + [value for _, value in tensors]), None)
        if first is None:
            got = getattr(given, "shape", None) or (kind(given) if found else type(given))
            raise ValueError(f"x must be a batch, (B, ...), got {got}")
        self.x = first
        self.count = len(first)

    def rows(self, count: int, x: Tensor | None = None) -> object:
        """`count` rows of it, repeated where there are fewer, with other images if x is given."""

        def take(value: object) -> object:
            if not isinstance(value, Tensor) or not value.ndim or len(value) != self.count:
                return value
            if value is self.x and x is not None:
                value = x
            return value[torch.arange(count, device=value.device) % self.count]

        return _mapped(take, self.given)


def _mapped(change: Callable, tree: object) -> object:
    """The same containers with each leaf changed, also the containers of Hugging Face and dataclasses."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, dict):
        same = {key: _mapped(change, value) for key, value in tree.items()}
        return same if type(tree) is dict else type(tree)(same)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return dataclasses.replace(
            tree, **{f.name: _mapped(change, getattr(tree, f.name)) for f in dataclasses.fields(tree)}
        )
    return pytree.tree_map(change, tree)


# Losses


def argument_order(loss: Callable, batch: Batch, order: Sequence[str] | None = None) -> tuple[str, ...]:
    """What the loss takes, in the order of its arguments, in words of `ROLES`; `order` is the caller's word.

    Raises ValueError where neither the names nor their number tell.
    """
    if order is not None:
        wrong = [name for name in order if name not in (*ROLES, "batch")]
        if wrong:
            raise ValueError(f"order must be made of {', '.join((*ROLES, 'batch'))}, got {wrong[0]!r}")
        return tuple(order)
    function = loss.forward if isinstance(loss, nn.Module) else loss
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if not names and any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return "params", "x", "mu", "logvar"
    roles = [role_of(name) for name in names]
    if len(names) == 1:
        return ("batch",)
    if len(names) == 2:
        if roles[1] == "index":
            return "batch", "index"
        parts = len(batch.given) if isinstance(batch.given, tuple | list) else 0
        if isinstance(getattr(loss, "__self__", None), nn.Module) and parts == 2 and roles[0] != "model":
            return "first", "second"
        if "params" in roles:
            raise ValueError(
                "a loss of two arguments must be the whole step, loss(model, x): this one has "
                f"({', '.join(names)}), and no KL term can be in it"
            )
        return "model", "batch"
    if len(names) == 3 and roles[0] == "model" and roles[2] in ("beta", "index"):
        return "model", "batch", roles[2]
    if len(names) < 3:
        raise ValueError("loss must be a function loss(params, x, mu, logvar) or loss(model, x)")
    return _by_names(names, roles)


def _by_names(names: list[str], roles: list[str | None]) -> tuple[str, ...]:
    """The order of a loss of the networks' outputs: by the names, and the one that is left by what is
    missing.
    """
    wanted = ["params", "x", "mu", "logvar"]
    roles = list(roles)
    images = [number for number, role in enumerate(roles) if role == "x"]
    if len(images) == 2 and "params" not in roles:  # (x, target, mu, logvar): the target is the image
        targets = [number for number in images if re.match("target|orig|real|true|y_", names[number].lower())]
        if len(targets) == 1:
            roles[images[targets[0] == images[0]]] = "params"
    for role in ROLES:  # a name that two arguments have tells nothing
        if roles.count(role) > 1:
            roles = [None if one == role else one for one in roles]
    missing = [role for role in wanted if role not in roles]
    open_ = [number for number, role in enumerate(roles) if role is None]
    pairs = ({"params", "x"}, {"mu", "logvar"})
    if len(open_) == len(missing) == 1:
        roles[open_[0]] = missing[0]
    elif len(open_) == len(missing) == 2 and set(missing) not in pairs:
        for number in open_:  # (p, x, m, t): each is on its own side
            roles[number] = next(
                role for role in missing if role in (wanted[:2] if number < 2 else wanted[2:])
            )
    if None in roles or len(roles) < 4 or any(role not in roles for role in wanted):
        raise ValueError(
            "loss must be a function loss(params, x, mu, logvar) or loss(model, x); the names "
            f"({', '.join(names)}) do not tell what is what: pass order=('params', 'x', 'mu', 'logvar') "
            f"in the "
            "order of yours, or a step: lambda model, x: …"
        )
    return tuple(roles)


def scalar(value: object, order: tuple[str, ...]) -> Tensor:
    """The loss as a tensor of one element; anything else is refused, with a line of code that helps."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.sum()
    if isinstance(value, dict):
        keys = [key for key in LOSS_KEYS if key in value] or [
            key for key in value if "loss" in str(key).lower()
        ]
        trained = [key for key in keys if isinstance(value[key], Tensor) and value[key].requires_grad] or keys
        if trained and isinstance(value[trained[0]], Tensor) and value[trained[0]].numel() == 1:
            return value[trained[0]].sum()
    elif isinstance(getattr(value, "loss", None), Tensor) and value.loss.numel() == 1:
        return value.loss.sum()
    elif isinstance(value, tuple | list) and value and isinstance(value[0], Tensor) and value[0].numel() == 1:
        return value[0].sum()
    names = ", ".join("x" if name == "batch" else name for name in order)
    pick = (
        ".mean()"
        if isinstance(value, Tensor)
        else {dict: '["loss"].mean()', tuple: "[0].mean()", list: "[0].mean()"}
    )
    pick = pick if isinstance(pick, str) else pick.get(type(value), ".loss")
    raise ValueError(
        f"loss must return a scalar, got {kind(value)}: pass a function that does, "
        f"such as lambda {names}: loss({names}){pick}"
    )


def logged(value: object) -> dict[str, Tensor]:
    """The numbers that a loss returns beside the loss itself, by name or position."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, tuple | list):
        parts = [(f"[{number}]", part) for number, part in enumerate(value)][1:]
    else:
        return {}
    tensors = ((str(key), part) for key, part in parts if key not in LOSS_KEYS)
    return {
        key: float(part)
        for key, part in tensors
        if isinstance(part, int | float) or (isinstance(part, Tensor) and part.numel() == 1)
    }


def required_arguments(function: Callable) -> int:
    """How many arguments without a default it takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)


def kind(value: object) -> str:
    """What sort of value it is, for an error message."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"shape {require.shape_of(value)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
