"""The 28×28 part of chapter 8 runs if there are idx files, and tells what is missing if there are none."""

from __future__ import annotations

import gzip

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from bookfiles import by_name

from vae_lib import datasets

CELLS = ("bigger-expected", "bigger-run", "bigger-result")


def write_idx(path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes()))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty cache on a system without data."""
    monkeypatch.setenv("VAE_LIB_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "_SYSTEM", tmp_path / "system")
    return tmp_path


def enlarged_digits(folder) -> None:
    """The 8×8 digits as idx files of 28×28 pixels."""
    digits = datasets.load_digits()
    folder.mkdir()
    train = digits.x_train[:640], digits.y_train[:640]  # as few as show that the loss falls
    for prefix, x, y in (("train", *train), ("t10k", digits.x_test, digits.y_test)):
        images = torch.nn.functional.interpolate(x.reshape(-1, 1, 8, 8), size=(28, 28))[:, 0]
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", (255 * images).byte().numpy())
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", y.byte().numpy())


def run(monkeypatch, capsys) -> tuple[str, dict]:
    """What the cells print, and the names that they define."""
    monkeypatch.setattr(plt, "show", lambda: None)
    notebook, names = by_name("08_training"), {}
    for cell in ("setup", *CELLS):
        exec(notebook.cell(cell).source, names)
    return capsys.readouterr().out, names


def test_without_data_the_chapter_says_what_to_do_and_what_to_expect(place, monkeypatch, capsys):
    printed, names = run(monkeypatch, capsys)
    assert "28×28 part needs MNIST or Fashion-MNIST" in printed and "skipped" in printed
    assert "load_mnist(download=True)" in printed
    assert "Fashion-MNIST" in printed and "held-out ELBO" in printed and "s of processor time" in printed
    assert names["larger"] is None and not plt.get_fignums()


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_with_data_it_trains_and_shows(name, place, monkeypatch, capsys):
    enlarged_digits(place / name)
    where = []
    monkeypatch.setattr("vae_lib.training.best_device", lambda: where.append("asked") or torch.device("cpu"))
    if name == "fashion-mnist":
        with pytest.raises(AssertionError) as caught:  # under that name the ELBO of clothes is expected
            run(monkeypatch, capsys)
        assert -400 < caught.value.args[0] < -150
        return
    printed, names = run(monkeypatch, capsys)
    assert where == ["asked"]
    assert "load_mnist, 3 epochs: held-out ELBO" in printed and "skipped" not in printed
    assert -400 < names["nats"] < -100, "between an untrained model and a perfect one"
    assert len(plt.figure(plt.get_fignums()[-1]).axes) == 30
    plt.close("all")


def test_the_cells_that_depend_on_data_store_nothing():
    for cell in CELLS[1:]:
        found = by_name("08_training").cell(cell)
        assert "nbval-ignore-output" in found.metadata["tags"] and found.outputs == []
    assert by_name("08_training").cell(CELLS[0]).outputs
