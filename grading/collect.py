"""Lists the files of each student in an export of Moodle, Canvas or ILIAS, a zip or a folder.

Who a file belongs to is read from its path alone, never from the other files, so that a late export with one
student gives the number that the whole class gave. Where the paths leave a doubt, nothing is guessed: the
export is refused with the two readings.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import stat
import tarfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

MAX_BYTES = 50 * 2**20  # of one file; the book's notebooks with their figures are smaller than 1 MB
MAX_PACKED = 500  # files in a zip that a student handed in
PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z", ".gz")

# Ana Müller_12345_assignsubmission_file_/my.ipynb; since Moodle 4.1 without the last _; without folders
# …_assignsubmission_file_my.ipynb. Of students without names it is Participant_12345_….
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?")
# muellerana_12345_67890_my.ipynb, muellerana_LATE_12345_67890_my.ipynb, team_12345_link.html; without names
# anon_Ab1cD_67890_my.ipynb, LATE_anon_Ab1cD_67890_my.ipynb. Canvas writes names in lower case.
CANVAS = re.compile(
    r"(?:(?P<name>\w+?)_(?P<late>LATE_)?(?P<id>[1-9]\d*)|(?P<early>LATE_)?anon_(?P<anon>[A-Za-z0-9]{5}))"
    r"_(?:(?P<attachment>[1-9]\d*)_(?P<file>.+)|(?:text|link)\.html)"
)
# Müller_Ana_amueller_321/my.ipynb; a late one begins with "Late Submission - ", in the language of the tutor.
# A name has a capital letter, "van den Berg" in its third word.
ILIAS = re.compile(
    r"(?=[^_]*[^\W\d_a-z])(?P<last>[^\W\d_][^_]*)_(?=[^_]*[^\W\d_a-z])(?P<first>[^\W\d_][^_]*)"
    r"_(?P<login>\S+)_(?P<id>[1-9]\d+)"
)
ILIAS_LATE = re.compile(r"(?:late submission|versp\w+ abgabe)[ _]-", re.I)
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
        student: the number that Moodle, Canvas or ILIAS gave, else made from the name; usable as the name of
            a folder.
        name: the student's name, as the export has it.
        folder: the part of the path that names the student; Moodle finds the student by it when feedback is
            uploaded.
        files: empty if the export has only a folder for the student.
        late: did Canvas or ILIAS mark it as late?
        unsafe: the path, if it points outside the export; else empty.
        system: "moodle", "canvas", "ilias", or "" for a name that is none of theirs.
    """

    student: str
    name: str
    folder: str
    files: list[File] = field(default_factory=list)
    late: bool = False
    unsafe: str = ""
    system: str = ""


Entry = tuple[PurePosixPath, File | None]


