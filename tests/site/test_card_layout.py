"""A card keeps its size while it is used, in every face that a reader may have; its picture can be held."""

import json
from types import SimpleNamespace

import pytest
from cards import FACES, WEAR

from vae_lib.explorers import EXPLORERS

each_explorer = pytest.mark.parametrize("name", EXPLORERS)
both_widths = pytest.mark.parametrize("width", [1280, 375])

# Goes through states as fast as they are drawn and notes what is said in each: the texts of TEXTS.
TEXTS = ".control .value > span, output, .words, .diff code"
RECORD = """async ([root, states, texts]) => {
  const controls = [...root.querySelectorAll("select, input[type=range]")], found = [];
  let seed = 1;
  const somewhere = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const ends = [() => 0, () => 0.999999];
  for (let i = 0; i < states; i++) {
    const place = ends[i] ?? somewhere;
    for (const control of controls) {
      if (control.name === "seed" && i > 1) continue; // its draws take long, and no text is longer for them
      control.value = control.options ? control.options[Math.floor(place() * control.options.length)].value
        : Number(control.min) + place() * (control.max - control.min);
      control.dispatchEvent(new Event("input", { bubbles: true }));
    }
    do await new Promise(requestAnimationFrame); while (root.hasAttribute("data-busy"));
    root.querySelector(".words").textContent = root.querySelector("[role=img]").getAttribute("aria-label");
    found.push([...root.querySelectorAll(texts)].map((element) => element.textContent));
  }
  return JSON.stringify(found);
}"""
# Puts the texts of each state in their places. There is no frame in which the card could write its own.
REPLAY = """([root, states, texts]) => JSON.parse(states).map((state) => {
  [...root.querySelectorAll(texts)].forEach((element, i) => (element.textContent = state[i]));
  return root.getBoundingClientRect().height;
})"""


@pytest.fixture(scope="module")
def recorded():
    """Explorer → what it says in thirty states. It does not hang on the face or the width."""
    return {}


@each_explorer
@both_widths
def test_nothing_moves_while_it_is_used(name, width, card, recorded):
    """Words and numbers of all lengths fit into the room that the card has from the beginning."""
    explorer, heights = card(name, width=width), {}
    root = explorer.root.element_handle()
    if name not in recorded:
        recorded[name] = explorer.page.evaluate(RECORD, [root, 30, TEXTS])
        explorer.reset()
    for face in FACES:
        explorer.page.evaluate(WEAR, face)
        explorer.rest()
        at_first = explorer.root.bounding_box()["height"]
        found = explorer.page.evaluate(REPLAY, [root, recorded[name], TEXTS])
        heights[face] = sorted({height for height in found if abs(height - at_first) > 0.5})
    assert heights == {face: [] for face in FACES}, "other heights than that of the beginning"


@pytest.mark.parametrize("name", [name for name in EXPLORERS if name != "train"])  # which has buttons instead
@both_widths
def test_a_drag_on_the_picture_moves_a_trait(name, width, card):
    """Each handle lies in the picture and can be taken hold of."""
    explorer = card(name, width=width)
    canvas, mouse = explorer.root.locator("canvas"), explorer.page.mouse

    def begin():
        explorer.reset()
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
        for step in (14, -14, 5000, -5000):  # the far ones lead out of bounds, which check() refuses
            across, down = (step, 0) if handle["axis"] == "x" else (0, step)
            mouse.move(x + across, y + down)
            explorer.rest()
            found = explorer.read()
            found.check()
            seen.append(found.state())
        mouse.up()
        assert any(state != before for state in seen), f"handle {i}"


# Words in pictures

