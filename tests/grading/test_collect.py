"""Exports of Moodle and Canvas and plain folders are read: each student has the files handed in."""

from __future__ import annotations

import hashlib
import io
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
    "more folders and a readme around": (
        ["readme.txt", "all/week/ana/a.ipynb", "all/week/ben/b.ipynb"],
        [("ana", "ana", "ana", ["a.ipynb"]), ("ben", "ben", "ben", ["b.ipynb"])],
    ),
    "moodle since 4.1, in a folder, with a readme": (
        [
            "readme.txt",
            "all/Ana Li_1_assignsubmission_file/x/a.ipynb",
            "all/Bo_2_assignsubmission_file/b.ipynb",
        ],
        [
            ("1", "Ana Li", "Ana Li_1_assignsubmission_file", ["a.ipynb"]),
            ("2", "Bo", "Bo_2_assignsubmission_file", ["b.ipynb"]),
        ],
    ),
    "moodle without names, groups, text": (
        [
            "Participant_7_assignsubmission_file_/a.ipynb",
            "Team A-Bo Li_8_assignsubmission_file_/b.ipynb",
            "Team A-Bo Li_8_assignsubmission_onlinetext_/onlinetext.html",
        ],
        [
            ("7", "Participant", "Participant_7_assignsubmission_file_", ["a.ipynb"]),
            ("8", "Team A-Bo Li", "Team A-Bo Li_8_assignsubmission_file_", ["b.ipynb", "onlinetext.html"]),
        ],
    ),
    "canvas in a folder": (
        ["submissions/oakbram_501_9001_a.ipynb", "submissions/fircleo_LATE_502_9002_b.ipynb", "readme.txt"],
        [
            ("501", "oakbram", "oakbram_501_9001_", ["oakbram_501_9001_a.ipynb"]),
            ("502", "fircleo", "fircleo_LATE_502_9002_", ["fircleo_LATE_502_9002_b.ipynb"]),
        ],
    ),
    "canvas without names, groups, links": (
        [
            "anon_Ab12C_9001_a.ipynb",
            "LATE_anon_x9Y8z_9002_b.ipynb",
            "team_alpha_503_9003_c.ipynb",
            "müllerjörg_504_link.html",
            "lampärd2_505_text.html",
        ],
        [
            ("503", "team_alpha", "team_alpha_503_9003_", ["team_alpha_503_9003_c.ipynb"]),
            ("504", "müllerjörg", "müllerjörg_504_link.html", ["müllerjörg_504_link.html"]),
            ("505", "lampärd2", "lampärd2_505_text.html", ["lampärd2_505_text.html"]),
            ("anon_Ab12C", "anon_Ab12C", "anon_Ab12C_9001_", ["anon_Ab12C_9001_a.ipynb"]),
            ("anon_x9Y8z", "anon_x9Y8z", "LATE_anon_x9Y8z_9002_", ["LATE_anon_x9Y8z_9002_b.ipynb"]),
        ],
    ),
    "ilias": (
        [
            "Sheet 4/Müller_Ana_amueller_321/work.ipynb",
            "Sheet 4/De la Cruz_José_jcruz_1322/Late Submission - work.ipynb",
            "Sheet 4/van den Berg_Cleo_cberg_323/work.ipynb",
            "Sheet 4/list.xlsx",
        ],
        [
            ("1322", "José De la Cruz", "De la Cruz_José_jcruz_1322", ["Late Submission - work.ipynb"]),
            ("321", "Ana Müller", "Müller_Ana_amueller_321", ["work.ipynb"]),
            ("323", "Cleo van den Berg", "van den Berg_Cleo_cberg_323", ["work.ipynb"]),
        ],
    ),
    "two of one name": (
        ["Kim Lee_11_assignsubmission_file_/a.ipynb", "Kim Lee_12_assignsubmission_file_/a.ipynb"],
        [
            ("11", "Kim Lee", "Kim Lee_11_assignsubmission_file_", ["a.ipynb"]),
            ("12", "Kim Lee", "Kim Lee_12_assignsubmission_file_", ["a.ipynb"]),
        ],
    ),
    "names with dates": (
        ["kl_2026_04_bram.ipynb", "kl_2026_04_cleo.ipynb"],
        [
            ("kl_2026_04_bram", "kl_2026_04_bram", "kl_2026_04_bram", ["kl_2026_04_bram.ipynb"]),
            ("kl_2026_04_cleo", "kl_2026_04_cleo", "kl_2026_04_cleo", ["kl_2026_04_cleo.ipynb"]),
        ],
    ),
    "files renamed by browsers": (
        ["ana.ipynb.txt", "ben.IPYNB", "cleo.zip"],
        [
            ("ana", "ana", "ana", ["ana.ipynb.txt"]),
            ("ben", "ben", "ben", ["ben.IPYNB"]),
            ("cleo", "cleo", "cleo", ["cleo.zip"]),
        ],
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


def test_late_marks_of_ilias_and_of_canvas_without_names_are_kept(tmp_path: Path):
    names = [
        "LATE_anon_x9Y8z_9002_b.ipynb",
        "Li_Bo_bli_32/Verspätete Abgabe - a.ipynb",
        "anon_Ab12C_9001_a.ipynb",
    ]
    assert [one.late for one in collect(export(tmp_path, *names))] == [True, False, True]


def test_one_late_file_makes_a_submission_late(tmp_path: Path):
    folder = export(tmp_path, "li_502_9001_a.ipynb", "li_LATE_502_9002_b.ipynb")
    assert [(s.late, len(s.files)) for s in collect(folder)] == [(True, 2)]


def test_a_folder_without_a_file_is_a_student(tmp_path: Path):
    (tmp_path / "export" / "ana").mkdir(parents=True)
    assert listed(tmp_path / "export") == [("ana", "ana", "ana", [])]
    assert listed(as_zip(tmp_path / "export", tmp_path / "a.zip")) == [("ana", "ana", "ana", [])]


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["export/bram.ipynb", "export/cleo.ipynb"], "is 'export' a student, or is 'bram.ipynb' one"),
        (["cleo/homework/a.ipynb"], "is 'cleo' a student, or is 'homework' one"),
        (["kl_2026_10_bram.ipynb", "kl_2026_11_cleo.ipynb"], "the number of a student of Canvas, or a date"),
        (["a_45_77_b.ipynb", "c_46_77_d.ipynb"], "have the same number 77, which Canvas gives once"),
        (["ana_45_77_b.ipynb", "bo_45_78_d.ipynb"], "have the same number, 45"),
        (
            ["Ana_1_assignsubmission_file_/a.ipynb", "Bo_1_assignsubmission_file_/b.ipynb"],
            "the same number, 1",
        ),
        (["Ana_1_assignsubmission_file_/a.ipynb", "zoe.ipynb"], "zoe.ipynb has no student's name"),
        (["Ana_7_assignsubmission_file_/a.ipynb", "bo_7_78_d.ipynb"], "have the same number, 7"),
    ],
)
def test_where_it_cannot_be_said_who_is_who_nobody_is_graded(paths: list[str], reason: str, tmp_path: Path):
    with pytest.raises(ValueError, match=reason):
        collect(export(tmp_path / "export", *paths))


