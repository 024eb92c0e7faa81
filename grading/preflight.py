"""Repairs a submitted notebook before it is graded, or refuses it with a reason.

nbgrader finds answers and checks by the metadata of their cells. Some editors drop this metadata, and then
nbgrader gives 0 points without a message. So each submission is compared with the release version of the
assignment, which has all of its cells.
"""

from __future__ import annotations

import ast
import copy
import logging
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode, v4

MAKE = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}


class Refused(Exception):
    """This file cannot be graded; the message says why, for the instructor."""


@dataclass
class Repaired:
    """A notebook that nbgrader can grade.

    Attributes:
        notebook: all the cells of the release version with its metadata, and what the student added.
        notes: what was repaired, in plain words.
        found: the number of the assignment's answers and checks that were found.
        missing: the names of the answers that were not found.
    """

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    found: int = 0
    missing: list[str] = field(default_factory=list)


def preflight(data: bytes, release: NotebookNode) -> Repaired:
    """The submitted notebook with all the cells and the metadata of the release version.

    A cell is recognized by nbgrader's metadata, by its id (Colab moves it into the metadata), by its first
    line, or by what it defines or checks; a cell that comes with the assignment, such as its imports or a
    figure, by its id or by its source. Locked cells are replaced by those of the release version. Cells that
    a student added stay in their places. Outputs and all other metadata are removed, so that a tag cannot
    keep a check from running.

    Args:
        data: the bytes of the file.
        release: the notebook that nbgrader made for students.

    Raises:
        Refused: the file is empty, no UTF-8, no notebook, or none of the assignment's answers is in it.
    """
    submitted = _read(data)
    wanted = {
        _grade_id(cell) or cell.id: cell
        for cell in release.cells
        if _grade_id(cell) or cell.cell_type == "code"
    }
    given = {name for name, cell in wanted.items() if not _grade_id(cell)}
    answers = {name for name, cell in wanted.items() if _is_answer(cell)}
    place = _places(submitted, wanted, given)
    if not place.keys() & answers:
        first = next((line for cell in submitted for line in cell.source.splitlines() if line.strip()), "")
        raise Refused(
            f"none of the assignment's {len(answers)} answers is in it; it begins with {first[:60]!r}"
        )
    repaired = Repaired(
        v4.new_notebook(metadata=copy.deepcopy(release.metadata)), found=len(place.keys() - given)
    )
    lost = sum(_grade_id(submitted[place[name]]) != name for name in place.keys() - given)
    if lost:
        cells = "1 cell" if lost == 1 else f"{lost} cells"
        repaired.notes.append(f"nbgrader's metadata was lost and is restored for {cells}")
    names, changed = {index: name for name, index in place.items()}, []
    cells = repaired.notebook.cells
    words = [cell for cell in release.cells if cell.cell_type != "code" and not _grade_id(cell)]
    texts = {cell.source: cell.id for cell in words}
    for index, cell in enumerate(submitted):
        if index not in names:
            own_id = texts.pop(cell.source, f"added-{index}")
            cells.append(MAKE[cell.cell_type](cell.source, id=own_id))
            continue
        known = copy.deepcopy(wanted[names[index]])
        if names[index] in given or not known.metadata.nbgrader.locked:
            known.source = cell.source
        elif known.source.split() != cell.source.split():
            changed.append(label(names[index]))
        cells.append(known)
    if changed:
        repaired.notes.append(f"{', '.join(changed)}: the check was changed; the released one is used")
    own = [cell for index, cell in enumerate(cells) if not _is_released(cell, wanted.get(names.get(index)))]
    _put_back(repaired, release, {name: cell for name, cell in wanted.items() if name not in place}, own)
    return repaired


def label(name: str) -> str:
    """ "4.2" for the cells of exercise 4.2, the name as it is for any other."""
    exercise = re.fullmatch(r"exercise-(\d+)-(\d+)-\w+", name)
    return ".".join(exercise.groups()) if exercise else name


