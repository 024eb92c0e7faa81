"""Picks, repairs and autogrades each submission, in a process of its own, and stores the result."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing.util
import os
import re
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode, v4

from grading.collect import MAX_BYTES, Submission
from grading.course import Course
from grading.examine import DECIDE, GRADED, Result, examine
from grading.preflight import HIDDEN, OWN, SKIP, Repaired, excerpt, label
from grading.worker import CONFIG, ENDED, MARK, Limits, work

RUNS = 4  # of one notebook, each without the cell that ended Python in the run before
NEEDED = 50 * 2**20  # bytes free on a disk; with less, what is written may be cut off
LONGEST_TEMPORARY = 70  # bytes of a path; 107 without /pymp-…/listener-… behind it, and some to spare
stopping = threading.Event()  # set when the command is told to end: no notebook is run on


def grade_all(
    course: Course, submissions: list[Submission], limits: Limits, jobs: int, again: bool = False
) -> Iterator[Result]:
    """Grade a class, `jobs` notebooks at once, and yield each result when it is stored.

    Whoever was graded in an earlier run and handed in the same file is not graded again, unless `again`.

    Raises:
        OSError: a disk is full. What was graded until then is stored.
    """
    stopping.clear()
    _keep_sockets_short()
    known = course.results()
    with ThreadPoolExecutor(jobs) as pool:
        pending = {}
        try:
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
            for done in as_completed(pending):
                result = pending[done]
                try:
                    done.result()
                except Exception as error:  # one failure must not stop the class
                    _stop_if_full(course.root)
                    result.status = "stopped"
                    result.notes.append(f"grading failed: {type(error).__name__}: {error}")
                course.keep(result)
                yield result
        except BaseException:
            stopping.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _stop_if_full(root: Path) -> None:
    """Raise OSError if a disk that grading writes to is full: no student's notebook is to blame."""
    for folder in (root, Path(tempfile.gettempdir())):
        if shutil.disk_usage(folder).free < NEEDED:
            raise OSError(errno.ENOSPC, "the disk is full, what was graded so far is stored", str(folder))


@dataclass
class Run:
    """What one run of a notebook left.

    Attributes:
        reason: why there is no grade; empty if there is one.
        began: was a cell run at all?
        cell: the id and the name of the cell that was run last.
        ended: did this cell end Python, or did it not stop when told to?
        facts: what `grading.kernel` wrote down, and the programs that would have installed something.
    """

    reason: str = ""
    began: bool = False
    cell: tuple[str, str] = ("", "")
    ended: bool = False
    facts: list[dict] = field(default_factory=list)


def _keep_sockets_short() -> None:
    """Let the sockets of the processes lie in /tmp where the path of TMPDIR is too long for a socket.

    The system allows 107 bytes. Python chooses the folder once, when it is asked for first; from 3.14 on it
    does so by itself.
    """
    chosen = tempfile.gettempdir()
    if len(os.fsencode(chosen)) > LONGEST_TEMPORARY:
        tempfile.tempdir = "/tmp"
        try:
            multiprocessing.util.get_temp_dir()
        finally:
            tempfile.tempdir = chosen


