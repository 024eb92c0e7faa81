// Sliders: their positions, the values that these mean, what is typed, and what reaches the model.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  added, controlHTML, fromSlider, idle, isMenu, isPixels, isSlider, shown, snapped, State, toSlider, typedText, typedValue,
} from "../../vae_lib/explorers/shared/controls.js";
import { modelOf } from "../../vae_lib/explorers/shared/mount.js";

/** @import { Control, Menu, Pixels, Slider } from "../../vae_lib/explorers/shared/types.d.ts" */

/** @type {(changes?: Partial<Slider>) => Slider} */
const slider = (changes) => ({
  name: "mu", label: "μ", opening: 1, min: -3, max: 3, step: 0.01, log: false, integer: false, color: null, clears: null,
  ...changes,
});
const logarithmic = slider({ name: "D", min: 0.01, max: 10_000, log: true });
const whole = slider({ name: "L", min: 1, max: 20, step: 1, integer: true });
const draws = slider({ name: "n", min: 1, max: 100_000, log: true, integer: true });
/** @type {Menu} */
const menu = { name: "guess", label: "your guess", opening: "b", options: [["none", "none yet"], ["a", "A"], ["b", "B & C"]] };
/** @type {Pixels} */
const pixels = { name: "drawing", label: "draw here", opening: [0, 16, 0, 16], pixels: 4 };
const explorer = /** @type {any} */ ({});

test("a value lies on the grid of its slider", () => {
  assert.equal(snapped(slider(), 0.123456), 0.12);
  assert.equal(snapped(slider(), 0.126), 0.13);
  assert.equal(snapped(slider(), -0.126), -0.13);
  assert.equal(snapped(slider({ step: 0.05 }), 0.12), 0.1);
  assert.equal(snapped(slider(), 0.1 + 0.2), 0.3, "without the dust of binary fractions");
  assert.equal(snapped(whole, 3.5), 4);
  assert.equal(snapped(whole, 3.49), 3);
  assert.equal(snapped(draws, 1234.4), 1234, "all digits of a whole number");
  assert.equal(snapped(logarithmic, 1234.4), 1230, "three digits on a logarithmic slider");
  assert.equal(snapped(logarithmic, 0.012345), 0.0123);
});

test("a value lies between the bounds of its slider, both allowed", () => {
  for (const control of [slider(), logarithmic, whole, draws]) {
    assert.equal(snapped(control, control.min - 0.6), control.min, "lower bound");
    assert.equal(snapped(control, control.max * 2), control.max, "upper bound");
    assert.equal(snapped(control, control.min), control.min);
    assert.equal(snapped(control, control.max), control.max);
  }
});

test("the position of a logarithmic slider is the power of ten", () => {
  assert.equal(toSlider(slider(), 2), 2);
  assert.equal(fromSlider(slider(), 2), 2);
  assert.equal(toSlider(logarithmic, 1000), 3);
  assert.equal(fromSlider(logarithmic, -2), 0.01);
  for (const value of [0.01, 3, 784]) {
    assert.ok(Math.abs(fromSlider(logarithmic, toSlider(logarithmic, value)) / value - 1) < 1e-12);
  }
});

test("a value is shown with the decimals of its step, or with those that it needs", () => {
  assert.equal(shown(slider(), 1), "1.00");
  assert.equal(shown(slider(), -0.5), "−0.50");
  assert.equal(shown(slider({ step: 0.1 }), 1), "1.0");
  assert.equal(shown(slider({ step: 1 }), 2), "2");
  assert.equal(shown(slider(), 0.123456789), "0.1234568");
  assert.equal(shown(slider(), 1 + 1e-8), "1");
  assert.equal(shown(whole, 7), "7");
  assert.equal(shown(draws, 100_000), "100000");
  assert.equal(shown(logarithmic, 0.01), "0.01");
  assert.equal(shown(logarithmic, 784), "784");
});

test("keys make the text of a number, and others belong to the browser", () => {
  assert.equal(typedText("", "-"), "-");
  assert.equal(typedText("-1", "."), "-1.");
  assert.equal(typedText("1.", "5"), "1.5");
  assert.equal(typedText("1", ","), "1,");
  assert.equal(typedText("1.5", "Backspace"), "1.");
  assert.equal(typedText("", "Backspace"), "");
  assert.equal(typedText("1.5", "Escape"), "");
  assert.equal(typedText("1.5", "Enter"), "");
  assert.equal(typedText("", "Enter"), null, "nothing was typed");
  for (const key of ["ArrowRight", "Home", "Tab", "a", "e", "+", " "]) assert.equal(typedText("1", key), null, key);
});

test("a typed number keeps its digits, and is refused beyond the bounds", () => {
  assert.equal(typedValue(slider(), "0.12345"), 0.12345);
  assert.equal(typedValue(slider(), "-3"), -3);
  assert.equal(typedValue(slider(), "−0,5"), -0.5, "a typographic minus, a comma");
  assert.equal(typedValue(slider(), "3"), 3);
  assert.equal(typedValue(whole, "2.6"), 3);
  for (const text of ["-3.01", "3.01", "-", "1.2.3", "1-2", "1,2,3", "", " "]) {
    assert.throws(() => typedValue(slider(), text), { name: "RangeError", message: "μ: from −3 to 3" }, text);
  }
});

