"""A small assignment, quick to grade, and submissions to it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from nbformat import NotebookNode, v4

ROOT = Path(__file__).parents[2]
RIGHT = {
    "1.1": 'answer = "c"',
    "1.2": "def add(a, b):\n    return a + b",
    "1.3": "def double(a):\n    return add(a, a)",
    "1.4": "It is a sum.",
}
STUB = {
    "1.1": "answer = None",
    "1.2": "def add(a, b):\n    ...",
    "1.3": "def double(a):\n    ...",
    "1.4": "YOUR ANSWER HERE",
}
CHECK = {
    "1.1": (1, 'assert answer == "c", "not c"'),
    "1.2": (2, 'check("1.2", add(2, 3) == 5, "too small")'),
    "1.3": (3, 'check("1.3", double(4) == 8, "not doubled")'),
}
# Cells that come with the assignment, neither answers nor checks. As in the book, a figure checks something.
SETUP = "def check(number, passed, hint):\n    assert passed, hint"
FIGURE = 'check("1.2", add(1, 1) == 2, "no figure")\nprint("a figure of the sum")'


def graded(name: str, **own) -> dict:
    """nbgrader's metadata of an answer or a check."""
    base = dict.fromkeys(["grade", "locked", "solution", "task"], False)
    return {"nbgrader": base | {"grade_id": name, "schema_version": 3} | own}


def source() -> NotebookNode:
    """The instructor's notebook, in the form of exercises/source; its last answer is marked by hand."""
    code, text = v4.new_code_cell, v4.new_markdown_cell
    cells = [text("# Exercises 1 · Toy", id="title"), code(SETUP, id="setup")]
    for number, (points, check) in CHECK.items():
        name = f"exercise-{number.replace('.', '-')}"
        answer, marks = f"{name}-answer", f"{name}-check"
        solution = f"{STUB[number]}\n### BEGIN SOLUTION\n{RIGHT[number]}\n### END SOLUTION"
        known = graded(marks, grade=True, locked=True, points=points, cell_type="code")
        cells += [
            text(f"## {number} · A question", id=name),
            code(
                f"# Exercise {number}: your answer\n{solution}",
                id=answer,
                metadata=graded(answer, solution=True),
            ),
            code(f"# Exercise {number}: check ({points} points)\n{check}", id=marks, metadata=known),
            text("**Solution.** Not for students.", id=f"{name}-solution", metadata={"tags": ["solution"]}),
        ]
        if number == "1.2":
            cells.append(code(FIGURE, id="exercise-1-2-figure"))
    known = graded("exercise-1-4-answer", grade=True, solution=True, points=2, cell_type="markdown")
    solution = f"### BEGIN SOLUTION\n{RIGHT['1.4']}\n### END SOLUTION"
    cells.append(text(solution, id="exercise-1-4-answer", metadata=known))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def course(folder: Path) -> Path:
    """A course folder with the assignment `toy`."""
    write(source(), folder / "source" / "toy" / "toy.ipynb")
    shutil.copy(ROOT / "exercises" / "nbgrader_config.py", folder)
    return folder


def table(out: Path) -> list[dict[str, str]]:
    """The rows of grades.csv in an output folder."""
    with open(out / "grades.csv", newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def rows(out: Path) -> dict[str, dict[str, str]]:
    """The same by the student's name."""
    return {row["name"]: row for row in table(out)}


def mark(out: Path, source: Path, exercise: str, student: str, points: float) -> None:
    """Give points by hand, as nbgrader's formgrader does."""
    from grading.course import Course  # which needs nbgrader

    course = Course(out, source, "toy")
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade(exercise, "toy", "toy", student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()
    course.close()


def student(**answers: str) -> NotebookNode:
    """What a student hands in: the released notebook; student(a2="…") answers 1.2 and nothing else."""
    texts = STUB | {f"1.{name[1:]}": answer for name, answer in answers.items()}
    made = source()
    made.cells = [cell for cell in made.cells if "tags" not in cell.metadata]
    for cell in made.cells:
        if cell.id.endswith("-answer"):
            number = ".".join(cell.id.split("-")[1:3])
            first = f"# Exercise {number}: your answer\n" if cell.cell_type == "code" else ""
            cell.source = first + texts[number]
    return made


def right(**other: str) -> NotebookNode:
    """A notebook with right answers, except those given as arguments."""
    return student(**({f"a{number[2:]}": answer for number, answer in RIGHT.items()} | other))


def cell(notebook: NotebookNode, cell_id: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.get("id") == cell_id)


def text(notebook: NotebookNode) -> bytes:
    return json.dumps(notebook, ensure_ascii=False).encode()


def write(notebook: NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text(notebook))
    return path


def as_colab_saves(notebook: NotebookNode) -> NotebookNode:
    """The notebook as Colab saves it: ids in the metadata, other metadata dropped, an older format."""
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"id": cell.pop("id"), "colab": {"height": 34}})
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata = NotebookNode({"colab": {"provenance": []}, "kernelspec": kernel})
    notebook.nbformat_minor = 0
    return notebook


def without_ids(notebook: NotebookNode) -> NotebookNode:
    """The notebook without metadata and ids; only the sources are left."""
    for cell in as_colab_saves(notebook).cells:
        cell.metadata = NotebookNode()
    return notebook


def without(notebook: NotebookNode, *cell_ids: str) -> NotebookNode:
    """The notebook with these cells deleted."""
    notebook.cells = [cell for cell in notebook.cells if cell.id not in cell_ids]
    return notebook


def merged(notebook: NotebookNode) -> NotebookNode:
    """All answers in code moved to one new cell at the end; their own cells and checks are deleted."""
    notebook.cells.append(v4.new_code_cell("\n".join(RIGHT[number] for number in CHECK), id="own"))
    names = [f"exercise-{number.replace('.', '-')}" for number in CHECK]
    return without(notebook, *(f"{name}-{kind}" for name in names for kind in ("answer", "check")))