def _grade(course: Course, result: Result, repaired: Repaired, limits: Limits) -> None:
    """Run nbgrader on one notebook, in a folder and a process of its own; fill in the result."""
    submitted = course.place("submitted", result.student)
    submitted.parent.mkdir(parents=True, exist_ok=True)
    kernel = _kernel_settings(course, repaired, limits)
    for number in range(len(kernel["probes"])):
        call = f"__import__('grading.kernel').kernel.probe({number})"
        repaired.notebook.cells.append(v4.new_code_cell(call, id=f"{HIDDEN}probe-{number}"))
    skipped = {}
    for _ in range(RUNS):
        nbformat.write(repaired.notebook, submitted)
        run = _attempt(course, result.student, limits, kernel)
        if run.reason and not run.began:  # such as a port that another kernel took first: try once more
            run = _attempt(course, result.student, limits, kernel)
        culprit = next((cell for cell in repaired.notebook.cells if cell.id == run.cell[0]), None)
        if not run.reason or not run.ended or not culprit or run.cell[0] in skipped:
            break
        if culprit.id.startswith(HIDDEN):  # one of the tries at the end: go without all of them
            cells = repaired.notebook.cells
            repaired.notebook.cells = [cell for cell in cells if not cell.id.startswith(f"{HIDDEN}probe")]
            continue
        skipped[run.cell[0]] = run.reason
        culprit.metadata.tags = [SKIP]
    if run.reason:
        _stop_if_full(course.root)
        result.status = "stopped"
        result.notes.append(run.reason)
        return
    result.notes += [f"{reason}; graded without this cell" for reason in skipped.values()]
    if skipped:
        result.status = "incomplete"
    notebook = nbformat.read(course.place("autograded", result.student), as_version=4)
    _explain(course, result, repaired, notebook, run.facts, kernel["probes"], limits, set(skipped))


def _kernel_settings(course: Course, repaired: Repaired, limits: Limits) -> dict:
    """What `grading.kernel` is told."""
    checks = {label(cell.metadata.nbgrader.grade_id): cell.source for cell in course.checks()}
    answers = [own[0][1] for own in repaired.candidates.values()]
    probes = [
        {
            "exercise": exercise,
            "what": what,
            "before": answers,  # which may need each other
            "source": source,
            "check": checks[exercise],
            "again": what == OWN,
        }
        for exercise, candidates in repaired.candidates.items()
        for what, source in candidates
        if exercise in checks and source.strip()
    ]
    deadline = time.time() + limits.seconds / 2  # so that these tries do not take a grade away
    return {"checks": list(checks.values()), "probes": probes, "deadline": deadline} | course.given()


def _explain(
    course: Course,
    result: Result,
    repaired: Repaired,
    notebook: NotebookNode,
    facts: list[dict],
    probes: list[dict],
    limits: Limits,
    skipped: set[str],
) -> None:
    """Say why an exercise has no points, and leave to a human where the answer may be right all the same.

    Args:
        skipped: the ids of cells that were not run, as they ended Python in an earlier run.
    """
    errors = {cell.id: error for cell in notebook.cells if (error := _worst(cell))}
    released = {cell.id: cell.source for cell in course.release.cells}
    troubles, failed, others = {}, set(), []
    for cell in notebook.cells:
        error = errors.get(cell.id)
        if not error:
            continue
        late = error.ename == "CellTimeoutError"
        if late:
            result.status = "incomplete"
        if "nbgrader" in cell.metadata:
            name = label(cell.metadata.nbgrader.grade_id)
            # Only the first error of an exercise is noted: a wrong answer makes its check fail, too.
            earlier = bool(others or skipped or any(in_answer for _, in_answer, _ in troubles.values()))
            troubles.setdefault(name, (error, not cell.metadata.nbgrader.grade, earlier))
            failed |= {name} if cell.metadata.nbgrader.grade else set()
        elif late or cell.source.split() != released.get(cell.id, "").split():
            first = next((line.strip() for line in cell.source.splitlines() if line.strip()), "")
            name = cell.id if cell.id in released else f"the student's cell {excerpt(first)!r}"
            others.append((_trouble(name, error, limits), late))
    result.notes += _surroundings(facts)
    result.notes += [note for note, late in others if failed or late]
    passed = [probes[fact["probe"]] for fact in facts if "probe" in fact and "error" not in fact]
    right = {probe["exercise"]: probe["what"] for probe in passed}
    absent = {name for fact in facts for name in fact.get("names", ())}
    graders = [cell for cell in notebook.cells if cell.id in skipped and "nbgrader" in cell.metadata]
    unrun = {label(cell.metadata.nbgrader.grade_id) for cell in graders if not cell.metadata.nbgrader.grade}
    for exercise, (error, in_answer, earlier) in troubles.items():
        said = _trouble(exercise, error, limits)
        doubt = ""
        if exercise in unrun and exercise not in right:
            doubt = "its cell could not be run, so nothing in it was checked"
        elif exercise in failed:
            doubt = _doubt(exercise, error, in_answer, earlier, repaired, right, absent)
        result.notes.append(f"{said.rstrip('.')}. {doubt[0].upper()}{doubt[1:]}: {DECIDE}" if doubt else said)
        result.decide += [exercise] if doubt else []
    for exercise in sorted({label(name) for name in course.by_hand()} & repaired.near.keys()):
        result.notes.append(f"{exercise}: {repaired.near[exercise]} may be the answer: {DECIDE}")
        result.decide.append(exercise)
    if result.decide:
        result.status = "decide"


