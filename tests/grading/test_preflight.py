"""What an editor dropped is restored from the released notebook, or the file is refused with a reason."""

from __future__ import annotations

import copy
import json
import re

import nbformat
import pytest
import toy
from nbformat import NotebookNode, v4

from grading.preflight import Refused, Repaired, preflight


@pytest.fixture(scope="module")
def release() -> NotebookNode:
    return toy.student()


def repair(notebook: NotebookNode, release: NotebookNode) -> Repaired:
    repaired = preflight(toy.text(notebook), release)
    nbformat.validate(repaired.notebook, relax_add_props=False)
    return repaired


def graded_cells(notebook: NotebookNode) -> list[tuple]:
    """Name, id and source of each cell that nbgrader uses."""
    return [
        (cell.metadata.nbgrader.grade_id, cell.id, cell.source)
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    ]


def code(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_complete_notebook_is_unchanged(release):
    repaired = repair(toy.right(), release)
    assert (repaired.notes, repaired.missing, repaired.found) == ([], [], 7)
    assert [cell.source for cell in repaired.notebook.cells] == [cell.source for cell in toy.right().cells]
    assert graded_cells(repaired.notebook) == graded_cells(toy.right())


@pytest.mark.parametrize("lose", [toy.as_colab_saves, toy.without_ids])
def test_lost_metadata_is_restored(lose, release):
    repaired = repair(lose(toy.right()), release)
    told = graded_cells(repaired.notebook)
    # The answer in words has no first line of its own and defines no name: only its id identifies it.
    wanted = graded_cells(toy.right())
    assert told[:6] == wanted[:6]
    assert repaired.missing == ([] if lose is toy.as_colab_saves else ["exercise-1-4-answer"])
    assert re.fullmatch(r"nbgrader's metadata was lost and is restored for [67] cells", repaired.notes[0])


def test_answer_without_its_first_line_is_recognized_by_the_names_it_defines(release):
    notebook = toy.without_ids(toy.right())
    for cell in notebook.cells:
        cell.source = re.sub(r"^# Exercise.*answer\n", "", cell.source)
    repaired = repair(notebook, release)
    assert [name for name, _, _ in graded_cells(repaired.notebook)][:5:2] == [
        "exercise-1-1-answer",
        "exercise-1-2-answer",
        "exercise-1-3-answer",
    ]
    assert repaired.missing == ["exercise-1-4-answer"]


def test_copy_of_an_answer_stays_an_added_cell(release):
    notebook = toy.right()
    copied = NotebookNode(toy.cell(notebook, "exercise-1-2-answer"), id="copied")
    notebook.cells.insert(2, NotebookNode(copied, source="def add(a, b):\n    return 0"))
    repaired = repair(notebook, release)
    assert graded_cells(repaired.notebook) == graded_cells(toy.right())
    assert repaired.notebook.cells[2].source == "def add(a, b):\n    return 0"
    assert repaired.notebook.cells[2].metadata == {}


def test_changed_check_is_replaced_by_the_released_one(release):
    notebook = toy.right()
    forged = toy.cell(notebook, "exercise-1-3-check")
    forged.source, forged.metadata.nbgrader.points = "pass", 100
    repaired = repair(notebook, release)
    assert graded_cells(repaired.notebook) == graded_cells(toy.right())
    assert toy.cell(repaired.notebook, "exercise-1-3-check").metadata.nbgrader.points == 3
    assert repaired.notes == ["1.3: the check was changed; the released one is used"]


def test_tags_and_metadata_of_a_student_are_removed(release):
    notebook = toy.right()
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "raises-exception"]
    extra = v4.new_code_cell("1", metadata=toy.graded("own", grade=True, points=50))
    notebook.cells.append(extra)
    repaired = repair(notebook, release)
    assert not any("tags" in cell.metadata for cell in repaired.notebook.cells)
    assert graded_cells(repaired.notebook) == graded_cells(toy.right())


def test_missing_check_is_put_back_after_its_answer(release):
    notebook = toy.right()
    notebook.cells.remove(toy.cell(notebook, "exercise-1-2-check"))
    repaired = repair(notebook, release)
    assert [cell.id for cell in repaired.notebook.cells if "exercise" in cell.id] == [
        cell.id for cell in toy.right().cells if "exercise" in cell.id
    ]
    assert repaired.notes == ["1.2: the check was missing and is put back"]


