"""The explorer that trains: its buttons, what moves while it trains, and when it stops."""

from __future__ import annotations

import base64
import json

import pytest
import torch
from cards import WEAR, Card

from vae_lib.explorers import Train
from vae_lib.explorers.shared import base
from vae_lib.models import VAE

# Counts slices instead of milliseconds: each one of the script ends with a message to itself.
COUNT = """(() => {
  window.slices = 0;
  const post = MessagePort.prototype.postMessage;
  MessagePort.prototype.postMessage = function (...message) {
    window.slices++;
    return post.apply(this, message);
  };
})();"""


@pytest.fixture
def train(card):
    """A function that opens the explorer on a page of its own, once its digits are there."""
    return lambda **options: ready(card("train", **options))


def ready(explorer):
    explorer.page.wait_for_function("() => window.digits")
    explorer.rest()
    return explorer


def press(explorer, name):
    explorer.root.locator(f"button[name={name}]").click()
    explorer.rest()


def epoch(explorer):
    return explorer.shown()["epoch"]


def until(explorer, condition, value=None):
    """Wait until a condition holds for the epoch that the card shows, as `epoch`, and a `value`."""
    explorer.page.wait_for_function(
        f"""([root, value]) => {{
          const epoch = Number(root.querySelector("output[name=epoch]").dataset.value);
          return {condition};
        }}""",
        arg=[explorer.root.element_handle(), value],
    )


def reach(explorer, epochs):
    """Train up to an epoch, and pause. The page presses the button: a test may be a thousand epochs late."""
    explorer.root.scroll_into_view_if_needed()
    explorer.root.evaluate(
        """(root, epochs) => new Promise((done) => {
          const button = root.querySelector("button[name=train]");
          const epoch = root.querySelector("output[name=epoch]");
          const pause = () => {
            if (!(Number(epoch.dataset.value) >= epochs)) return;
            watch.disconnect();
            button.click();
            done();
          };
          const watch = new MutationObserver(pause);
          watch.observe(epoch, { attributes: true });
          button.click();
        })""",
        epochs,
    )
    explorer.rest()


def test_it_trains_pauses_and_starts_over(train):
    explorer = train()
    button = explorer.root.locator("button[name=train]")
    assert button.inner_text() == "Train" and epoch(explorer) == 0
    press(explorer, "train")
    assert button.inner_text() == "Pause"
    until(explorer, "epoch >= value", 3)
    press(explorer, "train")
    assert button.inner_text() == "Train"
    shown, picture = explorer.shown(), explorer.picture()
    assert shown["loss"] == pytest.approx(shown["kl"] - shown["reconstruction"], rel=1e-5)
    assert -40 < shown["elbo"] < -24
    explorer.page.wait_for_timeout(300)
    explorer.rest()
    assert explorer.shown() == shown and explorer.picture() == picture, "it rests while it is paused"
    press(explorer, "reset")
    assert explorer.shown() == dict.fromkeys(shown) | {"epoch": 0}


def test_the_same_seed_trains_the_same_run(train):
    explorer, runs = train(), []
    for seed in (0, 1, 0):
        explorer.set("seed", seed)
        press(explorer, "reset")
        for _ in range(23):  # batches of an epoch
            press(explorer, "step")
        runs.append(explorer.shown())
        assert epoch(explorer) == 1
    assert runs[0] == runs[2] != runs[1]


def test_a_step_shows_both_parts_of_the_gradient(train):
    explorer = train()
    told = explorer.root.locator(".told")
    press(explorer, "step")
    first = told.inner_text()
    assert first.startswith("Gradient of reconstruction ") and ", of KL " in first
    press(explorer, "step")
    assert told.inner_text() != first


def test_controls_move_while_it_trains(train):
    """A larger β reaches the run that trains, another width a new one that goes on by itself."""
    explorer = train()
    press(explorer, "train")
    until(explorer, "epoch >= value", 2)
    explorer.set("beta", 100)
    at = epoch(explorer)
    assert at >= 2
    until(explorer, "epoch >= value", at + 8)
    assert explorer.shown()["kl"] < 0.1, "the plane collapses"
    at = epoch(explorer)
    explorer.set("hidden", 32)
    assert epoch(explorer) < at
    until(explorer, "epoch >= value", 1)
    press(explorer, "train")


