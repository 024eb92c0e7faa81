"""pyproject.toml has the repository's address and version, CHANGELOG.md its date; all other files agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from bookfiles import ROOT

import vae_lib
from tools.address import Address, address, notebooks, released, texts

each_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
FORK = Address("Me", "my.fork", address().version)


@each_notebook
def test_first_code_cell_installs_this_version(path: Path):
    title, install, *others = nbformat.read(path, as_version=4).cells
    assert title.cell_type == "markdown" and install.id == "install", "run make address"
    assert install.source == address().install_cell(), "run make address"
    assert install.outputs == [] and install.metadata.tags == ["remove-cell"]
    assert "install" not in {cell.id for cell in others}


@pytest.mark.parametrize(("path", "text"), texts().items(), ids=lambda value: getattr(value, "name", ""))
def test_file_has_the_address_and_the_version(path: Path, text: str):
    assert path.read_text(encoding="utf8") == text, "run make address"


def test_links_are_there():
    """in_links() changes the links that it finds; here they are looked for."""
    ours = address()
    for name, links in {
        "README.md": (ours.colab, ours.repository, ours.site),
        "book/errata.md": (f"{ours.repository}/issues/new?template=wrong-statement.yml",),
        "CITATION.cff": (f'repository-code: "{ours.repository}"', f'url: "{ours.site}"'),
    }.items():
        text = (ROOT / name).read_text(encoding="utf8")
        assert [link for link in links if link not in text] == [], name


def test_address_appears_only_in_known_files():
    """No other file names this repository, a copy of it in Colab, or an archive to install."""
    known = {ROOT / "pyproject.toml", Path(__file__), *texts(), *notebooks()}
    known |= {*(ROOT / "book" / "solutions").glob("*")}  # made from the instructor's notebooks by the build
    tops = (
        ".ci",
        ".github",
        ".binder",
        "book",
        "exercises",
        "grading",
        "site_extension",
        "tests",
        "tools",
        "vae_lib",
    )
    files = [
        *ROOT.glob("*.*"),
        ROOT / "Makefile",
        *(file for top in tops for file in (ROOT / top).rglob("*.*")),
    ]
    suffixes = {".py", ".md", ".yml", ".toml", ".txt", ".in", ".js", ".mjs", ".css", ".cff", ".ipynb", ""}
    ours = re.compile(
        rf"{address().owner}/{address().name}|github\.com/[\w.-]+/[\w.-]+/archive/|/github/\w[\w.-]*/[\w.-]+/blob/"
    )
    read = [file for file in files if file.is_file() and file.suffix in suffixes and file not in known]
    assert len(read) > 50
    assert [file for file in read if ours.search(file.read_text(encoding="utf8"))] == []


def test_library_and_changelog_have_the_version():
    """make address does not write CHANGELOG.md; the headings there stand newest first."""
    assert vae_lib.__version__ == address().version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf8")
    headings = re.findall(r"^## (.*)$", changelog, re.M)
    assert headings[:2] == ["[Unreleased]", f"[{address().version}] - {released(address().version)}"]
    dates = [re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", heading)[1] for heading in headings[1:]]
    assert dates == sorted(dates, reverse=True)


def test_repository_named_after_its_owner_is_served_without_a_folder():
    assert FORK.site == "https://me.github.io/my.fork/"
    assert Address("Me", "me.github.io", "1").site == "https://me.github.io/"


@pytest.fixture
def fork(tmp_path: Path):
    """A small copy of the repository: each kind of file that names the address, and the tool."""
    (tmp_path / "book" / "exercises").mkdir(parents=True)
    (tmp_path / "vae_lib").mkdir()
    for file in (ROOT / "pyproject.toml", ROOT / "CHANGELOG.md", *texts()):
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    notebook = nbformat.read(notebooks()[0], as_version=4)
    nbformat.write(notebook, tmp_path / "book" / "old.ipynb")
    notebook.cells = [cell for cell in notebook.cells if cell.id != "install"]
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = number
    nbformat.write(notebook, tmp_path / "book" / "exercises" / "new.ipynb")
    return tmp_path


def run(tool: str, fork: Path, *arguments: str):
    command = [sys.executable, "-m", f"tools.{tool}", *arguments]
    return subprocess.run(command, cwd=fork, capture_output=True, text=True)


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_one_command_sets_the_address_of_a_fork(fork: Path):
    done = run("address", fork, "https://github.com/Me/my.fork.git")
    assert done.returncode == 0, done.stderr
    paths = [fork / "book" / "old.ipynb", fork / "book" / "exercises" / "new.ipynb"]
    for path in paths:
        install = nbformat.read(path, as_version=4).cells[1]
        assert install.id == "install" and install.source == FORK.install_cell()
    assert run("notebooks", fork, "check", *map(str, paths)).returncode == 0, "stored as after one run"
    for name, links in {
        "README.md": (FORK.repository, FORK.colab, FORK.site),
        "book/errata.md": (f"{FORK.repository}/issues/new?",),
        "CITATION.cff": (f'"{FORK.repository}"', f'"{FORK.site}"'),
        "pyproject.toml": (f'Repository = "{FORK.repository}"',),
    }.items():
        text = (fork / name).read_text(encoding="utf8")
        assert [link for link in links if link not in text] == [], name
    old = f"{address().owner}/{address().name}".encode()
    before = contents(fork)
    assert [path for path, data in before.items() if old in data] == []
    assert run("address", fork).returncode == 0
    assert contents(fork) == before, "a second run changes nothing"


def test_one_command_sets_a_new_version(fork: Path):
    replace(fork / "pyproject.toml", f'version = "{address().version}"', 'version = "9.8.7"')
    before = contents(fork)
    done = run("address", fork)
    assert done.returncode == 2 and "CHANGELOG.md needs a heading ## [9.8.7] - YYYY-MM-DD" in done.stderr
    assert contents(fork) == before, "nothing is written"
    replace(fork / "CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n## [9.8.7] - 2031-02-03\n")
    done = run("address", fork)
    assert done.returncode == 0, done.stderr
    assert '__version__ = "9.8.7"\n' in (fork / "vae_lib" / "__init__.py").read_text(encoding="utf8")
    citation = (fork / "CITATION.cff").read_text(encoding="utf8")
    assert 'version: "9.8.7"\ndate-released: "2031-02-03"\n' in citation
    assert "cff-version: 1.2.0\n" in citation
    for path in (fork / "README.md", fork / "book" / "old.ipynb"):
        assert "/v9.8.7" in path.read_text(encoding="utf8"), path
    for path in (fork / "README.md", fork / "book" / "instructors.md"):
        commands = re.findall(r"git (?:tag|push) .*", path.read_text(encoding="utf8"))
        assert commands and all(re.findall(r"\d+\.\d+\.\d+", line) == ["9.8.7"] * 2 for line in commands), (
            path
        )
    assert "vae_lib-9.8.7-py3" in (fork / "book" / "instructors.md").read_text(encoding="utf8")


def test_file_without_its_line_is_named(fork: Path):
    replace(fork / "CITATION.cff", "date-released: ", "released: ")
    done = run("address", fork)
    assert done.returncode == 2
    assert "CITATION.cff needs one line that begins with 'date-released: ', found 0" in done.stderr


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf8")


@pytest.mark.parametrize("wrong", ["me/my-fork", "https://example.org/me/my-fork", "https://github.com/me"])
def test_address_that_is_not_on_github_is_refused(fork: Path, wrong: str):
    before = contents(fork)
    done = run("address", fork, wrong)
    assert done.returncode == 2 and f"{wrong}: not of the form https://github.com/OWNER/NAME" in done.stderr
    assert contents(fork) == before


def install(monkeypatch, there: bool, result=None):
    """Execute the install cell with vae_lib installed or not; returns the commands that it ran."""
    ran = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: there or None)
    monkeypatch.setattr("subprocess.run", lambda command, **_: ran.append(command) or result)
    exec(address().install_cell(), {})
    return ran


def test_install_cell_does_nothing_where_vae_lib_is_installed(monkeypatch, capsys):
    assert install(monkeypatch, there=True) == []
    assert capsys.readouterr() == ("", "")


def test_install_cell_installs_nothing_but_vae_lib(monkeypatch, capsys):
    (command,) = install(monkeypatch, there=False, result=SimpleNamespace(returncode=0, stderr=""))
    assert {"--no-deps", "--no-build-isolation", address().archive} < set(command)
    assert capsys.readouterr() == ("", "")


def test_install_cell_says_what_to_do_when_it_fails(monkeypatch):
    failed = SimpleNamespace(returncode=1, stderr="ERROR: no route to host")
    with pytest.raises(RuntimeError) as told:
        install(monkeypatch, there=False, result=failed)
    for words in (address().archive, "no route to host", "run this cell again"):
        assert words in str(told.value)