@pytest.mark.parametrize("lose", [lambda notebook: notebook, toy.as_colab_saves, toy.without_ids])
def test_figure_with_a_check_does_not_replace_a_deleted_check(lose, release):
    repaired = repair(lose(toy.without(toy.right(), "exercise-1-2-check")), release)
    assert code(repaired.notebook) == code(toy.right())
    notes = [note for note in repaired.notes if "metadata was lost" not in note]
    assert notes == ["1.2: the check was missing and is put back"]


def test_the_note_on_one_cell_is_in_the_singular(release):
    notebook = toy.right()
    del toy.cell(notebook, "exercise-1-2-check").metadata["nbgrader"]
    assert repair(notebook, release).notes == ["nbgrader's metadata was lost and is restored for 1 cell"]


def test_cell_that_defines_a_name_is_not_replaced_by_a_check(release):
    notebook = toy.without(toy.right(), "exercise-1-3-answer", "exercise-1-3-check")
    own = f'{toy.RIGHT["1.3"]}\ncheck("1.3", double(4) == 8, "not doubled")'
    notebook.cells.insert(-1, v4.new_code_cell(own, id="own"))
    repaired = repair(notebook, release)
    assert own in code(repaired.notebook) and repaired.missing == []
    assert code(repaired.notebook)[-1] == code(toy.right())[-1]


GIVEN = ["setup", "exercise-1-2-figure"]


@pytest.mark.parametrize("lose", [lambda notebook: notebook, toy.as_colab_saves, toy.without_ids])
def test_deleted_cells_of_the_assignment_are_put_back_in_their_places(lose, release):
    repaired = repair(lose(toy.without(toy.right(), *GIVEN)), release)
    assert code(repaired.notebook) == code(toy.right())
    assert repaired.notes[-1] == "setup, exercise-1-2-figure: not found, so what was released is put back"


@pytest.mark.parametrize("change", [{"source": " "}, {"cell_type": "markdown"}], ids=["emptied", "as text"])
def test_emptied_cell_of_the_assignment_is_put_back(change, release):
    notebook = toy.right()
    toy.cell(notebook, "setup").update(change)
    if "cell_type" in change:
        del toy.cell(notebook, "setup")["outputs"], toy.cell(notebook, "setup")["execution_count"]
    repaired = repair(notebook, release)
    assert toy.cell(repaired.notebook, "setup").source == toy.SETUP
    assert len(repaired.notebook.cells) == len(notebook.cells) + 1


def test_changes_in_a_cell_of_the_assignment_are_kept(release):
    notebook = toy.without(toy.right(), "exercise-1-2-answer")
    setup = toy.cell(notebook, "setup")
    setup.source += "\n" + toy.RIGHT["1.2"]
    repaired = repair(notebook, release)
    assert toy.cell(repaired.notebook, "setup").source == setup.source
    assert (repaired.notes, repaired.missing) == (["1.2: the answer stands in another cell"], [])


def test_checks_are_put_back_after_the_cell_that_holds_the_answers(release):
    repaired = repair(toy.merged(toy.without(toy.right(), *GIVEN)), release)
    ids = [cell.id for cell in repaired.notebook.cells]
    # The cell that holds all answers is recognized as one of them.
    answers = next(index for index, cell in enumerate(repaired.notebook.cells) if "def double" in cell.source)
    assert repaired.notebook.cells[answers].source.startswith(toy.RIGHT["1.1"])
    checks = [ids.index(f"exercise-1-{number}-check") for number in (1, 2, 3)]
    assert ids.index("setup") < answers < checks[0] < checks[1] < checks[2]
    assert repaired.missing == []


def test_given_cell_is_put_back_before_the_answer_that_may_need_it(release):
    """Although the checks that precede it in the release now come after all answers."""
    release = NotebookNode(release, cells=list(release.cells))
    at = release.cells.index(toy.cell(release, "exercise-1-3"))
    release.cells.insert(at + 1, v4.new_code_cell("number = 4", id="exercise-1-3-given"))
    ids = [cell.id for cell in repair(toy.merged(toy.right()), release).notebook.cells]
    own = next(cell_id for cell_id in ids if cell_id in ("own", "exercise-1-3-answer"))
    assert ids.index("exercise-1-3-given") < ids.index(own) < ids.index("exercise-1-2-check")