def test_a_kept_run_stands_beside_the_next(train):
    explorer = train()
    reach(explorer, 2)
    kept = explorer.texts()
    press(explorer, "keep")
    explorer.set("reduction", "pixel_mean")
    press(explorer, "reset")
    reach(explorer, 2)
    beside = explorer.root.locator(".numbers .kept").all_inner_texts()
    assert beside == [f"kept {kept[name]}" for name in ("epoch", "loss", "reconstruction", "kl", "elbo")]
    assert "The kept run: loss" in explorer.words()
    explorer.reset()
    assert explorer.root.locator(".numbers .kept").count() == 0 and epoch(explorer) == 0


@pytest.mark.parametrize("width", [320, 375, 520, 640, 1280])
def test_numbers_of_two_runs_have_room(width, card):
    """Also those of a run that diverges, in the widest face; labels are a space apart."""
    explorer = ready(card("train", width=width))
    explorer.page.evaluate(WEAR, "wide")
    explorer.set("beta", 100)
    reach(explorer, 10)
    press(explorer, "keep")
    assert explorer.texts()["kl"] == "0.00"
    boxes = explorer.root.evaluate("""root => {
      const parts = [...root.querySelectorAll(".own :is(label, output, .kept)")];
      for (const part of parts.filter((one) => !one.matches("label") && one.textContent.includes("."))) {
        part.lastChild.textContent = part.matches(".kept") ? "−9.9·10²¹" : "−9999.99"; // the longest
      }
      return parts.map(part => {
        const range = document.createRange();
        range.selectNodeContents(part);
        const { left, top, right, bottom } = range.getBoundingClientRect();
        return [part.textContent, left, top, right, bottom];
      });
    }""")
    edge = explorer.root.bounding_box()
    for i, (words, left, top, right, bottom) in enumerate(boxes):
        assert edge["x"] < left and right < edge["x"] + edge["width"], words
        for other, l2, t2, r2, b2 in boxes[:i]:
            apart = right + 4 <= l2 or r2 + 4 <= left or bottom <= t2 + 2 or b2 <= top + 2
            assert apart, (words, other)


def test_tasks_tick_themselves_while_it_trains(train):
    explorer = train()
    done = explorer.root.locator(".tasks li.done")
    explorer.root.get_by_role("button", name="Start here").click()
    explorer.rest()
    assert explorer.state()["reduction"] == "pixel_mean" and done.count() == 0
    reach(explorer, 10)
    assert done.count() == 1 and "collapse" in done.inner_text()
    explorer.set("reduction", "sum")
    explorer.set("beta", 64)
    assert done.count() == 2


def test_it_stops_where_nobody_sees_it_and_goes_on(train):
    explorer = train()
    page = explorer.page
    page.evaluate(COUNT)
    page.evaluate("document.body.style.height = '5000px'")
    press(explorer, "train")
    page.wait_for_function("() => slices > 5")
    page.evaluate("scrollTo(0, 4000)")
    page.wait_for_function("""async () => {
      const before = slices;
      await new Promise((resolve) => setTimeout(resolve, 250));
      return slices === before;
    }""")
    stopped = page.evaluate("slices")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("stopped => slices > stopped + 3", arg=stopped)
    press(explorer, "train")