def _surroundings(facts: list[dict]) -> list[str]:
    """What the notebook needed that is not there where it was graded, a note each."""
    notes = []
    if missing := dict.fromkeys(fact["missing"] for fact in facts if "missing" in fact):
        lines = "could not be imported where this was graded, and the lines that only use it were skipped"
        notes.append(f"{', '.join(missing)}: {lines}")
    skipped = dict.fromkeys(fact["skipped"] for fact in facts if "skipped" in fact)
    notes += [f"{magic}: not known here and skipped" for magic in skipped]
    commands = [fact["installer"] for fact in facts if "installer" in fact]
    return notes + [f"{command}: not run, as nothing is installed while grading" for command in commands]


def _doubt(
    exercise: str,
    error: NotebookNode,
    in_answer: bool,
    earlier: bool,
    repaired: Repaired,
    right: dict[str, str],
    absent: set[str],
) -> str:
    """Why an answer that did not pass its check may be right; empty if nothing says so.

    Args:
        in_answer: is the error that of the answer's cell, and not of its check?
        earlier: did another cell fail before?
        right: exercise -> what passed its check at the end.
        absent: the names that an import which failed would have bound.
    """
    near = repaired.near.get(exercise, "")
    if exercise in right:
        if right[exercise] == OWN:
            if in_answer:
                return "it is right without the line that fails"
            return "it is right when it is run at the end, with the assignment's own names"
        return f"{right[exercise]} is right"
    if exercise not in repaired.attempted:
        return near and f"{near} may be the answer"
    if "not attempted yet" in error.evalue:
        return "its cell is not as it was given"
    source = dict(repaired.candidates.get(exercise, ())).get(OWN, "")
    unknown = re.search(r"\bname '(\w+)' is not defined", error.evalue)
    for other, names in repaired.asked.items():
        if unknown and unknown[1] in names:
            where = "its cell" if other == exercise else f"the cell of {other}"
            return f"{where} has no {unknown[1]}, which may stand there under another name"
    if "StdinNotImplementedError" in (error.ename, *re.findall(r"\b\w+Error\b", error.evalue)):
        return "it asks for input, which nobody gives while grading"
    if re.search(r"CUDA|NVIDIA|\bMPS\b", error.evalue):
        return "it asks for a graphics card, and there is none where this was graded"
    if error.ename in ("SyntaxError", "IndentationError", "TabError"):
        return "its cell is not Python as a whole, so nothing in it was run"
    if used := sorted(absent & set(re.findall(r"\w+", f"{source} {error.evalue}"))):
        return f"it uses {', '.join(used)}, which could not be imported here"
    if earlier and "NameError" in (error.ename, *re.findall(r"\b\w+Error\b", error.evalue)):
        return "what it needs may be in a cell that failed"
    return near and f"{near} may be the answer"


def _worst(cell: NotebookNode) -> NotebookNode | None:
    """The error of a cell: that its time was up, if that is one of them, else the first."""
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return next(
        (error for error in errors if error.ename == "CellTimeoutError"), errors[0] if errors else None
    )


