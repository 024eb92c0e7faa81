"""Picks, repairs and autogrades each submission, in a process of its own, and stores the result."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode

from grading.collect import MAX_BYTES, Submission
from grading.course import Course
from grading.examine import GRADED, Result, examine
from grading.preflight import Repaired, label
from grading.worker import CONFIG, MARK, Limits, work


def grade_all(
    course: Course, submissions: list[Submission], limits: Limits, jobs: int, again: bool = False
) -> Iterator[Result]:
    """Grade a class, `jobs` notebooks at once, and yield each result when it is stored.

    Whoever was graded in an earlier run and handed in the same file is not graded again, unless `again`.
    """
    known = course.results()
    with ThreadPoolExecutor(jobs) as pool:
        pending = {}
        for submission in submissions:
            result, repaired = examine(submission, course.release)
            old = known.get(result.student)
            if repaired and not again and old and old.status in GRADED and old.sha256 == result.sha256:
                yield old
            elif repaired:
                pending[pool.submit(_grade, course, result, repaired, limits)] = result
            else:
                course.keep(result)
                yield result
        try:
            for done in as_completed(pending):
                result = pending[done]
                try:
                    done.result()
                    course.keep(result)
                except Exception as error:  # one failure must not stop the class
                    result.status = "stopped"
                    result.notes.append(f"grading failed: {type(error).__name__}: {error}")
                    course.keep(result)
                yield result
        finally:
            pool.shutdown(cancel_futures=True)


def _grade(course: Course, result: Result, repaired: Repaired, limits: Limits) -> None:
    """Run nbgrader on one notebook, in a folder and a process of its own; fill in the result."""
    submitted = course.place("submitted", result.student)
    submitted.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(repaired.notebook, submitted)
    reason, began = _attempt(course, result.student, limits)
    if reason and not began:  # such as a port that another kernel took first: try once more
        reason, _ = _attempt(course, result.student, limits)
    if reason:
        result.status = "stopped"
        result.notes.append(reason)
        return
    notebook = nbformat.read(course.place("autograded", result.student), as_version=4)
    troubles = {}
    for cell in notebook.cells:
        for error in cell.get("outputs", []):
            if error.output_type == "error" and "nbgrader" in cell.metadata:
                # Only the first error of an exercise is noted: a wrong answer makes its check fail, too.
                troubles.setdefault(label(cell.metadata.nbgrader.grade_id), error)
            if error.get("ename") == "CellTimeoutError":
                result.status = "incomplete"
    result.notes += [_trouble(name, error, limits) for name, error in troubles.items()]


def _attempt(course: Course, student: str, limits: Limits) -> tuple[str, bool]:
    """Grade once and keep what nbgrader wrote; returns why it stopped, or "", and whether a cell was run."""
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        shutil.copytree(course.root / "source", root / "source", ignore=shutil.ignore_patterns("*.ipynb"))
        shutil.copy(course.root / CONFIG, root)
        shutil.copy(course.root / "assignment.db", root / "gradebook.db")
        inside = root / course.place("submitted", student).relative_to(course.root)
        inside.parent.mkdir(parents=True)
        shutil.copy(course.place("submitted", student), inside)
        ended = _run(root, course.assignment, student, limits)
        _log(root, course.root / "logs" / f"{student}.txt")
        reason = _why_stopped(root, ended, limits)
        for step, suffix in [("autograded", ".ipynb"), ("feedback", ".html")]:
            kept = course.place(step, student, suffix)
            kept.unlink(missing_ok=True)
            made = root / kept.relative_to(course.root)
            if not reason and made.stat().st_size > MAX_BYTES:
                reason = f"it displayed more than {MAX_BYTES >> 20} MB"
            if not reason:
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made, kept)
        return reason, (root / "cell.txt").is_file()


def _run(root: Path, assignment: str, student: str, limits: Limits) -> bool:
    """Grade in a process of its own, and kill all that it started; False if it ran out of time."""
    context = multiprocessing.get_context("forkserver")  # its processes start with nbgrader imported
    context.set_forkserver_preload(["grading.worker"])
    mark = uuid.uuid4().hex
    process = context.Process(target=work, args=(root, assignment, student, limits, mark))
    process.start()
    try:
        process.join(limits.seconds)
        return process.exitcode is not None
    finally:
        _end(process, mark)


def _end(process: multiprocessing.Process, mark: str) -> None:
    """Kill the process and each process with its mark in the environment, in whatever process group."""
    process.kill()
    for _ in range(20):
        left = []
        for other in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if other.environ().get(MARK) == mark:
                    other.kill()
                    left.append(other)
        if not left:
            break
        psutil.wait_procs(left, timeout=1)
    process.join()


def _log(root: Path, path: Path) -> None:
    """Store the output of the worker in `path`."""
    path.parent.mkdir(exist_ok=True)
    parts = []
    for file in (root / "output.txt", root / "result.json"):
        if file.is_file():
            with open(file, "rb") as opened:
                parts.append(opened.read(2**20).decode("utf-8", "replace").replace("\\n", "\n"))
    path.write_text("\n".join(parts), encoding="utf-8", errors="replace")


def _why_stopped(root: Path, ended: bool, limits: Limits) -> str:
    """The reason why there is no grade; empty if there is one."""
    cell = root / "cell.txt"
    where = (
        f" in the cell {label(cell.read_text(encoding='utf-8'))!r}" if cell.is_file() else " before it began"
    )
    if not ended:
        return f"not finished after {limits.seconds} s, stopped{where}"
    try:
        told = json.loads((root / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"its process ended{where}"
    if told["success"]:
        return ""
    said = told.get("log", "") + told.get("error", "")
    if "DeadKernelError" in said:
        return f"Python ended{where}: by a call such as os._exit, a crash, or lack of memory"
    if "CellTimeoutError" in said:
        return f"it did not stop when its time was up{where}"
    last = [line for line in said.splitlines() if "Error" in line] or ["no reason given"]
    return f"nbgrader could not grade it{where}: {last[-1][:200]}"


def _trouble(name: str, error: NotebookNode, limits: Limits) -> str:
    """What went wrong in the cells of an exercise, in one line."""
    if error.ename in ("CellTimeoutError", "KeyboardInterrupt"):
        return f"{name}: stopped after {limits.cell_seconds} s"
    said = (error.evalue.strip().splitlines() or [""])[0][:300]
    if error.ename == "CheckFailed":  # its message begins with the number of the exercise
        return said
    return f"{name}: {error.ename}" + (f": {said}" if said else "")
