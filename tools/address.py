"""Write the repository's address and version wherever they are named: python -m tools.address [REPOSITORY]

pyproject.toml has both; a REPOSITORY that is given is stored there first. CHANGELOG.md has the date of the
version. From these follow the first code cell of every notebook, which installs vae_lib where it is missing;
vae_lib.__version__; CITATION.cff; the links to the repository in README.md and book/errata.md; and the
commands of README.md and book/instructors.md. Pages of the site need nothing: its build calls address().
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from tools.notebooks import code_cells, lines, read, text

ROOT = Path(__file__).resolve().parents[1]
GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
IN_PYPROJECT = re.compile(r'^(Repository = ")(.*)(")$', re.MULTILINE)

# Plain Python without IPython's magic commands, so that it also runs where they are missing.
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
    """A repository on GitHub and the version of it that readers open and install."""

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
        """The zip file that pip installs vae_lib from."""
        return f"{self.repository}/archive/refs/tags/{self.tag}.zip"

    @property
    def colab(self) -> str:
        """The address at which Colab opens the repository; append "/" and the path of a notebook."""
        return f"https://colab.research.google.com/github/{self.owner}/{self.name}/blob/{self.tag}"

    @property
    def site(self) -> str:
        """The address at which GitHub Pages serves the site."""
        host = f"{self.owner.lower()}.github.io"
        return f"https://{host}/" if self.name.lower() == host else f"https://{host}/{self.name}/"

    def install_cell(self) -> str:
        return INSTALL.format(archive=self.archive)

    def in_links(self, text: str) -> str:
        """`text` with this address in each of its links to GitHub, GitHub Pages and Colab."""
        for pattern, ours in (
            (r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/[\w.-]+", self.colab),
            (r"(?<!REPOSITORY=)https://github\.com/[\w.-]+/[\w-]+(\.(?!git\b)[\w-]+)*", self.repository),
            (r"https://[\w.-]+\.github\.io/([\w.-]+/)?", self.site),
        ):
            text = re.sub(pattern, lambda _, ours=ours: ours, text)
        return text

    def in_commands(self, text: str) -> str:
        """`text` with this version where a command tags it, pushes it, or installs its wheel."""
        commands = r"(?m)^(.*git tag (?:-f )?)v[\d.]+( && git push .*?)v[\d.]+$"
        text = re.sub(commands, rf"\g<1>{self.tag}\g<2>{self.tag}", text)
        return re.sub(r"vae_lib-[\d.]+-py3", f"vae_lib-{self.version}-py3", text)


def address() -> Address:
    """The address and the version in pyproject.toml.

    Raises:
        ValueError: pyproject.toml names no repository on GitHub, or no version.
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


def released(version: str) -> str:
    """The date of a version, "2026-11-22", from its heading in CHANGELOG.md.

    Raises:
        ValueError: CHANGELOG.md has no such heading.
    """
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    date = re.search(rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$", changelog, re.MULTILINE)
    if not date:
        raise ValueError(f"CHANGELOG.md needs a heading ## [{version}] - YYYY-MM-DD")
    return date[1]


def texts() -> dict[Path, str]:
    """Path -> the text that should be there, for each file that names the address or version; no notebooks.

    Raises:
        ValueError: as address() and released(), or a file has no line for its version or date.
    """
    ours = address()
    version, date = f'"{ours.version}"', f'"{released(ours.version)}"'
    found = {}
    for name, values in {
        "README.md": {},
        "book/errata.md": {},
        "book/instructors.md": {},
        "CITATION.cff": {"version: ": version, "date-released: ": date},
        "vae_lib/__init__.py": {"__version__ = ": version},
    }.items():
        text = ours.in_commands(ours.in_links((ROOT / name).read_text(encoding="utf-8")))
        for key, value in values.items():
            text, count = re.subn(rf"^{key}.*$", f"{key}{value}", text, flags=re.MULTILINE)
            if count != 1:
                raise ValueError(f"{name} needs one line that begins with {key!r}, found {count}")
        found[ROOT / name] = text
    return found


def notebooks() -> list[Path]:
    """The chapters, the exercises, and the instructor's notebooks that the exercises are made from."""
    places = ("book/*.ipynb", "book/exercises/*.ipynb", "exercises/source/*/*.ipynb")
    return [path for place in places for path in sorted(ROOT.glob(place))]


def install_in(notebook: dict, source: str) -> None:
    """Store `source` in the cell `install`, the second of the notebook; insert that cell if there is none."""
    cells = notebook["cells"]
    cell = next((cell for cell in cells if cell["id"] == "install"), None)
    if cell is None:
        # The new cell counts as executed first, so each cell after it moves up by one.
        for later in code_cells(notebook):
            for counted in (later, *(output for output in later["outputs"] if "execution_count" in output)):
                if counted["execution_count"] is not None:  # None: the notebook was never executed
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
    try:
        ours, written = address(), texts()
    except ValueError as error:
        parser.error(str(error))
    for path in notebooks():
        install_in(notebook := read(path), ours.install_cell())
        path.write_text(text(notebook), encoding="utf-8")
    for path, new in written.items():
        path.write_text(new, encoding="utf-8")
    names = ", ".join(str(path.relative_to(ROOT)) for path in written)
    print(f"{ours.repository}, {ours.tag}: in pyproject.toml, {len(notebooks())} notebooks, {names}")


if __name__ == "__main__":
    main()
