"""What students really hand in: no right answer gets 0 without a human being asked.

Each case is the smallest of a kind that public reports on graders describe. All are graded at once, and each
reason is what the student would say happened.
"""

from __future__ import annotations

import copy
import gzip
import importlib.util
import io
import json
import re
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest
import toy
from nbformat import v4

from grading.__main__ import main
from grading.collect import File, Submission
from grading.examine import examine
from grading.preflight import preflight

A2, A3 = toy.RIGHT["1.2"], toy.RIGHT["1.3"]
WRONG = "def add(a, b):\n    return a"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def code(text: str, name: str = "0f3e"):
    return v4.new_code_cell(text, id=name)


def words(text: str, name: str = "0f3f", **own):
    return v4.new_markdown_cell(text, id=name, **own)


def at(notebook, place: str, *cells, before: bool = False):
    """The notebook with cells added behind a cell, or before it."""
    index = next(i for i, cell in enumerate(notebook.cells) if cell.id == place)
    index += not before
    notebook.cells[index:index] = cells
    return notebook


def end(notebook, *cells):
    notebook.cells += cells
    return notebook


def changed(notebook, place: str, text: str):
    """The notebook with another source of a cell."""
    toy.cell(notebook, place).source = text
    return notebook


def stub(*numbers: str, **other: str):
    """Right answers except that these cells are as they were given."""
    return toy.right(**{f"a{number}": toy.STUB[f"1.{number}"] for number in numbers}, **other)


def with_metadata(notebook, **metadata):
    """The notebook with other metadata, its own and that of its cells, but for nbgrader's."""
    notebook.metadata = metadata
    for cell in notebook.cells:
        cell.metadata["trusted"] = True
    return notebook


