"""One line of pyproject.toml names the repository; every other place that names it agrees with that line."""

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
from tools.address import Address, address, notebooks

each_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
FORK = Address("Me", "my.fork", "0.1.0")


@each_notebook
def test_second_cell_of_a_notebook_installs_vae_lib_from_the_address(path: Path):
    title, install, *others = nbformat.read(path, as_version=4).cells
    assert title.cell_type == "markdown" and install.id == "install", "make address puts it there"
    assert install.source == address().install_cell(), "make address"
    assert install.outputs == [] and install.metadata.tags == ["remove-cell"]
    assert "install" not in {cell.id for cell in others}


def test_links_of_the_readme_have_the_address():
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    assert readme == address().in_readme(readme), "make address"
    assert address().colab in readme and address().repository in readme and address().site in readme


def test_address_appears_only_in_known_files():
    """Nor does the address of a fork, as a link to Colab or as an archive to install."""
    known = {ROOT / "pyproject.toml", ROOT / "README.md", Path(__file__), *notebooks()}
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
    texts = {".py", ".md", ".yml", ".toml", ".txt", ".in", ".js", ".mjs", ".css", ".ipynb", ""}
    ours = re.compile(
        rf"{address().owner}/{address().name}|github\.com/[\w.-]+/[\w.-]+/archive/|/github/\w[\w.-]*/[\w.-]+/blob/"
    )
    read = [file for file in files if file.is_file() and file.suffix in texts and file not in known]
    assert len(read) > 50
    assert [file for file in read if ours.search(file.read_text(encoding="utf8"))] == []


def test_library_and_address_have_the_same_version():
    assert vae_lib.__version__ == address().version
    assert address().archive.endswith(f"/v{vae_lib.__version__}.zip")


def test_site_of_a_user_has_no_folder():
    assert FORK.site == "https://me.github.io/my.fork/"
    assert Address("Me", "me.github.io", "1").site == "https://me.github.io/"


@pytest.fixture
def fork(tmp_path: Path):
    """A copy of the files that name the repository, in which the tool can be run."""
    (tmp_path / "book" / "exercises").mkdir(parents=True)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tmp_path)
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


def test_one_command_writes_the_address_of_a_fork(fork: Path):
    done = run("address", fork, "https://github.com/Me/my.fork.git")
    assert done.returncode == 0, done.stderr
    paths = [fork / "book" / "old.ipynb", fork / "book" / "exercises" / "new.ipynb"]
    for path in paths:
        install = nbformat.read(path, as_version=4).cells[1]
        assert install.id == "install" and install.source == FORK.install_cell()
    assert run("notebooks", fork, "check", *map(str, paths)).returncode == 0, "as if it had been run"
    readme = (fork / "README.md").read_text(encoding="utf8")
    assert "https://github.com/Me/my.fork" in readme and FORK.colab in readme and FORK.site in readme
    assert 'Repository = "https://github.com/Me/my.fork"' in (fork / "pyproject.toml").read_text()
    for file in ("pyproject.toml", "README.md", *paths):
        assert f"{address().owner}/{address().name}" not in (fork / file).read_text(encoding="utf8")
    before = [path.read_text() for path in paths]
    assert run("address", fork).returncode == 0
    assert [path.read_text() for path in paths] == before, "a second time changes nothing"


@pytest.mark.parametrize("wrong", ["me/my-fork", "https://example.org/me/my-fork", "https://github.com/me"])
def test_an_address_that_is_no_repository_on_github_is_refused(fork: Path, wrong: str):
    before = (fork / "pyproject.toml").read_text()
    done = run("address", fork, wrong)
    assert done.returncode == 2 and f"{wrong}: not of the form https://github.com/OWNER/NAME" in done.stderr
    assert (fork / "pyproject.toml").read_text() == before


def install(monkeypatch, there: bool, result=None):
    """Run the install cell, with vae_lib installed or not; returns the commands that it ran."""
    ran = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: there or None)
    monkeypatch.setattr("subprocess.run", lambda command, **_: ran.append(command) or result)
    exec(address().install_cell(), {})
    return ran


def test_install_cell_does_nothing_if_vae_lib_is_installed(monkeypatch, capsys):
    assert install(monkeypatch, there=True) == []
    assert capsys.readouterr() == ("", "")


def test_install_cell_changes_no_other_package(monkeypatch, capsys):
    (command,) = install(monkeypatch, there=False, result=SimpleNamespace(returncode=0, stderr=""))
    assert {"--no-deps", "--no-build-isolation", address().archive} < set(command)
    assert capsys.readouterr() == ("", "")


def test_install_cell_tells_what_to_do_when_it_fails(monkeypatch):
    failed = SimpleNamespace(returncode=1, stderr="ERROR: no route to host")
    with pytest.raises(RuntimeError) as told:
        install(monkeypatch, there=False, result=failed)
    for words in (address().archive, "no route to host", "run this cell again"):
        assert words in str(told.value)
