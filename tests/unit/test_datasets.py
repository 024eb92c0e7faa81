"""The digits of scikit-learn; idx files from a folder, and from a server that the test itself runs."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch
from sklearn import datasets as sklearn_datasets

from vae_lib import datasets
from vae_lib.datasets import load_digits, load_fashion_mnist, load_mnist

LOADERS = {"_MNIST": load_mnist, "_FASHION_MNIST": load_fashion_mnist}
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = datasets._FILES

# Digits


def test_every_fifth_digit_is_a_test_row():
    split, raw = load_digits(), sklearn_datasets.load_digits()
    test = np.arange(1797) % 5 == 4
    for x, y, rows in ((split.x_train, split.y_train, ~test), (split.x_test, split.y_test, test)):
        assert x.dtype == torch.float32 and y.dtype == torch.int64
        assert torch.equal(x * 16, torch.tensor(raw.data[rows], dtype=torch.float32))
        assert torch.equal(y, torch.tensor(raw.target[rows], dtype=torch.int64))
        assert (x.min(), x.max()) == (0, 1)
    assert split.x_train.shape == (1438, 64) and split.x_test.shape == (359, 64)


def test_digits_are_binarized_at_half_black():
    grey, binary = load_digits(), load_digits(binarize=True)
    for name in ("x_train", "x_test"):
        expected = (getattr(grey, name) * 16 >= 8).float()
        assert torch.equal(getattr(binary, name), expected) and getattr(binary, name).dtype == torch.float32
    assert torch.equal(binary.y_train, grey.y_train) and torch.equal(binary.y_test, grey.y_test)


# Files


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes()))


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (17, 28, 28), np.uint8)
    images[:, 0, :3] = 0, 127, 128
    labels = rng.integers(0, 10, 17, np.uint8)
    return dict(zip(datasets._FILES, (images[:12], labels[:12], images[12:], labels[12:]), strict=True))


@pytest.fixture
def folder(tmp_path, arrays) -> Path:
    path = tmp_path / "files"
    path.mkdir()
    for name, values in arrays.items():
        write_idx(path / name, values)
    return path


def assert_right(split: datasets.DataSplit, arrays: dict[str, np.ndarray]) -> None:
    for x, y, image_file, label_file in (
        (split.x_train, split.y_train, TRAIN_IMAGES, TRAIN_LABELS),
        (split.x_test, split.y_test, TEST_IMAGES, TEST_LABELS),
    ):
        flat = arrays[image_file].reshape(-1, 784).astype(np.float32) / np.float32(255)
        assert x.dtype == torch.float32 and torch.equal(x, torch.tensor(flat))
        assert y.dtype == torch.int64 and y.tolist() == arrays[label_file].tolist()


@pytest.mark.parametrize("load", LOADERS.values())
@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_of_idx_files_is_read(load, kind, folder, arrays):
    assert_right(load(kind(folder)), arrays)
    binary = load(kind(folder), binarize=True)
    assert torch.equal(binary.x_test, torch.tensor(arrays[TEST_IMAGES].reshape(-1, 784) >= 128).float())
    assert binary.x_train[:, :3].unique(dim=0).tolist() == [[0, 0, 1]]


def packed(raw: bytes) -> bytes:
    return gzip.compress(raw)


BROKEN = {
    "cut short": (lambda whole: whole[:-20], "complete gzip"),
    "empty": (lambda whole: b"", "not an idx file"),
    "a web page": (lambda whole: b"<html>", "complete gzip"),
    "a damaged block": (lambda whole: whole[:200] + b"\0" * 200 + whole[400:], "complete gzip"),
    "packed text": (lambda whole: packed(b"hello, world"), "not an idx file"),
    "of floats": (lambda whole: packed(b"\0\0\x0d\x03" + gzip.decompress(whole)[4:]), "not an idx file"),
    "of a single number": (lambda whole: packed(b"\0\0\x08\0\x05"), "not an idx file"),
    "without sizes": (lambda whole: packed(b"\0\0\x08\x03\0\0"), "not an idx file"),
    "of too few bytes": (
        lambda whole: packed(gzip.decompress(whole)[:-1]),
        "announces (12, 28, 28) but holds 9407",
    ),
    "of too many bytes": (
        lambda whole: packed(gzip.decompress(whole) + b"\0"),
        "announces (12, 28, 28) but holds 9409",
    ),
}


@pytest.mark.parametrize(("damage", "named"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named(damage, named, folder, value_error):
    path = folder / TRAIN_IMAGES
    path.write_bytes(damage(path.read_bytes()))
    with value_error(path, named):
        load_mnist(folder)


@pytest.mark.parametrize(
    ("target", "source", "named"),
    [
        (TEST_LABELS, TRAIN_LABELS, [TEST_IMAGES, "(5, 28, 28)", "(12,)"]),
        (TRAIN_IMAGES, TEST_IMAGES, [TRAIN_IMAGES, "(5, 28, 28)", "(12,)"]),
        (TRAIN_IMAGES, TRAIN_LABELS, [TRAIN_IMAGES, "(12,)"]),
        (TEST_LABELS, TEST_IMAGES, [TEST_IMAGES, "(5, 28, 28)"]),
    ],
)
def test_files_that_do_not_belong_together_are_refused(target, source, named, folder, value_error):
    (folder / target).write_bytes((folder / source).read_bytes())
    with value_error(*named):
        load_mnist(folder)


def test_a_missing_file_is_named_with_both_remedies(folder):
    (folder / TEST_LABELS).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(folder)
    for text in (TEST_LABELS, str(folder), "download=True", "folder="):
        assert text in str(caught.value)
    assert TRAIN_IMAGES not in str(caught.value)


# Downloads


class Server(ThreadingHTTPServer):
    """Serves a folder on a free port of this machine and remembers what it was asked for."""

    def __init__(self, folder: Path):
        self.requests: list[str] = []
        self.breaks = 0  # how many of the next transfers break
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests.append(self.path.strip("/"))
        super().do_GET()

    def copyfile(self, source, outputfile) -> None:
        if self.server.breaks > 0:  # half of the announced bytes, then nothing
            self.server.breaks -= 1
            outputfile.write(source.read(Path(source.name).stat().st_size // 2))
        else:
            super().copyfile(source, outputfile)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(folder, monkeypatch):
    """A server of the four files, whose checksums and address take the place of the published ones."""
    server = Server(folder)
    md5 = tuple(hashlib.md5((folder / name).read_bytes()).hexdigest() for name in datasets._FILES)
    for name in LOADERS:
        monkeypatch.setattr(datasets, name, (server.url, md5))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the pauses between attempts
    yield server
    server.stop()


@pytest.mark.parametrize("load", LOADERS.values())
def test_files_are_downloaded_once_and_then_read_from_the_cache(load, server, arrays, tmp_path):
    cache = tmp_path / "cache"
    assert_right(load(cache=cache, download=True), arrays)
    assert sorted(server.requests) == sorted(datasets._FILES)
    server.stop()
    for download in (True, False):
        assert_right(load(cache=cache, download=download), arrays)
    assert len(server.requests) == 4


@pytest.mark.parametrize("load", LOADERS.values())
def test_nothing_is_downloaded_without_being_asked_to(load, server, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="download=True"):
        load(cache=tmp_path / "cache")
    load(folder, download=True)
    assert server.requests == []
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A user without a cache yet, on a system without data."""
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    monkeypatch.setattr(datasets, "_SYSTEM", tmp_path / "system")
    monkeypatch.delenv("VAE_LIB_DATA", raising=False)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("variable", [True, False])
