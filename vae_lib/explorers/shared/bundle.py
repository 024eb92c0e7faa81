"""Joins ES modules into one script: a widget takes one module, and a page opened from a folder may load none.

Scripts are read line by line, not parsed. So a script may have few things at its top level: imports of the
form `import { a, b } from "./file.js";`, on one line or several, and declarations of one name each, which
begin in the first column. Other lines that begin with a word such as import or const are an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

IMPORT = re.compile(r'^import \{\s*(\w+(?:,\s*\w+)*),?\s*\} from "(\.[\w./]+\.js)";\n', re.M)
DECLARATION = re.compile(
    r"^(export )?(?:(?:const|let) (\w+) =|(?:async )?function\*? (\w+)\(|class (\w+)\b)", re.M
)
STATEMENT = re.compile(r"^(?:import|export|const|let|var|class|function|async)\b.*", re.M)


def source(script: Path) -> str:
    """A module without its imports and the word export."""
    return re.sub(r"^export ", "", IMPORT.sub("", script.read_text(encoding="utf-8")), flags=re.M)


def names(script: Path) -> dict[str, bool]:
    """Each name that a module declares at its top level → is it exported?

    Raises:
        ValueError: a line begins with a word of an import or a declaration and is not of the known form.
    """
    text = script.read_text(encoding="utf-8")
    known = {match.start() for pattern in (IMPORT, DECLARATION) for match in pattern.finditer(text)}
    for line in STATEMENT.finditer(text):
        if line.start() not in known:
            raise ValueError(f"{script.name} cannot be joined with other scripts because of: {line[0]}")
    found = {}
    for export, *declared in DECLARATION.findall(text):
        found["".join(declared)] = bool(export)
    return found


def imports(script: Path) -> dict[Path, list[str]]:
    """Each module that a module imports → the names that it takes from there.

    Raises:
        ValueError: such a module does not exist, or does not export one of the names.
    """
    found = {}
    for wanted, file in IMPORT.findall(script.read_text(encoding="utf-8")):
        path = (script.parent / file).resolve()
        if not path.is_file():
            raise ValueError(f"{script.name} imports from {file}, which does not exist")
        exported = names(path)
        found[path] = re.split(r"\s*,\s*", wanted)
        for name in found[path]:
            if not exported.get(name):
                raise ValueError(f"{script.name} imports {name}, which {path.name} does not export")
    return found


def ordered(scripts: Iterable[Path], entry: Path) -> list[Path]:
    """`entry`, and all modules that it or one of the scripts needs, each after those that it imports.

    Raises:
        ValueError: modules import each other in a circle, or two of them declare the same name.
    """
    found: dict[Path, None] = {}

    def visit(script: Path, way: tuple[Path, ...]) -> None:
        for module in imports(script):
            if module in way:
                raise ValueError(f"modules import each other: {', '.join(path.name for path in way)}")
            if module not in found:
                visit(module, (*way, module))
                found[module] = None

    for script in (*scripts, entry):
        visit(script.resolve(), (script.resolve(),))
    found[entry.resolve()] = None
    home: dict[str, Path] = {}
    for module in found:
        for name in names(module):
            if name in home:
                raise ValueError(f"{home[name].name} and {module.name} both declare {name}")
            home[name] = module
    return list(found)


def joined(scripts: Iterable[Path], entry: Path) -> str:
    """One text of `entry` and all modules that it or one of the scripts needs, without these scripts."""
    return "\n".join(source(module) for module in ordered(scripts, entry))


def expression(script: Path, name: str) -> str:
    """A script as an expression whose value is what it declares as `name`; its other names stay its own.

    Raises:
        ValueError: it does not export `name`.
    """
    if not names(script).get(name):
        raise ValueError(f"{script.name} must export {name}")
    return f"(() => {{\n{source(script)}\nreturn {name};\n}})()"
