"""make lint looks for misspelled words by codespell, with the settings of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys

import nbformat
from bookfiles import ROOT


def test_spelling_is_checked_in_the_text_of_notebooks_and_not_in_their_pictures(tmp_path):
    typo = "t" + "eh"
    picture = nbformat.v4.new_output("display_data", {"image/png": f"{typo}/{typo}"})
    cells = [nbformat.v4.new_markdown_cell(f"{typo} loss"), nbformat.v4.new_code_cell("x", outputs=[picture])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    (tmp_path / "a.py").write_text(f'"""{typo} loss"""  # and {typo} gap\n')
    command = [sys.executable, "-m", "codespell_lib", "--toml", ROOT / "pyproject.toml", "."]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert sorted(line.split(":")[0] for line in run.stdout.splitlines()) == ["./a.ipynb", "./a.py", "./a.py"]
