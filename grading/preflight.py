"""Repairs a submitted notebook before it is graded, or refuses it with a reason.

nbgrader finds answers and checks by the metadata of their cells. Some editors drop this metadata, and then
nbgrader gives 0 points without a message. So each submission is compared with the release version of the
assignment, which has all of its cells.
"""

from __future__ import annotations

import ast
import copy
import json
import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode, v4

MAKE = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}
HIDDEN = "grading-"  # the ids of cells that are run and not shown begin with it
OWN = "its own cell"
SKIP = "skip-execution"  # the tag of a cell that is shown and not run
ATTACHMENT = re.compile(r"attachment:([^)\s\"'>]+)")


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
        attempted: the exercises, such as "4.1", whose answer is not as it was released, wherever it stands.
        near: exercise -> what of the student's may hold its answer, where the answer itself was not found.
        candidates: exercise -> other cells that define its answer, as (what it is called, its source); the
            first is the answer's own cell.
        asked: exercise -> the names that its answer defines.
    """

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    found: int = 0
    missing: list[str] = field(default_factory=list)
    attempted: set[str] = field(default_factory=set)
    near: dict[str, str] = field(default_factory=dict)
    candidates: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)


def preflight(data: bytes, release: NotebookNode) -> Repaired:
    """The submitted notebook with all the cells and the metadata of the release version.

    A cell is recognized by nbgrader's metadata, by its id (Colab moves it into the metadata), by its first
    line, or by what it defines or checks; a cell that comes with the assignment, such as its imports or a
    figure, by its id or by its source. Locked cells are replaced by those of the release version; what a
    student wrote into one stays, as a cell of its own before it. Cells that a student added stay there.
    Outputs and all other metadata are removed, so that a tag cannot keep a check from running.

    An answer may stand in another cell than its own. If its own is as it was released, it is not run, and the
    check goes behind the last cell that defines the answer.

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
    own = _merge(repaired, submitted, release, wanted, {index: name for name, index in place.items()})
    _put_back(repaired, release, {name: cell for name, cell in wanted.items() if name not in place}, own)
    _look_around(repaired, release, own)
    for cell in repaired.notebook.cells:
        _without_lost_pictures(cell, repaired.notes)
    return repaired


def _merge(
    repaired: Repaired,
    submitted: list[NotebookNode],
    release: NotebookNode,
    wanted: dict[str, NotebookNode],
    names: dict[int, str],
) -> list[NotebookNode]:
    """Fill the repaired notebook from the submitted cells; returns those that the student wrote or changed.

    Args:
        wanted: name -> released cell.
        names: index of a submitted cell -> its name, for those that were recognized.
    """
    cells, own, changed = repaired.notebook.cells, [], []
    texts = {
        _squeezed(cell): cell for cell in release.cells if cell.cell_type != "code" and not _grade_id(cell)
    }
    first_answer = next(i for i, cell in enumerate(release.cells) if _is_answer(cell))
    setup = {cell.id for cell in release.cells[:first_answer]}
    for index, cell in enumerate(submitted):
        if index not in names:
            text = texts.pop(_squeezed(cell), None)
            added = MAKE[cell.cell_type](cell.source, id=text.id if text else f"added-{index}")
            _keep_pictures(cell, added)
            cells.append(added)
            if not text and not _is_statement(cell, release):
                own.append(added)
            continue
        name = names[index]
        known = copy.deepcopy(wanted[name])
        same = _is_released(cell, known)
        if not _grade_id(known):
            known.source = cell.source
            if not same and known.id in setup:
                # First as it was released, so that a line of the student that fails takes nothing with it.
                cells.append(v4.new_code_cell(wanted[name].source, id=f"{HIDDEN}{known.id}"))
            if not same:
                own.append(known)
        elif not known.metadata.nbgrader.locked:
            known.source = cell.source
            _keep_pictures(cell, known)
            if not same:
                own.append(known)
        elif not same:
            changed.append(label(name))
            if added := _added_code(cell, known):
                cells.append(v4.new_code_cell(added, id=f"added-{index}"))
                own.append(cells[-1])
        cells.append(known)
    if changed:
        repaired.notes.append(f"{', '.join(changed)}: the check was changed; the released one is used")
    return own


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
            cells = nbformat.reads(_without_surrogates(text), as_version=4).cells
        for cell in cells:
            cell.source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
            cell.metadata = NotebookNode(cell.get("metadata") or {})
            MAKE[cell.cell_type](cell.source, id="a")
        return cells
    except Exception as error:  # a broken file must not stop the class
        raise Refused(f"not a notebook: {type(error).__name__}: {str(error)[:100]}") from error
    finally:
        logger.setLevel(before)


def _without_surrogates(text: str) -> str:
    """The JSON text, with half an emoji, such as \\ud83d alone, replaced: it cannot be written as UTF-8."""
    if not re.search(r"\\u[dD][89a-fA-F]", text):
        return text
    whole = json.dumps(json.loads(text), ensure_ascii=False)
    return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _keep_pictures(cell: NotebookNode, kept: NotebookNode) -> None:
    """Keep the pictures that were pasted into a text cell."""
    found = cell.get("attachments")
    if kept.cell_type != "code" and isinstance(found, dict):
        kept.attachments = NotebookNode(
            {
                name: data
                for name, data in found.items()
                if isinstance(data, dict) and data and all(isinstance(value, str) for value in data.values())
            }
        )


