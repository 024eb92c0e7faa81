"""The output folder stays whole: runs that are killed, two graders at once, a full disk, damaged files."""

from __future__ import annotations

import csv
import errno
import json
import os
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


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with open(folder / "out" / "grades.csv", newline="", encoding="utf-8-sig") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A course, and an export of Moodle with one student."""
    toy.course(tmp_path / "course")
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
    assert rows(folder)["Ana"]["total"] == "6" and json.loads((folder / "out/results/1.json").read_text())
    # The number of one student is never another's.
    (folder / "export" / "Ana_1_assignsubmission_file_").rename(
        folder / "export" / "Zoe_1_assignsubmission_file_"
    )
    with pytest.raises(SystemExit, match="1 was 'Ana' in an earlier run and is 'Zoe' in this export"):
        main(grade(folder))


def test_a_folder_that_was_left_while_it_was_laid_out_is_laid_out_again(folder: Path):
    (folder / "out" / "source" / "toy").mkdir(parents=True)
    (folder / "out" / LOCK).touch()
    (folder / "out" / "gradebook.db").write_bytes(b"half")
    main(grade(folder))
    assert rows(folder)["Ana"]["status"] == "graded"


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
    assert {name: row["total"] for name, row in rows(folder).items()} == dict.fromkeys(NAMES, "6")
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
    assert {row["total"] for row in rows(folder).values()} == {"6"}


def test_a_full_disk_is_not_blamed_on_a_student(folder: Path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(run_module.shutil, "disk_usage", lambda path: usage(0))
    monkeypatch.setattr(run_module, "_attempt", lambda *_: run_module.Run("no reason given"))
    with pytest.raises(SystemExit, match="the disk is full, what was graded so far is stored"):
        main(grade(folder))
    assert not list((folder / "out" / "results").glob("*"))


def test_a_folder_that_cannot_be_written_is_a_clear_error(folder: Path):
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
    assert rows(folder)["anali"]["late"] == "yes"


def test_a_feedback_page_that_cannot_be_made_takes_no_points(folder: Path, monkeypatch):
    main(grade(folder))
    (folder / "out" / "feedback" / "1" / "toy" / "toy.html").unlink()
    course = Course(folder / "out", folder / "course", "toy")
    course.report()
    course.close()
    assert rows(folder)["Ana"]["total"] == "6"
    assert "toy: graded" in (folder / "out/pages/Ana_1_assignsubmission_file_/toy.html").read_text()


def test_no_temporary_folder_is_left(folder: Path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    main(grade(folder))
    assert not list(folder.glob("grading-*"))
