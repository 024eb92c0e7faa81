"""Chapter 8: a VAE that trains in the page, with a loss that is put together line by line."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import torch
import traitlets
from torch import Tensor

from vae_lib import _validate as require
from vae_lib import datasets
from vae_lib.diagnosis.gallery import PROGRAMS, line
from vae_lib.explorers.shared.base import LEVELS, Choice, Explorer, Pixels, Slider
from vae_lib.explorers.shared.drawings import FACE
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae_lib.models import VAE

MOST_IMAGES, LARGEST_SIDE = 4096, 28
LEAST_IMAGES = 10
HELD_OUT = 5  # each fifth image is kept for the evaluation
STILL_EPOCHS = 20  # of the run that a page shows without JavaScript
TERMS = ("loss", "reconstruction", "kl", "elbo")

# What the menus choose: (part of the program, option) → the program of the gallery that has this line.
WRONG = {
    ("load", "loading.unit"): "right",
    ("load", "loading.raw"): "data_outside_unit_interval",
    ("reparameterize", "draw.sample"): "right",
    ("nll", "bernoulli.sum"): "right",
    ("nll", "bernoulli.pixel_mean"): "pixel_mean",
    ("nll", "bernoulli.sigmoid_twice"): "sigmoid_twice",
    ("kl", "kl_line.sum"): "right",
}
DRAWS = ("sigma_is_exp_logvar", "no_noise", "no_gradient_through_z", "one_eps_per_batch")
KL_LINES = ("kl_mean_over_latents", "kl_without_half", "kl_sign", "no_kl")
WRONG |= {("reparameterize", f"draw.{code}"): code for code in DRAWS}
WRONG |= {("kl", f"kl_line.{code}"): code for code in KL_LINES}
# The same for the likelihoods that the gallery does not have.
OTHERS = {
    "gaussian.sum": "-Gaussian(sigma).log_prob(x, mean).mean()",
    "gaussian.pixel_mean": "-Gaussian(sigma).log_prob(x, mean).mean() / x.shape[1]",
    "continuous_bernoulli.sum": "-ContinuousBernoulli().log_prob(x, logits).mean()",
    "continuous_bernoulli.pixel_mean": "-ContinuousBernoulli().log_prob(x, logits).mean() / x.shape[1]",
}
CODE = {option: line(PROGRAMS[code], part) for (part, option), code in WRONG.items()} | OTHERS


class Buffer(traitlets.Bytes):
    """Bytes that may come from a page, which sends them as a memoryview."""

    def validate(self, obj, value):
        return super().validate(obj, bytes(value) if isinstance(value, memoryview | bytearray) else value)


class Train(Explorer):
    """A VAE with one hidden layer, trained by the script itself, with torch's weights, order and noise.

    `Train()` trains on the grey digits of chapter 9, `Train(data=x)` on other square images, and
    `Train(model=vae)` goes on with a model that was trained in Python. The traits may be moved while it
    trains; another `latent_dim`, `hidden` or `seed` makes a new model. After each pause `model` and `history`
    have what the page has trained.

    Traits, lines of the loss: `loading`, `draw`, `likelihood`, `reduction` of the reconstruction, and
    `kl_line`, each with the right line first; the others have the codes of `vae_lib.gallery`. Numbers:
    `beta`, the weight of the KL term; `sigma` of a Gaussian; `latent_dim`, J; `num_samples`, the number L of
    draws; `hidden`, the width of both networks; `step_size` of Adam; `seed` of the weights, the
    order and the noise.
    `drawing`: 64 grey levels from 0 to 16, an image to reconstruct.

    Args:
        data: images, (N, D), with values in [0, 1]; D is a square of 2 to 28, N from 10 to 4096. Each fifth
            image is held out, as in `datasets.load_digits`.
        model: a `VAE` with one hidden layer, to go on with; a copy is trained.

    Raises:
        ValueError: a trait is out of its bounds, or data or model are not of this form.

    Source: book equation (8.1).
    """

    chapter = 8
    question = "What does this loss make of the digits?"
    own_script = True
    drawing = Pixels(FACE, "draw here")
    loading = Choice("unit", {"unit": "from 0 to 1", "raw": "from 0 to 255"}, "pixels of x")
    draw = Choice(
        "sample",
        {
            "sample": "μ + σε",
            "sigma_is_exp_logvar": "exp(logvar)",
            "no_noise": "μ, no noise",
            "no_gradient_through_z": "no gradient",
            "one_eps_per_batch": "one ε for all",
        },
        "draw of z",
    )
    likelihood = Choice(
        "bernoulli",
        {
            "bernoulli": "Bernoulli",
            "gaussian": "Gaussian",
            "continuous_bernoulli": "cont. Bernoulli",
        },
        "p(x|z)",
    )
    reduction = Choice(
        "sum",
        {"sum": "sum", "pixel_mean": "mean", "sigmoid_twice": "sigmoid twice"},
        "over the pixels",
    )
    kl_line = Choice(
        "sum",
        {
            "sum": "sum over J",
            "kl_mean_over_latents": "mean over J",
            "kl_without_half": "without its ½",
            "kl_sign": "wrong sign",
            "no_kl": "left out",
        },
        "KL term",
    )
    beta = Slider(1.0, 0.01, 100.0, 0.01, "β", log=True, color="approximate")
    sigma = Slider(0.3, 0.05, 2.0, 0.01, "σ of p(x|z)", color="likelihood")
    latent_dim = Slider(2, 2, 8, 1, "J, size of z", integer=True)
    num_samples = Slider(1, 1, 10, 1, "L, draws", integer=True)
    hidden = Slider(64, 8, 128, 8, "width", integer=True)
    step_size = Slider(0.002, 1e-4, 10.0, 0.01, "step size", log=True)
    seed = Slider(0, 0, 99, 1, "seed", integer=True)

    _images = traitlets.Dict().tag(sync=True)
    _weights = Buffer().tag(sync=True)  # float32, in the order of the model's parameters
    _trained = traitlets.Dict().tag(sync=True)  # what model these are the weights of, and its history

    def __init__(self, *, data=None, model: VAE | None = None, **state):
        images = _split(data) if data is not None else None
        if model is not None:
            made = _settings(model, images["side"] ** 2 if images else _digits()["side"] ** 2)
            if twice := sorted(set(made) & set(state)):
                raise ValueError(f"{', '.join(twice)}: given twice, as the model has it as well")
            state |= made
        super().__init__(**state)
        if images:
            self._images = images
        if model is not None:
            self._weights = _written(model)

    @traitlets.default("_images")
    def _default_images(self) -> dict:
        return _digits()

    @traitlets.default("_spec")
    def _opening(self) -> dict:
        return super()._opening() | {"code": CODE}

    @property
    def history(self) -> dict[str, list[float]]:
        """The curves: `epoch`, and at each `loss`, `reconstruction` and `kl` as this loss reports them, and
        `elbo`, that of the held-out images with β = 1. Of a long run not every epoch is kept. A number that
        was not finite in the page comes as None from there and is NaN here."""
        return {
            name: [math.nan if value is None else value for value in self._trained.get(name, ())]
            for name in ("epoch", *TERMS)
        }

    @property
    def model(self) -> VAE:
        """A new `VAE` with the weights of the last pause; before any training, those it would start with."""
        shape = self.state() | self._trained
        likelihoods = {
            "bernoulli": Bernoulli,
            "gaussian": lambda: Gaussian(shape["sigma"]),
            "continuous_bernoulli": ContinuousBernoulli,
        }
        made = VAE(
            self._images["side"] ** 2,
            shape["latent_dim"],
            hidden=(shape["hidden"],),
            likelihood=likelihoods[shape["likelihood"]](),
            seed=shape["seed"],
        )
        if self._weights:
            values = torch.from_numpy(np.frombuffer(self._weights, "<f4").copy())
            parts = values.split([parameter.numel() for parameter in _parameters(made)])
            with torch.no_grad():
                for parameter, part in zip(_parameters(made), parts, strict=True):
                    parameter.copy_(part.reshape(parameter.shape))
        return made

    def numbers(self) -> dict[str, float | None]:
        """The last finished epoch of the run: its terms as this loss reports them, in its own units; and the
        ELBO of the held-out images with β = 1, in nats, the same for every loss. None before the first."""
        history = self.history
        last = {name: history[name][-1] if history["epoch"] else None for name in TERMS}
        return {"epoch": history["epoch"][-1] if history["epoch"] else 0, **last}

    def still(self) -> dict:
        """The digits, and how long to train on them for the picture."""
        return {"digits": _packed(), "epochs": STILL_EPOCHS}

    @classmethod
    def assets(cls) -> dict[str, str]:
        """The digits, for the pages that train on them."""
        return {"digits.js": f'window.digits={json.dumps(_packed())};dispatchEvent(new Event("digits"));\n'}


def _split(data) -> dict:
    """The images of `Train(data=…)` for the script."""
    x = torch.as_tensor(data)
    if x.ndim != 2:
        raise ValueError(f"data must have shape (N, D), got {require.shape_of(x)}")
    side = math.isqrt(x.shape[1])
    if side**2 != x.shape[1] or not 2 <= side <= LARGEST_SIDE:
        raise ValueError(f"data must have D pixels, a square of 2 to {LARGEST_SIDE}, got D = {x.shape[1]}")
    if not LEAST_IMAGES <= len(x) <= MOST_IMAGES:
        raise ValueError(f"data must have {LEAST_IMAGES} to {MOST_IMAGES} images, got N = {len(x)}")
    x = x.detach().cpu().to(torch.float32)
    if not ((x >= 0) & (x <= 1)).all():  # NaN, too
        low, high = x.min().item(), x.max().item()
        raise ValueError(f"data must lie in [0, 1], got values from {low:g} to {high:g}")
    test = torch.arange(len(x)) % HELD_OUT == HELD_OUT - 1
    return _sent(x[~test], x[test], "")


def _sent(train: Tensor, test: Tensor, labels: str) -> dict:
    parts = {name: x.numpy().astype("<f4").tobytes() for name, x in (("train", train), ("test", test))}
    return {"side": math.isqrt(train.shape[1]), "labels": labels} | parts


@functools.cache
def _digits() -> dict:
    """The grey digits for the script."""
    digits = datasets.load_digits()
    return _sent(digits.x_train, digits.x_test, "".join(map(str, digits.y_test.tolist())))


@functools.cache
def _packed() -> dict[str, str]:
    """All digits as text that compresses well: one character for each level, sorted by class and pixel.

    `labels` has the class of each image in its place; `levels` the upper left pixel of all images, sorted by
    class, then that of the pixel below.
    """
    digits = datasets.load_digits()
    count, side = len(digits.x_train) + len(digits.x_test), math.isqrt(digits.x_train.shape[1])
    x, y = torch.empty(count, side, side), torch.empty(count, dtype=torch.int64)
    test = torch.arange(count) % HELD_OUT == HELD_OUT - 1
    x[~test], x[test] = (part.reshape(-1, side, side) for part in (digits.x_train, digits.x_test))
    y[~test], y[test] = digits.y_train, digits.y_test
    levels = (LEVELS * x[y.argsort(stable=True)]).round().long().permute(2, 1, 0).flatten()
    return {
        "labels": "".join(map(str, y.tolist())),
        "levels": "".join("0123456789abcdefg"[level] for level in levels.tolist()),
    }


def _settings(model: VAE, pixels: int) -> dict:
    """The traits that say what `model` is.

    Raises:
        ValueError: it is not a VAE that the script can train.
    """
    if not isinstance(model, VAE):
        raise ValueError(f"model must be a vae_lib VAE, got {type(model).__name__}")
    if model.input_dim != pixels:
        raise ValueError(f"model must be for images of D = {pixels} pixels, got {model.input_dim}")
    hidden = len(_parameters(model)[0])
    shapes, wanted = (
        [tuple(parameter.shape) for parameter in _parameters(one)]
        for one in (model, VAE(pixels, model.latent_dim, hidden=(hidden,), seed=0))
    )
    if shapes != wanted:
        raise ValueError(f"model must have one hidden layer, got weights of shapes {shapes}")
    for name, value in (("latent_dim", model.latent_dim), ("hidden", hidden)):
        trait = Train.parameters()[name]
        if not trait.low <= value <= trait.high:
            raise ValueError(f"model must have {name} from {trait.low} to {trait.high}, got {value}")
    found = {"latent_dim": model.latent_dim, "hidden": hidden}
    names = {Bernoulli: "bernoulli", ContinuousBernoulli: "continuous_bernoulli", Gaussian: "gaussian"}
    if type(model.likelihood) not in names:
        raise ValueError(f"model must have one of the likelihoods of vae_lib, got {model.likelihood}")
    found["likelihood"] = names[type(model.likelihood)]
    if isinstance(model.likelihood, Gaussian):
        found["sigma"] = float(model.likelihood.sigma)
    return found


def _parameters(model: VAE) -> list[Tensor]:
    """Weights and biases of both networks, in the order in which the script has them."""
    return [*model.encoder.parameters(), *model.decoder.parameters()]


def _written(model: VAE) -> bytes:
    """The weights for the script.

    Raises:
        ValueError: one of them is not finite.
    """
    for parameter in _parameters(model):
        require.finite("a weight of model", parameter)
    flat = torch.cat([parameter.detach().cpu().float().flatten() for parameter in _parameters(model)])
    return flat.numpy().astype("<f4").tobytes()
