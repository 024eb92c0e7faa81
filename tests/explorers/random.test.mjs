// Work in pieces, and the counts along a logarithmic axis. The draws themselves are compared with torch's.

import assert from "node:assert/strict";
import { test } from "node:test";

import { COUNTS, drawn, MOST_DRAWS, normals, work } from "../../vae_lib/explorers/shared/random.js";

/** @import { Draws } from "../../vae_lib/explorers/shared/random.js" */

test("work goes on where it stopped, in pieces, until its deadline", () => {
  const job = { done: 0 };
  /** @type {number[][]} */
  const pieces = [];
  const step = (/** @type {number} */ from, /** @type {number} */ to) => void pieces.push([from, to]);
  assert.equal(work(job, 10, 4, -1, step), false);
  assert.deepEqual([job.done, pieces], [0, []]);
  assert.equal(work(job, 10, 4, Infinity, step), true);
  assert.deepEqual(pieces, [[0, 4], [4, 8], [8, 10]]);
  assert.equal(work(job, 10, 4, Infinity, step), true);
  assert.equal(pieces.length, 3, "nothing is done twice");
});

test("draws of a seed are kept, those of another are made", () => {
  const cache = /** @type {Draws} */ ({});
  assert.equal(drawn(3, cache, -1), false);
  assert.equal(drawn(3, cache, Infinity), true);
  const { eps } = cache;
  const wanted = new Float64Array(MOST_DRAWS);
  normals(3)(wanted, 0, MOST_DRAWS);
  assert.deepEqual(eps, wanted, "in pieces as at once");
  drawn(3, cache, -1);
  assert.equal(cache.eps, eps);
  assert.equal(drawn(4, cache, -1), false);
  assert.notEqual(cache.eps, eps);
});

test("counts go from 1 to 100 000, each but once, at equal factors", () => {
  assert.deepEqual([COUNTS[0], COUNTS[COUNTS.length - 1]], [1, MOST_DRAWS]);
  for (const power of [10, 100, 1000, 10_000]) assert.ok(COUNTS.includes(power), `${power}`);
  const factors = COUNTS.slice(1).map((count, i) => count / COUNTS[i]);
  assert.ok(factors.every((factor) => factor > 1 && factor <= 2));
  assert.ok(factors.slice(-100).every((factor) => Math.abs(factor / 10 ** (1 / 60) - 1) < 1e-3));
});