def collect(
    export: Path, level: int = 0, known: Collection[str] = (), say: Callable[[str], None] = lambda text: None
) -> list[Submission]:
    """The submissions of an export, sorted by student.

    Args:
        export: a folder or a zip.
        level: the part of each path that is the student's name, 1 for the first; 0 to find out.
        known: names and numbers of the class, which settle what is a student and what a folder around them.
        say: called with a line of text on files that belong to nobody.

    Raises:
        ValueError: the path does not exist, is neither a folder nor a zip, or holds no submission; or it
            cannot be said who a file belongs to.
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
    unsafe = [entry for entry in entries if _is_unsafe(entry[0])]
    entries = [entry for entry in entries if not _is_unsafe(entry[0])]
    if not entries and not unsafe:
        raise ValueError(f"{export}: no submission in it")
    try:
        found = [_outside(path) for path, _ in unsafe] + _students(entries, level, known, say)
    except Doubt as doubt:
        raise ValueError(f"{export}: {doubt}") from None
    return _merged(export, found)


class Doubt(Exception):
    """It cannot be said who handed in a file; the message has the reason and what to do."""


def _students(
    entries: list[Entry], level: int, known: Collection[str], say: Callable[[str], None]
) -> list[Submission]:
    """One submission for each file, and for each folder of a student."""
    named = [] if level else [(path, _named(path, file)) for path, file in entries]
    if any(who for _, who in named):
        _check_canvas([path for path, who in named if who and who.system == "canvas"])
        stray = [path for (path, who), (_, file) in zip(named, entries, strict=True) if file and not who]
        if work := [path for path in stray if _may_be_work(path.name)]:
            raise Doubt(
                f"{work[0]} has no student's name as the others have, so it cannot be said whose it is; "
                f"rename it as the others are, or take it out"
            )
        if stray:
            say(f"Belongs to no student, left out: {', '.join(map(str, stray))}")
        return [who for _, who in named if who]
    level = level or _level(entries, known)
    found = []
    folders = any(
        len(path.parts) > level or (len(path.parts) == level and not file) for path, file in entries
    )
    for path, file in entries:
        if len(path.parts) < level:
            continue
        name = path.parts[level - 1]
        if file and len(path.parts) == level:
            if folders and not _may_be_work(name):
                say(f"Belongs to no student, left out: {path}")
                continue
            name = re.sub(r"(?:\.ipynb)?\.\w+$", "", name) or name
        found.append(Submission(_safe(name), name, name, [file] if file else []))
    if not found:
        raise Doubt(f"no path in it has {level} parts")
    return found


def _named(path: PurePosixPath, file: File | None) -> Submission | None:
    """The student that Moodle, ILIAS or Canvas wrote into the path; None if none of them did."""
    files, folders = [file] if file else [], path.parts[:-1] if file else path.parts
    for part in path.parts:
        if known := MOODLE.fullmatch(part):
            folder = part.removesuffix(known["file"] or "")
            return Submission(known["id"], known["name"], folder, files, system="moodle")
    for part in folders:
        if known := ILIAS.fullmatch(part):
            name, late = f"{known['first']} {known['last']}", bool(ILIAS_LATE.match(path.name))
            return Submission(known["id"], name, part, files, late, system="ilias")
    known = CANVAS.fullmatch(path.name) if file else None
    if not known or (known["name"] or "").lower() != (known["name"] or ""):
        return None
    late, anonymous = bool(known["late"] or known["early"]), known["anon"] and f"anon_{known['anon']}"
    folder = path.name.removesuffix(known["file"] or "")
    name = anonymous or known["name"]
    return Submission(anonymous or known["id"], name, folder, files, late, system="canvas")


def _check_canvas(paths: list[PurePosixPath]) -> None:
    """Doubt names that look like those of Canvas and cannot be."""
    seen: dict[str, PurePosixPath] = {}
    for path in paths:
        known = CANVAS.fullmatch(path.name)
        number, attachment = int(known["id"] or 0), known["attachment"]
        if attachment and 1990 <= number < 2100 and int(attachment) <= 31:
            raise Doubt(
                f"{path}: is {number} the number of a student of Canvas, or a date? "
                f"If names stand in another place, say --level {len(path.parts)}, or rename the files"
            )
        if attachment and attachment in seen:
            raise Doubt(
                f"{seen[attachment]} and {path} have the same number {attachment}, which Canvas gives once; "
                f"if these are no names of Canvas, say --level {len(path.parts)}"
            )
        if attachment:
            seen[attachment] = path


def _may_be_work(name: str) -> bool:
    """Can a file of this name hold a notebook?"""
    return ".ipynb" in name.lower() or name.lower().endswith(PACKED)


def _level(entries: list[Entry], known: Collection[str]) -> int:
    """Which part of a path is the student's name, where neither Moodle nor Canvas nor ILIAS wrote it."""
    work = [path for path, file in entries if file and _may_be_work(path.name)]
    work = work or [path for path, file in entries if file]
    empty = [
        path for path, file in entries if not file and not any(path in other.parents for other, _ in entries)
    ]
    known, level = {_plain(name) for name in known}, 1
    while True:
        files = [path for path in work if len(path.parts) == level]
        folders = {path.parts[level - 1] for path in work if len(path.parts) > level}
        folders |= {path.parts[level - 1] for path in empty if len(path.parts) >= level}
        names = {_plain(name) for name in folders} | {_plain(path.stem) for path in files}
        if (level == 1 and (files or len(folders) > 1)) or names & known:
            return level
        if level > 1 and len(folders) > 1 and not files:
            return level
        inside = [path for path in work if len(path.parts) == level + 1]
        deeper = [path for path in work if len(path.parts) > level + 1]
        if level == 1 and not deeper and len(inside) <= 1:
            return level
        if files or not folders:
            break
        level += 1
    first, second = sorted(work)[0].parts[:2]
    raise Doubt(
        f"is {first!r} a student, or is {second!r} one, in a folder named {first!r}? "
        f"Say --level 1 or --level 2, or give a --roster with the names"
    )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _is_unsafe(path: PurePosixPath) -> bool:
    return path.is_absolute() or ".." in path.parts or bool(re.match(r"[A-Za-z]:", path.parts[0]))


def _outside(path: PurePosixPath) -> Submission:
    return Submission(_safe(str(path)), str(path), path.parts[0], unsafe=str(path))


