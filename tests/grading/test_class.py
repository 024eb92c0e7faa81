"""A small class is graded once, from the command line: one student for each thing that can go wrong."""

from __future__ import annotations

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import nbformat
import psutil
import pytest
import toy

from grading.__main__ import main
from grading.examine import GRADED
from grading.worker import open_course

LIMITS = ["--cell-seconds=5", "--seconds=45", "--memory-gb=1.5", "--jobs=2"]
SLEEP = [sys.executable, "-c", f"import time; time.sleep(4321)  # {os.getpid()}"]


def slow(notebook):
    notebook.cells[2:2] = [nbformat.v4.new_code_cell("import time; time.sleep(4)") for _ in range(12)]
    return notebook


def tagged(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution"]
    return notebook


ASSERTION = "AssertionError: not c; 1.2: AssertionError: too small; 1.3: AssertionError: not doubled"
WRONG = "def add(a, b):\n    return a"
WARNING = "def add(a, b):\n    import warnings\n    warnings.warn('careful')\n    return a + b"
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
FLOOD = "while True: print('x' * 100_000)"
GREEDY = {
    "a2": "everything = bytearray(50 * 2**30)\ndef add(a, b):\n    return a + b",
    "a3": "more = bytearray(3 * 2**30)\ndef double(a):\n    return 2 * a",
}
LEAVE = f"import subprocess\nsubprocess.Popen({SLEEP}, start_new_session=True)\nanswer = 'c'"
NO_CHECK = toy.without(toy.right(), "exercise-1-2-check")
NO_ANSWER = toy.without(toy.right(), "exercise-1-3-answer")
NO_SETUP = toy.without(toy.right(), "setup")
# Student -> the file, and what is expected: status, points of 1.1, 1.2 and 1.3, a part of the reason.
CLASS = {
    "Right": (toy.right(), "graded", "1 2 3", None),
    "Nothing": (toy.student(), "graded", "0 0 0", f"1.1: {ASSERTION}"),
    "Partly": (toy.right(a2=WRONG), "graded", "1 0 0", "1.2: AssertionError: too small; 1.3: "),
    "Raising": (toy.right(a3="1 / 0"), "graded", "1 2 0", "1.3: ZeroDivisionError: division by zero"),
    "Exiting": (
        toy.right(a2="import os; os._exit(0)"),
        "decide",
        "1",
        "Python ended in the cell '1.2'",
    ),
    "Looping": (toy.right(a2="while True: pass"), "decide", "1 0", "1.2: stopped after 5 s; 1.3: "),
    "Stubborn": (
        toy.right(a1=STUBBORN),
        "decide",
        "2 3",
        "it did not stop when its time was up in the cell '1.1'",
    ),
    "Slow": (slow(toy.right()), "stopped", "", "not finished after 45 s, stopped in the cell 'import time"),
    "Flooding": (toy.right(a2=FLOOD), None, None, None),
    "Greedy": (
        toy.right(**GREEDY),
        "decide",
        "1",
        "1.2: MemoryError. It is right without the line that fails",
    ),
    "Leaving": (toy.right(a1=LEAVE), "graded", "1 2 3", None),
    "Warned": (toy.right(a2=WARNING), "graded", "1 2 3", None),
    "No check": (NO_CHECK, "graded", "1 2 3", "1.2: the check was missing and is put back"),
    "No answer": (NO_ANSWER, "incomplete", "1 2 0", "1.3: the answer's cell is missing"),
    "No setup": (NO_SETUP, "graded", "1 2 3", "setup: not found, so what was released is put back"),
    "Merged": (toy.merged(toy.right()), "graded", "1 2 3", "1.2: the answer stands in another cell"),
    "Colab": (toy.as_colab_saves(toy.right()), "graded", "1 2 3", "metadata was lost and is restored"),
    "Skipping": (tagged(toy.student()), "graded", "0 0 0", f"1.1: {ASSERTION}"),
    "Other": (nbformat.v4.new_notebook(), "refused", "", "none of the assignment's 4 answers is in it"),
    "Empty": (b"", "refused", "", "the file is empty"),
    "Latin": ("# café".encode("latin-1"), "refused", "", "not in UTF-8"),
    "Ünïcode 李雷": (b"{", "refused", "", "not a notebook: NotJSONError"),
}
IDS = {name: str(1001 + number) for number, name in enumerate(CLASS)}


def fingerprints(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """The folder of an export and of all that grading it left."""
    folder = tmp_path_factory.mktemp("class")
    toy.course(folder / "course")
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        for name, (file, *_) in CLASS.items():
            data = file if isinstance(file, bytes) else toy.text(file)
            archive.writestr(f"{name}_{IDS[name]}_assignsubmission_file_/work.ipynb", data)
        archive.writestr("Pdf_2001_assignsubmission_file_/work.pdf", b"%PDF-1.7")
    (folder / "roster.csv").write_text("student,name\n1001,Right\n3001,Absent\n")
    before = fingerprints(folder)
    arguments = line(
        folder, "grade", str(folder / "export.zip"), f"--roster={folder / 'roster.csv'}", *LIMITS
    )
    command = [sys.executable, "-m", "grading", *arguments]
    said = subprocess.run(command, cwd=toy.ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    after = fingerprints(folder)
    assert {path: after[path] for path in before} == before
    (folder / "said.txt").write_text(said.stdout + said.stderr, encoding="utf-8")
    return folder


def line(folder: Path, *arguments: str) -> list[str]:
    return [*arguments, f"--course={folder / 'course'}", "--assignment=toy", f"--output={folder / 'out'}"]


def table(folder: Path) -> dict[str, dict[str, str]]:
    rows = toy.table(folder / "out")
    assert len({row["student"] for row in rows}) == len(rows)
    return toy.rows(folder / "out")


def test_every_student_is_in_the_table(graded: Path):
    rows = table(graded)
    assert rows.keys() == {*CLASS, "Pdf", "Absent"}
    assert {name: rows[name]["student"] for name in CLASS} == IDS
    assert {row["max"] for row in rows.values()} == {"8"}
    assert (rows["Pdf"]["status"], rows["Pdf"]["file"]) == ("refused", "work.pdf")
    assert (rows["Absent"]["status"], rows["Absent"]["reason"]) == ("missing", "nothing was handed in")


@pytest.mark.parametrize("name", [name for name in CLASS if CLASS[name][1]])
def test_status_points_and_reason(name: str, graded: Path):
    _, status, points, reason = CLASS[name]
    row = table(graded)[name]
    assert (row["status"], " ".join(filter(None, (row[n] for n in ("1.1", "1.2", "1.3"))))) == (
        status,
        points,
    ), row
    assert row["total"] == (f"{sum(map(int, points.split()))}" if points else "")
    assert reason in row["reason"] if reason else row["reason"] == ""


def test_endless_output_is_stopped_by_a_limit(graded: Path):
    """By the limit of time, memory or output, whichever is reached first; each has its reason."""
    row = table(graded)["Flooding"]
    assert (row["status"], row["1.2"], row["reason"].split("; ")[0]) in [
        ("decide", "", "it did not stop when its time was up in the cell '1.2'"),
        ("stopped", "", "it displayed more than 50 MB"),
        ("decide", "0", "1.2: stopped after 5 s"),
        ("decide", "0", "1.2: MemoryError"),
    ]


def test_command_prints_who_has_no_points_with_file_and_reason(graded: Path):
    said = (graded / "said.txt").read_text(encoding="utf-8")
    named = re.findall(r"^NOT GRADED: (.*?) \((.*?)\): (.+)", said, re.M)
    ungraded = [row for row in table(graded).values() if row["status"] not in GRADED]
    assert sorted(named) == sorted((row["name"], row["file"] or "no file", row["reason"]) for row in ungraded)
    counts = Counter(row["status"] for row in table(graded).values())
    assert ", ".join(f"{count} {status}" for status, count in counts.most_common()) in said


def test_answer_in_words_has_no_points_before_it_is_marked(graded: Path):
    rows = table(graded)
    assert (rows["Right"]["by hand"], rows["Right"]["1.4"]) == ("1.4", "")
    assert (rows["Nothing"]["by hand"], rows["Nothing"]["1.4"]) == ("", "0")


def test_the_page_for_instructors_has_every_status(graded: Path):
    page = (toy.ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\w+) \|", page.partition("| status | means | points |")[2], re.M)[:6]
    assert set(listed) == {row["status"] for row in table(graded).values()}


def test_every_student_has_a_page(graded: Path):
    pages = graded / "out" / "pages"
    folders = {f"{name}_{IDS[name]}_assignsubmission_file_" for name in CLASS}
    folders |= {"Pdf_2001_assignsubmission_file_", "3001"}
    assert {path.name for path in pages.iterdir()} == folders
    right = (pages / "Right_1001_assignsubmission_file_" / "toy.html").read_text(encoding="utf-8")
    assert "(Score: 6.0 / 8.0)" in right and "About your submission" not in right
    refused = (pages / f"Empty_{IDS['Empty']}_assignsubmission_file_" / "toy.html").read_text(
        encoding="utf-8"
    )
    assert "toy: refused" in refused and "the file is empty" in refused


@pytest.mark.parametrize("name", ["No answer", "Colab", "Raising"])
def test_feedback_page_shows_the_reason_of_the_table(name: str, graded: Path):
    path = graded / "out" / "pages" / f"{name}_{IDS[name]}_assignsubmission_file_" / "toy.html"
    page = path.read_text(encoding="utf-8")
    about, _, rest = page.partition("<body>")[2].partition("</ul>")
    notes = [html.unescape(note) for note in re.findall("<li>(.*?)</li>", about)]
    assert "; ".join(notes) == table(graded)[name]["reason"]
    assert "(Score: " in rest and "<script" not in about


def test_processes_that_a_submission_started_are_killed(graded: Path):
    command = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert [line for line in command if line == SLEEP] == []


def test_solutions_in_words_are_not_in_the_released_notebook(graded: Path):
    text = (graded / "out" / "release" / "toy" / "toy.ipynb").read_text(encoding="utf-8")
    assert "Not for students" not in text and toy.RIGHT["1.2"].splitlines()[1].strip() not in text


def test_points_given_by_hand_are_reported_and_kept(graded: Path, tmp_path: Path):
    folder = shutil.copytree(graded, tmp_path / "copy")
    toy.mark(folder / "out", folder / "course", "exercise-1-4-answer", "1001", 1.5)
    main(line(folder, "report"))
    row = table(folder)["Right"]
    assert (row["total"], row["1.4"], row["by hand"]) == ("7.5", "1.5", "")
    page = folder / "out" / "pages" / "Right_1001_assignsubmission_file_" / "toy.html"
    assert "(Score: 7.5 / 8.0)" in page.read_text(encoding="utf-8")
    # The roster of the first run counts until another is given.
    assert table(folder)["Absent"]["status"] == "missing"
    (folder / "roster.csv").write_text("student,name\n3002,Another\n")
    main(line(folder, "report", f"--roster={folder / 'roster.csv'}"))
    assert "Absent" not in table(folder) and table(folder)["Another"]["status"] == "missing"


def test_second_run_grades_only_new_and_changed_submissions(graded: Path, tmp_path: Path):
    folder = shutil.copytree(graded, tmp_path / "copy")
    toy.write(toy.right(), folder / "late" / "Right_1001_assignsubmission_file_" / "work.ipynb")
    toy.write(
        toy.right(a3="..."), folder / "late" / f"Partly_{IDS['Partly']}_assignsubmission_file_" / "work.ipynb"
    )
    before = (folder / "out" / "autograded" / "1001" / "toy" / "toy.ipynb").stat().st_mtime_ns
    main(line(folder, "grade", str(folder / "late"), *LIMITS))
    rows = table(folder)
    assert rows.keys() == {*CLASS, "Pdf", "Absent"}
    assert (rows["Partly"]["1.2"], rows["Partly"]["1.3"]) == ("2", "0")
    assert (folder / "out" / "autograded" / "1001" / "toy" / "toy.ipynb").stat().st_mtime_ns == before


def test_another_version_of_the_assignment_needs_another_folder(graded: Path, tmp_path: Path):
    folder = shutil.copytree(graded, tmp_path / "copy")
    changed = toy.source()
    toy.cell(changed, "exercise-1-3-check").metadata.nbgrader.points = 30
    toy.write(changed, folder / "course" / "source" / "toy" / "toy.ipynb")
    with pytest.raises(SystemExit, match="another version of it; take a new --output"):
        main(line(folder, "report"))


def test_folder_with_other_files_is_refused_and_unchanged(tmp_path: Path):
    toy.course(tmp_path / "course")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(SystemExit, match="expected a new or an empty folder"):
        main(line(tmp_path, "report"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_an_export_that_does_not_exist_leaves_no_folder(tmp_path: Path):
    toy.course(tmp_path / "course")
    with pytest.raises(SystemExit, match=r"export\.zip: does not exist"):
        main(line(tmp_path, "grade", str(tmp_path / "export.zip")))
    assert [path.name for path in tmp_path.iterdir()] == ["course"]


@pytest.mark.parametrize("option", ["", "--output=", "--roster=", "--course="])
def test_empty_path_is_refused(option: str, tmp_path: Path, monkeypatch, capsys):
    toy.write(toy.right(), tmp_path / "ana" / "work.ipynb")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["grade", *([option, "."] if option else [""]), "--assignment=toy"])
    assert "expected a path, got an empty one" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["ana"]


def test_unknown_assignment_is_refused(tmp_path: Path):
    toy.course(tmp_path / "course")
    arguments = [
        "report",
        f"--course={tmp_path / 'course'}",
        "--assignment=ch99",
        f"--output={tmp_path / 'out'}",
    ]
    with pytest.raises(SystemExit, match=r"no assignment 'ch99' of one notebook; there are: toy"):
        main(arguments)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_nbgrader_alone_gives_nothing_for_a_notebook_from_colab(graded: Path, tmp_path: Path):
    """The reason for the preflight: nbgrader gives no error, no warning and no points."""
    shutil.copy(graded / "out" / "nbgrader_config.py", tmp_path)
    shutil.copy(graded / "out" / "assignment.db", tmp_path / "gradebook.db")
    shutil.copytree(graded / "out" / "source", tmp_path / "source")
    toy.write(toy.as_colab_saves(toy.right()), tmp_path / "submitted" / "ana" / "toy" / "toy.ipynb")
    nbgrader = open_course(tmp_path)
    assert nbgrader.autograde("toy", "ana")["success"]
    with nbgrader.gradebook as gradebook:
        submission = gradebook.find_submission("toy", "ana")
        assert (submission.score, submission.max_score) == (0, 8)
