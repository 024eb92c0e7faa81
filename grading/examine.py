"""One submission before it is run: which of its files counts, repaired, or the reason why none can be graded.

Needs no nbgrader, as `collect` and `preflight` need none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from nbformat import NotebookNode

from grading.collect import MAX_BYTES, File, Submission, unpack
from grading.preflight import Refused, Repaired, label, preflight

GRADED = ("graded", "incomplete", "decide")
DECIDE = "for you to decide"  # the end of a reason, to the instructor


@dataclass
class Result:
    """The outcome of one student's submission.

    Attributes:
        status: "graded"; "incomplete" (graded, but answers were missing or a cell ran out of time); "decide"
            (graded, but a human has to decide on an exercise); "refused" (the file cannot be graded);
            "stopped" (it ran into a limit); "missing" (on the roster, handed in nothing).
        notes: the reasons, in plain words.
        decide: the exercises that are left to a human, such as "4.1".
        system: where the export is from: "moodle", "canvas", "ilias" or "".
    """

    student: str
    name: str
    folder: str
    status: str = "missing"
    notes: list[str] = field(default_factory=lambda: ["nothing was handed in"])
    file: str = ""
    sha256: str = ""
    late: bool = False
    decide: list[str] = field(default_factory=list)
    system: str = ""


def examine(submission: Submission, release: NotebookNode) -> tuple[Result, Repaired | None]:
    """Pick the file that counts and repair it; None if none can be graded, and the result says why."""
    result = Result(submission.student, submission.name, submission.folder, "refused", late=submission.late)
    result.system = submission.system
    if submission.unsafe:
        result.folder, result.notes = result.student, ["its path points outside the archive"]
        return result, None
    result.file = ", ".join(file.name for file in submission.files)
    notebooks, reasons = _notebooks(submission.files)
    fitting = []
    for file, data in notebooks:
        try:
            if isinstance(data, Exception):
                raise data
            if len(data) > MAX_BYTES:
                raise Refused(f"larger than {MAX_BYTES >> 20} MB")
            fitting.append((preflight(data, release), file, hashlib.sha256(data).hexdigest()))
        except Exception as error:  # a broken file must not stop the class
            reason = str(error) if isinstance(error, Refused) else f"cannot be read: {error!r}"
            reasons.append(f"{file.name}: {reason}" if len(notebooks) > 1 else reason)
    if not fitting:
        empty = "no notebook (.ipynb) among the files" if submission.files else "an empty folder"
        result.notes = reasons or [empty]
        return result, None
    # A blank one never counts beside one with answers; then the one with the most cells of the assignment,
    # the latest of those, and of the same second the one with most answers, of equal ones the last by name.
    chosen = max(
        fitting,
        key=lambda fit: (
            bool(fit[0].attempted),
            fit[0].found,
            fit[1].time,
            len(fit[0].attempted),
            fit[1].name,
        ),
    )
    repaired, file, sha256 = chosen
    result.file, result.sha256 = file.name, sha256
    result.status, result.notes = "graded", list(repaired.notes)
    if repaired.missing:
        result.status = "incomplete"
        result.notes += [f"{label(name)}: the answer's cell is missing" for name in repaired.missing]
    if len(notebooks) > 1:
        result.notes.append(
            f"one of {len(notebooks)} notebooks: the latest of those with most of the assignment's cells"
        )
    for other, file, _ in fitting:
        for exercise in sorted(other.attempted - repaired.attempted):
            repaired.near.setdefault(exercise, f"the file {file.name}")
    return result, repaired


def _notebooks(files: list[File]) -> tuple[list[tuple[File, bytes | Exception]], list[str]]:
    """The files that are notebooks by name or by content, each with its bytes or why it cannot be read.

    Browsers and mail programs rename notebooks, to .ipynb.txt or .json, and students pack them.
    """
    found, reasons = [], []
    for file in files:
        try:
            inside = unpack(file)
        except ValueError as error:
            reasons.append(f"{file.name}: {error}")
            continue
        except Exception:  # reading it fails below, too, and there it gets its reason
            inside = [file]
        for each in inside:
            try:
                data: bytes | Exception = each.read()
            except Exception as error:
                data = error
            named = ".ipynb" in each.name.lower()
            if named or (isinstance(data, bytes) and data.lstrip()[:1] == b"{" and b'"cells"' in data):
                found.append((each, data))
    return found, reasons
