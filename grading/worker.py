"""Grades one submission with nbgrader and writes its feedback page, in a process of its own, under limits."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import v4
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.config import Config, PyFileConfigLoader

from grading.kernel import SETTINGS
from grading.preflight import HIDDEN, SKIP

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "nbgrader_config.py"
MARK = "GRADING_RUN"  # environment variable of each process that a submission starts
FILE_BYTES = 2**30
ENDED = "PythonEnded"
# Nothing is installed while grading, neither by %pip nor by !pip nor by a script: what a student installed
# would be there for the next one. Each of these says so and does nothing.
INSTALLERS = "pip pip3 conda mamba micromamba uv pipx poetry easy_install apt apt-get brew".split()
NOT_INSTALLED = "nothing is installed while grading"


@dataclass(frozen=True)
class Limits:
    """How much time and memory a submission may use.

    Attributes:
        cell_seconds: time for one cell; when it is over, the next cell is run.
        seconds: time for the whole notebook; when it is over, all its processes are killed.
        memory_gb: address space of each of its processes, in 2**30 bytes; importing torch takes one.
    """

    cell_seconds: int = 60
    seconds: int = 600
    memory_gb: float = 4.0


class KeepWarnings(NbGraderPreprocessor):
    """Lets a check fail for an error alone.

    Moves the stderr of checks to stdout: with a warning there, nbgrader would give a check no points. And
    gives an error to a check that was not run, as Python ended in it: without one it would have its points.
    """

    def preprocess_cell(self, cell, resources, index):
        if not cell.metadata.get("nbgrader", {}).get("grade") or cell.cell_type != "code":
            return cell, resources
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.name = "stdout"
        if SKIP in cell.metadata.get("tags", []):
            cell.outputs = [v4.new_output("error", ename=ENDED, evalue="", traceback=["Python ended here"])]
        return cell, resources


def open_course(root: Path, extra: Config | None = None) -> NbGraderAPI:
    """nbgrader for a course folder, with the settings and the gradebook in that folder and no others."""
    config = PyFileConfigLoader(CONFIG, str(root)).load_config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    config.merge(extra or Config())
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    return NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)


def work(root: Path, assignment: str, student: str, limits: Limits, mark: str, kernel: dict) -> None:
    """Grade the only submission in a course folder, and store the outcome there as result.json.

    To be called in a process of its own: it redirects the output to a file, and sets limits that all
    processes inherit that it starts.

    Args:
        kernel: what `grading.kernel` is told: the checks, the names of answers, and what to try at the end.
    """
    output = os.open(root / "output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ |= {MARK: mark, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    os.environ |= {"JUPYTER_RUNTIME_DIR": str(root / "runtime")}
    os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    _prepare_python(root, kernel)
    _limit(limits)

    def started(cell, cell_index):
        name = (
            cell.metadata.get("nbgrader", {}).get("grade_id") or cell.source.strip().partition("\n")[0][:60]
        )
        (root / "cell.txt").write_text(json.dumps([cell.id, name]), encoding="utf-8")

    extra = Config()
    extra.Execute.timeout = limits.cell_seconds
    extra.Execute.on_cell_start = started
    nbgrader = open_course(root, extra)
    result = nbgrader.autograde(assignment, student)
    if result["success"]:
        for path in (root / "autograded" / student / assignment).glob("*.ipynb"):
            _without_hidden_cells(path)
        page = nbgrader.generate_feedback(assignment, student)
        result["page"] = "" if page["success"] else page.get("log", "") or page.get("error", "")
    (root / "result.json").write_text(json.dumps(result), encoding="utf-8")


def _prepare_python(root: Path, kernel: dict) -> None:
    """Set up the environment of the Python that runs the notebook: `grading.kernel`, and no installers."""
    profile = root / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(
        'c.InteractiveShellApp.extensions = ["grading.kernel"]\n', encoding="utf-8"
    )
    settings = root / "kernel.json"
    settings.write_text(json.dumps(kernel | {"facts": str(root / "facts.jsonl")}), encoding="utf-8")
    blocked, programs = root / "blocked", root / "blocked" / "programs"
    programs.mkdir(parents=True)
    script = f"echo \"$(basename \"$0\") $*\" >> '{root / 'installed.txt'}'\necho '{NOT_INSTALLED}'\n"
    for name in INSTALLERS:
        (programs / name).write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        (programs / name).chmod(0o755)
    for name in ("pip", "ensurepip"):  # python -m pip
        (blocked / name).mkdir()
        code = (
            f"import sys\n\n\ndef main(arguments=None):\n"
            f"    with open({str(root / 'installed.txt')!r}, 'a') as file:\n"
            f"        print({name!r}, *(sys.argv[1:] if arguments is None else arguments), file=file)\n"
            f"    print({NOT_INSTALLED!r})\n"
        )
        (blocked / name / "__init__.py").write_text(code, encoding="utf-8")
        (blocked / name / "__main__.py").write_text(f"from {name} import main\n\nmain()\n", encoding="utf-8")
    paths = {
        "PATH": [str(programs), os.environ.get("PATH", "")],
        "PYTHONPATH": [str(blocked), str(ROOT), os.environ.get("PYTHONPATH", "")],
    }
    os.environ |= {name: os.pathsep.join(filter(None, parts)) for name, parts in paths.items()}
    # A pip that is found all the same, such as one started by python -E, installs into the temporary folder.
    os.environ |= {"PIP_TARGET": str(root / "installed"), "PYTHONDONTWRITEBYTECODE": "1"}
    os.environ |= {SETTINGS: str(settings), "IPYTHONDIR": str(root / "ipython")}


def _without_hidden_cells(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith(HIDDEN)]
    path.chmod(0o644)
    nbformat.write(notebook, path)


def _limit(limits: Limits) -> None:
    import resource  # Windows does not have it; a container has limits of its own

    for kind, value in [
        (resource.RLIMIT_AS, int(limits.memory_gb * 2**30)),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ]:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
