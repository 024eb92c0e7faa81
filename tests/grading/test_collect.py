"""Exports of Moodle and Canvas and plain folders are read: each student has the files handed in."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
import zipfile
from pathlib import Path

import pytest
import toy

from grading.collect import MAX_BYTES, collect
from grading.examine import examine


def export(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def as_zip(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def listed(export: Path) -> list[tuple]:
    return [(s.student, s.name, s.folder, [file.name for file in s.files]) for s in collect(export)]


# Layout -> paths, and for each student: id, name, folder, names of files.
LAYOUTS = {
    "moodle": (
        ["Ana Müller_1001_assignsubmission_file_/a.ipynb", "李 雷_1002_assignsubmission_file_/b.ipynb"],
        [
            ("1001", "Ana Müller", "Ana Müller_1001_assignsubmission_file_", ["a.ipynb"]),
            ("1002", "李 雷", "李 雷_1002_assignsubmission_file_", ["b.ipynb"]),
        ],
    ),
    "moodle without folders": (
        ["Ana_1001_assignsubmission_file_my_a.ipynb"],
        [("1001", "Ana", "Ana_1001_assignsubmission_file_", ["Ana_1001_assignsubmission_file_my_a.ipynb"])],
    ),
    "canvas": (
        ["ana_501_9001_a-1.ipynb", "li_LATE_502_9002_b_final.ipynb", "li_LATE_502_9003_notes.pdf"],
        [
            ("501", "ana", "ana_501_9001_", ["ana_501_9001_a-1.ipynb"]),
            (
                "502",
                "li",
                "li_LATE_502_9002_",
                ["li_LATE_502_9002_b_final.ipynb", "li_LATE_502_9003_notes.pdf"],
            ),
        ],
    ),
    "folders": (
        ["ana/a.ipynb", "ben/deep/er/b.ipynb", "ben/c.ipynb"],
        [("ana", "ana", "ana", ["a.ipynb"]), ("ben", "ben", "ben", ["c.ipynb", "b.ipynb"])],
    ),
    "folders with numbers": (
        ["team_1_2_x/a.ipynb", "team_1_3_y/b.ipynb"],
        [
            ("team_1_2_x", "team_1_2_x", "team_1_2_x", ["a.ipynb"]),
            ("team_1_3_y", "team_1_3_y", "team_1_3_y", ["b.ipynb"]),
        ],
    ),
    "files": (
        ["ana.ipynb", "ben.ipynb"],
        [("ana", "ana", "ana", ["ana.ipynb"]), ("ben", "ben", "ben", ["ben.ipynb"])],
    ),
    "one more folder around": (
        ["export/ana/a.ipynb", "export/ben/b.ipynb", "__MACOSX/export/ana/._a.ipynb"],
        [("ana", "ana", "ana", ["a.ipynb"]), ("ben", "ben", "ben", ["b.ipynb"])],
    ),
    "traces of editors": (
        ["ana/a.ipynb", "ana/.ipynb_checkpoints/a-checkpoint.ipynb", ".DS_Store", "Thumbs.db"],
        [("ana", "ana", "ana", ["a.ipynb"])],
    ),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_of_an_export_is_read(layout: str, zipped: bool, tmp_path: Path):
    paths, wanted = LAYOUTS[layout]
    folder = export(tmp_path / "export", *paths)
    found = listed(as_zip(folder, tmp_path / "export.zip") if zipped else folder)
    assert [(*who, sorted(files)) for *who, files in found] == [
        (*who, sorted(files)) for *who, files in wanted
    ]


def test_late_mark_of_canvas_is_kept(tmp_path: Path):
    folder = export(tmp_path, "li_LATE_502_9002_b.ipynb", "wu_503_9003_b.ipynb")
    assert [(s.name, s.late) for s in collect(folder)] == [("li", True), ("wu", False)]


def test_one_late_file_makes_a_submission_late(tmp_path: Path):
    folder = export(tmp_path, "li_502_9001_a.ipynb", "li_LATE_502_9002_b.ipynb")
    assert [(s.late, len(s.files)) for s in collect(folder)] == [(True, 2)]


def test_a_folder_without_a_file_is_a_student(tmp_path: Path):
    (tmp_path / "export" / "ana").mkdir(parents=True)
    assert listed(tmp_path / "export") == [("ana", "ana", "ana", [])]
    assert listed(as_zip(tmp_path / "export", tmp_path / "a.zip")) == [("ana", "ana", "ana", [])]


def test_names_have_one_unicode_form(tmp_path: Path):
    folder = export(tmp_path, unicodedata.normalize("NFD", "Müller/a.ipynb"))
    assert collect(folder)[0].name == unicodedata.normalize("NFC", "Müller")


def test_ids_differ_and_can_be_used_in_paths_and_patterns(tmp_path: Path):
    folder = export(tmp_path, "a*[b]/x.ipynb", "a* [b]/x.ipynb", "Ana/x.ipynb", "ANA/x.ipynb", "?/x.ipynb")
    ids = [submission.student for submission in collect(folder)]
    assert sorted(ids) == ["ANA", "Ana-2", "a-b", "a-b-2", "student"]


@pytest.mark.parametrize(
    "path", ["../../evil.ipynb", "/etc/evil.ipynb", "ana/../../evil.ipynb", "C:\\evil.ipynb"]
)
def test_path_outside_the_archive_is_refused_and_the_rest_is_graded(path: str, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(path, toy.text(toy.right()))
        archive.writestr("ben/b.ipynb", toy.text(toy.right()))
    bad, good = sorted(collect(tmp_path / "a.zip"), key=lambda submission: not submission.unsafe)
    result, repaired = examine(bad, toy.student())
    assert (result.status, result.notes, repaired) == (
        "refused",
        ["its path points outside the archive"],
        None,
    )
    assert re.fullmatch(r"\w[\w.-]*", result.folder) and result.folder == result.student
    assert examine(good, toy.student())[0].status == "graded"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_links_are_not_followed(tmp_path: Path):
    secret = toy.write(toy.right(), tmp_path / "secret.ipynb")
    (tmp_path / "export" / "ana").mkdir(parents=True)
    (tmp_path / "export" / "ana" / "a.ipynb").symlink_to(secret)
    assert listed(tmp_path / "export") == [("ana", "ana", "ana", [])]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "does not exist; expected a folder or a zip"),
        (lambda path: path.write_text("a"), "expected a folder or a zip"),
        (lambda path: path.mkdir(), "no submission in it"),
    ],
    ids=["nothing", "text", "empty folder"],
)
def test_path_that_is_no_export_is_refused(make, reason: str, tmp_path: Path):
    make(tmp_path / "export")
    with pytest.raises(ValueError, match=f"export: {reason}"):
        collect(tmp_path / "export")


def test_latest_of_the_notebooks_that_fit_is_graded(tmp_path: Path):
    for name, answer, when in [("old", '"a"', 1), ("new", '"b"', 3), ("copy", '"c"', 2)]:
        path = toy.write(toy.right(a1=f"answer = {answer}"), tmp_path / "ana" / f"{name}.ipynb")
        os.utime(path, (1e9 + when, 1e9 + when))
    toy.write(toy.v4.new_notebook(), tmp_path / "ana" / "scratch.ipynb")
    result, repaired = examine(collect(tmp_path)[0], toy.student())
    assert (result.file, result.status) == ("new.ipynb", "graded")
    assert result.notes == ["one of 4 notebooks: the latest of those with most of the assignment's cells"]
    assert 'answer = "b"' in toy.cell(repaired.notebook, "exercise-1-1-answer").source


def test_a_file_too_large_is_refused(tmp_path: Path):
    (tmp_path / "ana").mkdir()
    with open(tmp_path / "ana" / "a.ipynb", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    result, _ = examine(collect(tmp_path)[0], toy.student())
    assert (result.status, result.notes) == ("refused", ["larger than 50 MB"])


def test_a_damaged_entry_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("ana/a.ipynb", toy.text(toy.right()))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[100] ^= 255
    (tmp_path / "a.zip").write_bytes(data)
    result, _ = examine(collect(tmp_path / "a.zip")[0], toy.student())
    assert result.status == "refused" and result.notes[0].startswith("cannot be read: BadZipFile")


def test_collecting_changes_nothing(tmp_path: Path):
    folder = export(tmp_path / "export", *LAYOUTS["moodle"][0])
    archive = as_zip(folder, tmp_path / "export.zip")
    before = hashlib.sha256(archive.read_bytes()).hexdigest()
    for submission in collect(archive):
        examine(submission, toy.student())
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "export.zip"]
