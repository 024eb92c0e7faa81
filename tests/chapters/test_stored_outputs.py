"""A chapter stores the outputs that it shows when the build executes it.

Nothing is executed here: nbval compares the stored outputs with those that the build kept in its cache.
`pytest book/04_kl.ipynb` does both for one chapter: nbval executes it, then compares.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from nbval.plugin import IPyNbFile, coalesce_streams, nocolors
from sphinx.errors import ExtensionError

from site_extension.notebooks import cache_folder, require_this_library

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))
CHAPTER_4 = ROOT / "book" / "04_kl.ipynb"


def executed(chapter: Path):
    """The code cells of the chapter, with their outputs, as the build executed them."""
    folder, record = cache_folder(ROOT), None
    if folder.is_dir():
        cache = get_cache(str(folder))
        with contextlib.suppress(KeyError):
            record = cache.match_cache_file(str(chapter))
    if record is None:
        reason = "the build did not execute its present code with the present vae_lib: run make book"
        pytest.fail(f"{chapter.name}: {reason}", pytrace=False)
    return cache.get_cache_bundle(record.pk).nb.cells


def differences(chapter: Path, session: pytest.Session) -> list[str]:
    """For each cell whose outputs differ: the notebook, the id of the cell, and what nbval says of it."""
    found = []
    stored = IPyNbFile.from_parent(session, path=chapter).collect()
    for item, cell in zip(stored, executed(chapter), strict=True):
        item.colors = nocolors
        if item.options["check"] and not item.compare_outputs(
            coalesce_streams(cell.outputs), coalesce_streams(item.cell.outputs)
        ):
            found.append("\n".join([f"{chapter.name}, cell {item.cell.id}:", *item.comparison_traceback]))
    return found


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_stored_outputs_are_those_of_the_build(chapter: Path, request):
    found = differences(chapter, request.session)
    if found:
        advice = f"make notebooks NOTEBOOKS={chapter.relative_to(ROOT)} stores what is shown now"
        pytest.fail("\n".join([*found, advice]), pytrace=False)


# That a difference is seen, with copies of a chapter


@pytest.fixture
def copied(tmp_path: Path):
    """Copies chapter 4, changes it by a function of its code cells, and returns the path of the copy."""

    def copy(change) -> Path:
        path = tmp_path / CHAPTER_4.name
        notebook = nbformat.read(CHAPTER_4, as_version=4)
        change([cell for cell in notebook.cells if cell.cell_type == "code"])
        nbformat.write(notebook, path)
        return path

    return copy


def first_that_prints(cells):
    return next(cell for cell in cells if any(output.output_type == "stream" for output in cell.outputs))


def change_a_number(cells):
    text = first_that_prints(cells).outputs[0]
    digit = next(character for character in text.text if character.isdigit())
    text.text = text.text.replace(digit, str(9 - int(digit)), 1)


def delete_the_output(cells):
    first_that_prints(cells).outputs = []


def add_an_output(cells):
    cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="more\n")]


def change_the_markup_of_a_figure(cells):
    output = next(o for cell in cells for o in cell.outputs if "text/html" in o.get("data", {}))
    output.data["text/html"] += "<p>"


@pytest.mark.parametrize(
    "change", [change_a_number, delete_the_output, add_an_output, change_the_markup_of_a_figure]
)
def test_a_changed_output_is_seen(change, copied, request):
    (found,) = differences(copied(change), request.session)
    assert found.startswith(f"{CHAPTER_4.name}, cell ")


def test_changed_code_needs_a_new_build(copied, request):
    path = copied(lambda cells: cells[-1].update(source=cells[-1].source + "\n1"))
    with pytest.raises(pytest.fail.Exception, match=r"04_kl\.ipynb: the build did not execute .* make book"):
        differences(path, request.session)


def test_a_changed_library_needs_a_new_build(tmp_path: Path):
    for file in ("vae_lib/gaussian.py", "vae_lib/explorers/kl.py", "requirements.txt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    seen = {cache_folder(tmp_path)}
    for number, file in enumerate(("vae_lib/gaussian.py", "vae_lib/explorers/kl.py", "requirements.txt"), 2):
        (tmp_path / file).write_text("changed")
        seen.add(cache_folder(tmp_path))
        assert len(seen) == number, file


def test_another_library_is_refused_and_not_kept_as_this_one(tmp_path: Path):
    (tmp_path / "vae_lib").mkdir()
    (tmp_path / "vae_lib" / "__init__.py").touch()
    with pytest.raises(ExtensionError, match=r"would import vae_lib from .*, not from .*vae_lib: install"):
        require_this_library(tmp_path)
    require_this_library(ROOT)
