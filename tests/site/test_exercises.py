"""The pages of exercises and of solutions."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import parsed
from solutions import secrets

from tools import exercises as tool
from tools.notebooks import read

ROOT = Path(__file__).resolve().parents[2]
SOURCES = tool.sources()


def target(file, name):
    """The element of a page to which a link leads."""
    return parsed(file.resolve()).find(id=name)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_download_of_an_exercise_has_no_solution(source, html):
    name = tool.made_path(source, "exercises").relative_to(ROOT)
    page = parsed(html / name.with_suffix(".html"))
    (link,) = page.select("a.btn-download-source-button")
    download = (html / name.parent / link["href"]).resolve()
    assert download == (html / "_sources" / name).resolve()
    text = download.read_text(encoding="utf-8")
    lines = {
        line.strip() for cell in read(download)["cells"] for line in "".join(cell["source"]).splitlines()
    }
    assert "BEGIN SOLUTION" not in text and not lines & set(secrets(source))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_solution_page_shows_every_solution(source, html):
    name = tool.made_path(source, "solutions").relative_to(ROOT).with_suffix(".html")
    if "solutions" not in (ROOT / "_build" / "toc.yml").read_text(encoding="utf-8"):
        pytest.skip("the book was built with SOLUTIONS=0")
    page = parsed(html / name)
    exercises = len([cell for cell in read(source)["cells"] if re.fullmatch(r"exercise-\d+-\d", cell["id"])])
    text = page.select_one("article").get_text()
    assert text.count("Solution. ") == exercises == len(set(re.findall(r"\d+\.\d: right", text)))
    assert not re.search(r"### |not attempted yet", text.replace("#\n", ""))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_page_leads_to_each_solution_and_says_nothing_dead(source, html):
    name = tool.made_path(source, "exercises").relative_to(ROOT).with_suffix(".html")
    page = parsed(html / name).select_one("article")
    numbers = re.findall(r"^(\d+\.\d+) · ", "\n".join(h2.get_text() for h2 in page.select("h2")), re.M)
    assert "not attempted yet" not in page.get_text() and len(page.select("pre")) > 2 * len(numbers)
    assert all(output.get_text(strip=True) or output.img for output in page.select(".cell_output"))
    links = [(a.get_text(), a["href"]) for a in page.select("section > p > a") if "solutions/" in a["href"]]
    if "solutions" not in (ROOT / "_build" / "toc.yml").read_text(encoding="utf-8"):
        assert links == []
        return
    assert [words for words, _ in links] == [f"Solution of {number}" for number in numbers]
    ends = [section.find_all(recursive=False)[-1].get_text() for section in page.select("section section")]
    assert ends == [words for words, _ in links], "each at the end of its exercise"
    for number, (_, link) in zip(numbers, links, strict=True):
        file, _, cell = link.partition("#")
        assert f"# Exercise {number}: your answer" in target(html / name.parent / file, cell).get_text()


@pytest.mark.parametrize(("solutions", "built"), [("1", False), ("0", True)])
def test_make_builds_again_for_another_choice_of_solutions(solutions, built, html):
    """So that a book with solutions is never taken for one without."""
    stands = (ROOT / "_build" / "book.stamp").read_text().strip()
    wanted = solutions if stands == "1" else {"1": "0", "0": "1"}[solutions]
    command = ["make", "-n", "book", f"SOLUTIONS={wanted}"]
    plan = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ("jupyter-book build" in plan.stdout) == built, plan.stderr