def test_it_stops_in_a_hidden_tab_and_goes_on(train):
    explorer = train()
    page = explorer.page
    page.evaluate(COUNT)
    press(explorer, "train")
    page.wait_for_function("() => slices > 5")
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
      document.dispatchEvent(new Event("visibilitychange"));
      return slices;
    }"""
    at_most = page.evaluate(hide, True) + 1  # what was on its way is heard and refused
    page.wait_for_timeout(300)
    stopped = page.evaluate("slices")
    assert stopped <= at_most
    assert explorer.root.locator("button[name=train]").inner_text() == "Pause"
    page.evaluate(hide, False)
    page.wait_for_function("stopped => slices > stopped + 3", arg=stopped)
    press(explorer, "train")


FOLDED = ("num_samples", "hidden", "step_size", "seed")


def test_controls_that_are_used_less_are_folded(train):
    """By a click they show; the others never hide; what is set there counts while it is folded."""
    explorer = train()
    more = explorer.root.locator("details.more")
    shown = lambda: {name for name in Train.parameters() if explorer.input(name).is_visible()}  # noqa: E731
    assert set(Train.parameters()) - shown() == set(FOLDED)
    more.locator("summary").click()
    assert shown() == set(Train.parameters())
    explorer.set("seed", 5)
    more.locator("summary").click()
    explorer.reset()
    assert explorer.state()["seed"] == 0 and set(Train.parameters()) - shown() == set(FOLDED)


def test_a_folded_control_does_a_task(train):
    explorer = train()
    explorer.set("step_size", 0.01)
    assert not explorer.input("step_size").is_visible()
    press(explorer, "train")
    until(explorer, "root.querySelectorAll('.tasks li')[2].matches('.done')")
    press(explorer, "train")


@pytest.mark.parametrize(
    ("query", "opened"), [("seed=3", True), ("hidden=32&beta=4", True), ("beta=4", False), ("seed=0", False)]
)
def test_an_address_unfolds_the_controls_that_it_sets(query, opened, alone, tab):
    page = tab(f"{alone}train.html#train?{query}")
    explorer = ready(Card(page, "train"))
    more = explorer.root.locator("details.more")
    assert more.evaluate("fold => fold.open") is opened
    if opened:
        more.locator("summary").click()
        explorer.set("beta", 2)
        assert not more.evaluate("fold => fold.open"), "the reader's own fold stays"


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_buttons_and_numbers_stay_in_sight_while_the_card_does(width, html, tab):
    page = tab((html / "book" / "08_training.html").as_uri(), width=width)
    explorer = ready(Card(page, "train"))
    header = page.locator(".bd-header-article").bounding_box()["height"]
    told = explorer.root.evaluate("""root => ['.picture', '.said', '.controls'].map(
      part => root.querySelector(part).getBoundingClientRect().top)""")
    assert told == sorted(told), "what a run came to is said below its picture, not below all controls"
    for part in (".picture", ".controls", ".diff"):
        explorer.root.locator(part).evaluate("part => part.scrollIntoView({ block: 'start' })")
        bar = explorer.root.locator(".own").bounding_box()
        assert abs(bar["y"] - header) < 10, part
        assert bar["height"] < 190
        for name in ("train", "step", "reset", "keep"):
            button = explorer.root.locator(f"button[name={name}]")
            assert button.evaluate("""button => {
              const { left, top, width, height } = button.getBoundingClientRect();
              return document.elementFromPoint(left + width / 2, top + height / 2) === button;
            }"""), (part, name)


def test_the_bar_does_not_grow_when_a_step_or_a_failure_is_told(card):
    for width in (320, 375, 568, 1280):
        explorer = ready(card("train", width=width))
        bar = explorer.root.locator(".own")
        height = bar.bounding_box()["height"]
        press(explorer, "step")
        assert "Gradient" in explorer.root.locator(".told").inner_text()
        assert bar.bounding_box()["height"] == pytest.approx(height, abs=0.5), width


def test_a_loss_that_runs_away_ends_with_words(train):
    explorer = train()
    explorer.set("step_size", 10)
    press(explorer, "train")
    explorer.root.get_by_text("Not finite in epoch").wait_for()
    explorer.rest()
    assert explorer.root.locator("button[name=train]").inner_text() == "Train"
    assert "not a finite number any more" in explorer.words()


def test_drawing_changes_its_reconstruction(train):
    explorer = train()
    reach(explorer, 1)
    before = explorer.picture()
    explorer.root.get_by_role("button", name="Clear").click()
    explorer.rest()
    assert explorer.picture() != before and epoch(explorer) >= 1, "the run stays"


def test_it_can_be_used_by_keyboard_alone(train):
    explorer = train()
    explorer.root.locator("button[name=train]").focus()
    explorer.page.keyboard.press("Enter")
    until(explorer, "epoch >= value", 1)
    explorer.page.keyboard.press("Space")
    assert explorer.root.locator("button[name=train]").inner_text() == "Train"
    for name in ("step", "reset", "keep"):
        explorer.page.keyboard.press("Tab")
        assert explorer.page.evaluate("document.activeElement.name") == name


def test_the_pages_that_have_it_load_its_script_and_digits(html):
    for page in html.glob("book/*.html"):
        text = page.read_text(encoding="utf-8")
        here = 'data-explorer="train"' in text
        assert ("train.js?v=" in text, "digits.js?v=" in text) == (here, here), page.name


def test_it_trains_on_a_page_that_was_opened_from_a_folder(html, tab):
    problems = []
    page = tab((html / "book" / "08_training.html").as_uri(), problems=problems)
    explorer = ready(Card(page, "train"))
    explorer.root.scroll_into_view_if_needed()
    reach(explorer, 2)
    assert problems == []


@pytest.fixture
def flight(tab):
    """A function that opens an address without a network; the next test has one again."""
    pages = []

    def open_page(address, **options):
        pages.append(tab(**options))
        pages[0].context.set_offline(True)
        pages[0].goto(address)
        return pages[0]

    yield open_page
    pages[0].context.set_offline(False)


@pytest.mark.parametrize(("width", "mode"), [(375, "dark"), (1280, "light")])
def test_a_reader_finds_out_that_the_mean_is_a_larger_beta(width, mode, html, flight):
    """In flight mode, with the words of the page alone: its buttons, by their names."""
    problems = []
    address = (html / "book" / "08_training.html").as_uri()
    page = flight(address, width=width, mode=mode, problems=problems)
    explorer = ready(Card(page, "train"))
    button = lambda name: explorer.root.get_by_role("button", name=name, exact=True)  # noqa: E731
    done = explorer.root.locator(".tasks li.done")

    def ten_epochs():
        button("Train").click()
        until(explorer, "epoch >= 10")
        button("Pause").click()
        explorer.rest()
        return explorer.shown()

    right = ten_epochs()
    assert right["kl"] > 0.5
    button("Keep").click()
    page.get_by_role("button", name="the mean over the pixels").click()
    button("Start over").click()
    mean = ten_epochs()
    assert mean["kl"] < 0.1 and mean["loss"] < 1 and mean["elbo"] < right["elbo"] - 1
    assert "the posterior has collapsed" in explorer.words() and "The kept run: loss" in explorer.words()
    page.get_by_role("button", name="β = 64").click()
    button("Start over").click()
    larger = ten_epochs()
    assert larger["kl"] < 0.1 and larger["loss"] > 20
    assert done.count() == 2
    assert problems == []


def test_it_trains_under_the_policy_of_the_site(served, tab):
    problems = []
    page = tab(f"{served}book/08_training.html", problems=problems)
    explorer = ready(Card(page, "train"))
    explorer.root.scroll_into_view_if_needed()
    reach(explorer, 2)
    assert problems == []


# A widget as a notebook shows it, with a model in place of the kernel's, which writes down what is set.
WIDGET = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><style>{style}</style>
<body{attributes}><script type="module">
{script}
const {{ state, weights, images }} = {state};
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
Object.assign(images, {{ train: bytes(images.train), test: bytes(images.test) }});
Object.assign(state, {{ _images: images, _weights: bytes(weights), _data: {{}} }});
window.sent = [];
const heard = {{}};
const model = {{
  get: (name) => state[name],
  set(name, value) {{
    state[name] = value;
    sent.push(name);
    for (const callback of heard["change:" + name] ?? []) callback();
  }},
  save_changes() {{}},
  on: (event, callback) => (heard[event] ??= []).push(callback),
  off() {{}},
}};
window.result = () => [state._trained, btoa(String.fromCharCode(...new Uint8Array(state._weights.buffer)))];
const el = document.createElement("div");
if (!{late}) document.body.append(el);
widget.render({{ model, el }});
window.appear = () => document.body.append(el);
</script>"""


