"""The page for instructors states the limits of grading and names its options."""

from __future__ import annotations

import re

import pytest
from toy import ROOT

from grading.__main__ import main
from grading.collect import MAX_BYTES
from grading.worker import FILE_BYTES, Limits

PAGE = (ROOT / "book" / "instructors.md").read_text(encoding="utf8")


def test_page_states_the_default_limits():
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|", PAGE.partition("### Limits")[2], re.M))
    limits = Limits()
    assert rows["a cell"].startswith(f"{limits.cell_seconds} seconds")
    assert rows["a notebook"] == f"{limits.seconds} seconds"
    assert rows["memory, for each process"].startswith(f"{limits.memory_gb:g} GB")
    sizes = f"{FILE_BYTES // 2**30} GB, {MAX_BYTES // 2**20} MB"
    assert rows["a file that a student writes, or hands in"] == sizes


def test_options_on_the_page_exist(capsys):
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    graders = re.findall(r"grading grade.*|\| `(--[a-z-]+)` \|", PAGE)
    named = {option for option in graders if option} | {"--assignment", "--output", "--roster", "--course"}
    assert named - known == set() and "--memory-gb" in named


def test_output_of_grading_is_ignored_by_git_and_codespell():
    """The pages of students, and what `nbgrader generate_assignment` makes in exercises/."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf8").splitlines()
    assert {"graded/", "exercises/gradebook.db", "exercises/release/"} <= set(ignored)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf8").partition("[tool.codespell]")[2]
    assert "./graded" in re.search(r'^skip = "(.*)"$', settings, re.M)[1].split(",")
