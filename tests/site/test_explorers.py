"""The explorers of the built book, in a reader's browser and without a kernel."""

from __future__ import annotations

import json
import math
import re

import pytest
from conftest import SET

from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base
from vae_lib.palette import DARK, LIGHT, PAPER

each_explorer = pytest.mark.parametrize("name", EXPLORERS)

RESTED = """root => root.classList.contains("live") && !root.hasAttribute("data-busy")"""


@pytest.fixture(scope="session")
def page_of(html):
    """Explorer → the chapter that shows it; the landing page, which repeats one, is left out."""
    pages = {}
    for file in sorted((html / "book").glob("0*.html")):
        for name in re.findall(r'data-explorer="(\w+)" data-spec', file.read_text(encoding="utf-8")):
            assert name not in pages, f"{name} is shown twice"
            pages[name] = f"book/{file.name}"
    assert set(pages) == set(EXPLORERS)
    return pages


BLANK, DOTTED = (0,) * 64, (*(0,) * 27, 16, *(0,) * 36)  # two drawings


def opening(name):
    """The state in which an explorer opens, to be compared up to the rounding of numbers."""
    state = EXPLORERS[name]().state()
    return {k: v if isinstance(v, str | tuple) else pytest.approx(v) for k, v in state.items()}


class Card:
    """An explorer on an open page: its controls set, its numbers read."""

    def __init__(self, page, name):
        self.page, self.name = page, name
        self.root = page.locator(f'[data-explorer="{name}"]')
        self.cls = EXPLORERS[name]
        self.data = json.loads(self.root.get_attribute("data-spec"))["data"]
        self.rest()

    def rest(self):
        """Wait until everything is computed and drawn."""
        self.page.wait_for_function(RESTED, arg=self.root.element_handle())

    def input(self, key):
        """The control of a trait; of pixels, the first."""
        return self.root.locator(f'[name="{key}"]').and_(self.root.locator("input, select")).first

    def set(self, key, value):
        """Set a control as its user would, to a value of the trait; pixels to black or white."""
        trait = self.cls.parameters()[key]
        if isinstance(trait, base.Pixels):
            self.root.get_by_role("button", name="Clear").click()
            for i in (i for i, level in enumerate(value) if level):
                self.root.locator(f'[name="{key}"]').nth(i).press("Space")
            return self.rest()
        self.input(key).evaluate(SET, str(math.log10(value) if getattr(trait, "log", False) else value))
        self.rest()

    def picture(self):
        """A fingerprint of what is on the canvas."""
        return hash(self.root.locator("canvas").evaluate("c => c.toDataURL()"))

    def shown(self):
        """Output → all digits of its number, or None."""
        found = self.root.locator("output").evaluate_all("all => all.map(o => [o.name, o.dataset.value])")
        return {name: None if value == "null" else float(value) for name, value in found}

    def texts(self):
        found = self.root.locator("output").evaluate_all("all => all.map(o => [o.name, o.textContent])")
        return dict(found)

    def state(self):
        """The state that the controls show; the pixels may be those of another image than one's own."""
        found = {}
        for key, trait in self.cls.parameters().items():
            if isinstance(trait, base.Choice):
                found[key] = self.input(key).input_value()
            elif isinstance(trait, base.Pixels):
                level = "all => all.map(box => 16 * box.style.getPropertyValue('--level'))"
                found[key] = tuple(self.root.locator(f'[name="{key}"]').evaluate_all(level))
            else:
                found[key] = float(self.input(key).get_attribute("aria-valuetext").partition(",")[0])
        return found

    def numbers(self):
        """What vae_lib computes at this state, with the data on the page."""
        data = {"_data": self.data} if self.data else {}
        return self.cls(**data, **self.state()).numbers()

    def check(self):
        """What is shown is what vae_lib computes at the state of the sliders."""
        wanted, shown, texts = self.numbers(), self.shown(), self.texts()
        assert list(shown) == list(wanted)
        for key, value in wanted.items():
            if value is None:
                assert shown[key] is None and texts[key] in ("none", "after your guess")
                continue
            assert math.isclose(shown[key], value, rel_tol=1e-9, abs_tol=1e-11), key
            number = re.match(r"-?\d[\d.]*(e[+-]\d+)?", texts[key])[0]
            digits = len(number.partition("e")[0].partition(".")[2])
            scale = 10 ** int(number.partition("e")[2] or 0)
            assert abs(float(number) - value) <= 0.5001 * scale * 10**-digits, f"{key}: {texts[key]}"


