"""Every page as a file of the built book: links, words for pictures, buttons, descriptions."""

import re
import subprocess
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import urlopen

import pytest
from conftest import ROOT, parsed

from tools.address import address
from vae_lib.explorers import EXPLORERS


@pytest.fixture(scope="session")
def anchors(html):
    """Every file of the site, and the ids on each page."""
    return {
        file.relative_to(html).as_posix(): (
            {tag["id"] for tag in parsed(file).find_all(id=True)} if file.suffix == ".html" else set()
        )
        for file in html.rglob("*")
        if file.is_file()
    }


def test_images_say_what_they_show(page_name, html):
    for image in parsed(html / f"{page_name}.html").select("article img"):
        alt = image.get("alt", "")
        assert len(alt.split()) >= 4 and "_images/" not in alt, f"{image['src']} has alt={alt!r}"


def test_links_lead_somewhere(page_name, html, anchors):
    source = f"/{page_name}.html"
    broken = []
    for tag in parsed(html / source[1:]).find_all(["a", "link", "script", "img"]):
        target = tag.get("href") or tag.get("src") or ""
        if not target or urlsplit(target).scheme in ("http", "https", "mailto", "data"):
            continue
        address, anchor = urldefrag(urljoin(source, target))
        path = unquote(urlsplit(address).path)[1:] or "index.html"
        dangling = anchor and path.endswith(".html") and unquote(anchor) not in anchors.get(path, ())
        if path not in anchors or dangling:
            broken.append(target)
    assert broken == []


@pytest.fixture(scope="session")
def in_git():
    """The files that Colab can find: those in the repository. The solution pages are made by the build."""
    command = ["git", "ls-files", "-z", "book"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert listed.returncode == 0, f"this test asks git for the files of the repository: {listed.stderr}"
    return set(listed.stdout.split("\0"))


def test_every_notebook_in_git_opens_in_colab(page_name, html, in_git):
    """The button leads to the very file, of an exercise to the one for students; no other page has one."""
    page = parsed(html / f"{page_name}.html")
    buttons = [tag for tag in page.select(".article-header-buttons a") if "colab" in tag["href"]]
    assert [tag["href"].removeprefix(address().colab) for tag in buttons] == [
        f"/{name}" for name in (f"{page_name}.ipynb",) if name in in_git
    ]
    assert all(tag.get_text(strip=True) == "Open in Colab" for tag in buttons)
    assert page.select_one('link[rel="canonical"]')["href"] == f"{address().site}{page_name}.html"


def test_every_explorer_is_shown_by_its_chapter(html):
    """The landing page and the loss in one page repeat some."""
    shown = {
        int(file.name[:2]): re.findall(r'data-explorer="(\w+)" data-spec', file.read_text(encoding="utf-8"))
        for file in (html / "book").glob("[0-9][0-9]_*.html")
    }
    assert {name: shown[cls.chapter].count(name) for name, cls in EXPLORERS.items()} == dict.fromkeys(
        EXPLORERS, 1
    )


def test_install_cell_is_for_notebooks_only(page_name, html):
    article = parsed(html / f"{page_name}.html").select_one("article")
    assert address().archive not in article.get_text()


def test_numbered_equations_can_be_linked(page_name, html):
    page = parsed(html / f"{page_name}.html")
    for tag in page.select(".katex-display .tag"):
        number = tag.get_text().strip("()\u200b ")
        assert page.find(id="eq-" + number.replace(".", "-")) is not None, number


def test_pages_are_served_with_a_content_policy(served):
    """Without it, that no page breaks it would say nothing."""
    with urlopen(served + "book/intro.html") as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_book_has_what_these_tests_look_for(html):
    """So that none of them passes by having nothing to look at."""
    pages = [parsed(file) for file in sorted((html / "book").glob("*.html"))]
    looked_for = (
        ".katex-display .tag",
        '.katex-html [style*="color:#"]',
        "article img",
        "svg.pipeline",
        ".box",
    )
    for what in looked_for:
        assert any(page.select(what) for page in pages), what
