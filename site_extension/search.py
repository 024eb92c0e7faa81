"""Search finds Greek letters in formulas, too, where TeX writes them as commands."""

import re

from sphinx.search import languages
from sphinx.search.en import SearchEnglish

NAMES = "alpha beta gamma delta epsilon theta lambda mu nu pi rho sigma tau phi psi omega"
GREEK = dict(zip(NAMES.split(), "αβγδεθλμνπρστφψω", strict=True))
COMMAND = re.compile(r"\\(?:var)?(" + "|".join(GREEK) + r")(?![a-zA-Z])")


class Words(SearchEnglish):
    """English; a command for a Greek letter is found as that letter and, as before, as its name."""

    def split(self, input):
        return super().split(COMMAND.sub(lambda command: f" {command[1]} {GREEK[command[1]]} ", input))


def setup(app):
    languages["en"] = Words
