// The card in HTML, and the model that a card has where no kernel runs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { card, outputText, readied } from "../../vae_lib/explorers/shared/card.js";
import { modelOf } from "../../vae_lib/explorers/shared/mount.js";

/** @import { Explorer, Slider } from "../../vae_lib/explorers/shared/types.d.ts" */

/** @type {Slider} */
const mu = {
  name: "mu", label: "μ", opening: 1, min: -3, max: 3, step: 0.01, log: false, integer: false, color: null, clears: null,
};
/** @type {Explorer} */
const explorer = {
  room: 60,
  outputs: [
    { name: "kl", label: "KL(q < p)", unit: "nats", color: "prior" },
    { name: "count", label: "count", digits: 0 },
    { name: "none", label: "none" },
    { name: "later", label: "later", missing: "after your guess" },
  ],
  prepare: (state, cache) => {
    cache.ready = state.mu;
    return true;
  },
  numbers: ({ mu: value }, cache) => ({ kl: value / 3, count: cache.ready + cache.data.more, none: null, later: null }),
  describe: ({ mu: value }) => `At μ = ${value} it is "so".`,
  draw() {},
};

test("an output says its number with its unit, or why there is none", () => {
  const numbers = { kl: 1 / 3, count: 7, none: null, later: null };
  assert.deepEqual(explorer.outputs.map(({ name }) => outputText(explorer, name, numbers)),
    ["0.3333 nats", "7", "none", "after your guess"]);
  assert.equal(outputText(explorer, "kl", null), "…", "still computing");
});

test("a card is prepared with its data", () => {
  assert.deepEqual(readied(explorer, { mu: 2 }, { more: 1 }), { data: { more: 1 }, ready: 2 });
});

test("a card holds question, picture, controls, numbers and words, each with its name", () => {
  const html = card(explorer, { question: "Is p > q?", controls: [mu] }, { mu: 1 }, { more: 1 }, "e", "<svg></svg>");
  for (const part of [
    '<p class="question" id="e-question">Is p &#62; q?</p>',
    'style="--tall:300;--narrow:300"',
    '<div role="img" aria-label="At μ = 1 it is &#34;so&#34;."><svg></svg></div>',
    '<form class="controls" autocomplete="off" aria-labelledby="e-question">',
    '<input type="range" id="e-mu" name="mu"',
    '<label for="e-kl" style="color:var(--prior)">KL(q &#60; p)</label>' +
      '<output id="e-kl" name="kl" data-room="−0000.0000 nats" aria-live="off">0.3333 nats</output>',
    '<output id="e-count" name="count" data-room="−0000.0000" aria-live="off">2</output>',
    '<p class="words" aria-live="polite">At μ = 1 it is &#34;so&#34;.</p>',
    '<p class="fault" role="alert" hidden></p>',
  ]) assert.ok(html.includes(part), part);
  const room = html.match(/class="said" data-room="([^"]*)"/)?.[1].replaceAll("&#34;", '"');
  assert.equal(room?.length, 60);
  assert.ok(!html.includes("New samples"));
});

test("heights, the canvas of a live card, and new samples for a seed", () => {
  const seed = { ...mu, name: "seed" };
  const html = card({ ...explorer, height: 400, narrow: 500 }, { question: "?", controls: [mu, seed] }, { mu: 1, seed: 2 },
    { more: 1 }, "e");
  assert.ok(html.includes("--tall:400;--narrow:500") && html.includes("<canvas></canvas>"));
  assert.ok(html.includes('<button type="button" data-do="seed">New samples</button>'));
  const low = card({ ...explorer, height: 400 }, { question: "?", controls: [mu] }, { mu: 1 }, { more: 1 }, "e");
  assert.ok(low.includes("--tall:400;--narrow:400"));
});

test("a model without a kernel tells of changes, and of changes alone", () => {
  const model = modelOf({ mu: 1, sigma: 2 });
  /** @type {string[]} */
  const heard = [];
  const [one, other] = [() => heard.push("one"), () => heard.push("other")];
  model.on("change:mu", one);
  model.on("change:mu", other);
  model.set("mu", 1);
  model.set("sigma", 3);
  assert.deepEqual(heard, []);
  model.set("mu", 2);
  assert.deepEqual([model.get("mu"), model.get("sigma"), heard.join()], [2, 3, "one,other"]);
  model.off("change:mu", one);
  model.set("mu", 3);
  assert.deepEqual(heard, ["one", "other", "other"]);
  model.off("change:never", one);
});
