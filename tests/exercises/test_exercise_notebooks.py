"""Student's notebooks and pages of solutions are made from one source, and are what the source makes."""

from __future__ import annotations

import copy
import importlib
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from tools import exercises as tool
from tools.notebooks import ROOT, read
from vae_lib.checks import CHAPTERS, CheckFailed

SOURCES = tool.sources()
PARTS = re.compile(
    r"## (?P<number>\d+\.\d) · (?P<kind>\w[\w ]+): .+\n\n\*\*Goal:\*\* .+\.\n\n"
    r"\*\*Points:\*\* (?P<points>\d+) · \*\*Minutes:\*\* (?P<minutes>\d+)\n\n"
)
KINDS = {"Predict", "By hand", "Derive", "Code", "Diagnose", "Experiment"}

each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def cells(notebook: dict) -> dict[str, dict]:
    return {cell["id"]: cell for cell in notebook["cells"]}


def source_of(cell: dict) -> str:
    return "".join(cell["source"])


def statements(notebook: dict) -> list[str]:
    return [
        source_of(cell) for name, cell in cells(notebook).items() if re.fullmatch(r"exercise-\d+-\d", name)
    ]


def test_every_chapter_has_its_exercises():
    assert [int(path.stem[2:]) for path in SOURCES] == list(CHAPTERS)
    students = sorted(path.name for path in (tool.BOOK / "exercises").glob("*.ipynb"))
    assert students == [tool.made_path(path, "exercises").name for path in SOURCES]


@each_source
def test_exercises_are_complete(source: Path):
    """Goal, points, minutes, two hints, an answer cell, a check with its words, a solution."""
    notebook = read(source)
    found, chapter = cells(notebook), int(source.stem[2:])
    known = importlib.import_module(f"vae_lib.checks.chapter_{chapter}").EXERCISES
    parts = [PARTS.match(text) for text in statements(notebook)]
    assert all(parts), [text[:60] for text, part in zip(statements(notebook), parts, strict=True) if not part]
    assert (
        [part["number"] for part in parts] == list(known) == [f"{chapter}.{i + 1}" for i in range(len(known))]
    )
    assert len(parts) >= 5 and len({part["kind"] for part in parts}) >= 3
    assert {part["kind"] for part in parts} <= KINDS
    for part, text in zip(parts, statements(notebook), strict=True):
        key = f"exercise-{part['number'].replace('.', '-')}"
        assert re.findall(r"<summary>(.+)</summary>", text) == ["Hint 1", "Hint 2"]
        assert f"({part['points']} point" in source_of(found[f"{key}-check"])
        assert source_of(found[f"{key}-solution"]).startswith("**Solution.** ")
        assert tool.SOLUTION in found[f"{key}-solution"]["metadata"]["tags"]
    minutes, points = (sum(int(part[name]) for part in parts) for name in ("minutes", "points"))
    wanted = f"**Time:** {minutes} minutes. **Points:** {points}."
    assert wanted in source_of(notebook["cells"][0]), f"the first cell should read {wanted}"


@each_source
def test_a_figure_stands_between_its_announcement_and_its_reading(source: Path):
    notebook = read(source)
    order, found = list(cells(notebook)), cells(notebook)
    figures = [name for name in order if name.endswith("-figure")]
    assert figures, "a chapter has at least one exercise whose answer is a figure"
    for name in figures:
        place = order.index(name)
        assert order[place - 1 : place + 2] == [f"{name}-announce", name, f"{name}-read"]
        assert len(found[name]["metadata"]["mystnb"]["image"]["alt"]) > 40
        assert any("image/png" in output.get("data", {}) for output in found[name]["outputs"])


@each_source
def test_the_committed_notebooks_are_what_the_source_makes(source: Path):
    """As in make lint: the same cells, solutions right, stubs not attempted yet."""
    assert list(tool.faults(source, tool.made_path(source, "exercises"))) == []