# Of cards on telephones and tablets, at 200 % zoom, beside text (568) and beside controls.
WIDTHS = (288, 343, 528, 568, 608, 664, 680, 900)
# Goes to three states in both modes and notes the box of each word in the picture: words, left, top, right,
# bottom, how wide a space is, its contrast with the paper (1: the same colour, 21: black on white), and how
# much contrast the pixel that it changed most has with what was there before, when all is drawn: little if
# the word has the colour of its ground, or if something was drawn over it.
PLACES = """async (root) => {
  const canvas = root.querySelector("canvas"), ctx = canvas.getContext("2d");
  const controls = [...root.querySelectorAll("select, input[type=range]")], found = {};
  const frame = () => new Promise(requestAnimationFrame);
  const rest = async () => { await frame(); do await frame(); while (root.hasAttribute("data-busy")); };
  const fill = ctx.fillText;
  const channels = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const light = (channels) => channels.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
  const contrast = (...colours) => {
    const [low, high] = colours.map(light).sort((a, b) => a - b);
    return high / low;
  };
  const paper = () => getComputedStyle(root).getPropertyValue("--paper").trim();
  const pixels = ([left, top, right, bottom]) => { // of a box, over the paper
    const dense = canvas.width / canvas.clientWidth, below = channels(paper());
    const { data } = ctx.getImageData(Math.floor(left * dense), Math.floor(top * dense),
      Math.max(1, Math.ceil((right - left) * dense)), Math.max(1, Math.ceil((bottom - top) * dense)));
    return Array.from({ length: data.length / 4 }, (_, i) => below.map((v, j) =>
      v + (data[4 * i + j] - v) * data[4 * i + 3] / 255));
  };
  let boxes;
  ctx.fillText = function (words, x, y) {
    const [shown, size] = [words.trim(), parseFloat(this.font) * 0.72];
    const [width, space] = [shown, " "].map((text) => this.measureText(text).width);
    const left = x - { left: 0, center: width / 2, right: width }[this.textAlign];
    const box = [left, y - size / 2, left + width, y + size / 2];
    const before = /[\\p{L}\\p{N}]/u.test(shown) && pixels(box);
    fill.call(this, words, x, y);
    if (this.globalAlpha <= 0.5) return;
    let most = 0, at = 0;
    for (const [i, now] of before ? pixels(box).entries() : []) {
      const change = before[i].reduce((sum, v, j) => sum + Math.abs(v - now[j]), 0);
      if (change > most) [most, at] = [change, i];
    }
    const seen = () => before ? contrast(before[at], pixels(box)[at]) : 21;
    boxes.push([shown, ...box, space, contrast(channels(this.fillStyle), channels(paper())), seen]);
  };
  const clear = ctx.clearRect;
  ctx.clearRect = function (...box) {
    boxes = []; // a frame begins
    clear.apply(this, box);
  };
  const states = [["opening", null], ["minimum", 0], ["maximum", 1]];
  for (const [name, place, mode] of states.flatMap((state) => [[...state, "light"], [...state, "dark"]])) {
    for (const control of place === null ? [] : controls) {
      control.value = control.options ? control.options[place * (control.options.length - 1)].value
        : place ? control.max : control.min;
      control.dispatchEvent(new Event("input", { bubbles: true }));
    }
    boxes = [];
    document.documentElement.dataset.theme = mode; // draws everything anew
    await rest();
    found[`${name}, ${mode}`] = boxes.map((box) => box.map((value) => value.call?.() ?? value));
    for (const { x, y, axis } of canvas.handles) { // with its arrows, of which none hides a word
      const [wide, tall] = ["x", "y"].map((way) => axis.includes(way) ? 15 : 7);
      found[`${name}, ${mode}`].push([`handle ${axis}`, x - wide, y - tall, x + wide, y + tall, 0, 21, 21]);
    }
    const pad = root.querySelector(".pixels"), { x, y } = canvas.getBoundingClientRect();
    if (pad?.checkVisibility()) {
      const { left, top, right, bottom } = pad.getBoundingClientRect();
      const box = [left - x, top - y, right - x, bottom - y];
      found[`${name}, ${mode}`].push(["the drawing pad", ...box, 0, 21, 21]);
    }
  }
  delete ctx.fillText, delete ctx.clearRect;
  return JSON.stringify([canvas.clientWidth, canvas.clientHeight, found]); // as a text it is here sooner
}"""


def collisions(width, height, boxes):
    """Words that overlap or, on one line, run together, and words that the picture cuts.

    The same words at the same place count once.
    """
    boxes = list(
        {(words, round(left), round(top)): box for box in boxes for words, left, top, *_ in [box]}.values()
    )
    found = [
        box[0] for box in boxes if box[1] < -1 or box[2] < -1 or box[3] > width + 1 or box[4] > height + 1
    ]
    for i, (words, left, top, right, bottom, space, *_) in enumerate(boxes):
        for other, l2, t2, r2, b2, *_ in boxes[:i]:
            if words.startswith("handle") and other.startswith("handle"):
                continue  # where q is narrow, its peak and its flank are near each other
            shared = min(bottom, b2) - max(top, t2)
            beside = shared > min(bottom - top, b2 - t2) / 2  # as a reader sees it, on one line
            apart = 0.99 * space if beside else -1
            if min(right, r2) - max(left, l2) > -apart and shared > 1:
                found.append((other, words))
    return found


# How high the part of the picture below all that is drawn is.
EMPTY = """(root) => {
  const canvas = root.querySelector("canvas"), { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return (1 - (data.findLastIndex((v, i) => i % 4 === 3 && v) + 1) / data.length) * canvas.clientHeight;
}"""

