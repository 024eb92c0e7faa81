"""What explorers share, module by module: the tests in the files *.test.mjs, which node runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.npm import node_command


@pytest.mark.parametrize("file", sorted(Path(__file__).parent.glob("*.test.mjs")), ids=lambda path: path.name)
def test_shared_module(file):
    run = subprocess.run([node_command(), file], capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stdout
    assert "\nℹ fail 0\n" in run.stdout and "\nℹ tests 0\n" not in run.stdout
