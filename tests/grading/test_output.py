"""The output folder stays whole: runs that are killed, two graders at once, a full disk, damaged files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
import toy

from grading import course as course_module
from grading import run as run_module
from grading.__main__ import main
from grading.course import LOCK, Course

NAMES = ["Ana", "Bo", "Cleo", "Dan"]


def command(folder: Path, *arguments: str) -> list[str]:
    return [
        *arguments,
        f"--course={folder / 'course'}",
        "--assignment=toy",
        f"--output={folder / 'out'}",
    ]


def grade(folder: Path, *more: str) -> list[str]:
    return command(folder, "grade", str(folder / "export"), "--memory-gb=1.5", "--jobs=1", *more)


@pytest.fixture
def folder(tmp_path: Path, laid_out: Path) -> Path:
    """A course, its output folder, and an export of Moodle with one student."""
    toy.course(tmp_path / "course")
    shutil.copytree(laid_out, tmp_path / "out")
    toy.write(toy.right(), tmp_path / "export" / "Ana_1_assignsubmission_file_" / "work.ipynb")
    return tmp_path


def add(folder: Path, *names: str) -> None:
    for number, name in enumerate(names, start=2):
        toy.write(toy.right(), folder / "export" / f"{name}_{number}_assignsubmission_file_" / "work.ipynb")


def test_a_second_grader_on_the_folder_says_so_and_stops(folder: Path):
    course = Course(folder / "out", folder / "course", "toy")
    with pytest.raises(SystemExit, match="another grader works in this folder"):
        main(grade(folder))
    assert not (folder / "out" / "results").exists()
    course.close()
    main(command(folder, "report"))


def test_the_run_begins_with_who_was_found(folder: Path, capsys):
    add(folder, "Bo")
    with pytest.raises(SystemExit, match="no assignment 'other' of one notebook"):
        main([*grade(folder), "--assignment=other"])
    assert capsys.readouterr().out.splitlines()[0] == "2 students found: Ana (1), Bo (2)"


def test_a_damaged_result_is_named_and_made_again(folder: Path, capsys):
    main(grade(folder))
    (folder / "out" / "results" / "1.json").write_bytes(b"")
    main(command(folder, "report"))
    assert (
        "NOT GRADED: 1 (no file): its stored result cannot be read: grade it again" in capsys.readouterr().err
    )
    main(grade(folder))
    assert toy.rows(folder / "out")["Ana"]["total"] == "6"
    assert json.loads((folder / "out/results/1.json").read_text())
    # The number of one student is never another's.
    (folder / "export" / "Ana_1_assignsubmission_file_").rename(
        folder / "export" / "Zoe_1_assignsubmission_file_"
    )
    with pytest.raises(SystemExit, match="1 was 'Ana' in an earlier run and is 'Zoe' in this export"):
        main(grade(folder))


def test_a_folder_that_was_left_while_it_was_laid_out_is_laid_out_again(folder: Path):
    shutil.rmtree(folder / "out")
    (folder / "out" / "source" / "toy").mkdir(parents=True)
    (folder / "out" / LOCK).touch()
    (folder / "out" / "gradebook.db").write_bytes(b"half")
    main(grade(folder))
    assert toy.rows(folder / "out")["Ana"]["status"] == "graded"


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_loses_nothing_and_grades_nothing_twice(folder: Path, kind: int):
    """In a temporary folder whose path is too long for a socket, too."""
    add(folder, *NAMES[1:])
    temporary = folder / ("temporary" * 12)
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "grading", *grade(folder)],
        cwd=toy.ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("[1/"):
            break
    process.send_signal(kind)
    _, said = process.communicate()
    assert process.returncode
    if kind == signal.SIGTERM:
        assert "told to end; what was graded is stored" in said
        assert not list(temporary.glob("grading-*"))
    stored = {path: path.stat().st_mtime_ns for path in (folder / "out" / "results").glob("*.json")}
    assert 1 <= len(stored) < len(NAMES)
    deadline = time.monotonic() + 60
    while True:  # the lock is free when the last process of the killed run has ended
        try:
            main(grade(folder))
            break
        except SystemExit as error:
            assert "another grader" in str(error) and time.monotonic() < deadline
            time.sleep(1)
    assert {name: row["total"] for name, row in toy.rows(folder / "out").items()} == dict.fromkeys(NAMES, "6")
    assert {path: path.stat().st_mtime_ns for path in stored} == stored


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(folder: Path, monkeypatch):
    add(folder, "Bo")
    write, count = course_module.write, []

    def full(path: Path, text: str) -> None:
        count.append(path)
        if len(count) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, text)

    monkeypatch.setattr(course_module, "write", full)
    with pytest.raises(SystemExit, match="No space left on device"):
        main(grade(folder))
    assert len(list((folder / "out" / "results").iterdir())) == 1
    main(grade(folder))
    assert {row["total"] for row in toy.rows(folder / "out").values()} == {"6"}


def test_a_full_disk_is_not_blamed_on_a_student(folder: Path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(run_module.shutil, "disk_usage", lambda path: usage(0))
    monkeypatch.setattr(run_module, "_attempt", lambda *_: run_module.Run("no reason given"))
    with pytest.raises(SystemExit, match="the disk is full, what was graded so far is stored"):
        main(grade(folder))
    assert not list((folder / "out" / "results").glob("*"))


def test_a_folder_that_cannot_be_written_is_a_clear_error(folder: Path):
    shutil.rmtree(folder / "out")
    (folder / "out").write_text("a file")
    with pytest.raises(SystemExit, match=r"^grading: .*out"):
        main(grade(folder))
    assert (folder / "out").read_text() == "a file"


def test_pages_are_packed_as_moodle_and_canvas_take_them(folder: Path):
    toy.write(toy.right(), folder / "canvas" / "anali_LATE_501_9001_work.ipynb")
    main(grade(folder))
    main(command(folder, "grade", str(folder / "canvas"), "--memory-gb=1.5"))
    with zipfile.ZipFile(folder / "out" / "feedback.zip") as archive:
        assert archive.namelist() == ["Ana_1_assignsubmission_file_/toy.html", "anali_LATE_501_9001_toy.html"]
    assert toy.rows(folder / "out")["anali"]["late"] == "yes"


def test_who_was_graded_before_and_whose_number_is_another_one_s_is_told(folder: Path, capsys):
    main(grade(folder))
    late = folder / "late" / "Bo_2_assignsubmission_file_" / "work.ipynb"
    toy.write(toy.right(), late)
    (folder / "class.csv").write_text("student,name\n2,Zoe Bond\n7,Absent\n")
    roster = f"--roster={folder / 'class.csv'}"
    main(command(folder, "grade", str(folder / "late"), roster, "--memory-gb=1.5"))
    said = capsys.readouterr()
    assert "1 more from earlier runs stay in the table: Ana" in said.out
    assert "CLASS LIST: 2 is Zoe Bond there and Bo in the export; 1 in all" in said.err
    with zipfile.ZipFile(folder / "out" / "feedback.zip") as archive:
        assert {name.partition("_")[0] for name in archive.namelist()} == {"Ana", "Bo"}  # none of Absent


def test_a_student_reads_who_decides_and_that_it_was_decided(folder: Path):
    work = folder / "export" / "Ana_1_assignsubmission_file_" / "work.ipynb"
    toy.write(toy.right(a2="def plus(a, b):\n    return a + b"), work)
    main(grade(folder))
    page = folder / "out" / "pages" / "Ana_1_assignsubmission_file_" / "toy.html"
    reason = toy.rows(folder / "out")["Ana"]["reason"]
    assert "1.2: NameError: name 'add' is not defined. Its cell has no add" in reason
    assert "another name: for you to decide" in reason
    assert "another name: your instructor decides" in page.read_text(encoding="utf-8")
    toy.mark(folder / "out", folder / "course", "exercise-1-2-check", "1", 2)
    main(command(folder, "report"))
    row = toy.rows(folder / "out")["Ana"]
    assert "another name: decided by hand" in row["reason"] and row["1.2"] == "2"
    assert "another name: decided by hand" in page.read_text(encoding="utf-8")


def test_nbgrader_s_own_commands_find_what_they_run(folder: Path):
    """In an environment that is not activated, as the page for instructors has it."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", "toy"],
        cwd=folder / "course",
        env=os.environ | {"PATH": os.pathsep.join(["/usr/bin", "/bin"]), "PYTHONPATH": str(toy.ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "course" / "release" / "toy" / "toy.ipynb").is_file()


def test_a_feedback_page_that_cannot_be_made_takes_no_points(folder: Path, monkeypatch):
    main(grade(folder))
    (folder / "out" / "feedback" / "1" / "toy" / "toy.html").unlink()
    course = Course(folder / "out", folder / "course", "toy")
    course.report()
    course.close()
    assert toy.rows(folder / "out")["Ana"]["total"] == "6"
    assert "toy: graded" in (folder / "out/pages/Ana_1_assignsubmission_file_/toy.html").read_text()


def test_no_temporary_folder_is_left(folder: Path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    main(grade(folder))
    assert not list(folder.glob("grading-*"))