def zipped(**files: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def opening(text: str):
    """Right answers, and a line of the student before the assignment's own setup."""
    return changed(toy.right(), "setup", f"{text}\n{toy.SETUP}")


def check_of(number: str) -> str:
    return toy.cell(toy.student(), f"exercise-1-{number}-check").source


def answer_of(number: str) -> str:
    return toy.cell(toy.right(), f"exercise-1-{number}-answer").source


RIGHT = toy.text(toy.right())
SURROGATE = toy.right(a2=f'note = "EMOJI"\n{A2}')
INSTALL = (
    "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'nothing-here'])"
)
MOVED = "the answer stands in another cell"
DECIDE = "for you to decide"

# Answers in unusual places
PLACES = {
    "Copied behind the check": (
        at(stub("2"), "exercise-1-2-check", code(A2)),
        "graded",
        "1 2 3",
        f"1.2: {MOVED}",
    ),
    "New cell above": (at(stub("2"), "exercise-1-2-answer", code(A2), before=True), "graded", "1 2 3", MOVED),
    "All in the last cell": (
        end(stub("1", "2", "3"), code("\n".join(toy.RIGHT[f"1.{n}"] for n in (1, 2, 3)))),
        "graded",
        "1 2 3",
        f"1.1: {MOVED}; 1.2: {MOVED}; 1.3: {MOVED}",
    ),
    "In the check's cell": (
        changed(stub("2"), "exercise-1-2-check", f"{A2}\n{check_of('2')}"),
        "graded",
        "1 2 3",
        MOVED,
    ),
    "Check's cell below its call": (
        changed(stub("2"), "exercise-1-2-check", f"{check_of('2')}\n{A2}"),
        "graded",
        "1 2 3",
        MOVED,
    ),
    "Merged into the check": (
        changed(
            toy.without(toy.right(), "exercise-1-2-answer"),
            "exercise-1-2-check",
            f"{answer_of('2')}\n\n{check_of('2')}",
        ),
        "graded",
        "1 2 3",
        MOVED,
    ),
    "Merged into the answer": (
        changed(
            toy.without(toy.right(), "exercise-1-2-check"),
            "exercise-1-2-answer",
            f"{answer_of('2')}\n\n{check_of('2')}",
        ),
        "graded",
        "1 2 3",
        "the check was missing",
    ),
    "Value in the check": (
        changed(stub("1"), "exercise-1-1-check", 'result = "c"\nassert result == "c", "not c"'),
        "decide",
        "- 2 3",
        "1.1: AssertionError: not c. The student's cell 'result = \"c\"' may be the answer",
    ),
    "Lambda in the check": (
        changed(
            stub("2", a3="def double(a):\n    return a + a"),
            "exercise-1-2-check",
            "check('1.2', (lambda a, b: a + b)(2, 3) == 5, '')",
        ),
        "decide",
        "1 - 3",
        "may be the answer",
    ),
    "In a text cell": (
        at(stub("2", "3"), "exercise-1-2-check", words(f"My answer:\n```python\n{A2}\n```")),
        "decide",
        "1 - 0",
        "The text 'My answer:' is right",
    ),
    "In words below the question": (
        at(stub("1"), "exercise-1-1", words("I think it is c.")),
        "decide",
        "- 2 3",
        "The text 'I think it is c.' may be the answer",
    ),
    "Written into the question": (
        changed(stub("1"), "exercise-1-1", "## 1.1 · A question\n\nMy answer is c"),
        "decide",
        "- 2 3",
        "may be the answer",
    ),
    "As a comment": (
        toy.right(a1='# it is "c"\nanswer = None'),
        "decide",
        "- 2 3",
        "What is written in words in its cell may be the answer",
    ),
    "Another name": (
        at(
            stub("2", a3="def double(a):\n    return 2 * a"),
            "exercise-1-2-answer",
            code("def plus(a, b):\n    return a + b"),
        ),
        "decide",
        "1 - 3",
        "The student's cell 'def plus(a, b):' may be the answer",
    ),
    "Another name at the end": (
        end(stub("2", a3="def double(a):\n    return 2 * a"), code("def plus(a, b):\n    return a + b")),
        "decide",
        "1 - 3",
        "'def plus(a, b):' may be the answer",
    ),
    "Corrected below": (
        at(toy.right(a2=WRONG), "exercise-1-2-check", code(A2)),
        "decide",
        "1 - 3",
        "1.2: AssertionError: too small. The student's cell 'def add(a, b):' is right",
    ),
    "Tried again below and wrong": (
        at(toy.right(), "exercise-1-2-check", code(WRONG, "try"), code(A2)),
        "graded",
        "1 2 3",
        None,
    ),
    "Two guesses": (
        at(
            toy.right(a1='answer = "a"'),
            "exercise-1-1-check",
            code('answer = "b"', "x"),
            code('answer = "c"', "y"),
        ),
        "decide",
        "- 2 3",
        "is right",
    ),
    "In the cell of another": (stub("3", a2=f"{A2}\n{A3}"), "graded", "1 2 3", f"1.3: {MOVED}"),
    "Stub below the answer": (
        toy.right(a2=f"{A2}\n{toy.STUB['1.2']}", a3="def double(a):\n    return 2 * a"),
        "decide",
        "1 - 3",
        "Its cell without the line that was given is right",
    ),
    "Helper further down": (
        end(
            toy.right(a2="def add(a, b):\n    return helper(a, b)"),
            code("def helper(a, b):\n    return a + b"),
        ),
        "decide",
        "1 - -",
        "It is right when it is run at the end",
    ),
    "No helper": (
        toy.right(a2="def add(a, b):\n    return helper(a, b)"),
        "graded",
        "1 0 0",
        "1.2: NameError: name 'helper' is not defined",
    ),
    "In an if": (
        toy.right(a2=f"if True:\n    {A2.replace(chr(10), chr(10) + '    ')}"),
        "graded",
        "1 2 3",
        None,
    ),
    "With a type": (toy.right(a1='answer: str = "c"'), "graded", "1 2 3", None),
    "Timed": (at(stub("2"), "exercise-1-2-check", code(f"%%time\n{A2}")), "graded", "1 2 3", MOVED),
    "Only a scratch cell": (
        at(stub("3"), "exercise-1-1-check", code("1 + 1")),
        "graded",
        "1 2 0",
        "1.3: AssertionError: not doubled",
    ),
    "Words elsewhere": (
        end(toy.without(toy.right(), "exercise-1-4-answer"), words("It adds up.")),
        "decide",
        "1 2 3",
        "1.4: the text 'It adds up.' may be the answer",
    ),
}

# What stands in the answer's own cell
OWN_2 = "def double(a):\n    return 2 * a"
NO_NAME = "{} has no add, which may stand there under another name"
OWN_CELLS = {
    "Marks of Markdown around it": (
        toy.right(a2=f"```python\n{A2}\n```", a3=OWN_2),
        "decide",
        "1 - 3",
        "1.2: SyntaxError: invalid syntax (",
    ),
    "Words before it": (
        toy.right(a2=f"this is my answer\n{A2}", a3=OWN_2),
        "decide",
        "1 - 3",
        "It is right without the line that fails",
    ),
    "Quotes of a word processor": (
        toy.right(a1="answer = \u201cc\u201d"),
        "decide",
        "- 2 3",
        "1.1: SyntaxError: invalid character '\u201c'",
    ),
    "Tabs and blanks": (
        toy.right(a2="def add(a, b):\n\tc = a + b\n        return c"),
        "decide",
        "1 - -",
        f"{DECIDE}; 1.3: NameError: name 'add' is not defined. {NO_NAME.format('The cell of 1.2')}",
    ),
    "A letter of another alphabet": (
        toy.right(a2="def \u0430dd(a, b):\n    return a + b", a3=OWN_2),
        "decide",
        "1 - 3",
        NO_NAME.format("Its cell"),
    ),
    "A name of its own": (
        toy.right(a1="Answer = 'c'"),
        "decide",
        "- 2 3",
        "1.1: NameError: name 'answer' is not defined. Its cell has no answer",
    ),
    "Right and then wrong": (
        toy.right(a2=f"{A2}\n{WRONG}", a3=OWN_2),
        "decide",
        "1 - 3",
        "1.2: AssertionError: too small. An earlier definition in its cell is right",
    ),
    "Asks when it is called": (
        toy.right(a2="def add(a, b):\n    input('Enter')\n    return a + b", a3=OWN_2),
        "decide",
        "1 - 3",
        "input requests. It asks for input, which nobody gives while grading",
    ),
    "On a graphics card": (
        toy.right(a2="def add(a, b):\n    raise RuntimeError('No CUDA GPUs are available')", a3=OWN_2),
        "decide",
        "1 - 3",
        "It asks for a graphics card, and there is none where this was graded",
    ),
    "Measured": (toy.right(a2=f"%%timeit\n{A2}"), "graded", "1 2 3", "%%timeit: not known here and skipped"),
}

# Surroundings
SURROUNDINGS = {
    "Missing package": (
        opening("import nothing_here as nh\nnh.set_theme()"),
        "graded",
        "1 2 3",
        "import nothing_here as nh: could not be imported where this was graded",
    ),
    "Missing package and helper": (
        changed(
            toy.right(a2="def add(a, b):\n    return plus(a, b)"),
            "setup",
            f"import nothing_here\nfrom operator import add as plus\n{toy.SETUP}",
        ),
        "graded",
        "1 2 3",
        "import nothing_here: could not be imported",
    ),
    "Colab's drive": (
        opening("from google.colab import drive\ndrive.mount('/content/drive')\nimport os"),
        "graded",
        "1 2 3",
        "from google.colab import drive: could not be imported",
    ),
    "Colab's folder": (
        opening("import os\nos.chdir('/content/drive/MyDrive')"),
        "graded",
        "1 2 3",
        None,
    ),
    "Missing package used": (
        toy.right(a2="import nothing_here\n\ndef add(a, b):\n    return nothing_here.add(a, b)"),
        "decide",
        "1 - -",
        "It uses nothing_here, which could not be imported here",
    ),
    "Needs what a failed cell has": (
        at(
            toy.right(a2="def add(a, b):\n    return plus(a, b)"),
            "setup",
            code("open('data.csv')\ndef plus(a, b):\n    return a + b"),
        ),
        "decide",
        "1 - -",
        "the student's cell \"open('data.csv')\": FileNotFoundError",
    ),
    "Own check": (toy.right(a2=f"{A2}\ncheck = 4.5"), "graded", "1 2 3", None),
    "Check deleted": (at(toy.right(), "exercise-1-1-check", code("del check")), "graded", "1 2 3", None),
    "Everything reset": (at(toy.right(), "exercise-1-1-check", code("%reset -f")), "graded", "1 2 3", None),
    "Own sum": (
        toy.right(a1='answer = "c"\nsum = 5', a2="def add(a, b):\n    return sum([a, b])"),
        "decide",
        "1 - -",
        "It is right when it is run at the end, with the assignment's own names",
    ),
    "Exit in the middle": (at(toy.right(), "exercise-1-1-check", code("exit()")), "graded", "1 2 3", None),
    "Quit in an answer": (
        toy.right(a3="quit()\ndef double(a):\n    return 2 * a"),
        "graded",
        "1 2 3",
        None,
    ),
    "Ends its cell": (
        toy.right(a3="import sys\nsys.exit()\ndef double(a):\n    return 2 * a"),
        "decide",
        "1 2 -",
        "1.3: SystemExit. It is right without the line that fails",
    ),
    "A line before it fails": (
        toy.right(a2=f"print(rows[0])\n{A2}"),
        "decide",
        "1 - -",
        "1.2: NameError: name 'rows' is not defined. It is right without the line that fails",
    ),
    "Restarts as in Colab": (
        at(toy.right(), "exercise-1-1-check", code("import os\nos.kill(os.getpid(), 9)")),
        "incomplete",
        "1 2 3",
        "Python ended in the cell 'import os'",
    ),
    "Endless in an own cell": (
        at(toy.right(), "exercise-1-1-check", code("while True:\n    pass")),
        "incomplete",
        "1 2 3",
        "the student's cell 'while True:': stopped after 20 s",
    ),
    "Interrupts itself": (
        toy.right(a3="raise KeyboardInterrupt"),
        "graded",
        "1 2 0",
        "1.3: KeyboardInterrupt",
    ),
    "Ends Python below the answer": (
        toy.right(a2=f"{A2}\nimport os\nos._exit(0)"),
        "decide",
        "1 - -",
        "Its cell could not be run, so nothing in it was checked: for you to decide",
    ),
    "Crash in a check": (
        toy.right(a2="import os\ndef add(a, b):\n    os._exit(1)"),
        "incomplete",
        "1 0 0",
        "Python ended in the cell '1.2'",
    ),
    "Asks for a name": (at(toy.right(), "setup", code("name = input('Who?')")), "graded", "1 2 3", None),
    "Magics of elsewhere": (
        opening("%tensorflow_version 2.x\n%load_ext lab_black\n%matplotlib widget"),
        "graded",
        "1 2 3",
        "%tensorflow_version 2.x: not known here and skipped",
    ),
    "Installs": (
        opening(f"%pip install -q nothing-here\n!pip install nothing-here\n{INSTALL}\n%conda install x -y"),
        "graded",
        "1 2 3",
        "pip install -q nothing-here: not run, as nothing is installed while grading",
    ),
    "Uninstalls": (
        at(toy.right(), "exercise-1-1-check", code("!pip uninstall -y nbgrader ipykernel")),
        "graded",
        "1 2 3",
        "pip uninstall -y nbgrader ipykernel: not run",
    ),
    "Own figure": (
        at(toy.right(), "exercise-1-1-check", code("import matplotlib.pyplot as plt\nplt.plot([1, 2])")),
        "graded",
        "1 2 3",
        None,
    ),
    "Pasted picture": (
        at(
            toy.right(),
            "exercise-1-1-check",
            words("![p](attachment:a.png)", attachments={"a.png": {"image/png": PIXEL}}),
        ),
        "graded",
        "1 2 3",
        None,
    ),
    "Lost picture": (
        at(toy.right(), "exercise-1-1-check", words("![p](attachment:a.png)")),
        "graded",
        "1 2 3",
        "the picture a.png of a text cell is not in the file",
    ),
}

# Files: name of the file -> content
FILES = {
    "Zip inside": ({"work.zip": zipped(**{"week/work.ipynb": RIGHT})}, "graded", "1 2 3", None),
    "Rar": (
        {"work.rar": b"Rar!\x1a\x07"},
        "refused",
        "",
        "work.rar: a packed file of a kind that is not opened",
    ),
    "Half an emoji": (
        {"work.ipynb": json.dumps(SURROGATE).replace("EMOJI", "\\ud83d").encode()},
        "graded",
        "1 2 3",
        None,
    ),
    "Whole emoji": (
        {"work.ipynb": json.dumps(SURROGATE).replace("EMOJI", "\\ud83d\\ude00").encode()},
        "graded",
        "1 2 3",
        None,
    ),
    "Half in each": (
        {
            "a.ipynb": toy.text(stub("3")),
            "b.ipynb": toy.text(stub("1", "2", a3="def double(a):\n    return 2 * a")),
        },
        "decide",
        "1 2 -",
        "The file b.ipynb may be the answer",
    ),
    "As a script": (
        {"work.py": b"def add(a, b): ..."},
        "refused",
        "",
        "no notebook (.ipynb) among the files",
    ),
    "Packed alone": ({"work.gz": gzip.compress(RIGHT)}, "refused", "", "work.gz: a packed file"),
    "Broken zip": (
        {"work.zip": b"PK\x03\x04 broken"},
        "refused",
        "",
        "work.zip: a packed file that cannot be read",
    ),
    "Windows lines": ({"work.ipynb": RIGHT.replace(b"\\n", b"\\r\\n")}, "graded", "1 2 3", None),
}
# In each of these the right notebook is found; then nothing differs from any other, so they are not run.
FOUND = {
    "saved as text": {"work.ipynb.txt": RIGHT},
    "saved as json": {"work.ipynb.json": RIGHT},
    "without a suffix": {"work": RIGHT},
    "loud suffix": {"WORK.IPYNB": RIGHT},
    "zip in a zip": {"a.zip": zipped(**{"b.zip": zipped(**{"c.ipynb": RIGHT})})},
    "tar inside": {"work.tar.gz": tarred("week/work.ipynb", RIGHT)},
    "zip called a notebook": {"work.ipynb": zipped(**{"work.ipynb": RIGHT})},
    "blank beside it": {"a.ipynb": RIGHT, "z.ipynb": toy.text(toy.student())},
    "twice": {"a.ipynb": RIGHT, "a (1).ipynb": RIGHT},
    "20 MB of widgets": {
        "work.ipynb": toy.text(with_metadata(toy.right(), widgets={"state": "0" * 20_000_000}))
    },
    "of Kaggle": {"work.ipynb": toy.text(with_metadata(toy.right(), kaggle={"accelerator": "none"}))},
}
NOTEBOOKS = PLACES | OWN_CELLS | SURROUNDINGS
CASES = {name: ({"work.ipynb": toy.text(case[0])}, *case[1:]) for name, case in NOTEBOOKS.items()} | FILES


@pytest.mark.parametrize("name", FOUND)
def test_the_right_notebook_is_found_in_whatever_file_it_is(name: str):
    files = [File(file, 0, partial(bytes, content)) for file, content in FOUND[name].items()]
    result, repaired = examine(Submission("1", "Ana", "Ana", files), toy.student())
    assert result.status == "graded" and repaired.notebook == preflight(RIGHT, toy.student()).notebook
    several = [f"one of {len(files)} notebooks: the latest of those with most of the assignment's cells"]
    assert result.notes == (several if len(files) > 1 else [])


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """The folder with what grading all cases left."""
    folder = tmp_path_factory.mktemp("manners")
    toy.course(folder / "course")
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        for number, (name, (files, *_)) in enumerate(CASES.items(), start=1):
            for file, content in files.items():
                info = zipfile.ZipInfo(
                    f"{name}_{number}_assignsubmission_file_/{file}", (2026, 5, 4, 3, 2, 2)
                )
                archive.writestr(info, content)
    main(
        [
            "grade",
            str(folder / "export.zip"),
            f"--course={folder / 'course'}",
            "--assignment=toy",
            f"--output={folder / 'out'}",
            *["--cell-seconds=20", "--seconds=150", "--memory-gb=1.5", "--jobs=2"],
        ]
    )
    return folder


@pytest.mark.parametrize("name", CASES)
def test_points_and_reason(name: str, graded: Path):
    _, status, points, reason = CASES[name]
    row = toy.rows(graded / "out")[name]
    found = " ".join(row[number] or "-" for number in ("1.1", "1.2", "1.3")) if points else ""
    assert (row["status"], found) == (status, points), row["reason"]
    assert reason in row["reason"] if reason else row["reason"] == "", row["reason"]
    wanted = [f"1.{n}" for n, each in enumerate(points.split(), start=1) if each == "-"]
    by_hand = [number for number in row["by hand"].split() if number != "1.4"]
    assert by_hand == wanted
    assert (DECIDE in row["reason"]) == (status == "decide")


def test_pages_show_what_cells_drew_and_what_was_pasted(graded: Path):
    pages = {path.parent.name.split("_")[0]: path for path in (graded / "out" / "pages").glob("*/toy.html")}
    assert pages.keys() == CASES.keys()
    for name in ("Own figure", "Pasted picture"):
        assert 'src="data:image/png;base64,' in pages[name].read_text(encoding="utf-8"), name
    assert PIXEL[:60] in pages["Pasted picture"].read_text(encoding="utf-8")
    # Nothing of what grading adds to a notebook is on the page.
    assert not any("grading.kernel" in path.read_text(encoding="utf-8") for path in pages.values())


def test_nothing_that_a_submission_installed_is_there(graded: Path):
    """Not in this environment: what installs is a stand-in there, which writes down what it was asked."""
    notebook = nbformat.read(next((graded / "out" / "autograded").glob("*/toy/toy.ipynb")), as_version=4)
    assert notebook.cells
    told = toy.rows(graded / "out")["Installs"]["reason"]
    assert told.count("pip install nothing-here: not run") == 1 and "%conda install x -y: not known" in told
    assert importlib.util.find_spec("ipykernel") and importlib.util.find_spec("nbgrader")


def test_no_process_is_left(graded: Path):
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if "ipykernel_launcher" in line and "/grading-" in line]


def test_the_second_run_gives_the_same_table(graded: Path):
    table, before = graded / "out" / "grades.csv", copy.copy(toy.rows(graded / "out"))
    bytes_before = table.read_bytes()
    stored = {path: path.stat().st_mtime_ns for path in (graded / "out" / "autograded").rglob("*.ipynb")}
    main(
        [
            "grade",
            str(graded / "export.zip"),
            f"--course={graded / 'course'}",
            "--assignment=toy",
            f"--output={graded / 'out'}",
        ]
    )
    assert toy.rows(graded / "out") == before and table.read_bytes() == bytes_before
    assert {path: path.stat().st_mtime_ns for path in stored} == stored


def test_every_reason_is_a_sentence_that_names_a_thing(graded: Path):
    """No Python representation of a list, no traceback, no empty name."""
    for name, row in toy.rows(graded / "out").items():
        assert not re.search(r"Traceback|\[\(|<class|None:", row["reason"]), (name, row["reason"])
