"""The explorer that trains: its lines of code, its digits, the models that go in and out, its tasks."""

from __future__ import annotations

import functools
import gzip
import json
import math
import subprocess

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from asking import ask
from test_words import Words, says

from tools.npm import node_command
from vae_lib import datasets
from vae_lib.diagnosis.gallery import PROGRAMS
from vae_lib.explorers import Train, train
from vae_lib.explorers.shared.base import SCRIPTS
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae_lib.models import VAE

OPENING = Train().state()


@functools.cache
def trained(epochs: int, widths: tuple[int, ...] = (), **changes) -> dict:
    """What the script shows after some epochs at a state."""
    data = {"digits": train._packed(), "epochs": epochs}
    (answer,) = ask([{"name": "train", "states": [OPENING | changes], "data": data, "widths": widths}])
    (found,) = answer["answers"]
    return found | {"room": answer["room"], "tasks": answer["tasks"]}


# The lines of code


@pytest.mark.parametrize("option", train.CODE)
def test_a_line_of_the_card_computes_what_its_program_does(option):
    """Lines of the gallery return what its methods return, the others what the likelihoods do."""
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 64), generator=g).float()
    mu, logvar, out = (torch.randn(5, size, generator=g) for size in (3, 3, 64))
    x, sigma = images / 255, 0.5
    names = {"torch": torch, "F": F, "images": images, "mu": mu, "logvar": logvar, "logits": out, "mean": out}
    names |= {"x": x, "sigma": sigma, "Gaussian": Gaussian, "ContinuousBernoulli": ContinuousBernoulli}
    torch.manual_seed(1)
    found = eval(train.CODE[option], names)
    torch.manual_seed(1)
    parts = {part: code for (part, name), code in train.WRONG.items() if name == option}
    if not parts:
        likelihood = Gaussian(sigma) if option.startswith("gaussian") else ContinuousBernoulli()
        per_pixel = 64 if option.endswith("pixel_mean") else 1
        assert torch.allclose(found, -likelihood.log_prob(x, out).mean() / per_pixel)
        return
    ((part, code),) = parts.items()
    arguments = {"load": (images,), "reparameterize": (mu, logvar), "nll": (out, x), "kl": (mu, logvar)}[part]
    program = PROGRAMS[code](64, 3)
    torch.manual_seed(1)
    assert torch.equal(found, getattr(program, part)(*arguments))


def test_every_wrong_line_of_the_gallery_is_offered_once_and_the_right_one_first():
    assert sorted(train.WRONG.values()) == sorted([*PROGRAMS, *["right"] * 3])
    for name in ("loading", "draw", "kl_line"):
        options = list(Train.parameters()[name].options)
        assert train.WRONG[next(k for k in train.WRONG if k[1] == f"{name}.{options[0]}")] == "right"
        assert [f"{name}.{option}" in train.CODE for option in options] == [True] * len(options)
    assert list(Train.parameters()["reduction"].options) == ["sum", "pixel_mean", "sigmoid_twice"]
    assert next(iter(Train.parameters()["likelihood"].options)) == "bernoulli"


def test_the_card_shows_the_lines_that_are_chosen():
    spec = Train()._spec
    program = """
    const { explorer } = await import("%s");
    const { spec, states } = JSON.parse(process.argv[1]);
    console.log(JSON.stringify(states.map((state) => explorer.diff.lines(state, {}, spec))));
    """
    states = [OPENING, OPENING | {"reduction": "pixel_mean", "beta": 4.0, "num_samples": 5},
              OPENING | {"likelihood": "gaussian", "sigma": 0.5, "kl_line": "no_kl"}]  # fmt: skip
    right, mean, gaussian = node(program, {"spec": spec, "states": states})
    assert right.splitlines() == [
        "x = images / 255",
        "z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)",
        'nll = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)',
        "kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()",
        "loss = nll + kl",
    ]
    assert "nll = F.binary_cross_entropy_with_logits(logits, x)\n" in mean
    assert mean.endswith("loss = nll + 4 * kl  # z, nll: 5 draws, their mean")
    assert "nll = -Gaussian(0.5).log_prob(x, mean).mean()\nkl = torch.zeros(())\n" in gaussian


def node(program: str, argument: dict):
    """What a program prints that imports the script of the explorer."""
    script = program % (SCRIPTS / "train.js").as_uri()
    command = [node_command(), "--input-type=module", "--eval", script, json.dumps(argument)]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


# The images