def test_missing_answer_is_named_and_released_again(release):
    notebook = toy.right()
    notebook.cells.remove(toy.cell(notebook, "exercise-1-2-answer"))
    repaired = repair(notebook, release)
    assert repaired.missing == ["exercise-1-2-answer"]
    assert toy.STUB["1.2"] in toy.cell(repaired.notebook, "exercise-1-2-answer").source


def test_answer_of_which_only_a_part_is_elsewhere_is_missing(release):
    release = copy.deepcopy(release)
    toy.cell(release, "exercise-1-2-answer").source += "\n\ndef subtract(a, b):\n    ..."
    notebook = toy.without(toy.right(), "exercise-1-2-answer")
    toy.cell(notebook, "exercise-1-1-answer").source += "\n" + toy.RIGHT["1.2"]
    assert repair(notebook, release).missing == ["exercise-1-2-answer"]


def test_answer_in_the_cell_of_another_is_not_overwritten_by_its_stub(release):
    notebook = toy.right()
    toy.cell(notebook, "exercise-1-1-answer").source += "\n" + toy.RIGHT["1.2"]
    notebook.cells.remove(toy.cell(notebook, "exercise-1-2-answer"))
    repaired = repair(notebook, release)
    assert repaired.notes == ["1.2: the answer stands in another cell"]
    assert not any(toy.STUB["1.2"] in cell.source for cell in repaired.notebook.cells)


def test_added_cell_stays_in_its_place(release):
    notebook = toy.right()
    notebook.cells.insert(3, v4.new_code_cell("%matplotlib inline\nhelper = 1", id="0f3e"))
    repaired = repair(notebook, release)
    assert repaired.notebook.cells[3].source == "%matplotlib inline\nhelper = 1"
    assert len(repaired.notebook.cells) == len(notebook.cells)


def test_a_notebook_with_a_byte_order_mark_or_lists_of_lines_is_read(release):
    notebook = toy.right()
    for cell in notebook.cells:
        cell.source = cell.source.splitlines(keepends=True)
    repaired = preflight(b"\xef\xbb\xbf" + toy.text(notebook), release)
    assert graded_cells(repaired.notebook) == graded_cells(toy.right())


def test_metadata_of_wrong_types_is_ignored(release):
    notebook = toy.right()
    for cell, value in zip(notebook.cells, [["a"], {"b": 1}, 3, None], strict=False):
        cell.metadata = NotebookNode(id=value, nbgrader=value)
    notebook.cells[-1].metadata.nbgrader.grade_id = ["exercise-1-4-answer"]
    assert graded_cells(repair(notebook, release).notebook) == graded_cells(toy.right())


def behind(notebook, place: str, *cells):
    index = next(i for i, cell in enumerate(notebook.cells) if cell.id == place)
    notebook.cells[index + 1 : index + 1] = cells
    return notebook


def test_a_check_goes_behind_the_cell_that_holds_its_answer_and_the_stub_is_not_run(release):
    notebook = behind(
        toy.right(a2=toy.STUB["1.2"]), "exercise-1-2-check", v4.new_code_cell(toy.RIGHT["1.2"], id="own")
    )
    repaired = repair(notebook, release)
    ids = [cell.id for cell in repaired.notebook.cells if cell.cell_type == "code"]
    assert ids.index("exercise-1-2-answer") < ids.index("exercise-1-2-check") - 1
    before = ids[ids.index("exercise-1-2-check") - 1]
    assert toy.cell(repaired.notebook, before).source == toy.RIGHT["1.2"]
    assert toy.cell(repaired.notebook, "exercise-1-2-answer").metadata.tags == ["skip-execution"]
    assert repaired.notes == ["1.2: the answer stands in another cell"] and "1.2" in repaired.attempted


