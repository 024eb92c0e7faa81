"""Grade a class: python -m grading grade EXPORT --assignment ch04

After marking by hand: python -m grading report --assignment ch04
On several machines: … grade EXPORT --assignment ch04 --part 3/20, then python -m grading merge FOLDER …
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from grading.collect import collect
from grading.course import Course
from grading.examine import GRADED
from grading.parts import merge, part_of, read_part
from grading.run import grade_all
from grading.tables import another_name, read_roster
from grading.worker import Limits

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m grading", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    grade = commands.add_parser("grade", help="grade a folder or a zip of submissions")
    grade.add_argument("export", type=path, help="the zip of Moodle, Canvas or ILIAS, or a folder of folders")
    grade.add_argument("--again", action="store_true", help="grade again who is graded already")
    grade.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="notebooks at once; default: one for each core"
    )
    grade.add_argument("--part", help="grade a share of the class: 3/20 is the third of twenty")
    grade.add_argument(
        "--level",
        type=int,
        default=0,
        help="the part of each path that is the student's name, 1 for the first; default: found out",
    )
    defaults = Limits()
    grade.add_argument("--cell-seconds", type=int, default=defaults.cell_seconds, help="%(default)s")
    grade.add_argument("--seconds", type=int, default=defaults.seconds, help="for a notebook; %(default)s")
    grade.add_argument(
        "--memory-gb", type=float, default=defaults.memory_gb, help="for a process; %(default)s"
    )
    report = commands.add_parser("report", help="write the table and the pages again, after marking by hand")
    merging = commands.add_parser("merge", help="put the parts of a class together")
    merging.add_argument("parts", type=path, nargs="+", help="the output folders of the parts")
    for command in (grade, report, merging):
        command.add_argument("--assignment", required=True, help="such as ch04")
        command.add_argument(
            "--output",
            type=path,
            help="default: graded/ASSIGNMENT; of a part graded/ASSIGNMENT-parts/3-of-20",
        )
        command.add_argument(
            "--roster", type=path, help="CSV of the class, with a column 'student'; default: the last one"
        )
        command.add_argument("--course", type=path, default=ROOT / "exercises", help="%(default)s")
    given = parser.parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("grading: told to end; what was graded is stored"))
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
    roster = read_roster(given.roster) if given.roster else None
    if given.command == "grade":
        grade(given, roster)
        return
    output = given.output or Path("graded") / given.assignment
    if given.command == "merge":
        course = merge(given.parts, given.course, given.assignment, output)
    else:
        course = Course(output, given.course, given.assignment)
    if roster is not None:
        course.keep_roster(roster)
    tell(course, course.report(again=given.command == "report"))
    course.close()


def grade(given: argparse.Namespace, roster: dict[str, str] | None) -> None:
    """Grade an export, or a share of it, and write the tables."""
    if sys.platform == "win32":
        raise ValueError("Windows has no limits of memory for a process: run it in a container or in WSL")
    number, of = read_part(given.part) if given.part else (1, 1)
    folder = f"{given.assignment}-parts/{number}-of-{of}" if given.part else given.assignment
    output = given.output or Path("graded") / folder
    # Submissions and class list are read first, so that a wrong path creates no folder.
    known = roster or (read_roster(output / "roster.csv") if (output / "roster.csv").is_file() else {})
    submissions = collect(
        given.export, given.level, [*known, *known.values()], lambda text: print(text, flush=True)
    )
    names = ", ".join(f"{one.name} ({one.student})" if one.system else one.name for one in submissions)
    print(f"{len(submissions)} student{'s' if len(submissions) != 1 else ''} found: {names}", flush=True)
    course = Course(output, given.course, given.assignment)
    course.expect(submissions)
    if roster is not None:
        course.keep_roster(roster)
    if others := another_name(submissions, course.roster()):
        print(f"CLASS LIST: {others[0]}; {len(others)} in all. Is it of another assignment?", file=sys.stderr)
    now = {one.student for one in submissions}
    if earlier := [result.name for result in course.results().values() if result.student not in now]:
        print(f"{len(earlier)} more from earlier runs stay in the table: {', '.join(earlier)}", flush=True)
    if given.part or course.part():
        everybody = {one.student: one.name for one in submissions}
        submissions = [one for one in submissions if part_of(one.student, of) == number]
        share = {one.student: one.name for one in submissions}
        course.keep_part(number, of, share, everybody)
        print(f"{len(submissions)} of them in part {number}/{of}", flush=True)
    limits = Limits(given.cell_seconds, given.seconds, given.memory_gb)
    begun = time.perf_counter()
    for count, result in enumerate(grade_all(course, submissions, limits, given.jobs, given.again), start=1):
        print(f"[{count}/{len(submissions)}] {result.name}: {result.status}", flush=True)
    seconds = time.perf_counter() - begun
    tell(course, course.report())
    print(f"{seconds:.0f} s, {seconds / max(1, len(submissions)):.1f} s a submission")
    course.close()


def tell(course: Course, rows: list[dict]) -> None:
    """Print who has no points and why, how many have which status, and where the results are."""
    for row in rows:
        if row["status"] not in GRADED:
            print(f"NOT GRADED: {row['name']} ({row['file'] or 'no file'}): {row['reason']}", file=sys.stderr)
    for row in rows:
        if row["status"] == "decide":
            print(
                f"FOR YOU TO DECIDE: {row['name']} ({row['file']}), {row['by hand']}: {row['reason']}",
                file=sys.stderr,
            )
    counts = Counter(row["status"] for row in rows)
    print(", ".join(f"{count} {status}" for status, count in counts.most_common()))
    print(f"Table: {course.root / 'grades.csv'}\nPages: {course.root / 'pages'}")


if __name__ == "__main__":
    main()
