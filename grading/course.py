"""The output folder of one assignment, in nbgrader's course layout: submissions, results, points, pages.

OUTPUT/grades.csv             one line a student
OUTPUT/moodle.csv, canvas.csv the points, for their imports; of those with nothing left to decide
OUTPUT/pages/FOLDER/…html     one feedback page a student, in folders named as Moodle names them
OUTPUT/feedback.zip           the pages, for Moodle and Canvas to give them to the students
OUTPUT/roster.csv             the class list, if one was given; used until another is given
OUTPUT/results/STUDENT.json   the status and its reasons; the same file is not graded again
OUTPUT/logs/STUDENT.txt       the output of nbgrader
OUTPUT/part.json              the share of the class that this folder has, if it is a part
OUTPUT/gradebook.db, source/, release/, submitted/, autograded/, feedback/    nbgrader's own

Every file is written beside its place and then put there, so that a run that is killed leaves whole files.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import shutil
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import SaveAutoGrades
from sqlalchemy.exc import OperationalError, SAWarning

from grading import tables
from grading.collect import Submission
from grading.examine import DECIDE, GRADED, Result
from grading.preflight import binds, label
from grading.tables import write
from grading.worker import CONFIG, open_course

LOCK = (
    ".grading"  # its lock is held by who writes to the folder; it also says that the folder is one of grading
)
LAID_OUT = ("source", "release", "gradebook.db", CONFIG, "assignment.db.new", ".nbgrader.log")
UNREADABLE = "its stored result cannot be read: grade it again"
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
            ValueError: there is no such assignment, nbgrader cannot read it, the folder has other files, or
                another grader works in it.
        """
        self.root, self.assignment = root.resolve(), assignment
        notebooks = sorted((source / "source" / assignment).glob("*.ipynb"))
        if len(notebooks) != 1:
            known = ", ".join(sorted(path.name for path in (source / "source").glob("*/"))) or "none"
            raise ValueError(
                f"{source}: no assignment {assignment!r} of one notebook; there are: {known}. "
                f"If your exercises are elsewhere, name their folder with --course, or COURSE= of make"
            )
        self.notebook = notebooks[0].stem
        begun, made = (self.root / LOCK).exists(), (self.root / "assignment.db").is_file()
        if not begun and not made and self.root.exists() and any(self.root.iterdir()):
            raise ValueError(f"{root}: expected a new or an empty folder, or one of an earlier run")
        self._lock()
        if not made:
            self._lay_out(source)
        kept = self.root / "source" / assignment / notebooks[0].name
        if not kept.is_file() or kept.read_bytes() != notebooks[0].read_bytes():
            raise ValueError(
                f"{root}: made for another assignment or another version of it; take a new --output"
            )
        self.source = nbformat.read(kept, as_version=4)
        self.release = nbformat.read(self.root / "release" / assignment / notebooks[0].name, as_version=4)

    def _lock(self) -> None:
        """Keep other graders out of the folder until this process ends."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._locked = open(self.root / LOCK, "w", encoding="utf-8")
        with contextlib.suppress(ImportError):  # Windows, where nothing is graded
            import fcntl

            try:
                fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._locked.close()
                raise ValueError(
                    f"{self.root}: another grader works in this folder; wait for it, or take another --output"
                ) from None

    def close(self) -> None:
        """Let others into the folder."""
        self._locked.close()

    def _lay_out(self, source: Path) -> None:
        for name in LAID_OUT:  # of a run that was killed here
            path = self.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.copytree(source / "source" / self.assignment, self.root / "source" / self.assignment)
        shutil.copy(source / CONFIG, self.root / CONFIG)
        made = open_course(self.root).generate_assignment(self.assignment)
        if not made["success"]:
            self.close()
            shutil.rmtree(self.root)
            raise ValueError(f"nbgrader cannot read {self.assignment}:\n{made.get('log', made['error'])}")
        # The gradebook before any submission; each submission is graded with a copy of it. It comes last:
        # without it, the folder is laid out again.
        shutil.copy(self.root / "gradebook.db", self.root / "assignment.db.new")
        os.replace(self.root / "assignment.db.new", self.root / "assignment.db")

    def checks(self) -> Iterator[NotebookNode]:
        """The checks of the instructor's notebook, with what is hidden from students."""
        return (
            c
            for c in self.source.cells
            if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("grade")
        )

    def by_hand(self) -> list[str]:
        """The names of the answers that a human marks."""
        known = [cell.metadata.get("nbgrader", {}) for cell in self.release.cells]
        return [each.grade_id for each in known if each.get("grade") and each.get("solution")]

    def given(self) -> dict[str, list[str]]:
        """The assignment's own cells before the first answer, and the names that answers define."""
        answers = [cell for cell in self.release.cells if cell.metadata.get("nbgrader", {}).get("solution")]
        setup = self.release.cells[: self.release.cells.index(answers[0])]
        return {
            "setup": [cell.source for cell in setup if cell.cell_type == "code"],
            "answers": sorted(set().union(*map(binds, answers))),
        }

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{self.root / 'gradebook.db'}")

    def place(self, step: str, student: str, suffix: str = ".ipynb") -> Path:
        """Where nbgrader keeps a student's notebook of a step: submitted, autograded or feedback."""
        return self.root / step / student / self.assignment / f"{self.notebook}{suffix}"

    def results(self) -> dict[str, Result]:
        """Student -> stored result; one that cannot be read has no points, so it is graded again."""
        found = {}
        for file in sorted((self.root / "results").glob("*.json")):
            try:
                result = Result(**json.loads(file.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                result = Result(file.stem, file.stem, file.stem, "stopped", [UNREADABLE])
            found[result.student] = result
        return found

    def expect(self, submissions: list[Submission]) -> None:
        """Raise ValueError if a number was another student's in an earlier run."""
        known = self.results()
        for submission in submissions:
            old = known.get(submission.student)
            if old and old.notes != [UNREADABLE] and old.name != submission.name:
                raise ValueError(
                    f"{self.root}: {submission.student} was {old.name!r} in an earlier run and is "
                    f"{submission.name!r} in this export; take another --output for another class"
                )

    def keep(self, result: Result) -> None:
        """Store a result, and the points of a graded notebook."""
        if result.status in GRADED:
            try:
                self._save_points(result)
            except OperationalError as error:  # such as a full disk
                raise OSError(f"{self.root / 'gradebook.db'}: {error.orig}") from error
        text = json.dumps(asdict(result), ensure_ascii=False, indent=1)
        write(self.root / "results" / f"{result.student}.json", text)

    def _save_points(self, result: Result) -> None:
        """Let nbgrader copy the points of the graded notebook into the gradebook of the class."""
        where = {"student": result.student, "assignment": self.assignment, "notebook": self.notebook}
        where["db_url"] = f"sqlite:///{self.root / 'gradebook.db'}"
        notebook = nbformat.read(self.place("autograded", result.student), as_version=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's use of sqlalchemy 2 causes it
            with self.gradebook() as gradebook:
                # The formgrader shows a name only where there are two, and the number helps to find it.
                names = {"last_name": result.name, "first_name": result.student}
                gradebook.update_or_create_student(result.student, **names)
                gradebook.update_or_create_submission(self.assignment, result.student)
            SaveAutoGrades().preprocess(notebook, {"nbgrader": where})
            with self.gradebook() as gradebook:
                graded = gradebook.find_submission_notebook(self.notebook, self.assignment, result.student)
                for grade in graded.grades:
                    grade.needs_manual_grade |= label(grade.name) in result.decide
                gradebook.db.commit()

    def by_hand_points(self) -> bool:
        """Did a human give points in this folder?"""
        with self.gradebook() as gradebook:
            return any(
                grade.manual_score is not None
                for submission in gradebook.assignment_submissions(self.assignment)
                for notebook in submission.notebooks
                for grade in notebook.grades
            )

    def part(self) -> dict:
        """The share of a class that this folder has: its number, of how many, who is in it; else empty."""
        kept = self.root / "part.json"
        return json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}

    def keep_part(self, number: int, of: int, share: dict[str, str], everybody: dict[str, str]) -> None:
        """Store what share of the class this folder has, student -> name; a later export adds to it.

        Raises:
            ValueError: the folder has another share.
        """
        known = self.part() or {"number": number, "of": of, "share": {}, "class": {}}
        if (known["number"], known["of"]) != (number, of) or (not self.part() and self.results()):
            raise ValueError(f"{self.root}: has another part of the class; take another --output")
        known["share"] |= share
        known["class"] |= everybody
        write(self.root / "part.json", json.dumps(known, ensure_ascii=False, indent=1))

    def keep_roster(self, roster: dict[str, str]) -> None:
        """Store the class list, student -> name, for this report and later ones."""
        tables.write_csv(self.root / "roster.csv", [("student", "name"), *roster.items()])

    def roster(self) -> dict[str, str]:
        """The class list that was given last; empty if none was."""
        kept = self.root / "roster.csv"
        return tables.read_roster(kept) if kept.is_file() else {}

    def report(self, again: bool = False) -> list[dict]:
        """Write the tables and the pages; returns the rows of the table.

        Args:
            again: let nbgrader write its pages again, with the points given by hand.
        """
        results = list(self.results().values())
        if not self.part():
            results += tables.absent(results, self.roster())
        if again and any((self.root / "autograded").glob("*")):
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
            for result in sorted(results, key=lambda result: result.student):
                row = {"student": result.student, "name": result.name, "assignment": self.assignment}
                row |= {"status": result.status, "max": f"{most:g}", "late": "yes" if result.late else ""}
                row |= {"file": result.file} | self._points(gradebook, result)
                decided = set(result.decide) - set(row.get("by hand", "").split())
                notes = _as_decided(result.notes, decided)
                row["reason"] = "; ".join(notes)
                if result.status == "decide" and not row["by hand"]:
                    row["status"] = "graded"  # all of it was decided
                rows.append(row)
                self._page(result, [note.replace(DECIDE, "your instructor decides") for note in notes])
        columns = [*COLUMNS, *map(label, names), "by hand", "late", "file", "reason"]
        table = [[tables.harmless(row.get(column, "")) for column in columns] for row in rows]
        tables.write_csv(self.root / "grades.csv", [columns, *table])
        tables.write_imports(self.root, self.assignment, rows, results)
        self._pack_pages(results)
        return rows

    def _pack_pages(self, results: list[Result]) -> None:
        """Write the zip from which Moodle and Canvas give each student the page, by these names."""
        packed = self.root / "feedback.zip.new"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            handed_in = [result for result in results if result.status != "missing"]
            for result in sorted(handed_in, key=lambda result: result.student):
                page = self.page(result)
                inside = f"{page.parent.name}{'' if result.system == 'canvas' else '/'}{page.name}"
                # Always with one date, so that the same pages make the same file.
                info = zipfile.ZipInfo(inside)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, page.read_bytes())
        os.replace(packed, self.root / "feedback.zip")

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

    def page(self, result: Result) -> Path:
        """Where the student's page is: in a folder named as in the export, where Moodle looks for it."""
        folder = result.folder if result.system else result.student
        return self.root / "pages" / folder / f"{self.assignment}.html"

    def _page(self, result: Result, notes: list[str]) -> None:
        """Write the student's page: nbgrader's with the notes above it, or why there is no grade."""
        page, feedback = self.page(result), self.place("feedback", result.student, ".html")
        if result.status in GRADED and feedback.is_file():
            items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
            told = NOTES.format(notes=items) if items else ""
            text = feedback.read_text(encoding="utf-8", errors="replace")
            write(page, text.replace("<body>", f"<body>\n{told}", 1))
            return
        title = html.escape(f"{self.assignment}: {result.status}")
        text = html.escape(". ".join([*notes, result.file] if result.file else notes))
        write(page, PAGE.format(title=title, text=text))


def _as_decided(notes: list[str], decided: set[str]) -> list[str]:
    """The notes when a human has decided on these exercises."""
    return [
        note.replace(DECIDE, "decided by hand") if note.partition(":")[0] in decided else note
        for note in notes
    ]
