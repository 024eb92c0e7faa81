"""The form in which notebooks are stored: tools/notebooks.py execute|normalize|check [NOTEBOOK …]

execute: runs notebooks from top to bottom and stores their outputs.
normalize: removes what editors and machines add, and runs nothing.
check: reports what normalize would change, and faults that only an author can correct.
Without names, all notebooks of the book and its exercises.
"""

import argparse
import base64
import io
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

from PIL import Image

# nbformat and nbclient are imported in execute alone, as that takes two seconds.

ROOT = Path(__file__).resolve().parents[1]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("mystnb", "nbgrader", "predict", "sets", "tags")
# The one mark of an aside, a section that a reader may leave out; it ends at the next heading, #### aside.
ASIDE = re.compile(r"### Aside · \S")
SECTION = re.compile(r"#{1,3} ")
FOLDERS = ("book", "book/exercises", "exercises/source/ch*")
WIDGET = "application/vnd.jupyter.widget-view+json"
# kebab-case, and not one of the random ids that editors give.
CELL_ID = re.compile(r"(?![0-9a-f]{8}(-|$))[a-z][a-z0-9]*(-[a-z0-9]+)*")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def text(notebook):
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def in_asides(cells):
    """For each cell: is it in an aside?"""
    inside, found = False, []
    for cell in cells:
        if cell["cell_type"] == "markdown" and SECTION.match("".join(cell["source"])):
            inside = bool(ASIDE.match("".join(cell["source"])))
        found.append(inside)
    return found


def folded_line(cell):
    """What a folded code cell does: its first comment."""
    first = "".join(cell["source"]).partition("\n")[0]
    return first.removeprefix("# ") if first.startswith("# ") else ""


def close_asides(notebook):
    """Let asides be closed when the notebook opens, in JupyterLab and in Colab."""
    headings = [
        cell
        for cell in notebook["cells"]
        if cell["cell_type"] == "markdown" and ASIDE.match("".join(cell["source"]))
    ]
    for cell in headings:
        cell["metadata"] |= {"id": cell["id"], "jp-MarkdownHeadingCollapsed": True}
    if headings:
        notebook["metadata"]["colab"] = {"collapsed_sections": [cell["id"] for cell in headings]}


def lines(source):
    return "".join(source).splitlines(keepends=True)


def normalize(notebook):
    """Remove what the editor, the machine and the widgets left; join pieces of a stream; close the asides."""
    notebook |= {"metadata": dict(METADATA), "nbformat": 4, "nbformat_minor": 5}
    for cell in notebook["cells"]:
        cell["metadata"] = {key: cell["metadata"][key] for key in CELL_METADATA if key in cell["metadata"]}
        cell["source"] = lines(cell["source"])
    close_asides(notebook)
    for cell in code_cells(notebook):
        merged = []
        ignored = "nbval-ignore-output" in cell["metadata"].get("tags", [])
        for output in [] if ignored else cell["outputs"]:
            output.get("data", {}).pop(WIDGET, None)
            if output["output_type"] == "stream":
                if merged and merged[-1].get("name") == output["name"]:
                    output["text"] = [*merged.pop()["text"], *output["text"]]
                output["text"] = lines(output["text"])
            merged.append(output)
        cell["outputs"] = merged


def pictures(notebook):
    """(cell, number in the cell) -> the data of the output."""
    return {
        (cell.get("id"), number): output["data"]
        for cell in code_cells(notebook)
        for number, output in enumerate(o for o in cell["outputs"] if "image/png" in o.get("data", {}))
    }


def pixels(png):
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    return image.size, image.convert("RGBA").tobytes()


def execute(path, before=None):
    """The notebook after a run.

    A picture whose pixels are the same as in `before` (or in the file) keeps its bytes: another version of
    matplotlib or zlib would write it in others.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbformat import v4

    notebook, started = v4.reads(path.read_text(encoding="utf-8")), []
    client = NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_start=lambda cell, cell_index: started.append(cell.id),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        sys.exit(f"{path}, cell {started[-1]}: {error.ename}: {error.evalue}")
    notebook = json.loads(v4.writes(notebook))
    normalize(notebook)
    for number, cell in enumerate(code_cells(notebook), start=1):
        cell["execution_count"] = number
        for output in cell["outputs"]:
            if "execution_count" in output:
                output["execution_count"] = number
    before = pictures(before or read(path))
    for place, data in pictures(notebook).items():
        old = before.get(place, {}).get("image/png")
        if old and pixels(old) == pixels(data["image/png"]):
            data["image/png"] = old
    return notebook


def faults(path):
    notebook = read(path)
    ids = [cell.get("id", "") for cell in notebook["cells"]]
    found = [f"the cell id {name!r} is not in kebab-case" for name in ids if not CELL_ID.fullmatch(name)]
    found += [f"{count} cells have the id {name!r}" for name, count in Counter(ids).items() if count > 1]
    found += [
        f"the heading of an aside must stand alone in its cell, but not in {cell['id']}"
        for cell in notebook["cells"]
        if cell["cell_type"] == "markdown"
        and re.search(ASIDE, "".join(cell["source"]))
        and len("".join(cell["source"]).strip().splitlines()) > 1
    ]
    # Relative, as the path of the repository may have a space in it.
    named = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(
            f"the outputs are not from one run from top to bottom: run make notebooks NOTEBOOKS={named}"
        )
    normalize(notebook)
    if text(notebook) != path.read_text(encoding="utf-8"):
        found.append(f"not in the stored form: run .venv/bin/python tools/notebooks.py normalize {named}")
    return [f"{path}: {fault}" for fault in found]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["execute", "normalize", "check"])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the book and its exercises")
    given = parser.parse_args()
    paths = given.notebooks or [path for folder in FOLDERS for path in sorted(ROOT.glob(f"{folder}/*.ipynb"))]
    if given.command == "check":
        sys.exit("\n".join(fault for path in paths for fault in faults(path)) or 0)
    for path in paths:
        if given.command == "execute":
            start = time.perf_counter()
            notebook = execute(path)
            print(f"{path.name}: {time.perf_counter() - start:.0f} s", flush=True)
        else:
            normalize(notebook := read(path))
        path.write_text(text(notebook), encoding="utf-8")


if __name__ == "__main__":
    main()
