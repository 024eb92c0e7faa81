"""What `fit` costs beside other loops over the same network, and what each reaches: `make bench`.

Each time is the median of paired runs on one thread: the loops take turns, so that a slow moment of the
machine hits all of them. The held-out ELBO comes from `evaluate`, whoever trained the weights. The row of
pythae is left out where it is not installed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from vae_lib.datasets import load_digits
from vae_lib.models import VAE
from vae_lib.training import evaluate, fit

EPOCHS, BATCH, RUNS, J = 20, 64, 9, 8


def loss_by_hand(model: VAE, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Minus the ELBO, written with as few operations as there are."""
    mu, logvar = model.encoder(x).chunk(2, -1)
    eps = torch.randn(mu.shape, generator=generator)
    logits = model.decoder(mu + torch.exp(0.5 * logvar) * eps)
    nll = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return (nll + 0.5 * (mu * mu + logvar.exp() - logvar - 1).sum()) / len(x)


def train(model: VAE, batches, fused: bool) -> None:
    """EPOCHS passes over what `batches()` yields."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for x in batches():
            loss = loss_by_hand(model, x, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


class Images(Dataset):
    """What torchvision's data sets do with ToTensor: one picture at a time from bytes to floats."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.images[index])
        pixels = torch.from_numpy(np.array(picture, np.uint8)).view(8, 8, 1).permute(2, 0, 1).contiguous()
        return pixels.to(torch.float32).div(255), int(self.labels[index])


def pythae_loop(x: torch.Tensor):
    """Its own trainer on our two networks, with the same optimizer, batches and epochs; None without it."""
    try:
        from pythae.data.datasets import BaseDataset
        from pythae.models import VAE as PythaeVAE
        from pythae.models import VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig
    except ImportError:
        return None
    logging.disable(logging.INFO)  # it tells of every file that it saves

    class Encoder(BaseEncoder):
        def __init__(self, net: nn.Module):
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor):
            mu, logvar = self.net(x).chunk(2, -1)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self, net: nn.Module):
            super().__init__()
            self.net = net

        def forward(self, z: torch.Tensor):
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    def loop(model: VAE) -> None:
        config = VAEConfig(input_dim=(x.shape[1],), latent_dim=J, reconstruction_loss="bce")
        theirs = PythaeVAE(config, encoder=Encoder(model.encoder), decoder=Decoder(model.decoder))
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            settings = BaseTrainerConfig(
                output_dir=folder, num_epochs=EPOCHS, per_device_train_batch_size=BATCH,
                learning_rate=1e-3, keep_best_on_train=True, no_cuda=True,
            )  # fmt: skip
            BaseTrainer(theirs, BaseDataset(x, torch.zeros(len(x))), training_config=settings).train()

    return loop


def main() -> None:
    torch.set_num_threads(1)
    data = load_digits()
    x = data.x_train
    bytes_ = (x * 255).to(torch.uint8).reshape(-1, 8, 8).numpy()
    loader = DataLoader(Images(bytes_, data.y_train.numpy()), batch_size=BATCH, shuffle=True)
    shuffle = torch.Generator().manual_seed(0)

    def rows():
        for index in torch.randperm(len(x), generator=shuffle).split(BATCH):
            yield x[index]

    def loaded():
        for images, _ in loader:
            yield images.flatten(1)

    loops = {
        "`vae_lib.training.fit`": lambda m: fit(m, x, epochs=EPOCHS, batch_size=BATCH, progress=True),
        "tightest loop by hand": lambda m: train(m, rows, fused=True),
        "`DataLoader`, `ToTensor` per image": lambda m: train(m, loaded, fused=False),
        "pythae 0.1.2, its trainer": pythae_loop(x),
    }
    missing = [name for name, loop in loops.items() if loop is None]
    loops = {name: loop for name, loop in loops.items() if loop}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    elbos: dict[str, list[float]] = {name: [] for name in loops}
    for run in range(RUNS + 1):
        for name, loop in loops.items():
            model = VAE(64, J, seed=run)
            torch.manual_seed(run)  # for those who draw from the global generator
            start = time.perf_counter()
            loop(model)
            if run:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
                generator = torch.Generator().manual_seed(0)
                elbos[name].append(evaluate(model, data.x_test, 100, generator=generator).elbo)
    print(f"{EPOCHS} epochs of 64-128-{J}-128-64 on {len(x)} digits, batch {BATCH}, one thread, {RUNS} runs;")
    print("ELBO: nats per held-out image, its standard error over the runs.\n")
    table = [("loop", "ms an epoch", "`fit` / this", "held-out ELBO")]
    ours = seconds["`vae_lib.training.fit`"]
    for name, times in seconds.items():
        epoch = 1000 * statistics.median(times) / EPOCHS
        ratio = statistics.median(a / b for a, b in zip(ours, times, strict=True))
        elbo, error = statistics.mean(elbos[name]), statistics.stdev(elbos[name]) / RUNS**0.5
        table.append((name, f"{epoch:.1f}", f"{ratio:.2f}", f"{elbo:.2f} ± {error:.2f}"))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, tuple("-" * width for width in widths))
    for row in table:
        print("| " + " | ".join(map(str.ljust, row, widths)) + " |")
    for name in missing:
        print(f"\n{name}: not installed, so it has no row.")


if __name__ == "__main__":
    main()
