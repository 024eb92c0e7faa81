"""Runs the user's training step with chosen values in place of the networks' outputs.

The loss is then a function of mu, of the encoder's second output s, and of params, all of them chosen. Its
gradients in the three show the KL term and the reconstruction term, and z is seen where it is drawn.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from vae_lib import _validate as require
from vae_lib.diagnosis import adapt
from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.places import Call, Search, Site, Trace, counts, plain, rebuilt, unwrapped
from vae_lib.diagnosis.state import State, generators_kept

# Most images in the step with the networks' own outputs; batch norms need two.
FIRST_BATCH = (2, 64)
# Two draws of z give the same gradients, up to this, where the KL term is a formula in mu and s.
SAME_GRADIENT = {"rtol": 1e-4, "atol": 1e-9}
# How far gradients may be from those of a formula, relative; in bfloat16, and averaged over draws.
EXACT, COARSE, AVERAGED = 1e-3, 0.03, 0.2
# If other things than z are random, the gradients are averaged over so many runs.
DRAWS = 100
# The usual names of the encoder and of the decoder where the step goes by no `encode` and `decode`.
ENCODERS = (
    "encoder",
    "enc",
    "encode_net",
    "inference_net",
    "recognition",
    "q_net",
    "qnet",
    "q_z",
    "encoder_net",
)
DECODERS = (
    "decoder",
    "dec",
    "decode_net",
    "generator",
    "generative_net",
    "p_net",
    "pnet",
    "p_x",
    "decoder_net",
)


class Unfit(ValueError):
    """What was asked for cannot be done with this program; the message says why."""


@dataclass
class Run:
    """One training step: its loss, what else it returned, and the tensors at the places that are known."""

    loss: Tensor
    logged: dict[str, float]
    mu: Tensor
    s: Tensor
    params: list[Tensor]
    z: Tensor | None = None  # (L, B, J), flat in J
    decode: Call | None = None
    extra: list[Tensor] = field(default_factory=list)


@dataclass
class Observation:
    """The values that took the place of the networks' outputs, the loss there, and its gradients in them."""

    mu: Tensor
    s: Tensor
    params: list[Tensor]
    z: Tensor | None  # (L, B, J), a function of mu and s
    loss: float  # NaN where the gradients are averaged over draws
    gradients: tuple[Tensor, Tensor, list[Tensor]]
    tolerance: float  # of the gradients, relative
    logged: dict[str, float] = field(default_factory=dict)
    random: bool = False  # the gradients depend on the draw of z


