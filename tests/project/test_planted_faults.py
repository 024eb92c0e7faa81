"""The list of `make mutations` fits the repository as it is; the command itself takes too long for a test."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tools.planted_faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]


def test_each_fault_changes_one_place_of_its_file():
    texts = {fault.file: (ROOT / fault.file).read_text(encoding="utf-8") for fault in FAULTS}
    assert [fault for fault in FAULTS if texts[fault.file].count(fault.right) != 1] == []
    assert [fault for fault in FAULTS if fault.right == fault.wrong] == []


def test_no_fault_is_listed_twice():
    assert [
        key for key, count in Counter((f.file, f.right, f.wrong) for f in FAULTS).items() if count > 1
    ] == []


def test_each_fault_names_tests_that_exist():
    named = {tuple(test.partition("[")[0].split("::")) for fault in FAULTS for test in fault.tests}
    assert [path for path, *_ in sorted(named) if not (ROOT / path).exists()] == []
    for path, *names in sorted(named):  # a class may have its tests from a module beside it
        beside = "".join(file.read_text(encoding="utf-8") for file in (ROOT / path).parent.glob("*.py"))
        assert [name for name in names if not re.search(rf"(def|class) {name}\b", beside)] == [], path


def test_what_judges_has_faults():
    """Each module that computes, checks an answer, examines a program or draws a figure."""
    said = {"__init__", "command", "findings", "report"}  # words, and what calls the others
    judges = [
        *(ROOT / "vae_lib").glob("[a-z]*.py"),
        *(ROOT / "vae_lib" / "checks").glob("chapter_*.py"),
        *(ROOT / "vae_lib" / "diagnosis").glob("*.py"),
        *(ROOT / "vae_lib" / "explorers").rglob("*.js"),
    ]
    planted = {ROOT / fault.file for fault in FAULTS}
    assert [path.name for path in judges if path not in planted and path.stem not in said] == []
