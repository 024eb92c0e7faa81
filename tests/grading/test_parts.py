"""A class in parts, as on several machines, gives the table of the whole class, and a fault is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import toy

from grading.__main__ import main
from grading.parts import part_of, read_part

STUDENTS = {str(number): name for number, name in enumerate(["Ana", "Bo", "Cleo", "Dan", "Eva"], start=1)}


def line(folder: Path, *arguments: str) -> list[str]:
    return [*arguments, f"--course={folder / 'course'}", "--assignment=toy"]


@pytest.fixture(scope="module")
def class_in_parts(tmp_path_factory, laid_out: Path) -> Path:
    """A class graded as a whole (whole/) and in two parts (1/, 2/), with a roster."""
    folder = tmp_path_factory.mktemp("parts")
    toy.course(folder / "course")
    for student, name in STUDENTS.items():
        notebook = toy.right() if student in "123" else toy.right(a3="...")
        data = toy.text(notebook) if student != "5" else b""
        path = folder / "export" / f"{name}_{student}_assignsubmission_file_" / "work.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    (folder / "class.csv").write_text("student,name\n1,Ana\n9,Absent\n")
    grade = line(
        folder, "grade", str(folder / "export"), f"--roster={folder / 'class.csv'}", "--memory-gb=1.5"
    )
    for name in ("whole", "1", "2"):
        shutil.copytree(laid_out, folder / name)
    main([*grade, f"--output={folder / 'whole'}"])
    for number in (1, 2):
        main([*grade, f"--output={folder / str(number)}", f"--part={number}/2"])
    return folder


def test_a_part_depends_on_the_student_alone():
    assert [part_of(str(number), 20) for number in range(6)] == [6, 16, 2, 19, 3, 14]
    shares = [part_of(f"student-{number}", 20) for number in range(4000)]
    assert set(shares) == set(range(1, 21)) and max(map(shares.count, set(shares))) < 260


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "-1/2", "1/0"])
def test_what_is_no_part_is_refused(text: str):
    with pytest.raises(ValueError, match="expected a part such as 3/20"):
        read_part(text)


def test_each_student_is_in_one_part(class_in_parts: Path):
    found = [{row["student"] for row in toy.table(class_in_parts / str(number))} for number in (1, 2)]
    assert found[0] | found[1] == STUDENTS.keys() and not found[0] & found[1] and all(found)


def test_the_parts_together_are_the_class(class_in_parts: Path, tmp_path: Path):
    parts = [str(class_in_parts / "1"), str(class_in_parts / "2")]
    merge = line(class_in_parts, "merge", *parts, f"--output={tmp_path / 'all'}")
    main(merge)
    assert toy.table(tmp_path / "all") == toy.table(class_in_parts / "whole")
    assert {row["name"]: row["status"] for row in toy.table(tmp_path / "all")}["Absent"] == "missing"
    pages = [
        {path.parent.name for path in (root / "pages").rglob("*.html")}
        for root in (tmp_path / "all", class_in_parts / "whole")
    ]
    assert pages[0] == pages[1]
    toy.mark(tmp_path / "all", class_in_parts / "course", "exercise-1-4-answer", "1", 2)
    main(merge)  # again, after marking: what was given by hand stays
    assert {row["student"]: row["1.4"] for row in toy.table(tmp_path / "all")}["1"] == "2"


def test_what_is_missing_or_double_is_named_and_nothing_is_written(class_in_parts: Path, tmp_path: Path):
    first, second = class_in_parts / "1", class_in_parts / "2"

    def faults(*parts: Path) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(line(class_in_parts, "merge", *map(str, parts), f"--output={tmp_path / 'all'}"))
        assert not (tmp_path / "all").exists()
        return str(stopped.value)

    here = [row for row in toy.table(second) if row["student"] in STUDENTS]
    said = faults(first)
    assert "part 2/2 is missing" in said
    assert all(f"{row['name']} ({row['student']}) has no result: run part 2/2 again" in said for row in here)
    copied = shutil.copytree(second, tmp_path / "copy")
    assert "part 2/2 is double" in faults(first, second, copied)
    lost = here[0]
    (copied / "results" / f"{lost['student']}.json").unlink()
    assert f"{lost['name']} ({lost['student']}) has no result: run part 2/2 again" in faults(first, copied)
    theirs = toy.table(first)[0]["student"]
    shutil.copy(first / "results" / f"{theirs}.json", copied / "results")
    assert f"({theirs}) is double: in 1/2, 2/2" in faults(first, copied)
    assert "no part of a class" in faults(first, class_in_parts / "whole")


def test_a_folder_keeps_its_part(class_in_parts: Path):
    grade = line(class_in_parts, "grade", str(class_in_parts / "export"), f"--output={class_in_parts / '1'}")
    with pytest.raises(SystemExit, match="has another part of the class"):
        main([*grade, "--part=2/2"])
    with pytest.raises(SystemExit, match="has another part of the class"):
        main(grade)
    with pytest.raises(SystemExit, match="has another part of the class"):
        main([*grade, f"--output={class_in_parts / 'whole'}", "--part=2/2"])
