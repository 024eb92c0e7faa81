"""What is added to IPython where a submission runs, so that one line that fails takes few points.

Loaded as an extension before the first cell. Nothing here keeps anyone from cheating; it is for accidents:

- `exit()` does nothing, where it would end Python;
- an import of what is not installed is skipped, with the lines that only use it; so are unknown magics;
- a check finds the names that it uses as the assignment made them, whatever a student called `check`;
- at the end, an exercise that failed is tried again with the answers that stand elsewhere (see `probe`).

What happened is written to a file, a line of JSON each, for the reasons in the table.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.util
import json
import os
import re
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from IPython.utils.capture import capture_output

SETTINGS = "GRADING_KERNEL"  # environment variable: the file with the settings that the worker wrote
INSTALLERS = {"conda", "mamba", "micromamba", "uv"}
PROBE_SECONDS = 15


@dataclass
class State:
    """What the extension knows of the run.

    Attributes:
        settings: what the worker wrote for it.
        checks: the sources of the checks, without white space.
        first: name -> its value when the assignment's own cells had run.
        replaced: the names of the student that a check does not see, while it runs.
        ended: check -> the kind of its error, "" if it passed.
        missing: the names that an import which failed would have bound.
        right: the checks that passed with another answer.
    """

    shell: object = None
    settings: dict = field(default_factory=dict)
    checks: set[str] = field(default_factory=set)
    first: dict[str, object] = field(default_factory=dict)
    replaced: dict[str, object] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    right: set[str] = field(default_factory=set)


state = State()


def load_ipython_extension(shell) -> None:
    """Called by IPython when Python has started."""
    state.shell = shell
    with open(os.environ[SETTINGS], encoding="utf-8") as file:
        state.settings = json.load(file)
    state.checks = {_squeezed(check) for check in state.settings["checks"]}
    shell.ask_exit = _leave
    shell.ast_transformers.append(Lenient())
    shell.run_line_magic = _lenient_magic(shell, shell.run_line_magic)
    shell.events.register("pre_run_cell", _before)
    shell.events.register("post_run_cell", _after)


def tell(**fact: object) -> None:
    """Write down what happened, for the reasons in the table."""
    with open(state.settings["facts"], "a", encoding="utf-8", errors="replace") as file:
        file.write(json.dumps(fact) + "\n")


def _squeezed(source: str) -> str:
    return "".join((source or "").split())


def _leave() -> None:
    print("exit() does nothing while grading")


def _lenient_magic(shell, original):
    """Line magics, without those that need what is not there."""

    def run_line_magic(name: str, line: str, _stack_depth: int = 1):
        module = line.strip().partition(".")[0]
        if name == "matplotlib" and line.strip():
            line = "inline"  # there is no window
        elif name in INSTALLERS or shell.find_line_magic(name) is None:
            tell(skipped=f"%{name} {line}".strip())
            return None
        elif name == "load_ext" and not _is_there(module):
            tell(missing=f"%load_ext {module}")
            return None
        return original(name, line, _stack_depth + 1)

    return run_line_magic


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


# Imports of what is not installed


class Lenient(ast.NodeTransformer):
    """Lets a cell go on after an import at its top level that fails, without the lines that only use it."""

    def visit_Module(self, module: ast.Module) -> ast.Module:
        bound = {name for node in module.body for name in _imported(node)} | state.missing
        last = module.body[-1] if module.body else None
        module.body = [self._line(node, bound, node is last) for node in module.body]
        return ast.fix_missing_locations(module)

    def _line(self, node: ast.stmt, bound: set[str], is_last: bool) -> ast.stmt:
        root = _root(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and getattr(node, "module", "") != "__future__":
            names, line = sorted(_imported(node)), ast.unparse(node)
            return _guarded(node, "ImportError", f"absent({line!r}, {names})")
        if root in bound and (not is_last or root in state.missing):
            return _guarded(node, "NameError", f"unused(_error, {root!r})")
        return node


def _guarded(node: ast.stmt, error: str, then: str) -> ast.stmt:
    """try: node; except error as _error: then, which is a call of a function of this module"""
    then = f"__import__('grading.kernel').kernel.{then}"
    guarded = ast.parse(f"try:\n    pass\nexcept {error} as _error:\n    {then}").body[0]
    guarded.body = [node]
    return guarded


def _imported(node: ast.AST) -> Iterable[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names if alias.name != "*"]
    return []


def _root(node: ast.stmt) -> str:
    """ "sns" for the line sns.set_theme(); empty for a line that is more than a call."""
    node = node.value if isinstance(node, ast.Expr) else None
    while isinstance(node, (ast.Call, ast.Attribute)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def absent(line: str, names: list[str]) -> None:
    """An import of the student failed: note it, and go on."""
    state.missing |= {name for name in names if name not in state.shell.user_ns}
    tell(missing=line, names=names)


def unused(error: NameError, name: str) -> None:
    """A line used a name: skip it if the import of that name failed."""
    if name not in state.missing:
        raise error


# Names that checks use


def _before(info) -> None:
    """Before a check: give it the names that the assignment made, in place of what a student called so."""
    if info is None or _squeezed(info.raw_cell) not in state.checks:
        return
    space = state.shell.user_ns
    for name in _used(info.raw_cell) - set(state.settings["answers"]):
        wanted = state.first.get(name, getattr(builtins, name, None))
        if wanted is None or space.get(name) is wanted or name not in {*space, *state.first}:
            continue
        state.replaced[name] = space.get(name, _before)
        if name in state.first:
            space[name] = wanted
        else:
            del space[name]


def _after(result) -> None:
    """After a cell: remember what the assignment's cells made, and how a check ended."""
    source = _squeezed(result.info.raw_cell if result.info else "")
    space = state.shell.user_ns
    if source in map(_squeezed, state.settings["setup"]):
        names = {name for node in ast.walk(_tree(result.info.raw_cell)) for name in _names(node)}
        state.first |= {name: space[name] for name in names if name in space and name not in state.first}
    if source in state.checks:
        error = result.error_before_exec or result.error_in_exec
        state.ended[source] = type(error).__name__ if error else ""
        for name, value in state.replaced.items():
            if value is _before:
                space.pop(name, None)
            else:
                space[name] = value
        state.replaced.clear()


