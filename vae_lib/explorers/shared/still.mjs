// Draws explorers when the site is built: one card (a line of JSON) in, its HTML with a still picture out.

import { createInterface } from "node:readline";

import { card, readied } from "./card.js";
import { COLORS, Picture } from "./picture.js";
import { Recorder } from "./recorder.js";
import { termsHTML } from "./terms.js";

/** @import { Explorer } from "./types.d.ts" */

const WIDTH = 690;
const color = Object.fromEntries(COLORS.map((name) => [name, `var(--${name})`]));

/**
 * The picture of an explorer at a state as SVG.
 * @param {Explorer} explorer
 * @param {any} state
 * @param {any} data
 * @param {string} id
 */
function still(explorer, state, data, id) {
  const cache = readied(explorer, state, data);
  const height = explorer.height ?? 300;
  const pen = new Recorder(id);
  explorer.draw(new Picture(pen, WIDTH, height, color), state, explorer.numbers(state, cache), cache);
  return pen.picture(WIDTH, height);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { name, spec, state, data, id } = JSON.parse(line);
  const { explorer } = await import(`../${name}.js`);
  const terms = termsHTML(explorer, name, explorer.numbers(state, readied(explorer, state, data)));
  console.log(JSON.stringify([card(explorer, spec, state, data, id, still(explorer, state, data, id)), terms]));
}
