"""Loads images as flat rows in [0, 1]: 8×8 digits that come with scikit-learn, 28×28 ones on request."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import torch
from requests.exceptions import RequestException
from torch import Tensor

# Published MD5 sums of the idx-gz files, as torchvision checks them too.
_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
)
_FASHION_MNIST = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
)
_SYSTEM = Path("/usr/share/datasets")  # where Debian's dataset-fashion-mnist puts its folder


@dataclass(frozen=True)
class DataSplit:
    """Images as flat rows in [0, 1], float32 (N, D); labels int64 (N,)."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def load_digits(binarize: bool = False) -> DataSplit:
    """1 797 handwritten digits of 8×8 pixels with 17 grey levels, installed with scikit-learn.

    Args:
        binarize: 1 where a pixel is at least half black, 0 elsewhere.

    Returns:
        DataSplit with D = 64; the test rows are those with index % 5 == 4 (359 of them).

    Source: UCI Machine Learning Repository, "Optical Recognition of Handwritten Digits".
    """
    from sklearn import datasets  # takes longer to load than all of vae_lib, and most of it goes without

    raw = datasets.load_digits()
    x = torch.tensor(raw.data / 16, dtype=torch.float32)
    y = torch.tensor(raw.target, dtype=torch.int64)
    test = torch.arange(len(x)) % 5 == 4
    return _split(x[~test], y[~test], x[test], y[test], binarize)


def load_mnist(
    folder: str | os.PathLike | None = None,
    *,
    binarize: bool = False,
    download: bool = False,
    cache: str | os.PathLike | None = None,
    base_url: str | None = None,
) -> DataSplit:
    """70 000 handwritten digits of 28×28 pixels, from a local folder or, when asked to, from the network.

    Without arguments it reads what is on this machine already: the files of an earlier download, or those
    of a package of the system in /usr/share/datasets. A download shows its progress, checks every file, and
    starts a file again when the transfer broke.

    Args:
        folder: a folder with the four usual idx-gz files; nothing is downloaded or copied then.
        binarize: 1 where a pixel is at least half black, 0 elsewhere.
        download: allow fetching what is not there yet (about 11 MB).
        cache: where downloads are kept; None is mnist in the folder that the environment variable
            VAE_LIB_DATA names, or in the user's cache folder.
        base_url: a mirror to fetch from instead of the usual address.

    Returns:
        DataSplit with D = 784: 60 000 training and 10 000 test rows.

    Raises:
        FileNotFoundError: a file is not there and download is False; the message says what to do.
        ConnectionError: the download failed.
        ValueError: a downloaded file has the wrong checksum, or a local one is not an idx file.

    Source: LeCun, Bottou, Bengio & Haffner (1998).
    """
    return _load_idx("mnist", *_MNIST, folder, binarize, download, cache, base_url)


def load_fashion_mnist(
    folder: str | os.PathLike | None = None,
    *,
    binarize: bool = False,
    download: bool = False,
    cache: str | os.PathLike | None = None,
    base_url: str | None = None,
) -> DataSplit:
    """70 000 pictures of clothes, 28×28 pixels; about 30 MB to download. Everything else as in `load_mnist`.

    Its place in the cache is fashion-mnist.

    Source: Xiao, Rasul & Vollgraf (2017).
    """
    return _load_idx("fashion-mnist", *_FASHION_MNIST, folder, binarize, download, cache, base_url)


def _load_idx(name, default_url, md5, folder, binarize, download, cache, base_url) -> DataSplit:
    if folder is not None:
        directory, download = Path(folder), False
    elif cache is not None:
        directory = Path(cache)
    else:
        directory = Path(os.environ.get("VAE_LIB_DATA") or pooch.os_cache("vae_lib")) / name
        if _missing(directory) and not _missing(_SYSTEM / name):
            directory, download = _SYSTEM / name, False
    if download:
        _fetch(directory, base_url or default_url, md5)
    if missing := _missing(directory):
        raise FileNotFoundError(
            f"{name}: {', '.join(missing)} not found in {directory}. Pass download=True to fetch "
            "the data, or folder= with the path of a folder that holds the four idx-gz files."
        )
    paths = [directory / file for file in _FILES]
    x_train, y_train, x_test, y_test = (torch.tensor(_read_idx(path)) for path in paths)
    for x, y, path in ((x_train, y_train, paths[0]), (x_test, y_test, paths[2])):
        if x.ndim != 3 or y.shape != x.shape[:1]:
            raise ValueError(
                f"{path} must hold images (N, 28, 28) and the file of labels beside it (N,), "
                f"got {tuple(x.shape)} and {tuple(y.shape)}"
            )
    images = [x.flatten(1).to(torch.float32) / 255 for x in (x_train, x_test)]
    return _split(images[0], y_train.long(), images[1], y_test.long(), binarize)


def _missing(directory: Path) -> list[str]:
    """Which of the four files are not in a folder."""
    return [file for file in _FILES if not (directory / file).is_file()]


def _fetch(directory: Path, url: str, md5: tuple[str, ...]) -> None:
    """Download what is missing or broken in `directory`; each file is checked before it is put there."""
    registry = {file: f"md5:{digest}" for file, digest in zip(_FILES, md5, strict=True)}
    fetcher = pooch.create(directory, url.rstrip("/") + "/", registry=registry, retry_if_failed=2)
    for file in _FILES:
        try:
            fetcher.fetch(file, progressbar=True)
        except (RequestException, OSError) as error:
            raise ConnectionError(
                f"could not download {file} from {url}: {error}. Without a network, pass folder= with the "
                "path of a folder that holds the four idx-gz files."
            ) from error


def _read_idx(path: Path) -> np.ndarray:
    """The array in an idx-gz file of unsigned bytes: two zeros, type 8, rank, sizes (big-endian), bytes."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a complete gzip file: {error}") from error
    rank = raw[3] if len(raw) >= 4 else 0
    if raw[:3] != b"\x00\x00\x08" or rank == 0 or len(raw) < 4 + 4 * rank:
        raise ValueError(f"{path} is not an idx file of unsigned bytes")
    sizes = np.frombuffer(raw, ">u4", count=rank, offset=4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    if len(values) != np.prod(sizes, dtype=np.int64):
        raise ValueError(f"{path} announces {tuple(map(int, sizes))} but holds {len(values)} bytes")
    return values.reshape(sizes)


def _split(x_train, y_train, x_test, y_test, binarize: bool) -> DataSplit:
    if binarize:
        x_train, x_test = (x_train >= 0.5).float(), (x_test >= 0.5).float()
    return DataSplit(x_train, y_train, x_test, y_test)
