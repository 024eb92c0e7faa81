"""What grading a class costs: make bench-grading, with STUDENTS=10 for a smaller class.

Each student hands in the right answers to chapter 4. Beside it: nbgrader's own two commands, one notebook
after the other, in one process.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grading.__main__ import main
from grading.worker import CONFIG

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "exercises" / "source" / "ch04" / "ch04.ipynb"
PLAIN = 3


def kit(folder: Path, students: int) -> float:
    """Seconds a submission with `python -m grading`."""
    for number in range(students):
        (folder / "export" / f"s{number:03}").mkdir(parents=True)
        shutil.copy(NOTEBOOK, folder / "export" / f"s{number:03}")
    begun = time.perf_counter()
    main(["grade", str(folder / "export"), "--assignment=ch04", f"--output={folder / 'graded'}"])
    return (time.perf_counter() - begun) / students


def plain(folder: Path, students: int) -> float:
    """Seconds a submission with nbgrader's commands."""
    shutil.copytree(NOTEBOOK.parent, folder / "source" / "ch04")
    shutil.copy(ROOT / "exercises" / CONFIG, folder)
    for number in range(students):
        (folder / "submitted" / f"s{number:03}" / "ch04").mkdir(parents=True)
        shutil.copy(NOTEBOOK, folder / "submitted" / f"s{number:03}" / "ch04")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    nbgrader = [sys.executable, "-m", "nbgrader"]
    for command in ("generate_assignment", "autograde", "generate_feedback"):
        if command == "autograde":
            begun = time.perf_counter()
        subprocess.run([*nbgrader, command, "ch04"], cwd=folder, check=True, capture_output=True)
    return (time.perf_counter() - begun) / students


if __name__ == "__main__":
    students = int(os.environ.get("STUDENTS", 100))
    with tempfile.TemporaryDirectory() as folder:
        ours = kit(Path(folder) / "kit", students)
        theirs = plain(Path(folder) / "plain", PLAIN)
    print(f"\nChapter 4, all answers right, {os.cpu_count()} cores")
    print(f"python -m grading, {students} submissions: {ours:.1f} s a submission")
    print(f"nbgrader autograde and generate_feedback, {PLAIN} in sequence: {theirs:.1f} s a submission")
