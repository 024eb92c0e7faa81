// A VAE that trains as vae_lib.training.fit and vae_lib.diagnosis.gallery.train do: same weights, order and noise.

import { LIKELIHOODS } from "./likelihoods.js";
import { Network } from "./network.js";
import { Stream } from "./stream.js";
import { klOf, loaded, noiseOf, Workspace } from "./workspace.js";

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
  #stream;
  #network;
  #space;
  #order;
  /** @type {Reals} */
  #eps;
  #epoch = 1;
  #step = 1;
  #sums = { loss: 0, reconstruction: 0, kl: 0 }; // over the images of this epoch
  /** @type {Stream["state"]} of the stream at the beginning of the step */
  #before;
  /** @type {Iterator<void, Step> | null} the step that has begun */
  #work = null;
  /** @type {Step | null} the step that failed */
  #last = null;

  /**
   * @param {Data} data images of `width` grey values from 0 to 1
   * @param {Settings} settings
   * @param {Kind} Kind of the numbers, Float64Array for comparison with torch.float64
   */
  constructor(data, settings, Kind = Float32Array) {
    const { hidden, latent_dim: latent, seed, batch_size: batch = BATCH } = settings;
    this.settings = { ...settings };
    this.#data = data;
    this.#network = new Network({ pixels: data.width, hidden, latent, stream: new Stream(seed), Kind });
    this.#space = new Workspace(this.#network, batch);
    this.#eps = new Kind(0);
    this.#stream = new Stream(seed);
    this.#order = new Uint32Array(data.count);
    this.#stream.permutation(this.#order);
    this.#before = this.#stream.state;
  }

  /** One step, or the rest of one that has begun; after a failed step, that one again. */
  step() {
    if (this.#last) return this.#last;
    const point = finish(this.#current());
    this.#work = null;
    return point;
  }

  /**
   * Trains until the time is over; returns the epochs that were finished. It may stop in the middle of a step.
   * @param {number} milliseconds
   */
  advance(milliseconds) {
    const end = performance.now() + milliseconds;
    const finished = [];
    while (!this.#last) {
      const { done, value } = this.#current().next();
      if (done) {
        this.#work = null;
        if (value.ended) finished.push(value.ended);
      }
      if (performance.now() >= end) break;
    }
    return finished;
  }

  /** The norms of both parts of the gradient of the next step, as they enter its loss. */
  gradients() {
    return { reconstruction: this.#norm({ reconstruction: 1, kl: 0 }), kl: this.#norm({ reconstruction: 0, kl: this.settings.beta }) };
  }

  /**
   * The ELBO of held-out images and its terms, in nats per image: the same evaluation for every loss, with the same
   * noise at every call (gallery.fingerprint with the seed 0).
   * @param {{ draws?: number }} options
   */
  evaluate({ draws = 1 } = {}) {
    const { latent_dim: J, likelihood, hidden, sigma } = this.settings;
    const { test, width } = this.#data;
    const held = Math.min(this.#data.held, Math.max(64, Math.floor(HELD / (2 * width * hidden))));
    const space = new Workspace(this.#network, BATCH);
    const eps = /** @type {Reals} */ (new this.#eps.constructor(draws * held * J));
    new Stream(0).normal(eps, eps.length);
    const perDimension = new Float64Array(J);
    let reconstruction = 0;
    for (let from = 0; from < held; from += BATCH) {
      const rows = Math.min(BATCH, held - from);
      const images = test.subarray(from * width, (from + rows) * width);
      this.#encode(space, images);
      for (let i = 0; i < rows * J; i++) perDimension[i % J] += klOf(space.code, i + J * Math.floor(i / J), J) / held;
      space.x.set(images);
      for (let sample = 0; sample < draws; sample++) {
        space.draw({ ...this.settings, draw: "sample" }, rows, eps, (sample * held + from) * J);
        finish(space.decode(rows));
        reconstruction += LIKELIHOODS[likelihood].logProb(space.params, space.x, space.slopes.params, images.length, 0, sigma);
      }
    }
    reconstruction /= held * draws;
    const kl = perDimension.reduce((sum, one) => sum + one);
    return { elbo: reconstruction - kl, reconstruction, kl, perDimension };
  }

  /**
   * μ and ln σ² of images, which are loaded as the chosen line loads them.
   * @param {ArrayLike<number>} images n × D grey values from 0 to 1
   */
  encode(images) {
    const { latent_dim: J } = this.settings;
    const rows = images.length / this.#data.width;
    const space = new Workspace(this.#network, rows);
    this.#encode(space, images);
    const part = (/** @type {number} */ first) => Float32Array.from({ length: rows * J }, (_, i) => space.code[first + i + J * Math.floor(i / J)]);
    return { mu: part(0), logvar: part(J) };
  }

  /**
   * The mean images of z.
   * @param {ArrayLike<number>} z n × J
   */
  decode(z) {
    const rows = z.length / this.settings.latent_dim;
    const space = new Workspace(this.#network, rows);
    space.z.set(z);
    finish(space.decode(rows));
    return Float32Array.from(space.params, LIKELIHOODS[this.settings.likelihood].mean);
  }

  /** The weights and biases, in the order of named_parameters(): not copies. */
  weights() {
    return this.#network.parameters;
  }

  /**
   * Takes other weights, in the same order; Adam begins anew.
   * @param {ArrayLike<number>[]} weights
   */
  load(weights) {
    this.#rewind();
    this.#network.load(weights);
  }

  /** The step that has begun, or the next one. */
  #current() {
    if (!this.#work) {
      this.#before = this.#stream.state;
      this.#work = this.#train({ ...this.settings });
    }
    return this.#work;
  }

  /** Takes a step back that has begun. */
  #rewind() {
    if (this.#work) this.#stream.state = this.#before;
    this.#work = null;
  }

  /** @param {{ reconstruction: number, kl: number }} weights of both terms */
  #norm(weights) {
    this.#rewind();
    const before = this.#stream.state;
    const rows = this.#batch(this.settings);
    finish(this.#space.gradient(this.settings, rows, this.#eps, weights));
    this.#stream.state = before;
    return Math.sqrt(this.#network.gradient.reduce((sum, slope) => sum + slope * slope, 0));
  }

  /**
   * @param {Workspace} space
   * @param {ArrayLike<number>} images
   */
  #encode(space, images) {
    const scale = loaded(this.settings);
    for (let i = 0; i < images.length; i++) space.x[i] = images[i] * scale;
    finish(space.encode(images.length / this.#data.width));
  }

  /**
   * Loads the images of this step and draws its noise; returns their number.
   * @param {Settings} settings
   */
  #batch(settings) {
    const { train, count, width } = this.#data;
    const { batch_size: batch = BATCH } = settings;
    const { x } = this.#space;
    const scale = loaded(settings);
    const from = (this.#step - 1) * batch;
    const rows = Math.min(batch, count - from);
    for (let r = 0, i = 0; r < rows; r++) {
      for (let at = this.#order[from + r] * width, end = at + width; at < end; at++, i++) x[i] = train[at] * scale;
    }
    const needed = noiseOf(settings, rows);
    if (needed > this.#eps.length) this.#eps = /** @type {Reals} */ (new this.#eps.constructor(needed));
    this.#stream.normal(this.#eps, needed);
    return rows;
  }

  /**
   * One step of training.
   * @param {Settings} settings
   * @returns {Generator<void, Step>}
   */
  *#train(settings) {
    const { beta, step_size: size } = settings;
    const rows = this.#batch(settings);
    const { reconstruction, kl } = yield* this.#space.gradient(settings, rows, this.#eps, { reconstruction: 1, kl: beta });
    const point = { epoch: this.#epoch, step: this.#step, loss: beta * kl - reconstruction, reconstruction, kl, ended: null };
    if (!Number.isFinite(point.loss)) {
      const term = Number.isFinite(kl) ? "reconstruction" : Number.isFinite(reconstruction) ? "kl" : "both";
      this.failed = { epoch: point.epoch, step: point.step, term };
      return (this.#last = point);
    }
    this.#network.adam(size);
    return { ...point, ended: this.#count(rows, point) };
  }

  /**
   * Counts a step that is done; the means of the epoch if that was its last.
   * @param {number} rows
   * @param {Omit<Step, "ended">} point
   */
  #count(rows, { loss, reconstruction, kl }) {
    const [sums, { count }] = [this.#sums, this.#data];
    sums.loss += rows * loss;
    sums.reconstruction += rows * reconstruction;
    sums.kl += rows * kl;
    if (this.#step++ * (this.settings.batch_size ?? BATCH) < count) return null;
    const ended = { epoch: this.#epoch++, loss: sums.loss / count, reconstruction: sums.reconstruction / count, kl: sums.kl / count };
    this.#step = 1;
    this.#sums = { loss: 0, reconstruction: 0, kl: 0 };
    this.#stream.permutation(this.#order);
    return ended;
  }
}