def test_the_digits_arrive_as_the_library_has_them():
    program = """
    const { unpacked } = await import("%s");
    const { train, test, width, labels } = unpacked(JSON.parse(process.argv[1]));
    console.log(JSON.stringify({ train: [...train], test: [...test], width, labels }));
    """
    found, digits = node(program, train._packed()), datasets.load_digits()
    assert found["width"] == 64 and found["labels"] == "".join(map(str, digits.y_test.tolist()))
    for name, x in (("train", digits.x_train), ("test", digits.x_test)):
        assert torch.equal(torch.tensor(found[name]).reshape(-1, 64), x)


def test_the_digits_of_a_page_are_small():
    (text,) = Train.assets().values()
    assert len(gzip.compress(text.encode(), 6)) <= 40_000


def test_own_images_are_sent_as_they_are_each_fifth_held_out():
    x = torch.rand(12, 9, generator=torch.Generator().manual_seed(0))
    for data in (x, x.numpy(), x.double()):
        sent = Train(data=data)._images
        assert (sent["side"], sent["labels"]) == (3, "")
        assert torch.equal(
            torch.from_numpy(np.frombuffer(sent["test"], "<f4").copy()).reshape(-1, 9), x[[4, 9]]
        )
        assert len(sent["train"]) == 10 * 9 * 4


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (torch.rand(12), r"shape \(N, D\), got \(12,\)"),
        (torch.rand(12, 8), "a square of 2 to 28, got D = 8"),
        (torch.rand(12, 841), "a square of 2 to 28, got D = 841"),
        (torch.rand(12, 1), "a square of 2 to 28, got D = 1"),
        (torch.rand(9, 9), "10 to 4096 images, got N = 9"),
        (torch.rand(4097, 4), "10 to 4096 images, got N = 4097"),
        (255 * torch.ones(12, 9), r"lie in \[0, 1\], got values from 255 to 255"),
        (torch.full((12, 9), float("nan")), r"lie in \[0, 1\]"),
        (-0.1 * torch.ones(12, 9), r"lie in \[0, 1\], got values from -0.1"),
    ],
)
def test_images_that_it_cannot_train_on_are_refused(data, words):
    with pytest.raises(ValueError, match=f"data must .*{words}"):
        Train(data=data)


# Models


@pytest.mark.parametrize("likelihood", [Bernoulli(), ContinuousBernoulli(), Gaussian(0.4)])
def test_a_model_that_is_put_in_comes_out_again(likelihood):
    given = VAE(64, 3, hidden=(24,), likelihood=likelihood, seed=5)
    explorer = Train(model=given)
    assert (explorer.latent_dim, explorer.hidden) == (3, 24)
    back = explorer.model
    assert type(back.likelihood) is type(likelihood) and back is not given
    if isinstance(likelihood, Gaussian):
        assert explorer.sigma == 0.4 and float(back.likelihood.sigma) == 0.4
    for ours, theirs in zip(back.parameters(), given.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": VAE(9, 2)}, "for images of D = 64 pixels, got 9"),
        ({"model": VAE(64, 2, hidden=(16, 16))}, "one hidden layer"),
        ({"model": VAE(64, 12)}, "latent_dim from 2 to 8, got 12"),
        ({"model": VAE(64, 2, hidden=(400,))}, "hidden from 8 to 128, got 400"),
        ({"model": torch.nn.Linear(2, 2)}, "a vae_lib VAE, got Linear"),
        ({"model": VAE(64, 2), "latent_dim": 2}, "latent_dim: given twice"),
    ],
)
def test_models_that_it_cannot_train_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        Train(**given)


