// The boxes in which one draws: the brush, the keys, and the pointer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { brushed, Easel, nextBox } from "../../vae_lib/explorers/shared/pixels.js";

const white = () => Array(16).fill(0); // four rows of four

test("the brush is black where it is, grey beside it, and never lightens", () => {
  assert.deepEqual(brushed(white(), [1.5, 1.5], [1.5, 1.5]), [
    1, 8, 1, 0,
    8, 16, 8, 0,
    1, 8, 1, 0,
    0, 0, 0, 0,
  ]);
  assert.deepEqual(brushed(Array(16).fill(16), [1.5, 1.5], [1.5, 1.5]), Array(16).fill(16));
  const stroke = brushed(white(), [0.5, 3.5], [3.5, 3.5]);
  assert.deepEqual(stroke, [0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 16, 16, 16, 16], "all the way, without gaps");
});

test("arrows walk from box to box and stop at the edges", () => {
  const ways = (/** @type {number} */ i) =>
    ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "a"].map((key) => nextBox(i, 4, key));
  assert.deepEqual(ways(5), [4, 6, 1, 9, 4, 7, undefined]);
  assert.deepEqual(ways(0), [null, 1, null, 4, 0, 3, undefined]);
  assert.deepEqual(ways(15), [14, null, 11, null, 12, 15, undefined]);
});

/** An easel of four rows of four boxes of ten pixels, and events for it. */
function easel() {
  /** @type {any} */
  const given = { levels: white(), focused: null, captured: null };
  const boxes = Array.from({ length: 16 }, (_, i) => ({
    checked: false,
    tabIndex: 0,
    style: {
      level: "",
      setProperty(/** @type {string} */ name, /** @type {string} */ value) {
        assert.equal(name, "--level");
        this.level = value;
      },
    },
    focus: () => (given.focused = i),
    getBoundingClientRect: () => ({ left: 100, top: 200, width: 10 }),
  }));
  const grid = /** @type {any} */ ({ children: boxes, setPointerCapture: (/** @type {number} */ id) => (given.captured = id) });
  const tied = new Easel(grid, () => given.levels, (levels) => (given.levels = levels));
  const listeners = Object.fromEntries(tied.listeners().map(([target, kind, action]) => {
    assert.equal(target, grid);
    return [kind, action];
  }));
  let prevented = 0;
  const preventDefault = () => prevented++;
  const send = (/** @type {string} */ kind, /** @type {any} */ event = {}) =>
    listeners[kind]({ button: 0, pointerId: 3, preventDefault, ...event });
  const at = (/** @type {number} */ column, /** @type {number} */ row) =>
    ({ clientX: 100 + 10 * column, clientY: 200 + 10 * row });
  return { given, boxes, tied, send, at, prevented: () => prevented };
}

test("boxes show the image: how black, and black from the middle on", () => {
  const { given, boxes, tied } = easel();
  given.levels = [0, 4, 7, 8, 16, ...Array(11).fill(0)];
  tied.show();
  assert.deepEqual(boxes.slice(0, 5).map(({ style }) => style.level), ["0", "0.25", "0.4375", "0.5", "1"]);
  assert.deepEqual(boxes.slice(0, 5).map(({ checked }) => checked), [false, false, false, true, true]);
});

test("a pointer paints while it is down", () => {
  const { given, send, at } = easel();
  send("pointermove", at(0.5, 0.5));
  assert.deepEqual(given.levels, white());
  send("pointerdown", at(0.5, 0.5));
  assert.deepEqual([given.levels[0], given.levels[1], given.captured], [16, 8, 3]);
  send("pointermove", at(2.5, 0.5));
  assert.deepEqual(given.levels.slice(0, 4), [16, 16, 16, 8]);
  send("pointerup");
  const before = given.levels;
  send("pointermove", at(0.5, 3.5));
  assert.equal(given.levels, before);
  send("pointerdown", { ...at(0.5, 3.5), button: 2 });
  assert.equal(given.levels, before, "another button");
  send("pointerdown", at(99, 3.5));
  assert.equal(given.levels[15], 16, "outside counts as the last box");
});

test("a tap on a black box clears it, and a stroke may begin on one", () => {
  const { given, send, at } = easel();
  given.levels[5] = 16;
  send("pointerdown", at(1.5, 1.5));
  assert.equal(given.levels[5], 16);
  send("pointerup");
  assert.equal(given.levels[5], 0);
  given.levels[5] = 16;
  send("pointerdown", at(1.5, 1.5));
  send("pointermove", at(1.6, 1.6));
  send("pointermove", at(2.5, 1.5));
  send("pointerup");
  assert.deepEqual([given.levels[5], given.levels[6]], [16, 16]);
  given.levels[0] = 16;
  send("pointerdown", at(0.5, 0.5));
  send("pointercancel");
  send("pointerup");
  assert.equal(given.levels[0], 16);
});

test("the keyboard sets boxes and walks, one of them in the order of Tab", () => {
  const { given, boxes, send, prevented } = easel();
  send("input", { target: Object.assign(boxes[6], { checked: true }) });
  assert.equal(given.levels[6], 16);
  send("input", { target: Object.assign(boxes[6], { checked: false }) });
  assert.equal(given.levels[6], 0);
  send("focusin", { target: boxes[2] });
  assert.deepEqual(boxes.slice(0, 4).map(({ tabIndex }) => tabIndex), [-1, -1, 0, -1]);
  send("keydown", { target: boxes[2], key: "ArrowDown" });
  assert.deepEqual([given.focused, prevented()], [6, 1]);
  send("keydown", { target: boxes[2], key: "ArrowUp" });
  assert.deepEqual([given.focused, prevented()], [6, 2], "the page does not scroll at the edge");
  send("keydown", { target: boxes[2], key: " " });
  assert.equal(prevented(), 2);
  send("click", { detail: 1 });
  assert.equal(prevented(), 3, "a click of the pointer, which has painted already");
  send("click", { detail: 0 });
  assert.equal(prevented(), 3, "a click of the space bar");
});