# What lies outside of the card, or, of numbers, of their row. Its folds are opened for it.
OUTSIDE = """(root) => {
  const closed = [...root.querySelectorAll("details:not([open])")];
  closed.forEach((one) => (one.open = true));
  const parts = [...root.querySelectorAll("*")].filter((part) => !part.closest("svg"));
  const outside = parts.filter((part) => part.checkVisibility()).filter((part) => {
    const room = part.matches("output") ? part.parentElement : root;
    const [box, { left, right }] = [room, part].map((element) => element.getBoundingClientRect());
    return left < box.left - 1 || right > box.right + 1;
  }).map((part) => part.outerHTML.slice(0, 80));
  closed.forEach((one) => (one.open = false));
  return outside;
}"""


# The words beside numbers that take more than two lines.
TALL = """(root) => [...root.querySelectorAll(".numbers label")].filter((label) =>
  label.getBoundingClientRect().height > 2.5 * parseFloat(getComputedStyle(label).lineHeight))
  .map((label) => label.textContent)"""


# How much wider than its room the widest option of each menu is. An arrow takes part of a menu's room.
NARROWED = """(root) => [...root.querySelectorAll("select")].map((menu) => {
  const style = getComputedStyle(menu), ctx = document.createElement("canvas").getContext("2d");
  ctx.font = style.font;
  const room = menu.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 16;
  return Math.max(0, ...[...menu.options].map((option) => ctx.measureText(option.text).width - room));
})"""


@pytest.fixture(scope="module")
def seen():
    return {}


@pytest.fixture(params=WIDTHS)
def layout(name, request, card, seen):
    """How an explorer is laid out at a width, from one visit that the tests share."""
    if name not in seen:
        explorer = card(name, width=WIDTHS[-1])
        seen[name] = {width: laid_out(explorer, width) for width in WIDTHS[::-1]}
    return seen[name][request.param]


# In the fonts of the book, until the picture is drawn in the size that it has now.
RESIZED = """async (root) => {
  delete document.documentElement.dataset.face;
  document.documentElement.dataset.theme = "light";
  const canvas = root.querySelector("canvas");
  do await new Promise(requestAnimationFrame);
  while (canvas.width !== Math.round(canvas.clientWidth * devicePixelRatio));
}"""


def laid_out(explorer, width):
    """As it opens at a width, and in three states."""
    explorer.page.set_viewport_size({"width": width, "height": 800})
    explorer.root.evaluate(RESIZED)
    explorer.reset()
    return SimpleNamespace(
        empty=explorer.root.evaluate(EMPTY),
        too_wide=explorer.page.evaluate("document.documentElement.scrollWidth") - width,
        outside=explorer.root.evaluate(OUTSIDE),
        tall=explorer.root.evaluate(TALL),
        words=json.loads(explorer.root.evaluate(PLACES)),
        menus={face: menus_in(explorer, face) for face in FACES if explorer.root.locator("select").count()},
    )


def menus_in(explorer, face):
    explorer.page.evaluate(WEAR, face)
    return explorer.root.evaluate(NARROWED)


@each_explorer
def test_words_in_the_picture_neither_collide_nor_are_cut(name, layout):
    across, down, states = layout.words
    assert all(states.values())
    found = {state: collisions(across, down, boxes) for state, boxes in states.items()}
    assert {state: faults for state, faults in found.items() if faults} == {}
    pale = {state: {box[0] for box in boxes if box[6] < 4.5 or box[7] < 3} for state, boxes in states.items()}
    assert {state: words for state, words in pale.items() if words} == {}


@each_explorer
def test_a_picture_ends_with_no_empty_room(name, layout):
    assert 0 <= layout.empty < 65


@each_explorer
def test_nothing_of_a_card_is_outside_of_it(name, layout):
    """No line is wider than the card, and no number than its row; its words take at most two lines."""
    assert layout.too_wide <= 0
    assert layout.outside == []
    assert layout.tall == []


@pytest.mark.parametrize("name", ["implied_beta", "which_bug", "train"])
def test_menus_show_their_words(name, layout):
    """Beside text the labels stand in front of their menus, which leaves these less room."""
    assert {face: set(menus) for face, menus in layout.menus.items()} == {face: {0} for face in FACES}


@pytest.mark.parametrize("width", WIDTHS)
def test_one_draws_on_the_image_in_the_picture(width, card):
    """The boxes of latent lie on the tile of x, and nothing lies on their button."""
    explorer = card("latent", width=width)
    canvas, grid = (explorer.root.locator(part).bounding_box() for part in ("canvas", ".pixels > div"))
    assert explorer.root.evaluate("root => root.querySelector('canvas').tile") == pytest.approx(
        [grid["x"] - canvas["x"], grid["y"] - canvas["y"], grid["width"]], abs=1.5
    )
    assert grid["width"] == pytest.approx(grid["height"], abs=0.5) and grid["width"] > 90
    explorer.root.get_by_role("button", name="Clear").click()
    explorer.rest()
    assert set(explorer.state()["drawing"]) == {0}
