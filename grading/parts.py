"""A class on more than one machine: which students a part has, and the parts put together."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from grading.course import Course


def read_part(text: str) -> tuple[int, int]:
    """(3, 20) for "3/20".

    Raises:
        ValueError: it is no such text, or there is no such part.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    number, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= of:
        raise ValueError(f"expected a part such as 3/20, the third of twenty, got {text!r}")
    return number, of


def part_of(student: str, of: int) -> int:
    """The part that has a student, from 1 to `of`; it depends on the student's number alone."""
    return int(hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest(), 16) % of + 1


def merge(folders: list[Path], source: Path, assignment: str, output: Path) -> Course:
    """Put the parts of a class together in a folder; tables and pages are made from it as for a whole class.

    Raises:
        ValueError: a part or a student is missing or double; nothing is written then.
    """
    folders = list(dict.fromkeys(folder.resolve() for folder in folders))
    courses = [Course(folder, source, assignment) for folder in folders if _is_part(folder)]
    try:
        faults = [f"{folder}: no part of a class" for folder in folders if not _is_part(folder)]
        faults += _faults(courses, [course.part() for course in courses])
        if faults:
            raise ValueError("the parts do not make a class:\n" + "\n".join(faults))
        return _put_together(courses, Course(output, source, assignment))
    finally:
        for course in courses:
            course.close()


def _put_together(courses: list[Course], whole: Course) -> Course:
    """Copy what the parts have into the whole."""
    known = whole.results()
    for course in courses:
        for result in course.results().values():
            if known.get(result.student) == result:
                continue  # merged before; points given by hand since then stay
            for step, suffix in [("submitted", ".ipynb"), ("autograded", ".ipynb"), ("feedback", ".html")]:
                _copy(course.place(step, result.student, suffix), whole.place(step, result.student, suffix))
            log = f"logs/{result.student}.txt"
            _copy(course.root / log, whole.root / log)
            whole.keep(result)
    roster = next((course.roster() for course in courses if course.roster()), None)
    if roster and not whole.roster():
        whole.keep_roster(roster)
    return whole


def _is_part(folder: Path) -> bool:
    return (folder / "part.json").is_file()


def _faults(courses: list[Course], parts: list[dict]) -> list[str]:
    """What is missing or double, a line each."""
    if not parts:
        return ["no part was given"]
    if len({part["of"] for part in parts}) > 1:
        return [
            f"{course.root}: part {part['number']}/{part['of']}"
            for course, part in zip(courses, parts, strict=True)
        ]
    of, places, faults = parts[0]["of"], {}, []
    for course, part in zip(courses, parts, strict=True):
        places.setdefault(part["number"], []).append(course.root)
    for number in range(1, of + 1):
        found = places.get(number, [])
        if not found:
            faults.append(f"part {number}/{of} is missing")
        elif len(found) > 1:
            faults.append(f"part {number}/{of} is double: {', '.join(map(str, found))}")
    everybody = {student: name for part in parts for student, name in part["class"].items()}
    holders: dict[str, list[str]] = {}
    for course, part in zip(courses, parts, strict=True):
        for student in course.results():
            holders.setdefault(student, []).append(f"{part['number']}/{of}")
        if course.by_hand_points():
            faults.append(f"{course.root}: has points given by hand; give them after merging")
    for student, name in everybody.items():
        if student not in holders:
            faults.append(f"{name} ({student}) has no result: run part {part_of(student, of)}/{of} again")
    for student, found in holders.items():
        if len(set(found)) > 1:
            faults.append(f"{everybody.get(student, student)} ({student}) is double: in {', '.join(found)}")
    return faults


def _copy(path: Path, to: Path) -> None:
    if path.is_file():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