@pytest.fixture
def card(served, page_of, tab):
    """A function that opens the page of an explorer; problems that the page reports fail the test."""
    problems = []

    def open_card(name, start=None, **options):
        page = tab(**options)
        page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((start or served) + page_of[name])
        return Card(page, name)

    yield open_card
    assert problems == []


@each_explorer
@pytest.mark.parametrize("way", ["served", "file"])
def test_opens_with_the_numbers_of_vae_lib(name, way, card, html):
    explorer = card(name, start=html.as_uri() + "/" if way == "file" else None)
    assert explorer.root.locator("canvas").count() == 1
    assert explorer.root.locator(".fault").is_hidden()
    assert explorer.state() == opening(name)
    explorer.check()


@each_explorer
def test_everything_has_a_name(name, card):
    """Controls are native, named after the trait, with a label; outputs too; the picture has words."""
    explorer = card(name)
    controls = explorer.root.locator("input:not([type=checkbox]), select, textarea")
    found = controls.evaluate_all("all => all.map(c => [c.name, c.labels.length && c.labels[0].innerText])")
    traits = EXPLORERS[name].parameters()
    pixels = {key: trait for key, trait in traits.items() if isinstance(trait, base.Pixels)}
    assert found == [[key, trait.label] for key, trait in traits.items() if key not in pixels]
    for key, trait in pixels.items():
        assert (
            explorer.root.get_by_role("group", name=trait.label).get_by_role("checkbox").count()
            == trait.count
        )
        names = explorer.root.locator(f'[name="{key}"]').evaluate_all("all => all.map(box => box.ariaLabel)")
        assert names == [f"row {i // 8 + 1}, column {i % 8 + 1}" for i in range(trait.count)]
    labels = explorer.root.locator("output").evaluate_all("all => all.map(o => o.labels[0]?.innerText)")
    assert all(labels) and len(set(labels)) == len(labels)
    picture = explorer.root.get_by_role("img")
    assert len(picture.get_attribute("aria-label").split()) >= 15
    assert explorer.root.locator(".words").inner_text() == picture.get_attribute("aria-label")
    for button in explorer.root.get_by_role("button").all():
        assert button.inner_text() in ("Reset", "New samples", "Clear")


# What must be chosen before a control of implied_beta makes a difference.
FIRST = {
    "sigma": {"reconstruction": "gaussian"},
    "D": {"reduction": "mean"},
    "J": {"kl_reduction": "mean"},
    "B": {"reduction": "sum", "kl_reduction": "mean"},
}


@each_explorer
def test_every_control_moves_the_picture_and_the_words(name, card):
    explorer = card(name)
    for key, trait in EXPLORERS[name].parameters().items():
        for other, value in FIRST.get(key, {}).items() if name == "implied_beta" else ():
            explorer.set(other, value)
        pictures = set()
        if isinstance(trait, base.Pixels):
            values = [BLANK, DOTTED]
        else:
            values = list(trait.options) if isinstance(trait, base.Choice) else [trait.low, trait.high]
        for value in values:
            explorer.set(key, value)
            explorer.check()
            pictures.add(explorer.picture())
        assert len(pictures) == len(values), key
    words = explorer.root.get_by_role("img").get_attribute("aria-label")
    explorer.page.wait_for_function(
        "([root, words]) => root.querySelector('.words').textContent === words",
        arg=[explorer.root.element_handle(), words],
    )


