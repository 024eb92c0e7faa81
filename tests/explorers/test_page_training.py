"""The training of the page (vae_lib/explorers/training) is torch's: random numbers, gradients, epochs."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tools.npm import node_command
from vae_lib.datasets import load_digits
from vae_lib.diagnosis import gallery
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae_lib.models import VAE
from vae_lib.objective import elbo
from vae_lib.training import TrainingFailed, evaluate, fit

SCRIPT = Path(__file__).with_name("training.mjs")
RIGHT = {
    "loading": "unit",
    "draw": "sample",
    "likelihood": "bernoulli",
    "reduction": "sum",
    "kl_line": "sum",
    "beta": 1.0,
    "sigma": 0.3,
    "num_samples": 1,
    "latent_dim": 2,
    "hidden": 32,
    "step_size": 1e-3,
    "seed": 3,
    "batch_size": 64,
}
LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "gaussian": lambda: Gaussian(RIGHT["sigma"]),
    "continuous_bernoulli": ContinuousBernoulli,
}
LINES = {
    "right": {},
    "data_outside_unit_interval": {"loading": "raw"},
    "pixel_mean": {"reduction": "pixel_mean"},
    "sigmoid_twice": {"reduction": "sigmoid_twice"},
    **{code: {"draw": code} for code in ("sigma_is_exp_logvar", "one_eps_per_batch", "no_noise")},
    "no_gradient_through_z": {"draw": "no_gradient_through_z"},
    **{code: {"kl_line": code} for code in ("kl_mean_over_latents", "kl_without_half", "kl_sign", "no_kl")},
}
TYPES = {"float32": torch.float32, "float64": torch.float64}


def text(values: Tensor) -> str:
    return base64.b64encode(values.detach().double().contiguous().numpy().tobytes()).decode()


def tensor(words: str) -> Tensor:
    return torch.from_numpy(np.frombuffer(base64.b64decode(words)).copy())


def ask(requests: list[dict]) -> list:
    """The answers of training.mjs, which has the digits to train on."""
    digits = load_digits()
    asked = {"train": text(digits.x_train), "test": text(digits.x_test), "width": 64, "requests": requests}
    run = subprocess.run(
        [node_command(), SCRIPT], input=json.dumps(asked), capture_output=True, text=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def epochs(kind: str = "float32", moves: tuple[dict, ...] = ({}, {}, {}), **changes) -> dict:
    return {"kind": "epochs", "settings": RIGHT | changes, "type": kind, "moves": moves}


def agree(found: list | float, wanted: list | float, nats: float, relative: float = 0.0):
    found, wanted = torch.tensor(found, dtype=torch.float64), torch.tensor(wanted, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=relative, atol=nats)


def test_random_numbers_are_those_of_torch():
    """Of all kinds and sizes in turn; from 16 normals on torch draws blocks, and the last one anew."""
    orders = [["permutation", 1438, "", None], ["permutation", 5, "", None], ["permutation", 1, "", None]]
    orders += [["normal", size, kind, None] for kind in TYPES for size in (1, 2, 3, 15, 16, 17, 60, 1000)]
    orders += [["uniform", 100, "float32", inputs**-0.5] for inputs in (2, 8, 24, 64, 128, 784)]
    (answer,) = ask([{"kind": "draws", "seed": 7, "orders": orders}])
    generator = torch.Generator().manual_seed(7)
    for (what, size, kind, bound), words in zip(orders, answer, strict=True):
        if what == "permutation":
            wanted = torch.randperm(size, generator=generator)
        elif what == "normal":
            wanted = torch.randn(size, dtype=TYPES[kind], generator=generator)
        else:
            wanted = torch.empty(size).uniform_(-bound, bound, generator=generator)
        digits = {"float32": 1e-6, "float64": 1e-14}.get(kind, 0)
        torch.testing.assert_close(
            tensor(words), wanted.double(), rtol=digits, atol=digits, msg=f"{what} {size} {kind}"
        )


def test_weights_at_the_start_are_those_of_torch():
    sizes = [(2, 32), (8, 128), (3, 24)]
    answers = ask([{"kind": "weights", "settings": RIGHT | {"latent_dim": J, "hidden": H}} for J, H in sizes])
    for (latent, hidden), words in zip(sizes, answers, strict=True):
        model = VAE(64, latent, hidden=(hidden,), seed=RIGHT["seed"])
        wanted = torch.cat([parameter.flatten() for parameter in model.parameters()])
        torch.testing.assert_close(tensor(words).float(), wanted, rtol=0, atol=1e-7)


# One step, with random weights, images and noise


def cases() -> list[dict]:
    """Each line, each likelihood with each reduction, several draws and sizes, and both parts alone."""
    found = [{**line, "num_samples": L} for line in LINES.values() for L in (1, 3)]
    found += [
        {"likelihood": likelihood, "reduction": reduction, "num_samples": L, "latent_dim": 8}
        for likelihood in LIKELIHOODS
        for reduction in ("sum", "pixel_mean")
        for L in (1, 3)
    ]
    found += [{"beta": beta, "latent_dim": J, "hidden": H} for beta, J, H in ((4.0, 1, 5), (0.1, 3, 7))]
    return [*found, {"parts": [1.0, 0.0]}, {"parts": [0.0, 1.0]}]


def program(settings: dict, pixels: int) -> gallery.Right:
    """The program of the gallery that has these lines, of which at most one is wrong."""
    keys = ("loading", "draw", "reduction", "kl_line")
    code = next(
        code for code, line in LINES.items() if all((RIGHT | line)[key] == settings[key] for key in keys)
    )
    return gallery.PROGRAMS[code](pixels, settings["latent_dim"], hidden=(settings["hidden"],), seed=5)


def terms(model: gallery.Right, settings: dict, x: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The reconstruction and KL terms by the gallery and vae_lib.likelihoods, and their noise."""
    mu, logvar = model.encode(x)
    torch.manual_seed(seed)
    z = [model.reparameterize(mu, logvar) for _ in range(settings["num_samples"])]
    torch.manual_seed(seed)
    shape = mu.shape[1:] if settings["draw"] == "one_eps_per_batch" else mu.shape
    noises = 0 if settings["draw"] == "no_noise" else settings["num_samples"]
    kind = torch.float32 if settings["draw"] == "one_eps_per_batch" else x.dtype  # that line names no type
    eps = [torch.randn(shape, dtype=kind).flatten().to(x.dtype) for _ in range(noises)]
    if settings["likelihood"] == "bernoulli":
        rec = -torch.stack([model.nll(model.decode(each), x) for each in z]).mean()
    else:
        likelihood = LIKELIHOODS[settings["likelihood"]]()
        rec = torch.stack([likelihood.log_prob(x, model.decode(each)).mean() for each in z]).mean()
        rec = rec / (x.shape[1] if settings["reduction"] == "pixel_mean" else 1)
    return rec, model.kl(mu, logvar), torch.cat([*eps, torch.zeros(0, dtype=x.dtype)])


