"""What vae_lib promises: names, signatures and docstrings, whose equations are in the book."""

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

# What the design of the library promises to its readers; there may be more, as options.
PROMISED = {
    "gaussian.kl_to_standard_normal": "(mu, logvar)",
    "gaussian.kl_between": "(mu_q, logvar_q, mu_p, logvar_p)",
    "gaussian.log_prob": "(z, mu, logvar)",
    "gaussian.reparameterize": "(mu, logvar, num_samples=None, *, eps=None, generator=None)",
    "likelihoods.Bernoulli": "()",
    "likelihoods.ContinuousBernoulli": "()",
    "likelihoods.Gaussian": "(sigma=1.0, learn_sigma=False)",
    "likelihoods.Laplace": "(scale=1.0)",
    "estimators.log_marginal_naive": "(model, x, num_samples, *, generator=None)",
    "estimators.log_marginal_importance": "(model, x, num_samples, *, generator=None)",
    "estimators.effective_sample_size": "(log_weights, dim=0)",
    "estimators.pathwise_gradient": "(f, mu, sigma, num_samples, *, generator=None)",
    "estimators.score_function_gradient": "(f, mu, sigma, num_samples, *, baseline=None, generator=None)",
    "objective.elbo": "(model, x, num_samples=1, beta=1.0, *, generator=None)",
    "models.VAE": "(input_dim, latent_dim, hidden=(128,), likelihood=None)",
    "models.VAE.encode": "(self, x)",
    "models.VAE.decode": "(self, z)",
    "models.VAE.generate": "(self, n, *, generator=None)",
    "training.fit": "(model, x, *, epochs, batch_size, lr=0.001, beta=1.0, seed=0, progress=True, "
    "callback=None)",
    "training.evaluate": "(model, x, num_samples=1, *, generator=None)",
    "linear_gaussian.LinearGaussian": "(W, b, sigma)",
    "linear_gaussian.LinearGaussian.log_marginal": "(self, x)",
    "linear_gaussian.LinearGaussian.posterior": "(self, x)",
    "linear_gaussian.LinearGaussian.elbo": "(self, x, mu, logvar)",
    "linear_gaussian.LinearGaussian.kl_to_posterior": "(self, x, mu, logvar)",
    "datasets.load_digits": "(binarize=False)",
    "datasets.load_mnist": "()",
    "datasets.load_fashion_mnist": "()",
}
for kind in ("Bernoulli", "ContinuousBernoulli", "Gaussian", "Laplace"):
    PROMISED[f"likelihoods.{kind}.log_prob"] = "(self, x, params)"
    PROMISED[f"likelihoods.{kind}.mean"] = "(self, params)"
    PROMISED[f"likelihoods.{kind}.sample"] = "(self, params, *, generator=None)"
ATTRIBUTES = {
    "objective.ELBO": ["reconstruction", "kl", "elbo", "loss"],
    "training.History": ["loss", "reconstruction", "kl"],
    "training.Evaluation": ["elbo", "reconstruction", "kl"],
    "datasets.DataSplit": ["x_train", "y_train", "x_test", "y_test"],
}
MATHEMATICS = ["_chunks", "_validate", "gaussian", "likelihoods", "linear_gaussian", "estimators"]
MATHEMATICS += ["objective", "models", "training", "diagnosis"]
# A module may use those of the floors below it.
FLOORS = {name: MATHEMATICS[:floor] for floor, name in enumerate(MATHEMATICS)}
FLOORS |= {"datasets": [], "palette": [], "plotting": ["palette"]}
METHODS = (FunctionType, property, classmethod, staticmethod)
MODULES = [name for _, name, _ in pkgutil.iter_modules(vae_lib.__path__) if not name.startswith("_")]
ROOMS = [
    f"{package}.{name}"
    for package in ("diagnosis", "checks")
    for _, name, _ in pkgutil.iter_modules(importlib.import_module(f"vae_lib.{package}").__path__)
    if not name.startswith("chapter_")
]


def look_up(path: str):
    found = vae_lib
    for name in path.split("."):
        if not hasattr(found, name):  # a module that vae_lib does not import itself
            importlib.import_module(f"{found.__name__}.{name}")
        found = getattr(found, name)
    return found


def sources(name: str) -> Iterator[Path]:
    """The file of a module, or all files of a package."""
    file = Path(importlib.import_module(f"vae_lib.{name}").__file__)
    yield from file.parent.glob("*.py") if file.name == "__init__.py" else [file]


