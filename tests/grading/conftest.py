"""Without nbgrader, as in make check, the tests that need it are left out; make grading-test has it."""

import importlib.util
from pathlib import Path

import pytest
import toy

WITH_NBGRADER = [f"test_{name}.py" for name in ("book", "class", "manners", "output", "page", "parts")]
collect_ignore = [] if importlib.util.find_spec("nbgrader") else WITH_NBGRADER


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory) -> Path:
    """An output folder of the toy with nothing graded in it, to be copied: making one is slow."""
    from grading.course import Course  # which needs nbgrader

    folder = tmp_path_factory.mktemp("laid-out")
    Course(folder / "out", toy.course(folder / "course"), "toy").close()
    return folder / "out"