@pytest.mark.parametrize(("kind", "relative"), [("float32", 1e-5), ("float64", 1e-9)])
def test_each_gradient_of_a_step_is_that_of_autograd(kind, relative):
    """Relative to the largest of its parameter; rows and columns do not come in fours."""
    requests, wanted = [], []
    for number, case in enumerate(cases()):
        settings = RIGHT | {"hidden": 30} | case
        parts = settings.pop("parts", [1.0, settings["beta"]])
        pixels, count = (64, 64) if number % 2 else (9, 7)
        generator = torch.Generator().manual_seed(number)
        x = torch.rand(count, pixels, dtype=TYPES[kind], generator=generator)
        model = program(settings, pixels).to(TYPES[kind])
        if settings["loading"] == "unit":  # larger weights than at the start, so that z and σ matter
            for parameter in model.parameters():
                parameter.data *= 2
        shown = model.load(255 * x) if settings["loading"] == "raw" else x
        rec, kl, eps = terms(model, settings, shown, number)
        model.zero_grad()
        (-parts[0] * rec + parts[1] * kl).backward()
        wanted.append((case, model, rec.item(), kl.item()))
        weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
        request = {"kind": "gradient", "settings": settings, "type": kind, "pixels": pixels, "count": count}
        requests.append(
            request | {"weights": text(weights), "x": text(shown), "eps": text(eps), "parts": parts}
        )
    for (case, model, rec, kl), answer in zip(wanted, ask(requests), strict=True):
        assert answer["reconstruction"] == pytest.approx(rec, rel=relative), case
        assert answer["kl"] == pytest.approx(kl, rel=relative, abs=relative), case
        found = tensor(answer["gradient"]).split([parameter.numel() for parameter in model.parameters()])
        for (name, parameter), part in zip(model.named_parameters(), found, strict=True):
            exact = torch.zeros_like(part) if parameter.grad is None else parameter.grad.double().flatten()
            worst = (part - exact).abs().max()
            assert worst <= relative * exact.abs().max(), (case, name, worst)


# Whole epochs on the digits


