"""nbgrader reads the book's exercises as assignments, and the students' notebooks fit them."""

from __future__ import annotations

import copy
import functools
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import toy
from toy import ROOT, as_colab_saves, text, without, write

from grading.__main__ import main
from grading.course import Course
from grading.preflight import preflight

CHAPTERS = sorted(path.name for path in (ROOT / "exercises" / "source").glob("ch*"))


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """chapter -> the notebook that nbgrader releases to its students; made once, no test changes it."""

    @functools.cache
    def release(chapter: str):
        return Course(tmp_path_factory.mktemp(chapter) / "out", ROOT / "exercises", chapter).release

    return release


def student_notebook(chapter: str) -> Path:
    return next((ROOT / "book" / "exercises").glob(f"{chapter.removeprefix('ch')}_*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nbgrader_reads_the_assignment_and_its_points(chapter: str, released):
    release = released(chapter)
    stated = re.search(r"\*\*Points:\*\* (\d+)\.", release.cells[0].source)[1]
    checks = [
        cell.metadata.nbgrader for cell in release.cells if cell.metadata.get("nbgrader", {}).get("grade")
    ]
    assert sum(check.points for check in checks) == int(stated)
    assert not any("SOLUTION" in cell.source or "**Solution.**" in cell.source for cell in release.cells)
    repaired = preflight(student_notebook(chapter).read_bytes(), release)
    assert (repaired.notes, repaired.missing) == ([], [])
    assert repaired.found == 2 * len(checks)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_deleted_checks_figures_and_imports_are_put_back(chapter: str, released):
    release = released(chapter)
    notebook = nbformat.read(student_notebook(chapter), as_version=4)
    checks = [cell.id for cell in notebook.cells if cell.id.endswith("-check")]
    without_checks = preflight(text(without(copy.deepcopy(notebook), *checks)), release)
    assert len(without_checks.notes) == len(checks)
    assert all(note.endswith("the check was missing and is put back") for note in without_checks.notes)
    answers = [cell for cell in notebook.cells if cell.id.endswith("-answer") or cell.cell_type != "code"]
    with_answers = preflight(text(nbformat.v4.new_notebook(cells=answers)), release)
    for repaired in (without_checks, with_answers):
        found, wanted = ([c for c in n.cells if c.cell_type == "code"] for n in (repaired.notebook, release))
        assert [cell.id for cell in found] == [cell.id for cell in wanted]
        pairs = zip(found, wanted, strict=True)
        assert all(a.source == b.source for a, b in pairs if not a.id.endswith("-answer"))


def test_chapter_4_is_graded(tmp_path: Path):
    source = ROOT / "exercises" / "source" / "ch04" / "ch04.ipynb"
    for name in ("untouched", "right", "colab"):
        (tmp_path / "export" / name).mkdir(parents=True)
    shutil.copy(student_notebook("ch04"), tmp_path / "export" / "untouched")
    shutil.copy(source, tmp_path / "export" / "right")
    write(
        as_colab_saves(nbformat.read(source, as_version=4)),
        tmp_path / "export" / "colab" / "Copy of 04.ipynb",
    )
    main(
        [
            "grade",
            str(tmp_path / "export"),
            "--assignment=ch04",
            f"--output={tmp_path / 'out'}",
            "--memory-gb=2",
        ]
    )
    rows = toy.rows(tmp_path / "out")
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(rows, "graded")
    assert rows["right"]["total"] == rows["colab"]["total"] == rows["right"]["max"]
    assert rows["untouched"]["total"] == "0"
    assert rows["untouched"]["reason"].startswith("4.1: not attempted yet; 4.2: not attempted yet")
