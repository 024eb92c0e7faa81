"""What the unit tests share: one deterministic hypothesis profile and a few small fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import hypothesis
import matplotlib
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from vae_lib.linear_gaussian import LinearGaussian

matplotlib.use("Agg")
hypothesis.settings.register_profile("book", derandomize=True, deadline=None, max_examples=50, database=None)
hypothesis.settings.load_profile("book")


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh source of randomness with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def value_error() -> Callable[..., AbstractContextManager]:
    """`with value_error("x (2, 3)", 0.5):` expects a ValueError whose message holds all of these."""

    @contextmanager
    def expect(*named: object) -> Iterator[None]:
        with pytest.raises(ValueError) as caught:
            yield
        for text in named:
            assert str(text) in str(caught.value)

    return expect


@pytest.fixture
def global_rng_untouched() -> Iterator[None]:
    """Fails the test that leaves torch's global generator in another state than it found it in."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.fixture
def within_5_standard_errors() -> Callable[[Tensor, Tensor | float], None]:
    """Is the mean over the first axis of independent draws what it should be?"""

    def check(draws: Tensor, truth: Tensor | float) -> None:
        draws = draws.double()
        error = draws.std(0) / len(draws) ** 0.5
        assert (error > 0).all()
        assert ((draws.mean(0) - truth).abs() <= 5 * error).all(), (draws.mean(0), truth, error)

    return check


@pytest.fixture
def integral() -> Callable[[Callable[[Tensor], Tensor], float, float], float]:
    """∫ f(t) dt from a to b to twelve digits; f takes a (1, 1) tensor and returns one of one element."""

    def integrate(f: Callable[[Tensor], Tensor], a: float, b: float) -> float:
        return quad(
            lambda t: f(torch.tensor([[t]], dtype=torch.float64)).item(), a, b, epsabs=0, epsrel=1e-12
        )[0]

    return integrate


@pytest.fixture
def oracle() -> LinearGaussian:
    """Three pixels, one latent dimension: the diagonal q that encode returns is the posterior itself."""
    return LinearGaussian([[1.0], [-0.5], [0.3]], [0.2, 0.0, -0.1], 0.6)


@pytest.fixture
def oracle_2d() -> LinearGaussian:
    """Four pixels, two latent dimensions that the posterior correlates: the gap is not zero."""
    return LinearGaussian([[1.0, 0.4], [-0.5, 1.0], [0.3, 0.6], [0.0, -0.7]], [0.2, 0.0, -0.1, 0.3], 0.7)