def test_three_epochs_of_each_likelihood_are_those_of_fit():
    """Loss, both terms and the held-out ELBO: within 0.001 nats in float32, within 1e-8 in float64."""
    kinds = [
        (kind, likelihood, beta)
        for kind in TYPES
        for likelihood, beta in zip(LIKELIHOODS, (1, 4, 1), strict=True)
    ]
    answers = ask([epochs(kind, likelihood=name, beta=beta, hidden=64) for kind, name, beta in kinds])
    for (kind, name, beta), answer in zip(kinds, answers, strict=True):
        model = VAE(64, 2, hidden=(64,), likelihood=LIKELIHOODS[name](), seed=RIGHT["seed"]).to(TYPES[kind])
        digits = load_digits()
        history = fit(
            model, digits.x_train, epochs=3, batch_size=64, beta=beta, seed=RIGHT["seed"], progress=False
        )
        wanted = list(zip(history.loss, history.reconstruction, history.kl, strict=True))
        agree(answer["finished"], wanted, 1e-3 if kind == "float32" else 1e-8)
        generator = torch.Generator().manual_seed(0)
        held = evaluate(model, digits.x_test, 4, generator=generator)
        found = [answer["held"][term] for term in ("elbo", "reconstruction", "kl")]
        agree(found, [held.elbo, held.reconstruction, held.kl], 1e-3 if kind == "float32" else 1e-8)


@pytest.mark.parametrize("kind", TYPES)
def test_three_epochs_of_each_wrong_line_are_those_of_the_gallery(kind):
    """Both terms as the program reports them, within 0.001 nats; and the right evaluation of the result.

    With bytes the terms are hundreds of thousands of nats, where float32 itself counts in steps of a
    hundredth: there it is 1 part in 100 000.
    """
    assert set(LINES) == set(gallery.PROGRAMS)
    digits = load_digits()
    images, held = (255 * x.to(TYPES[kind]) for x in (digits.x_train, digits.x_test))
    for code, answer in zip(LINES, ask([epochs(kind, **line) for line in LINES.values()]), strict=True):
        model = gallery.PROGRAMS[code](64, 2, hidden=(RIGHT["hidden"],), seed=RIGHT["seed"]).to(TYPES[kind])
        curves = gallery.train(model, images, epochs=3, seed=RIGHT["seed"])
        relative = 1e-5 if code == "data_outside_unit_interval" and kind == "float32" else 0.0
        agree(answer["finished"], [(nll + kl, -nll, kl) for nll, kl in curves], 1e-3, relative)
        wanted = gallery.fingerprint(model, held, 4, generator=torch.Generator().manual_seed(0))
        agree(answer["held"]["perDimension"], wanted.kl.tolist(), 1e-3, relative)
        agree(answer["held"]["elbo"], wanted.elbo, 1e-3, relative)


def test_settings_that_move_between_epochs_count_from_the_next_step_on():
    """β, L, the step size and σ; the generator and Adam go on."""
    moves = [{}, {"beta": 3.0, "num_samples": 4}, {"step_size": 0.01, "sigma": 0.5}]
    (answer,) = ask([epochs("float64", moves, likelihood="gaussian")])
    x, now = load_digits().x_train.double(), dict(RIGHT)
    model = VAE(64, 2, hidden=(RIGHT["hidden"],), seed=RIGHT["seed"]).double()
    optimizer = torch.optim.Adam(model.parameters())
    generator = torch.Generator().manual_seed(RIGHT["seed"])
    for change, found in zip(moves, answer["finished"], strict=True):
        now |= change
        optimizer.param_groups[0]["lr"] = now["step_size"]
        model.likelihood = Gaussian(now["sigma"])
        total = torch.zeros(3, dtype=torch.float64)
        for rows in torch.randperm(len(x), generator=generator).split(64):
            result = elbo(model, x[rows], now["num_samples"], now["beta"], generator=generator)
            optimizer.zero_grad()
            result.loss.backward()
            optimizer.step()
            means = [result.loss.detach(), result.reconstruction.detach().mean(), result.kl.detach().mean()]
            total += len(rows) * torch.stack(means)
        agree(found, (total / len(x)).tolist(), 1e-8)


@pytest.mark.parametrize(
    ("changes", "term"),
    [
        ({"step_size": 3.0, "likelihood": "gaussian", "sigma": 0.05}, "reconstruction"),
        ({"step_size": 1.0, "beta": 10.0}, "kl"),
    ],
)
def test_a_loss_that_runs_away_ends_where_that_of_fit_does(changes, term):
    """With epoch, step, and the term that was not finite."""
    (answer,) = ask([epochs(moves=({},) * 4, **changes)])
    now = RIGHT | changes
    likelihood = Gaussian(now["sigma"]) if now["likelihood"] == "gaussian" else Bernoulli()
    model = VAE(64, 2, hidden=(now["hidden"],), likelihood=likelihood, seed=now["seed"])
    numbers = {
        "lr": now["step_size"],
        "beta": now["beta"],
        "seed": now["seed"],
        "batch_size": now["batch_size"],
    }
    with pytest.raises(TrainingFailed) as failed:
        fit(model, load_digits().x_train, epochs=4, progress=False, **numbers)
    assert answer["failed"] == {"epoch": failed.value.epoch, "step": failed.value.step, "term": term}
