"""What the tests of the site share: the built book, a server for it and a browser that opens its pages."""

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
TITLE = "Where the VAE loss comes from"

# These modules make assertions for several test files; a failure shall show both sides there, too.
pytest.register_assert_rewrite("cards", "visits")

# Moves a slider as its user would.
SET = """(input, value) => {
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}"""


@functools.cache
def parsed(path):
    """A page of the built book. It is read once and shared: do not change it."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def rgb(colour):
    """#0067a6 as a browser writes a computed colour."""
    return f"rgb{tuple(bytes.fromhex(colour[1:]))}"


def pytest_generate_tests(metafunc):
    if "page_name" in metafunc.fixturenames:
        pages = getattr(metafunc.module, "VISITED", PAGES)
        ids = [name.removeprefix("book/").replace("/", ".") for name in pages]
        metafunc.parametrize("page_name", pages, ids=ids)


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


class Kept(SubPathHandler):
    """What was asked for once is not asked for again."""

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()


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


@pytest.fixture(scope="module")
def tabs(browser):
    """The tabs that are open: (width, mode, scripts) → tab. A new one costs more than the page it shows."""
    return {}


@pytest.fixture
def tab(browser, tabs):
    """A function that opens an address at a width and in a mode, and returns the tab.

    The next test with this width and mode gets the same tab with an empty page, so that a test must not
    count on what is kept beyond a page. `problems`, a list, takes what the page reports: errors and
    warnings of its console, exceptions, and failed requests.
    """
    heard = []

    def open_tab(address=None, width=1280, mode="light", scripts=True, problems=None):
        size = {"width": width, "height": 800}
        if (width, mode, scripts) not in tabs:
            context = browser.new_context(
                viewport=size, color_scheme=mode, reduced_motion="reduce", java_script_enabled=scripts
            )
            tabs[width, mode, scripts] = context.new_page()
        page = tabs[width, mode, scripts]
        page.set_viewport_size(size)
        page.emulate_media(media="null")  # "screen" would hold for its PDF as well
        if problems is not None:
            for event, act in listeners(problems).items():
                page.on(event, act)
                heard.append((page, event, act))
        if address:
            page.goto(address)
        return page

    yield open_tab
    for page, event, act in heard:
        page.remove_listener(event, act)
    for page in tabs.values():
        if page.url != "about:blank":
            page.goto("about:blank")


def listeners(problems):
    """Event of a tab → what notes it in the list of problems.

    A request that is aborted is none: the tab left for another page before the answer was there.
    """

    def failed(request):
        if request.failure != "net::ERR_ABORTED":
            problems.append(f"{request.failure}: {request.url}")

    return {
        "console": lambda m: problems.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else 0,
        "pageerror": lambda error: problems.append(f"script: {error}"),
        "requestfailed": failed,
        "response": lambda r: problems.append(f"{r.status}: {r.url}") if r.status >= 400 else 0,
    }


@pytest.fixture(scope="session")
def alone(html, tmp_path_factory):
    """The address of pages that hold cards alone, made from the sources: NAME.html for each explorer.

    Only their fonts are those of the built book: to cut them out anew takes seconds.
    """
    from cards import write_pages

    from tests.explorers.examples import DATA
    from vae_lib.explorers import EXPLORERS

    folder = tmp_path_factory.mktemp("cards")
    groups = [*((name,) for name in EXPLORERS), tuple(EXPLORERS), ("reconstruction_loss", "implied_beta")]
    sheet = (html / "_static" / "site.css").read_text(encoding="utf-8")
    fonts = re.findall(r'@font-face\{font-family:"Book [^}]*\}', sheet)
    assert len(fonts) == 4
    write_pages(folder, groups, DATA, "\n".join(fonts))
    with serving(Kept, folder) as host:
        yield host + SubPathHandler.prefix


@pytest.fixture
def card(alone, tab):
    """A function that opens an explorer on a page of its own; what the page reports fails the test."""
    from cards import Card

    problems = []

    def open_card(name, **options):
        return Card(tab(f"{alone}{name}.html", problems=problems, **options), name)

    yield open_card
    assert problems == []
