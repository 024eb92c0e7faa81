"""The student's notebook and the page of solutions: python -m tools.exercises make|check|pages [CHAPTER …]

Both are made from the instructor's notebook, the source exercises/source/chNN/chNN.ipynb, which holds the
statements, solutions and checks.

make: runs the source, then makes and runs the student's notebook book/exercises/NN_name.ipynb.
check: reports a student's notebook that its source does not make, a solution that does not pass its own
check, and a stub for which the check does not print "not attempted yet".
pages: writes the solutions, book/solutions/NN_name.ipynb, and _build/toc.yml, a table of contents with them;
with --without, or where there is no source, it removes them and writes a table of contents without them.

Relative links in a source are written for the notebooks made from it, two folders below the root.
"""

import argparse
import copy
import re
import shutil
import sys

import yaml

from tools.notebooks import ROOT, code_cells, execute, lines, read, text

SOURCE, BOOK = ROOT / "exercises" / "source", ROOT / "book"
SOLUTION = "solution"  # the tag of a cell that the student's notebook leaves out
STUB = "...  # your answer here"
REGION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION(\n|\Z)", re.M | re.S)
HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS(\n|\Z)", re.M | re.S)
STATEMENT = re.compile(r"## (\d+)\.(\d+) · ")
# The first line of a graded cell, from which its metadata can be made again if an editor lost it.
MARKER = re.compile(r"# Exercise (\d+)\.(\d+): (your answer|check)(?: \((\d+) points?\))?$", re.M)


def sources(chapters=()):
    """The instructor's notebooks, all or those of some chapters."""
    paths = sorted(SOURCE.glob("ch*/ch*.ipynb"))
    return [path for path in paths if not chapters or int(path.stem[2:]) in chapters]


def made_path(source, folder):
    """The path in book/folder of what is made from a source: book/exercises/04_kl.ipynb for ch04.ipynb."""
    chapter = next(BOOK.glob(f"{source.stem[2:]}_*.ipynb"), None)
    if chapter is None:
        raise ValueError(f"{short(source)}: expected a chapter book/{source.stem[2:]}_….ipynb, found none")
    return BOOK / folder / chapter.name


def nbgrader(cell):
    """nbgrader's metadata (schema version 3) of an answer or a check; None for any other cell."""
    found = MARKER.match("".join(cell["source"])) if cell["cell_type"] == "code" else None
    if not found:
        return None
    chapter, number, kind, points = found.groups()
    graded = kind == "check"
    name = f"exercise-{chapter}-{number}-{'check' if graded else 'answer'}"
    metadata = {"grade": graded, "grade_id": name, "locked": graded, "schema_version": 3}
    metadata |= {"solution": not graded, "task": False}
    return metadata | {"cell_type": "code", "points": int(points)} if graded else metadata


def restore(notebook):
    """Set the ids of an exercise's cells, and nbgrader's metadata, from the first lines of the cells."""
    name, ids = None, set()
    for cell in notebook["cells"]:
        if statement := STATEMENT.match("".join(cell["source"])):
            cell["id"] = name = "exercise-{}-{}".format(*statement.groups())
        elif name and SOLUTION in cell["metadata"].get("tags", []) and f"{name}-solution" not in ids:
            cell["id"] = f"{name}-solution"
        ids.add(cell["id"])
        metadata = nbgrader(cell)
        cell["metadata"].pop("nbgrader", None)
        if metadata:
            cell["id"] = metadata["grade_id"]
            cell["metadata"]["nbgrader"] = metadata


def stub(region):
    """What replaces a solution: … in a function; nothing at the left margin, below a line that sets None."""
    return f"{region[1]}{STUB}{region[2]}" if region[1] else ""


def student(notebook):
    """The notebook without solutions and outputs."""
    made = copy.deepcopy(notebook)
    made["cells"] = [cell for cell in made["cells"] if SOLUTION not in cell["metadata"].get("tags", [])]
    for cell in code_cells(made):
        source = HIDDEN.sub("", REGION.sub(stub, "".join(cell["source"])))
        cell |= {"source": lines(source.rstrip("\n")), "outputs": [], "execution_count": None}
    return made


