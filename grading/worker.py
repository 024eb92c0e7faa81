"""One submission in a process of its own, under limits: nbgrader runs and grades it and writes the page."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.config import Config, PyFileConfigLoader

CONFIG = "nbgrader_config.py"
MARK = "GRADING_RUN"  # in the environment of all that a submission starts
FILE_BYTES = 2**30


@dataclass(frozen=True)
class Limits:
    """What a submission may take.

    Attributes:
        cell_seconds: time for one cell; the notebook goes on behind it.
        seconds: time for the whole notebook; then it is ended, with all that it started.
        memory_gb: address space of each of its processes, in 2**30 bytes; importing torch takes one.
    """

    cell_seconds: int = 60
    seconds: int = 600
    memory_gb: float = 4.0


class KeepWarnings(NbGraderPreprocessor):
    """Lets a check write to stderr, where a library's warnings go, and still be passed."""

    def preprocess_cell(self, cell, resources, index):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and cell.metadata.get("nbgrader", {}).get("grade"):
                output.name = "stdout"
        return cell, resources


def open_course(root: Path, extra: Config | None = None) -> NbGraderAPI:
    """nbgrader in a course folder that has its settings, and nothing outside of it."""
    config = PyFileConfigLoader(CONFIG, str(root)).load_config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    config.merge(extra or Config())
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    return NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)


def work(root: Path, assignment: str, student: str, limits: Limits, mark: str) -> None:
    """Grade the one submission of a course folder; result.json in it tells how that went.

    The process is changed for good: what it prints goes to a file, its limits hold for all that it starts.
    """
    output = os.open(root / "output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ |= {MARK: mark, "MPLBACKEND": "agg", "JUPYTER_RUNTIME_DIR": str(root / "runtime")}
    os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    _limit(limits)

    def started(cell, cell_index):
        name = (
            cell.metadata.get("nbgrader", {}).get("grade_id") or cell.source.strip().partition("\n")[0][:60]
        )
        (root / "cell.txt").write_text(name, encoding="utf-8")

    extra = Config()
    extra.Execute.timeout = limits.cell_seconds
    extra.Execute.on_cell_start = started
    nbgrader = open_course(root, extra)
    result = nbgrader.autograde(assignment, student)
    if result["success"]:
        result = nbgrader.generate_feedback(assignment, student)
    (root / "result.json").write_text(json.dumps(result), encoding="utf-8")


def _limit(limits: Limits) -> None:
    import resource  # not on Windows, where the limits hold in a container

    for kind, value in [
        (resource.RLIMIT_AS, int(limits.memory_gb * 2**30)),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ]:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