def _read(data: bytes) -> list[NotebookNode]:
    """The cells of the notebook in these bytes: type, source as one string, id, metadata."""
    if not data.strip():
        raise Refused("the file is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"byte {data[error.start]:#04x} at position {error.start}"
        raise Refused(f"not in UTF-8, as notebooks are: {wrong}") from error
    logger = logging.getLogger("traitlets")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # nbformat logs what is invalid; that is repaired or refused here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cells = nbformat.reads(text, as_version=4).cells
        for cell in cells:
            cell.source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
            cell.metadata = NotebookNode(cell.get("metadata") or {})
            MAKE[cell.cell_type](cell.source, id="a")
        return cells
    except Exception as error:  # a broken file must not stop the class
        raise Refused(f"not a notebook: {type(error).__name__}: {str(error)[:100]}") from error
    finally:
        logger.setLevel(before)


def _places(cells: list[NotebookNode], wanted: dict[str, NotebookNode], given: set[str]) -> dict[str, int]:
    """Name of each wanted cell that was found -> its index; names in `given` are no answers and no checks."""
    signs = {name: _signs(cell) for name, cell in wanted.items()}
    often = Counter(sign for found in signs.values() for sign in found)
    for name, found in signs.items():
        # A figure may define and check the same names as an answer: only its id or its source identifies it.
        kinds = ("id", "source") if name in given else ("name", "id", "first line", "checks", "defines")
        alone = {sign: weight for sign, weight in found.items() if often[sign] == 1 and sign[0] in kinds}
        signs[name] = alone
    matches = []
    for index, cell in enumerate(cells):
        shown = _signs(cell)
        emptied = cell.cell_type != "code" or not cell.source.strip()
        for name, known in signs.items():
            if name in given and emptied:
                continue
            # A copy has the metadata and the first line of its original but another id, so it scores lower.
            score = sum(weight for sign, weight in known.items() if sign in shown)
            matches.append((score, index, name))
    place: dict[str, int] = {}
    for score, index, name in sorted(matches, reverse=True):
        if score and name not in place and index not in place.values():
            place[name] = index
    return place


def _signs(cell: NotebookNode) -> dict[tuple, int]:
    """Each feature by which a cell is recognized -> its weight."""
    signs = [
        (("name", _grade_id(cell)), 64),
        (("id", cell.get("id")), 32),
        (("id", cell.metadata.get("id")), 32),
    ]
    first = cell.source.strip().partition("\n")[0]
    if first.startswith("#"):
        signs.append((("first line", "".join(first.split())), 16))
    if cell.cell_type == "code":
        signs.append((("source", "".join(cell.source.split())), 16))
        signs += [(("defines", name), 1) for name in _defined(cell)]
        # A cell that defines a name holds an answer, too: a released check must not replace it.
        calls = re.findall(r"\bcheck\(\s*[\"']([^\"']+)[\"']", cell.source)
        signs += [(("checks", call), 1) for call in calls if not _defined(cell)]
    return {sign: weight for sign, weight in signs if sign[1] and isinstance(sign[1], str)}


def _grade_id(cell: NotebookNode) -> str | None:
    """The name of the cell in nbgrader's metadata; None if nbgrader does not use the cell."""
    known = cell.metadata.get("nbgrader")
    used = isinstance(known, dict) and any(known.get(use) for use in ("grade", "solution", "locked", "task"))
    return known.get("grade_id") if used else None


def _defined(cell: NotebookNode) -> set[str]:
    """Names that a code cell binds at its top level; none if it does not parse."""
    if cell.cell_type != "code":
        return set()
    try:
        body = ast.parse(re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.M)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names = {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return names | {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def _is_answer(cell: NotebookNode) -> bool:
    return bool(_grade_id(cell) and cell.metadata.nbgrader.solution)


def _is_released(cell: NotebookNode, released: NotebookNode | None) -> bool:
    """Has the student left the released source as it was, up to white space?"""
    return released is not None and cell.source.split() == released.source.split()


def _put_back(
    repaired: Repaired, release: NotebookNode, absent: dict[str, NotebookNode], own: list[NotebookNode]
) -> None:
    """Insert the absent cells of the release, except answers found in the student's own cells; note each."""
    # Id of each released answer -> ids of the cells that hold it: its own, unless the student moved it.
    stands = {cell.id: {cell.id} for cell in release.cells if _is_answer(cell)}
    defined = {cell.id: _defined(cell) for cell in own}
    back, given = [], []
    for name, cell in absent.items():
        names = _defined(cell)
        if _is_answer(cell) and names and names <= set().union(*defined.values()):
            repaired.notes.append(f"{label(name)}: the answer stands in another cell")
            stands[cell.id] = {place for place, found in defined.items() if names & found}
            continue
        back.append(cell)
        if _is_answer(cell):
            repaired.missing.append(name)
        elif _grade_id(cell):
            repaired.notes.append(f"{label(name)}: the check was missing and is put back")
        else:
            given.append(name)
    if given:
        repaired.notes.append(f"{', '.join(given)}: not found, so what was released is put back")
    cells = repaired.notebook.cells
    for cell in back:
        cells.insert(_spot(cells, release.cells, cell, stands), copy.deepcopy(cell))


def _spot(
    cells: list[NotebookNode], released: list[NotebookNode], cell: NotebookNode, stands: dict[str, set[str]]
) -> int:
    """The index at which a released cell is inserted: after the last cell that precedes it in the release.

    A check needs the answers that precede it, so it goes after them, wherever they are. A given cell may be
    needed by the answers that follow it, so it goes before them.
    """
    position = released.index(cell)
    before = {other.id for other in released[:position]}
    if _grade_id(cell) and cell.metadata.nbgrader.locked:
        before = before.union(*(found for answer, found in stands.items() if answer in before))
    spot = max((index for index, other in enumerate(cells, start=1) if other.id in before), default=0)
    if not _grade_id(cell):
        behind = set().union(*(stands.get(other.id, set()) for other in released[position:]))
        spot = min([spot, *(index for index, other in enumerate(cells) if other.id in behind)])
    return spot
