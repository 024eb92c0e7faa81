// What a reader does to a card: controls, typed numbers, and the pointer on the picture.

import assert from "node:assert/strict";
import { test } from "node:test";

import { State } from "../../vae_lib/explorers/shared/controls.js";
import { formListeners, newSeed, Pointer, swipeListeners, Typing } from "../../vae_lib/explorers/shared/input.js";
import { modelOf } from "../../vae_lib/explorers/shared/mount.js";
import { nearest } from "../../vae_lib/explorers/shared/screen.js";

/** @import { Control, Handle, Slider } from "../../vae_lib/explorers/shared/types.d.ts" */

const bounds = { step: 1, log: false, integer: false, color: null, clears: null };
/** @type {Slider} */
const mu = { ...bounds, name: "mu", label: "μ", opening: 1, min: -3, max: 3, step: 0.01 };
/** @type {Slider} */
const D = { ...bounds, name: "D", label: "D", opening: 784, min: 1, max: 10_000, step: 0.01, log: true, integer: true };
/** @type {Slider} */
const seed = { ...bounds, name: "seed", label: "seed", opening: 1, min: 0, max: 99, integer: true };
/** @type {Control[]} */
const controls = [
  mu, D, seed,
  { name: "guess", label: "guess", opening: "none", options: [["none", "none"], ["a", "A"]] },
  { name: "drawing", label: "draw", opening: [16, 16, 16, 16], pixels: 4 },
];

function parts() {
  /** @type {any} */
  const values = { mu: 0, D: 10, seed: 98, guess: "none", drawing: [0, 0, 0, 16] };
  return { values, state: new State(controls, modelOf(values)) };
}

/** @type {(listeners: import("../../vae_lib/explorers/shared/types.d.ts").Listener[]) => (kind: string, event: any) => void} */
const sender = (listeners) => (kind, event) => {
  for (const [, heard, action] of listeners) if (heard === kind) action({ preventDefault() {}, ...event });
};

function form() {
  const { values, state } = parts();
  const told = { moved: 0, painted: [] };
  const root = /** @type {any} */ ({});
  const send = sender(formListeners(root, state, () => told.moved++, (levels) => (told.painted = /** @type {any} */ (levels))));
  return { values, told, send };
}

test("a slider that is dragged sets its trait, a logarithmic one to the power of ten", () => {
  const { values, told, send } = form();
  send("input", { target: { name: "mu", value: "0.5" } });
  send("input", { target: { name: "D", value: "3" } });
  send("input", { target: { name: "guess", value: "a" } });
  assert.deepEqual([values.mu, values.D, values.guess, told.moved], [0.5, 1000, "a", 3]);
  send("input", { target: { name: "drawing", value: "2" } });
  send("input", { target: { name: "something", value: "2" } });
  assert.equal(told.moved, 5, "each step is answered");
  assert.deepEqual(values.drawing, [0, 0, 0, 16]);
});

test("a double click puts back one control, the button all of them", () => {
  const { values, send } = form();
  send("dblclick", { target: { name: "mu" } });
  assert.deepEqual([values.mu, values.D], [1, 10]);
  send("dblclick", { target: { name: "drawing" } });
  assert.deepEqual(values.drawing, [0, 0, 0, 16], "two taps on pixels are two taps");
  send("click", { target: { dataset: { do: "reset" } } });
  assert.deepEqual(values, { mu: 1, D: 784, seed: 1, guess: "none", drawing: [16, 16, 16, 16] });
});

test("buttons: new samples, and an empty drawing", () => {
  const { values, told, send } = form();
  send("click", { target: { dataset: { do: "seed" } } });
  assert.equal(values.seed, 99);
  send("click", { target: { dataset: { do: "clear" } } });
  assert.deepEqual(told.painted, [0, 0, 0, 0]);
  send("click", { target: {} });
  assert.deepEqual([values.seed, values.mu], [99, 0]);
});

test("after the last seed comes the first", () => {
  const { values, state } = parts();
  newSeed(state, seed);
  newSeed(state, seed);
  assert.equal(values.seed, 0);
});

function typing() {
  const { values, state } = parts();
  const typed = new Typing(state);
  const send = sender(typed.listeners(/** @type {any} */ ({})));
  /** @type {any} */
  const field = { value: "0.00", defaultValue: "0.00", matches: () => true, blur: () => send("change", { target: field }) };
  const target = { name: "mu", previousElementSibling: { firstElementChild: field }, matches: () => false };
  field.parentElement = { nextElementSibling: { getAttribute: () => "mu" } };
  let prevented = 0;
  const preventDefault = () => prevented++;
  const press = (/** @type {string} */ key, more = {}) => send("keydown", { target, key, preventDefault, ...more });
  const shown = () => field.value;
  return { values, typed, send, target, field, press, shown, prevented: () => prevented };
}

