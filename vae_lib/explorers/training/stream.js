// The random stream of torch.Generator on a CPU: uniforms, permutations and normals as torch draws them.

import { boxMuller, twister, uniform } from "../shared/random.js";

/** @import { Reals } from "./kernels.js" */

/** What torch.Generator().manual_seed(seed) gives, draw by draw. */
export class Stream {
  #next;
  #spare = NaN; // torch makes normals in pairs when it makes few, and remembers the second

  /** @param {number} seed */
  constructor(seed) {
    this.#next = twister(seed);
  }

  /** All that it remembers, as a copy. */
  get state() {
    return { words: this.#next.state.slice(), spare: this.#spare };
  }

  set state({ words, spare }) {
    this.#next.state.set(words);
    this.#spare = spare;
  }

  /** A float32 of 24 random bits, from 0 to 1. */
  #float() {
    return (this.#next() & 0xffffff) / 2 ** 24;
  }

  /**
   * tensor.uniform_(-bound, bound) of float32.
   * @param {Reals} out
   * @param {number} bound
   */
  uniform(out, bound) {
    const [from, to] = [Math.fround(-bound), Math.fround(bound)];
    for (let i = 0; i < out.length; i++) out[i] = Math.fround(this.#float() * (to - from) + from);
  }

  /**
   * torch.randperm(out.length).
   * @param {Uint32Array} out
   */
  permutation(out) {
    out.forEach((_, i) => (out[i] = i));
    for (let i = 0; i < out.length - 1; i++) {
      const other = i + (this.#next() % (out.length - i));
      [out[i], out[other]] = [out[other], out[i]];
    }
  }

  /**
   * torch.randn(count), of the type of the array, in out[0 … count): from 16 numbers on in blocks of 16, of which the
   * last begins 16 before the end.
   * @param {Reals} out
   * @param {number} count
   */
  normal(out, count) {
    if (count < 16) {
      for (let i = 0; i < count; i++) out[i] = this.#one();
      return;
    }
    const draw = out instanceof Float64Array ? () => uniform(this.#next) : () => this.#float();
    const blocks = count - (count % 16);
    for (let i = 0; i < count; i++) out[i] = draw();
    boxMuller(out, 0, blocks);
    if (blocks === count) return;
    for (let i = count - 16; i < count; i++) out[i] = draw();
    boxMuller(out, count - 16, count);
  }

  /** One normal, as torch makes them when it needs fewer than 16. */
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