@each_explorer
def test_keyboard_alone(name, card):
    """Tab reaches every control in order; arrows, Home and End move a slider; a typed number sets it."""
    explorer = card(name)
    page, traits = explorer.page, EXPLORERS[name].parameters()
    first, *_ = traits
    explorer.input(first).focus()
    for key, trait in traits.items():
        assert page.evaluate("document.activeElement.name") == key
        if isinstance(trait, base.Choice):
            page.keyboard.press("ArrowDown")
            page.keyboard.press("ArrowUp")
        elif isinstance(trait, base.Pixels):  # one stop, in which arrows walk; then the button Clear
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Space")
            explorer.rest()
            assert explorer.state()[key] == (0, 16, *EXPLORERS[name]().state()[key][2:])
            page.keyboard.press("Tab")
        else:
            page.keyboard.press("Home")
            explorer.rest()
            assert explorer.state()[key] == pytest.approx(trait.low)
            page.keyboard.press("ArrowRight")
            explorer.rest()
            assert explorer.state()[key] >= trait.low
            page.keyboard.press("End")
            explorer.rest()
            assert explorer.state()[key] == pytest.approx(trait.high)
            typed = trait.low + 1 if trait.integer else round(0.3 * trait.low + 0.7 * trait.high, 3)
            page.keyboard.type(f"{typed}")
            page.keyboard.press("Enter")
            explorer.rest()
            assert explorer.state()[key] == pytest.approx(typed, rel=1e-3)
        page.keyboard.press("Tab")
    explorer.rest()
    assert page.evaluate("document.activeElement.textContent") == "Reset"
    page.keyboard.press("Enter")
    explorer.rest()
    assert explorer.state() == opening(name)
    explorer.check()


def test_a_typed_number_out_of_bounds_is_refused_with_the_bounds(card):
    explorer = card("kl")
    before = explorer.state()
    explorer.input("sigma").focus()
    explorer.page.keyboard.type("99")
    explorer.page.keyboard.press("Enter")
    fault = explorer.root.locator(".fault")
    assert "0.1 to 3" in fault.inner_text()
    explorer.rest()
    assert explorer.state() == before


@each_explorer
def test_drag_on_a_slider(name, card):
    explorer = card(name)
    for key, trait in EXPLORERS[name].parameters().items():
        if not isinstance(trait, base.Slider):
            continue
        explorer.input(key).scroll_into_view_if_needed()
        box = explorer.input(key).bounding_box()
        y, mouse, seen = box["y"] + box["height"] / 2, explorer.page.mouse, set()
        mouse.move(box["x"] + 0.2 * box["width"], y)
        mouse.down()
        for part in (0.3, 0.5, 0.7):
            mouse.move(box["x"] + part * box["width"], y)
            explorer.rest()
            seen.add(explorer.state()[key])
        mouse.up()
        assert len(seen) == 3, key
    explorer.check()
    explorer.input(key).dblclick()
    explorer.rest()
    assert explorer.state()[key] == pytest.approx(EXPLORERS[name]().state()[key])


@each_explorer
@pytest.mark.parametrize("width", [1280, 375])
def test_drag_on_the_picture(name, width, card):
    """Each handle lies in the picture and moves a trait."""
    explorer = card(name, width=width)
    canvas, mouse = explorer.root.locator("canvas"), explorer.page.mouse

    def begin():
        explorer.root.get_by_text("Reset").click()
        explorer.rest()
        if name == "implied_beta":  # only a Gaussian has a σ to drag
            explorer.set("reconstruction", "gaussian")
        canvas.scroll_into_view_if_needed()

    begin()
    count = canvas.evaluate("c => c.handles.length")
    assert count, "a picture with nothing to take hold of"
    for i in range(count):
        begin()
        before, box = explorer.state(), canvas.bounding_box()
        handle = canvas.evaluate(
            "(c, i) => { const { x, y, axis } = c.handles[i]; return { x, y, axis } }", i
        )
        assert 0 <= handle["x"] <= box["width"] and 0 <= handle["y"] <= box["height"]
        x, y = box["x"] + handle["x"], box["y"] + handle["y"]
        mouse.move(x, y)
        mouse.down()
        seen = []
        for step in (14, -14):  # one of them may lead out of bounds
            across, down = (step, 0) if handle["axis"] == "x" else (0, step)
            mouse.move(x + across, y + down)
            explorer.rest()
            explorer.check()
            seen.append(explorer.state())
        mouse.up()
        assert any(state != before for state in seen), f"handle {i}"


@pytest.mark.parametrize("name", [name for name in EXPLORERS if "seed" in EXPLORERS[name].parameters()])
def test_same_seed_same_picture(name, card):
    explorer = card(name)
    before, shown, seed = explorer.picture(), explorer.shown(), explorer.state()["seed"]
    explorer.root.get_by_text("New samples").click()
    explorer.rest()
    assert explorer.state()["seed"] == seed + 1
    assert explorer.shown() != shown and explorer.picture() != before
    explorer.set("seed", seed)
    assert explorer.shown() == shown
    assert explorer.picture() == before


