"""What the build puts beside the pages, and what makes it necessary."""

import re
import subprocess
from pathlib import Path

from site_extension.colours import stylesheet
from site_extension.explorers import scripts, shortened
from vae_lib.explorers import EXPLORERS
from vae_lib.palette import PALETTE

ROOT = Path(__file__).resolve().parents[2]


def test_the_stylesheet_has_the_palette_of_vae_lib(html):
    css = (html / "_static" / "site.css").read_text(encoding="utf-8")
    own = stylesheet()
    assert own in css
    for name, (light, dark) in PALETTE.items():
        assert own.count(f"--{name}:{light};") == 1
        assert own.count(f"--{name}:{dark};") == 1


def test_make_builds_again_when_an_explorer_changed(html):
    """make builds the book when the class, the script or the style of one is newer, and not otherwise."""
    files = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "vae_lib" / "explorers").rglob("*.[pjc]*")
        if file.suffix != ".pyc"
    ]
    command = ["make", "-np", "book"]
    known = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    needed = " ".join(re.findall(r"^_build/book\.stamp: (.*)$", known, re.M))
    assert len(files) > 20
    assert set(files) - set(needed.split()) == set()
    for newer, built in (((), False), (("-W", files[0]), True)):
        plan = subprocess.run(["make", "-n", "book", *newer], cwd=ROOT, capture_output=True, text=True)
        assert ("jupyter-book build" in plan.stdout) == built, plan.stderr


def test_script_of_the_explorers_is_that_of_the_sources(html):
    """Small; and pages ask for it by its checksum, so that no browser shows an older one."""
    for name, text in scripts(EXPLORERS).items():
        script = (html / "_static" / name).read_text(encoding="utf-8")
        assert script == shortened(text)
        assert len(script.encode()) < (75_000 if name == "explorers.js" else 35_000), name
    for page in html.glob("book/*.html"):
        text = page.read_text(encoding="utf-8")
        assert ("data-spec=" in text) == bool(re.search(r"explorers\.js\?v=\w{8}", text)), page.name
        assert "jupyter.widget" not in text