def test_before_any_training_the_model_is_the_one_of_its_seed_without_history():
    explorer = Train(seed=3, hidden=16)
    for ours, theirs in zip(
        explorer.model.parameters(), VAE(64, 2, hidden=(16,), seed=3).parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert explorer.history == {name: [] for name in ("epoch", "loss", "reconstruction", "kl", "elbo")}
    assert explorer.numbers() == {"epoch": 0} | dict.fromkeys(("loss", "reconstruction", "kl", "elbo"))


def test_what_the_page_sends_at_a_pause_is_the_model_and_its_history():
    explorer, sent = Train(), VAE(64, 4, hidden=(8,), seed=9)
    explorer._weights = train._written(sent)
    curves = {
        "epoch": [1, 2],
        "loss": [40.0, 30.0],
        "reconstruction": [-39.0, -28.0],
        "kl": [1.0, 2.0],
        "elbo": [-41.0, -31.0],
    }
    explorer._trained = {
        "latent_dim": 4,
        "hidden": 8,
        "likelihood": "bernoulli",
        "sigma": 0.3,
        "seed": 9,
    } | curves
    for ours, theirs in zip(explorer.model.parameters(), sent.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert explorer.history == curves
    assert explorer.numbers() == {"epoch": 2, "loss": 30.0, "reconstruction": -28.0, "kl": 2.0, "elbo": -31.0}
    explorer._trained |= {"elbo": [-41.0, None]}  # as JSON has what is not finite
    assert explorer.history["elbo"][0] == -41 and math.isnan(explorer.history["elbo"][1])


def test_weights_come_from_the_page_as_a_buffer_of_its_message():
    """As ipywidgets hands it over: a memoryview in its place in the state."""
    explorer, trained = Train(), VAE(64, 2, hidden=(64,), seed=9)
    buffer = memoryview(train._written(trained))
    data = {"method": "update", "state": {}, "buffer_paths": [["_weights"]]}
    explorer._handle_msg({"content": {"data": data}, "buffers": [buffer]})
    for ours, theirs in zip(explorer.model.parameters(), trained.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    with pytest.raises(traitlets.TraitError):
        explorer._weights = "text"


# What a trained run shows


def test_it_says_how_training_went():
    answer = trained(3)
    n, words = answer["numbers"], Words(answer["words"])
    epoch, loss, kl, elbo, held = words.take(
        "Epoch #: this loss reports #, and its KL term, before β, #. "
        "The ELBO of held-out images, with β = 1, is # nats, their KL #."
    )
    assert (int(epoch), n["epoch"]) == (3, 3)
    assert says(loss, n["loss"]) and says(kl, n["kl"]) and says(elbo, n["elbo"]) and float(held) > 0.1
    assert words.rest == ""
    assert n["loss"] == pytest.approx(n["kl"] - n["reconstruction"], rel=1e-5)


def test_the_held_out_elbo_is_that_of_the_end_of_its_epoch():
    """However many steps fit into a slice of time: the same run has the same number each time."""
    runs = [trained.__wrapped__(2)["numbers"] for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]


def test_it_says_that_the_posterior_has_collapsed():
    answer = trained(6, reduction="pixel_mean")
    assert answer["words"].endswith(
        "their KL 0.00. q(z|x) is nearly the prior for every image: the posterior has collapsed."
    )
    assert answer["numbers"]["loss"] < 1 and answer["numbers"]["elbo"] < -27


def test_a_loss_that_runs_away_is_told_with_its_epoch_and_step():
    answer = trained(3, step_size=10.0)
    words = Words(answer["words"])
    epoch, step = words.take(
        "In epoch #, step # the loss was not a finite number any more, and training stopped. "
    )
    assert int(epoch) == 1 and int(step) >= 1


def test_the_card_has_room_for_its_longest_words():
    """With a kept run, which adds a sentence of at most 75 characters, and a collapsed posterior."""
    longest = len(trained(6, reduction="pixel_mean")["words"]) + 75
    assert longest <= trained(3)["room"] <= longest + 40


# Which settings do a task, and after how many epochs.
REACHED = (
    {"beta": 30.0, "epochs": 10},
    {"beta": 64.0, "epochs": 1},
    {"step_size": 0.01, "epochs": 40},
)


@pytest.mark.parametrize("number", range(len(REACHED)))
def test_each_task_can_be_done_by_one_control(number):
    done = trained(**REACHED[number])
    assert done["done"][number] is True, done["numbers"]
    key, value = next(iter(REACHED[number].items()))
    assert done["tasks"][number]["reach"] == {key: value}
    as_it_opens = trained(REACHED[number]["epochs"])
    assert as_it_opens["done"][number] is False, as_it_opens["numbers"]


def test_a_loss_without_a_kl_term_does_not_collapse_the_plane():
    """It reports a KL of 0; the task asks for the KL that q has."""
    answer = trained(10, kl_line="no_kl")
    assert answer["numbers"]["kl"] == 0 and answer["done"][0] is False


def test_the_mean_over_pixels_trains_as_the_sum_with_beta_64():
    """The same directions, which is what Adam follows: after three epochs the plane has collapsed in both."""
    mean, beta = trained(3, reduction="pixel_mean")["numbers"], trained(3, beta=64.0)["numbers"]
    assert beta["loss"] == pytest.approx(64 * mean["loss"], rel=1e-3)
    assert beta["elbo"] == pytest.approx(mean["elbo"], abs=1e-3)
    assert max(beta["kl"], mean["kl"]) < 0.02


@pytest.mark.parametrize("width", [644, 307])
def test_words_of_a_trained_picture_begin_inside_of_it(width):
    for changes in ({}, {"latent_dim": 8}, {"reduction": "pixel_mean"}, {"loading": "raw"}):
        (drawing,) = trained(2, (width,), **changes)["drawings"]
        for text in drawing["texts"]:
            assert 0 <= text["x"] <= width and 0 <= text["y"] <= drawing["height"], text
