"""The quick checks pass, and are the same before a commit as in make lint."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import nbformat
import pytest
import yaml
from bookfiles import ROOT

CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf8"))
HOOKS = [hook for repository in CONFIG["repos"] for hook in repository["hooks"]]


def test_hooks_are_what_make_lint_runs():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf8"), re.M)[1]
    commands = [line.strip("\t@").replace("$(PY)", ".venv/bin/python") for line in recipe.splitlines()]
    assert [hook["entry"] for hook in HOOKS] == commands


def test_hooks_need_no_network():
    assert [repository["repo"] for repository in CONFIG["repos"]] == ["local"]
    assert {(hook["language"], hook["pass_filenames"]) for hook in HOOKS} == {("system", False)}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hook_passes(hook: dict):
    run = subprocess.run(shlex.split(hook["entry"]), cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_spelling_reads_the_prose_of_notebooks_and_not_their_pictures(tmp_path):
    typo = "t" + "eh"
    picture = nbformat.v4.new_output("display_data", {"image/png": f"{typo}/{typo}"})
    cells = [nbformat.v4.new_markdown_cell(f"{typo} loss"), nbformat.v4.new_code_cell("x", outputs=[picture])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    (tmp_path / "a.py").write_text(f'"""{typo} loss"""  # and {typo} gap\n')
    command = [sys.executable, "-m", "codespell_lib", "--toml", ROOT / "pyproject.toml", "."]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert sorted(line.split(":")[0] for line in run.stdout.splitlines()) == ["./a.ipynb", "./a.py", "./a.py"]