@pytest.fixture
def in_a_notebook(tab, tmp_path):
    """A function that shows a widget; the page's `sent` has the names of the traits that it set."""

    def show(explorer, attributes="", late=False):
        text = lambda data: base64.b64encode(data).decode()  # noqa: E731
        images = explorer._images | {part: text(explorer._images[part]) for part in ("train", "test")}
        state = {"state": explorer.state() | {"_spec": explorer._spec}, "images": images}
        state["weights"] = text(explorer._weights)
        script = base.notebook_script("train").replace("export default {", "const widget = {")
        names = {"attributes": attributes, "late": json.dumps(bool(late)), "style": base.STYLE}
        page = WIDGET.format(script=script, state=json.dumps(state), **names)
        (tmp_path / "widget.html").write_text(page, encoding="utf-8")
        card = Card.__new__(Card)
        card.page, card.name, card.cls = tab((tmp_path / "widget.html").as_uri()), "train", Train
        card.root = card.page.locator('[data-explorer="train"]')
        if late:
            card.page.wait_for_timeout(200)
            card.page.evaluate("([name, value]) => document.body.setAttribute(name, value)", list(late))
            card.page.evaluate("appear()")
            canvas = "document.querySelector('canvas')"
            card.page.wait_for_function(f"() => {canvas}.width === {canvas}.clientWidth")
        card.root.wait_for()
        card.data = None  # they are in the kernel
        card.rest()
        return card

    return show