def test_the_level_or_the_roster_says_what_is_a_student(tmp_path: Path):
    folder = export(tmp_path / "export", "all/bram.ipynb", "all/cleo.ipynb")
    assert [one.name for one in collect(folder, level=2)] == ["bram", "cleo"]
    assert [one.name for one in collect(folder, level=1)] == ["all"]
    assert [one.name for one in collect(folder, known=["1001", "Bram"])] == ["bram", "cleo"]
    lone = export(tmp_path / "lone", "cleo/homework/a.ipynb")
    assert [one.name for one in collect(lone, known=["cleo"])] == ["cleo"]


def test_files_of_nobody_are_named(tmp_path: Path):
    said = []
    collect(export(tmp_path / "a", "readme.txt", "Ana_1_assignsubmission_file_/a.ipynb"), say=said.append)
    collect(export(tmp_path / "b", "list.csv", "ana/a.ipynb", "ben/a.ipynb"), say=said.append)
    assert said == [
        "Belongs to no student, left out: readme.txt",
        "Belongs to no student, left out: list.csv",
    ]


def test_names_have_one_unicode_form(tmp_path: Path):
    folder = export(tmp_path, unicodedata.normalize("NFD", "Müller/a.ipynb"))
    assert collect(folder)[0].name == unicodedata.normalize("NFC", "Müller")


