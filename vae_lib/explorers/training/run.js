// A VAE that trains as vae_lib.training.fit and vae_lib.diagnosis.gallery.train do: same weights, order and noise.

import { Generator } from "./generator.js";
import { LIKELIHOODS } from "./likelihoods.js";
import { Network } from "./network.js";
import { loaded, noiseOf, Workspace } from "./workspace.js";

/** @import { Reals } from "./kernels.js" */
/** @import { Kind } from "./network.js" */
/** @import { Settings } from "./workspace.js" */
/** @typedef {{ epoch: number, loss: number, reconstruction: number, kl: number }} Terms */
/** @typedef {Terms & { step: number, ended: Terms | null }} Step */
/** @typedef {{ train: Float32Array, test: Float32Array, count: number, held: number, width: number }} Data */

const BATCH = 64;
const HELD = 2 ** 25; // multiplications that an evaluation may take: it looks at fewer images where these are large

/**
 * What a generator returns when it is driven to its end.
 * @template T
 * @param {Iterator<void, T>} work
 */
function finish(work) {
  let last = work.next();
  while (!last.done) last = work.next();
  return last.value;
}

export class Run {
  /** @type {{ epoch: number, step: number, term: string } | null} where and in which term the loss was not finite */
  failed = null;
  #data;
  #generator;
  #network;
  #space;
  #order;
  /** @type {Reals} */
  #eps;
  #epoch = 0;
  #step = 0;
  #sums = { loss: 0, reconstruction: 0, kl: 0 }; // of this epoch's images
  /** @type {Generator["state"]} at the beginning of the step */
  #before;
  /** @type {Iterator<void, Step> | null} the step that has begun */
  #work = null;

  /**
   * @param {Data} data images of `width` grey values from 0 to 1
   * @param {Settings} settings
   * @param {Kind} Kind of the numbers, Float64Array for comparison with torch.float64
   */
  constructor(data, settings, Kind = Float32Array) {
    const { hidden, latent_dim: latent, seed, batch_size: batch = BATCH } = settings;
    this.settings = { ...settings };
    this.#data = data;
    this.#network = new Network({ pixels: data.width, hidden, latent, seed: new Generator(seed), Kind });
    this.#space = new Workspace(this.#network, batch);
    this.#order = new Uint32Array(data.count);
    this.#eps = new Kind(0);
    this.#generator = new Generator(seed);
    this.#before = this.#generator.state;
  }

  /** The rest of a step that has begun, or the next one, as a generator. */
  #current() {
    if (!this.#work) {
      if (this.#step === 0) this.#generator.permutation(this.#order);
      this.#before = this.#generator.state;
      this.#work = this.#next({ ...this.settings });
    }
    return this.#work;
  }

  /** Goes back to the beginning of the step. */
  #rewind() {
    this.#current();
    this.#generator.state = this.#before;
    this.#work = null;
  }

  /**
   * Loads the images of this step and draws its noise.
   * @param {Settings} settings
   */
  #batch(settings) {
    const { train, count, width } = this.#data;
    const { batch_size: batch = BATCH } = settings;
    const { x } = this.#space;
    const scale = loaded(settings);
    const from = this.#step * batch;
    const rows = Math.min(batch, count - from);
    for (let r = 0, i = 0; r < rows; r++) {
      for (let at = this.#order[from + r] * width, end = at + width; at < end; at++, i++) x[i] = train[at] * scale;
    }
    const needed = noiseOf(settings, rows);
    if (needed > this.#eps.length) this.#eps = /** @type {Reals} */ (new this.#eps.constructor(needed));
    this.#generator.normal(this.#eps, needed);
    return rows;
  }

  /**
   * One step of training.
   * @param {Settings} settings
   * @returns {Generator<void, Step>}
   */
  *#next(settings) {
    const { beta, step_size: size } = settings;
    const rows = this.#batch(settings);
    const terms = yield* this.#space.gradient(settings, rows, this.#eps, { reconstruction: 1, kl: beta });
    const loss = beta * terms.kl - terms.reconstruction;
    const point = { epoch: this.#epoch + 1, step: this.#step + 1, loss, ...terms };
    if (!Number.isFinite(loss)) {
      const wrong = ["reconstruction", "kl"].filter((term) => !Number.isFinite(terms[term]));
      this.failed = { epoch: point.epoch, step: point.step, term: wrong.length === 1 ? wrong[0] : "both" };
      return { ...point, ended: null };
    }
    this.#network.adam(size);
    return { ...point, ended: this.#count(rows, { loss, ...terms }) };
  }

  /**
   * Counts a step; the means of the epoch if it was its last one.
   * @param {number} rows
   * @param {Omit<Terms, "epoch">} terms
   */
  #count(rows, terms) {
    const sums = this.#sums;
    for (const name of /** @type {const} */ (["loss", "reconstruction", "kl"])) sums[name] += terms[name] * rows;
    const { count } = this.#data;
    if (++this.#step * (this.settings.batch_size ?? BATCH) < count) return null;
    this.#step = 0;
    this.#sums = { loss: 0, reconstruction: 0, kl: 0 };
    return { epoch: ++this.#epoch, loss: sums.loss / count, reconstruction: sums.reconstruction / count, kl: sums.kl / count };
  }

  /** One step, or the rest of one; after a failed one the same again. */
  step() {
    const point = finish(this.#current());
    if (!this.failed) this.#work = null;
    return point;
  }

  /**
   * Trains until the time is over.
   * @param {number} milliseconds
   */
  advance(milliseconds) {
    const end = performance.now() + milliseconds;
    const finished = [];
    while (!this.failed && performance.now() < end) {
      const { done, value } = this.#current().next();
      if (!done) continue;
      this.#work = null;
      if (value.ended) finished.push(value.ended);
    }
    return finished;
  }

  /** The norms of the two parts of the gradient of the next step, as they enter its loss. */
  gradients() {
    const norm = (/** @type {{ reconstruction: number, kl: number }} */ weights) => {
      this.#rewind();
      const rows = this.#batch(this.settings);
      finish(this.#space.gradient(this.settings, rows, this.#eps, weights));
      return Math.hypot(...this.#network.gradient);
    };
    const parts = { reconstruction: norm({ reconstruction: 1, kl: 0 }), kl: norm({ reconstruction: 0, kl: this.settings.beta }) };
    this.#rewind();
    return parts;
  }
}
