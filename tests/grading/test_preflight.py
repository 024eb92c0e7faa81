"""What editors lose is restored from the released notebook, or the file is refused with a reason."""

from __future__ import annotations

import copy
import json
import re

import nbformat
import pytest
import toy
from nbformat import NotebookNode, v4

from grading.preflight import Mended, Refused, preflight


@pytest.fixture(scope="module")
def release() -> NotebookNode:
    return toy.student()


def mend(notebook: NotebookNode, release: NotebookNode) -> Mended:
    mended = preflight(toy.text(notebook), release)
    nbformat.validate(mended.notebook, relax_add_props=False)
    return mended


def graded_cells(notebook: NotebookNode) -> list[tuple]:
    """The cells that nbgrader has to know, as it knows them."""
    return [
        (cell.metadata.nbgrader.grade_id, cell.id, cell.source)
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    ]


def code(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_an_intact_notebook_stays_as_it_is(release):
    mended = mend(toy.right(), release)
    assert (mended.notes, mended.missing, mended.found) == ([], [], 7)
    assert [cell.source for cell in mended.notebook.cells] == [cell.source for cell in toy.right().cells]
    assert graded_cells(mended.notebook) == graded_cells(toy.right())


@pytest.mark.parametrize("lose", [toy.as_colab_saves, toy.without_ids])
def test_lost_metadata_is_restored(lose, release):
    mended = mend(lose(toy.right()), release)
    told = graded_cells(mended.notebook)
    # The text answer has neither a first line of its own nor a name: only its id can tell it.
    wanted = graded_cells(toy.right())
    assert told[:6] == wanted[:6]
    assert mended.missing == ([] if lose is toy.as_colab_saves else ["exercise-1-4-answer"])
    assert re.fullmatch(r"nbgrader's metadata was lost and is restored for [67] cells", mended.notes[0])


def test_without_its_first_line_an_answer_is_known_by_what_it_defines(release):
    notebook = toy.without_ids(toy.right())
    for cell in notebook.cells:
        cell.source = re.sub(r"^# Exercise.*answer\n", "", cell.source)
    mended = mend(notebook, release)
    assert [name for name, _, _ in graded_cells(mended.notebook)][:5:2] == [
        "exercise-1-1-answer",
        "exercise-1-2-answer",
        "exercise-1-3-answer",
    ]
    assert mended.missing == ["exercise-1-4-answer"]


def test_a_copy_of_a_cell_stays_a_cell_of_the_student(release):
    notebook = toy.right()
    copied = NotebookNode(toy.cell(notebook, "exercise-1-2-answer"), id="copied")
    notebook.cells.insert(2, NotebookNode(copied, source="def add(a, b):\n    return 0"))
    mended = mend(notebook, release)
    assert graded_cells(mended.notebook) == graded_cells(toy.right())
    assert mended.notebook.cells[2].source == "def add(a, b):\n    return 0"
    assert mended.notebook.cells[2].metadata == {}


def test_a_changed_check_is_the_released_one_again(release):
    notebook = toy.right()
    forged = toy.cell(notebook, "exercise-1-3-check")
    forged.source, forged.metadata.nbgrader.points = "pass", 100
    mended = mend(notebook, release)
    assert graded_cells(mended.notebook) == graded_cells(toy.right())
    assert toy.cell(mended.notebook, "exercise-1-3-check").metadata.nbgrader.points == 3
    assert mended.notes == ["1.3: the check had been changed and is the released one again"]


def test_no_tag_and_no_metadata_of_a_student_is_kept(release):
    notebook = toy.right()
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "raises-exception"]
    extra = v4.new_code_cell("1", metadata=toy.graded("own", grade=True, points=50))
    notebook.cells.append(extra)
    mended = mend(notebook, release)
    assert not any("tags" in cell.metadata for cell in mended.notebook.cells)
    assert graded_cells(mended.notebook) == graded_cells(toy.right())


def test_a_missing_check_is_put_back_behind_its_answer(release):
    notebook = toy.right()
    notebook.cells.remove(toy.cell(notebook, "exercise-1-2-check"))
    mended = mend(notebook, release)
    assert [cell.id for cell in mended.notebook.cells if "exercise" in cell.id] == [
        cell.id for cell in toy.right().cells if "exercise" in cell.id
    ]
    assert mended.notes == ["1.2: the check was missing and is put back"]