@each_source
def test_the_students_notebook_has_no_solution(source: Path):
    notebook = read(source)
    made = read(tool.made_path(source, "exercises"))
    text = "\n".join(map(source_of, made["cells"]))
    assert not re.search(r"BEGIN|END|HIDDEN|strict=True|\*\*Solution", text)
    assert not any(tool.SOLUTION in cell["metadata"].get("tags", []) for cell in made["cells"])
    regions = [region[0] for cell in notebook["cells"] for region in tool.REGION.finditer(source_of(cell))]
    assert len(regions) == len(statements(notebook))
    for region in regions:
        assert region.strip() not in text
        for line in region.splitlines()[1:-1]:
            assert line not in text.splitlines(), line
    assert len(tool.verdicts(made)) == len(regions)


@each_source
def test_the_page_of_solutions_has_every_cell_and_no_marks_for_the_machine(source: Path):
    notebook, page = read(source), tool.solutions(read(source))
    text = "\n".join(map(source_of, page["cells"]))
    assert text.startswith("# Solutions ") and "**Solution.**" in text
    assert not re.search(r"###|HIDDEN|strict=True", text)
    assert set(cells(page)) == set(cells(notebook))
    outputs = [[cell["outputs"] for cell in tool.code_cells(one)] for one in (page, notebook)]
    assert outputs[0] == outputs[1]
    nbformat.validate(nbformat.from_dict(page))


@each_source
def test_metadata_are_what_nbgrader_reads(source: Path):
    """Schema version 3: which cells are answers, which are graded, and for how many points."""
    for name, cell in cells(read(source)).items():
        metadata = cell["metadata"].get("nbgrader")
        assert bool(metadata) == name.endswith(("-answer", "-check"))
        if metadata:
            graded = name.endswith("-check")
            assert metadata["grade_id"] == name and metadata["schema_version"] == 3
            assert (metadata["grade"], metadata["locked"], metadata["solution"]) == (
                graded,
                graded,
                not graded,
            )
            assert metadata["task"] is False and ("points" in metadata) == graded
            assert ("### BEGIN HIDDEN TESTS" in source_of(cell)) == graded


@each_source
def test_the_graded_check_is_the_one_that_students_see(source: Path):
    for name, cell in cells(read(source)).items():
        if name.endswith("-check"):
            _, seen, begin, imported, empty, strict, end = source_of(cell).splitlines()
            assert (begin, empty, end) == ("### BEGIN HIDDEN TESTS", "", "### END HIDDEN TESTS")
            assert imported == "from vae_lib.checks import check  # noqa: E402"
            assert strict == f"{seen[:-1]}, strict=True)"


@each_source
def test_a_student_who_redefines_check_is_graded_by_the_real_one(source: Path):
    for name, cell in cells(read(source)).items():
        if name.endswith("-check"):
            answer = re.search(r", (\w+)\)", source_of(cell))[1]
            with pytest.raises(CheckFailed):
                exec(source_of(cell), {"check": lambda *given, **options: None, answer: None})


@each_source
def test_questions_without_a_check_are_marked_as_not_graded(source: Path):
    """And the title says that grading needs the first line of each cell."""
    found = cells(read(source))
    assert "Keep the first line of each cell" in source_of(found["title"])
    for text in statements(read(source)):
        asked, *thought = text.partition("\n\n<details>")[0].split("\n\n**To think about, not graded:** ")
        name = re.match(r"## (\d+)\.(\d)", asked)
        answer = source_of(found["exercise-{}-{}-answer".format(*name.groups())])
        assert "\ndef " not in answer or not asked.endswith("?"), asked
        assert len(thought) <= 1 and all(part[0].islower() for part in thought)


@pytest.mark.parametrize("number", ["7.1", "8.3", "9.3"])
def test_statements_say_that_grey_images_come(number):
    """As some ways to write a Bernoulli likelihood refuse them."""
    chapter, place = map(int, number.split("."))
    assert "Grey x are allowed." in statements(read(tool.sources([chapter])[0]))[place - 1]


@each_source
def test_ids_and_metadata_that_an_editor_lost_are_restored(source: Path):
    """Some editors give cells new ids and drop metadata that they do not know."""
    notebook = read(tool.made_path(source, "exercises"))
    lost = copy.deepcopy(notebook)
    for number, cell in enumerate(lost["cells"]):
        cell["metadata"].pop("nbgrader", None)
        if cell["id"].endswith(("-answer", "-check")):
            cell["id"] = f"x{number}"
    assert lost != notebook
    tool.restore(lost)
    assert lost == notebook


