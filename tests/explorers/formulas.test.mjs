// Formulas where their terms cancel; elsewhere the numbers of every explorer are compared with vae_lib.

import assert from "node:assert/strict";
import { test } from "node:test";

import { klToPosterior, klToStandardNormal, LOG_MARGINAL, POSTERIOR } from "../../vae_lib/explorers/shared/formulas.js";

const near = (/** @type {number} */ value, /** @type {number} */ wanted) =>
  assert.ok(Math.abs(value - wanted) <= 1e-12 * Math.abs(wanted), `${value} is not ${wanted}`);

test("the KL has all its digits near the prior, too", () => {
  // (eᵗ − 1 − t) / 2 at 40 digits
  near(klToStandardNormal(0, 1e-6), 2.500000833333542e-13);
  near(klToStandardNormal(0, 0.0019), 9.030718549386201e-07);
  near(klToStandardNormal(0, -0.0019), 9.019286880656119e-07);
  near(klToStandardNormal(0, 0.0021), 1.1032721553389805e-06);
  near(klToStandardNormal(0, -1.5), 0.3615650800742149);
  near(klToStandardNormal(2, 0), 2);
  assert.equal(klToStandardNormal(0, 0), 0);
});

test("the posterior of the running example has no gap", () => {
  assert.ok(klToPosterior(POSTERIOR[0], 2 * Math.log(POSTERIOR[1])) < 1e-15);
  near(LOG_MARGINAL, -2.348657489421723);
});
