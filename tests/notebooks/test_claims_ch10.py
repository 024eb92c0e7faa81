"""What chapter 10 says in general, held against integrals, and its functions against what they estimate."""

from __future__ import annotations

import math
import re

import pytest
import torch
from bookfiles import BOOK, NOTEBOOKS, SOURCES
from torch.distributions import Normal

CH10 = NOTEBOOKS[10]
CODES = {  # mu and sigma of three images in two dimensions
    "apart": ([[-2.0, -1.5], [0.0, 0.5], [2.0, 1.0]], [[0.3, 0.5], [0.4, 0.3], [0.6, 0.4]]),
    "near": ([[-0.2, 0.1], [0.1, 0.0], [0.3, -0.3]], [[0.9, 1.1], [0.8, 0.9], [1.0, 0.7]]),
}
each_pair = pytest.mark.parametrize("codes", CODES.values(), ids=CODES)


def printed(cell: str) -> str:
    return "".join(output.get("text", "") for output in CH10.cell(cell).outputs)


def defined(cell: str, name: str):
    """A function of a cell of the chapter."""
    names = {"torch": torch, "math": math, "Normal": Normal}
    exec(CH10.cell(cell).source, names)
    return names[name]


def integrals(mu: torch.Tensor, sigma: torch.Tensor) -> dict[str, float]:
    """The parts of (10.2) for codes in two dimensions, by sums over a grid."""
    axis = torch.linspace(-8, 8, 401, dtype=torch.float64)
    step = (axis[1] - axis[0]).item()
    each = Normal(mu[:, None], sigma[:, None]).log_prob(axis[:, None]).exp()  # (N, axis, 2)
    single = each[:, :, None, 0] * each[:, None, :, 1]  # q(z|x_i), (N, axis, axis)
    whole, margins = single.mean(0), each.mean(0)
    product = margins[:, None, 0] * margins[None, :, 1]
    prior = Normal(0.0, 1.0).log_prob(axis).exp()

    def kl(one, other):
        return (one * (torch.log(one + 1e-300) - torch.log(other + 1e-300))).sum().item()

    square = step * step
    return {
        "kl": sum(kl(s, prior[:, None] * prior) for s in single) * square / len(mu),
        "information": sum(kl(s, whole) for s in single) * square / len(mu),
        "correlation": kl(whole, product) * square,
        "marginal": sum(kl(margins[:, j], prior) for j in (0, 1)) * step,
        "mismatch": kl(whole, prior[:, None] * prior) * square,
    }


@each_pair
def test_the_mean_kl_is_the_sum_of_its_three_parts(codes):
    mu, sigma = torch.tensor(codes, dtype=torch.float64)
    found = integrals(mu, sigma)
    closed = 0.5 * (mu**2 + sigma**2 - 2 * sigma.log() - 1).sum(1).mean().item()
    assert found["kl"] == pytest.approx(closed, abs=1e-6)
    assert found["information"] + found["correlation"] + found["marginal"] == pytest.approx(closed, abs=1e-6)
    assert found["correlation"] + found["marginal"] == pytest.approx(found["mismatch"], abs=1e-6)
    assert 0 < found["information"] < math.log(3) and min(found.values()) > 0


@each_pair
def test_split_estimates_the_three_parts(codes):
    mu, sigma = torch.tensor(codes, dtype=torch.float64)
    split, g, parts = defined("split", "split"), torch.Generator().manual_seed(0), []
    for _ in range(1000):
        parts.append(split(mu, sigma, torch.randn(mu.shape, dtype=mu.dtype, generator=g)))
    mean, error = torch.stack(parts).mean(0), torch.stack(parts).std(0) / math.sqrt(1000)
    found = integrals(mu, sigma)
    for k, name in enumerate(("information", "correlation", "marginal")):
        assert abs(mean[k] - found[name]) < 4 * error[k] + 1e-6, name


def test_split_takes_more_images_than_a_block_holds():
    """The blocks of 200 images are put together in their order."""
    g = torch.Generator().manual_seed(0)
    mu, eps = torch.randn(2, 450, 3, dtype=torch.float64, generator=g)
    sigma = torch.full_like(mu, 0.5)
    log_q = Normal(mu, sigma).log_prob((mu + sigma * eps)[:, None])
    whole = log_q.sum(2).logsumexp(1) - math.log(450)
    own = Normal(mu, sigma).log_prob(mu + sigma * eps).sum(1)
    assert defined("split", "split")(mu, sigma, eps)[0] == pytest.approx((own - whole).mean().item())


@each_pair
def test_a_prior_with_the_moments_of_the_codes_gains_at_most_the_marginal_kl(codes):
    """As the solution of exercise 10.5 says, which a prior with independent dimensions cannot exceed."""
    mu, sigma = torch.tensor(codes, dtype=torch.float64)
    variance = mu.var(0, correction=0) + (sigma**2).mean(0)
    gain = 0.5 * (mu.mean(0) ** 2 + variance - variance.log() - 1).sum().item()
    assert 0 < gain < integrals(mu, sigma)["marginal"]
    assert "at most the marginal KL" in SOURCES[9].cell("exercise-10-5-solution").source


def test_every_range_of_the_text_is_one_that_a_cell_asserts():
    """A range 'a to b' in the text of the chapter stands in what a cell prints, there as between(a, …, b)."""
    known = re.sub(r"\b0\.(\d\d)\b", lambda share: str(int(share[1])), CH10.output) + CH10.output
    ranges = re.findall(r"(−?[\d.]+\d) to (−?[\d.]*\d)", re.sub(r"\]\([^)]*\)", "]", CH10.markdown))
    missing = []
    for low, high in ranges:
        wanted = (
            rf"(?<![\d.]){re.escape(low.replace('−', '-'))} to {re.escape(high.replace('−', '-'))}(?!\.?\d)"
        )
        if not re.search(wanted, known):
            missing.append(f"{low} to {high}")
    assert len(ranges) >= 7 and missing == []


def test_the_copied_weight_is_a_beta_above_one():
    assert re.search(r"β = b/a = (\S+),", printed("copied-weight"))[1] == "1.54"
    text = CH10.cell("weight-read").source
    assert "0.00025" in text and "β = 1.54" in text


def test_terms_of_the_chapter_are_in_the_glossary():
    glossary = (BOOK / "glossary.md").read_text(encoding="utf8").lower()
    terms = {word.lower() for word in re.findall(r"(?<!\*)\*(\w[^*\n]+)\*(?!\*)", CH10.markdown)}
    wanted = {"aggregated posterior", "autoregressive decoder", "conditional vae", "mutual information"}
    wanted |= {"total correlation", "laplace likelihood"}
    assert wanted <= terms
    assert [term for term in wanted if f"\n{term}\n" not in glossary] == []