# The tool, on a small notebook with faults


ANSWER = '''# Exercise 4.1: your answer
def f(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION'''
CHECK = """# Exercise 4.1: check (2 points)
check(f)
### BEGIN HIDDEN TESTS
check(f, 1)
### END HIDDEN TESTS"""


def small(folder: Path) -> tuple[Path, Path]:
    """A source with one exercise, and the student's notebook made from it."""
    v4 = nbformat.v4
    printed = [v4.new_output("stream", name="stdout", text="4.1: right\n")]
    made = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# Exercises 4 · Small", id="title"),
            v4.new_code_cell(ANSWER, id="exercise-4-1-answer", execution_count=1),
            v4.new_code_cell(CHECK, id="exercise-4-1-check", execution_count=2, outputs=printed),
            v4.new_markdown_cell("**Solution.** Double it.", id="more", metadata={"tags": ["solution"]}),
        ]
    )
    source, path = folder / "ch04.ipynb", folder / "04_kl.ipynb"
    nbformat.write(made, source)
    notebook = read(source)
    tool.restore(notebook)
    source.write_text(tool.text(notebook))
    student = tool.student(notebook)
    student["cells"][2]["outputs"] = copy.deepcopy(notebook["cells"][2]["outputs"])
    student["cells"][2]["outputs"][0]["text"] = ["4.1: not attempted yet\n"]
    path.write_text(tool.text(student))
    return source, path


def test_a_stub_stands_for_the_solution(tmp_path):
    source, path = small(tmp_path)
    assert list(tool.faults(source, path)) == []
    title, answer, check = read(path)["cells"]
    assert source_of(answer) == (
        '# Exercise 4.1: your answer\ndef f(x):\n    """Twice x."""\n    ...  # your answer here'
    )
    assert source_of(check) == "# Exercise 4.1: check (2 points)\ncheck(f)"
    assert (source_of(title), check["metadata"]["nbgrader"]["points"]) == ("# Exercises 4 · Small", 2)


@pytest.mark.parametrize(
    ("face", "cell", "old", "new", "fault"),
    [
        ("source", 1, "return 2 * x", "return x", None),  # only a run can tell, and that stores other words
        ("source", 0, "Small", "Large", "not what ch04.ipynb makes"),
        ("source", 2, "(2 points)", "(3 points)", "ids or metadata"),
        ("path", 2, "check(f)", "check(g)", "not what ch04.ipynb makes"),
        ("source", 2, None, "4.1: not yet. Wrong.", "where '4.1: right' is due"),
        ("path", 2, None, "4.1: right", "where '4.1: not attempted yet' is due"),
    ],
)
def test_a_difference_between_source_and_notebook_is_named(face, cell, old, new, fault, tmp_path):
    files = dict(zip(("source", "path"), small(tmp_path), strict=True))
    notebook = read(files[face])
    spoiled = notebook["cells"][cell]
    if old is None:
        spoiled["outputs"][0]["text"] = [new]
    else:
        assert old in source_of(spoiled)
        spoiled["source"] = tool.lines(source_of(spoiled).replace(old, new))
    files[face].write_text(tool.text(notebook))
    found = list(tool.faults(files["source"], files["path"]))
    assert found == [] if fault is None else found and fault in " ".join(found)


@each_source
def test_ids_of_statements_and_solutions_are_restored(source):
    notebook = tool.read(source)
    for i, cell in enumerate((given := copy.deepcopy(notebook))["cells"]):
        name = cell["id"].removesuffix("-solution")
        if cell["id"].startswith("exercise-") and name.count("-") == 2:
            cell["id"] = f"random-{i}"
    assert given != notebook
    tool.restore(given)
    assert given == notebook


def test_a_missing_notebook_is_named(tmp_path):
    source, path = small(tmp_path)
    path.unlink()
    assert "04_kl.ipynb: not what ch04.ipynb makes" in next(tool.faults(source, path))