def _without_lost_pictures(cell: NotebookNode, notes: list[str]) -> None:
    """Take out the mark of a picture that is not in the file, at which nbgrader would stop; note it."""
    if cell.cell_type != "markdown":
        return
    there = cell.get("attachments", {})
    lost = sorted(set(ATTACHMENT.findall(cell.source)) - there.keys())
    for name in lost:
        cell.source = cell.source.replace(f"attachment:{name}", name)
        notes.append(f"the picture {name} of a text cell is not in the file")


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
        signs += [(("defines", name), 1) for name in binds(cell)]
        # A cell that defines a name holds an answer, too: a released check must not replace it.
        calls = re.findall(r"\bcheck\(\s*[\"']([^\"']+)[\"']", cell.source)
        signs += [(("checks", call), 1) for call in calls if not binds(cell)]
    return {sign: weight for sign, weight in signs if sign[1] and isinstance(sign[1], str)}


def _grade_id(cell: NotebookNode) -> str | None:
    """The name of the cell in nbgrader's metadata; None if nbgrader does not use the cell."""
    known = cell.metadata.get("nbgrader")
    used = isinstance(known, dict) and any(known.get(use) for use in ("grade", "solution", "locked", "task"))
    return known.get("grade_id") if used else None


def binds(cell: NotebookNode) -> set[str]:
    """Names that a code cell binds outside of functions; if it does not parse, those at heads of lines."""
    if cell.cell_type != "code":
        return set()
    body = _parsed(cell.source)
    if body is None:
        found = re.findall(r"^(?:def +(\w+) *\(|(\w+) *=[^=])", cell.source, re.M)
        return {name for pair in found for name in pair if name}
    return set(_bound(body))


def _parsed(source: str) -> list[ast.stmt] | None:
    """The statements of a cell without its magics; None if it does not parse."""
    try:
        return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statements(cell: NotebookNode) -> dict[str, str]:
    """The statements of a cell without the … of a stub, each with its source; no docstrings."""
    found = {}
    for node in _parsed(cell.source) or []:
        source = ast.get_source_segment(cell.source, node) or ""
        for each in ast.walk(node):
            if isinstance(each, ast.FunctionDef):
                each.body = [line for line in each.body if not _is_constant(line)]
        if not _is_constant(node):
            found[ast.dump(node)] = source
    return found


def _earlier(cell: NotebookNode, names: set[str]) -> list[str]:
    """The cell with one of its definitions of these names each time, but for the last one, which was run."""
    nodes = [(node, names & set(_bound([node]))) for node in _parsed(cell.source) or []]
    defining = [node for node, found in nodes if found]
    return [
        "\n".join(
            ast.get_source_segment(cell.source, node) or ""
            for node, found in nodes
            if not found or node is kept
        )
        for kept in defining[:-1]
    ]


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _bound(nodes: list[ast.AST]) -> Iterator[str]:
    """The names that these statements bind, those in if, for, with and try among them."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                yield node.id
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            yield from _bound(list(ast.iter_child_nodes(node)))


def _added_code(cell: NotebookNode, released: NotebookNode) -> str:
    """What a student wrote into a released check; empty if the check has at most less than before."""
    if cell.cell_type != "code":
        return ""
    if _parsed(cell.source) is None or _parsed(released.source) is None:
        return cell.source
    written, known = _statements(cell), _statements(released)
    return "\n".join(source for node, source in written.items() if node not in known and source != "pass")


def _squeezed(cell: NotebookNode) -> str:
    return "".join(cell.source.split())


def _is_statement(cell: NotebookNode, release: NotebookNode) -> bool:
    """Is it a text of the assignment, of another version or in another language, with nothing written to it?

    Told by the id: a text to which a student added keeps nearly all of its words, a translated one does not.
    """
    name = cell.get("id") or cell.metadata.get("id")
    released = next((c for c in release.cells if c.id == name and c.cell_type != "code"), None)
    if released is None or _grade_id(released) or cell.cell_type == "code":
        return not cell.source.strip()
    known, found = Counter(released.source.split()), Counter(cell.source.split())
    kept = sum((known & found).values()) > 0.7 * sum(known.values())
    return not kept or not (found - known)


def _is_answer(cell: NotebookNode) -> bool:
    return bool(_grade_id(cell) and cell.metadata.nbgrader.solution)


def _is_released(cell: NotebookNode, released: NotebookNode | None) -> bool:
    """Has the student left the released source as it was, up to white space and the … of the stub?

    So has one who emptied the cell, but for its first line.
    """
    if released is None:
        return False
    written, known = (re.sub(r"^ *\.\.\. *(?:#.*)?$", "", c.source, flags=re.M) for c in (cell, released))
    first = known.strip().partition("\n")[0]
    left = written.strip().removeprefix(first) if first.startswith("#") else written
    return not left.strip() or written.split() == known.split()


def _put_back(
    repaired: Repaired, release: NotebookNode, absent: dict[str, NotebookNode], own: list[NotebookNode]
) -> None:
    """Insert the absent cells of the release, except answers found in the student's own cells; note each."""
    cells = repaired.notebook.cells
    # Id of each released answer -> ids of the cells that hold it: its own, unless the student moved it.
    stands = {cell.id: {cell.id} for cell in release.cells if _is_answer(cell)}
    defined = {cell.id: binds(cell) for cell in own}
    written = {cell.id for cell in own}
    moved = set()
    for cell in release.cells:
        names = binds(cell) if _is_answer(cell) else set()
        if names and cell.id not in written and names <= set().union(*defined.values()):
            repaired.notes.append(f"{label(_grade_id(cell))}: the answer stands in another cell")
            stands[cell.id] = {place for place, found in defined.items() if names & found}
            moved.add(cell.id)
            repaired.attempted.add(label(_grade_id(cell)))
    back, given = [], []
    for name, cell in absent.items():
        if cell.id in moved:
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
    exercises = {label(name) for name in moved}
    for cell in [cell for cell in cells if _grade_id(cell) and label(_grade_id(cell)) in exercises]:
        if cell.id in moved:
            cell.metadata.tags = [SKIP]  # the stub would take the answer away again
        elif cell.metadata.nbgrader.locked:
            cells.remove(cell)
            back.append(cell)
    order = {cell.id: index for index, cell in enumerate(release.cells)}
    for cell in sorted(back, key=lambda cell: order[cell.id]):
        cells.insert(_spot(cells, release.cells, cell, stands), copy.deepcopy(cell))


