"""Lists the files of each student in an export of Moodle or Canvas, a zip or a folder; changes nothing."""

from __future__ import annotations

import re
import stat
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

MAX_BYTES = 50 * 2**20  # of one file; the book's notebooks with their figures are smaller than 1 MB

# Ana Müller_12345_assignsubmission_file_/my.ipynb; without folders: …_assignsubmission_file_my.ipynb
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)")
# muellerana_12345_67890_my.ipynb, muellerana_LATE_12345_67890_my.ipynb
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)")
JUNK = re.compile(r"__MACOSX|Thumbs\.db|desktop\.ini|\.[^.].*", re.I)


@dataclass(frozen=True)
class File:
    """One file of an export; .read() returns its bytes, at most MAX_BYTES + 1 of them."""

    name: str
    time: float
    read: Callable[[], bytes]


@dataclass
class Submission:
    """The files that one student handed in.

    Attributes:
        student: the number that Moodle or Canvas gave, else the name; usable as the name of a folder.
        name: the student's name, as the export has it.
        folder: the first part of the path in the export; Moodle finds the student by it when feedback is
            uploaded.
        files: empty if the export has only a folder for the student.
        late: did Canvas mark it as late?
        unsafe: the path, if it points outside the export; else empty.
    """

    student: str
    name: str
    folder: str
    files: list[File] = field(default_factory=list)
    late: bool = False
    unsafe: str = ""


def collect(export: Path) -> list[Submission]:
    """The submissions of an export, sorted by student.

    Raises:
        ValueError: the path does not exist, is neither a folder nor a zip, or holds no submission.
    """
    if not export.exists():
        raise ValueError(f"{export}: does not exist; expected a folder or a zip of submissions")
    if export.is_dir():
        entries = _folder_entries(export)
    elif zipfile.is_zipfile(export):
        entries = _zip_entries(export)
    else:
        raise ValueError(f"{export}: expected a folder or a zip as Moodle and Canvas export it")
    entries = [(path, file) for path, file in entries if not any(JUNK.fullmatch(part) for part in path.parts)]
    # All submissions are in one more folder, as in a zip made of a folder: drop it from the paths.
    tops = {path.parts[0] for path, _ in entries}
    depths = {len(path.parts) for path, file in entries if file}
    if len(tops) == 1 and depths and min(depths) > 2:
        entries = [(PurePosixPath(*path.parts[1:]), file) for path, file in entries if path.parts[1:]]
    if not entries:
        raise ValueError(f"{export}: no submission in it")
    found: dict[tuple[str, str], Submission] = {}
    for path, file in entries:
        who = _student(path, file)
        known = found.setdefault((who.student, who.name), who)
        if known is not who:
            known.files += who.files
            known.late |= who.late
    return _with_own_ids(sorted(found.values(), key=lambda submission: submission.student))


def _folder_entries(export: Path) -> list[tuple[PurePosixPath, File | None]]:
    entries = []
    for path in sorted(export.rglob("*")):
        inside = PurePosixPath(unicodedata.normalize("NFC", path.relative_to(export).as_posix()))
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            continue  # a link may point outside the export
        reader = partial(_head, partial(open, path, "rb"))
        file = File(path.name, path.stat().st_mtime, reader) if path.is_file() else None
        entries.append((inside, file))
    return entries


def _zip_entries(export: Path) -> list[tuple[PurePosixPath, File | None]]:
    entries = []
    with zipfile.ZipFile(export) as archive:
        for info in archive.infolist():
            path = PurePosixPath(unicodedata.normalize("NFC", info.filename.replace("\\", "/")))
            if not path.parts or stat.S_ISLNK(info.external_attr >> 16):
                continue
            file = None
            if not info.is_dir():
                when = time.mktime((*info.date_time, 0, 0, -1))
                file = File(path.name, when, partial(_head, partial(_open_entry, export, info)))
            entries.append((path, file))
    return entries


@contextmanager
def _open_entry(export: Path, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(export) as archive, archive.open(info) as opened:
        yield opened


def _head(open_file: Callable) -> bytes:
    with open_file() as opened:
        return opened.read(MAX_BYTES + 1)  # no more, whatever size the archive states


def _student(path: PurePosixPath, file: File | None) -> Submission:
    """The student that a path belongs to, with this one file."""
    top, files = path.parts[0], [file] if file else []
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", top):
        return Submission(_safe(str(path)), str(path), top, unsafe=str(path))
    known = MOODLE.fullmatch(top) or (CANVAS.fullmatch(top) if file and len(path.parts) == 1 else None)
    if known:
        groups = known.groupdict()
        folder = top.removesuffix(groups["file"]) if groups["file"] else top
        return Submission(groups["id"], groups["name"], folder, files, bool(groups.get("late")))
    name = top if len(path.parts) > 1 or not file else path.stem
    return Submission(_safe(name), name, name, files)


def _safe(name: str) -> str:
    """The name without characters that have a meaning in paths or in glob patterns."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80] or "student"


def _with_own_ids(submissions: list[Submission]) -> list[Submission]:
    """Number the ids that occur again, so that all differ, also on a disk that does not tell A from a."""
    taken: set[str] = set()
    for submission in submissions:
        wanted, number = submission.student, 2
        while submission.student.casefold() in taken:
            submission.student, number = f"{wanted}-{number}", number + 1
        taken.add(submission.student.casefold())
    return submissions
