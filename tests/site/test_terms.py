"""The row below an equation whose terms a figure shows: its numbers, and each term lights its bar."""

import pytest
from cards import Card
from conftest import SET

ROWS = {"book/03_elbo": "elbo_gap", "book/04_kl": "kl"}
# How many pixels of the picture are not as they were when this was called last.
CHANGED = """root => {
  const canvas = root.querySelector("canvas"), { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height), before = canvas.before ?? data;
  canvas.before = data;
  return data.filter((value, i) => value !== before[i]).length;
}"""
TERMS = "buttons => buttons.map((button) => button.dataset.term)"
FORMULA = '.katex-html [style*="color:"]'


@pytest.fixture(params=ROWS)
def terms(request, served, tab):
    """The card of the explorer, its row, and the buttons of the row by their term."""
    card = Card(tab(f"{served}{request.param}.html"), ROWS[request.param])
    row = card.page.locator(f".terms[data-of={card.name}]")
    buttons = {button.get_attribute("data-term"): button for button in row.locator("button").all()}
    return card, row, buttons


def test_terms_have_the_numbers_of_the_state(terms):
    card, _, buttons = terms
    assert len(buttons) >= 3 and buttons.keys() <= card.read().shown().keys()
    slider, seen = card.root.locator("input[type=range]").first, []
    for part in (0.37, 0.81):
        slider.evaluate(SET, slider.evaluate(f"s => Number(s.min) + {part} * (s.max - s.min)"))
        card.rest()
        shown = card.read().shown()
        seen.append({term: button.locator("b").inner_text() for term, button in buttons.items()})
        assert seen[-1] == {term: f"{shown[term]:.2f}".replace("-", "−") for term in buttons}
    assert seen[0] != seen[1]


@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_a_term_lights_its_bar_and_its_place_in_the_equation(by, terms):
    card, row, buttons = terms
    formula = row.locator("xpath=preceding-sibling::*[1]").locator(FORMULA)
    colours = set(formula.evaluate_all("parts => parts.map((part) => part.style.color)"))
    card.root.evaluate(CHANGED)
    for term, button in buttons.items():
        button.hover() if by == "pointer" else button.focus()
        card.rest()
        assert card.root.evaluate(CHANGED) > 0, f"{term} changes nothing in the picture"
        assert row.locator("button.lit").evaluate_all(TERMS) == [term]
        assert row.locator("button.dim").count() == len(buttons) - 1
        if len(colours) == len(buttons):
            bright = formula.evaluate_all("p => p.filter((e) => e.matches('.lit')).map((e) => e.style.color)")
            assert len(set(bright)) == 1
    card.page.mouse.move(0, 0)
    card.page.evaluate("document.activeElement.blur()")
    card.rest()
    assert row.locator(".lit, .dim").count() == 0


def test_an_equation_in_colours_lights_the_picture(served, tab):
    """(3.3) has a colour for each term: a pointer over one of them lights its bar and its button."""
    card = Card(tab(f"{served}book/03_elbo.html"), "elbo_gap")
    row = card.page.locator(".terms")
    formula = row.locator("xpath=preceding-sibling::*[1]").locator(FORMULA)
    seen = []
    for part in formula.all():
        part.dispatch_event("pointerenter")
        card.rest()
        seen += row.locator("button.lit").evaluate_all(TERMS)
    assert list(dict.fromkeys(seen)) == ["reconstruction", "kl", "gap"]