def _look_around(repaired: Repaired, release: NotebookNode, own: list[NotebookNode]) -> None:
    """Note what was attempted, where else an answer stands, and what may hold one that was not found."""
    released = {cell.id: cell for cell in release.cells}
    section, last = {}, None  # id of each own cell -> the exercise that it stands in
    for cell in repaired.notebook.cells:
        last = _exercise(cell.id) or last
        section[cell.id] = last
    exercises = [label(_grade_id(cell)) for cell in release.cells if _is_answer(cell)]
    foreign = [cell for cell in own if not _grade_id(cell) and cell.id not in released]
    for cell in release.cells:
        if not _is_answer(cell):
            continue
        exercise, names = label(_grade_id(cell)), binds(cell)
        repaired.asked[exercise] = names
        mine = next((each for each in own if each.id == cell.id), None)
        written, known = (_statements(each) for each in (mine or cell, cell))
        if mine and cell.cell_type == "code" and written.keys() == known.keys():
            repaired.near[exercise] = "what is written in words in its cell"
        elif mine:
            repaired.attempted.add(exercise)
        candidates = [
            (_called(each), _code(each)) for each in own if each.id != cell.id and names & _defines(each)
        ]
        rest = [source for node, source in written.items() if node not in known]
        if mine and 0 < len(rest) < len(written):
            candidates.insert(0, ("its cell without the line that was given", "\n".join(rest)))
        candidates += [
            ("an earlier definition in its cell", source) for source in _earlier(mine or cell, names)
        ]
        if cell.cell_type == "code":
            repaired.candidates[exercise] = [(OWN, mine.source if mine else ""), *candidates]
        if exercise in repaired.attempted:
            continue
        near = [each for each in foreign if section[each.id] == exercise or _mentions(each, exercise, names)]
        # What stands at the very end may be the answer to anything.
        tail = [each for each in foreign if section[each.id] == exercises[-1]]
        found = [name for name, _ in candidates] or [_called(each) for each in near or tail]
        if found and exercise not in repaired.near:
            repaired.near[exercise] = found[-1]


def _exercise(cell_id: str) -> str | None:
    """ "4.2" for a cell of the assignment that belongs to exercise 4.2."""
    known = re.match(r"exercise-(\d+)-(\d+)\b", cell_id)
    return ".".join(known.groups()) if known else None


def _mentions(cell: NotebookNode, exercise: str, names: set[str]) -> bool:
    words = "|".join(map(re.escape, [exercise, *names]))
    return bool(re.search(rf"(?<![\w.])(?:{words})(?!\w|\.\d)", cell.source))


def _code(cell: NotebookNode) -> str:
    """The code in a cell; of a text cell, that between its fences, or the whole of it."""
    if cell.cell_type == "code":
        return cell.source
    fenced = re.findall(r"^```\w*\n(.*?)^```", cell.source, re.M | re.S)
    return "\n".join(fenced) or cell.source


def _defines(cell: NotebookNode) -> set[str]:
    """As binds, and for the code in a text cell as well."""
    return binds(v4.new_code_cell(_code(cell)))


def _called(cell: NotebookNode) -> str:
    """What a cell of the student is called in a reason: by its first line, or as the answer that it is."""
    if _grade_id(cell):
        return f"the cell of {label(_grade_id(cell))}"
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    kind = "the student's cell" if cell.cell_type == "code" else "the text"
    return f"{kind} {excerpt(lines[0] if lines else '')!r}"


def excerpt(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:59]}…"


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