def _attempt(course: Course, student: str, limits: Limits, kernel: dict) -> Run:
    """Grade once and keep what nbgrader wrote."""
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        shutil.copytree(course.root / "source", root / "source", ignore=shutil.ignore_patterns("*.ipynb"))
        shutil.copy(course.root / CONFIG, root)
        shutil.copy(course.root / "assignment.db", root / "gradebook.db")
        inside = root / course.place("submitted", student).relative_to(course.root)
        inside.parent.mkdir(parents=True)
        shutil.copy(course.place("submitted", student), inside)
        finished = _run(root, course.assignment, student, limits, kernel)
        if stopping.is_set():
            raise InterruptedError("told to end")
        _log(root, course.root / "logs" / f"{student}.txt")
        run = _outcome(root, finished, limits)
        for step, suffix in [("autograded", ".ipynb"), ("feedback", ".html")]:
            kept = course.place(step, student, suffix)
            kept.unlink(missing_ok=True)
            made = root / kept.relative_to(course.root)
            if step == "feedback" and not made.is_file():
                continue  # its notebook is graded all the same
            if not run.reason and made.stat().st_size > MAX_BYTES:
                run.reason = f"it displayed more than {MAX_BYTES >> 20} MB"
            if not run.reason:
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made, kept)
        return run


def _run(root: Path, assignment: str, student: str, limits: Limits, kernel: dict) -> bool:
    """Grade in a process of its own, and kill all that it started; False if it ran out of time."""
    context = multiprocessing.get_context("forkserver")  # its processes start with nbgrader imported
    context.set_forkserver_preload(["grading.worker"])
    mark = uuid.uuid4().hex
    process = context.Process(target=work, args=(root, assignment, student, limits, mark, kernel))
    process.start()
    try:
        deadline = time.monotonic() + limits.seconds
        while process.exitcode is None and time.monotonic() < deadline and not stopping.is_set():
            process.join(0.2)
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


def _outcome(root: Path, finished: bool, limits: Limits) -> Run:
    """What the worker left in its folder."""
    run = Run()
    with contextlib.suppress(OSError, ValueError):
        run.cell = tuple(json.loads((root / "cell.txt").read_text(encoding="utf-8")))
        run.began = True
    where = f" in the cell {label(run.cell[1])!r}" if run.began else " before it began"
    with contextlib.suppress(OSError, ValueError):
        run.facts = [
            json.loads(line) for line in (root / "facts.jsonl").read_text(encoding="utf-8").splitlines()
        ]
    with contextlib.suppress(OSError):
        commands = (root / "installed.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        run.facts += [{"installer": excerpt(command)} for command in dict.fromkeys(commands)]
    if not finished:
        run.reason = f"not finished after {limits.seconds} s, stopped{where}"
        return run
    try:
        told = json.loads((root / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        run.reason, run.ended = f"its process ended{where}", True
        return run
    if told["success"]:
        return run
    said = told.get("log", "") + told.get("error", "")
    if "DeadKernelError" in said:
        run.ended = True
        run.reason = f"Python ended{where}: by a call such as os._exit, a crash, or lack of memory"
    elif "CellTimeoutError" in said:
        run.reason, run.ended = f"it did not stop when its time was up{where}", True
    else:
        last = [line for line in said.splitlines() if "Error" in line] or ["no reason given"]
        run.reason = f"nbgrader could not grade it{where}: {last[-1][:200]}"
    return run


def _trouble(name: str, error: NotebookNode, limits: Limits) -> str:
    """What went wrong in the cells of an exercise, in one line."""
    if error.ename == "CellTimeoutError":
        return f"{name}: stopped after {limits.cell_seconds} s"
    if error.ename == ENDED:
        return f"{name}: Python ended in it"
    said = (error.evalue.strip().splitlines() or [""])[0][:300]
    if error.ename == "CheckFailed":  # its message begins with the number of the exercise
        return said
    return f"{name}: {error.ename}" + (f": {said}" if said else "")
