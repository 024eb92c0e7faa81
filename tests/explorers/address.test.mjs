// The state of an explorer in an address.

import assert from "node:assert/strict";
import { test } from "node:test";

import { read, written } from "../../vae_lib/explorers/shared/address.js";

/** @import { Control, Slider } from "../../vae_lib/explorers/shared/types.d.ts" */

const bounds = { step: 1, log: false, integer: false, color: null, clears: null };
/** @type {Slider} */
const mu = { ...bounds, name: "mu", label: "μ", opening: 1, min: -3, max: 3, step: 0.01 };
/** @type {Slider} */
const L = { ...bounds, name: "L", label: "L", opening: 5, min: 1, max: 100, integer: true };
/** @type {Control[]} */
const controls = [
  mu, L,
  { name: "loss", label: "loss", opening: "mean", options: [["mean", "mean"], ["sum", "sum"]] },
  { name: "drawing", label: "draw", opening: [0, 0, 0, 0], pixels: 4 },
];
const opening = { mu: 1, L: 5, loss: "mean", drawing: [0, 0, 0, 0] };

test("an address names what differs from the opening, with all digits", () => {
  assert.equal(written("kl", controls, opening), "kl?");
  const state = { mu: 0.1234567, L: 7, loss: "sum", drawing: [0, 16, 10, 1] };
  assert.equal(written("kl", controls, state), "kl?mu=0.1234567&L=7&loss=sum&drawing=0ga1");
  assert.deepEqual(read(controls, "mu=0.1234567&L=7&loss=sum&drawing=0ga1"), state);
});

test("what an address does not name is as in the opening", () => {
  assert.deepEqual(read(controls, ""), opening);
  assert.deepEqual(read(controls, "mu=-3"), { ...opening, mu: -3 });
});

test("a wrong or hostile address is refused with what would be right", () => {
  for (const [query, message] of [
    ["sigma=1", "This figure has no sigma"],
    ["__proto__=1", "This figure has no __proto__"],
    ["mu=", "mu must be a number from −3 to 3, not "],
    ["mu=NaN", "mu must be a number from −3 to 3, not NaN"],
    ["mu=3.01", "mu must be a number from −3 to 3, not 3.01"],
    ["mu=1e999", "mu must be a number from −3 to 3, not 1e999"],
    ["mu=<img src=x onerror=alert(1)>", "mu must be a number from −3 to 3, not <img src=x onerror=alert(1)>"],
    ["L=1.5", "L must be a whole number from 1 to 100, not 1.5"],
    ["loss=constructor", "loss can be mean, sum, not constructor"],
    ["drawing=0000h", "drawing takes 4 characters from 0 to g"],
    ["drawing=000", "drawing takes 4 characters from 0 to g"],
  ]) assert.throws(() => read(controls, query), { name: "RangeError", message }, query);
});
