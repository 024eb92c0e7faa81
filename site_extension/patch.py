"""Replace a pattern in text that another package wrote, and fail when that package no longer writes it."""

import re
from importlib.metadata import version

from sphinx.errors import ExtensionError


def theme() -> str:
    """The packages that write the HTML of a page, with their versions."""
    return " and ".join(f"{name} {version(name)}" for name in ("sphinx-book-theme", "pydata-sphinx-theme"))


def patch(text: str, pattern: str, new: str, where: str, author: str, most: int = 0) -> str:
    """`text` with every match of `pattern`, or the first `most`, replaced by `new`, as by re.sub.

    Args:
        where: the file that holds the text.
        author: the package that wrote it, with its version.

    Raises:
        ExtensionError: there is no match. A later version of that package may write something else, and the
            site would silently be without this change.
    """
    done, count = re.subn(pattern, new, text, count=most)
    if not count:
        raise ExtensionError(f"{where}: nothing matches {pattern!r}, which {author} is expected to write")
    return done