def solutions(notebook):
    """The page of solutions: solutions and stored outputs stay; nbgrader's marks and hidden tests go."""
    made = copy.deepcopy(notebook)
    opening = "".join(made["cells"][0]["source"]).replace("# Exercises ", "# Solutions ", 1)
    opening = opening.replace("These are the exercises of", "Worked solutions to the exercises of", 1)
    made["cells"][0]["source"] = lines("\n\n".join(opening.split("\n\n")[:2]))
    for cell in made["cells"]:
        cell["metadata"].pop("nbgrader", None)
        source = HIDDEN.sub("", "".join(cell["source"]))
        source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", source, flags=re.M)
        cell["source"] = lines(source.rstrip("\n"))
    return made


def make(source):
    """Run the source, then make and run the student's notebook."""
    notebook = read(source)
    restore(notebook)
    source.write_text(text(notebook), encoding="utf-8")
    source.write_text(text(execute(source)), encoding="utf-8")
    path = made_path(source, "exercises")
    path.parent.mkdir(exist_ok=True)
    made = student(read(source))
    before = read(path) if path.is_file() else None
    path.write_text(text(made), encoding="utf-8")
    path.write_text(text(execute(path, before)), encoding="utf-8")


def bare(notebook):
    """A copy without outputs and execution counts."""
    notebook = copy.deepcopy(notebook)
    for cell in code_cells(notebook):
        cell |= {"outputs": [], "execution_count": None}
    return notebook


def verdicts(notebook):
    """The id of each check -> the first line that it printed."""
    return {
        cell["id"]: "".join("".join(output.get("text", "")) for output in cell["outputs"]).partition("\n")[0]
        for cell in code_cells(notebook)
        if cell["id"].endswith("-check")
    }


def short(path):
    """The path from the root, if it is below it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def faults(source, path):
    """Where a source and the student's notebook do not fit together: one line of text for each fault."""
    notebook = read(source)
    restore(restored := copy.deepcopy(notebook))
    if restored != notebook:
        yield f"{short(source)}: ids or metadata differ from the first lines of the cells: run make exercises"
    if not path.is_file() or bare(student(notebook)) != bare(read(path)):
        yield f"{short(path)}: not what {source.name} makes: run make exercises"
        return
    for made, wanted in ((source, "right"), (path, "not attempted yet")):
        for cell, said in verdicts(read(made)).items():
            due = f"{'.'.join(cell.split('-')[1:3])}: {wanted}"
            if said != due:
                yield f"{short(made)}, cell {cell}: the check says {said!r}, where {due!r} is due"


def pages(without=False):
    """Write or remove the pages of solutions, and write the table of contents with or without them."""
    shutil.rmtree(BOOK / "solutions", ignore_errors=True)
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    if not without and sources():
        (BOOK / "solutions").mkdir()
        made = [made_path(source, "solutions") for source in sources()]
        for source, path in zip(sources(), made, strict=True):
            path.write_text(text(solutions(read(source))), encoding="utf-8")
        after = next(i for i, part in enumerate(toc["parts"], 1) if part["caption"] == "Exercises")
        chapters = [{"file": f"book/solutions/{path.stem}"} for path in made]
        toc["parts"].insert(after, {"caption": "Solutions", "chapters": chapters})
    (ROOT / "_build").mkdir(exist_ok=True)
    (ROOT / "_build" / "toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["make", "check", "pages"])
    parser.add_argument("chapters", nargs="*", type=int, help="default: all of them")
    parser.add_argument("--without", action="store_true", help="pages: no solutions")
    given = parser.parse_args()
    known = [int(source.stem[2:]) for source in sources()]
    if unknown := sorted(set(given.chapters) - set(known)):
        parser.error(f"no exercises of chapter {unknown[0]} in {short(SOURCE)}; there are {known}")
    if given.command == "pages":
        pages(given.without)
    for source in sources(given.chapters) if given.command == "make" else ():
        make(source)
        print(f"{made_path(source, 'exercises').name}: made", flush=True)
    if given.command != "pages":
        found = [
            fault
            for source in sources(given.chapters)
            for fault in faults(source, made_path(source, "exercises"))
        ]
        sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main()