@pytest.mark.parametrize("lose", [lambda notebook: notebook, toy.as_colab_saves, toy.without_ids])
def test_a_figure_that_checks_is_not_taken_for_a_deleted_check(lose, release):
    mended = mend(lose(toy.without(toy.right(), "exercise-1-2-check")), release)
    assert code(mended.notebook) == code(toy.right())
    notes = [note for note in mended.notes if "metadata was lost" not in note]
    assert notes == ["1.2: the check was missing and is put back"]


def test_the_note_on_one_cell_is_in_the_singular(release):
    notebook = toy.right()
    del toy.cell(notebook, "exercise-1-2-check").metadata["nbgrader"]
    assert mend(notebook, release).notes == ["nbgrader's metadata was lost and is restored for 1 cell"]


def test_a_cell_that_defines_something_is_not_replaced_by_a_check(release):
    notebook = toy.without(toy.right(), "exercise-1-3-answer", "exercise-1-3-check")
    own = f'{toy.RIGHT["1.3"]}\ncheck("1.3", double(4) == 8, "not doubled")'
    notebook.cells.insert(-1, v4.new_code_cell(own, id="own"))
    mended = mend(notebook, release)
    assert own in code(mended.notebook) and mended.missing == []
    assert code(mended.notebook)[-1] == code(toy.right())[-1]


GIVEN = ["setup", "exercise-1-2-figure"]


@pytest.mark.parametrize("lose", [lambda notebook: notebook, toy.as_colab_saves, toy.without_ids])
def test_cells_that_come_with_the_assignment_are_put_back_in_their_places(lose, release):
    mended = mend(lose(toy.without(toy.right(), *GIVEN)), release)
    assert code(mended.notebook) == code(toy.right())
    assert mended.notes[-1] == "setup, exercise-1-2-figure: not found, so what was released is put back"


@pytest.mark.parametrize("change", [{"source": " "}, {"cell_type": "markdown"}], ids=["emptied", "as text"])
def test_a_cell_of_the_assignment_that_does_nothing_any_more_is_put_back(change, release):
    notebook = toy.right()
    toy.cell(notebook, "setup").update(change)
    if "cell_type" in change:
        del toy.cell(notebook, "setup")["outputs"], toy.cell(notebook, "setup")["execution_count"]
    mended = mend(notebook, release)
    assert toy.cell(mended.notebook, "setup").source == toy.SETUP
    assert len(mended.notebook.cells) == len(notebook.cells) + 1


def test_what_a_student_wrote_into_a_cell_of_the_assignment_stays(release):
    notebook = toy.without(toy.right(), "exercise-1-2-answer")
    setup = toy.cell(notebook, "setup")
    setup.source += "\n" + toy.RIGHT["1.2"]
    mended = mend(notebook, release)
    assert toy.cell(mended.notebook, "setup").source == setup.source
    assert (mended.notes, mended.missing) == (["1.2: the answer stands in another cell"], [])


def test_checks_are_put_back_behind_the_cell_that_the_answers_stand_in(release):
    mended = mend(toy.merged(toy.without(toy.right(), *GIVEN)), release)
    ids = [cell.id for cell in mended.notebook.cells]
    # The cell with all answers is known as one of them.
    answers = next(index for index, cell in enumerate(mended.notebook.cells) if "def double" in cell.source)
    assert mended.notebook.cells[answers].source.startswith(toy.RIGHT["1.1"])
    checks = [ids.index(f"exercise-1-{number}-check") for number in (1, 2, 3)]
    assert ids.index("setup") < answers < checks[0] < checks[1] < checks[2]
    assert mended.missing == []


def test_what_an_answer_may_need_is_put_back_before_it(release):
    """Though the checks before it in the released notebook stand behind all answers now."""
    release = NotebookNode(release, cells=list(release.cells))
    at = release.cells.index(toy.cell(release, "exercise-1-3"))
    release.cells.insert(at + 1, v4.new_code_cell("number = 4", id="exercise-1-3-given"))
    ids = [cell.id for cell in mend(toy.merged(toy.right()), release).notebook.cells]
    own = next(cell_id for cell_id in ids if cell_id in ("own", "exercise-1-3-answer"))
    assert ids.index("exercise-1-3-given") < ids.index(own) < ids.index("exercise-1-2-check")