def public_objects() -> Iterator[tuple[str, object]]:
    """Modules, and the functions, classes, methods and properties that are defined in them."""
    for module_name in [*MODULES, *ROOMS]:
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


@pytest.mark.parametrize(("path", "promised"), PROMISED.items())
def test_what_is_promised_can_be_called_as_promised(path, promised):
    """The promised arguments in their order, with their defaults; anything else is an option by name."""
    scope = {}
    exec(f"def function{promised}: ...", scope)
    wanted = inspect.signature(scope["function"]).parameters
    found = inspect.signature(look_up(path)).parameters
    assert [name for name in found if name in wanted] == list(wanted)
    for name, parameter in found.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in wanted:
            assert (parameter.kind, parameter.default) == (wanted[name].kind, wanted[name].default), name
        else:
            assert parameter.default is not parameter.empty, name
            assert parameter.kind is parameter.KEYWORD_ONLY or not wanted, name


@pytest.mark.parametrize(("path", "names"), ATTRIBUTES.items())
def test_results_have_the_promised_attributes(path, names):
    cls = look_up(path)
    for name in names:
        assert name in cls.__dataclass_fields__ or isinstance(vars(cls)[name], property)


def test_vae_lib_offers_its_modules_and_diagnose():
    without_figures = set(MODULES) - {"plotting", "palette", "explorers", "checks"}
    assert set(vae_lib.__all__) == without_figures | {"diagnose", "gallery"}
    assert all(inspect.ismodule(getattr(vae_lib, name)) for name in vae_lib.__all__ if name != "diagnose")
    assert vae_lib.diagnose is vae_lib.diagnosis.diagnose and vae_lib.gallery is vae_lib.diagnosis.gallery


def imported_by(source: str) -> set[str]:
    """The top-level modules of vae_lib, and all other packages, that a source imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "vae_lib":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package, _, rest = node.module.partition(".")
            found.add(rest.partition(".")[0] if package == "vae_lib" else package)
    return found


@pytest.mark.parametrize(("name", "below"), FLOORS.items())
def test_a_module_imports_only_from_the_floors_below(name, below):
    """Neither explorers nor checks, so that vae_lib alone needs no widgets; matplotlib for figures only."""
    names = {*MODULES, *(name for name in MATHEMATICS if name.startswith("_"))}
    for source in sources(name):
        imported = imported_by(source.read_text(encoding="utf-8"))
        assert imported & names <= {*below, name}, source
        assert not imported & {"anywidget", "ipywidgets"} and (
            "matplotlib" not in imported or name == "plotting"
        )


@pytest.mark.parametrize("path", PUBLIC)
def test_everything_public_has_a_docstring(path):
    documentation = inspect.getdoc(PUBLIC[path])
    assert documentation and documentation.strip()[0].isprintable() and len(documentation) > 10
    if inspect.isclass(PUBLIC[path]):  # inspect.getdoc would take that of the base class
        assert PUBLIC[path].__doc__


def functions_of_the_mathematics() -> list[str]:
    """Public functions, and the constructors of public classes, that a reader calls with arguments."""
    promised = {path for path in PROMISED if path.count(".") == 1 and PROMISED[path] != "()"}
    others = {
        "estimators.log_weights",
        "diagnosis.diagnose",
        "diagnosis.gallery.fingerprint",
        "datasets.load_mnist",
    }
    return sorted(promised | others)


@pytest.mark.parametrize("path", functions_of_the_mathematics())
def test_docstrings_describe_the_arguments_and_name_the_source(path):
    documentation = " ".join(inspect.getdoc(look_up(path)).split())
    if "Everything else as in `" in documentation:
        return
    for name in inspect.signature(look_up(path)).parameters:
        assert re.search(rf"\b{name}\b", documentation), name
    assert "Source: " in documentation


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


def test_docstrings_cite_equations():
    """Else the next test would have nothing to test."""
    assert {"4.5", "2.7", "6.1"} <= set(cited_equations())


@pytest.mark.parametrize(
    "number", sorted(cited_equations(), key=lambda n: [int(part) for part in n.split(".")])
)
def test_every_cited_equation_is_in_the_book(number):
    assert number in tags_of_the_book(), f"({number}) is cited by {', '.join(cited_equations()[number])}"
