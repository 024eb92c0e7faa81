"""Request every address that a page, a docstring or README.md links to: tools/links.py [FOLDER]

Prints the page and the address of each dead link, and fails if there is one. Needs the network. Sphinx's
linkcheck does the work; this reads the sources without executing a notebook, and prints dead links only.
"""

import json
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

# Not the configuration of the site, since links need no executed notebooks, formulas or explorers.
SETTINGS = {
    "extensions": ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
    "myst_enable_extensions": ["amsmath", "colon_fence", "deflist", "dollarmath"],
    "nb_execution_mode": "off",
    "root_doc": "README",
    "include_patterns": ["README.md", "book/**"],
    "linkcheck_report_timeouts_as_broken": False,  # they have a status of their own, "timeout"
}


def check(folder):
    with tempfile.TemporaryDirectory() as output:
        app = Sphinx(folder, None, output, output, "linkcheck", SETTINGS, status=None, warning=None)
        app.build()
        lines = Path(output, "output.json").read_text(encoding="utf-8").splitlines()
    links = [link for link in map(json.loads, lines) if link["uri"].startswith("http")]
    dead = [link for link in links if link["status"] in ("broken", "timeout")]
    for link in dead:
        print(f"{link['filename']}:{link['lineno']}: {link['uri']} ({link['info']})")
    print(f"{len(links)} links out of the book, {len(dead)} of them dead")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(check(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]))