def test_each_data_set_has_its_own_place_in_the_cache(variable, server, arrays, tmp_path, monkeypatch):
    place = tmp_path / "vae_lib"
    if variable:
        place = tmp_path / "elsewhere"
        monkeypatch.setenv("VAE_LIB_DATA", str(place))
    load_mnist(download=True)
    assert {path.name for path in (place / "mnist").iterdir()} == set(datasets._FILES)
    assert_right(load_mnist(), arrays)
    with pytest.raises(FileNotFoundError, match="fashion-mnist"):
        load_fashion_mnist()


@pytest.mark.usefixtures("bare")
def test_a_folder_of_the_system_is_read_instead_of_a_download(server, folder, arrays, tmp_path):
    system = tmp_path / "system" / "fashion-mnist"
    system.parent.mkdir()
    folder.rename(system)
    for download in (False, True):
        assert_right(load_fashion_mnist(download=download), arrays)
    assert server.requests == [] and not (tmp_path / "vae_lib").exists()
    with pytest.raises(FileNotFoundError):
        load_mnist()
    (system / TEST_LABELS).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_fashion_mnist()
    assert str(tmp_path / "vae_lib") in str(caught.value)


@pytest.mark.parametrize("breaks", [1, 2])
def test_a_broken_transfer_is_started_again(breaks, server, arrays, tmp_path):
    server.breaks = breaks
    assert_right(load_mnist(cache=tmp_path, download=True), arrays)
    assert server.requests == [TRAIN_IMAGES] * (breaks + 1) + list(datasets._FILES[1:])
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set(datasets._FILES)


