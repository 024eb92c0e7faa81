"""Every chapter lets the reader predict: a question, options or a number, and the answer in <details>."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import parse_qsl

import pytest
from bookfiles import NOTEBOOKS, Notebook, explorer_cell

from vae_lib.explorers import EXPLORERS

BOX = re.compile(
    r"^> \*\*Predict first\.\*\* (?P<question>[^\n]+\?)(?P<aside> \([^\n]+\))?\n>\n"
    r"(?P<options>(?:> - [^\n]+\n)*)(?(options)(?:>\n)?)"
    r"> <details>\n> <summary>Show the answer</summary>\n>\n(?P<answer>(?:> [^\n]+\n)+)>\n> </details>$",
    re.M,
)

each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)


def cells(notebook: Notebook) -> list:
    return [cell for cell in notebook.cells if "**Predict first" in cell.source or "predict" in cell.metadata]


def parts(cell) -> tuple[str, list[str], str]:
    """Question, options and answer of the one box of a cell."""
    boxes = list(BOX.finditer(cell.source))
    assert len(boxes) == 1 == cell.source.count("**Predict first"), f"{cell.id}: not one box of the form"
    options = re.findall(r"^> - (.+)$", boxes[0]["options"], re.M)
    return boxes[0]["question"], options, re.sub(r"^> ", "", boxes[0]["answer"], flags=re.M)


def choices(notebook: Notebook) -> list:
    return [cell for cell in cells(notebook) if "right" in cell.metadata.get("predict", {})]


def numeric(notebook: Notebook) -> list:
    return [cell for cell in cells(notebook) if "number" in cell.metadata.get("predict", {})]


def rounds_to(value: float, written: float) -> bool:
    digits = len(repr(written).removesuffix(".0").partition(".")[2])
    return abs(value - written) <= 0.5001 * 10**-digits


@each_notebook
def test_the_main_road_has_a_prediction(notebook: Notebook):
    assert cells(notebook.main_road), "no box *Predict first* outside the asides"


@each_notebook
def test_every_box_has_its_form_and_says_what_is_right(notebook: Notebook):
    for cell in cells(notebook):
        _, options, answer = parts(cell)
        prediction = cell.metadata["predict"]
        if options:
            assert set(prediction) == {"right"}, cell.id
        else:
            assert {"number", "unit"} <= set(prediction) <= {"number", "unit", "of", "name"}, cell.id
        assert len(answer.split()) >= 5, cell.id
        assert not re.match(r"\d+[.)] ", answer), f"{cell.id}: Markdown would make a list of it"


@each_notebook
def test_one_of_two_to_five_options_is_right(notebook: Notebook):
    for cell in choices(notebook):
        _, options, _ = parts(cell)
        assert 2 <= len(options) <= 5 and len(set(options)) == len(options), cell.id
        assert 1 <= cell.metadata["predict"]["right"] <= len(options), cell.id
        assert [text for text in options if re.search(r"[$`*_<>\\\[\].]", text)] == [], "plain words"


@each_notebook
def test_the_answer_names_the_right_option_and_no_other(notebook: Notebook):
    for cell in choices(notebook):
        _, options, answer = parts(cell)
        words = [re.sub(r"^(the|its|about|an?) ", "", option).split(",")[0] for option in options]
        first = re.split(r"[.:,] ", answer.lower() + " ")[0]
        named = [place for place, word in enumerate(words, 1) if re.search(rf"\b{word}\b", first)]
        assert named == [cell.metadata["predict"]["right"]], f"{cell.id}: {first}"


@each_notebook
def test_a_number_is_printed_and_in_the_answer(notebook: Notebook):
    printed = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", notebook.output)]
    for cell in numeric(notebook):
        number = cell.metadata["predict"]["number"]
        quoted = "chapter 3" in parts(cell)[2]  # which prints it
        assert quoted or any(rounds_to(value, number) for value in printed), f"{cell.id}: {number}"
        text = parts(cell)[2].replace("−", "-").replace(" ", "")
        said = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)] + [
            place for place, word in enumerate(COUNTS) if word in text.lower()
        ]
        assert any(abs(value - number) <= 0.005 * abs(number) for value in said), f"{cell.id}: {text}"


COUNTS = "zero one two three four five six seven eight nine ten".split()


@each_notebook
def test_the_explorer_shows_the_number_in_the_state_of_the_question(notebook: Notebook):
    of = [cell for cell in numeric(notebook) if "of" in cell.metadata["predict"]]
    asked = Counter(cell.metadata["predict"]["of"].partition("?")[0] for cell in of)
    assert set(asked.values()) <= {1}, "an explorer draws one guess"
    for cell in of:
        prediction = cell.metadata["predict"]
        name, _, query = prediction["of"].partition("?")
        assert notebook.cell(explorer_cell(name)), f"{cell.id}: no {name} on this page"
        traits = EXPLORERS[name].parameters()
        state = {
            key: value if hasattr(traits[key], "options") else float(value) for key, value in parse_qsl(query)
        }
        for key, value in state.items():  # a script compares the query with its numbers as texts
            written = dict(parse_qsl(query))[key]
            assert isinstance(value, str) or written == f"{value:g}" or float(written) == int(value), query
        explorer = EXPLORERS[name](**state)
        shown = (explorer.numbers() | explorer.state())[prediction["name"]]
        assert rounds_to(shown, prediction["number"]), f"{cell.id}: {shown}"


def test_at_least_four_chapters_draw_the_guess_in_a_figure():
    draws = [one.name for one in NOTEBOOKS if any("of" in cell.metadata["predict"] for cell in numeric(one))]
    assert len(draws) >= 4


def test_the_right_option_is_not_always_at_the_same_place():
    places = Counter(cell.metadata["predict"]["right"] for one in NOTEBOOKS for cell in choices(one))
    assert max(places.values()) <= sum(places.values()) / 2