def test_make_stops_at_a_solution_that_fails_its_check(tmp_path, monkeypatch, capsys):
    """With the check's own error; the student's notebook stays as it was."""
    folder = tmp_path / "source" / "ch04"
    folder.mkdir(parents=True)
    source, path = small(folder)
    (tmp_path / "book" / "exercises").mkdir(parents=True)
    (tmp_path / "book" / "04_kl.ipynb").touch()
    student = path.rename(tmp_path / "book" / "exercises" / "04_kl.ipynb")
    before = student.read_text()
    notebook = read(source)
    hidden = "### BEGIN HIDDEN TESTS\nassert f(1) == 3, 'f(1) is 2'\n### END HIDDEN TESTS"
    notebook["cells"][2]["source"] = tool.lines(f"# Exercise 4.1: check (2 points)\nf\n{hidden}")
    source.write_text(tool.text(notebook))
    monkeypatch.setattr(tool, "SOURCE", tmp_path / "source")
    monkeypatch.setattr(tool, "BOOK", tmp_path / "book")
    monkeypatch.setattr(sys, "argv", ["exercises", "make", "4"])
    with pytest.raises(SystemExit, match=r"cell exercise-4-1-check: AssertionError: f\(1\) is 2"):
        tool.main()
    assert student.read_text() == before and "made" not in capsys.readouterr().out


@pytest.mark.parametrize("without", [False, True])
def test_pages_of_solutions_are_written_or_leave_no_trace(without, tmp_path, monkeypatch):
    """The files, and the lines of the table of contents."""
    (tmp_path / "_toc.yml").write_text((tool.ROOT / "_toc.yml").read_text())
    (tmp_path / "book" / "solutions").mkdir(parents=True)
    (tmp_path / "book" / "solutions" / "old.ipynb").write_text("of an earlier build")
    for path in SOURCES:
        (tmp_path / "book" / tool.made_path(path, "x").name).touch()
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "BOOK", tmp_path / "book")
    tool.pages(without)
    toc = yaml.safe_load((tmp_path / "_build" / "toc.yml").read_text())
    captions = [part["caption"] for part in toc["parts"]]
    made = sorted(path.name for path in (tmp_path / "book").glob("solutions/*"))
    if without:
        assert "Solutions" not in captions and made == []
        assert toc == yaml.safe_load((tmp_path / "_toc.yml").read_text())
    else:
        assert captions.index("Solutions") == captions.index("Exercises") + 1
        assert made == [tool.made_path(path, "x").name for path in SOURCES]
        listed = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
        assert all(f"book/solutions/{Path(name).stem}" in listed for name in made)


@pytest.mark.parametrize(
    ("stands", "asked", "due"), [(None, [], "1"), ("0", [], "0"), ("0", ["SOLUTIONS=1"], "1")]
)
def test_solutions_come_back_only_when_asked_for(stands, asked, due, tmp_path):
    """So that make serve, before a site is published, does not put them in."""
    (tmp_path / "_build").mkdir()
    if stands:
        (tmp_path / "_build" / "book.stamp").write_text(stands)
    tell = ["--eval", "told: ; @echo $(SOLUTIONS)", "told"]
    command = ["make", "-s", "-f", tool.ROOT / "Makefile", *tell, *asked]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert told.stdout.strip() == due, told.stderr


def test_without_the_sources_the_book_has_no_solutions(tmp_path: Path, monkeypatch):
    """A public copy may leave the folder exercises out."""
    for name, place in [("ROOT", ""), ("BOOK", "book"), ("SOURCE", "exercises/source")]:
        monkeypatch.setattr(tool, name, tmp_path / place)
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text((ROOT / "_toc.yml").read_text(encoding="utf-8"), encoding="utf-8")
    tool.pages()
    assert yaml.safe_load((tmp_path / "_build" / "toc.yml").read_text(encoding="utf-8")) == yaml.safe_load(
        (ROOT / "_toc.yml").read_text(encoding="utf-8")
    )
    assert not (tmp_path / "book" / "solutions").exists()