@each_explorer
def test_every_step_of_a_drag_is_drawn(name, card):
    explorer = card(name)
    key = next(k for k, t in EXPLORERS[name].parameters().items() if isinstance(t, base.Slider))
    drawn = explorer.input(key).evaluate("""async (input) => {
      const root = input.closest("[data-explorer]"), [low, high] = [Number(input.min), Number(input.max)];
      const before = Number(root.dataset.drawn);
      for (let i = 0; i < 200; i++) {
        input.value = low + (high - low) * i / 199;
        input.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise(requestAnimationFrame);
      }
      return Number(root.dataset.drawn) - before;
    }""")
    assert drawn >= 199


def test_a_fault_stays_in_its_own_box(served, page_of, tab):
    """Two explorers on a page: one breaks, says so, and recovers; the other and the page go on."""
    page, errors = tab(served + page_of["implied_beta"]), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    broken, other = Card(page, "reconstruction_loss"), Card(page, "implied_beta")
    canvas = broken.root.locator("canvas")
    canvas.evaluate("c => { c.getContext('2d').fill = () => { throw new Error('out of ink'); }; }")
    key = next(iter(broken.cls.parameters()))
    broken.set(key, broken.cls.parameters()[key].low)
    fault = broken.root.locator(".fault")
    assert "has stopped: out of ink" in fault.inner_text()
    other.set("sigma", 0.1)
    other.check()
    assert other.root.locator(".fault").is_hidden()
    canvas.evaluate("c => { delete c.getContext('2d').fill; }")
    broken.root.get_by_text("Reset").click()
    broken.rest()
    assert fault.is_hidden()
    broken.check()
    assert errors == []


@each_explorer
@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_moves_when_it_comes_alive(name, width, page_of, served, tab):
    page = tab(width=width)
    page.route("**/explorers.js*", lambda route: route.abort())
    page.goto(served + page_of[name])
    still = page.locator(f'[data-explorer="{name}"]').bounding_box()
    page.unroute_all()
    page.reload()
    Card(page, name)
    live = page.locator(f'[data-explorer="{name}"]').bounding_box()
    assert live == pytest.approx(still, abs=0.5)


# Goes through states as fast as they are drawn, each with its words at once, and notes the heights.
HEIGHTS = """async (root, states) => {
  const controls = [...root.querySelectorAll("select, input[type=range]")], found = new Set();
  const [words, image] = [root.querySelector(".words"), root.querySelector("[role=img]")];
  let seed = 1;
  const somewhere = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const ends = [() => 0, () => 0.999999];
  for (let i = 0; i < states; i++) {
    const place = ends[i] ?? somewhere;
    for (const control of controls) {
      control.value = control.options ? control.options[Math.floor(place() * control.options.length)].value
        : Number(control.min) + place() * (control.max - control.min);
      control.dispatchEvent(new Event("input", { bubbles: true }));
    }
    do await new Promise(requestAnimationFrame); while (root.hasAttribute("data-busy"));
    words.textContent = image.getAttribute("aria-label");
    found.add(root.getBoundingClientRect().height);
  }
  return [...found];
}"""


@each_explorer
@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_moves_while_it_is_used(name, width, card):
    """Words and numbers of all lengths fit into the room that the card has from the beginning."""
    explorer = card(name, width=width)
    at_first = explorer.root.bounding_box()["height"]
    assert explorer.root.evaluate(HEIGHTS, 30) == [pytest.approx(at_first, abs=0.5)]


def test_a_guess_belongs_to_its_case(card):
    """The next case does not give its answer away, whichever way the slider goes there."""
    explorer = card("which_bug")

    def guessed():
        explorer.set("guess", "no_kl")
        assert explorer.shown()["kl"] is not None and "Your guess" in words()

    def words():
        return explorer.root.get_by_role("img").get_attribute("aria-label")

    def hidden():
        explorer.rest()
        assert explorer.input("guess").input_value() == "none" and "Your guess" not in words()
        assert explorer.texts()["kl"] == explorer.texts()["elbo"] == "after your guess"
        explorer.check()

    hidden()
    guessed()
    explorer.set("epoch", 12)
    assert explorer.input("guess").input_value() == "no_kl", "it is still the same case"
    explorer.set("case", 2)
    hidden()
    guessed()
    explorer.input("case").press("ArrowRight")
    hidden()
    guessed()
    explorer.input("case").focus()
    explorer.page.keyboard.type("7")
    explorer.page.keyboard.press("Enter")
    hidden()
    guessed()
    explorer.input("case").dblclick()
    hidden()
    guessed()
    explorer.root.get_by_text("Reset").click()
    hidden()