def _tree(source: str) -> ast.AST:
    try:
        return ast.parse(state.shell.transform_cell(source))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _names(node: ast.AST) -> Iterable[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    return _imported(node)


def _used(source: str) -> set[str]:
    nodes = ast.walk(_tree(source))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


# Answers that stand elsewhere


def probe(number: int) -> None:
    """Try an exercise that failed with another answer, beside the student's names; note whether it is right.

    Everything is as it is at the end of the notebook, but the assignment's names are its own, no name covers
    one of Python's, and a statement that fails is left out.
    """
    wanted = state.settings["probes"][number]
    check = _squeezed(wanted["check"])
    failed = state.ended.get(check, "PythonEnded")
    if not failed or check in state.right or time.time() > state.settings["deadline"]:
        return
    if wanted["again"] and failed in ("KeyboardInterrupt", "TimeoutError", "PythonEnded"):
        return
    python = {name for name in vars(builtins) if not name.startswith("_")}
    space = dict(state.shell.user_ns)
    before = signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, PROBE_SECONDS)
    try:
        with capture_output():
            for source in wanted["before"]:
                _run_each(source, space)
            for name in python & space.keys():
                del space[name]
            space |= state.first
            _run_each(wanted["source"], space)
            exec(compile(state.shell.transform_cell(wanted["check"]), "<check>", "exec"), space)
    except BaseException as error:  # also SystemExit and KeyboardInterrupt
        tell(probe=number, error=type(error).__name__)
    else:
        state.right.add(check)
        tell(probe=number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _run_each(source: str, space: dict) -> None:
    """Run the statements of a cell; one that fails does not keep the others from being run."""
    for node in _readable(source).body:
        with contextlib.suppress(Exception, SystemExit):
            exec(compile(ast.Module([node], []), "<answer>", "exec"), space)


def _readable(source: str) -> ast.Module:
    """The statements of a cell without the lines that are no Python, such as ``` around them or words."""
    lines = re.sub(r"\A\s*%%(?:time|timeit|capture|prun)\b.*", "#", source).splitlines()
    for _ in lines:
        try:
            return ast.parse(state.shell.transform_cell("\n".join(lines)))
        except SyntaxError as error:
            lines[min(error.lineno or 1, len(lines)) - 1] = "#"
        except ValueError:  # such as a null character
            break
    return ast.Module([], [])


def _expire(number, frame) -> None:
    raise TimeoutError