def received(card, explorer):
    """The kernel's explorer after the page has sent what it trained."""
    explorer._trained, weights = card.page.evaluate("result()")
    explorer._weights = base64.b64decode(weights)
    return explorer


def test_a_notebook_gets_model_and_history_at_a_pause(in_a_notebook):
    given = VAE(64, 2, hidden=(16,), seed=7)
    explorer = Train(model=given)
    card = in_a_notebook(explorer)
    assert card.words().startswith("The model that was put in")
    reach(card, 2)
    sent = card.page.evaluate("sent")
    assert sent.count("_weights") == sent.count("_trained") == 1, "at the pause, and not while it trains"
    back = received(card, explorer)
    epochs = back.history["epoch"]
    assert epochs == list(range(1, len(epochs) + 1)) and len(epochs) >= 2
    assert back.numbers()["loss"] == card.shown()["loss"] == back.history["loss"][-1]
    moved, other = (distance(back.model, model) for model in (given, VAE(64, 2, hidden=(16,), seed=0)))
    assert 0 < moved < other, "it went on from there"


def distance(one, other):
    """The sum of the squares of the differences of all weights."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return sum(((a - b) ** 2).sum().item() for a, b in pairs)


def test_a_notebook_trains_on_the_images_of_its_learner(in_a_notebook):
    x = torch.rand(60, 16, generator=torch.Generator().manual_seed(0))
    explorer = Train(data=x, hidden=8)
    card = in_a_notebook(explorer)
    press(card, "step")
    assert epoch(card) == 1, "48 images are one batch"
    back = received(card, explorer)
    assert back.model.input_dim == 16 and back.history["epoch"] == [1]
    assert 16 * 0.6 < back.history["loss"][0] < 16 * 0.9, "about 16 ln 2"


DARK = ("data-jp-theme-light", "false")


def test_a_card_that_appears_late_has_the_colours_of_where_it_is(in_a_notebook):
    """JupyterLab renders a widget before its cell is on the page."""
    explorer = Train()
    light = in_a_notebook(explorer).picture()
    dark = in_a_notebook(explorer, ' {}="{}"'.format(*DARK)).picture()
    assert dark != light
    assert in_a_notebook(explorer, late=DARK).picture() == dark
    assert in_a_notebook(explorer, ' {}="{}"'.format(*DARK), late=DARK).picture() == dark
