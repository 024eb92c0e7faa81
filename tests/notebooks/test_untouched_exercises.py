"""A student's notebook that is not touched yet runs, and prints what is stored in it.

`make exercises` and `make colab-test` run it in a kernel; here its cells run in this process, which takes
less than a second for most of them. It sees a library in which an unanswered exercise raises, or is told
something else than "not attempted yet".
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
from bookfiles import EXERCISES, Notebook


@pytest.mark.parametrize("notebook", EXERCISES, ids=lambda notebook: notebook.name)
def test_it_runs_and_prints_what_is_stored(notebook: Notebook, monkeypatch, capsys):
    monkeypatch.setattr(plt, "show", lambda: None)
    names: dict = {}
    for cell in notebook.code:
        exec(compile(cell.source, f"{notebook.path.name}, cell {cell.id}", "exec"), names)
        stored = [output.text for output in cell.outputs if output.output_type == "stream"]
        assert capsys.readouterr().out == "".join(stored), f"cell {cell.id}: make exercises stores it anew"
    plt.close("all")
