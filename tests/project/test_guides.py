"""README.md, CONTRIBUTING.md and CHANGELOG.md name only commands, files, folders and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
# What a step adds, or a command makes.
PLACEHOLDERS = re.compile(r"NAME|NN|_N\.py|build/|^\.venv")
each_guide = pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])


def guide(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@each_guide
def test_commands_of_make_exist(name: str):
    asked = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", guide(name), re.M))
    assert asked and asked - TARGETS == set()


@each_guide
def test_files_and_folders_exist(name: str):
    """Those in code spans; links are tested in test_links_lead_to_files."""
    spans = re.findall(r"`(?:make \w+ \w+=)?([^`\s=]+)`", re.sub(r"```.*?```", "", guide(name), flags=re.S))
    named = [span for span in spans if re.search(r"/|\.(py|md|cff|toml|yml|txt|ipynb)$", span)]
    missing = [path for path in named if not PLACEHOLDERS.search(path) and not [*ROOT.glob(path)]]
    assert [path for path in missing if not [*(ROOT / "vae_lib" / "explorers").glob(path)]] == []


@each_guide
def test_links_lead_to_files(name: str):
    targets = [link for link in re.findall(r"\]\(([^)\s]+)\)", guide(name)) if "://" not in link]
    files = [target.partition("#")[0] for target in targets]
    assert targets and [file for file in files if not (ROOT / file).is_file()] == []


def test_cells_named_for_a_bug_of_the_gallery_exist():
    steps = guide("CONTRIBUTING.md").partition("## Add a bug to the gallery")[2].partition("\n## ")[0]
    notebook = (ROOT / re.search(r"`(book/\S+\.ipynb)`", steps)[1]).read_text(encoding="utf-8")
    cells = re.findall(r"`([a-z]+-[a-z]+)`", steps)
    assert len(cells) >= 4 and [cell for cell in cells if f'"id": "{cell}"' not in notebook] == []


def test_licences_cover_code_and_text():
    licence = guide("README.md").partition("## Licence")[2]
    for file, first in {"LICENSE": "MIT License", "LICENSE-text": "Attribution 4.0 International"}.items():
        assert f"]({file})" in licence and guide(file).startswith(f"{first}\n")