def test_a_transfer_that_keeps_breaking_ends_with_a_clear_error(server, tmp_path):
    server.breaks = 99
    with pytest.raises(ConnectionError, match=f"could not download {TRAIN_IMAGES}") as caught:
        load_mnist(cache=tmp_path / "cache", download=True)
    assert server.url in str(caught.value) and "folder=" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []
    server.breaks = 0
    load_mnist(cache=tmp_path / "cache", download=True)


def test_a_download_shows_its_progress(server, tmp_path, capsys):
    load_mnist(cache=tmp_path, download=True)
    shown = capsys.readouterr().err
    assert shown.count("100%|") == 4 and "B/s" in shown
    load_mnist(cache=tmp_path, download=True)
    assert "%|" not in capsys.readouterr().err


def test_base_url_replaces_the_usual_address(server, arrays, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_MNIST", ("http://127.0.0.1:9/", datasets._MNIST[1]))
    split = load_mnist(cache=tmp_path / "cache", download=True, base_url=server.url.rstrip("/"))
    assert_right(split, arrays)


def test_only_what_is_missing_or_broken_is_fetched(server, arrays, tmp_path):
    load_mnist(cache=tmp_path, download=True)
    server.requests.clear()
    (tmp_path / TRAIN_LABELS).unlink()
    (tmp_path / TEST_IMAGES).write_bytes(b"broken")
    assert_right(load_mnist(cache=tmp_path, download=True), arrays)
    assert server.requests == [TRAIN_LABELS, TEST_IMAGES]


@pytest.mark.parametrize("content", [b"another file", None], ids=["another file", "cut short"])
def test_a_wrong_checksum_is_refused_and_not_kept(content, server, folder, tmp_path, value_error):
    path = folder / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with value_error("MD5", TRAIN_IMAGES):
        load_mnist(cache=tmp_path / "cache", download=True)
    assert TRAIN_IMAGES not in [p.name for p in (tmp_path / "cache").iterdir()]


def test_a_file_that_the_server_does_not_have_is_named(server, folder, tmp_path):
    (folder / TRAIN_LABELS).unlink()
    with pytest.raises(ConnectionError) as caught:
        load_mnist(cache=tmp_path, download=True)
    for text in (TRAIN_LABELS, server.url, "404", "folder="):
        assert text in str(caught.value)


def test_no_server_is_a_clear_error(server, tmp_path):
    server.stop()
    with pytest.raises(ConnectionError, match="could not download") as caught:
        load_fashion_mnist(cache=tmp_path, download=True)
    assert server.url in str(caught.value) and "folder=" in str(caught.value)


def test_the_published_checksums_are_eight_different_ones():
    digests = [*datasets._MNIST[1], *datasets._FASHION_MNIST[1]]
    assert len(set(digests)) == 8 and all(len(bytes.fromhex(digest)) == 16 for digest in digests)