class Probe:
    """A model and its training step, in which chosen values can take the place of the networks' outputs.

    Used as a context: at its end everything is as before. `first_run` comes first: it finds the places.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable,
        batch: object,
        seed: int = 0,
        *,
        beta: float = 1.0,
        order: Sequence[str] | None = None,
        names: dict[str, str | None] | None = None,
        optimizer: object = None,
    ):
        if not isinstance(model, nn.Module):
            raise ValueError(f"model must be a torch module, got {type(model).__name__}")
        if not callable(loss):
            raise ValueError(
                f"loss must be a function loss(params, x, mu, logvar) or loss(model, x), got "
                f"{adapt.kind(loss)}"
            )
        self.batch = adapt.Batch(batch)
        self.x, self.seed, self.beta, self.loss = self.batch.x, seed, beta, loss
        self.order = adapt.argument_order(loss, self.batch, order)
        self.model, self.inner, self.optimizer = model, unwrapped(model), optimizer
        self.names = {name: path for name, path in (names or {}).items() if path}
        self.was_training = self.inner.training
        self.parameters = {id(value): (name, value) for name, value in self.inner.named_parameters()}
        self.sites: dict[str, Site] = {}
        self.births: dict[tuple[str, str, int], str] = {}
        self.decode_range = (-math.inf, math.inf)  # see nets.output_range
        self.took: list[str] = []
        self.runs = 0
        self.draws = 1  # L
        self.same_size_only = ""  # why the step takes this batch only
        self._attempt = ""

    # Everything as it was

    def __enter__(self) -> Probe:
        self._state = State(self.model, self.loss, self.optimizer)
        self.state = self._state
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(_no_backward())
        self._stack.callback(
            torch.distributions.Distribution.set_default_validate_args,
            torch.distributions.Distribution._validate_args,
        )
        torch.distributions.Distribution.set_default_validate_args(False)
        # Only a program that is compiled has loaded the compiler, which takes seconds.
        if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
            self._stack.enter_context(torch.compiler.set_stance("force_eager"))
        for optimizer in self._state.optimizers:
            optimizer.step = lambda *args, **kwargs: None
        for _, parameter in self.parameters.values():
            parameter.grad = None  # an optimizer that is not seen has nothing to do either
        self.inner.train()
        return self

    def __exit__(self, *error: object) -> None:
        for site in reversed(self.sites.values()):
            site.remove()
        self.sites = {}
        self._state.restore()
        self._stack.close()

    def _add_site(self, name: str, path: str) -> None:
        site = Site(name, path, self.inner)
        site.install(functools.partial(self._call, site))
        self.sites[name] = site

    # The first run: where are mu, logvar, z and params?

    def first_run(self) -> Fault | None:
        """Runs one step with the networks' own outputs to find the places and their shapes.

        A fault that it returns makes all other checks impossible.
        """
        for name, path in self.names.items():
            self._add_site(name, path)
        for name, other in (("encode", ("encoder", "mu")), ("decode", ("decoder",))):
            if not any(one in self.names for one in other) and callable(getattr(self.inner, name, None)):
                self._add_site(name, name)
        self.state = self._baseline = self._again()  # with the replacements in place
        least, most = FIRST_BATCH
        count = max(least, min(self.batch.count, most))
        try:
            trace = self._look(count)
        except Exception:
            if count == self.batch.count:
                raise
            trace = self._look(self.batch.count)
            self.same_size_only = f"the step takes the batch of {self.batch.count} only"
            count = self.batch.count
        self.first_count = count
        self._locate(trace)
        if self.not_diagonal:
            return None
        self.first.mu, self.first.s, self.first.params = self._mu, self._s, self._params
        if fault := self._unfit(count):
            return fault
        if not self.not_diagonal:
            self._shapes(count)
        return None

    def _again(self) -> State:
        return State(self.model, self.loss, self.optimizer)

    def outside_rows(self) -> bool:
        """Does the step hold tensors of as many rows as the batch that are no part of it, such as labels?"""
        own = {id(value) for _, value in adapt.leaves(self.batch.given)}
        others = (t for t in self._state.tensors if id(t) not in own and id(t) not in self.parameters)
        return any(t.ndim and len(t) == self.batch.count for t in others)

    def _look(self, count: int) -> Trace:
        trace = Trace(keep=True)
        self._chosen, self._trace = {}, trace
        for site in self.sites.values():
            site.calls = []
        self.state.restore()
        loss, value, rows = self._step(count, None, 0, f"the step as it stands, on {count} rows of the batch")
        self.first = Run(loss, adapt.logged(value), None, None, [])
        self._first_calls = {name: list(site.calls) for name, site in self.sites.items()}
        self._first_x = [one for _, one in adapt.leaves(rows)]
        return trace

    def _locate(self, trace: Trace) -> None:
        """Finds the tensors mu, s, z and params of the first run, and how they are replaced in others."""
        search = Search(trace.ops, self._first_x)
        self.layers, self.not_diagonal, self.other_q, self.not_finite = search.layers(), "", "", None
        self._mu = self._s = self._z = None
        self._params: list[Tensor] = []
        self._decode_call: Call | None = None
        self._from_encoder(search)
        drawn = search.draw()
        if drawn is not None and (self._mu is None or self._s is None):
            mu, s, _z = drawn
            fitting = s is not None and (s.numel() == mu.numel() or len(s) == len(mu) == s.numel())
            if self._mu is None and fitting:
                self._mu, self._s = mu, s
                self._take(search, mu, "mu"), self._take(search, s, "s")
                self._say("mu and logvar", (mu, s), "the draw of z")
            elif self._mu is not None and self._s is None and s is not None:
                self._s = s
                self._take(search, s, "s")
        if self._mu is None or self._s is None:
            self._by_halves(search)
        if drawn is not None:
            self._z = drawn[2]
            birth = search.birth(drawn[2], first=False)
            if birth is not None and drawn[0] is self._mu:
                self.births[birth] = "seen z"
        self._from_decoder(search)
        if not self._params and self._z is not None:
            self._params = search.params(self._z, self.x[0].numel(), self.first_count)
            for number, value in enumerate(self._params):
                self._take(search, value, f"params{number}")
            if self._params:
                self._say("the decoder's output", self._params, "what the loss compares with the images")
        if self._mu is None or self._s is None or not self._params:
            if self.layers > 1:
                self.not_diagonal = (
                    f"z is drawn {self.layers} times in a step, each time from a mu of its own, as in a "
                    "sequence or in several layers: only programs with one z are checked"
                )
                return
            without_noise = (
                ""
                if search.noise
                else ". There are no random numbers in it: a program without a Gaussian "
                "q(z|x), such as a VQ-VAE or a plain autoencoder, has no ELBO that could be checked here"
            )
            missing = [
                name
                for name, value in (("mu and logvar", self._s), ("the decoder's output", self._params))
                if value is None or value == []
            ]
            raise Unfit(
                f"this step does not go through model.encode and model.decode, and "
                f"{' and '.join(missing)} could "
                'not be found in it: name the submodules, as in mu="encoder.fc_mu", '
                'logvar="encoder.fc_logvar", '
                'decoder="decoder" (' + self._children() + ")" + without_noise
            )

    def _children(self) -> str:
        names = ", ".join(name for name, _ in self.inner.named_children()) or "none"
        return f"the model's parts: {names}"

    def _say(self, what: str, tensors: Sequence[Tensor], why: str) -> None:
        self.took.append(f"{what}: {', '.join(str(tuple(t.shape)) for t in tensors)}, found by {why}")

    def _take(self, search: Search, tensor: Tensor, role: str) -> bool:
        birth = search.birth(tensor)
        if birth is not None:
            self.births[birth] = role
        return birth is not None

    def _from_encoder(self, search: Search) -> None:
        for name, role in (("mu", "mu"), ("logvar", "s")):
            site = self.sites.get(name)
            if site is None:
                continue
            call = self._used(site)
            found = adapt.float_leaves(call.out)
            named = [
                (key, one)
                for key, one in found
                if adapt.role_of(key.split(".")[-1]) == ("mu" if role == "mu" else "logvar")
            ]
            key, value = (named or found)[0]
            setattr(self, "_mu" if role == "mu" else "_s", value)
            site.template = call.out
            if plain(call.out) and len(found) == 1:
                site.direct = {key: role}
            else:
                site.extra = {key: role}
                self._take(search, value, role)
        site = next(
            (
                self.sites[name]
                for name in ("encoder", "encode")
                if name in self.sites and self.sites[name].calls
            ),
            None,
        )
        if site is None or self._mu is not None:
            return
        call = self._used(site)
        found = adapt.float_leaves(call.out)
        site.template = call.out
        roles = self._roles(found, search)
        if roles is None:
            return
        self._mu, self._s = roles["mu"][1], roles["s"][1]
        names = {roles["mu"][0]: "mu", roles["s"][0]: "s"}
        if plain(call.out) and len(found) == 2:
            site.direct = names
        elif not (self._take(search, self._mu, "mu") and self._take(search, self._s, "s")):
            site.extra = names

    def _roles(self, found: list[tuple[str, Tensor]], search: Search) -> dict[str, tuple[str, Tensor]] | None:
        """Which of an encoder's outputs are mu and s: by name, by what is computed from what, by position."""
        if len(found) < 2:
            return None
        roles = [adapt.role_of(name.split(".")[-1]) for name, _ in found]
        if "mu" in roles and "logvar" in roles:
            mu, s = roles.index("mu"), roles.index("logvar")
            for number, (_, value) in enumerate(found):  # logvar and the std that was computed from it
                if roles[number] == "logvar" and number != s and self._of(found[s][1], value):
                    s = number
            return {"mu": found[mu], "s": found[s]}
        shape = None
        candidates = []
        for number, (_, value) in enumerate(found):
            parents = [k for k, (_, other) in enumerate(found) if k != number and self._of(value, other)]
            if len(parents) < 2:
                candidates.append(number)
        for a in candidates:
            for b in candidates:
                if a < b and found[a][1].shape == found[b][1].shape:
                    shape = (a, b)
                    break
            if shape:
                break
        a, b = shape or (candidates[:2] if len(candidates) > 1 else (0, 1))
        drawn = search.draw()
        if drawn is not None and drawn[0] is found[b][1] and drawn[0] is not found[a][1]:
            a, b = b, a
            self.took.append("the encoder's second output is mu: it is what the noise is added to")
        return {"mu": found[a], "s": found[b]}

    @staticmethod
    def _of(value: Tensor, other: Tensor) -> bool:
        """Is this tensor computed from the other one?"""
        return value is not other and gradients(value.sum(), [other])[0] is not None

    def _by_halves(self, search: Search) -> None:
        """One tensor of 2J numbers, and no draw that shows its halves: mu comes first."""
        names = [name for name in ("encoder", "encode") if name in self.sites and self.sites[name].calls]
        for name in names:
            call = self._used(self.sites[name])
            found = adapt.float_leaves(call.out)
            if len(found) == 1 and found[0][1].ndim > 1 and found[0][1].shape[1] % 2 == 0 and plain(call.out):
                whole = found[0][1]
                if self._decodes_all(whole):
                    continue
                self._mu, self._s = whole.chunk(2, 1)
                self.sites[name].template, self.sites[name].direct = call.out, {found[0][0]: "both"}
                return
        heads = {}
        for name, module in self.inner.named_modules():
            role = adapt.role_of(name.split(".")[-1])
            outputs = self._module_outputs.get(id(module))
            if role in ("mu", "logvar") and outputs is not None and isinstance(outputs, Tensor):
                heads.setdefault(role, (name, outputs))
        if len(heads) == 2:
            (mu_name, self._mu), (s_name, self._s) = heads["mu"], heads["logvar"]
            self._take(search, self._mu, "mu"), self._take(search, self._s, "s")
            self.took.append(f'mu="{mu_name}", logvar="{s_name}", by their names')

    def _decodes_all(self, whole: Tensor) -> bool:
        """Does the decoder get as many numbers as the encoder returned, so that they are no halves?"""
        sites = [self.sites[name] for name in ("decoder", "decode") if name in self.sites]
        inputs = [value for site in sites for call in site.calls[:1] for value in call.inputs[:1]]
        return any(value.numel() == whole.numel() for value in inputs)

    def _from_decoder(self, search: Search) -> None:
        site = next(
            (
                self.sites[name]
                for name in ("decoder", "decode")
                if name in self.sites and self.sites[name].calls
            ),
            None,
        )
        if site is None:
            return
        call = self._used(site)
        found = [(name, value) for name, value in adapt.float_leaves(call.out)]
        used = gradients(self.first.loss, [value for _, value in found])
        kept = [pair for pair, gradient in zip(found, used, strict=True) if gradient is not None]
        kept = self._not_computed_from_others(kept) or found[:1]
        if not kept:
            return
        self._decode_call, site.template = call, call.out
        self._params = [value for _, value in kept]
        names = {name: f"params{number}" for number, (name, _) in enumerate(kept)}
        if plain(call.out) and len(kept) == len(list(adapt.leaves(call.out))):
            site.direct = names
        elif not all([self._take(search, value, names[name]) for name, value in kept]):
            site.extra = names

    def _not_computed_from_others(self, found: list[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
        return [(n, v) for n, v in found if not any(self._of(v, other) for _, other in found)]

    def _used(self, site: Site) -> Call:
        """The call whose outputs the loss depends on: a step may also decode mu, to show it. Else the
        first.
        """
        if not site.calls:
            raise Unfit(f"the step never calls {site.path!r}, named for {site.name}")
        for call in site.calls if len(site.calls) > 1 else ():
            values = [value for _, value in adapt.float_leaves(call.out)]
            if any(gradient is not None for gradient in gradients(self.first.loss, values)):
                return call
        return site.calls[0]

    def _unfit(self, count: int) -> Fault | None:
        """Outputs whose shapes do not fit, and numbers that are not finite."""
        mu, s, params, pixels = self._mu, self._s, self._params, self.x[0].numel()
        if mu.shape != s.shape and mu.numel() and s.numel() > mu.numel() and s.numel() % mu.numel() == 0:
            shapes = f"mu {require.shape_of(mu)}, and {require.shape_of(s)} beside it"
            self.other_q = f"q(z|x) is not a diagonal Gaussian: {shapes}"
        elif mu.shape != s.shape and len(s) == len(mu) == s.numel():
            self.other_q = "q(z|x) has one σ for all latent dimensions of an image"
        z = self._decode_call.inputs[0] if self._decode_call and self._decode_call.inputs else self._z
        values = {"x": self.x, "mu": mu, "logvar": s, "params": params[0], "the loss": self.first.loss}
        bad = [name for name, value in values.items() if not torch.isfinite(value.float()).all()]
        if bad == ["the loss"] and (
            mu.shape == s.shape or self.other_q
        ):  # perhaps an overflow: other values tell
            largest = s.detach().abs().max().item()
            found = f"NaN or infinity in the loss, where logvar is up to {largest:.3g}"
            self.not_finite = Fault("not_finite", found)
        elif bad:
            return Fault("not_finite", f"NaN or infinity in {', '.join(bad)}")
        if (mu.shape != s.shape and not self.other_q) or any(
            value.numel() < count * pixels for value in params[:1]
        ):
            named = {"x": self.x[:1].expand(count, *self.x.shape[1:]), "mu": mu, "logvar": s}
            shapes = (named | ({"z": z} if z is not None else {}) | {"params": params[0]}).items()
            return Fault("shapes", ", ".join(f"{name} {require.shape_of(value)}" for name, value in shapes))
        return None

    def _shapes(self, count: int) -> None:
        mu = self._mu
        dtype = mu.dtype if mu.dtype in (torch.float32, torch.float64) else torch.float32
        self.coarse = any(v.dtype in (torch.bfloat16, torch.float16) for v in (mu, self._s, *self._params))
        self.tolerance = COARSE if self.coarse else EXACT
        self.like = {"dtype": dtype, "device": mu.device}
        self.rows_per_image = mu.shape[0] // count if mu.shape[0] % count == 0 else 1
        self._latent_shape = mu.shape[1:]
        self.J, self.D = mu[0].numel(), self.x[0].numel()
        self._try_without_networks(count)
        self._arrange(count)
        self._params_shapes = [self._template(value, count) for value in self._params]

    def _try_without_networks(self, count: int) -> None:
        """Where a step needs what encode or decode keep for it, these run, though their outputs are
        replaced.
        """
        values = [value.detach().to(self.like["dtype"]).requires_grad_() for value in (self._mu, self._s)]
        try:
            self.run(count, tuple(values), [value.detach() for value in self._params], shapes=False)
            self.run(count, tuple(values), shapes=False)
        except Exception:
            for site in self.sites.values():
                if "both" not in site.direct.values():
                    site.direct, site.extra = {}, site.extra | site.direct

    def _template(self, value: Tensor, count: int) -> Callable[[int], tuple]:
        """The shape of params for any number of images."""
        shape, L = tuple(value.shape), self.draws
        rows = count * self.rows_per_image
        if shape[0] == rows:
            return lambda n: (n * self.rows_per_image, *shape[1:])
        if shape[0] == rows * L:
            return lambda n: (n * self.rows_per_image * L, *shape[1:])
        if len(shape) > 1 and shape[:2] == (L, rows):
            return lambda n: (L, n * self.rows_per_image, *shape[2:])
        if len(shape) > 1 and shape[:2] == (rows, L):
            return lambda n: (n * self.rows_per_image, L, *shape[2:])
        raise Unfit(f"the decoder returns {shape} for {count} images")

    # z in what the decoder gets

    def _arrange(self, count: int) -> None:
        """Finds z in what the decoder was given: which tensor, which of its numbers, and which draw is
        where.
        """
        self._z_at, self._z_leading, self._z_order = None, True, None
        self._z_features, self._z_lead, self._z_traced = None, 1, False
        if self._decode_call is not None and self._arranged(count):
            traced = self._z.numel() // self._mu.numel() if self._z is not None else self.draws
            if self.draws == traced or "seen z" not in self.births.values():
                return
        self._z_at, self._z_traced, self.draws = (
            None,
            True,
            1,
        )  # z is not what the decoder gets, but made into it
        self._arranged(count)

    def _arranged(self, count: int) -> bool:
        rows = count * self.rows_per_image
        mu, s = self._mu.detach().to(self.like["dtype"]), self._s.detach().to(self.like["dtype"])
        base = self._inputs(count, mu, s)
        if not base:
            return False
        shifted = self._inputs(count, mu + 1 + mu.abs(), s)
        changed = [
            a != b if a.shape == b.shape else torch.ones_like(a, dtype=torch.bool)
            for a, b in zip(base, shifted, strict=False)
        ]
        which = next((number for number, mask in enumerate(changed) if mask.any()), None)
        if which is None:
            which = next((n for n, value in enumerate(base) if value.numel() % self._mu.numel() == 0), 0)
            mask = torch.ones_like(base[which], dtype=torch.bool)
        else:
            mask = changed[which]
        if int(mask.sum()) % self._mu.numel():
            if base[which].numel() % self._mu.numel():
                return False
            mask = torch.ones_like(base[which], dtype=torch.bool)  # by chance two numbers were the same
        draws = int(mask.sum()) // self._mu.numel()
        shape = base[which].shape
        lead = 2 if draws > 1 and shape[:2] in ((draws, rows), (rows, draws)) else 1
        features = mask.reshape(math.prod(shape[:lead]), -1)
        if (lead == 1 and shape[0] != draws * rows) or not (features == features[0]).all():
            return False
        self.draws, self._z_at, self._z_lead = draws, which, lead
        self._z_features = None if mask.all() else features[0].nonzero().flatten()
        if draws > 1 and lead == 2:
            self._z_leading = shape[0] == draws
        elif draws > 1:
            one = mu.clone()
            one[0] += 1 + one[0].abs()
            moved = self._inputs(count, one, s)[which] != base[which]
            moved = moved.reshape(shape[0], -1).any(1).nonzero().flatten()
            self._z_leading = len(moved) < 2 or bool(moved[1] - moved[0] != 1)
        return True

    def _inputs(self, count: int, mu: Tensor, s: Tensor) -> list[Tensor]:
        """What the decoder gets for these mu and s; and z, where the decoder is not a function of its own."""
        run = self.run(count, (mu, s), draw=0, shapes=False)
        return [value.detach().clone() for value in self._raw_inputs(run)]

    def _raw_inputs(self, run: Run) -> list[Tensor]:
        return run.extra if self._z_traced or run.decode is None else run.decode.inputs

    def _z_of(self, run: Run, count: int) -> Tensor | None:
        """z of a run as (L, B, J), a function of mu and s."""
        values = self._raw_inputs(run)
        if self._z_at is None or self._z_at >= len(values):
            return None
        z, rows, L = values[self._z_at], count * self.rows_per_image, self.draws
        z = z.reshape(math.prod(z.shape[: self._z_lead]), -1)
        if self._z_features is not None:
            z = z[:, self._z_features]
        if z.numel() != L * rows * self.J:
            return None
        z = z.reshape(L, rows, self.J) if self._z_leading else z.reshape(rows, L, self.J).transpose(0, 1)
        if self._z_order is None:
            self._z_order = self._find_order(z, run)
        return z if self._z_order is False else z[..., self._z_order]

    def _find_order(self, z: Tensor, run: Run) -> Tensor | bool:
        """Where z has its dimensions in another order than mu, as after a permute: that order."""
        if self.J > 4096 or not z.requires_grad:
            return False
        weights = torch.rand(self.J, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(z)
        slope = gradients((z[0] * weights).sum(), [run.mu])[0]
        if slope is None:
            return False
        slope = slope.reshape(-1, self.J)[0].to(weights.dtype)
        nearest = (slope[:, None] - weights[None]).abs().argmin(1)
        same = torch.allclose(weights[nearest], slope, rtol=1e-4) and nearest.unique().numel() == self.J
        return (
            nearest
            if same and not torch.equal(nearest, torch.arange(self.J, device=nearest.device))
            else False
        )

    # What is known of the model after the first run

    @property
    def runs_without_networks(self) -> bool:
        """Do the networks stand still where values are chosen for all that they put out?"""
        return all(site.direct for site in self.sites.values()) and set(self.births.values()) <= {"seen z"}

    @property
    def ends_in_sigmoid(self) -> bool:
        """Are all outputs of decode between 0 and 1, so that they can be probabilities only?"""
        low, high = self.decode_range
        return 0 <= low and high <= 1

    @property
    def never_negative(self) -> bool:
        """Are the outputs of decode never negative, as after a ReLU, and not probabilities?"""
        low, high = self.decode_range
        return 0 <= low and high > 1

    def target(self, x: Tensor, value: Tensor) -> Tensor:
        """The images that belong to the rows of params: each as often as it is decoded, (rows, D)."""
        count = len(x)
        flat = x.reshape(count, -1)
        k, L = self.rows_per_image, self.draws
        if k > 1:
            flat = flat.repeat_interleave(k, 0) if self._interleaved else flat.repeat(k, 1)
        if L > 1:
            flat = flat.repeat(L, 1) if self._z_leading else flat.repeat_interleave(L, 0)
        return flat

    _interleaved = True  # images that the step repeats stand one after the other
    _z_traced = False

    # Running the step

    def run(
        self,
        count: int,
        encoded: tuple[Tensor, Tensor] | None = None,
        params: Sequence[Tensor] | None = None,
        draw: int = 0,
        x: Tensor | None = None,
        restore: bool = True,
        shapes: bool = True,
    ) -> Run:
        """One training step on `count` rows of the batch, repeated where there are fewer.

        `encoded` and `params` take the place of the networks' outputs. `draw` numbers the draws of ε: the
        same number gives the same ε. `restore` takes back what earlier runs counted.
        """
        chosen: dict[str, Tensor] = {}
        if encoded is not None:
            chosen |= {"mu": encoded[0], "s": encoded[1]}
            if any("both" in site.direct.values() for site in self.sites.values()):
                chosen["both"] = torch.cat(encoded, 1)
        if params is not None:
            chosen |= {f"params{number}": value for number, value in enumerate(params)}
        self._chosen = chosen
        births = {key: chosen[role] for key, role in self.births.items() if role in chosen}
        watched = {key: role for key, role in self.births.items() if role not in chosen}
        self._trace = Watching(births, watched)
        for site in self.sites.values():
            site.calls = []
        if restore:
            self.state.restore()
        what = (
            f"the step on {count} rows with chosen values for the networks' outputs"
            if chosen
            else f"the step on {count} rows"
        )
        loss, value, _ = self._step(count, x, draw, what)
        missing = [key for key in births if key not in self._trace.used]
        if missing:
            raise Unfit("the step does not run through the same operations each time")
        seen = self._trace.seen
        decode = self.sites.get("decoder") or self.sites.get("decode")
        call = None
        if decode is not None and decode.calls and self._decode_call is not None:
            call = self._call_used(decode.calls, loss, params)
        mu, s = encoded if encoded is not None else (seen.get("mu"), seen.get("s"))
        found = Run(loss, adapt.logged(value), mu, s, list(params) if params is not None else [], decode=call)
        found.extra = [seen["seen z"]] if "seen z" in seen else []
        if shapes:
            found.z = self._z_of(found, count)
        return found

    def _call_used(self, calls: list[Call], loss: Tensor, params: Sequence[Tensor] | None) -> Call:
        for call in calls if len(calls) > 1 else ():
            values = [value for _, value in adapt.float_leaves(call.out)]
            if any(gradient is not None for gradient in gradients(loss, values)):
                return call
        return calls[0]

    def _step(self, count: int, x: Tensor | None, draw: int, what: str) -> tuple[Tensor, object, object]:
        """The loss of one step, all that the step returned, and its batch."""
        self.runs += 1
        rows = self.batch.rows(count, x)
        self._module_outputs: dict[int, object] = {}
        try:
            with generators_kept(), torch.enable_grad(), self._trace:
                generators_kept.seed(self.seed + draw)
                value = self._returned(rows)
        except Unfit:
            raise
        except Exception as error:
            if hasattr(error, "add_note"):
                error.add_note(f"diagnose was running {what}")
            raise
        loss = adapt.scalar(value, self.order)
        return loss, value, rows

    def _returned(self, rows: object) -> object:
        """What the user's function returns; a loss of the networks' outputs gets those of model(x)."""
        images = adapt.Batch(rows).x
        given = {"model": self.model, "batch": rows, "x": images, "index": 0, "beta": self.beta}
        if self.order[0] in ("first", "second"):
            return self.loss(*rows)
        if "params" in self.order:
            outputs = self._forward(rows, images)
            given |= self._named_outputs(outputs, images)
            absent = [name for name in self.order if name not in given]
            if absent:
                raise Unfit(
                    f"model(x) must return (params, mu, logvar), got {adapt.kind(outputs)}; or pass a "
                    f"loss(model, x)"
                )
        return self.loss(*(given[name] for name in self.order))

    def _forward(self, rows: object, images: Tensor) -> object:
        needed = adapt.required_arguments(self.inner.forward)
        if needed > 1 and isinstance(rows, tuple | list) and len(rows) >= needed:
            return self.model(*rows[:needed])
        if isinstance(rows, dict) and needed > 1:
            return self.model(**rows)
        return self.model(images)

    def _named_outputs(self, outputs: object, images: Tensor) -> dict[str, Tensor]:
        """params, mu, logvar and z among what model(x) returns: by identity, by name, by position."""
        if isinstance(outputs, tuple | list) and not hasattr(outputs, "_fields"):
            parts = [(str(n), one) for n, one in enumerate(outputs)]
        elif isinstance(outputs, Tensor):
            return {}
        else:
            parts = list(outputs.items()) if isinstance(outputs, dict) else list(adapt.leaves(outputs))
            if not parts and hasattr(outputs, "_asdict"):
                parts = list(outputs._asdict().items())
        by_id = {id(images): "x"}
        for name, site in self.sites.items():
            for call in site.calls:
                if name in ("encode", "encoder", "mu", "logvar"):
                    for key, role in (site.direct | site.extra).items():
                        for leaf, value in adapt.leaves(call.out):
                            if leaf == key and role in ("mu", "s"):
                                by_id[id(value)] = "logvar" if role == "s" else "mu"
                else:
                    by_id |= {id(value): "params" for _, value in adapt.leaves(call.out)}
                    by_id |= {id(value): "z" for value in call.inputs[:1] if id(value) not in by_id}
        if sum(by_id.get(id(value)) not in ("params", "x") for _, value in parts) < 3:
            by_id = {key: role for key, role in by_id.items() if role != "z"}  # z may be mu itself
        given: dict[str, object] = {}
        unknown = []
        for name, value in parts:
            role = by_id.get(id(value)) or (None if name.isdigit() else adapt.role_of(name.split(".")[-1]))
            if role in ("params", "mu", "logvar", "z", "x") and role not in given:
                given[role] = value
            else:
                unknown.append(value)
        if "z" not in given and len(unknown) > sum(role not in given for role in ("params", "mu", "logvar")):
            given |= self._drawn_among(unknown)
        for role in ("params", "mu", "logvar", "z"):
            if role not in given and unknown:
                given[role] = unknown.pop(0)
        return given

    def _drawn_among(self, tensors: list) -> dict[str, Tensor]:
        """z, the tensor that is computed from two others of its shape; it is taken out of the list."""
        for number, value in enumerate(tensors):
            same = [
                one
                for one in tensors
                if isinstance(one, Tensor) and one.shape == getattr(value, "shape", None)
            ]
            if sum(self._of(value, one) for one in same) >= 2:
                return {"z": tensors.pop(number)}
        return {}

    def _call(self, site: Site, *args, **kwargs):
        """Runs in place of a named function or module: the chosen values, if any; records the call."""
        chosen = self._chosen
        if site.direct and all(role in chosen for role in site.direct.values()):
            self._trace.enter("diagnose")  # copies made here are no operations of the step
            out, modules = site.rebuilt(chosen), []
            self._trace.leave()
        else:
            modules: list[nn.Module] = []
            hook = register_module_forward_pre_hook(lambda module, _: modules.append(module))
            self._trace.enter(site.name)
            try:
                out = site.original(*args, **kwargs)
            finally:
                self._trace.leave()
                hook.remove()
            roles = {name: role for name, role in site.extra.items() if role in chosen}
            if roles:
                self._trace.enter("diagnose")
                out = rebuilt(out, {name: chosen[role] for name, role in roles.items()})
                self._trace.leave()
        site.calls.append(Call(args, kwargs, out, modules))
        return out

    # Observing the loss at chosen values

    def choose(self, count: int) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Random mu, s and params for `count` rows; s is positive, as a step may take it for a variance."""
        # Not the seed of `run`: were mu equal to the ε that the step draws, the two could not be told apart.
        generator = torch.Generator(self.like["device"]).manual_seed(self.seed + 10**9)
        draw = functools.partial(torch.randn, generator=generator, **self.like)
        rows = count * self.rows_per_image
        mu, s = (draw(rows, *self._latent_shape) for _ in range(2))
        s = 0.3 + 1.7 * torch.special.ndtr(s)  # evenly from 0.3 to 2
        if self.other_q:  # such as a triangular matrix: what the encoder itself puts out
            s = self._s.detach()[torch.arange(rows, device=mu.device) % len(self._s)]
        params = [draw(shape(count)) for shape in self._params_shapes]
        if (
            self.draws * self.rows_per_image > 1
        ):  # near each other, so that no draw has all the weight of a bound
            params = [self._gathered(value, count) for value in params]
        if self.ends_in_sigmoid and len(params) == 1:
            params = [0.05 + 0.9 * torch.sigmoid(params[0])]
        else:
            params = [1.5 * value for value in params]
            if self.never_negative:  # perhaps rates, of which a logarithm is taken
                params[0] = 0.05 + F.softplus(params[0])
            params[1:] = [0.3 + 1.7 * torch.special.ndtr(value / 1.5) for value in params[1:]]
        if self.coarse:
            mu, s, params = mu.bfloat16(), s.bfloat16(), [value.bfloat16() for value in params]
        mu, s, params = mu.to(**self.like), s.to(**self.like), [value.to(**self.like) for value in params]
        return mu.requires_grad_(), s.requires_grad_(), [value.requires_grad_() for value in params]

    def _gathered(self, value: Tensor, count: int) -> Tensor:
        L, shape = self.draws, value.shape
        if self.rows_per_image > 1:
            return value[:1] + 0.02 * (value - value[:1])
        rows = value.numel() // (L * count)
        flat = value.reshape(L, -1, rows) if self._z_leading else value.reshape(-1, L, rows).transpose(0, 1)
        flat = flat[:1] + 0.02 * (flat - flat[:1])
        return (flat if self._z_leading else flat.transpose(0, 1)).reshape(shape)

    def gradients_at(
        self, mu: Tensor, s: Tensor, params: Sequence[Tensor], draw: int = 0, **options
    ) -> tuple[Run, tuple[Tensor, Tensor, list[Tensor]]]:
        """The step with these mu, s and params in place of the networks' outputs, and the gradients of
        its loss.
        """
        count = len(mu) // self.rows_per_image
        run = self.run(count, (mu, s), params, draw, **options)
        values = [mu, s, *params]
        found = [
            torch.zeros_like(v) if g is None else g
            for v, g in zip(values, gradients(run.loss, values), strict=True)
        ]
        return run, (found[0], found[1], found[2:])

    def observe(self, rows: int = 1, columns: int = 1) -> Observation:
        """The loss and its gradients at the values of `choose`.

        With rows=2 every image stands twice in the batch, with columns=2 every latent dimension: this shows
        which sums are means.
        """
        mu, s, params = self.choose(self.batch.count)
        mu, s = (value.detach().repeat(rows, columns, *[1] * (value.ndim - 2)) for value in (mu, s))
        params = [self._repeated(value.detach(), rows) for value in params]
        mu, s, params = mu.requires_grad_(), s.requires_grad_(), [value.requires_grad_() for value in params]
        shapes = columns == 1
        run, first = self.gradients_at(mu, s, params, 0, shapes=shapes)
        _other, second = self.gradients_at(mu, s, params, 1, shapes=shapes)
        near = SAME_GRADIENT if not self.coarse else {"rtol": COARSE, "atol": 1e-6}
        same = [torch.allclose(g, h, **near) for g, h in zip(first[:2], second[:2], strict=True)]
        same.append(all(torch.allclose(g, h, **near) for g, h in zip(first[2], second[2], strict=True)))
        seen = Observation(mu, s, params, run.z, run.loss.item(), first, self.tolerance, run.logged)
        seen.random = not all(same)
        seen.random_params = not same[2]
        return seen

    def averaged(self, seen: Observation) -> Observation:
        """The same with the gradients averaged over runs, where more than z is random."""
        runs = [
            self.gradients_at(seen.mu, seen.s, seen.params, draw, restore=draw == 0)[1]
            for draw in range(DRAWS)
        ]
        mean = lambda parts: torch.stack(list(parts)).mean(0)  # noqa: E731
        params = [mean(run[2][n] for run in runs) for n in range(len(seen.params))]
        found = (mean(run[0] for run in runs), mean(run[1] for run in runs), params)
        return Observation(seen.mu, seen.s, seen.params, None, math.nan, found, AVERAGED, seen.logged, True)

    def _repeated(self, value: Tensor, rows: int) -> Tensor:
        """Every image of these params `rows` times, one whole batch after the other."""
        L = self.draws
        if rows == 1 or L == 1:
            return value.repeat(rows, *[1] * (value.ndim - 1))
        shape = value.shape
        if not self._z_leading or (len(shape) > 1 and shape[0] != L and shape[0] % L):
            return value.repeat(rows, *[1] * (value.ndim - 1))
        if shape[0] == L:
            return value.repeat(1, rows, *[1] * (value.ndim - 2))
        parts = value.reshape(L, shape[0] // L, *shape[1:]).repeat(1, rows, *[1] * (value.ndim - 1))
        return parts.reshape(shape[0] * rows, *shape[1:])


class Watching(Trace):
    """A trace that puts chosen tensors at some operations and keeps what others return."""

    def __init__(self, births: dict, watched: dict):
        super().__init__(births)
        self.watched, self.seen = watched, {}

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None):
        out = super().__torch_function__(func, types, args, kwargs)
        if not counts(out):
            return out
        region, name = self.regions[-1], getattr(func, "__name__", str(func))
        index = f"{name} {self.counts.get((region, name), 0)}"
        for (where, at, number), role in self.watched.items():
            if (where, at) == (region, index):
                found = out[number] if isinstance(out, tuple | list) else out
                if isinstance(found, Tensor):
                    self.seen[role] = found
        return out


@contextlib.contextmanager
def _no_backward():
    """A step may hold the whole body of a loop: its backward() and zero_grad() do nothing here."""
    kept = Tensor.backward, torch.optim.Optimizer.zero_grad
    Tensor.backward = lambda self, *args, **kwargs: None
    torch.optim.Optimizer.zero_grad = lambda self, *args, **kwargs: None
    try:
        yield
    finally:
        Tensor.backward, torch.optim.Optimizer.zero_grad = kept


def gradients(value: Tensor, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients of `value` in these tensors, each None where `value` does not depend on the tensor."""
    known = [one for one in inputs if one is not None and one.requires_grad]
    found = {}
    if value.requires_grad and known:
        parts = torch.autograd.grad(value, known, allow_unused=True, retain_graph=True)
        found = {id(one): part for one, part in zip(known, parts, strict=True)}
    return [found.get(id(one)) for one in inputs]
