// One request a line, one answer a line: what an explorer says and draws at some states, or the first draws of a seed.

import { createInterface } from "node:readline";

import { readied } from "../../vae_lib/explorers/shared/card.js";
import { COLORS, Picture } from "../../vae_lib/explorers/shared/picture.js";
import { normals } from "../../vae_lib/explorers/shared/random.js";
import { LoggingPen } from "./pen.mjs";

/** @import { Explorer } from "../../vae_lib/explorers/shared/types.d.ts" */

/**
 * The words of a picture and its handles, each with what it sets where it stands and where it does not.
 * @type {(explorer: Explorer, state: any, numbers: any, cache: any, width: number) => object}
 */
function drawing(explorer, state, numbers, cache, width) {
  const { height = 300, narrow = height } = explorer;
  const tall = width < 520 ? narrow : height;
  const pen = new LoggingPen();
  const picture = new Picture(pen, width, tall, Object.fromEntries(COLORS.map((name) => [name, name])));
  explorer.draw(picture, state, numbers, cache);
  const texts = pen.marks.filter(({ kind }) => kind === "text");
  return {
    width,
    height: tall,
    texts: texts.map(({ words, points: [[x, y]], align, color }) => ({ words, x, y, align, color })),
    handles: picture.handles.map(({ x, y, axis, move }) => ({ x, y, axis, here: move(x, y), right: move(x + 9, y) })),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { name, states, data, widths, seed, count } = JSON.parse(line);
  if (name) {
    const { explorer } = await import(`../../vae_lib/explorers/${name}.js`);
    const answers = states.map((/** @type {any} */ state) => {
      const cache = readied(explorer, state, data);
      const numbers = explorer.numbers(state, cache);
      const drawings = widths.map((/** @type {number} */ width) => drawing(explorer, state, numbers, cache, width));
      const done = (explorer.tasks ?? []).map((/** @type {any} */ task) => task.done(state, numbers, cache));
      return { numbers, drawings, done, words: explorer.describe(state, numbers, cache) };
    });
    const { tasks = [] } = explorer; // functions are left out of JSON
    console.log(JSON.stringify({ outputs: explorer.outputs, room: explorer.room, answers, tasks }));
  } else {
    const draws = new Float64Array(count);
    normals(seed)(draws, 0, count);
    console.log(JSON.stringify([...draws]));
  }
}
