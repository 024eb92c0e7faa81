"""`python -m vae_lib.diagnose my_module:build`: the report in a terminal, and an exit status for a
workflow.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from vae_lib.diagnosis import diagnose

WRONG, NOT_POSSIBLE = 1, 2  # exit statuses: a finding is an error; it could not be run


def main(arguments: Sequence[str] | None = None) -> int:
    """Diagnose what a function builds, print the report, and return the exit status.

    The function returns (model, loss, x), or a fourth thing as well: a dictionary of `diagnose`'s options.
    The status is 0 if no finding is an error, 1 if one is, 2 if it could not be run.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vae_lib.diagnose", description=main.__doc__.splitlines()[0]
    )
    parser.add_argument("build", help="module:function, such as my_module:build; it returns (model, loss, x)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--strict", action="store_true", help="status 1 also for notes and for checks left open"
    )
    options = parser.parse_args(arguments)
    try:
        module, _, name = options.build.partition(":")
        sys.path.insert(0, "")
        model, loss, x, *more = getattr(importlib.import_module(module), name or "build")()
        found = diagnose(model, loss, x, **(more[0] if more else {}))
    except Exception as error:
        print(f"could not be run: {type(error).__name__}: {error}", file=sys.stderr)
        return NOT_POSSIBLE
    print(found.to_json() if options.json else found)
    return WRONG if found.errors or (options.strict and (found.findings or found.open)) else 0
