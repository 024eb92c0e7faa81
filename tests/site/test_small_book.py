"""A small book with faults and without solutions, built once: what the build says and leaves out."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from solutions import secrets

from tools import exercises as tool

ROOT = Path(__file__).resolve().parents[2]

BAD_PAGE = """# Bad

A formula that nobody can read, $\\frac{1}{$, and one that KaTeX lacks:

$$
\\nosuchmacro{x}
$$
"""
GOOD_PAGE = """# Good

> **Correction 3**, as it is called. The half is missing.

> Just a quotation.

$$
\\begin{aligned} a &= b \\\\ &= c \\end{aligned} \\tag{4.2}
$$

See [(4.2)](#eq-4-2).
"""


@pytest.fixture(scope="module")
def built(html, tmp_path_factory):
    """A good page, a page with bad formulas, a notebook that raises, and a chapter with its exercises.

    It is built without solutions where the solution pages had been before; and without -W, as a reader may
    build it. It takes the packages of npm that the build of the book fetched.
    """
    root = tmp_path_factory.mktemp("small book")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["local_extensions"] = {"site_extension": str(ROOT)}
    (root / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    parts = [
        {
            "caption": "Chapters",
            "chapters": [{"file": f"book/{name}"} for name in ("bad", "raises", "04_kl")],
        },
        {"caption": "Exercises", "chapters": [{"file": "book/exercises/04_kl"}]},
    ]
    toc = {"format": "jb-book", "root": "book/good", "parts": parts}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    shutil.copytree(ROOT / "_build" / "assets", root / "_build" / "assets")
    shutil.copytree(ROOT / "exercises" / "source" / "ch04", root / "exercises" / "source" / "ch04")
    (root / "book" / "exercises").mkdir(parents=True)
    shutil.copy(ROOT / "book" / "exercises" / "04_kl.ipynb", root / "book" / "exercises")
    (root / "book" / "good.md").write_text(GOOD_PAGE, encoding="utf-8")
    (root / "book" / "bad.md").write_text(BAD_PAGE, encoding="utf-8")
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# Raises"),
        new.new_code_cell("x = 1"),
        new.new_code_cell("assert x == 2, 'x is one'"),
    ]
    chapter = [new.new_markdown_cell("# 4 · Chapter\n\nText.")]
    nbformat.write(new.new_notebook(cells=cells), root / "book" / "raises.ipynb")
    nbformat.write(new.new_notebook(cells=chapter), root / "book" / "04_kl.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool, "ROOT", root)
        patch.setattr(tool, "BOOK", root / "book")
        patch.setattr(tool, "SOURCE", root / "exercises" / "source")
        tool.pages()
        assert (root / "book" / "solutions" / "04_kl.ipynb").is_file()
        tool.pages(without=True)
    start = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        start,
        "build",
        str(root),
        "--toc",
        str(root / "_build" / "toc.yml"),
        "-n",
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return run, root


def test_faults_fail_the_build(built):
    assert built[0].returncode != 0


def test_failing_notebook_is_named_last(built):
    assert built[0].stderr.splitlines()[-1].strip() == "raises.ipynb, cell 3: AssertionError: x is one"


def test_bad_formulas_are_named(built):
    named = [line for line in built[0].stderr.splitlines() if "bad formula" in line]
    assert len(named) == 2
    assert all("bad.md" in line for line in named)


def test_a_good_page_has_its_boxes_links_and_formulas(built):
    page = (built[1] / "_build" / "html" / "book" / "good.html").read_text(encoding="utf-8")
    assert '<blockquote class="box box-correction">' in page
    assert page.count("<blockquote") == 2
    assert 'href="#eq-4-2"' in page and 'id="eq-4-2"' in page
    assert "<math" in page  # for screen readers


def test_nothing_but_the_faults_is_named(built):
    """So that a book without its solutions, whose links could lead to them, is built without a warning."""
    told = [line for line in built[0].stderr.splitlines() if re.search(r"\b(WARNING|ERROR): ", line)]
    assert told and [line for line in told if "bad.md" not in line and "raises.ipynb" not in line] == []


def test_no_file_of_a_book_without_solutions_has_one(built):
    """Pages, downloads, sources, search index: every file."""
    folder = built[1] / "_build" / "html"
    hidden = list(secrets(ROOT / "exercises" / "source" / "ch04" / "ch04.ipynb"))
    assert len(hidden) > 20
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {"04_kl.html", "04_kl.ipynb", "searchindex.js"} <= {file.name for file in files}
    for file in files:
        assert "solutions" not in file.relative_to(folder).parts
        text = file.read_bytes().decode("utf-8", "replace")
        assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text, file
        assert [line for line in hidden if line in text] == [], file
