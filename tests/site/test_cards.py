"""How each explorer behaves, on a page that holds its card alone and without a kernel."""

import json
import re

import pytest
from cards import Card, opening
from conftest import SET, rgb

from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base
from vae_lib.palette import DARK, LIGHT, PAPER

each_explorer = pytest.mark.parametrize("name", EXPLORERS)

BLANK, DOTTED = (0,) * 64, (*(0,) * 27, 16, *(0,) * 36)  # two drawings


@each_explorer
def test_opens_with_the_numbers_of_vae_lib(name, card):
    explorer = card(name)
    assert explorer.root.locator("canvas").count() == 1
    found = explorer.read()
    assert found.fault == ""
    assert found.state() == opening(name)
    found.check()


@each_explorer
def test_everything_has_a_name(name, card):
    """Controls are native, named after the trait, with a label; outputs too; the picture has words."""
    explorer = card(name)
    explorer.unfold()
    controls = explorer.root.locator("input:not([type=checkbox], .typed), select, textarea")
    found = controls.evaluate_all("all => all.map(c => [c.name, c.labels.length && c.labels[0].innerText])")
    traits = EXPLORERS[name].parameters()
    pixels = {key: trait for key, trait in traits.items() if isinstance(trait, base.Pixels)}
    assert sorted(found) == sorted([key, trait.label] for key, trait in traits.items() if key not in pixels)
    for key, trait in pixels.items():
        group = explorer.root.get_by_role("group", name=trait.label)
        assert group.get_by_role("checkbox").count() == trait.count
        names = explorer.root.locator(f'[name="{key}"]').evaluate_all("all => all.map(box => box.ariaLabel)")
        assert names == [f"row {i // 8 + 1}, column {i % 8 + 1}" for i in range(trait.count)]
    labels = explorer.root.locator("output").evaluate_all("all => all.map(o => o.labels[0]?.textContent)")
    assert all(labels) and len(set(labels)) == len(labels)
    words = explorer.words()
    assert len(words.split()) >= 15
    explorer.root.locator(".words", has_text=words).wait_for()  # said when nothing has moved for a while
    assert explorer.root.locator(".words").inner_text() == words
    buttons = explorer.root.get_by_role("button").all_inner_texts()
    starts = len(explorer.root.locator(".tasks button").all())
    assert set(buttons) <= {
        "Reset", "New samples", "Clear", "Copy link", "Start here", "Previous", "Next",
        "Train", "Step", "Start over", "Keep",
    }  # fmt: skip
    assert {"Reset", "Copy link"} <= set(buttons) and buttons.count("Start here") == starts


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
    explorer.page.wait_for_function(
        "([root, words]) => root.querySelector('.words').textContent === words",
        arg=[explorer.root.element_handle(), explorer.words()],
    )


@each_explorer
def test_keyboard_alone(name, card):
    """Tab reaches every control in order; arrows, Home and End move a slider; a typed number sets it."""
    explorer = card(name)
    page, traits = explorer.page, EXPLORERS[name].parameters()
    menus_first = sorted(traits, key=lambda key: not isinstance(traits[key], base.Choice))
    explorer.input(menus_first[0]).focus()
    for key in menus_first:
        trait = traits[key]
        if page.evaluate("document.activeElement.matches('summary')"):
            page.keyboard.press("Enter")
            page.keyboard.press("Tab")
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
            assert explorer.input(key).evaluate("input => input.value > Number(input.min)")
            assert explorer.state()[key] > trait.low, "also where a step is less than one"
            page.keyboard.press("End")
            explorer.rest()
            assert explorer.state()[key] == pytest.approx(trait.high)
            typed = trait.low + 1 if trait.integer else round(0.3 * trait.low + 0.7 * trait.high, 3)
            page.keyboard.type(f"{typed}")
            page.keyboard.press("Enter")
            explorer.rest()
            assert explorer.state()[key] == pytest.approx(typed, rel=1e-3)
            position = float(explorer.input(key).input_value())
            assert (10**position if trait.log else position) == pytest.approx(typed, rel=0.2), "its thumb"
        page.keyboard.press("Tab")
    for _ in explorer.root.locator("[data-step]").all():
        page.keyboard.press("Tab")
    explorer.rest()
    assert page.evaluate("document.activeElement.textContent") == "Reset"
    page.keyboard.press("Enter")
    explorer.rest()
    assert explorer.state() == opening(name)
    explorer.check()


