"""Where a submission runs, a line that fails takes no points from other exercises. Needs no nbgrader."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from grading import kernel

SETUP = "from math import sqrt\ndef check(x):\n    assert x == 2, 'wrong'"
CHECK = "check(answer())"
NO_PYTHON = "```python\ndef answer():\n    return 2\n```\nthis is my answer"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch):
    """A Python with the extension; .facts() reads what it wrote down."""
    settings = {"setup": [SETUP], "answers": ["answer"], "checks": [CHECK], "facts": str(tmp_path / "facts")}
    probes = [
        {"source": source, "check": CHECK, "again": False, "before": []}
        for source in ("def answer():\n    return 1", "1 / 0\ndef answer():\n    return 2", NO_PYTHON)
    ]
    (tmp_path / "kernel.json").write_text(
        json.dumps(settings | {"probes": probes, "deadline": time.time() + 60})
    )
    monkeypatch.setenv(kernel.SETTINGS, str(tmp_path / "kernel.json"))
    monkeypatch.setattr(kernel, "state", kernel.State())
    shell = InteractiveShell()
    kernel.load_ipython_extension(shell)
    yield shell
    InteractiveShell.clear_instance()


def run(shell, *cells: str) -> list[str]:
    """The kind of error of each cell, empty if there was none."""
    found = []
    with capture_output():
        for cell in cells:
            done = shell.run_cell(cell)
            error = done.error_before_exec or done.error_in_exec
            found.append(type(error).__name__ if error else "")
    return found


def facts() -> list[dict]:
    path = Path(kernel.state.settings["facts"])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def test_exit_does_nothing(shell):
    shell.push({"exit": shell.ask_exit, "quit": shell.ask_exit})
    assert run(shell, "exit()\nx = 1", "x") == ["", ""]
    assert shell.user_ns["x"] == 1


def test_an_import_that_fails_is_skipped_with_the_lines_that_only_use_it(shell):
    cell = "import nothing_here as nh\nfrom math import no_such_name\nnh.set_theme()\nimport math\nx = 1"
    assert run(shell, cell, "nh.show()", "y = nh.load()", "other()") == ["", "", "NameError", "NameError"]
    assert shell.user_ns["x"] == 1 and "math" in shell.user_ns
    # A name whose import did not fail is not covered.
    assert run(shell, "import math\ndel math\nmath.floor(1)\nx = 1") == ["NameError"]
    assert [fact["names"] for fact in facts()] == [["nh"], ["no_such_name"]]
    assert facts()[0]["missing"] == "import nothing_here as nh"


def test_other_errors_and_the_last_value_are_as_ever(shell):
    assert run(shell, "from __future__ import annotations\nimport math\nmath.pi", "undefined.call()") == [
        "",
        "NameError",
    ]
    with capture_output() as shown:
        shell.run_cell("import math\nmath.floor(4.5)")
    assert "4" in shown.stdout


def test_magics_that_are_not_there_are_skipped(shell):
    assert run(shell, "%tensorflow_version 2.x\n%load_ext nothing_here\n%conda install x\nx = 1") == [""]
    assert facts() == [
        {"skipped": "%tensorflow_version 2.x"},
        {"missing": "%load_ext nothing_here"},
        {"skipped": "%conda install x"},
    ]


@pytest.mark.parametrize("own", ["check = 4.5", "del check", "check = print", "%reset -f"])
def test_a_check_has_the_names_of_the_assignment(shell, own: str):
    run(shell, SETUP, own)
    before = shell.user_ns.get("check")
    assert run(shell, "def answer():\n    return 2", CHECK, "def answer():\n    return 1", CHECK) == [
        "",
        "",
        "",
        "AssertionError",
    ]
    assert shell.user_ns.get("check") is before


def test_an_exercise_that_failed_is_tried_again(shell):
    run(shell, SETUP, "def answer():\n    return 1", CHECK)
    kernel.probe(0)
    kernel.probe(1)
    assert facts() == [{"probe": 0, "error": "AssertionError"}, {"probe": 1}]
    assert shell.user_ns["answer"]() == 1


def test_lines_that_are_no_python_take_nothing_with_them(shell):
    run(shell, SETUP, CHECK)
    kernel.probe(2)
    assert facts() == [{"probe": 2}]
    assert kernel._readable("%%timeit -n 1\nx = 1").body and not kernel._readable("(((\n" * 9).body


def test_an_exercise_that_passed_is_not_tried_again(shell):
    run(shell, SETUP, "def answer():\n    return 2", CHECK)
    kernel.probe(0)
    kernel.probe(1)
    assert facts() == []