def test_a_slider_without_effect_says_so(card):
    """What the line of code does not hold can still be set, and is said to change nothing."""
    explorer = card("implied_beta")

    def idle():
        words = {key: explorer.input(key).get_attribute("aria-valuetext") for key in ("D", "J", "B", "sigma")}
        return [key for key, text in words.items() if text.endswith(", no effect here")]

    assert idle() == ["J", "B", "sigma"]
    for key in idle():
        before = explorer.shown()
        explorer.set(key, explorer.cls.parameters()[key].high)
        assert explorer.shown() == before, key
    explorer.input("J").focus()
    explorer.input("kl_reduction").evaluate(SET, "mean")
    explorer.rest()
    assert idle() == ["B", "sigma"] and explorer.page.evaluate("document.activeElement.name") == "J"
    explorer.set("reconstruction", "gaussian")
    explorer.set("reduction", "sum")
    assert idle() == ["D"]
    assert explorer.root.locator(".idle label").all_inner_texts() == ["D, pixels"]


@each_explorer
def test_a_slider_has_the_colour_of_its_quantity(name, card):
    for mode, palette in (("light", LIGHT), ("dark", DARK)):
        explorer = card(name, mode=mode)
        for key, trait in EXPLORERS[name].parameters().items():
            if not isinstance(trait, base.Slider):
                continue
            idle = "no effect" in explorer.input(key).get_attribute("aria-valuetext")
            wanted = palette["muted" if idle else trait.color or "muted"]
            color = explorer.input(key).evaluate("input => getComputedStyle(input).accentColor")
            assert color == f"rgb{tuple(bytes.fromhex(wanted[1:]))}", key


@pytest.fixture
def still(page_of, served, browser):
    """still(name, width) is the explorer's place where no script runs."""
    contexts = []

    def opened(name, width):
        size = {"width": width, "height": 800}
        contexts.append(browser.new_context(java_script_enabled=False, viewport=size))
        page = contexts[-1].new_page()
        page.goto(served + page_of[name])
        return page.locator(f'[data-explorer="{name}"]')

    yield opened
    for context in contexts:
        context.close()


@each_explorer
def test_without_javascript_on_a_phone(name, still):
    """The picture is as tall as it is drawn, its words can be read, and the page stays as wide as it is."""
    root = still(name, 375)
    picture, svg = root.locator(".picture").bounding_box(), root.locator("svg").bounding_box()
    assert picture["height"] < svg["height"] + 20
    _, _, width, _ = map(float, root.locator("svg").get_attribute("viewBox").split())
    assert 13 * svg["width"] / width > 10
    assert picture["width"] < 375
    assert "need JavaScript" in root.inner_text()


@each_explorer
def test_without_javascript(name, still):
    """A picture, the numbers and the words, and no slider that does nothing."""
    root = still(name, 1280)
    assert root.locator("svg path").count() > 5
    assert root.locator(".controls").is_hidden()
    assert root.locator(".words").inner_text()
    data = json.loads(root.get_attribute("data-spec"))["data"]
    numbers = (EXPLORERS[name](_data=data) if data else EXPLORERS[name]()).numbers()
    for key, value in numbers.items():
        text = root.locator(f'output[name="{key}"]').inner_text()
        assert text in ("none", "after your guess") if value is None else re.match(r"-?\d", text), key


@each_explorer
def test_colours_follow_the_mode(name, card):
    for mode, palette in (("light", LIGHT), ("dark", DARK)):
        explorer = card(name, mode=mode)
        paper = explorer.root.evaluate("root => getComputedStyle(root).getPropertyValue('--paper').trim()")
        assert paper == PAPER[mode == "dark"]
        ink = explorer.root.evaluate("root => getComputedStyle(root).color")
        assert ink == f"rgb{tuple(bytes.fromhex(palette['ink'][1:]))}"
    dark = explorer.picture()
    explorer.page.evaluate("document.documentElement.dataset.theme = 'light'")
    explorer.rest()
    assert explorer.picture() != dark, "drawn anew"
