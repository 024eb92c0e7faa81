"""Notebooks run in parallel; results are cached until vae_lib changes; a failure is named with its cell."""

import atexit
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from sphinx.errors import ExtensionError


def cache_folder(root):
    """The folder of executed notebooks, named by a checksum of vae_lib, the requirements and Python.

    The cache compares only the code of a notebook, so that it would keep the numbers of an older library. The
    checks of exercises do not count: no notebook that the build runs uses them.
    """
    digest = hashlib.sha256(sys.version.encode())
    library = sorted(file for file in (root / "vae_lib").rglob("*.py") if file.parent.name != "checks")
    for source in [*library, root / "requirements.txt"]:
        digest.update(source.read_bytes() if source.is_file() else b"")
    return root / "_build" / "notebook_cache" / digest.hexdigest()[:16]


def require_this_library(root):
    """Stop if a notebook would import another vae_lib: its numbers would be kept as those of this one."""
    find = (
        "import importlib.util as u; spec = u.find_spec('vae_lib'); print(spec.origin if spec else 'nowhere')"
    )
    command = [sys.executable, "-c", find]
    found = subprocess.run(command, cwd=sys.prefix, capture_output=True, text=True, check=True).stdout.strip()
    ours = root / "vae_lib" / "__init__.py"
    if ours.is_file() and Path(found).resolve() != ours.resolve():
        raise ExtensionError(
            f"the notebooks would import vae_lib from {found}, not from {root / 'vae_lib'}: "
            "install this one (pip install --no-deps -e .) and look at PYTHONPATH"
        )


def choose_cache(app, config):
    """Keep executed notebooks in the folder of the current vae_lib, and remove those of an older one."""
    require_this_library(Path(app.srcdir))
    current = cache_folder(Path(app.srcdir))
    for other in current.parent.glob("*"):
        if other != current:
            shutil.rmtree(other, ignore_errors=True)
    current.mkdir(parents=True, exist_ok=True)
    config.nb_execution_cache_path = str(current)


def run_in_parallel(app, env, names):
    """Fill the cache, one notebook on each core; one that fails runs again when Sphinx reads its page."""
    config = app.config
    if config.nb_execution_mode != "cache":
        return
    cache = get_cache(config.nb_execution_cache_path)
    excluded = config.nb_execution_excludepatterns
    paths = [Path(env.doc2path(name)) for name in names]
    paths = [path for path in paths if path.suffix == ".ipynb" and not any(map(path.match, excluded))]
    for path in paths:
        cache.add_nb_to_project(str(path))
    quiet = logging.getLogger(__name__)
    quiet.setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the tests: each core has a notebook of its own
    load_executor("local-parallel", cache, quiet).run_and_cache(
        filter_uris=[str(path) for path in paths], timeout=config.nb_execution_timeout
    )


def drop_widget_state(app, env):
    """Leave out the state that widgets had when the kernel stopped: the site shows no widget from it."""
    for metadata in env.nb_metadata.values():
        metadata.get("js_files", {}).pop("ipywidgets_state", None)


def describe(path, traceback):
    """One line: the notebook, the number of its cell (from 1, text cells counted) and the error."""
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", traceback)
    found = re.search(r"-{18,}\n(.*?)\n-{18,}\n", traceback, re.DOTALL)
    code = found[1].strip() if found else None
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.suffix == ".ipynb" else []
    number = "?"
    for i, cell in enumerate(cells, 1):
        source = "".join(cell["source"]).strip()
        # a message about a time limit quotes the first five lines of a long cell, as a list
        if code and (source == code or code.startswith(str(source.split("\n")[:5]))):
            number = i
    lines = [line for line in traceback.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w[\w.]*(Error|Exception|Interrupt)\b", line)]
    return f"{path.name}, cell {number}: {(errors or lines)[-1]}"


def report_failures(app, exception):
    """Fail the build if a notebook raised, and name each such notebook as the last lines that are printed."""
    failed = []
    for name in app.env.found_docs if app.env else ():
        run = app.env.nb_metadata.get(name, {}).get("exec_data") or {}
        if run.get("succeeded") is False:
            failed.append(describe(Path(app.env.doc2path(name)), run.get("traceback") or run["error"]))
    if failed:
        app.statuscode = 1
        message = "\n  ".join(["\nThese notebooks raised:", *sorted(failed)])
        atexit.register(print, message, file=sys.stderr)  # after the last message of Jupyter Book


def setup(app):
    app.connect("config-inited", choose_cache)
    app.connect("env-before-read-docs", run_in_parallel)
    app.connect("env-updated", drop_widget_state)
    app.connect("build-finished", report_failures)
