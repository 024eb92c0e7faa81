"""Where the book's repository is, told everywhere: python -m tools.address [REPOSITORY]

pyproject.toml names the repository and the version; a REPOSITORY that is given is written there first. Then
follow the first code cell of every notebook, which installs vae_lib where it is missing, and the links of
README.md. The site asks here when it is built.
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from tools.notebooks import code_cells, lines, read, text

ROOT = Path(__file__).resolve().parents[1]
GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
IN_PYPROJECT = re.compile(r'^(Repository = ")(.*)(")$', re.MULTILINE)

# No magic of IPython, so that it is plain Python wherever a notebook runs.
INSTALL = """\
# @title Installs vae_lib where it is missing, as in Colab; does nothing elsewhere
import importlib.util
import subprocess
import sys

if not importlib.util.find_spec("vae_lib"):
    address = "{archive}"
    command = f"-m pip install -q --no-deps --no-build-isolation {{address}}"
    done = subprocess.run([sys.executable, *command.split()], capture_output=True, text=True)
    if done.returncode:
        advice = "Is there a network? Does the address open in a browser? If so, run this cell again."
        raise RuntimeError(f"vae_lib could not be installed from {{address}}\\n{{done.stderr}}\\n{{advice}}")
    importlib.invalidate_caches()"""


@dataclass(frozen=True)
class Address:
    """A repository on GitHub and a version: what readers open and install is that version."""

    owner: str
    name: str
    version: str

    @property
    def repository(self) -> str:
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    @property
    def archive(self) -> str:
        """What pip installs."""
        return f"{self.repository}/archive/refs/tags/{self.tag}.zip"

    @property
    def colab(self) -> str:
        """The repository in Colab; a notebook's path follows."""
        return f"https://colab.research.google.com/github/{self.owner}/{self.name}/blob/{self.tag}"

    @property
    def site(self) -> str:
        """Where GitHub Pages has the site."""
        host = f"{self.owner.lower()}.github.io"
        return f"https://{host}/" if self.name.lower() == host else f"https://{host}/{self.name}/"

    def install_cell(self) -> str:
        return INSTALL.format(archive=self.archive)

    def in_readme(self, readme: str) -> str:
        """`readme` with this address in each of its links to GitHub, GitHub Pages and Colab."""
        for pattern, ours in (
            (r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/[\w.-]+", self.colab),
            (r"(?<!REPOSITORY=)https://github\.com/[\w.-]+/[\w-]+(\.(?!git\b)[\w-]+)*", self.repository),
            (r"https://[\w.-]+\.github\.io/([\w.-]+/)?", self.site),
        ):
            readme = re.sub(pattern, lambda _, ours=ours: ours, readme)
        return readme


def address() -> Address:
    """What pyproject.toml says.

    Raises:
        ValueError: it names no repository on GitHub, or no version.
    """
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    repository = IN_PYPROJECT.search(pyproject)
    found = GITHUB.fullmatch(repository[2]) if repository else None
    if not found:
        raise ValueError(
            'pyproject.toml needs a line Repository = "https://github.com/OWNER/NAME" in [project.urls]'
        )
    version = re.search(r'^version = "(.+)"$', pyproject, re.MULTILINE)
    if not version:
        raise ValueError('pyproject.toml needs a line version = "…" in [project]')
    return Address(*found.groups(), version[1])


def notebooks() -> list[Path]:
    """The chapters, the exercises, and the instructor's notebooks that those are made from."""
    places = ("book/*.ipynb", "book/exercises/*.ipynb", "exercises/source/*/*.ipynb")
    return [path for place in places for path in sorted(ROOT.glob(place))]


def install_in(notebook: dict, source: str) -> None:
    """Put `source` into the notebook's cell `install`, which follows the title; make the cell if needed."""
    cells = notebook["cells"]
    cell = next((cell for cell in cells if cell["id"] == "install"), None)
    if cell is None:
        for later in code_cells(notebook):  # which are one run, as before
            for counted in (later, *(output for output in later["outputs"] if "execution_count" in output)):
                if counted["execution_count"] is not None:  # in a notebook that was never run
                    counted["execution_count"] += 1
        cell = {"cell_type": "code", "execution_count": 1, "id": "install", "outputs": []}
        cells.insert(1, cell)
    cell |= {"metadata": {"tags": ["remove-cell"]}, "source": lines(source)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", nargs="?", help="such as https://github.com/me/my-fork")
    given = parser.parse_args().repository
    if given:
        found = GITHUB.fullmatch(given)
        if not found:
            parser.error(f"{given}: not of the form https://github.com/OWNER/NAME")
        file = ROOT / "pyproject.toml"
        line = rf"\g<1>https://github.com/{found[1]}/{found[2]}\g<3>"
        file.write_text(IN_PYPROJECT.sub(line, file.read_text(encoding="utf-8")), encoding="utf-8")
    ours = address()
    for path in notebooks():
        install_in(notebook := read(path), ours.install_cell())
        path.write_text(text(notebook), encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(ours.in_readme(readme.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{ours.repository}, {ours.tag}: in pyproject.toml, {len(notebooks())} notebooks and README.md")


if __name__ == "__main__":
    main()
