"""Every number in the text was printed by a cell; chapters agree on the numbers and equations they share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from bookfiles import EXERCISES, NOTEBOOKS, PAGES, REFERENCE, SOURCES, TAG, Notebook, title

from vae_lib.linear_gaussian import LinearGaussian

each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)


def numbers(text: str) -> set[float]:
    """All numbers of a text, without their signs."""
    return {float(found) for found in re.findall(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)}


def claims(markdown: str) -> list[tuple[str, str]]:
    """(number, its paragraph) for each decimal or percentage outside code and displayed formulas."""
    prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$", " ", markdown, flags=re.DOTALL)
    named = r"\b\d\d?\.\d (?=· )|Exercise \d\d?\.\d"  # of exercises
    prose = re.sub(rf"arXiv:[\d.]+|\]\([^)]*\)|{named}", "]", prose)
    found = []
    for paragraph in prose.split("\n\n"):
        text = REFERENCE.sub(" ", paragraph).replace(r"\%", "%")
        for match in re.finditer(r"(?<![\w.])(\d+\.\d+|\d+(?= ?%))", text):
            found.append((match[1], paragraph))
    return found


def was_printed(number: str, sources: set[float]) -> bool:
    """Does one of the sources round to this number, as it is or as a percentage?"""
    decimals = len(number.partition(".")[2])
    tolerance = 0.5 * 10**-decimals * 1.0001
    return any(abs(source * scale - float(number)) <= tolerance for source in sources for scale in (1, 100))


@pytest.mark.parametrize("notebook", [*NOTEBOOKS, *SOURCES], ids=lambda notebook: title(notebook.path))
def test_numbers_in_the_text_were_printed(notebook: Notebook):
    known = numbers(notebook.output) | numbers("\n".join(cell.source for cell in notebook.code))
    unknown = []
    for number, paragraph in claims(notebook.markdown):
        quoted = [int(chapter) for chapter in re.findall(r"[Cc]hapter (\d+)", paragraph)]
        sources = known.union(*(numbers(other.output) for other in NOTEBOOKS if other.chapter in quoted))
        if not was_printed(number, sources):
            unknown.append(f"{number} in: {paragraph.strip()[:90]}")
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_numbers_on_the_pages_were_printed(page: Path):
    known = set().union(*(numbers(notebook.output) for notebook in NOTEBOOKS))
    assert [
        number for number, _ in claims(page.read_text(encoding="utf8")) if not was_printed(number, known)
    ] == []


def test_every_chapter_has_the_same_evidence_of_the_running_example():
    toy = LinearGaussian(W=[[2.0]], b=[0.0], sigma=1.0)
    exact = toy.log_marginal(torch.tensor([[2.5]], dtype=torch.float64)).item()
    printed = {n.name: set(re.findall(r"log p\(x\) = (-\d+\.\d{6}) nats", n.output)) for n in NOTEBOOKS}
    printed = {name: values for name, values in printed.items() if values}
    assert {"02_likelihood", "03_elbo"} <= set(printed)
    assert {name: values for name, values in printed.items() if values != {f"{exact:.6f}"}} == {}


def tags() -> dict[str, str]:
    """Equation number -> notebook."""
    found: dict[str, str] = {}
    for notebook in NOTEBOOKS:
        for tag in TAG.findall(notebook.markdown):
            assert tag not in found, f"({tag}) is in {found[tag]} and again in {notebook.name}"
            found[tag] = notebook.name
    return found


@each_notebook
def test_equations_are_numbered_in_order(notebook: Notebook):
    found = TAG.findall(notebook.markdown)
    assert found == [f"{notebook.chapter}.{number}" for number in range(1, len(found) + 1)]


@pytest.mark.parametrize("path", [*(n.path for n in (*NOTEBOOKS, *EXERCISES, *SOURCES)), *PAGES], ids=title)
def test_references_to_equations_lead_to_them(path: Path):
    known = tags()
    text = path.read_text(encoding="utf8") if path.suffix == ".md" else Notebook(path).markdown
    prose = TAG.sub(" ", text)
    for number in REFERENCE.findall(prose):
        assert number in known, f"({number}) is nowhere"
    for number, target in re.findall(r"\[\((\d\d?\.\d+)\)\]\((\w+)\.ipynb", prose):
        assert known[number] == target, f"({number}) is in {known[number]}, the link leads to {target}"