def test_ids_differ_and_can_be_used_in_paths_and_patterns(tmp_path: Path):
    names = ["a*[b]", "a* [b]", "Ana", "ANA", "ana", "?", "Bram", "🦄 Bram", "o" * 300, "li.", "müller"]
    ids = [
        collect(export(tmp_path / str(n), f"{name[:200]}/x.ipynb"))[0].student for n, name in enumerate(names)
    ]
    assert len({one.casefold() for one in ids}) == len(names)
    assert all(re.fullmatch(r"[\w.-]{1,60}", one) and one[-1] not in "-." for one in ids)
    assert (ids[4], ids[10]) == ("ana", "müller")


def test_an_id_does_not_depend_on_who_else_is_in_the_export(tmp_path: Path):
    names = ["Bram", "🦄 Bram", "bram", "BRAM", "Cleo Fir_21_assignsubmission_file_"]
    for name in names[:4]:
        export(tmp_path / "all", f"{name}/a.ipynb")
        export(tmp_path / name, f"{name}/a.ipynb")
    together = {one.name: one.student for one in collect(tmp_path / "all")}
    assert together == {name: collect(tmp_path / name)[0].student for name in names[:4]}
    late = collect(export(tmp_path / "late", f"{names[4]}/homework/a.ipynb"))
    assert [(one.student, one.name) for one in late] == [("21", "Cleo Fir")]


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
    (tmp_path / "export" / "ben.ipynb").symlink_to(secret)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("ana/a.ipynb", "ben.ipynb"):
            link = zipfile.ZipInfo(name)
            link.create_system, link.external_attr = 3, 0o120777 << 16
            archive.writestr(link, str(secret))
    for given in (tmp_path / "export", tmp_path / "a.zip"):
        results = [examine(one, toy.student())[0] for one in collect(given)]
        assert [(one.name, one.status) for one in results] == [("ana", "refused"), ("ben", "refused")]
        assert all("a link to a file, not the file itself" in note for one in results for note in one.notes)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("Ana Müller", "cp437"), ("Ana Müller", "cp1252"), ("José Peña", "cp1252"), ("李雷", "utf-8")],
)
def test_names_in_a_zip_that_does_not_say_their_encoding_are_read(name: str, encoding: str, tmp_path: Path):
    path = f"{name}_7_assignsubmission_file_/a.ipynb"
    plain = "".join(letter if letter.isascii() else "#" * len(letter.encode(encoding)) for letter in path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(plain, toy.text(toy.right()))
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(plain.encode(), path.encode(encoding)))
    assert [(one.student, one.name) for one in collect(tmp_path / "a.zip")] == [("7", name)]


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
    result, repaired = examine(collect(tmp_path, level=1)[0], toy.student())
    assert (result.file, result.status) == ("new.ipynb", "graded")
    assert result.notes == ["one of 4 notebooks: the latest of those with most of the assignment's cells"]
    assert 'answer = "b"' in toy.cell(repaired.notebook, "exercise-1-1-answer").source


def test_a_blank_notebook_never_counts_beside_one_with_answers(tmp_path: Path):
    for name, notebook, when in [("a", toy.right(), 1), ("z", toy.student(), 1), ("late", toy.student(), 9)]:
        path = toy.write(notebook, tmp_path / "ana" / f"{name}.ipynb")
        os.utime(path, (1e9 + when, 1e9 + when))
    assert examine(collect(tmp_path, level=1)[0], toy.student())[0].file == "a.ipynb"


def test_an_answer_in_another_file_is_noted(tmp_path: Path):
    toy.write(toy.right(a3=toy.STUB["1.3"]), tmp_path / "ana" / "b.ipynb")
    toy.write(toy.student(a3=toy.RIGHT["1.3"]), tmp_path / "ana" / "a.ipynb")
    for path in (tmp_path / "ana").iterdir():
        os.utime(path, (1e9, 1e9))
    result, repaired = examine(collect(tmp_path, level=1)[0], toy.student())
    assert (result.file, repaired.near) == ("b.ipynb", {"1.3": "the file a.ipynb"})


def test_a_zip_of_a_student_is_opened_and_one_that_unpacks_itself_is_not(tmp_path: Path):
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/work.ipynb", toy.text(toy.right()))
        archive.writestr("x/zeros.ipynb", bytes(MAX_BYTES + 10))
        archive.writestr("__MACOSX/x/._work.ipynb", b"")
    (tmp_path / "ana").mkdir()
    (tmp_path / "ana" / "all.zip").write_bytes(inside.getvalue())
    result, _ = examine(collect(tmp_path)[0], toy.student())
    assert (result.status, result.file) == ("graded", "all.zip/work.ipynb")


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
