"""Chapter 9 shows the lines of the gallery as its source has them, and its tables have a row for each bug."""

from __future__ import annotations

import inspect
import re

import pytest
from bookfiles import by_name

from vae_lib import gallery

BUGS = [code for code in gallery.PROGRAMS if code != "right"]


@pytest.fixture(scope="module")
def chapter():
    return by_name("09_when_the_loss_is_wrong")


@pytest.mark.parametrize("code", BUGS)
def test_the_wrong_line_stands_beside_the_right_one(code: str, chapter):
    wrong, right = (f"return {line}" for line in gallery.lines(gallery.PROGRAMS[code]))
    wanted = f"```python\n# {code}\n{wrong}\n# right\n{right}\n```"
    there = re.search(rf"^{re.escape(wanted)}$", chapter.markdown, re.M)
    assert there, f"{chapter.path.name} does not show\n{wanted}"


def test_the_right_program_is_shown_as_it_is(chapter):
    for part in ("load", "reparameterize", "nll", "kl"):
        line = inspect.getsource(getattr(gallery.Right, part)).splitlines()[-1].strip()
        assert re.search(rf"^def {part}\(.*\):\n    {re.escape(line)}$", chapter.markdown, re.M), part


@pytest.mark.parametrize("cell", ["data", "table-fingerprints", "gradient-lengths", "run-tests"])
def test_no_program_is_left_out(cell: str, chapter):
    printed = "".join(output.get("text", "") for output in chapter.cell(cell).outputs)
    rows, programs = set(re.findall(r"^(\w+)  +", printed, re.M)), set(gallery.PROGRAMS)
    advice = f"run make notebooks NOTEBOOKS=book/{chapter.path.name}"
    assert rows == programs, f"cell {cell} lacks {programs - rows}, has besides {rows - programs}: {advice}"
