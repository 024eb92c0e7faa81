"""Runs every notebook of the book as Colab would: make colab-test, or COLAB_PYTHON=… for another interpreter.

It runs among Colab's packages, with a stub of `google.colab` where there is no real one, in an empty folder.
The only vae_lib is the one that the notebook's first cell installs, from a copy of GitHub's archive.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

from tools.address import address, notebooks
from vae_lib.explorers import EXPLORERS

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("COLAB_PYTHON", str(ROOT / ".venv-colab" / "bin" / "python"))
# No vae_lib of this repository is found.
ENVIRONMENT = {"PYTHONPATH": "", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
STUB = ROOT / "tests" / "colab" / "stub"
VIEW = "application/vnd.jupyter.widget-view+json"
# At the end of the path, so that the real package comes first where there is one.
STARTUP = f"import sys; sys.path.append({str(STUB)!r}); import google.colab.output"
AT_A_TIME = 2  # notebooks

PATHS = [path for path in notebooks() if path.is_relative_to(ROOT / "book")]

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")


def colab(*arguments: str) -> str:
    """What Colab's interpreter prints, run in an empty folder."""
    with tempfile.TemporaryDirectory() as empty:
        run = subprocess.run(
            [PYTHON, *arguments], cwd=empty, env=os.environ | ENVIRONMENT, capture_output=True, text=True
        )
    assert run.returncode == 0, run.stderr
    return run.stdout


def packages() -> set[str]:
    return set(colab("-m", "pip", "freeze").splitlines())


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """vae_lib installed by the install cell; the packages before and after."""
    archive = tmp_path_factory.mktemp("github") / f"{address().tag}.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        tops = (*ROOT.glob("*.toml"), *ROOT.glob("*.md"), *ROOT.glob("LICENSE*"))
        for file in (*tops, *(ROOT / "vae_lib").rglob("*.*")):
            if "__pycache__" not in file.parts:
                zipped.write(file, f"{address().name}-{address().version}/{file.relative_to(ROOT)}")
    colab("-m", "pip", "uninstall", "-q", "-y", "vae_lib")
    cell = address().install_cell()
    assert cell.count(address().archive) == 1
    before = packages()
    colab("-c", cell.replace(address().archive, archive.as_uri()))
    return before, packages()


class Run:
    """A notebook that was run: cells with outputs, the states of its widgets, its error if there was one."""

    def __init__(self, path: Path, kernels: Path):
        manager = AsyncKernelManager(kernel_name="colab")
        manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(kernels)])
        self.notebook = nbformat.read(path, as_version=4)
        self.stored = {cell.id: printed(cell) for cell in nbformat.read(path, as_version=4).cells}
        self.error = None
        with tempfile.TemporaryDirectory() as empty:
            client = NotebookClient(
                self.notebook, km=manager, timeout=300, resources={"metadata": {"path": empty}}
            )
            try:
                client.execute()
            except Exception as error:  # of the cell, or of a kernel that took too long or died
                self.error = error
        self.states = client.widget_state


@pytest.fixture(scope="session")
def runs(installed, tmp_path_factory, request) -> dict[Path, Run]:
    """Runs the notebooks of the selected tests, some at a time."""
    kernels = tmp_path_factory.mktemp("kernels")
    (kernels / "colab").mkdir()
    command = [PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    command += ["--log-level=ERROR", f"--IPKernelApp.exec_lines={STARTUP}"]
    spec = {"argv": command, "display_name": "Colab", "language": "python", "env": ENVIRONMENT}
    (kernels / "colab" / "kernel.json").write_text(json.dumps(spec))
    asked = {item.callspec.params["path"] for item in request.session.items if hasattr(item, "callspec")}
    paths = sorted(asked)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(paths, pool.map(lambda path: Run(path, kernels), paths), strict=True))


def printed(cell) -> str:
    outputs = [output for output in cell.get("outputs", []) if output.output_type == "stream"]
    return "".join(output.text for output in outputs if output.name == "stdout")


def test_first_cell_installs_vae_lib_and_nothing_else(installed):
    before, after = installed
    (new,) = after - before
    assert new.startswith("vae_lib") and before < after


@each_notebook
def test_runs_and_prints_what_the_book_says(path, runs):
    run = runs[path]
    assert run.error is None, f"{path.name}\n{run.error}"
    for cell in run.notebook.cells:
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            assert printed(cell) == run.stored[cell.id], cell.id


@each_notebook
def test_nothing_warns(path, runs):
    for cell in runs[path].notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"{cell.id}: {output.text}"


@each_notebook
def test_figures_with_sliders_are_widgets(path, runs):
    for cell in runs[path].notebook.cells:
        for output in cell.get("outputs", []):
            markup = output.get("data", {}).get("text/html", "")
            assert not ("vae-explorer" in markup or (markup and VIEW in output.data)), f"{cell.id}: a stub"
    for explorer, output, state, opened_with in explorers(runs[path]):
        assert set(output.data) == {"text/plain", VIEW}
        assert output.metadata[VIEW]["colab"]["custom_widget_manager"]["url"].startswith("https://")
        # by these, Colab's manager finds anywidget's own script, which runs ours
        assert (state["_model_module"], state["_model_name"]) == ("anywidget", "AnyModel")
        assert (state["_view_module"], state["_view_name"]) == ("anywidget", "AnyView")
        assert state["_model_module_version"] == state["_view_module_version"] != ""
        assert state["_esm"] == explorer._esm and state["_css"] == explorer._css
        assert state["_anywidget_id"].endswith(f".{explorer.__name__}")
        there = json.loads(json.dumps(explorer(**opened_with).state()))  # a tuple is a list there
        assert {key: state[key] for key in explorer.parameters()} == there
        assert state["_spec"]["question"] == explorer.question


def explorers(run: Run):
    """(class, output, state, what its cell opens it with) of each explorer that a notebook shows."""
    for cell in run.notebook.cells:
        for output in cell.get("outputs", []):
            view = output.get("data", {}).get(VIEW)
            state = run.states.get(view["model_id"], {}) if view else {}
            name = state.get("_anywidget_id", "").rpartition(".")[2]
            for explorer in EXPLORERS.values():
                if explorer.__name__ == name:
                    calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
                    calls = [call for call in calls if getattr(call.func, "id", "") == name]
                    given = [word for call in calls for word in call.keywords]
                    values = {
                        word.arg: word.value.value for word in given if isinstance(word.value, ast.Constant)
                    }
                    yield explorer, output, state, values


def test_every_explorer_was_seen(runs):
    if len(runs) < len(PATHS):
        pytest.skip("not every notebook was run")
    seen = {explorer for run in runs.values() for explorer, *_ in explorers(run)}
    assert seen == set(EXPLORERS.values())
