"""A book with faults does not get built, and its last lines say what is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from site_extension.explorers import shortened
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base
from vae_lib.palette import PALETTE

ROOT = Path(__file__).resolve().parents[2]

BAD_PAGE = """# Bad

A formula that nobody can read, $\\frac{1}{$, and one that KaTeX lacks:

$$
\\nosuchmacro{x}
$$
"""
TOC = "format: jb-book\nroot: book/good\nchapters: [{file: book/bad}, {file: book/raises}]\n"
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
    """A small book of one good page, one page with bad formulas and one notebook that raises, built."""
    root = tmp_path_factory.mktemp("small book")
    (root / "book").mkdir()
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["local_extensions"] = {"site_extension": str(ROOT)}
    (root / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (root / "_toc.yml").write_text(TOC, encoding="utf-8")
    (root / "book" / "good.md").write_text(GOOD_PAGE, encoding="utf-8")
    (root / "book" / "bad.md").write_text(BAD_PAGE, encoding="utf-8")
    cells = [
        nbformat.v4.new_markdown_cell("# Raises"),
        nbformat.v4.new_code_cell("x = 1"),
        nbformat.v4.new_code_cell("assert x == 2, 'x is one'"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "book" / "raises.ipynb")
    start = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "build", str(root)]  # without -W, as a reader may
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


def test_good_page(built):
    page = (built[1] / "_build" / "html" / "book" / "good.html").read_text(encoding="utf-8")
    assert '<blockquote class="box box-correction">' in page
    assert page.count("<blockquote") == 2
    assert 'href="#eq-4-2"' in page and 'id="eq-4-2"' in page
    assert "<math" in page  # for screen readers


def test_stylesheet_has_the_palette(html):
    css = (html / "_static" / "colours.css").read_text(encoding="utf-8")
    for name, (light, dark) in PALETTE.items():
        assert css.count(f"--{name}:{light};") == 1
        assert css.count(f"--{name}:{dark};") == 1


@pytest.mark.parametrize(
    "changed",
    sorted(file for file in (ROOT / "vae_lib" / "explorers").rglob("*.[pjc]*") if file.suffix != ".pyc"),
    ids=lambda p: p.name,
)
def test_a_changed_explorer_is_built_anew(html, changed):
    """make would build the book, were this file new, and would not otherwise."""
    command = ["make", "-n", "book"]
    for newer, built in (((), False), (("-W", str(changed.relative_to(ROOT))), True)):
        plan = subprocess.run([*command, *newer], cwd=ROOT, capture_output=True, text=True)
        assert ("jupyter-book build" in plan.stdout) == built, plan.stderr


def test_script_of_the_explorers_is_that_of_the_sources(html):
    """Under 60 KB; and pages ask for it by its checksum, so that no browser shows an older one."""
    script = (html / "_static" / "explorers.js").read_text(encoding="utf-8")
    assert script == shortened(base.site_script(EXPLORERS))
    assert len(script.encode()) < 60_000
    for page in html.glob("book/*.html"):
        text = page.read_text(encoding="utf-8")
        assert ("data-spec=" in text) == bool(re.search(r"explorers\.js\?v=\w{8}", text)), page.name
        assert "jupyter.widget" not in text