test("digits show as they are typed, and Enter sets exactly this value", () => {
  const { values, typed, press, shown, prevented } = typing();
  for (const key of "-1.2345") press(key);
  assert.deepEqual([shown(), values.mu, typed.text], ["-1.2345", 0, "-1.2345"]);
  press("Backspace");
  assert.equal(shown(), "-1.234");
  press("Enter");
  assert.deepEqual([values.mu, typed.text, prevented()], [-1.234, "", 9]);
});

test("what is typed can be taken back, and is by leaving the slider", () => {
  const { values, typed, send, target, press, shown } = typing();
  press("2");
  press("Escape");
  assert.deepEqual([shown(), typed.text, values.mu], ["0.00", "", 0]);
  press("2");
  send("focusout", { target });
  assert.deepEqual([shown(), typed.text, values.mu], ["0.00", "", 0]);
  press("2");
  send("input", { target });
  assert.deepEqual([shown(), typed.text], ["0.00", ""], "an arrow moved it");
  press("Enter");
  assert.equal(values.mu, 0);
});

test("a typed number beyond the bounds changes nothing", () => {
  const { values, typed, press, shown } = typing();
  press("9");
  assert.throws(() => press("Enter"), { name: "RangeError", message: "μ: from −3 to 3" });
  assert.deepEqual([values.mu, typed.text, shown()], [0, "", "0.00"]);
});

test("the field beside a slider takes a value, and Escape leaves it", () => {
  const { values, send, field } = typing();
  const preventDefault = () => {};
  field.value = "1,25";
  send("keydown", { target: field, key: "Enter", preventDefault });
  assert.equal(values.mu, 1.25);
  field.value = "2";
  send("keydown", { target: field, key: "Escape", preventDefault });
  assert.deepEqual([values.mu, field.value], [1.25, "0.00"]);
  field.value = "99";
  assert.throws(() => send("change", { target: field }), { name: "RangeError", message: "μ: from −3 to 3" });
  assert.deepEqual([values.mu, field.value], [1.25, "1.25"]);
});

test("a finger on a slider sets nothing before it is known to drag", () => {
  const send = sender(swipeListeners(/** @type {any} */ ({})));
  /** @type {[string, string, number, number, boolean][]} */
  const fingers = [
    ["touch", "pointermove", 9, 2, true], ["touch", "pointermove", 2, 9, false], ["touch", "pointerup", 0, 0, true],
    ["touch", "pointercancel", 0, 0, false],
  ];
  for (const [pointerType, kind, x, y, wanted] of fingers) {
    let [sent, held] = [0, 0];
    const target = { type: "range", value: "1", dispatchEvent: () => sent++ };
    const input = { target, stopImmediatePropagation: () => held++ };
    send("pointerdown", { pointerType, target, clientX: 0, clientY: 0 });
    target.value = "3"; // the browser has moved its thumb
    send("input", input);
    assert.deepEqual([sent, held], [0, 1], "the first change waits");
    send(kind, { target, clientX: x, clientY: y });
    assert.equal(sent, Number(wanted), `${kind} by ${x}, ${y}`);
    assert.equal(target.value, kind === "pointercancel" ? "1" : "3", "a swipe puts the thumb back");
    send("input", input);
    assert.equal(held, 1 + Number(!wanted && kind === "pointermove"), "what is known holds for the whole touch");
  }
  for (const [pointerType, type] of [["mouse", "range"], ["touch", "checkbox"]]) {
    const target = { type };
    send("pointerdown", { pointerType, target });
    send("input", { target, stopImmediatePropagation: () => assert.fail(`${pointerType} on ${type} waits`) });
  }
});

test("an arrow moves a whole number by one where the slider's step is less", () => {
  const { values, typed, press, prevented, target } = typing();
  target.name = "D";
  values.D = 1;
  for (const [key, wanted] of /** @type {[string, number][]} */ ([
    ["ArrowLeft", 1], ["ArrowRight", 2], ["ArrowUp", 3], ["ArrowDown", 2], ["ArrowLeft", 1],
  ])) {
    press("7");
    press(key);
    assert.deepEqual([values.D, typed.text], [wanted, ""], key);
  }
  const before = prevented();
  values.D = 500; // where a step leads further
  press("ArrowRight");
  assert.deepEqual([values.D, prevented()], [500, before], "the browser moves it");
});

