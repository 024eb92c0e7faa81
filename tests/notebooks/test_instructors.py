"""What the page for instructors says of the notebooks, of make and of the checks is so."""

from __future__ import annotations

import json
import re

import pytest
from bookfiles import BOOK, NOTEBOOKS, ROOT

import vae_lib.checks
from site_extension import syllabus
from vae_lib.checks import chapter_4

PAGE = (BOOK / "instructors.md").read_text(encoding="utf8")
PLANS = re.findall(r"^```\{syllabus\}\n(.*?)\n```$", PAGE, re.M | re.S)
KNOWN = syllabus.chapters()


def stated(notebook) -> tuple[int, int, int]:
    """The minutes that a chapter states for its two roads, and its exercises for themselves; 0 if none."""
    folder = ROOT / "exercises" / "source" / f"ch{notebook.path.name[:2]}"
    exercises = folder / f"{folder.name}.ipynb"
    text = exercises.read_text(encoding="utf8") if exercises.is_file() else "**Time:** 0 min"
    main, whole = re.search(
        r"\*\*Time:\*\* (\d+) minutes(?:; (\d+) with)?", notebook.cells[0].source
    ).groups()
    roads = main, whole or main
    return tuple(map(int, (*roads, re.search(r"\*\*Time:\*\* (\d+) min", text)[1])))


def test_there_are_plans_for_one_two_and_four_weeks():
    names = [[name for name, _ in syllabus.plan(text, KNOWN)] for text in PLANS]
    assert names == [
        ["Week 1", "Week 2", "Week 3", "Week 4"],
        ["Week 1", "Week 2"],
        ["Day 1", "Day 2", "Day 3", "Day 4", "Day 5"],
    ]


@pytest.mark.parametrize("text", PLANS, ids=lambda text: text.splitlines()[-1])
def test_minutes_are_the_sums_of_those_in_the_notebooks(text: str):
    minutes = {notebook.chapter: stated(notebook) for notebook in NOTEBOOKS}
    rows = syllabus.syllabus(text, KNOWN)
    seen = []
    for _, titles, *sums in rows[:-1]:
        numbers = [int(number) for number in re.findall(r"\[(\d+) · ", titles)]
        assert sums == [str(sum(minutes[number][i] for number in numbers)) for i in (0, 1, 2)]
        seen += numbers
    assert seen == list(minutes)
    assert rows[-1][2:] == [str(sum(column)) for column in zip(*minutes.values(), strict=True)]


@pytest.mark.parametrize("text", ["Week 1: 1 2", "Week 1: 1+\nWeek 2: 8", "Week 1: 1+ 99", "chapters 1 to 8"])
def test_a_plan_with_a_chapter_too_few_or_twice_is_refused(text: str):
    with pytest.raises(ValueError, match="expected"):
        syllabus.plan(text, KNOWN)


def test_every_exercise_is_in_the_table():
    asked = [
        number
        for notebook in sorted((BOOK / "exercises").glob("*.ipynb"))
        for number in re.findall(r"# Exercise (\d+\.\d+): check \(", notebook.read_text(encoding="utf8"))
    ]
    rows = syllabus.tested(KNOWN)
    assert asked and [re.match(r"\*\*(\S+)\*\* \w", row[0])[1] for row in rows] == asked
    assert all(goal and points.isdigit() and minutes.isdigit() for _, goal, points, minutes in rows)


def test_commands_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", PAGE, re.M))
    assert {"grade", "exercises", "lint", "grading-test"} <= named
    assert named <= targets


def test_the_exercise_to_copy_is_as_the_steps_say():
    steps = re.findall(r"^\d+\. (.+)$", PAGE.partition("## Add an exercise")[2], re.M)
    source = json.loads(
        (ROOT / re.search(r"`(exercises/\S+\.ipynb)`", steps[0])[1]).read_text(encoding="utf8")
    )
    model = "exercise-" + re.search(r"those of (\d+\.\d+)", steps[0])[1].replace(".", "-")
    ids = [cell["id"] for cell in source["cells"] if re.match(rf"{model}\b", cell["id"])]
    assert ids == [model, f"{model}-answer", f"{model}-check", f"{model}-solution"]
    totals = re.findall(r"`(\*\*\w+:\*\*)`", next(step for step in steps if "first cell, raise" in step))
    assert totals == re.findall(r"\*\*\w+:\*\*", "".join(source["cells"][0]["source"]))


def test_the_example_of_an_exercise_works(monkeypatch, capsys):
    *_, answer, check, entry = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    for name in ("EXERCISES", "WHY"):
        monkeypatch.setattr(chapter_4, name, dict(getattr(chapter_4, name)))
    exec(entry, vars(chapter_4))
    assert list(chapter_4.WHY) == list(chapter_4.EXERCISES)
    names = {"check": vae_lib.checks.check}
    for code in (answer, check):
        exec(code, names)
    assert capsys.readouterr().out.split("\n")[0] == "4.7: right"
    exercise = chapter_4.EXERCISES["4.7"]
    mistakes = exercise.mistakes()
    assert len(mistakes) >= 3
    assert [exercise.examine(wrong["the KL"]) for wrong in mistakes.values()] == list(mistakes)
