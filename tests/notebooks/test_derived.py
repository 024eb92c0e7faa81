"""A chapter compares what it derives with vae_lib, and every correction of the article has its place."""

from __future__ import annotations

import inspect
import re

import pytest
from bookfiles import BOOK, NOTEBOOKS, ROOT, by_name

from vae_lib import estimators, gaussian, likelihoods, linear_gaussian, objective, training

# Public name -> the chapter that derives it, and compares the two in a cell whose id begins with "check-".
DERIVED = {
    "log_marginal_naive": "02_likelihood",
    "log_weights": "02_likelihood",
    "effective_sample_size": "02_likelihood",
    "log_marginal": "02_likelihood",
    "posterior": "02_likelihood",
    "reconstruction": "03_elbo",
    "kl_to_posterior": "03_elbo",
    "log_marginal_importance": "03_elbo",
    "elbo": "03_elbo",
    "log_prob": "04_kl",
    "kl_to_standard_normal": "04_kl",
    "kl_between": "04_kl",
    "evaluate": "05_monte_carlo",
    "reparameterize": "06_reparameterization",
    "pathwise_gradient": "06_reparameterization",
    "score_function_gradient": "06_reparameterization",
    "Bernoulli": "07_reconstruction_loss",
    "ContinuousBernoulli": "07_reconstruction_loss",
    "Gaussian": "07_reconstruction_loss",
    "Laplace": "10_in_practice",
    "fit": "08_training",
}
# No formulas: containers, the interface of a model, functions that only call another one, a device.
NOT_DERIVED = {
    "ELBO",
    "Evaluation",
    "History",
    "TrainingFailed",
    "LinearGaussian",
    "encode",
    "decode",
    "best_device",
}


@pytest.mark.parametrize("name", DERIVED)
def test_chapter_compares_its_derivation_with_the_library(name: str):
    cells = [cell.source for cell in by_name(DERIVED[name]).code if cell.id.startswith("check-")]
    assert any(re.search(rf"\b{name}\(", source) and "assert" in source for source in cells)


def test_every_public_name_is_listed():
    public = set()
    for module in (gaussian, likelihoods, estimators, objective, training):
        members = inspect.getmembers(module, lambda m: inspect.isfunction(m) or inspect.isclass(m))
        public |= {name for name, member in members if member.__module__ == module.__name__}
    public |= {name for name, _ in inspect.getmembers(linear_gaussian.LinearGaussian, inspect.isfunction)
               if name in vars(linear_gaussian.LinearGaussian)}  # fmt: skip
    public = {name for name in public if not name.startswith("_")}
    assert public - NOT_DERIVED == set(DERIVED)


def corrections() -> dict[int, str]:
    """The number of each mistake of the article -> the notebook with its box, in the cell correction-N."""
    found = {}
    for notebook in NOTEBOOKS:
        for cell in notebook.cells:
            if match := re.fullmatch(r"correction-(\d+)", cell.id):
                assert re.search(r"^> \*\*Often seen\.\*\* ", cell.source, re.M), cell.id
                assert int(match[1]) not in found, f"correction {match[1]} has two boxes"
                found[int(match[1])] = notebook.name
    return found


def test_every_correction_has_one_box():
    assert sorted(corrections()) == list(range(1, 12))


def errata_entries() -> dict[int, str]:
    text = (BOOK / "errata.md").read_text(encoding="utf8").partition("## Mistakes of this book")[0]
    parts = re.split(r"^(\d+)\. ", text, flags=re.M)
    return {int(number): entry for number, entry in zip(parts[1::2], parts[2::2], strict=True)}


def test_errata_lists_every_correction():
    assert sorted(errata_entries()) == list(range(1, 12))


@pytest.mark.parametrize("number", range(1, 12))
def test_errata_entry_leads_to_the_cell_and_the_test(number: int):
    entry = errata_entries()[number]
    said, right, shown, guarded = re.findall(r"\*\*(The article|Right|Shown|Guarded by)\.\*\* ", entry)
    assert (said, right, shown, guarded) == ("The article", "Right", "Shown", "Guarded by")
    notebook = by_name(corrections()[number])
    where, test = re.search(r"\*\*Shown\.\*\* (.*?)\*\*Guarded by\.\*\* `([^`]+)`", entry, re.DOTALL).groups()
    assert f"({notebook.name}.ipynb#" in where, f"the box is in {notebook.name}"
    cells = re.findall(r"#cell-id=([\w-]+)", where)
    assert cells and all(notebook.cell(cell) and notebook.cell(cell).cell_type == "code" for cell in cells), (
        cells
    )
    path, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf8"), re.M), test
