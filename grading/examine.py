"""One submission before it is run: which of its files counts, repaired, or the reason why none can be graded.

Needs no nbgrader, as `collect` and `preflight` need none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from nbformat import NotebookNode

from grading.collect import MAX_BYTES, Submission
from grading.preflight import Refused, Repaired, label, preflight

GRADED = ("graded", "incomplete")


@dataclass
class Result:
    """The outcome of one student's submission.

    Attributes:
        status: "graded"; "incomplete" (graded, but answers were missing or a cell ran out of time);
            "refused" (the file cannot be graded); "stopped" (it ran into a limit or ended itself);
            "missing" (on the roster, handed in nothing).
        notes: the reasons, in plain words.
    """

    student: str
    name: str
    folder: str
    status: str = "missing"
    notes: list[str] = field(default_factory=lambda: ["nothing was handed in"])
    file: str = ""
    sha256: str = ""
    late: bool = False


def examine(submission: Submission, release: NotebookNode) -> tuple[Result, Repaired | None]:
    """Pick the file that counts and repair it; None if none can be graded, and the result says why."""
    result = Result(submission.student, submission.name, submission.folder, "refused", late=submission.late)
    if submission.unsafe:
        result.folder, result.notes = result.student, ["its path points outside the archive"]
        return result, None
    result.file = ", ".join(file.name for file in submission.files)
    notebooks = [file for file in submission.files if file.name.lower().endswith(".ipynb")]
    if not notebooks:
        result.notes = ["no notebook (.ipynb) among the files" if submission.files else "an empty folder"]
        return result, None
    fitting, reasons = [], []
    for file in sorted(notebooks, key=lambda file: (file.time, file.name), reverse=True):
        try:
            data = file.read()
            if len(data) > MAX_BYTES:
                raise Refused(f"larger than {MAX_BYTES >> 20} MB")
            fitting.append((preflight(data, release), file, hashlib.sha256(data).hexdigest()))
        except Exception as error:  # a broken file must not stop the class
            reason = str(error) if isinstance(error, Refused) else f"cannot be read: {error!r}"
            reasons.append(f"{file.name}: {reason}" if len(notebooks) > 1 else reason)
    if not fitting:
        result.notes = reasons
        return result, None
    # The one with the most cells of the assignment; among equal ones the latest, which comes first.
    repaired, file, sha256 = max(fitting, key=lambda fit: fit[0].found)
    result.file, result.sha256 = file.name, sha256
    result.status, result.notes = "graded", list(repaired.notes)
    if repaired.missing:
        result.status = "incomplete"
        result.notes += [f"{label(name)}: the answer's cell is missing" for name in repaired.missing]
    if len(notebooks) > 1:
        result.notes.append(
            f"one of {len(notebooks)} notebooks: the latest of those with most of the assignment's cells"
        )
    return result, repaired
