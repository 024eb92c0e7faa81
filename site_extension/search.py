"""Search finds a Greek letter also in a formula, where TeX writes it as a command such as \\sigma.

It finds a question also by other wordings, which a comment `% Also asked: …; …` under its heading names;
static/search.js puts it first.
"""

import json
import re
from pathlib import Path

from sphinx.search import languages
from sphinx.search.en import SearchEnglish

NAMES = "alpha beta gamma delta epsilon theta lambda mu nu pi rho sigma tau phi psi omega"
GREEK = dict(zip(NAMES.split(), "αβγδεθλμνπρστφψω", strict=True))
COMMAND = re.compile(r"\\(?:var)?(" + "|".join(GREEK) + r")(?![a-zA-Z])")
QUESTION = re.compile(r"^### (.+)\n(?:% Also asked: (.+)\n)?", re.M)


class Words(SearchEnglish):
    """The words of an English text; a TeX command for a Greek letter counts as its name and as the letter."""

    def split(self, input):
        return super().split(COMMAND.sub(lambda command: f" {command[1]} {GREEK[command[1]]} ", input))


def asked(page: Path) -> dict[str, list[str]]:
    """Each question of the page, as the search index has its title, with its other wordings."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return {title.replace("`", ""): others.split("; ") for title, others in QUESTION.findall(text)}


def write(app):
    """Write the wordings into a script, which the page of search results loads."""
    questions = json.dumps(asked(Path(app.srcdir) / "book" / "questions.md"), ensure_ascii=False)
    assets = Path(app.srcdir) / "_build" / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    (assets / "asked.js").write_text(f"const ASKED = {questions};\n", encoding="utf-8")


def add_scripts(app, pagename, templatename, context, doctree):
    """Add our scripts to the page of search results."""
    if pagename == "search":
        for script in ("asked.js", "search.js"):
            app.add_js_file(script, loading_method="defer")


def setup(app):
    languages["en"] = Words
    app.connect("builder-inited", write)
    app.connect("html-page-context", add_scripts)
