// The random stream of a generator of torch on the CPU: the weights, the order of the images and the noise of a seed.

import { boxMuller, twister, uniform } from "../shared/random.js";

/** @typedef {Float32Array | Float64Array} Floats */

export class Stream {
  #next;
  #spare = NaN; // Box-Muller makes two numbers; of a short draw the second waits for the next one

  /** @param {number} seed as in torch.Generator().manual_seed(seed) */
  constructor(seed) {
    this.#next = twister(seed);
  }

  /** What restore() needs to draw the same numbers again. */
  save() {
    return { words: this.#next.state.slice(), spare: this.#spare };
  }

  /** @param {{ words: Uint32Array, spare: number }} saved */
  restore({ words, spare }) {
    this.#next.state.set(words);
    this.#spare = spare;
  }

  /**
   * tensor.uniform_(−bound, bound) for a tensor of float32.
   * @type {(out: Floats, bound: number) => void}
   */
  uniform(out, bound) {
    const edge = Math.fround(bound);
    for (let i = 0; i < out.length; i++) out[i] = Math.fround(((this.#next() & 0xffffff) / 2 ** 24) * 2 * edge - edge);
  }

  /**
   * torch.randperm(out.length).
   * @param {Uint32Array} out
   */
  permutation(out) {
    for (let i = 0; i < out.length; i++) out[i] = i;
    for (let i = 0; i < out.length - 1; i++) {
      const other = i + (this.#next() % (out.length - i));
      [out[i], out[other]] = [out[other], out[i]];
    }
  }

  /**
   * torch.randn(out.length) in the type of `out`. Blocks of 16 are made at once; the last one, where the length is no
   * multiple of 16, is drawn anew. Fewer than 16 numbers are drawn one by one.
   * @param {Floats} out
   */
  normal(out) {
    const size = out.length;
    if (size < 16) {
      for (let i = 0; i < size; i++) out[i] = this.#one();
      return;
    }
    this.#block(out, 0, size - (size % 16), size);
    if (size % 16) this.#block(out, size - 16, size, size);
  }

  /** @type {(out: Floats, from: number, to: number, drawn: number) => void} uniforms up to `drawn`, normals up to `to` */
  #block(out, from, to, drawn) {
    const next = this.#next;
    if (out instanceof Float32Array) for (let k = from; k < drawn; k++) out[k] = (next() & 0xffffff) / 2 ** 24;
    else for (let k = from; k < drawn; k++) out[k] = uniform(next);
    boxMuller(out, from, to);
  }

  #one() {
    const spare = this.#spare;
    this.#spare = NaN;
    if (!Number.isNaN(spare)) return spare;
    const angle = 2 * Math.PI * uniform(this.#next);
    const radius = Math.sqrt(-2 * Math.log1p(-uniform(this.#next)));
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}