test("a control is a slider, a menu or pixels", () => {
  const kinds = [isSlider, isMenu, isPixels];
  [slider({ min: 0 }), menu, pixels].forEach((control, i) =>
    assert.deepEqual(kinds.map((is) => is(control)), kinds.map((_, k) => k === i)));
});

test("an explorer adds words to the value of a slider, such as that it changes nothing", () => {
  const named = { ...explorer, say: { mu: (/** @type {number} */ v, /** @type {any} */ data) => `, ${data[v]}` } };
  assert.equal(added(explorer, slider(), { mu: 1 }, {}), "");
  assert.equal(added(named, slider(), { mu: 1 }, { 1: "one" }), ", one");
  assert.equal(added(named, slider({ name: "sigma" }), { sigma: 2 }, {}), "");
  const still = { ...explorer, idle: (/** @type {string} */ name, /** @type {any} */ s) => name === "mu" && s.off };
  assert.equal(added(still, slider(), { mu: 1, off: true }, {}), ", no effect");
  assert.equal(added(still, slider(), { mu: 1, off: false }, {}), "");
  assert.equal(idle(explorer, slider(), {}), false);
});

/** @type {(controls: Control[], values: Record<string, unknown>) => { state: State, values: any, saved: () => number }} */
function stateOf(controls, values) {
  let saves = 0;
  const model = { ...modelOf(values), save_changes: () => void saves++ };
  return { state: new State(controls, model), values, saved: () => saves };
}

test("positions are snapped and saved once", () => {
  const { state, values, saved } = stateOf([slider(), whole, menu], { mu: 0, L: 2, guess: "a" });
  state.set({ mu: 7, L: 3.4, other: 1 });
  assert.deepEqual(values, { mu: 3, L: 3, guess: "a" });
  assert.equal(saved(), 1);
  state.set({ guess: "b" });
  assert.equal(values.guess, "b");
  assert.throws(() => state.set({ mu: NaN }), { name: "RangeError", message: "mu is NaN" });
  assert.equal(values.mu, 3);
});

test("a state without a number is named", () => {
  assert.deepEqual(stateOf([slider(), menu], { mu: 1, guess: "a" }).state.read(), { mu: 1, guess: "a" });
  assert.throws(() => stateOf([slider()], { mu: "1" }).state.read(), { name: "TypeError", message: "mu is 1" });
  assert.throws(() => stateOf([slider()], {}).state.read(), { name: "TypeError", message: "mu is undefined" });
});

test("a slider that moves clears its menu, one that rests does not", () => {
  const { state, values } = stateOf([slider({ clears: "guess" }), menu], { mu: 0, guess: "a" });
  state.set({ mu: 0 });
  assert.equal(values.guess, "a");
  state.set({ mu: 1 });
  assert.deepEqual(values, { mu: 1, guess: "none" });
});

test("a reset puts exactly the opening values", () => {
  const { state, values, saved } = stateOf([slider({ opening: 0.12345 }), menu], { mu: 2, guess: "a" });
  state.reset(state.controls.slice(0, 1));
  assert.deepEqual(values, { mu: 0.12345, guess: "a" });
  state.reset(state.controls);
  assert.deepEqual(values, { mu: 0.12345, guess: "b" });
  assert.equal(saved(), 2);
});

test("a slider in HTML has its bounds, its position, its words and its colour", () => {
  const control = { ...logarithmic, label: "D < E", color: "prior" };
  const html = controlHTML(explorer, control, { D: 100 }, "e-D", {});
  assert.match(html, /^<div class="control"><label for="e-D">D &#60; E<\/label>/);
  assert.match(html, /<input class="typed" inputmode="decimal" tabindex="-1" value="100" style="width:6ch"><span><\/span>/);
  assert.match(html, /id="e-D" name="D" min="-2" max="4" step="0.01" value="2" aria-valuetext="100"/);
  assert.match(html, / style="--paint:var\(--prior\)"/);
  assert.match(controlHTML({ ...explorer, idle: () => true }, control, { D: 100 }, "e-D", {}), /^<div class="control idle">/);
  assert.doesNotMatch(controlHTML(explorer, slider(), { mu: 1 }, "e-mu", {}), /--paint/);
});

test("a menu in HTML has its options, one of them chosen", () => {
  const html = controlHTML(explorer, menu, { guess: "b" }, "e-guess", {});
  assert.match(html, /<select id="e-guess" name="guess"><option value="none">none yet<\/option><option value="a">/);
  assert.match(html, /<option value="b" selected>B &#38; C<\/option><\/select>/);
  assert.equal(html.match(/ selected/g)?.length, 1);
});

test("pixels in HTML are boxes named by row and column, of which Tab reaches one", () => {
  const html = controlHTML(explorer, pixels, {}, "e-drawing", {});
  assert.deepEqual([...html.matchAll(/aria-label="([^"]*)" tabindex="([^"]*)"/g)].map((found) => found.slice(1)), [
    ["row 1, column 1", "0"], ["row 1, column 2", "-1"], ["row 2, column 1", "-1"], ["row 2, column 2", "-1"],
  ]);
  assert.match(html, /<legend>draw here<\/legend><div style="--side:2">/);
  assert.match(html, /data-do="clear"/);
});
