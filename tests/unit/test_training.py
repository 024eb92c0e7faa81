"""Training and evaluation: the loop, its history, its seeds, and every way in which it may end."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from vae_lib import _chunks, training
from vae_lib.datasets import load_digits
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae_lib.models import VAE
from vae_lib.objective import elbo
from vae_lib.training import Evaluation, History, TrainingFailed, best_device, evaluate, fit

X = torch.rand(10, 6, generator=torch.Generator().manual_seed(0))
ONCE = {"epochs": 1, "batch_size": 4, "progress": False}


class OwnModel(nn.Module):
    """What a reader may write: an encoder of two heads, a convolution, no base class of ours."""

    def __init__(self):
        super().__init__()
        self.mu, self.logvar, self.back = nn.Linear(6, 2), nn.Linear(6, 2), nn.Linear(2, 6)
        self.smooth = nn.Conv1d(1, 1, 3, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.likelihood = Bernoulli()

    def encode(self, x):
        h = torch.relu(self.smooth(self.dropout(x)[:, None])[:, 0])
        return self.mu(h), self.logvar(h)

    def decode(self, z):
        return self.back(z)


class Interrupted(VAE):
    """Raises, or puts out NaN, when it decodes for the n-th time."""

    def __init__(self, at: int, error: type[BaseException] | None = None):
        super().__init__(6, 2, hidden=(5,), seed=0)
        self.at, self.error, self.calls = at, error, 0

    def decode(self, z):
        self.calls += 1
        if self.calls == self.at and self.error is not None:
            raise self.error
        return super().decode(z) * (math.nan if self.calls == self.at else 1)


def small_model(dtype: torch.dtype = torch.float32) -> VAE:
    return VAE(6, 2, hidden=(5,), seed=0).to(dtype)


def parameters(model: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


# The loop


@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_fit_is_the_loop_by_hand(beta):
    model, by_hand = small_model(), small_model()
    history = fit(model, X, epochs=2, batch_size=4, lr=1e-2, beta=beta, seed=3, progress=False)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(3)
    losses = []
    for _ in range(2):
        for rows in torch.randperm(10, generator=generator).split(4):
            loss = elbo(by_hand, X[rows], beta=beta, generator=generator).loss
            losses.append(loss.item() * len(rows))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(parameters(model), parameters(by_hand), rtol=1e-4, atol=1e-6)
    assert history.loss == pytest.approx([sum(losses[:3]) / 10, sum(losses[3:]) / 10], rel=1e-5)


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
def test_a_smaller_last_batch_counts_by_its_images(beta):
    model = small_model()
    nn.init.zeros_(model.decoder[-1].weight)  # so that the reconstruction does not depend on the noise
    history = fit(model, X, lr=1e-30, beta=beta, **ONCE)
    exact = elbo(model, X, beta=beta)
    assert history.kl == pytest.approx([exact.kl.mean().item()], rel=1e-5)
    assert history.reconstruction == pytest.approx([exact.reconstruction.mean().item()], rel=1e-5)
    assert history.loss == pytest.approx([exact.loss.item()], rel=1e-5)


def test_a_schedule_gives_each_epoch_its_beta():
    """At a step size of 0, nearly, each epoch is that of a run with its β."""
    asked = []

    def schedule(epoch):
        asked.append(epoch)
        return (0.0, 3.0, 0.5)[epoch - 1]

    model, constant = small_model(), small_model()
    history = fit(model, X, epochs=3, batch_size=10, lr=1e-30, beta=schedule, progress=False)
    alone = [
        fit(constant, X, epochs=3, batch_size=10, lr=1e-30, beta=b, progress=False) for b in (0.0, 3.0, 0.5)
    ]
    assert asked == [1, 2, 3]
    for name in ("loss", "reconstruction", "kl"):
        wanted = [getattr(run, name)[epoch] for epoch, run in enumerate(alone)]
        assert getattr(history, name) == pytest.approx(wanted, rel=1e-5), name


def test_a_constant_schedule_is_that_beta():
    one, other = small_model(), small_model()
    fit(one, X, epochs=2, batch_size=4, beta=lambda epoch: 3.0, progress=False)
    fit(other, X, epochs=2, batch_size=4, beta=3.0, progress=False)
    assert torch.equal(parameters(one), parameters(other))


def test_every_image_is_seen_once_an_epoch_in_an_order_that_changes():
    seen = []

    class Recording(VAE):
        def encode(self, x):
            seen.append(x[:, 0])
            return super().encode(x)

    fit(Recording(6, 2), X, epochs=2, batch_size=4, progress=False)
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    for order in (first, second):
        assert torch.equal(order.sort().values, X[:, 0].sort().values)
    assert not torch.equal(first, second)


def test_a_short_training_raises_the_held_out_elbo():
    digits = load_digits()
    model = VAE(64, 8, seed=0)
    before = evaluate(model, digits.x_test, generator=torch.Generator().manual_seed(0)).elbo
    history = fit(model, digits.x_train, epochs=5, batch_size=64, progress=False)
    after = evaluate(model, digits.x_test, generator=torch.Generator().manual_seed(0)).elbo
    assert after > before + 10
    assert history.loss[-1] < history.loss[0] - 3


@pytest.mark.usefixtures("global_rng_untouched")
def test_a_seed_makes_training_reproducible():
    runs = []
    for seed in (3, 3, 4):
        model = small_model()
        history = fit(model, X, epochs=2, batch_size=4, seed=seed, progress=False)
        runs.append((history, parameters(model)))
    (first, w), (again, w_again), (other, w_other) = runs
    assert first == again and torch.equal(w, w_again)
    assert first != other and not torch.equal(w, w_other)


def test_history_grows_by_one_entry_an_epoch_and_callback_sees_it():
    calls = []

    def callback(epoch, history):
        calls.append((epoch, len(history), len(history.loss), len(history.reconstruction), len(history.kl)))

    history = fit(small_model(), X, epochs=3, batch_size=4, progress=False, callback=callback)
    assert isinstance(history, History) and history.stopped is None
    assert calls == [(n, n, n, n, n) for n in (1, 2, 3)]
    for loss, reconstruction, kl in zip(history.loss, history.reconstruction, history.kl, strict=True):
        assert loss == pytest.approx(kl - reconstruction)
        assert {type(loss), type(reconstruction), type(kl)} == {float}


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_of_the_model_is_restored(mode):
    model = OwnModel().train(mode)
    during = []
    model.dropout.register_forward_hook(lambda module, *_: during.append(module.training))
    fit(model, X, **ONCE)
    evaluate(model, X)
    assert during == [
        False,
        *[True] * 3,
        False,
        False,
    ]  # before each of both the range of decode is looked at
    assert all(module.training is mode for module in model.modules())


@pytest.mark.parametrize("likelihood", [Bernoulli(), ContinuousBernoulli(), Gaussian(0.3, learn_sigma=True)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_likelihood_and_dtype_is_trained(likelihood, dtype):
    model = VAE(6, 2, hidden=(5,), likelihood=likelihood, seed=0).to(dtype)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    history = fit(model, X, **ONCE)
    assert math.isfinite(history.loss[0])
    for name, value in model.named_parameters():
        assert value.dtype == dtype and not torch.equal(value, before[name]), name


def test_a_readers_own_model_is_trained():
    torch.manual_seed(0)
    model = OwnModel()
    history = fit(model, X, epochs=30, batch_size=5, lr=1e-2, progress=False)
    assert history.loss[-1] < history.loss[0]
    assert evaluate(model, X).elbo < 0


def test_integer_images_are_converted_and_left_as_they_were():
    x = (X > 0.5).to(torch.uint8)
    copy = x.clone()
    histories = [fit(small_model(), data, **ONCE) for data in (x, x.float(), x.double(), x.bool())]
    assert all(history == histories[0] for history in histories)
    assert torch.equal(x, copy)


# Devices


class Accelerator:
    """What torch.accelerator is on a machine that has one, or has none."""

    def __init__(self, device: str | None):
        self.device = device

    def is_available(self):
        return self.device is not None

    def current_accelerator(self):
        return torch.device(self.device)


@pytest.mark.parametrize(
    ("accelerator", "cuda", "expected"),
    [
        (Accelerator("mps"), False, "mps"),
        (Accelerator("cuda"), True, "cuda"),
        (Accelerator(None), False, "cpu"),
        (None, True, "cuda"),  # torch before 2.6
        (None, False, "cpu"),
    ],
)
def test_an_accelerator_is_chosen_where_there_is_one(accelerator, cuda, expected, monkeypatch):
    if accelerator is None:
        monkeypatch.delattr(torch, "accelerator", raising=False)
    else:
        monkeypatch.setattr(torch, "accelerator", accelerator, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert best_device() == torch.device(expected)


@pytest.mark.parametrize("likelihood", [Bernoulli(), ContinuousBernoulli(), Gaussian(0.3, learn_sigma=True)])
def test_everything_is_computed_where_the_model_is(likelihood):
    """A tensor made without naming a device would be on another one here, and refuse to be mixed."""

    def run():
        model = VAE(6, 2, hidden=(5,), likelihood=copy.deepcopy(likelihood), seed=0)
        with torch.device(elsewhere):
            history = fit(model, X, epochs=2, batch_size=4, progress=False)
            result = evaluate(model, X, 3, generator=torch.Generator("cpu").manual_seed(0))
            images = model.generate(2, generator=torch.Generator("cpu").manual_seed(0))
        return history, result, images.tolist()

    elsewhere = "cpu"
    expected = run()
    elsewhere = "meta"
    assert run() == expected


# The bar


def test_the_progress_bar_can_be_switched_off(capsys):
    fit(small_model(), X, epochs=3, batch_size=4)
    shown = capsys.readouterr()
    assert "epoch:" in shown.err and "/3 [" in shown.err and "%|" in shown.err
    assert shown.out == ""
    fit(small_model(), X, epochs=3, batch_size=4, progress=False)
    assert capsys.readouterr() == ("", "")


# How training may end


def test_ctrl_c_between_epochs_returns_the_history(capsys):
    def callback(epoch, history):
        if epoch == 3:
            raise KeyboardInterrupt

    model = small_model().eval()
    history = fit(model, X, epochs=9, batch_size=4, progress=False, callback=callback)
    assert len(history) == len(history.kl) == len(history.reconstruction) == 3
    assert history.stopped == (3, 3)
    assert "epoch 3, step 3; 3 finished epochs" in capsys.readouterr().err
    assert not model.training


def test_ctrl_c_inside_a_step_returns_the_history(capsys):
    model = Interrupted(at=5, error=KeyboardInterrupt)  # three steps an epoch: epoch 2, step 2
    history = fit(model, X, epochs=9, batch_size=4, progress=False)
    assert len(history) == len(history.kl) == 1 and history.stopped == (2, 2)
    assert "epoch 2, step 2; 1 finished epochs" in capsys.readouterr().err
    assert model.training and parameters(model).isfinite().all()


def test_ctrl_c_before_the_first_step_returns_an_empty_history(monkeypatch):
    class Bar:
        def __init__(self, *_, **__):
            pass

        def __iter__(self):
            raise KeyboardInterrupt

        def close(self):
            pass

    monkeypatch.setattr(training, "tqdm", Bar)
    history = fit(small_model(), X, **ONCE)
    assert len(history) == 0 and history.stopped == (0, 0)


def test_a_nan_loss_stops_with_its_place_and_the_history():
    model = Interrupted(at=5).eval()
    before = Interrupted(at=5, error=KeyboardInterrupt)
    expected = fit(before, X, epochs=9, batch_size=4, progress=False)
    with pytest.raises(TrainingFailed, match=r"nan in epoch 2, step 2; 1 epochs") as caught:
        fit(model, X, epochs=9, batch_size=4, progress=False)
    failure = caught.value
    assert (failure.epoch, failure.step) == failure.history.stopped == (2, 2)
    assert failure.history.loss == expected.loss and len(failure.history) == 1
    assert not model.training
    assert torch.equal(parameters(model), parameters(before))  # the step that failed was not applied


def test_a_step_size_that_blows_up_leaves_finite_parameters():
    model = VAE(6, 2, hidden=(5,), seed=0)
    with pytest.raises(TrainingFailed, match="the loss became") as caught:
        fit(model, X, epochs=50, batch_size=4, lr=1e4, progress=False)
    assert caught.value.epoch >= 1 and not math.isfinite(evaluate_or_nan(model))
    assert parameters(model).isfinite().all()


def test_an_infinite_loss_stops_training_and_evaluation(value_error):
    """The KL term of a wide q is infinite, the reconstruction is not."""
    model = small_model()
    nn.init.constant_(model.encoder[-1].bias, 800.0)
    model.decode = lambda z: model.decoder[-1].bias.expand(*z.shape[:-1], 6)
    with pytest.raises(TrainingFailed, match=r"the loss became inf in epoch 1, step 1; 0 epochs"):
        fit(model, X, **ONCE)
    with value_error("and KL inf nats"):
        evaluate(model, X)


def evaluate_or_nan(model: nn.Module) -> float:
    try:
        return evaluate(model, X).elbo
    except ValueError:
        return math.nan


def test_another_error_is_raised_and_the_mode_restored(capsys):
    model = Interrupted(at=2, error=ZeroDivisionError).eval()
    with pytest.raises(ZeroDivisionError):
        fit(model, X, epochs=1, batch_size=4)
    assert not model.training


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"epochs": 0}, ["epochs", 0]),
        ({"epochs": 1.5}, ["epochs", 1.5]),
        ({"batch_size": 0}, ["batch_size", 0]),
        ({"lr": 0.0}, ["lr", 0.0]),
        ({"lr": -1e-3}, ["lr", -0.001]),
        ({"lr": math.nan}, ["lr", "nan"]),
        ({"beta": -1.0}, ["beta", -1.0]),
        ({"beta": lambda epoch: 2.0 - epoch, "epochs": 3}, ["beta(3)", "at least 0", -1.0]),
        ({"beta": lambda epoch: None}, ["beta(1)", "None"]),
        ({"x": torch.zeros(0, 6)}, ["empty", (0, 6)]),
        ({"x": torch.zeros(6)}, ["(B, D)", (6,)]),
        ({"x": torch.zeros(4, 5)}, ["D=6", (4, 5)]),
        ({"x": torch.full((4, 6), math.nan)}, ["x holds NaN", 24]),
        ({"x": torch.full((4, 6), 255)}, ["from 255 to 255", "divide by 255"]),
        ({"x": torch.full((4, 6), -0.5)}, ["[0, 1]", "-0.5"]),
    ],
)
def test_bad_arguments_are_refused_and_nothing_is_changed(changes, named, value_error):
    model = small_model().eval()
    before = parameters(model)
    arguments = {"x": X, **ONCE, **changes}
    with value_error(*named):
        fit(model, arguments.pop("x"), **arguments)
    assert torch.equal(parameters(model), before) and not model.training


def test_a_decoder_of_another_width_is_refused(value_error):
    model = small_model()
    model.decoder = nn.Linear(2, 1)
    with value_error("x (4, 6)", "params (4, 1)"):
        fit(model, X, **ONCE)
    with value_error("x (10, 6)", "params (10, 1)"):
        evaluate(model, X)


# Evaluation


def test_evaluate_is_the_mean_of_the_elbo():
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    result = evaluate(small_model(), X, 7, generator=seeds[0])
    expected = elbo(small_model(), X, 7, generator=seeds[1])
    assert isinstance(result, Evaluation)
    assert result.reconstruction == pytest.approx(expected.reconstruction.mean().item(), rel=1e-6)
    assert result.kl == pytest.approx(expected.kl.mean().item(), rel=1e-6)
    assert result.elbo == result.reconstruction - result.kl
    assert {type(result.elbo), type(result.reconstruction), type(result.kl)} == {float}


@pytest.mark.parametrize("chunk", [1, 64 * 7, 64 * 2000, 2**20])
def test_evaluate_agrees_with_the_oracle_in_chunks_of_any_size(chunk, oracle_2d, monkeypatch, generator):
    monkeypatch.setattr(_chunks, "ELEMENTS", chunk)
    x = torch.randn(13, 4, generator=generator, dtype=torch.float64)
    num_samples = 1000 if chunk > 10_000 else 50
    result = evaluate(oracle_2d, x, num_samples, generator=generator)
    exact = oracle_2d.elbo(x, *oracle_2d.encode(x)).mean().item()
    draws = elbo(oracle_2d, x.repeat(200, 1), generator=generator).reconstruction.reshape(200, 13)
    error = draws.var(0).mean().item() ** 0.5 / (13 * num_samples) ** 0.5
    assert abs(result.elbo - exact) < 5 * error
    assert result.kl == pytest.approx(elbo(oracle_2d, x).kl.mean().item(), rel=1e-12)


@pytest.mark.parametrize("chunk", [1, 64 * 7, 2**20])
def test_evaluate_weighs_every_image_and_sample_once(chunk, monkeypatch):
    monkeypatch.setattr(_chunks, "ELEMENTS", chunk)
    rows = []
    model = small_model(torch.float64)
    nn.init.zeros_(model.decoder[-1].weight)
    model.decoder.register_forward_hook(lambda _, inputs, __: rows.append(inputs[0][..., 0].numel()))
    result = evaluate(model, X, 23)
    assert result.reconstruction == pytest.approx(elbo(model, X).reconstruction.mean().item(), rel=1e-12)
    assert sum(rows[:-1]) == 10 * 23 and max(rows[:-1]) <= max(1, chunk // 64)


class Fixed(nn.Module):
    """Each image is one pixel v; its reconstruction term is v and its KL ½ v², whatever the parameter is."""

    class likelihood:
        @staticmethod
        def log_prob(x, params):
            return x[..., 0] + 0 * params[..., 0]

    def __init__(self):
        super().__init__()
        self.parameter = nn.Parameter(torch.zeros(()))

    def encode(self, x):
        return x, torch.zeros_like(x)

    def decode(self, z):
        return 0 * z + self.parameter


def test_totals_are_kept_in_float64():
    x = 1000 + torch.rand(100_000, 1, generator=torch.Generator().manual_seed(0))
    kl = (0.5 * x * x).double()
    result = evaluate(Fixed(), x)
    assert result.reconstruction == pytest.approx(x.double().mean().item(), rel=1e-12)
    assert result.kl == pytest.approx(kl.mean().item(), rel=1e-12)
    history = fit(Fixed(), x[:300], epochs=1, batch_size=1, progress=False)
    assert history.kl == pytest.approx([kl[:300].mean().item()], rel=1e-12)
    assert history.loss == pytest.approx([(kl.float() - x)[:300].double().mean().item()], rel=1e-12)


@pytest.mark.usefixtures("global_rng_untouched")
def test_evaluate_is_reproducible_with_a_generator():
    first, again, other = (
        evaluate(small_model(), X, 2, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert first == again and first != other


@pytest.mark.parametrize(
    ("x", "num_samples", "named"),
    [
        (X, 0, ["num_samples", 0]),
        (torch.zeros(0, 6), 1, ["empty", (0, 6)]),
        (torch.full((2, 6), 255), 1, ["divide by 255"]),
        (torch.full((2, 6), math.nan), 1, ["NaN"]),
        (torch.zeros(2, 5), 1, ["D=6", (2, 5)]),
    ],
)
def test_evaluate_refuses_bad_arguments_and_restores_the_mode(x, num_samples, named, value_error):
    model = small_model()
    with value_error(*named):
        evaluate(model, x, num_samples)
    assert model.training


def test_a_model_that_puts_out_nan_is_named(value_error):
    model = small_model()
    nn.init.constant_(model.decoder[-1].bias, math.nan)
    with value_error("reconstruction nan"):
        evaluate(model, X)


# Models of other people


class Images(nn.Module):
    """Pictures in, pictures out, by convolutions."""

    @torch.random.fork_rng()
    def __init__(self, end: nn.Module | None = None):
        super().__init__()
        self.enc, self.dec = nn.Conv2d(1, 4, 2, 2), nn.ConvTranspose2d(2, 1, 2, 2)
        self.end = end or nn.Identity()
        self.likelihood = Bernoulli()

    def encode(self, x):
        return self.enc(x).flatten(1).chunk(2, 1)

    def decode(self, z):
        return self.end(self.dec(z.reshape(len(z), 2, 2, 2)))


PICTURES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def test_images_are_trained_and_evaluated_in_their_shape():
    model = Images()
    assert len(fit(model, PICTURES, **ONCE)) == 1
    found = evaluate(model, PICTURES, 3, generator=torch.Generator().manual_seed(0))
    flat = Images()
    flat.load_state_dict(model.state_dict())
    flat.encode = lambda x: model.encode(x.reshape(-1, 1, 4, 4))
    flat.decode = lambda z: model.decode(z.flatten(0, -2)).reshape(*z.shape[:-1], 16)
    again = evaluate(flat, PICTURES.flatten(1), 3, generator=torch.Generator().manual_seed(0))
    assert found.elbo == pytest.approx(again.elbo, rel=1e-6)


@pytest.mark.parametrize("run", [lambda model: fit(model, PICTURES, **ONCE), lambda m: evaluate(m, PICTURES)])
def test_probabilities_are_refused_where_logits_are_meant(run, value_error):
    model = Images(nn.Sigmoid())
    before = parameters(model)
    with value_error("the decoder ends in a sigmoid, and Bernoulli() takes logits"):
        run(model)
    assert torch.equal(parameters(model), before)
    model.likelihood = Gaussian(0.3)
    run(model)


def test_a_missing_likelihood_is_named(value_error):
    model = Images()
    del model.likelihood
    with value_error("Images has no likelihood: set what the decoder's output means"):
        fit(model, PICTURES, **ONCE)