@pytest.mark.parametrize("number", ["99", "0.05", "-1"])
def test_a_typed_number_out_of_bounds_is_refused_with_the_bounds(number, html, tab):
    """In sight of the field, also on a phone and in a chapter."""
    page = tab((html / "book" / "04_kl.html").as_uri(), width=375)
    explorer = Card(page, "kl")
    before = explorer.state()
    explorer.input("sigma").evaluate("input => input.scrollIntoView({ block: 'center' })")
    explorer.input("sigma").focus()
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    fault = explorer.root.locator(".fault")
    assert "0.1 to 3" in fault.inner_text()
    box = fault.bounding_box()
    assert 0 < box["y"] and box["y"] + box["height"] <= page.viewport_size["height"]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")  # the figure is drawn anew
    explorer.rest()
    assert explorer.state() == before and fault.is_visible()
    explorer.input("sigma").press("ArrowRight")
    explorer.rest()
    assert fault.is_hidden()


# Counts how often a script asks for a size or a style, for which the browser lays out the page at once.
COUNT = """() => {
  window.measured = [];
  for (const name of ["clientWidth", "clientHeight"]) {
    const { get } = Object.getOwnPropertyDescriptor(Element.prototype, name);
    Object.defineProperty(Element.prototype, name, { get() { measured.push(name); return get.call(this); } });
  }
  for (const [owner, name] of [[window, "getComputedStyle"], [Element.prototype, "getBoundingClientRect"]]) {
    const real = owner[name];
    owner[name] = function (...given) { measured.push(name); return real.apply(this, given); };
  }
}"""


@pytest.mark.parametrize("name", ["kl", "latent", "rate_distortion", "aggregated_posterior"])
def test_a_step_measures_nothing(name, card):
    explorer = card(name)
    explorer.page.evaluate(COUNT)
    slider = explorer.root.locator("input[type=range]").first
    before = explorer.root.get_attribute("data-drawn")
    for part in (0.3, 0.7):
        slider.evaluate(SET, slider.evaluate(f"s => Number(s.min) + {part} * (s.max - s.min)"))
        explorer.rest()
    assert explorer.root.get_attribute("data-drawn") != before
    assert explorer.page.evaluate("measured") == []
    explorer.page.set_viewport_size({"width": 600, "height": 800})
    explorer.page.wait_for_function("() => measured.includes('clientWidth')")


@each_explorer
def test_a_drag_moves_a_slider_and_a_double_click_resets_it(name, card):
    explorer = card(name)
    explorer.unfold()
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


SEEDED = [name for name in EXPLORERS if "seed" in EXPLORERS[name].parameters()]


