"""Plants small faults, one at a time, and says which command sees each: `make check`, `make test` or none.

    python -m tools.mutations                    all of tools/planted_faults.py
    python -m tools.mutations gaussian 12        those whose file holds the word, and number 12

A fault is planted in a copy of the repository, never in the working tree. First those tests run that should
see it; if they stay green, all of `make check`, then all of `make test`. Exit status 1: a fault is unseen.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.planted_faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[1]
AT_A_TIME = 2
CHECK, TEST, NONE = "make check", "make test", "nothing"


class Copy:
    """A copy of the repository in which faults are planted."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        (folder / ".venv").symlink_to(ROOT / ".venv")
        shutil.copytree(ROOT / "_build", folder / "_build")  # some tests start from the built book
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)  # some tests ask git what there is
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)

    def run(self, *command: str) -> tuple[int, str]:
        """Exit status and output of a command in the copy, which sees the copy's vae_lib."""
        # Python compiles a file anew if its size or the second of its change differs: too coarse for faults.
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, cwd=self.folder, env=environment, text=True, **pipes)
        return done.returncode, done.stdout

    def make(self, target: str) -> bool:
        """Does `make` of a target succeed? What is installed is taken as it is."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            self.run("make", "-o", f".venv/installed-{version}", f"PYTHON={sys.executable}", target)[0] == 0
        )

    def red(self, *tests: str, workers: int = 0) -> bool:
        """Does one of these tests fail?"""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-n",
            str(workers),
            *tests,
        ]
        status, output = self.run(*command)
        self.output = output
        if status not in (0, 1, 2):  # 2: a module that cannot be imported is seen, too
            raise RuntimeError(f"pytest ended with {status}:\n{output[-2000:]}")
        return status != 0

    def build(self) -> bool:
        """Build the site in the copy; False if the build fails."""
        return self.make("book")


def seen_by(fault: Fault, copy: Copy) -> str:
    """Plant a fault in the copy, find the command that sees it, and take it out again."""
    file = copy.folder / fault.file
    right = file.read_text(encoding="utf-8")
    if right.count(fault.right) != 1:
        raise ValueError(f"{fault.file} holds {fault.right!r} {right.count(fault.right)} times, not once")
    file.write_text(right.replace(fault.right, fault.wrong), encoding="utf-8")
    try:
        if fault.build and not copy.build():
            return TEST
        if copy.red(*fault.tests):
            return CHECK if all(map(in_check, fault.tests)) else TEST
        if not copy.make("check"):
            return CHECK
        return TEST if not copy.make("test") else NONE
    finally:
        file.write_text(right, encoding="utf-8")


def in_check(test: str) -> bool:
    """Does `make check` run this test? It runs all of tests/ but the folders that need the built book."""
    return not test.startswith(tuple(built_folders()))


def built_folders() -> list[str]:
    """The folders of tests that need the built book, from the Makefile."""
    for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines():
        if line.startswith("BUILT :="):
            return line.partition(":=")[2].split()
    raise ValueError("the Makefile has no line BUILT := with the folders of tests that need the built book")


def chosen(words: list[str]) -> list[tuple[int, Fault]]:
    """The faults with these numbers, or with one of these words in their file's name; all without words."""
    numbered = list(enumerate(FAULTS, 1))
    if not words:
        return numbered
    return [(n, fault) for n, fault in numbered if any(w == str(n) or w in fault.file for w in words)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="numbers of faults, or parts of their files' names")
    faults = chosen(parser.parse_args().words)
    found: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(AT_A_TIME):
            copies.put(Copy(Path(scratch) / str(number) / "book"))
        first = copies.get()
        tests = {test for _, fault in faults for test in fault.tests if not fault.build}
        for quick in (True, False):  # apart, as in make: each of the two has a conftest of its own
            some = sorted(test for test in tests if in_check(test) == quick)
            if some and first.red(*some, workers=AT_A_TIME):
                print(
                    first.output[-2000:], "The tests that should see the faults fail without them.", sep="\n"
                )
                return 2
        copies.put(first)

        def plant(numbered: tuple[int, Fault]) -> None:
            number, fault = numbered
            copy = copies.get()
            try:
                found[number] = seen_by(fault, copy)
            finally:
                copies.put(copy)
            print(f"{number:3}  {found[number]:10}  {fault.file}: {fault.wrong.strip()[:60]!r}", flush=True)

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(plant, faults))
    return report(faults, found)


def report(faults: list[tuple[int, Fault]], found: dict[int, str]) -> int:
    """Print how many faults each command saw; 1 if one was seen by none."""
    python = [n for n, fault in faults if fault.file.endswith(".py")]
    quick = sum(found[n] == CHECK for n in python)
    counts = {command: list(found.values()).count(command) for command in (CHECK, TEST, NONE)}
    print(f"{len(found)} faults; seen by " + ", ".join(f"{name}: {n}" for name, n in counts.items()))
    if python:
        print(f"of {len(python)} in Python, make check sees {quick} ({100 * quick // len(python)} %)")
    return 1 if counts[NONE] else 0


if __name__ == "__main__":
    sys.exit(main())
