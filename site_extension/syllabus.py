"""Tables of chapters and exercises for instructors, made from the notebooks, so that they agree with them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

ROOT = Path(__file__).resolve().parents[1]
TIME = re.compile(r"^\*\*Time:\*\* (\d+) minutes(?:; (\d+) with the asides)?\.", re.M)
EXERCISE = re.compile(
    r"^## (?P<number>\d+\.\d+) · (?P<title>[^\n]+)\n.*?\*\*Goal:\*\* (?P<goal>.+?)\n\n"
    r"\*\*Points:\*\* (?P<points>\d+) · \*\*Minutes:\*\* (?P<minutes>\d+)$",
    re.M | re.S,
)


MINUTES = ("main_road", "with_asides", "exercising")


@dataclass(frozen=True)
class Chapter:
    """A chapter and its exercises; the minutes are those that the first cells of the two notebooks state."""

    number: int
    title: str
    link: str
    main_road: int
    with_asides: int
    exercising: int
    exercises: tuple[dict[str, str], ...]


def chapters(root: Path = ROOT) -> dict[int, Chapter]:
    """Number -> chapter, in order."""
    found = {}
    for path in sorted((root / "book").glob("[0-9][0-9]_*.ipynb")):
        # From the students' notebooks: a public copy of the book may have no exercises/source.
        number, head = int(path.name[:2]), _texts(path)[0]
        asked = _texts(root / "book" / "exercises" / path.name)
        title = re.match(r"# \d+ · (.+)", head)[1]
        exercises = [match.groupdict() for text in asked if (match := EXERCISE.match(text))]
        exercising = int(TIME.search(asked[0])[1]) if asked else 0
        main, whole = TIME.search(head).groups()
        reading = int(main), int(whole or main)
        found[number] = Chapter(number, title, path.name, *reading, exercising, tuple(exercises))
    return found


def _texts(path: Path) -> list[str]:
    """The Markdown cells of a notebook; none if it is not there."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def plan(text: str, known: dict[int, Chapter]) -> list[tuple[str, list[Chapter]]]:
    """The sessions of a syllabus, given as lines such as `Week 1: 1 2`; `8+` means chapter 8 and all later.

    Raises:
        ValueError: a line is not of this form, or a chapter is not in exactly one session.
    """
    sessions = []
    for line in text.splitlines():
        match = re.fullmatch(r"(.+?): ((?:\d+\+? ?)+)", line.strip())
        if not match:
            raise ValueError(f"expected a line as 'Week 1: 1 2', got {line!r}")
        numbers = []
        for word in match[2].split():
            first = int(word.rstrip("+"))
            numbers += [number for number in known if number >= first] if "+" in word else [first]
        sessions.append((match[1], numbers))
    listed = [number for _, numbers in sessions for number in numbers]
    if sorted(listed) != sorted(known):
        raise ValueError(f"expected each of the chapters {list(known)} once, got {listed}")
    return [(name, [known[number] for number in numbers]) for name, numbers in sessions]


def syllabus(text: str, known: dict[int, Chapter]) -> list[list[str]]:
    """The rows of the table: session, chapters, minutes for main roads, with asides, for exercises."""
    rows = []
    for name, listed in plan(text, known):
        titles = "; ".join(f"[{chapter.number} · {chapter.title}]({chapter.link})" for chapter in listed)
        rows.append([name, titles, *_minutes(listed)])
    return [*rows, ["together", "", *_minutes(list(known.values()))]]


def _minutes(listed: list[Chapter]) -> list[str]:
    return [str(sum(getattr(chapter, what) for chapter in listed)) for what in MINUTES]


def tested(known: dict[int, Chapter]) -> list[list[str]]:
    """The rows of the table of exercises: number and title, goal, points, minutes."""
    return [
        [
            f"**{e['number']}** {e['title']}",
            " ".join(e["goal"].rstrip(".").split()),
            e["points"],
            e["minutes"],
        ]
        for chapter in known.values()
        for e in chapter.exercises
    ]


class Table(Directive):
    """A directive whose rows come from the notebooks."""

    def run(self):
        try:
            rows = [self.head, *self.rows()]
        except ValueError as wrong:
            raise self.error(str(wrong)) from None
        # A list-table, as in a table with | the bar of p(x|z) would end a cell.
        widths = " ".join(map(str, self.widths))
        lines = ["```{list-table}", ":header-rows: 1", f":widths: {widths}", ""]
        for row in rows:
            lines += [f"{'  -' if i else '* -'} {text}" for i, text in enumerate(row)]
        holder = nodes.container()
        self.state.nested_parse(StringList([*lines, "```"]), self.content_offset, holder)
        return holder.children


class Syllabus(Table):
    """The sessions in the content, with their chapters and minutes."""

    has_content = True
    head = ("session", "chapters", "main roads", "with asides", "exercises")
    widths = (12, 52, 12, 12, 12)

    def rows(self):
        return syllabus("\n".join(self.content), chapters())


class Exercises(Table):
    """All exercises, with what each tests."""

    head = ("exercise", "what it tests", "points", "minutes")
    widths = (40, 40, 10, 10)

    def rows(self):
        return tested(chapters())


def setup(app):
    app.add_directive("syllabus", Syllabus)
    app.add_directive("exercise-table", Exercises)
