"""The output folder of one assignment, in nbgrader's course layout: submissions, results, points, pages.

OUTPUT/grades.csv             one line a student
OUTPUT/pages/FOLDER/…html     one feedback page a student, in folders named as Moodle names them
OUTPUT/roster.csv             the class list, if one was given; used until another is given
OUTPUT/results/STUDENT.json   the status and its reasons; the same file is not graded again
OUTPUT/logs/STUDENT.txt       the output of nbgrader
OUTPUT/gradebook.db, source/, release/, submitted/, autograded/, feedback/    nbgrader's own
"""

from __future__ import annotations

import csv
import html
import json
import os
import shutil
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import SaveAutoGrades
from sqlalchemy.exc import SAWarning

from grading.examine import GRADED, Result
from grading.preflight import label
from grading.worker import CONFIG, open_course

COLUMNS = ("student", "name", "assignment", "status", "total", "max")
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
NOTES = '<div class="container"><h4>About your submission</h4><ul>{notes}</ul></div>'


class Course:
    """The output folder `root` for one assignment of the course folder `source`, such as exercises/."""

    def __init__(self, root: Path, source: Path, assignment: str):
        """Create the folder and let nbgrader read the assignment, or open the folder of an earlier run.

        Raises:
            ValueError: there is no such assignment, nbgrader cannot read it, or the folder has other files.
        """
        self.root, self.assignment = root.resolve(), assignment
        notebooks = sorted((source / "source" / assignment).glob("*.ipynb"))
        if len(notebooks) != 1:
            known = ", ".join(sorted(path.name for path in (source / "source").glob("*/"))) or "none"
            raise ValueError(f"{source}: no assignment {assignment!r} of one notebook; there are: {known}")
        self.notebook = notebooks[0].stem
        if not (self.root / "assignment.db").is_file():
            if self.root.exists() and any(self.root.iterdir()):
                raise ValueError(f"{root}: expected a new or an empty folder, or one of an earlier run")
            self._lay_out(source)
        kept = self.root / "source" / assignment / notebooks[0].name
        if not kept.is_file() or kept.read_bytes() != notebooks[0].read_bytes():
            raise ValueError(
                f"{root}: made for another assignment or another version of it; take a new --output"
            )
        self.release = nbformat.read(self.root / "release" / assignment / notebooks[0].name, as_version=4)

    def _lay_out(self, source: Path) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source / "source" / self.assignment, self.root / "source" / self.assignment)
        shutil.copy(source / CONFIG, self.root / CONFIG)
        # nbgrader runs the command alembic, which is installed beside this Python.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        made = open_course(self.root).generate_assignment(self.assignment)
        if not made["success"]:
            shutil.rmtree(self.root)
            raise ValueError(f"nbgrader cannot read {self.assignment}:\n{made.get('log', made['error'])}")
        # The gradebook before any submission; each submission is graded with a copy of it.
        shutil.copy(self.root / "gradebook.db", self.root / "assignment.db")

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{self.root / 'gradebook.db'}")

    def place(self, step: str, student: str, suffix: str = ".ipynb") -> Path:
        """Where nbgrader keeps a student's notebook of a step: submitted, autograded or feedback."""
        return self.root / step / student / self.assignment / f"{self.notebook}{suffix}"

    def results(self) -> dict[str, Result]:
        """Student -> stored result."""
        files = sorted((self.root / "results").glob("*.json"))
        found = [Result(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
        return {result.student: result for result in found}

    def keep(self, result: Result) -> None:
        """Store a result, and the points of a graded notebook."""
        if result.status in GRADED:
            self._save_points(result)
        path = self.root / "results" / f"{result.student}.json"
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(asdict(result), ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8", errors="replace")

    def _save_points(self, result: Result) -> None:
        """Let nbgrader copy the points of the graded notebook into the gradebook of the class."""
        where = {"student": result.student, "assignment": self.assignment, "notebook": self.notebook}
        where["db_url"] = f"sqlite:///{self.root / 'gradebook.db'}"
        notebook = nbformat.read(self.place("autograded", result.student), as_version=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's use of sqlalchemy 2 causes it
            with self.gradebook() as gradebook:
                gradebook.update_or_create_student(result.student, last_name=result.name)
                gradebook.update_or_create_submission(self.assignment, result.student)
            SaveAutoGrades().preprocess(notebook, {"nbgrader": where})

    def keep_roster(self, roster: dict[str, str]) -> None:
        """Store the class list, student -> name, for this report and later ones."""
        with open(self.root / "roster.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("student", "name"), *roster.items()])

    def report(self, again: bool = False) -> list[dict]:
        """Write grades.csv and the pages; returns the rows of the table.

        Args:
            again: let nbgrader write its pages again, with the points given by hand.
        """
        results = self.results()
        kept = self.root / "roster.csv"
        for student, name in read_roster(kept).items() if kept.is_file() else ():
            if student not in results and name not in {result.name for result in results.values()}:
                results[student] = Result(student, name, student)
        if again:
            made = open_course(self.root).generate_feedback(self.assignment)
            if not made["success"]:
                raise ValueError(f"nbgrader could not write its pages:\n{made.get('log', made['error'])}")
        with self.gradebook() as gradebook:
            cells = [
                cell
                for cell in self.release.cells
                if cell.metadata.get("nbgrader", {}).get("points") is not None
            ]
            names = [cell.metadata.nbgrader.grade_id for cell in cells]
            most = sum(cell.metadata.nbgrader.points for cell in cells)
            rows = []
            for result in sorted(results.values(), key=lambda result: result.student):
                row = {"student": result.student, "name": result.name, "assignment": self.assignment}
                row |= {"status": result.status, "max": f"{most:g}", "late": "yes" if result.late else ""}
                row |= {"file": result.file, "reason": "; ".join(result.notes)}
                rows.append(row | self._points(gradebook, result))
                self._page(result)
        columns = [*COLUMNS, *map(label, names), "by hand", "late", "file", "reason"]
        with open(self.root / "grades.csv", "w", newline="", encoding="utf-8-sig", errors="replace") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({key: harmless(value) for key, value in row.items()} for row in rows)
        return rows

    def _points(self, gradebook: Gradebook, result: Result) -> dict[str, str]:
        """Column -> points; nothing if nothing was graded, as a 0 would be a grade."""
        try:
            submission = gradebook.find_submission_notebook(self.notebook, self.assignment, result.student)
        except MissingEntry:
            return {}
        if result.status not in GRADED:
            return {}
        points = {label(grade.name): f"{grade.score:g}" for grade in submission.grades}
        by_hand = [label(grade.name) for grade in submission.grades if grade.needs_manual_grade]
        points |= dict.fromkeys(by_hand, "")
        return points | {"total": f"{submission.score:g}", "by hand": " ".join(sorted(by_hand))}

    def _page(self, result: Result) -> None:
        """Write the student's page: nbgrader's with the notes above it, or why there is no grade."""
        folder = self.root / "pages" / result.folder
        folder.mkdir(parents=True, exist_ok=True)
        page, feedback = folder / f"{self.assignment}.html", self.place("feedback", result.student, ".html")
        if result.status in GRADED:
            items = "".join(f"<li>{html.escape(note)}</li>" for note in result.notes)
            told = NOTES.format(notes=items) if items else ""
            text = feedback.read_text(encoding="utf-8", errors="replace")
            page.write_text(text.replace("<body>", f"<body>\n{told}", 1), encoding="utf-8", errors="replace")
            return
        title = html.escape(f"{self.assignment}: {result.status}")
        text = html.escape(". ".join([*result.notes, result.file] if result.file else result.notes))
        page.write_text(PAGE.format(title=title, text=text), encoding="utf-8", errors="replace")


def harmless(value: str) -> str:
    """The text, quoted if a spreadsheet would read it as a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t")) else value


def read_roster(path: Path) -> dict[str, str]:
    """Student -> name, from a CSV that has a column `student` and may have a column `name`.

    Raises:
        ValueError: there is no such column.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or "student" not in rows[0]:
        raise ValueError(f"{path}: expected a CSV with a column 'student', and 'name' if there are names")
    return {row["student"]: row.get("name") or row["student"] for row in rows}
