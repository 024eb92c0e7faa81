"""The tables of a class: its list, and the points as Moodle and Canvas import them. Needs no nbgrader."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from grading.collect import Submission
from grading.examine import GRADED, Result

MOODLE = ("Identifier", "Full name", "Grade", "Last modified (grade)", "Feedback comments")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
# The columns of a class list: the number and the name. The second is Moodle's grading worksheet, the third
# what Canvas exports from its gradebook.
ROSTERS = (("student", "name"), ("Identifier", "Full name"), ("ID", "Student"))


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all: beside its place first, and then there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8", errors="replace", newline="")
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def write_csv(path: Path, rows: Iterable[Iterable[str]]) -> None:
    """A table that spreadsheets read as UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write(path, f"\ufeff{text.getvalue()}")


def harmless(value: str) -> str:
    """The text, quoted if a spreadsheet would read it as a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t")) else value


def read_roster(path: Path) -> dict[str, str]:
    """Student -> name, from a CSV with the columns `student` and `name`, or from Moodle's or Canvas's own.

    Raises:
        ValueError: it has no such columns, is not in UTF-8, or one number has two names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not in UTF-8; save it as 'CSV UTF-8'") from None
    head = text.partition("\n")[0]
    rows = list(
        csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    )
    found = [pair for pair in ROSTERS if rows and pair[0] in rows[0]]
    if not found:
        raise ValueError(f"{path}: expected a CSV with a column 'student', and 'name' if there are names")
    number, name = found[0]
    roster: dict[str, str] = {}
    for row in rows:
        student = (row[number] or "").strip()
        if number == "Identifier":
            student = re.sub(r"^\D*", "", student)  # "Participant 12345", in Moodle's language
        if not student:
            continue  # such as the line with the points in Canvas's table
        called = (row.get(name) or student).strip()
        if roster.setdefault(student, called) != called:
            raise ValueError(f"{path}: {student} is both {roster[student]!r} and {called!r}")
    return roster


def same(name: str) -> str:
    """A name in the form in which names are compared."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def absent(results: list[Result], roster: dict[str, str]) -> list[Result]:
    """Who is on the class list and handed in nothing.

    A student is found by the number. Whoever is left is found by the name, if nobody else who is left, on the
    list or in the export, has the same.
    """
    numbers = {result.student for result in results}
    named = Counter(same(result.name) for result in results if result.student not in roster)
    left = {student: name for student, name in roster.items() if student not in numbers}
    listed = Counter(same(name) for name in left.values())
    found = []
    for student, name in left.items():
        if named[same(name)] == listed[same(name)] == 1:
            continue
        result = Result(student, name, student)
        if named[same(name)]:
            result.notes = [f"nothing was handed in under this number; another number has the name {name}"]
        found.append(result)
    return found


def another_name(submissions: list[Submission], roster: dict[str, str]) -> list[str]:
    """Whose number is somebody else's on the class list, as in the worksheet of another assignment.

    Canvas writes names in one word, so they say nothing here.
    """
    words = {one.student: set(re.findall(r"\w+", same(one.name))) for one in submissions}
    return [
        f"{one.student} is {roster[one.student]} there and {one.name} in the export"
        for one in submissions
        if one.system in ("moodle", "ilias")
        and one.student in roster
        and words[one.student].isdisjoint(re.findall(r"\w+", same(roster[one.student])))
    ]


def write_imports(root: Path, assignment: str, rows: list[dict], results: list[Result]) -> None:
    """moodle.csv and canvas.csv, for whoever has a number of theirs and points that are final."""
    systems = {result.student: result.system for result in results}
    final = [row for row in rows if row["status"] in GRADED and not row.get("by hand")]
    moodle = [
        (f"Participant {row['student']}", row["name"], row["total"], "-", harmless(row["reason"]))
        for row in final
        if systems[row["student"]] == "moodle"
    ]
    canvas = [
        (row["name"], row["student"], "", "", "", row["total"])
        for row in final
        if systems[row["student"]] == "canvas" and row["student"].isdigit()
    ]
    for name, head, table in [("moodle", MOODLE, moodle), ("canvas", (*CANVAS, assignment), canvas)]:
        path = root / f"{name}.csv"
        if table:
            write_csv(path, [head, *table])
        else:
            path.unlink(missing_ok=True)
