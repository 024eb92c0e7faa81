"""which_bug is a game: a guess at each of twelve cases, its answer as a diff, and a score."""

import pytest

from vae_lib.explorers.which_bug import ORDER


@pytest.fixture
def game(card):
    """A function that opens the card on a page of its own, with the score at 0."""

    def opened(**options):
        explorer = card("which_bug", **options)
        explorer.page.reload()
        explorer.rest()
        return explorer

    return opened


def score(explorer):
    return explorer.root.locator(".status").inner_text()


def press(explorer, name):
    explorer.root.get_by_role("button", name=name, exact=True).click()
    explorer.rest()


def test_the_first_guess_at_a_case_counts(game):
    explorer = game()
    assert score(explorer) == "Score 0 of 12"
    explorer.set("guess", ORDER[0])
    assert score(explorer) == "Score 1 of 12"
    explorer.set("guess", "right")
    assert score(explorer) == "Score 1 of 12", "a second guess takes nothing away"
    press(explorer, "Next")
    explorer.set("guess", "no_kl")
    explorer.set("guess", ORDER[1])
    assert score(explorer) == "Score 1 of 12", "nor does it give anything"
    explorer.check()


def test_next_and_previous_lead_through_the_cases_without_their_guesses(game):
    explorer = game()
    press(explorer, "Previous")
    assert explorer.state()["case"] == 1
    explorer.set("guess", "no_kl")
    press(explorer, "Next")
    assert explorer.state() == {"case": 2, "epoch": 60, "guess": "none"}
    explorer.root.get_by_role("button", name="Next").press("Enter")
    explorer.rest()
    press(explorer, "Previous")
    assert explorer.state()["case"] == 2
    explorer.check()


def test_the_answer_is_the_wrong_line_and_the_right_one(game):
    explorer = game()
    diff = explorer.root.locator(".diff code")
    for i, case in enumerate(explorer.data["cases"]):
        explorer.set("case", i + 1)
        assert diff.inner_text() == ""
        explorer.set("guess", case["code"])
        said = diff.inner_text().replace("\u00a0", " ").split("\n")
        wrong, right = case["lines"] or (None, None)
        assert said == ([f"− {wrong}", f"+ {right}"] if wrong else ["No line is wrong."])
    assert "mono" in diff.evaluate("code => getComputedStyle(code).fontFamily").lower()
    assert score(explorer) == "Score 12 of 12"


@pytest.mark.parametrize("width", [320, 375])
def test_the_curves_are_in_sight_while_one_guesses_on_a_telephone(width, game):
    """From the frame of the curves to the lower end of the menu it is less than a screen of 667 pixels, below
    the bar of the page."""
    explorer = game(width=width)
    top = explorer.root.locator("canvas").bounding_box()["y"] + 34
    menu = explorer.input("guess").bounding_box()
    assert menu["y"] + max(44, menu["height"]) - top <= 667 - 56