def _safe(name: str) -> str:
    """An id made from a name that is used in paths and in glob patterns.

    A name that has to be changed for that, or that has capital letters, as some disks do not tell A from a,
    gets a part made from the whole name: no two names share an id, and none depends on the other names.
    """
    name = unicodedata.normalize("NFC", name)
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:40]
    if safe == name.casefold():
        return safe
    return f"{safe or 'student'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _merged(export: Path, found: list[Submission]) -> list[Submission]:
    """One submission for each student; ValueError if two students would become one."""
    students: dict[str, Submission] = {}
    for who in found:
        known = students.setdefault(who.student.casefold(), who)
        if known is who:
            continue
        if (known.student, known.name, known.system) != (who.student, who.name, who.system):
            raise ValueError(
                f"{export}: {known.folder!r} and {who.folder!r} have the same number, {who.student}, so it "
                f"cannot be said whether they are one student; grade one export at a time, or rename one"
            )
        known.files += who.files
        known.late |= who.late
    return sorted(students.values(), key=lambda submission: submission.student)


# Files


def _folder_entries(export: Path) -> list[Entry]:
    entries = []
    for path in sorted(export.rglob("*")):
        inside = PurePosixPath(unicodedata.normalize("NFC", path.relative_to(export).as_posix()))
        if path.is_symlink():
            entries.append((inside, File(path.name, 0, _link)))
            continue
        if not (path.is_file() or path.is_dir()):
            continue
        reader = partial(_head, partial(open, path, "rb"))
        file = File(path.name, path.stat().st_mtime, reader) if path.is_file() else None
        entries.append((inside, file))
    return entries


def _zip_entries(export: Path) -> list[Entry]:
    with zipfile.ZipFile(export) as archive:
        return _listed(archive, lambda info: partial(_open_entry, export, info))


def _listed(archive: zipfile.ZipFile, opener: Callable) -> list[Entry]:
    entries = []
    for info in archive.infolist():
        path = PurePosixPath(unicodedata.normalize("NFC", _decoded(info).replace("\\", "/")))
        if not path.parts:
            continue
        file = None
        if stat.S_ISLNK(info.external_attr >> 16):
            file = File(path.name, 0, _link)
        elif not info.is_dir():
            file = File(path.name, _seconds(info.date_time), partial(_head, opener(info)))
        entries.append((path, file))
    return entries


def _link() -> bytes:
    """In place of reading a link, which may point outside the export."""
    raise ValueError("a link to a file, not the file itself; ask for the file")


def _decoded(info: zipfile.ZipInfo) -> str:
    """The path of a zip's entry; one that does not say its encoding has UTF-8, that of DOS, or of Windows."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    with contextlib.suppress(UnicodeError):
        data = info.filename.encode("cp437")  # as Python has decoded it
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("utf-8")
        for text in (info.filename, data.decode("cp1252", "replace")):
            if all(letter.isascii() or unicodedata.name(letter, "").startswith("LATIN ") for letter in text):
                return text
    return info.filename


def _seconds(date_time: tuple) -> float:
    """The time of a zip's entry, which may be no date at all; then the earliest."""
    try:
        return time.mktime((*date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


@contextmanager
def _open_entry(export: Path | io.BytesIO, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(export) as archive, archive.open(info) as opened:
        yield opened


def _head(open_file: Callable) -> bytes:
    with open_file() as opened:
        return opened.read(MAX_BYTES + 1)  # no more, whatever size the archive states


def unpack(file: File, depth: int = 2) -> list[File]:
    """The files in a zip or tar that a student handed in, and in zips in it; the file itself if it is none.

    Raises:
        ValueError: it is a packed file that cannot be read.
    """
    if not depth or not file.name.lower().endswith((*PACKED, ".ipynb")):
        return [file]
    data = file.read()
    if len(data) > MAX_BYTES:
        return [file]
    try:
        if data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                inside = _listed(archive, lambda info: partial(_open_entry, io.BytesIO(data), info))
        elif file.name.lower().endswith((".tar", ".tar.gz", ".tgz")):
            inside = _tar_entries(data)
        elif file.name.lower().endswith(PACKED):
            raise ValueError("a packed file of a kind that is not opened here; ask for the notebook itself")
        else:
            return [file]
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(f"a packed file that cannot be read: {type(error).__name__}") from error
    inside = [(p, f) for p, f in inside if f and not any(JUNK.fullmatch(part) for part in p.parts)]
    return [
        found
        for path, each in inside[:MAX_PACKED]
        for found in unpack(replace(each, name=f"{file.name}/{path.name}"), depth - 1)
    ]


def _tar_entries(data: bytes) -> list[Entry]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [member for member in archive.getmembers()[:MAX_PACKED] if member.isfile()]
        return [
            (
                PurePosixPath(member.name),
                File(PurePosixPath(member.name).name, member.mtime, partial(bytes, head)),
            )
            for member in members
            for head in [archive.extractfile(member).read(MAX_BYTES + 1)]
        ]
