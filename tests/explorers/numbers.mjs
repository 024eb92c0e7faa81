// One request a line, one answer a line: the numbers of an explorer at a state, or draws of a seed.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(process.argv[2] + "/");
const { normals, readied } = await import(new URL("shared/base.js", folder));

for await (const line of createInterface({ input: process.stdin })) {
  const { name, state, data, seed, count } = JSON.parse(line);
  if (name) {
    const { explorer } = await import(new URL(`${name}.js`, folder));
    const cache = readied(explorer, state, data);
    const numbers = explorer.numbers(state, cache);
    console.log(JSON.stringify({ numbers, outputs: explorer.outputs, words: explorer.describe(state, numbers, cache), room: explorer.room }));
  } else {
    const draws = new Float64Array(count);
    normals(seed)(draws, 0, count);
    console.log(JSON.stringify([...draws]));
  }
}
