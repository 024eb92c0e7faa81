// Numbers as text, and the ticks of axes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { brief, escaped, format, grouped, minus, niceTicks, scientific } from "../../vae_lib/explorers/shared/format.js";

test("an output has fixed decimals and at most eight figures", () => {
  assert.equal(format(1.23456), "1.2346");
  assert.equal(format(-1.23456), "−1.2346");
  assert.equal(format(1.23456, 2), "1.23");
  assert.equal(format(3, 0), "3");
  assert.equal(format(123456.789), "123456.79");
  assert.equal(format(9999999), "9999999.0");
  assert.equal(format(0.00005), "0.0001");
});

test("an output is a power of ten where fixed decimals say nothing", () => {
  assert.equal(format(0.0000499), "4.990·10⁻⁵");
  assert.equal(format(-1e-9), "−1.000·10⁻⁹");
  assert.equal(format(1e7), "1.000·10⁷");
  assert.equal(format(-2.5e12), "−2.500·10¹²");
  assert.equal(format(1e-15), "0.0000", "what is left of a difference of equal numbers");
  for (const value of [NaN, Infinity, -Infinity]) assert.equal(format(value, 2, true), "not finite");
  assert.deepEqual([-0.004, 0.006, -9999.99, 12345].map((value) => format(value, 2, true)),
    ["0.00", "0.01", "−9999.99", "1.2·10⁴"], "0, or short");
});

test("whole numbers have groups of three digits from five digits on", () => {
  assert.deepEqual([0, 12, 9999, 10_000, 123_456, 1_234_567].map(grouped),
    ["0", "12", "9999", "10\u202f000", "123\u202f456", "1\u202f234\u202f567"]);
});

test("a minus is the typographic one", () => {
  assert.equal(minus(-1.5), "−1.5");
  assert.equal(minus("-0.30"), "−0.30");
  assert.deepEqual(["-0.00", "-0", "-0.001", "-10.00"].map(minus), ["0.00", "0", "−0.001", "−10.00"]);
  assert.equal(minus(2), "2");
});

test("a number is never written as in a program", () => {
  assert.equal(minus(-1e-7), "−1·10⁻⁷");
  assert.equal(minus(2.5e21), "2.5·10²¹");
  assert.deepEqual([0.123, 124, 4.5e-8].map(brief), ["0.12", "120", "4.5·10⁻⁸"]);
});

test("powers of ten in words", () => {
  assert.equal(scientific(8e21), "8·10²¹");
  assert.equal(scientific(-3.14e-7, 2), "−3.14·10⁻⁷");
  assert.equal(scientific(94_000, 1), "9.4·10⁴");
  assert.equal(scientific(1.6e10), "2·10¹⁰");
  assert.equal(scientific(1, 1), "1.0·10⁰");
});

test("ticks are multiples of 1, 2 or 5 times a power of ten, from end to end", () => {
  assert.deepEqual(niceTicks(0, 1, 4), [0, 0.5, 1]);
  assert.deepEqual(niceTicks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(niceTicks(-3.5, 5, 7), [-2, 0, 2, 4]);
  assert.deepEqual(niceTicks(-6, 6, 7), [-6, -4, -2, 0, 2, 4, 6]);
  assert.deepEqual(niceTicks(0, 0.07, 7), [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]);
  assert.deepEqual(niceTicks(0, 95, 10), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  assert.deepEqual(niceTicks(0, 61, 10), [0, 10, 20, 30, 40, 50, 60], "not less than the wanted distance");
  for (const [low, high, about] of [[-7.5, 0, 7], [0, 1.3, 4], [-0.123, 4567, 4], [2.001, 2.002, 7]]) {
    const ticks = niceTicks(low, high, about);
    assert.ok(ticks.length >= 2 && ticks.length <= about + 1 && ticks[0] >= low && ticks[ticks.length - 1] <= high, `${ticks}`);
    const steps = ticks.slice(1).map((tick, i) => Number((tick - ticks[i]).toPrecision(4)));
    assert.equal(new Set(steps).size, 1, `${ticks}`);
    assert.match(steps[0].toExponential(), /^[125]e/);
  }
});

test("text is safe in HTML, between tags and in attributes", () => {
  assert.equal(escaped(`<a href="x">&</a>`), "&#60;a href=&#34;x&#34;&#62;&#38;&#60;/a&#62;");
  assert.equal(escaped("μ = 0.5, 5 > 4"), "μ = 0.5, 5 &#62; 4");
});
