"""The loss in one page: every step of the argument in its order, and a loop that trains with this loss."""

from __future__ import annotations

import re
import textwrap

import pytest
import torch
import torch.nn.functional as F
from bookfiles import NOTEBOOKS, TAG

from vae_lib import datasets, objective
from vae_lib.explorers import NaiveMonteCarlo, Reparameterization
from vae_lib.models import VAE

PAGE = NOTEBOOKS[0]
# Step of the argument -> the chapter that proves it.
PROVED_IN = {1: 1, 2: 2, 3: 2, 4: 2, 5: 3, 6: 3, 7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 8}


def steps() -> dict[int, str]:
    """Number of a step -> its text, up to the next heading."""
    parts = re.split(r"^##.*?(?:Step (\d+)\. .*)?$", PAGE.markdown, flags=re.M)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2], strict=True) if number}


def test_the_steps_are_in_order():
    assert list(steps()) == list(PROVED_IN)


@pytest.mark.parametrize("step", PROVED_IN)
def test_a_step_has_one_formula_and_a_link_to_the_chapter_that_proves_it(step: int):
    assert TAG.findall(steps()[step]) == [f"0.{step}"]
    before_formula = steps()[step].partition("$$")[0]
    (chapter,) = re.findall(r"\[chapter (\d)\]\(0(?:\d)_\w+\.ipynb\)", before_formula)
    assert int(chapter) == PROVED_IN[step]


def test_links_to_a_chapter_name_its_number():
    links = re.findall(r"\[(?:chapter )?(\d)\]\(0(\d)_", PAGE.markdown)
    assert len(links) > 12 and [link for link in links if link[0] != link[1]] == []


def test_the_table_says_from_which_steps_each_line_of_the_loop_comes():
    rows = re.findall(r"^\| (.+?) \| .+ \| ([\d, ]+) \|$", PAGE.markdown, re.M)
    assert {int(number) for _, numbers in rows for number in numbers.split(", ")} == set(PROVED_IN) - {1, 2}
    names = [name for row, _ in rows for name in re.findall(r"\w+", row) if "`" in row]
    assert len(rows) == 6 and all(name in PAGE.cell("loop").source for name in names)


def test_at_most_four_explorers_beside_train_and_one_open_cell_of_at_most_twelve_lines():
    shown = re.findall(r'data-explorer="(\w+)"', str([cell.outputs for cell in PAGE.code]))
    assert 0 < len(shown) <= 5 and "train" in shown
    (loop,) = PAGE.open_code
    lines = loop.source.splitlines()
    assert loop.id == "loop" and len(lines) <= 12 and max(map(len, lines)) <= 80


def test_the_loop_trains_with_the_loss_of_the_library():
    """Its lines from the encoder to both errors are run on a batch, with the noise that the library draws."""
    lines = PAGE.cell("loop").source.splitlines()
    first, last = (next(i for i, line in enumerate(lines) if name in line) for name in ("encode", "kl ="))
    body = textwrap.dedent("\n".join(lines[first : last + 1]))
    model, x = VAE(64, 8, seed=1), datasets.load_digits(binarize=True).x_train[:50]
    names = {"torch": torch, "F": F, "model": model, "x": x, "g": torch.Generator().manual_seed(2)}
    exec(body, names)
    terms = objective.elbo(model, x, generator=torch.Generator().manual_seed(2))
    nll, kl = names["nll"] / len(x), names["kl"] / len(x)
    assert torch.allclose(nll, -terms.reconstruction.mean(), rtol=1e-6)
    assert torch.allclose(kl, terms.kl.mean(), rtol=1e-5)
    assert torch.allclose(nll + kl, terms.loss, rtol=1e-6)


def test_a_further_dimension_divides_the_draws_that_count_by_about_three():
    rho = [NaiveMonteCarlo(J=J).numbers()["rho"] for J in (1, 2, 12)]
    assert rho[1] / rho[0] == pytest.approx(3, abs=0.2) and rho[2] == pytest.approx(rho[0] ** 12)
    assert NaiveMonteCarlo(J=12, num_samples=10_000).numbers()["effective_sample_size"] < 3


@pytest.mark.parametrize("mu", [-1.0, 0.6, 1.25, 2.5])
@pytest.mark.parametrize("sigma", [0.05, 0.5, 1.5])
def test_the_trick_has_the_smallest_variance_in_its_explorer(mu: float, sigma: float):
    numbers = Reparameterization(mu=mu, sigma=sigma, num_samples=100_000).numbers()
    others = numbers["score_variance"], numbers["baseline_variance"]
    assert numbers["pathwise_variance"] < min(others)
