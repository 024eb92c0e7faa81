"""The built book, its pages, a server for them and a browser to look at them with."""

import contextlib
import functools
import http.server
import re
import shutil
import threading
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "_build" / "toc.yml"  # with the solutions, unless the book was built without
TOC = yaml.safe_load((BUILT if BUILT.is_file() else ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
CHAPTERS = [name for name in PAGES if re.search(r"^book/\d\d_", name)]


# Moves a slider as its user would.
SET = """(input, value) => {
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}"""


@functools.cache
def parsed(path):
    """A page of the built book; nobody may change it."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pytest_generate_tests(metafunc):
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", PAGES, ids=[Path(name).name for name in PAGES])


@pytest.fixture(scope="session")
def html():
    """The folder of the built book."""
    folder = ROOT / "_build" / "html"
    if not (folder / "index.html").is_file():
        pytest.fail("the book is not built: run make book", pytrace=False)
    return folder


class SubPathHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the book as /a/book/…, and nothing else, so that a link from the root shows.

    Its policy lets a page load from this host alone; the theme needs inline scripts and styles.
    """

    prefix = "/a/book/"
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'self'"
    )

    def end_headers(self):
        self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def translate_path(self, path):
        if not path.startswith(self.prefix):
            return "/nowhere"
        return super().translate_path(path.removeprefix(self.prefix.rstrip("/")))

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(handler, folder):
    """The address of a server of the folder."""
    handler = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def served(html):
    """The address under which the book is served."""
    with serving(SubPathHandler, html) as host:
        yield host + SubPathHandler.prefix


# Not for the whole session: while it is open, no notebook can be executed in the same process.
@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no browser: none of " + ", ".join(names) + " is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(browser):
    """A function that opens an address at a width and in a mode."""
    contexts = []

    def open_tab(address=None, width=1280, mode="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=mode, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        if address:
            page.goto(address)
        return page

    yield open_tab
    for context in contexts:
        context.close()