def test_what_a_student_wrote_into_a_check_stays_before_it(release):
    notebook = toy.right(a2=toy.STUB["1.2"])
    check = toy.cell(notebook, "exercise-1-2-check")
    check.source += "\n" + toy.RIGHT["1.2"]
    cells = repair(notebook, release).notebook.cells
    at = next(index for index, cell in enumerate(cells) if cell.id == "exercise-1-2-check")
    assert cells[at - 1].source == toy.RIGHT["1.2"]
    assert cells[at].source == toy.cell(release, "exercise-1-2-check").source


def test_the_setup_runs_as_it_was_released_before_what_a_student_made_of_it(release):
    notebook = toy.right()
    toy.cell(notebook, "setup").source = f"import nothing_here\n{toy.SETUP}"
    sources = code(repair(notebook, release).notebook)
    assert sources[:2] == [toy.SETUP, f"import nothing_here\n{toy.SETUP}"]


@pytest.mark.parametrize(
    ("cell", "place", "exercises"),
    [
        (v4.new_markdown_cell("It is c."), "exercise-1-1", {"1.1"}),
        (v4.new_code_cell("plus = 1"), "exercise-1-2-check", {"1.2"}),
        (v4.new_code_cell("plus = 1  # 1.3"), "exercise-1-1", {"1.1", "1.3"}),
        (v4.new_code_cell("plus = 1"), "exercise-1-4-answer", {"1.1", "1.2", "1.3", "1.4"}),
        (v4.new_markdown_cell("Name: Ana"), "title", set()),
    ],
)
def test_what_may_be_an_answer_that_was_not_found(cell, place: str, exercises: set[str], release):
    repaired = repair(behind(toy.student(), place, cell), release)
    assert (repaired.attempted, repaired.near.keys()) == (set(), exercises)


def test_an_untouched_notebook_has_no_answers(release):
    repaired = repair(toy.student(), release)
    assert (repaired.attempted, repaired.near, repaired.notes) == (set(), {}, [])
    assert repair(toy.right(), release).attempted == {"1.1", "1.2", "1.3", "1.4"}


def test_a_translated_question_is_no_answer(release):
    notebook = toy.student()
    toy.cell(notebook, "exercise-1-1").source = "## 1.1 · 질문"
    assert repair(notebook, release).near == {}


@pytest.mark.parametrize(("written", "read"), [("\\ud83d", "\ufffd"), ("\\ud83d\\ude00", "😀")])
def test_half_an_emoji_is_replaced(written: str, read: str, release):
    data = json.dumps(toy.right(a1="answer = 'EMOJI'")).replace("EMOJI", written).encode()
    source = toy.cell(preflight(data, release).notebook, "exercise-1-1-answer").source
    assert source.endswith(f"answer = '{read}'")


def test_pasted_pictures_are_kept_and_lost_ones_are_named(release):
    notebook = toy.right()
    picture = {"a.png": {"image/png": "AAAA"}}
    text = v4.new_markdown_cell("![](attachment:a.png) ![](attachment:b.png)", attachments=picture, id="p")
    repaired = repair(behind(notebook, "title", text), release)
    kept = next(cell for cell in repaired.notebook.cells if "a.png" in cell.source)
    assert (kept.attachments, kept.source) == (picture, "![](attachment:a.png) ![](b.png)")
    assert repaired.notes == ["the picture b.png of a text cell is not in the file"]


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
def test_file_that_cannot_be_graded_is_refused_with_the_reason(data, reason, release):
    with pytest.raises(Refused, match=f"^{re.escape(reason)}"):
        preflight(data, release)


def test_each_definition_but_the_last_can_be_tried(release):
    """x is needed by both; the last one was run anyway."""
    twice = "x = 1\ndef add(a, b):\n    return a + b\ndef add(a, b):\n    return x"
    found = repair(toy.right(a2=twice), release).candidates["1.2"]
    assert found[1:] == [("an earlier definition in its cell", "x = 1\ndef add(a, b):\n    return a + b")]
    assert repair(toy.right(), release).candidates["1.2"][1:] == []


@pytest.mark.parametrize("left", ["...", "", "# it is a sum", "pass"])
def test_a_cell_with_nothing_but_its_first_line_is_no_attempt(left: str, release):
    assert ("1.3" in repair(toy.right(a3=left), release).attempted) == (left not in ("...", ""))
