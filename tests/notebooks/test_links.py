"""Links within the book lead to files, headings and cells, in Jupyter too; make links looks up all others."""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bookfiles import EXERCISES, MATH, NOTEBOOKS, PAGES, ROOT, Notebook, title
from mdit_py_plugins.anchors.index import slugify  # as GitHub and the site name a heading


@functools.cache
def prose(path: Path) -> str:
    text = Notebook(path).markdown if path.suffix == ".ipynb" else path.read_text(encoding="utf8")
    return MATH.sub(" ", re.sub(r"```.*?```|`[^`]*`", " ", text, flags=re.DOTALL))


def anchors(path: Path) -> set[str]:
    """What can follow # in a link to this file: its headings, and the code cells of a notebook."""
    notebook = Notebook(path) if path.suffix == ".ipynb" else None
    text = notebook.markdown if notebook else path.read_text(encoding="utf8")
    titles = re.findall(r"^#+ (.*)", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {slugify(title) for title in titles} | {
        f"cell-id={cell.id}" for cell in (notebook.code if notebook else ())
    }


@pytest.mark.parametrize(
    "path", [*(n.path for n in (*NOTEBOOKS, *EXERCISES)), *PAGES, ROOT / "README.md"], ids=title
)
def test_links_lead_to_files_headings_and_cells(path: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        wanted = path.parent / file if file else path
        assert wanted.is_file(), f"{target}: no such file"
        assert not anchor or anchor in anchors(wanted), f"{target}: no such heading or cell"
        named = not anchor or path.suffix == ".md" or anchor.startswith("cell-id=")
        assert named, f"{target}: Jupyter names headings in another way"


@pytest.fixture
def host(tmp_path_factory):
    """The address of a server that has the page /good and no other."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "good").write_text("here")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_make_links_names_page_and_address(host: str, tmp_path: Path):
    (tmp_path / "README.md").write_text(f"# Read me\n\n[good]({host}/good)\n")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "page.md").write_text(f"# Page\n\nThis [leads nowhere]({host}/gone).\n")
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / "links.py", tmp_path], capture_output=True, text=True
    )
    assert run.returncode == 1, run.stderr
    dead, total = run.stdout.splitlines()
    assert dead.startswith(f"book/page.md:3: {host}/gone (404 ")
    assert total == "2 links out of the book, 1 of them dead"
