"""The book's sources as the tests read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat

from tools.notebooks import in_asides

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
MATH = re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.DOTALL)
TAG = re.compile(r"\\tag\{([^}]*)\}")
REFERENCE = re.compile(r"\((\d\d?\.\d+)\)")


# The cell that shows an explorer; those around it are called explorer-NAME-announce, -numbers and -read.
EXPLORER = re.compile(r"explorer-[a-z-]+(?<!-announce)(?<!-numbers)(?<!-read)")


@dataclass
class Notebook:
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def chapter(self) -> int:
        return int(re.search(r"\d\d", self.name)[0])

    @property
    def has_exercises(self) -> bool:
        """A chapter without any, such as the loss in one page, follows a plan of its own."""
        return (ROOT / "exercises" / "source" / f"ch{self.chapter:02}").is_dir()

    @cached_property
    def cells(self) -> list:
        return nbformat.read(self.path, as_version=4).cells

    @cached_property
    def main_road(self) -> Notebook:
        """The notebook without its asides."""
        return self._part(False)

    @cached_property
    def asides(self) -> Notebook:
        """The asides alone."""
        return self._part(True)

    def _part(self, aside: bool) -> Notebook:
        part = Notebook(self.path)
        part.cells = [
            cell for cell, inside in zip(self.cells, in_asides(self.cells), strict=True) if inside == aside
        ]
        return part

    @property
    def open_code(self) -> list:
        """The code cells that the site shows unfolded."""
        folded = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
        return [cell for cell in self.code if not folded & set(cell.metadata.get("tags", []))]

    @property
    def minutes(self) -> float:
        """160 words take a minute, a numbered formula or a figure half of one, a cell of open code one."""
        prose = MATH.sub(" ", re.sub(r"<details>.*?</details>", " ", self.markdown, flags=re.DOTALL))
        figures = sum("fig" in cell.id or bool(EXPLORER.fullmatch(cell.id)) for cell in self.code)
        return (
            len(prose.split()) / 160 + (len(TAG.findall(self.markdown)) + figures) / 2 + len(self.open_code)
        )

    @cached_property
    def markdown(self) -> str:
        return "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")

    @cached_property
    def code(self) -> list:
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @cached_property
    def output(self) -> str:
        """Everything that the cells printed."""
        texts = []
        for cell in self.code:
            for output in cell.outputs:
                texts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
        return "\n".join(texts)

    def cell(self, cell_id: str):
        return next((cell for cell in self.cells if cell.id == cell_id), None)


NOTEBOOKS = [Notebook(path) for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))]
WITH_EXERCISES = [notebook for notebook in NOTEBOOKS if notebook.has_exercises]
# The students' exercises, and the instructor's notebooks that they and the solutions are made from.
EXERCISES = [Notebook(path) for path in sorted(BOOK.glob("exercises/*.ipynb"))]
SOURCES = [Notebook(path) for path in sorted(ROOT.glob("exercises/source/ch*/ch*.ipynb"))]
PAGES = sorted(BOOK.glob("*.md"))


def title(path: Path) -> str:
    """The pytest id of a file: exercises/04_kl."""
    return path.stem if path.parent in (BOOK, ROOT) else f"{path.parent.name}/{path.stem}"


def explorer_cell(name: str) -> str:
    """The id of the cell that shows an explorer; the ids of the cells about it begin with the same."""
    return f"explorer-{name.replace('_', '-')}"


def by_name(name: str) -> Notebook:
    return next(notebook for notebook in NOTEBOOKS if notebook.name == name)
