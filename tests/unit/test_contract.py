"""The public names and signatures, their docstrings, and the equations of the book that these refer to."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

import vae_lib

BOOK = Path(__file__).parents[2] / "book"

IDX = "(folder=None, *, binarize=False, download=False, cache=None, base_url=None)"
SIGNATURES = {
    "gaussian.kl_to_standard_normal": "(mu, logvar)",
    "gaussian.kl_between": "(mu_q, logvar_q, mu_p, logvar_p)",
    "gaussian.log_prob": "(z, mu, logvar)",
    "gaussian.reparameterize": "(mu, logvar, num_samples=None, *, eps=None, generator=None)",
    "likelihoods.Bernoulli.log_prob": "(self, x, params)",
    "likelihoods.Bernoulli.mean": "(self, params)",
    "likelihoods.Bernoulli.sample": "(self, params, *, generator=None)",
    "likelihoods.ContinuousBernoulli.log_prob": "(self, x, params)",
    "likelihoods.ContinuousBernoulli.mean": "(self, params)",
    "likelihoods.ContinuousBernoulli.sample": "(self, params, *, generator=None)",
    "likelihoods.Gaussian": "(sigma=1.0, learn_sigma=False)",
    "likelihoods.Gaussian.log_prob": "(self, x, params)",
    "likelihoods.Gaussian.mean": "(self, params)",
    "likelihoods.Gaussian.sample": "(self, params, *, generator=None)",
    "estimators.log_marginal_naive": "(model, x, num_samples, *, generator=None)",
    "estimators.log_marginal_importance": "(model, x, num_samples, *, generator=None)",
    "estimators.log_weights": "(model, x, num_samples, *, proposal='posterior', generator=None)",
    "estimators.effective_sample_size": "(log_weights, dim=0)",
    "estimators.pathwise_gradient": "(f, mu, sigma, num_samples, *, generator=None)",
    "estimators.score_function_gradient": "(f, mu, sigma, num_samples, *, baseline=None, generator=None)",
    "objective.elbo": "(model, x, num_samples=1, beta=1.0, *, generator=None)",
    "models.VAE": "(input_dim, latent_dim, hidden=(128,), likelihood=None, *, seed=None)",
    "models.VAE.encode": "(self, x)",
    "models.VAE.decode": "(self, z)",
    "models.VAE.generate": "(self, n, *, generator=None, mean=False)",
    "training.fit": "(model, x, *, epochs, batch_size, lr=0.001, beta=1.0, seed=0, progress=True, "
    "callback=None)",
    "training.evaluate": "(model, x, num_samples=1, *, generator=None)",
    "diagnosis.diagnose": "(model, loss, x, *, beta=1.0, likelihood=None, seed=0)",
    "diagnosis.gallery.fingerprint": "(program, images, num_samples=20, *, generator=None)",
    "linear_gaussian.LinearGaussian": "(W, b, sigma)",
    "linear_gaussian.LinearGaussian.log_marginal": "(self, x)",
    "linear_gaussian.LinearGaussian.posterior": "(self, x)",
    "linear_gaussian.LinearGaussian.elbo": "(self, x, mu, logvar)",
    "linear_gaussian.LinearGaussian.kl_to_posterior": "(self, x, mu, logvar)",
    "datasets.load_digits": "(binarize=False)",
    "datasets.load_mnist": IDX,
    "datasets.load_fashion_mnist": IDX,
    "plotting.pipeline_svg": "(highlight=())",
    "checks.check": "(exercise, answer, *, strict=False)",
}
ATTRIBUTES = {
    "objective.ELBO": ["reconstruction", "kl", "elbo", "loss"],
    "training.History": ["loss", "reconstruction", "kl", "stopped"],
    "training.Evaluation": ["elbo", "reconstruction", "kl"],
    "diagnosis.Finding": ["code", "message", "expected", "found", "equation", "fix"],
    "diagnosis.Diagnosis": ["findings", "codes", "likelihood", "beta", "unchecked"],
    "diagnosis.gallery.Fingerprint": ["elbo", "reconstruction", "kl", "active_units"],
    "datasets.DataSplit": ["x_train", "y_train", "x_test", "y_test"],
    "checks.Result": ["exercise", "message", "passed", "attempted"],
}
MATHEMATICS = ["_chunks", "_validate", "gaussian", "likelihoods", "linear_gaussian", "estimators"]
MATHEMATICS += ["objective", "models", "training", "diagnosis"]
FLOORS = {name: MATHEMATICS[:floor] for floor, name in enumerate(MATHEMATICS)}
FLOORS |= {"datasets": [], "palette": [], "plotting": ["palette"]}
METHODS = (FunctionType, property, classmethod, staticmethod)
MODULES = [name for _, name, _ in pkgutil.iter_modules(vae_lib.__path__) if not name.startswith("_")]


def look_up(path: str):
    found = vae_lib
    for name in path.split("."):
        if not hasattr(found, name):  # a module that vae_lib does not import itself
            importlib.import_module(f"{found.__name__}.{name}")
        found = getattr(found, name)
    return found


def public_objects() -> Iterator[tuple[str, object]]:
    """Modules, and the functions, classes, methods and properties that are defined in them."""
    for module_name in MODULES:
        module = importlib.import_module(f"vae_lib.{module_name}")
        yield module_name, module
        for name, item in vars(module).items():
            if name.startswith("_") or getattr(item, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(item) or inspect.isclass(item):
                yield f"{module_name}.{name}", item
            if inspect.isclass(item):
                own = [base for base in inspect.getmro(item) if base.__module__ == module.__name__]
                for method_name, method in (pair for base in own for pair in vars(base).items()):
                    if not method_name.startswith("_") and isinstance(method, METHODS):
                        yield f"{module_name}.{name}.{method_name}", method


PUBLIC = dict(public_objects())


@pytest.mark.parametrize(("path", "signature"), SIGNATURES.items())
def test_signatures_are_those_of_the_contract(path, signature):
    found = inspect.signature(look_up(path))
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    assert str(inspect.Signature(bare)) == signature


@pytest.mark.parametrize(("path", "names"), ATTRIBUTES.items())
def test_results_have_the_attributes_of_the_contract(path, names):
    cls = look_up(path)
    for name in names:
        assert name in cls.__dataclass_fields__ or isinstance(vars(cls)[name], property)


def test_the_package_offers_its_modules():
    above = {"plotting", "palette", "explorers", "checks"}
    assert set(vae_lib.__all__) - {"diagnose", "gallery"} == set(MODULES) - above
    assert all(inspect.ismodule(getattr(vae_lib, name)) for name in vae_lib.__all__ if name != "diagnose")
    assert vae_lib.diagnose is vae_lib.diagnosis.diagnose


def test_mathematics_and_figures_know_neither_explorers_nor_checks():
    """They stand on top: whoever imports vae_lib alone needs no widget."""
    for name in FLOORS:
        source = Path(importlib.import_module(f"vae_lib.{name}").__file__).read_text(encoding="utf-8")
        assert not re.search(r"import.*(explorers|checks|anywidget|ipywidgets)", source), name


@pytest.mark.parametrize(("name", "below"), FLOORS.items())
def test_no_module_knows_one_above_it(name, below):
    source = Path(importlib.import_module(f"vae_lib.{name}").__file__).read_text(encoding="utf-8")
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "vae_lib":
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("vae_lib."):
            imported.add(node.module.split(".")[1])
    assert imported - {name} <= set(below)
    assert "import matplotlib" not in source or name == "plotting"


@pytest.mark.parametrize("path", PUBLIC)
def test_everything_public_has_a_docstring(path):
    documentation = inspect.getdoc(PUBLIC[path])
    assert documentation and documentation.strip()[0].isprintable() and len(documentation) > 10
    if inspect.isclass(PUBLIC[path]):  # inspect.getdoc would take that of the base class
        assert PUBLIC[path].__doc__


@pytest.mark.parametrize("path", [path for path in SIGNATURES if path.count(".") == 1])
def test_docstrings_describe_the_arguments_and_name_the_source(path):
    documentation = " ".join(inspect.getdoc(look_up(path)).split())
    if "Everything else as in `" not in documentation:
        for name in inspect.signature(look_up(path)).parameters:
            assert re.search(rf"\b{name}\b", documentation), name
        assert "Source: " in documentation or path.startswith(("plotting", "checks"))


# Equations


def cited_equations() -> dict[str, list[str]]:
    """Number of each equation that a docstring cites, with the places: (2.6) to (2.8) are three."""
    cited: dict[str, list[str]] = {}
    for path, item in PUBLIC.items():
        text = " ".join((inspect.getdoc(item) or "").split())
        numbers = re.findall(r"\((\d+)\.(\d+)\)", text)
        for chapter, first, last in re.findall(r"\((\d+)\.(\d+)\) to \(\1\.(\d+)\)", text):
            numbers += [(chapter, str(number)) for number in range(int(first), int(last))]
        for chapter, number in numbers:
            cited.setdefault(f"{chapter}.{number}", []).append(path)
    return cited


def tags_of_the_book() -> list[str]:
    tags = []
    for notebook in sorted(BOOK.glob("*.ipynb")):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                tags += re.findall(r"\\tag\{(\d+\.\d+)\}", "".join(cell["source"]))
    return tags


def test_docstrings_cite_equations_at_all():
    assert {"4.5", "2.7", "6.1"} <= set(cited_equations())


@pytest.mark.parametrize(
    "number", sorted(cited_equations(), key=lambda n: [int(part) for part in n.split(".")])
)
def test_every_cited_equation_is_in_the_book(number):
    assert number in tags_of_the_book(), f"({number}) is cited by {', '.join(cited_equations()[number])}"
