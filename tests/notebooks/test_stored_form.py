"""tools/notebooks.py: executing again changes nothing, and check finds what should not be stored."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys

import nbformat
import pytest
from bookfiles import ROOT
from nbformat import v4
from PIL import Image

from tools import notebooks
from tools.notebooks import METADATA, WIDGET, faults, in_asides, normalize, read, text

PRINTS = "import sys\nfor word in ('a', 'b'):\n    print(word)\n    sys.stdout.flush()"
PICTURE = "from PIL import Image\n\nImage.new('RGB', (40, 30), 'navy')"


def tool(command, path, code=0):
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / "notebooks.py", command, path], capture_output=True, text=True
    )
    assert run.returncode == code, run.stdout + run.stderr
    return run.stderr


def repacked(png):
    written = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).save(written, "png", compress_level=0)
    return base64.b64encode(written.getvalue()).decode()


@pytest.fixture
def messy(tmp_path):
    """A notebook as an editor leaves it."""
    streams = [v4.new_output("stream", name="stdout", text=line) for line in ("a\n", "b\n")]
    view = v4.new_output("display_data", {"text/html": "<p>", WIDGET: {"model_id": "1"}})
    cells = [
        v4.new_markdown_cell("# Title", id="title", metadata={"collapsed": True}),
        v4.new_code_cell(
            PRINTS, id="prints", outputs=streams, execution_count=7, metadata={"scrolled": True}
        ),
        v4.new_code_cell("import time\ntime.time()", id="clock", metadata={"tags": ["nbval-ignore-output"]}),
        v4.new_code_cell(PICTURE, id="same", outputs=[view], metadata={"mystnb": {"image": {"alt": "Navy"}}}),
        v4.new_code_cell(PICTURE.replace("navy", "red"), id="other"),
    ]
    path = tmp_path / "messy.ipynb"
    path.write_text(v4.writes(v4.new_notebook(cells=cells, metadata={"widgets": {}, "colab": {}}), indent=2))
    return path


def test_normalize_removes_what_editors_and_machines_add(messy):
    tool("normalize", messy)
    notebook = v4.reads(messy.read_text())
    nbformat.validate(notebook)
    title, prints, clock, picture, _ = notebook.cells
    assert notebook.metadata == METADATA and title.metadata == prints.metadata == {}
    assert clock.metadata == {"tags": ["nbval-ignore-output"]} and "mystnb" in picture.metadata
    assert [output.text for output in prints.outputs] == ["a\nb\n"] and clock.outputs == []
    assert list(picture.outputs[0].data) == ["text/html"]
    as_jupyter_writes = v4.writes(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    assert messy.read_text() == as_jupyter_writes + "\n"


def test_executing_again_changes_nothing(messy):
    tool("execute", messy)
    assert faults(messy) == []
    notebook = read(messy)
    same, other = (notebook["cells"][number]["outputs"][0]["data"] for number in (3, 4))
    # the one as another version of the library would write it, the other as it was before a change
    same["image/png"], red = repacked(same["image/png"]), other["image/png"]
    before = text(notebook)
    other["image/png"] = same["image/png"]
    messy.write_text(text(notebook))
    tool("execute", messy)
    assert other["image/png"] != red and messy.read_text() == before


def test_a_notebook_that_raises_is_named_and_not_changed(messy):
    notebook = read(messy)
    notebook["cells"][1]["source"] = "assert 1 == 2, 'one is not two'"
    messy.write_text(before := text(notebook))
    told = tool("execute", messy, code=1).splitlines()  # a kernel may complain first that it was stopped
    assert told[-1] == f"{messy}, cell prints: AssertionError: one is not two"
    assert messy.read_text() == before


def stored():
    cells = [v4.new_code_cell("1", id="one-cell", execution_count=1), v4.new_markdown_cell("Text", id="text")]
    notebook = json.loads(v4.writes(v4.new_notebook(cells=cells)))
    normalize(notebook)
    return notebook


@pytest.mark.parametrize(
    ("fault", "spoil"),
    [
        ("", lambda notebook: None),
        ("'Some_Cell'", lambda notebook: notebook["cells"][0].update(id="Some_Cell")),
        ("'c1f2a3b4'", lambda notebook: notebook["cells"][0].update(id="c1f2a3b4")),
        ("2 cells have the id 'text'", lambda notebook: notebook["cells"][0].update(id="text")),
        ("from one run", lambda notebook: notebook["cells"][0].update(execution_count=3)),
        ("not in the stored form", lambda notebook: notebook.update(metadata=METADATA | {"widgets": {}})),
        ("not in the stored form", lambda notebook: notebook["cells"][1]["metadata"].update(collapsed=True)),
    ],
)
def test_check_names_the_fault(fault, spoil, tmp_path):
    path, notebook = tmp_path / "small.ipynb", stored()
    spoil(notebook)
    path.write_text(text(notebook))
    found = tool("check", path, code=int(bool(fault))).splitlines()
    assert len(found) == int(bool(fault))
    assert all(line.startswith(f"{path}: ") and fault in line for line in found)


def test_what_to_run_works_where_the_path_of_the_repository_has_a_space(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    path, notebook = tmp_path / "book.ipynb", stored()
    notebook["cells"][0].update(execution_count=3)
    notebook["cells"][1]["metadata"].update(collapsed=True)
    path.write_text(text(notebook))
    commands = [fault.partition(": run ")[2] for fault in faults(path)]
    assert commands == [
        "make notebooks NOTEBOOKS=book.ipynb",
        ".venv/bin/python tools/notebooks.py normalize book.ipynb",
    ]


ROADS = ("# A", "Main.", "### Aside · One is one", "In it.", "#### Deeper\n\nIn it.", "### Main again",
         "Main.", "### Aside · Two is two", "## Main")  # fmt: skip


def test_an_aside_ends_at_the_next_heading_of_its_level_or_above():
    cells = [v4.new_markdown_cell(source) for source in ROADS]
    assert in_asides(cells) == [False, False, True, True, True, False, False, True, False]


def test_asides_are_closed_in_jupyterlab_and_in_colab():
    """Their headings are collapsed, and nothing else; the mark is the heading alone."""
    cells = [v4.new_markdown_cell(source, id=f"cell-{i}") for i, source in enumerate(ROADS)]
    notebook = json.loads(v4.writes(v4.new_notebook(cells=cells)))
    normalize(notebook)
    collapsed = [
        cell["id"] for cell in notebook["cells"] if cell["metadata"].get("jp-MarkdownHeadingCollapsed")
    ]
    assert collapsed == notebook["metadata"]["colab"]["collapsed_sections"] == ["cell-2", "cell-7"]
    assert [cell["metadata"].get("id") for cell in notebook["cells"] if cell["id"] in collapsed] == collapsed
    notebook["cells"][2]["source"] = notebook["cells"][7]["source"] = ["## No aside"]
    normalize(notebook)
    assert notebook["metadata"] == METADATA
    assert not any(cell["metadata"] for cell in notebook["cells"])
