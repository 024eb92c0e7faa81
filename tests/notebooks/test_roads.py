"""The main road of a chapter is short and needs no aside; the heading of an aside says its result."""

from __future__ import annotations

import ast
import re

import pytest
from bookfiles import BOOK, NOTEBOOKS, REFERENCE, TAG, WITH_EXERCISES, Notebook

from tools.notebooks import ASIDE, folded_line

each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)


@each_notebook
def test_main_road_takes_at_most_15_minutes(notebook: Notebook):
    """The one page with the whole argument may take 20."""
    assert notebook.main_road.minutes <= (15 if notebook.has_exercises else 20)


def test_main_roads_of_the_derivation_take_at_most_two_hours():
    """Chapters 1 to 9; what comes after them is for those who train models of their own."""
    derivation = [notebook for notebook in WITH_EXERCISES if notebook.chapter <= 9]
    assert len(derivation) == 9
    assert sum(notebook.main_road.minutes for notebook in derivation) <= 120


@each_notebook
def test_heading_of_an_aside_states_its_result(notebook: Notebook):
    """A sentence with a verb is longer than a title; what follows the heading is for those who doubt it."""
    headings = [cell.source for cell in notebook.asides.cells if ASIDE.match(cell.source)]
    assert [heading for heading in headings if not 4 <= len(heading.split()[3:]) <= 20] == []


@each_notebook
def test_open_code_of_the_main_road_is_short(notebook: Notebook):
    """At most 12 lines; at most 80 columns, which is what fits at 1280 pixels."""
    assert [cell.id for cell in notebook.main_road.open_code if len(cell.source.splitlines()) > 12] == []
    wide = {cell.id: max(map(len, cell.source.splitlines())) for cell in notebook.main_road.open_code}
    assert {name: width for name, width in wide.items() if width > 80} == {}


@each_notebook
def test_folded_code_says_what_it_does(notebook: Notebook):
    for cell in notebook.code:
        if {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", [])):
            assert 10 <= len(folded_line(cell)) <= 80, (
                f"{cell.id}: begins with a comment that says what it does"
            )


@each_notebook
def test_checks_and_setup_are_folded(notebook: Notebook):
    """Open code is the mathematics; what holds it against the library, imports and plots step aside."""
    for cell in notebook.open_code:
        folded = cell.id.startswith(("check-", "explorer-", "fig-")) or cell.id == "setup"
        assert not folded, f"{cell.id} needs the tag hide-input"


@each_notebook
def test_checks_print_numbers(notebook: Notebook):
    """A check prints how far two results are apart, with its bound, and not that they agree."""
    for cell in notebook.code:
        for output in cell.outputs:
            assert not re.search(r"\bTrue\b", output.get("text", "")), f"{cell.id} prints True"


@each_notebook
def test_cell_ids_are_not_shown(notebook: Notebook):
    ids = {cell.id for cell in notebook.cells if "-" in cell.id}
    text = re.sub(r"\]\([^)]*\)", "]", notebook.markdown)
    assert ids & set(re.findall(r"`([^`\n]+)`", text)) == set()


class Names(ast.NodeVisitor):
    """The names that a piece of code binds, and those that it reads before it binds them."""

    def __init__(self):
        self.bound, self.read = set(), set()

    def visit_Name(self, node):
        (self.read if isinstance(node.ctx, ast.Load) and node.id not in self.bound else self.bound).add(
            node.id
        )

    def visit_Assign(self, node):  # the right-hand side is read first
        for part in (node.value, *node.targets):
            self.visit(part)

    def visit_alias(self, node):
        self.bound.add((node.asname or node.name).partition(".")[0])

    def visit_arg(self, node):
        self.bound.add(node.arg)

    def visit_For(self, node):
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_comprehension(self, node):
        for part in (node.iter, node.target, *node.ifs):
            self.visit(part)

    def visit_ListComp(self, node):
        for part in (
            *node.generators,
            *(getattr(node, name) for name in ("key", "value", "elt") if hasattr(node, name)),
        ):
            self.visit(part)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp

    def visit_FunctionDef(self, node):
        self.bound.add(node.name)
        self.generic_visit(node)

    visit_ClassDef = visit_FunctionDef


def names(source: str) -> Names:
    found = Names()
    found.visit(ast.parse("\n".join(line for line in source.splitlines() if not re.match(r"\s*[%!]", line))))
    return found


@each_notebook
def test_main_road_runs_without_the_asides(notebook: Notebook):
    """No cell of the main road reads a name that only an aside has bound."""
    main, aside = set(), set()
    inside = {cell.id for cell in notebook.asides.cells}
    for cell in notebook.code:
        found = names(cell.source)
        if cell.id in inside:
            aside |= found.bound
        else:
            assert found.read & (aside - main) == set(), f"{cell.id} needs an aside"
            main |= found.bound


def test_main_roads_cite_no_equation_of_an_aside():
    aside = {tag for notebook in NOTEBOOKS for tag in TAG.findall(notebook.asides.markdown)}
    cited = {
        (notebook.name, cell.id): set(REFERENCE.findall(cell.source)) & aside
        for notebook in NOTEBOOKS
        for cell in notebook.main_road.cells
        if cell.cell_type == "markdown"
    }
    assert {place: tags for place, tags in cited.items() if tags} == {}


def terms() -> set[str]:
    """The terms of the glossary: each is a line before its indented explanation."""
    found = re.findall(r"^(\S.*)\n  \S", (BOOK / "glossary.md").read_text(encoding="utf8"), re.M)
    return {term.lower() for term in found}


def test_no_term_is_introduced_in_an_aside_and_used_on_a_main_road():
    """A term stands in italics where it is introduced."""
    known, missing, glossary = set(), set(), terms()
    assert len(glossary) > 30
    for notebook in NOTEBOOKS:
        inside = {cell.id for cell in notebook.asides.cells}
        only_aside = set()
        for cell in notebook.cells:
            if cell.cell_type != "markdown":
                continue
            introduced = {word.lower() for word in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", cell.source)}
            if cell.id in inside:
                only_aside |= introduced - known
            else:
                known |= introduced
                for term in (only_aside - known) & glossary:
                    if re.search(rf"\b{re.escape(term)}\b", cell.source, re.I):
                        missing.add((notebook.name, cell.id, term))
    assert missing == set()
