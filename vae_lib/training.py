"""The training loop of chapter 8, and the evaluation of what it has trained."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from vae_lib import _chunks, _wide
from vae_lib import _validate as require
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli
from vae_lib.models import VAE
from vae_lib.objective import _elbo


@dataclass
class History:
    """One entry per finished epoch: means over its images, in nats.

    Attributes:
        loss: minus the mean of reconstruction − β · kl, with the β of the epoch.
        reconstruction: mean of log p(x|z), one draw of z per image.
        kl: mean of KL(q(z|x) ‖ p(z)).
        stopped: (epoch, step), counted from 1, where training stopped; None if it ran through.
    """

    loss: list[float] = field(default_factory=list)
    reconstruction: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    stopped: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.loss)


class TrainingFailed(RuntimeError):
    """The loss became NaN or infinite: in `epoch` and `step`; `history` holds the epochs finished before.

    The step that failed was not applied to the model.
    """

    def __init__(self, loss: float, epoch: int, step: int, history: History):
        super().__init__(
            f"the loss became {loss} in epoch {epoch}, step {step}; {len(history)} epochs were finished, "
            "they are in this exception's .history. Try a smaller lr, and look at the data and at logvar."
        )
        self.epoch, self.step, self.history = epoch, step, history


def best_device() -> torch.device:
    """Where a larger model trains fastest: the GPU or other accelerator of this machine, else the CPU.

    `fit` and `evaluate` compute where the model is: `fit(model.to(best_device()), x, …)`. The seed's noise
    differs between kinds of devices, and with it the last digits of a result.

    Source: book chapter 8.
    """
    if hasattr(torch, "accelerator") and torch.accelerator.is_available():  # from torch 2.6 on
        return torch.accelerator.current_accelerator()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    model: nn.Module,
    x: Tensor,
    *,
    epochs: int,
    batch_size: int,
    lr: float = 1e-3,
    beta: float | Callable[[int], float] = 1.0,
    seed: int = 0,
    progress: bool = True,
    callback: Callable[[int, History], None] | None = None,
) -> History:
    """Minimize minus the ELBO with Adam, one draw of z per image and step. The model is changed in place.

    Args:
        model: a `VAE`, or any module with encode, decode and likelihood; it may be on a GPU.
        x: the training data, (N, D), or images, (N, C, H, W), for a model that takes
            them; it is checked once and kept in memory, on the model's device.
        epochs: passes over the data.
        batch_size: B; the last batch of an epoch may be smaller.
        lr: Adam's step size.
        beta: weight of the KL term, 1 for the ELBO; or a schedule, called as beta(epoch) for each epoch,
            counted from 1, before training begins.
        seed: of the order of the images and of the noise; torch's global generator is not touched.
        progress: show a progress bar.
        callback: called as callback(epoch, history) after each epoch, epochs counted from 1.

    Returns:
        History. After Ctrl-C it holds the finished epochs, and `stopped` says where it was.

    Raises:
        ValueError: x is not (N, D), is empty or not allowed by the likelihood, the model has no
            likelihood, its decoder ends in a sigmoid where the likelihood takes logits, or a number is out
            of range, also one that the schedule of beta returns.
        TrainingFailed: the loss became NaN or infinite; the history is attached.

    Source: book section "The five steps", equation (8.1).
    """
    x = require.model_data(model, x)
    epochs, batch_size = require.count("epochs", epochs), require.count("batch_size", batch_size)
    if callable(beta):
        betas = [require.weight(f"beta({epoch})", beta(epoch)) for epoch in range(1, epochs + 1)]
    else:
        betas = [require.weight("beta", beta)] * epochs
    _refuse_probabilities(model, x)
    generator = torch.Generator(device=x.device).manual_seed(seed)
    optimizer = _adam(model, require.positive("lr", lr))
    history, epoch, step, was_training = History(), 0, 0, model.training
    model.train()
    bar = tqdm(range(1, epochs + 1), desc="epoch", disable=not progress, leave=False)
    try:
        for epoch in bar:
            total_loss = total_kl = 0.0  # Python floats: float64, however long the run
            order = torch.randperm(len(x), device=x.device, generator=generator)
            for step, rows in enumerate(order.split(batch_size), start=1):
                terms = _elbo(model, x[rows], 1, betas[epoch - 1], generator)
                loss = terms.loss.item()
                if not math.isfinite(loss):
                    history.stopped = (epoch, step)
                    raise TrainingFailed(loss, epoch, step, history)
                optimizer.zero_grad()
                terms.loss.backward()
                optimizer.step()
                total_loss += loss * len(rows)
                total_kl += terms.kl.detach().sum().item()
            history.loss.append(total_loss / len(x))
            history.kl.append(total_kl / len(x))
            history.reconstruction.append(betas[epoch - 1] * history.kl[-1] - history.loss[-1])
            bar.set_postfix(loss=f"{history.loss[-1]:.2f}", refresh=False)
            if callback is not None:
                callback(epoch, history)
    except KeyboardInterrupt:
        history.stopped = (epoch, step)
        print(
            f"stopped by hand in epoch {epoch}, step {step}; {len(history)} finished epochs are returned",
            file=sys.stderr,
        )
    finally:
        bar.close()
        model.train(was_training)
    return history


@dataclass(frozen=True)
class Evaluation:
    """Means over the images, in nats: elbo = reconstruction − kl."""

    elbo: float
    reconstruction: float
    kl: float


@torch.no_grad()
def evaluate(
    model: nn.Module, x: Tensor, num_samples: int = 1, *, generator: torch.Generator | None = None
) -> Evaluation:
    """Mean ELBO of the rows of x and its two terms, with L draws of z per row, in bounded memory.

    Args:
        model: a `VAE`, or any module with encode, decode and likelihood.
        x: observations, (N, D), or images, (N, C, H, W), for a model that takes them.
        num_samples: the number L of draws.
        generator: source of ε; None takes torch's global one.

    Returns:
        Evaluation: three floats in nats, summed in float64.

    Raises:
        ValueError: x is not (N, D), is empty or not allowed by the likelihood, num_samples < 1, or the
            model puts out NaN.

    Source: book equation (3.4).
    """
    x = require.model_data(model, x)
    num_samples = require.count("num_samples", num_samples)
    _refuse_probabilities(model, x)
    was_training = model.training
    model.eval()
    reconstruction = kl = 0.0
    rows_at_once = _chunks.rows_at_once(x[0].numel())
    try:
        for block in x.split(rows_at_once):
            samples_at_once = max(1, rows_at_once // len(block))
            for first in range(0, num_samples, samples_at_once):
                size = min(samples_at_once, num_samples - first)
                terms = _elbo(model, block, size, 1.0, generator)
                reconstruction += size * float(terms.reconstruction.cpu().double().sum())
            kl += float(terms.kl.cpu().double().sum())  # not every accelerator has float64
    finally:
        model.train(was_training)
    reconstruction, kl = reconstruction / (len(x) * num_samples), kl / len(x)
    if not (math.isfinite(reconstruction) and math.isfinite(kl)):
        raise ValueError(f"this model puts out reconstruction {reconstruction} and KL {kl} nats")
    return Evaluation(reconstruction - kl, reconstruction, kl)


def _refuse_probabilities(model: nn.Module, x: Tensor) -> None:
    """Raise if the likelihood takes logits, and the decoder puts out probabilities, whatever its weights."""
    if isinstance(model, VAE) or not isinstance(model.likelihood, Bernoulli | ContinuousBernoulli):
        return
    was_training = model.training
    model.eval()
    try:
        with _wide.weights(model.parameters()) as shake:
            mu, _ = model.encode(x[:2])
            for _ in range(_wide.TRIES):
                shake()
                params = model.decode(_wide.WIDTH_OF_Z * torch.randn_like(mu))
                if not ((params >= 0) & (params <= 1)).all():
                    return
    finally:
        model.train(was_training)
    raise ValueError(
        f"the decoder ends in a sigmoid, and {type(model.likelihood).__name__}() takes logits: leave "
        f"the sigmoid "
        "out of the decoder"
    )


def _adam(model: nn.Module, lr: float) -> torch.optim.Adam:
    """Adam, which updates all parameters in one call where this version of torch and this device can."""
    try:
        return torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    except RuntimeError:
        return torch.optim.Adam(model.parameters(), lr=lr)