@pytest.mark.parametrize("name", [name for name in SEEDED if not EXPLORERS[name].own_script])  # no training
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
      for (let i = 0; i < 20; i++) {
        input.value = low + (high - low) * i / 19;
        input.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise(requestAnimationFrame);
      }
      return Number(root.dataset.drawn) - before;
    }""")
    assert drawn >= 19


def test_a_fault_stays_in_its_own_box(alone, tab):
    """Two explorers on a page: one breaks, says so, and recovers; the other and the page go on."""
    problems = []
    page = tab(f"{alone}reconstruction_loss+implied_beta.html", problems=problems)
    broken, other = Card(page, "reconstruction_loss"), Card(page, "implied_beta")
    canvas = broken.root.locator("canvas")
    canvas.evaluate("c => { c.getContext('2d').fill = () => { throw new Error('out of ink'); }; }")
    key = next(iter(broken.cls.parameters()))
    broken.set(key, broken.cls.parameters()[key].low)
    assert "has stopped: out of ink" in broken.read().fault
    other.set("sigma", 0.1)
    other.check()
    assert other.read().fault == ""
    canvas.evaluate("c => { delete c.getContext('2d').fill; }")
    broken.reset()
    assert broken.read().fault == ""
    broken.check()
    assert [problem.partition(":")[0] for problem in problems] == ["warning"], "said once, and nothing thrown"


def test_a_guess_belongs_to_its_case(card):
    """The next case does not give its answer away, whichever way the slider goes there."""
    explorer = card("which_bug")

    def guessed():
        explorer.set("guess", "no_kl")
        assert explorer.shown()["kl"] is not None and "Your guess" in explorer.words()

    def hidden():
        explorer.rest()
        assert explorer.input("guess").input_value() == "none" and "Your guess" not in explorer.words()
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
        return [key for key, text in words.items() if text.endswith(", no effect")]

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
def test_colours_follow_the_mode(name, card):
    """Those of the card, of its sliders (the colour of their quantity) and of its picture."""
    explorer, pictures = card(name), set()
    for mode, palette in (("light", LIGHT), ("dark", DARK)):
        explorer.page.evaluate("mode => { document.documentElement.dataset.theme = mode; }", mode)
        explorer.rest()
        paper = explorer.root.evaluate("root => getComputedStyle(root).getPropertyValue('--paper').trim()")
        assert paper == PAPER[mode == "dark"]
        assert explorer.root.evaluate("root => getComputedStyle(root).color") == rgb(palette["ink"])
        pictures.add(explorer.picture())
        for key, trait in EXPLORERS[name].parameters().items():
            if isinstance(trait, base.Slider):
                idle = "no effect" in explorer.input(key).get_attribute("aria-valuetext")
                color = explorer.input(key).evaluate("input => getComputedStyle(input).accentColor")
                assert color == rgb(palette["muted" if idle else trait.color or "muted"]), key
    assert len(pictures) == 2, "drawn anew"


@pytest.fixture(scope="module")
def silent(alone, browser):
    """silent(name) is the card of an explorer where no script runs; all of them are on one page."""
    pages = {}

    def opened(name, width):
        if width not in pages:
            context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
            pages[width] = context.new_page()
            pages[width].goto(f"{alone}{'+'.join(EXPLORERS)}.html")
        return pages[width].locator(f'[data-explorer="{name}"]')

    return opened


@each_explorer
def test_without_javascript_on_a_phone(name, silent):
    """The picture is as tall as it is drawn, its words can be read, and the page stays as wide as it is."""
    root = silent(name, 375)
    picture, svg = root.locator(".picture").bounding_box(), root.locator("svg").bounding_box()
    assert picture["height"] < svg["height"] + 20
    _, _, width, _ = map(float, root.locator("svg").get_attribute("viewBox").split())
    assert 13 * svg["width"] / width > 10
    assert picture["width"] < 375
    assert root.evaluate("root => document.documentElement.scrollWidth") <= 375
    assert "need JavaScript" in root.inner_text()


@each_explorer
def test_without_javascript(name, silent):
    """A picture, the numbers and the words, and no slider that does nothing."""
    root = silent(name, 1280)
    assert root.locator("svg path").count() > 5
    assert root.locator(".controls").is_hidden() and root.get_by_role("button").count() == 0
    for fold in root.locator("summary:visible").all():
        fold.click()
    words = root.locator(".words").inner_text()
    assert len(words.split()) >= 15 and root.get_by_role("img").get_attribute("aria-label") == words
    data = json.loads(root.get_attribute("data-spec"))["data"]
    numbers = (EXPLORERS[name](_data=data) if data else EXPLORERS[name]()).numbers()
    for key, value in numbers.items():
        text = root.locator(f'output[name="{key}"]').inner_text()
        if EXPLORERS[name].still is not base.Explorer.still:  # a run that was trained for the picture
            assert re.match(r"−?[1-9]", text), key
            continue
        assert text in ("none", "after your guess") if value is None else re.match(r"−?\d", text), key


# Addresses, words of the text, fields, fingers


def test_a_value_is_edited_beside_its_slider(card):
    """By mouse and by touch; a comma is a point; what is out of bounds is refused; Escape leaves it."""
    explorer = card("kl")
    field = explorer.root.locator(".typed").first
    assert field.input_value() == "1.00" and field.get_attribute("inputmode") == "decimal"
    for typed, key, mu in (("−0,25", "Enter", -0.25), ("0.123", "Tab", 0.123), ("2", "Escape", 0.123)):
        field.click()
        explorer.page.keyboard.type(typed)
        explorer.page.keyboard.press(key)
        explorer.rest()
        assert explorer.state()["mu"] == mu and field.input_value() == f"{mu}".replace("-", "−")
    field.fill("99")
    field.press("Enter")
    assert "−3 to 3" in explorer.root.locator(".fault").inner_text()
    assert explorer.state()["mu"] == 0.123 and field.input_value() == "0.123"
    explorer.check()


def test_screen_readers_have_one_control_for_each_trait(card):
    explorer = card("kl")
    assert explorer.root.get_by_role("slider").count() == 2
    assert explorer.root.get_by_role("textbox").count() == 0
    assert explorer.root.locator(".typed").first.get_attribute("tabindex") == "-1"


def swipe(page, control, dx, dy):
    """A finger that starts in a control in the middle of the screen, moves and rests before it is lifted.

    A finger that is lifted while it moves makes the page scroll on, how far hangs on the machine; the next
    finger would stop that and move nothing. Returns where the page was scrolled to before.
    """
    top = control.evaluate("control => (scrollBy(0, control.getBoundingClientRect().top - 350), scrollY)")
    box = control.bounding_box()
    client = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
    send = lambda kind, points: client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})  # noqa: E731
    send("touchStart", [{"x": x, "y": y}])
    for step in range(1, 6):
        send("touchMove", [{"x": x + dx * step / 5, "y": y + dy * step / 5}])
    page.wait_for_timeout(100)
    send("touchEnd", [])
    client.detach()
    return top


@pytest.fixture(scope="module")
def phone(browser):
    context = browser.new_context(
        viewport={"width": 375, "height": 700}, has_touch=True, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


# Counts what a card says of its sliders: a value that holds for a moment could already begin a new run.
HEARD = """(root) => {
  window.told = 0;
  new MutationObserver((changes) => (told += changes.length))
    .observe(root, { subtree: true, attributeFilter: ["aria-valuetext"] });
}"""


@each_explorer
def test_a_swipe_over_a_slider_scrolls_and_changes_nothing(name, alone, phone):
    phone.goto(f"{alone}{name}.html")
    explorer = Card(phone, name)
    explorer.unfold()
    phone.evaluate("document.body.style.height = '3000px'")
    before = explorer.state()
    explorer.root.evaluate(HEARD)
    for key in [k for k, trait in EXPLORERS[name].parameters().items() if isinstance(trait, base.Slider)]:
        place = explorer.input(key).input_value()
        top = swipe(phone, explorer.input(key), 4, -150)
        phone.wait_for_function("top => Math.abs(scrollY - top) > 50", arg=top)
        explorer.rest()
        assert explorer.state() == before and phone.evaluate("told") == 0, key
        phone.wait_for_function(
            "([slider, place]) => slider.value === place", arg=[explorer.input(key).element_handle(), place]
        )
    swipe(phone, explorer.input(key), 90, 2)
    phone.wait_for_function("() => told > 0")
    explorer.rest()
    assert explorer.state()[key] != before[key], "along the slider it moves it"


@each_explorer
def test_controls_are_large_enough_for_a_thumb(name, alone, phone):
    phone.goto(f"{alone}{name}.html")
    explorer = Card(phone, name)
    for control in explorer.root.locator(".controls :is(input[type=range], select, button, .typed)").all():
        assert control.bounding_box()["height"] >= 43.9


@each_explorer
def test_an_address_opens_a_state_and_a_button_copies_it(name, alone, card):
    """What is copied leads to the same state; without numbers it is the opening."""
    explorer = card(name)
    page = explorer.page
    for key, trait in EXPLORERS[name].parameters().items():
        value = BLANK if isinstance(trait, base.Pixels) else list(trait.options)[-1] if isinstance(
            trait, base.Choice) else trait.high  # fmt: skip
        explorer.set(key, value)
    state, shown = explorer.state(), explorer.shown()
    explorer.root.get_by_role("button", name="Copy link").click()
    explorer.root.get_by_role("button", name=re.compile("Copied|See address")).wait_for()
    address = page.url
    assert f"#{name}?" in address
    page.goto("about:blank")
    page.goto(address)
    explorer = Card(page, name)
    assert explorer.state() == state
    assert explorer.shown() == shown
    page.evaluate("name => (location.hash = `#${name}?`)", name)
    explorer.rest()
    assert explorer.state() == opening(name)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("mu=99", "mu must be a number from −3 to 3, not 99"),
        ("nothing=1", "This figure has no nothing"),
        ("mu=%3Cimg%20src=x%20onerror=alert(1)%3E", "not <img src=x onerror=alert(1)>"),
        ("mu=1&sigma=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", 'not "><script>alert(1)</script>'),
    ],
)
def test_a_wrong_or_hostile_address_is_told_and_changes_nothing(query, said, alone, tab):
    page = tab(f"{alone}kl.html#kl?{query}")
    explorer = Card(page, "kl")
    assert said in explorer.root.locator(".fault").inner_text()
    assert explorer.state() == opening("kl")
    assert page.locator("img, main script:not([src])", has_text="alert").count() == 0
    explorer.set("mu", 1)
    assert explorer.read().fault == "", "gone with the next change"


# As site_extension/sets.py writes them.
WORDS = """
<p>At <span class="sets" data-sets="reconstruction_loss?sigma=2">a wide Gaussian</span>.</p>
<p>With <span class="sets range" data-sets="reconstruction_loss?p=0.9..0.1">p from 0.9 to
<span class="no-break">0.1<input type="range" aria-label="p from 0.9 to 0.1">.</span></span></p>
</main>"""


def open_with_words(page, address):
    """The page of cards with these words below, and their slider."""

    def answer(route):
        found = route.fetch()
        route.fulfill(response=found, body=found.text().replace("</main>", WORDS))

    page.route(address, answer)
    page.goto(address)
    page.unroute(address)
    return page.get_by_role("slider", name="p from 0.9 to 0.1")


def test_words_of_the_text_set_the_figure(alone, tab):
    """A value is a button, a range has a slider; of two figures that of the name is set."""
    page = tab()
    slider = open_with_words(page, f"{alone}reconstruction_loss+implied_beta.html")
    first, second = Card(page, "reconstruction_loss"), Card(page, "implied_beta")
    page.get_by_role("button", name="a wide Gaussian").click()
    first.rest()
    assert first.state()["sigma"] == 2 and second.state() == opening("implied_beta")
    slider.evaluate(SET, "0.25")
    first.rest()
    assert first.state()["p"] == 0.25 and first.state()["sigma"] == 2
    first.check()
    first.set("p", 0.6)
    assert (slider.input_value(), slider.get_attribute("aria-valuetext")) == ("0.6", "0.60")
    first.set("p", 0.99)
    assert slider.input_value() == "0.9", "beyond the range it stands at its end"


def test_a_range_is_scrubbed_by_mouse_and_keyboard(alone, tab):
    """It begins where the words do: from 0.9 to 0.1 it falls to the right."""
    page = tab()
    slider = open_with_words(page, f"{alone}reconstruction_loss.html")
    card = Card(page, "reconstruction_loss")
    box, seen = slider.bounding_box(), []
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for part in (0.1, 0.4, 0.9):
        page.mouse.move(box["x"] + part * box["width"], y)
        card.rest()
        seen.append(card.state()["p"])
        card.check()
    page.mouse.up()
    assert seen == sorted(set(seen), reverse=True) and seen[0] > 0.8 and seen[-1] < 0.2
    for key, p in (("Home", 0.1), ("ArrowUp", 0.11), ("End", 0.9)):
        slider.press(key)
        card.rest()
        assert card.state()["p"] == pytest.approx(p), key


def test_a_swipe_over_a_range_scrolls_and_changes_nothing(alone, phone):
    slider = open_with_words(phone, f"{alone}reconstruction_loss.html")
    card = Card(phone, "reconstruction_loss")
    phone.evaluate("document.body.style.height = '3000px'")
    before = card.state()
    card.root.evaluate(HEARD)
    top = swipe(phone, slider, 4, -150)
    phone.wait_for_function("top => Math.abs(scrollY - top) > 50", arg=top)
    card.rest()
    assert card.state() == before and phone.evaluate("told") == 0
    swipe(phone, slider, 40, 2)
    phone.wait_for_function("() => told > 0")
    card.rest()
    assert card.state()["p"] != before["p"], "along the slider it moves it"
    assert slider.bounding_box()["height"] >= 43.9


def test_a_task_ticks_itself_and_may_set_its_start(card):
    explorer = card("kl")
    done = explorer.root.locator(".tasks li.done")
    assert explorer.root.locator(".tasks li").count() == 3 and done.count() == 0
    explorer.root.get_by_role("button", name="Start here").click()
    explorer.rest()
    assert explorer.state()["mu"] == 2 and done.count() == 0
    explorer.set("sigma", 1)
    assert done.all_inner_texts() == ["Hold μ at 2. Which σ is the cheapest? Start here"]
    explorer.reset()
    assert done.count() == 1, "it stays done"


def test_a_tick_that_is_above_the_screen_of_a_phone_is_counted_beside_the_controls(card):
    """A count that the stylesheet writes; the browser's accessibility tree has its words."""
    explorer = card("kl", width=375)
    session = explorer.page.context.new_cdp_session(explorer.page)

    def counted():
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        texts = [n["name"]["value"] for n in nodes if n.get("role", {}).get("value") == "StaticText"]
        return ["".join(texts[i : i + 4]) for i, text in enumerate(texts) if text == "✓ "]

    height = explorer.root.bounding_box()["height"]
    assert counted() == ["✓ 0 of 3"]
    explorer.set("mu", 0)
    explorer.set("sigma", 1)
    assert counted() == ["✓ 1 of 3"]
    assert explorer.root.bounding_box()["height"] == height
    explorer.page.set_viewport_size({"width": 1280, "height": 800})
    explorer.rest()
    assert counted() == [], "there the task itself is in sight"
