"""A small assignment, quick to grade, and submissions to it as they come in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from nbformat import NotebookNode, v4

ROOT = Path(__file__).parents[2]
POINTS = {"1.1": 1, "1.2": 2, "1.3": 3}
RIGHT = {
    "1.1": 'answer = "c"',
    "1.2": "def add(a, b):\n    return a + b",
    "1.3": "def double(a):\n    return add(a, a)",
    "1.4": "Because it is a sum.",
}
STUB = {
    "1.1": "answer = None",
    "1.2": "def add(a, b):\n    ...",
    "1.3": "def double(a):\n    ...",
    "1.4": "YOUR ANSWER HERE",
}
CHECK = {
    "1.1": 'assert answer == "c", "1.1: not c"',
    "1.2": 'assert add(2, 3) == 5, "1.2: too small"',
    "1.3": 'assert double(4) == 8, "1.3: not doubled"',
}


def _metadata(name: str, **own) -> dict:
    known = {
        "grade": False,
        "grade_id": name,
        "locked": False,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    return {"nbgrader": known | own}


def source() -> NotebookNode:
    """The instructor's notebook, as tools/exercises.py writes them, with one answer to mark by hand."""
    cells = [
        v4.new_markdown_cell("# Exercises 1 · Toy", id="title"),
        v4.new_code_cell("import math", id="setup"),
    ]
    for number in POINTS:
        name, points = f"exercise-{number.replace('.', '-')}", POINTS[number]
        solution = f"### BEGIN SOLUTION\n{RIGHT[number]}\n### END SOLUTION"
        cells += [
            v4.new_markdown_cell(f"## {number} · A question", id=name),
            v4.new_code_cell(f"# Exercise {number}: your answer\n{STUB[number]}\n{solution}", id=f"{name}-answer",
                             metadata=_metadata(f"{name}-answer", solution=True)),
            v4.new_code_cell(f"# Exercise {number}: check ({points} points)\n{CHECK[number]}", id=f"{name}-check",
                             metadata=_metadata(f"{name}-check", grade=True, locked=True, points=points,
                                                cell_type="code")),
            v4.new_markdown_cell("**Solution.** Left out for students.", id=f"{name}-solution",
                                 metadata={"tags": ["solution"]}),
        ]  # fmt: skip
    why = _metadata("exercise-1-4-answer", grade=True, solution=True, points=2, cell_type="markdown")
    cells.append(v4.new_markdown_cell("### BEGIN SOLUTION\nA sum.\n### END SOLUTION", id="exercise-1-4-answer",
                                      metadata=why))  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def course(folder: Path) -> Path:
    """The course folder that holds the assignment `toy`."""
    (folder / "source" / "toy").mkdir(parents=True)
    write(source(), folder / "source" / "toy" / "toy.ipynb")
    shutil.copy(ROOT / "exercises" / "nbgrader_config.py", folder)
    return folder


def student(answers: dict[str, str] | None = None) -> NotebookNode:
    """What a student hands in: the released notebook with these answers."""
    made = source()
    made.cells = [cell for cell in made.cells if "tags" not in cell.metadata]
    for cell in made.cells:
        number = cell.id.removeprefix("exercise-").removesuffix("-answer").replace("-", ".")
        if cell.id.endswith("-answer"):
            text = (STUB if answers is None else STUB | answers)[number]
            cell.source = f"# Exercise {number}: your answer\n{text}" if cell.cell_type == "code" else text
    return made


def cell(notebook: NotebookNode, cell_id: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def write(notebook: NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    return path


def as_colab_saves(notebook: NotebookNode) -> NotebookNode:
    """Metadata of others dropped, the ids in the metadata, an older format, an output of its own."""
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"id": cell.pop("id"), "colab": {"height": 34}})
    notebook.metadata = NotebookNode({"colab": {"provenance": []}, "kernelspec": {"name": "python3"}})
    return notebook | {"nbformat_minor": 0}
