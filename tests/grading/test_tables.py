"""The class list finds its students, and the points come out as Moodle and Canvas import them."""

from __future__ import annotations

import csv
import errno
import os
from pathlib import Path

import pytest

from grading import tables
from grading.examine import Result


def result(student: str, name: str, system: str = "moodle", status: str = "graded") -> Result:
    return Result(student, name, f"{name}_{student}_", status, [], system=system)


def absent(results: list[Result], roster: dict[str, str]) -> list[str]:
    return [one.student for one in tables.absent(results, roster)]


def test_a_student_is_found_by_the_number_and_then_by_the_name():
    found = [result("11", "Ana Müller"), result("21", "bo LI")]
    assert absent(found, {"11": "Someone", "1002": "Bo  Li", "1003": "Cleo"}) == ["1003"]


def test_of_two_with_one_name_nobody_is_lost():
    """One Kim Lee handed in: the other is missing, and without a number in common both are asked about."""
    assert absent([result("11", "Kim Lee")], {"11": "Kim Lee", "12": "Kim Lee"}) == ["12"]
    both = tables.absent([result("91", "Kim Lee")], {"11": "Kim Lee", "12": "Kim Lee"})
    assert [one.student for one in both] == ["11", "12"]
    assert both[0].notes == ["nothing was handed in under this number; another number has the name Kim Lee"]


def test_a_class_list_of_another_assignment_is_told():
    found = [result("11", "Ana Li"), result("12", "Bo"), result("13", "Cleo"), result("14", "dan", "canvas")]
    roster = {"11": "Li, Ana", "12": "Zoe Bond", "14": "Eva Nu"}
    assert tables.another_name(found, roster) == ["12 is Zoe Bond there and Bo in the export"]


@pytest.mark.parametrize(
    "text",
    [
        "student,name\n11,Ana Müller\n12,李 雷\n",
        "student;name\r\n11;Ana Müller\r\n12;李 雷\r\n",
        "Identifier,Full name,Grade\nParticipant 11,Ana Müller,-\nTeilnehmer 12,李 雷,-\n",
        "Student,ID,SIS User ID,Section\n    Points Possible,,,\nAna Müller,11,x,A\n李 雷,12,y,A\n",
    ],
    ids=["own", "semicolons", "moodle", "canvas"],
)
def test_class_lists_of_each_kind_are_read(text: str, tmp_path: Path):
    (tmp_path / "class.csv").write_bytes(text.encode("utf-8-sig"))
    assert tables.read_roster(tmp_path / "class.csv") == {"11": "Ana Müller", "12": "李 雷"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"name\nAna\n", "expected a CSV with a column 'student'"),
        ("student,name\n1,Müller\n".encode("latin-1"), "not in UTF-8; save it as 'CSV UTF-8'"),
        (b"student,name\n1,Ana\n1,Bo\n", "1 is both 'Ana' and 'Bo'"),
    ],
)
def test_a_class_list_that_cannot_be_used_is_refused(data: bytes, reason: str, tmp_path: Path):
    (tmp_path / "class.csv").write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        tables.read_roster(tmp_path / "class.csv")


def test_only_final_points_are_for_import(tmp_path: Path):
    results = [
        result("1", "Ana"),
        result("2", "Bo", status="decide"),
        result("3", "Cleo", status="refused"),
        result("4", "dan", "canvas"),
        result("anon_Ab12C", "anon_Ab12C", "canvas"),
        result("emil", "emil", ""),
    ]
    rows = [
        {"student": one.student, "name": one.name, "status": one.status, "total": "12.5", "reason": "=1+1"}
        | {"by hand": "4.1" if one.status == "decide" else ""}
        for one in results
    ]
    tables.write_imports(tmp_path, "ch04", rows, results)
    read = {
        name: list(csv.reader(open(tmp_path / f"{name}.csv", encoding="utf-8-sig")))
        for name in ("moodle", "canvas")
    }
    assert read["moodle"] == [list(tables.MOODLE), ["Participant 1", "Ana", "12.5", "-", "'=1+1"]]
    assert read["canvas"] == [[*tables.CANVAS, "ch04"], ["dan", "4", "", "", "", "12.5"]]
    # What Moodle and Canvas look for in the first line.
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(tables.MOODLE)
    assert tables.CANVAS[:2] == ("Student", "ID") and tables.CANVAS[-1] == "Section"
    tables.write_imports(tmp_path, "ch04", [], [])
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch):
    tables.write(tmp_path / "a.json", "old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        tables.write(tmp_path / "a.json", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]
