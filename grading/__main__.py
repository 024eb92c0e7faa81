"""Grade a class: python -m grading grade EXPORT --assignment ch04

After marking by hand: python -m grading report --assignment ch04
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from grading.collect import collect
from grading.course import Course, read_roster
from grading.examine import GRADED
from grading.run import grade_all
from grading.worker import Limits

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m grading", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    grade = commands.add_parser("grade", help="grade a folder or a zip of submissions")
    grade.add_argument("export", type=path, help="the zip of Moodle or Canvas, or a folder of folders")
    grade.add_argument("--again", action="store_true", help="grade again who is graded already")
    grade.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="notebooks at once; default: one for each core"
    )
    defaults = Limits()
    grade.add_argument("--cell-seconds", type=int, default=defaults.cell_seconds, help="%(default)s")
    grade.add_argument("--seconds", type=int, default=defaults.seconds, help="for a notebook; %(default)s")
    grade.add_argument(
        "--memory-gb", type=float, default=defaults.memory_gb, help="for a process; %(default)s"
    )
    report = commands.add_parser("report", help="write the table and the pages again, after marking by hand")
    for command in (grade, report):
        command.add_argument("--assignment", required=True, help="such as ch04")
        command.add_argument("--output", type=path, help="default: graded/ASSIGNMENT")
        command.add_argument(
            "--roster", type=path, help="CSV of the class, with a column 'student'; default: the last one"
        )
        command.add_argument("--course", type=path, default=ROOT / "exercises", help="%(default)s")
    given = parser.parse_args(arguments)
    try:
        run(given)
    except (ValueError, OSError) as error:
        sys.exit(f"grading: {error}")


def path(text: str) -> Path:
    """The path; an empty one, as from an unset variable, is refused: it would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, got an empty one")
    return Path(text).expanduser()


def run(given: argparse.Namespace) -> None:
    if given.command == "grade" and sys.platform == "win32":
        raise ValueError("Windows has no limits of memory for a process: run it in a container or in WSL")
    # Submissions and class list are read first, so that a wrong path creates no folder.
    submissions = collect(given.export) if given.command == "grade" else []
    roster = read_roster(given.roster) if given.roster else None
    course = Course(given.output or Path("graded") / given.assignment, given.course, given.assignment)
    if roster is not None:
        course.keep_roster(roster)
    if given.command == "report":
        tell(course, course.report(again=True))
        return
    limits = Limits(given.cell_seconds, given.seconds, given.memory_gb)
    begun = time.perf_counter()
    for number, result in enumerate(grade_all(course, submissions, limits, given.jobs, given.again), start=1):
        print(f"[{number}/{len(submissions)}] {result.name}: {result.status}", flush=True)
    seconds = time.perf_counter() - begun
    tell(course, course.report())
    print(f"{seconds:.0f} s, {seconds / len(submissions):.1f} s a submission")


def tell(course: Course, rows: list[dict]) -> None:
    """Print who has no points and why, how many have which status, and where the results are."""
    for row in rows:
        if row["status"] not in GRADED:
            print(f"NOT GRADED: {row['name']} ({row['file'] or 'no file'}): {row['reason']}", file=sys.stderr)
    counts = Counter(row["status"] for row in rows)
    print(", ".join(f"{count} {status}" for status, count in counts.most_common()))
    print(f"Table: {course.root / 'grades.csv'}\nPages: {course.root / 'pages'}")


if __name__ == "__main__":
    main()
