"""Search finds a Greek letter also in a formula, where TeX writes it as a command such as \\sigma."""

import re

from sphinx.search import languages
from sphinx.search.en import SearchEnglish

NAMES = "alpha beta gamma delta epsilon theta lambda mu nu pi rho sigma tau phi psi omega"
GREEK = dict(zip(NAMES.split(), "αβγδεθλμνπρστφψω", strict=True))
COMMAND = re.compile(r"\\(?:var)?(" + "|".join(GREEK) + r")(?![a-zA-Z])")


class Words(SearchEnglish):
    """The words of an English text; a TeX command for a Greek letter counts as its name and as the letter."""

    def split(self, input):
        return super().split(COMMAND.sub(lambda command: f" {command[1]} {GREEK[command[1]]} ", input))


def setup(app):
    languages["en"] = Words