test("keys of the browser and of menus stay theirs", () => {
  const { typed, press, prevented } = typing();
  for (const more of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) press("1", more);
  for (const name of ["guess", "other"]) press("1", { target: { name, matches: () => false } });
  press("ArrowRight");
  assert.deepEqual([typed.text, prevented()], ["", 0]);
});

test("the nearest handle within reach is taken", () => {
  const handles = [[0, 0], [10, 0], [40, 0]].map(([x, y]) => /** @type {Handle} */ ({ x, y, axis: "x", move: () => ({}) }));
  assert.equal(nearest(handles, 4, 0, 18), 0);
  assert.equal(nearest(handles, 6, 0, 18), 1);
  assert.equal(nearest(handles, 40, 17.9, 18), 2);
  assert.equal(nearest(handles, 40, 18, 18), null);
  assert.equal(nearest([], 0, 0, 18), null);
});

function pointer() {
  const { values, state } = parts();
  /** @type {any} */
  const canvas = { style: {}, setPointerCapture: (/** @type {number} */ id) => (canvas.captured = id) };
  const picture = {
    handles: [{ x: 0, y: 0, axis: "x", move: (/** @type {number} */ x) => ({ mu: x / 100 }) }],
    pick: (/** @type {number} */ x) => (x > 500 ? { seed: 7 } : null),
    regions: [["kl", 300, -5, 400, 5]],
  };
  const screen = /** @type {any} */ ({
    canvas, picture,
    place: (/** @type {any} */ { clientX: x, clientY: y, pointerType }) =>
      ({ x, y, handle: nearest(/** @type {any} */ (picture.handles), x, y, pointerType === "mouse" ? 18 : 30) }),
  });
  /** @type {(string | null)[]} */
  const lit = [];
  const listeners = new Pointer(screen, state, (term) => lit.push(term)).listeners();
  assert.ok(listeners.every(([target]) => target === canvas));
  const send = sender(listeners);
  return { values, canvas, picture, screen, lit, send: (/** @type {string} */ kind, /** @type {number} */ x, more = {}) =>
    send(kind, { clientX: x, clientY: 0, pointerType: "mouse", pointerId: 5, ...more }) };
}

test("a handle is dragged until the pointer leaves it", () => {
  const { values, canvas, send } = pointer();
  send("pointermove", 5);
  assert.deepEqual([canvas.style.cursor, values.mu], ["ew-resize", 0]);
  send("pointerdown", 5);
  assert.equal(canvas.captured, 5);
  send("pointermove", 150);
  assert.deepEqual([values.mu, canvas.style.cursor], [1.5, "ew-resize"]);
  send("pointerup", 150);
  send("pointermove", 200);
  assert.deepEqual([values.mu, canvas.style.cursor], [1.5, ""]);
  send("pointerdown", 5);
  send("pointercancel", 5);
  send("pointermove", 250);
  assert.equal(values.mu, 1.5);
});

test("a click picks, unless it ends a drag", () => {
  const { values, canvas, send } = pointer();
  send("pointermove", 600);
  assert.equal(canvas.style.cursor, "pointer");
  send("pointerdown", 400);
  send("click", 400);
  assert.equal(values.seed, 98);
  send("pointerdown", 600);
  send("click", 600);
  assert.equal(values.seed, 7);
  values.seed = 1;
  send("pointerdown", 5);
  send("pointerup", 600);
  send("click", 600);
  assert.equal(values.seed, 1);
});

test("a finger on a handle drags it, elsewhere it scrolls; nothing happens before the first picture", () => {
  const { values, screen, send } = pointer();
  let prevented = 0;
  const preventDefault = () => prevented++;
  send("touchstart", 0, { preventDefault, touches: [{ clientX: 29, clientY: 0 }] });
  send("touchstart", 0, { preventDefault, touches: [{ clientX: 31, clientY: 0 }] });
  assert.equal(prevented, 1);
  screen.picture = undefined;
  send("pointermove", 5);
  send("click", 600);
  assert.equal(values.seed, 98);
});

test("a pointer over a term lets it stand out, but not while a handle is dragged", () => {
  const { lit, send } = pointer();
  send("pointermove", 250);
  send("pointermove", 350);
  send("pointerleave", 350);
  send("pointerdown", 5);
  send("pointermove", 350);
  assert.deepEqual(lit, [null, "kl", null, null]);
});
