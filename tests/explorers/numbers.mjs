// One request a line, one answer a line: what an explorer says at some states, or the first draws of a seed.

import { createInterface } from "node:readline";

import { readied } from "../../vae_lib/explorers/shared/card.js";
import { normals } from "../../vae_lib/explorers/shared/random.js";

for await (const line of createInterface({ input: process.stdin })) {
  const { name, states, data, seed, count } = JSON.parse(line);
  if (name) {
    const { explorer } = await import(`../../vae_lib/explorers/${name}.js`);
    const answers = states.map((/** @type {any} */ state) => {
      const cache = readied(explorer, state, data);
      const numbers = explorer.numbers(state, cache);
      return { numbers, words: explorer.describe(state, numbers, cache) };
    });
    console.log(JSON.stringify({ outputs: explorer.outputs, room: explorer.room, answers }));
  } else {
    const draws = new Float64Array(count);
    normals(seed)(draws, 0, count);
    console.log(JSON.stringify([...draws]));
  }
}
