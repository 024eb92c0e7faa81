"""Exercises and solutions on the site; and no trace of a solution in a book that is built without them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import parsed

from tools import exercises as tool
from tools.notebooks import read

ROOT = Path(__file__).resolve().parents[2]
SOURCES = tool.sources()


def secrets(source):
    """What only the instructor's notebook has: lines of solutions, and how solved exercises are told."""
    notebook = read(source)
    public = "\n".join("".join(cell["source"]) for cell in tool.student(notebook)["cells"])
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if tool.SOLUTION in cell["metadata"].get("tags", []):
            lines = text.splitlines()
        else:
            lines = [line for region in tool.REGION.finditer(text) for line in region[0].splitlines()]
        yield from (line.strip() for line in lines if len(line) > 20 and line.strip() not in public)


@pytest.fixture(scope="module")
def without(html, tmp_path_factory):
    """A small book of one chapter and its exercises, built without solutions where they had been before."""
    root = tmp_path_factory.mktemp("no solutions")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["local_extensions"] = {"site_extension": str(ROOT)}
    config["execute"] = {"execute_notebooks": "off"}
    (root / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    parts = [{"caption": "Exercises", "chapters": [{"file": "book/exercises/04_kl"}]}]
    toc = {"format": "jb-book", "root": "book/04_kl", "parts": parts}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    shutil.copytree(ROOT / "exercises" / "source" / "ch04", root / "exercises" / "source" / "ch04")
    (root / "book" / "exercises").mkdir(parents=True)
    shutil.copy(ROOT / "book" / "exercises" / "04_kl.ipynb", root / "book" / "exercises")
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 4 · Chapter\n\nText.")])
    nbformat.write(chapter, root / "book" / "04_kl.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool, "ROOT", root)
        patch.setattr(tool, "BOOK", root / "book")
        patch.setattr(tool, "SOURCE", root / "exercises" / "source")
        tool.pages()
        assert (root / "book" / "solutions" / "04_kl.ipynb").is_file()
        tool.pages(without=True)
    start = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "build", str(root), "--toc", str(root / "_build" / "toc.yml")]
    run = subprocess.run([*command, "-n", "-W", "--keep-going"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    return root / "_build" / "html"


def test_no_file_of_a_book_without_solutions_has_one(without):
    """Pages, downloads, sources, search index: every file."""
    hidden = list(secrets(ROOT / "exercises" / "source" / "ch04" / "ch04.ipynb"))
    assert len(hidden) > 20
    files = [file for file in without.rglob("*") if file.is_file()]
    assert {"04_kl.html", "04_kl.ipynb", "searchindex.js"} <= {file.name for file in files}
    for file in files:
        assert "solutions" not in file.relative_to(without).parts
        text = file.read_bytes().decode("utf-8", "replace")
        assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text, file
        assert [line for line in hidden if line in text] == [], file


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
def test_the_solution_page_shows_them(source, html):
    name = tool.made_path(source, "solutions").relative_to(ROOT).with_suffix(".html")
    if "solutions" not in (ROOT / "_build" / "toc.yml").read_text(encoding="utf-8"):
        pytest.skip("the book was built with SOLUTIONS=0")
    page = parsed(html / name)
    exercises = len([cell for cell in read(source)["cells"] if re.fullmatch(r"exercise-\d-\d", cell["id"])])
    text = page.select_one("article").get_text()
    assert text.count("Solution. ") == exercises == len(set(re.findall(r"\d\.\d: right", text)))
    assert not re.search(r"### |not attempted yet", text.replace("#\n", ""))


@pytest.mark.parametrize(("solutions", "built"), [("1", False), ("0", True)])
def test_another_choice_is_a_reason_to_build(solutions, built, html):
    """So that a book with solutions is never taken for one without."""
    stands = (ROOT / "_build" / "book.stamp").read_text().strip()
    wanted = solutions if stands == "1" else {"1": "0", "0": "1"}[solutions]
    command = ["make", "-n", "book", f"SOLUTIONS={wanted}"]
    plan = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ("jupyter-book build" in plan.stdout) == built, plan.stderr