def test_a_missing_answer_is_named_and_left_as_released(release):
    notebook = toy.right()
    notebook.cells.remove(toy.cell(notebook, "exercise-1-2-answer"))
    mended = mend(notebook, release)
    assert mended.missing == ["exercise-1-2-answer"]
    assert toy.STUB["1.2"] in toy.cell(mended.notebook, "exercise-1-2-answer").source


def test_an_answer_of_which_only_a_part_stands_elsewhere_is_missing(release):
    release = copy.deepcopy(release)
    toy.cell(release, "exercise-1-2-answer").source += "\n\ndef subtract(a, b):\n    ..."
    notebook = toy.without(toy.right(), "exercise-1-2-answer")
    toy.cell(notebook, "exercise-1-1-answer").source += "\n" + toy.RIGHT["1.2"]
    assert mend(notebook, release).missing == ["exercise-1-2-answer"]


def test_two_answers_in_one_cell_are_not_overwritten_by_a_stub(release):
    notebook = toy.right()
    toy.cell(notebook, "exercise-1-1-answer").source += "\n" + toy.RIGHT["1.2"]
    notebook.cells.remove(toy.cell(notebook, "exercise-1-2-answer"))
    mended = mend(notebook, release)
    assert mended.notes == ["1.2: the answer stands in another cell"]
    assert not any(toy.STUB["1.2"] in cell.source for cell in mended.notebook.cells)


def test_what_a_student_added_stays_in_its_place(release):
    notebook = toy.right()
    notebook.cells.insert(3, v4.new_code_cell("%matplotlib inline\nhelper = 1", id="0f3e"))
    mended = mend(notebook, release)
    assert mended.notebook.cells[3].source == "%matplotlib inline\nhelper = 1"
    assert len(mended.notebook.cells) == len(notebook.cells)


def test_a_notebook_with_a_byte_order_mark_or_lists_of_lines_is_read(release):
    notebook = toy.right()
    for cell in notebook.cells:
        cell.source = cell.source.splitlines(keepends=True)
    mended = preflight(b"\xef\xbb\xbf" + toy.text(notebook), release)
    assert graded_cells(mended.notebook) == graded_cells(toy.right())


def test_metadata_of_any_kind_does_no_harm(release):
    notebook = toy.right()
    for cell, value in zip(notebook.cells, [["a"], {"b": 1}, 3, None], strict=False):
        cell.metadata = NotebookNode(id=value, nbgrader=value)
    notebook.cells[-1].metadata.nbgrader.grade_id = ["exercise-1-4-answer"]
    assert graded_cells(mend(notebook, release).notebook) == graded_cells(toy.right())


OTHER = v4.new_notebook(cells=[v4.new_markdown_cell("# My essay")])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n\t", "the file is empty"),
        ("# café".encode("latin-1"), "not in UTF-8, as notebooks are: byte 0xe9 at position 5"),
        (json.dumps(OTHER).encode("utf-16"), "not in UTF-8, as notebooks are: byte 0xff at position 0"),
        (b"%PDF-1.7", "not a notebook: NotJSONError"),
        (b"[1, 2]", "not a notebook: "),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not a notebook: "),
        (b'{"cells": [{"cell_type": "sql", "source": ""}], "nbformat": 4}', "not a notebook: "),
        (b'{"cells": [{"cell_type": "code", "source": 3}], "nbformat": 4}', "not a notebook: "),
        (b'{"cells": [], "nbformat": 99}', "not a notebook: "),
        (b"[" * 100_000, "not a notebook: "),
        (toy.text(OTHER), "none of the assignment's 4 answers is in it; it begins with '# My essay'"),
        (toy.text(v4.new_notebook()), "none of the assignment's 4 answers is in it; it begins with ''"),
    ],
)
def test_what_cannot_be_graded_is_refused_with_the_reason(data, reason, release):
    with pytest.raises(Refused, match=f"^{re.escape(reason)}"):
        preflight(data, release)
