"""Grades one submission with nbgrader and writes its feedback page, in a process of its own, under limits."""

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
MARK = "GRADING_RUN"  # environment variable of each process that a submission starts
FILE_BYTES = 2**30


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
    """Moves the stderr of checks to stdout: with a warning there, nbgrader would give a check no points."""

    def preprocess_cell(self, cell, resources, index):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and cell.metadata.get("nbgrader", {}).get("grade"):
                output.name = "stdout"
        return cell, resources


def open_course(root: Path, extra: Config | None = None) -> NbGraderAPI:
    """nbgrader for a course folder, with the settings and the gradebook in that folder and no others."""
    config = PyFileConfigLoader(CONFIG, str(root)).load_config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    config.merge(extra or Config())
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    return NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)


def work(root: Path, assignment: str, student: str, limits: Limits, mark: str) -> None:
    """Grade the only submission in a course folder, and store the outcome there as result.json.

    To be called in a process of its own: it redirects the output to a file, and sets limits that all
    processes inherit that it starts.
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
    import resource  # Windows does not have it; a container has limits of its own

    for kind, value in [
        (resource.RLIMIT_AS, int(limits.memory_gb * 2**30)),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ]:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
