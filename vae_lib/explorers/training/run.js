// A VAE that trains in the page as vae_lib.training.fit trains it: from the same seed the same weights, order and noise.

import { Stream } from "./stream.js";
import { DRAWS, LIKELIHOODS } from "./losses.js";
import { Network, Pass, placeOf, samplesOf } from "./network.js";

/** @import { Loss, Type } from "./network.js" */
/** @typedef {{ train: ArrayLike<number>, test: ArrayLike<number>, count: number, held: number, width: number }} Data */
/** @typedef {Loss & { latent_dim: number, hidden: number, step_size: number, seed: number, batch_size: number }} Settings */
/** @typedef {{ epoch: number, loss: number, reconstruction: number, kl: number }} Means */
/** @typedef {Means & { step: number, ended: boolean }} Step */

const HELD_SEED = 0; // of the noise with which held-out images are evaluated
const WORK = 2 ** 25; // multiplications of an evaluation: a few hundredths of a second at most, for which training waits
const KEPT = 0.9; // β₁, β₂ and ε of Adam
const KEPT_SQUARES = 0.999;
const TINY = 1e-8;
const PIECE = 16; // rows that are looked at in one go: at most a few milliseconds, whatever the size of the network

/**
 * The result of work that is done in pieces.
 * @template T
 * @param {Iterator<void, T>} work
 * @returns {T}
 */
export function whole(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

export class Run {
  /** @type {{ epoch: number, step: number, term: "reconstruction" | "kl" } | null} where the loss was not finite */
  failed = null;
  epoch = 0; // how many are finished
  #batch = 0; // how many of this epoch are done
  #updates = 0;
  #totals = [0, 0, 0];
  /** @type {Iterator<void, Step> | null} the step that has begun */
  #work = null;
  #data;
  #network;
  #pass;
  #glance; // for what looks at the network between the pieces of a step
  #stream;
  #before; // state of the stream at the beginning of the step
  #order;
  #eps;
  #means;
  #squares;

  /**
   * @param {Data} data images in [0, 1] as rows: `count` to train on and `held` to evaluate with, of `width` pixels
   * @param {Settings} settings
   * @param {Type} type of all numbers
   */
  constructor(data, settings, type = Float32Array) {
    const { batch_size, hidden, latent_dim, seed } = settings;
    this.settings = { ...settings };
    this.#data = data;
    this.#network = new Network(data.width, hidden, latent_dim, type);
    this.#network.begin(new Stream(seed));
    this.#pass = new Pass(this.#network, batch_size);
    this.#glance = new Pass(this.#network, PIECE);
    this.#stream = new Stream(seed);
    this.#before = this.#stream.save();
    this.#order = new Uint32Array(data.count);
    this.#eps = new type(0);
    this.#means = new type(this.#network.values.length);
    this.#squares = new type(this.#network.values.length);
  }

  /**
   * Trains on one batch, or ends the step that has begun. At the end of an epoch the means over it are given, else those
   * of the batch; a batch whose loss is not finite changes nothing, and ends the run.
   * @returns {Step}
   */
  step() {
    return whole({ next: () => this.#piece() });
  }

  /**
   * Trains for so many milliseconds or to the end of an epoch, and gives the epoch that ended. It may stop within a step.
   * @param {number} milliseconds
   */
  advance(milliseconds) {
    /** @type {Means[]} */
    const finished = [];
    const end = performance.now() + milliseconds;
    while (!this.failed) {
      const { done, value } = this.#piece();
      if (done && value.ended) {
        const { epoch, loss, reconstruction, kl } = value;
        finished.push({ epoch, loss, reconstruction, kl });
        break; // what is measured now belongs to this epoch
      }
      if (performance.now() >= end) break;
    }
    return finished;
  }

  /** Norms of the two parts of the gradient on the next batch, and the cosine between them. The batch stays the next one. */
  gradients() {
    this.#rewind();
    const { settings } = this;
    const count = this.#next(settings);
    const [a, b] = [[1, 0], [0, settings.beta]].map((weights) => {
      whole(this.#pass.gradient(settings, this.#eps, count, weights));
      return this.#network.slopes.slice();
    });
    this.#stream.restore(this.#before);
    const dot = [0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      dot[0] += a[i] * a[i];
      dot[1] += b[i] * b[i];
      dot[2] += a[i] * b[i];
    }
    const [reconstruction, kl] = [Math.sqrt(dot[0]), Math.sqrt(dot[1])];
    return { reconstruction, kl, cosine: dot[2] / (reconstruction * kl || 1) };
  }

  /**
   * The ELBO of the held-out images and its terms, whatever loss trains: β = 1, sums over pixels and latent dimensions,
   * noise in each z. The noise is the same each time. Of a large network fewer samples are drawn, and fewer images taken.
   * It pauses after each few images; all of it is of one network if none is trained meanwhile.
   * @param {number} draws the number L of samples of each image
   */
  *evaluation(draws = 2) {
    const { test, width } = this.#data;
    const { hidden, latent_dim, likelihood, sigma } = this.settings;
    const affordable = Math.floor(WORK / (width * hidden)); // times that an image can be encoded or decoded
    const held = Math.min(this.#data.held, Math.max(64, Math.floor(affordable / 2)));
    const samples = Math.max(1, Math.min(draws, Math.floor(affordable / held) - 1));
    const eps = new this.#network.type(samples * held * latent_dim);
    new Stream(HELD_SEED).normal(eps);
    const perDimension = new Float64Array(latent_dim);
    const pass = this.#glance;
    let reconstruction = 0;
    for (const [from, count] of this.#encoded(test, held)) {
      pass.kl(perDimension, count);
      // However the encoder got the images, p(x|z) is to explain those in [0, 1].
      for (let i = 0; i < count * width; i++) pass.x[i] = test[from * width + i];
      for (let l = 0; l < samples; l++) {
        pass.draw(eps.subarray((l * held + from) * latent_dim), count, "sample");
        pass.decode(count);
        reconstruction += pass.score(likelihood, sigma, count, 0) / (held * samples);
      }
      yield;
    }
    for (let j = 0; j < latent_dim; j++) perDimension[j] /= held;
    const kl = perDimension.reduce((sum, value) => sum + value, 0);
    return { elbo: reconstruction - kl, reconstruction, kl, perDimension };
  }

  /**
   * q(z|x) of images in [0, 1], which are loaded as the run loads them.
   * @param {ArrayLike<number>} images
   */
  *encode(images) {
    const { code, latent } = this.#glance;
    const all = images.length / this.#data.width;
    const [mu, logvar] = [new this.#network.type(all * latent), new this.#network.type(all * latent)];
    for (const [from, count] of this.#encoded(images, all)) {
      for (let i = 0; i < count * latent; i++) {
        const at = placeOf(i, latent);
        mu[from * latent + i] = code[at];
        logvar[from * latent + i] = code[at + latent];
      }
      yield;
    }
    return { mu, logvar };
  }

  /**
   * The mean of each pixel given z, from 0 to 1.
   * @param {ArrayLike<number>} z
   */
  *decode(z) {
    const { latent, params, pixels, rows, z: into } = this.#glance;
    const { mean } = LIKELIHOODS[this.settings.likelihood];
    const all = z.length / latent;
    const images = new this.#network.type(all * pixels);
    for (let from = 0; from < all; from += rows) {
      const count = Math.min(rows, all - from);
      for (let i = 0; i < count * latent; i++) into[i] = z[from * latent + i];
      this.#glance.decode(count);
      for (let i = 0; i < count * pixels; i++) images[from * pixels + i] = mean(params[i]);
      yield;
    }
    return images;
  }

  /** Copies of all parameters, in torch's order. */
  weights() {
    return this.#network.parameters.map((part) => part.slice());
  }

  /**
   * Begins anew with these weights.
   * @param {ArrayLike<number>} flat all parameters in torch's order, one after the other
   */
  load(flat) {
    const { values } = this.#network;
    if (flat.length !== values.length) throw new Error(`weights must be ${values.length} numbers, got ${flat.length}`);
    values.set(flat);
    this.#means.fill(0);
    this.#squares.fill(0);
    this.#stream = new Stream(this.settings.seed);
    this.failed = this.#work = null;
    this.epoch = this.#batch = this.#updates = 0;
    this.#totals = [0, 0, 0];
  }

  /** The next piece of the step that has begun, or the first of the next one. */
  #piece() {
    if (!this.#work) {
      this.#before = this.#stream.save();
      this.#work = this.#train({ ...this.settings });
    }
    const piece = this.#work.next();
    if (piece.done) this.#work = null;
    return piece;
  }

  /** Forgets the step that has begun. */
  #rewind() {
    if (this.#work) this.#stream.restore(this.#before);
    this.#work = null;
    this.#before = this.#stream.save();
  }

  /**
   * One step.
   * @param {Settings} settings
   * @returns {Generator<void, Step>}
   */
  *#train(settings) {
    const [epoch, step] = [this.epoch + 1, this.#batch + 1];
    if (this.failed) return { epoch, step, loss: NaN, reconstruction: NaN, kl: NaN, ended: false };
    const count = this.#next(settings);
    const { reconstruction, kl } = yield* this.#pass.gradient(settings, this.#eps, count, [1, settings.beta]);
    const loss = settings.beta * kl - reconstruction;
    if (!Number.isFinite(loss)) {
      // σ comes from the encoder, so that an infinite KL makes NaN of the reconstruction term, too.
      const onlyFirst = Number.isFinite(kl) && !Number.isFinite(reconstruction);
      this.failed = { epoch, step, term: onlyFirst ? "reconstruction" : "kl" };
      return { epoch, step, loss, reconstruction, kl, ended: false };
    }
    this.#update(settings.step_size);
    const totals = [loss, reconstruction, kl].map((term, i) => this.#totals[i] + term * count);
    const all = this.#data.count;
    const ended = step * settings.batch_size >= all;
    this.#totals = ended ? [0, 0, 0] : totals;
    this.#batch = ended ? 0 : step;
    if (!ended) return { epoch, step, loss, reconstruction, kl, ended };
    this.epoch = epoch;
    return { epoch, step, loss: totals[0] / all, reconstruction: totals[1] / all, kl: totals[2] / all, ended };
  }

  /**
   * Gives [from, count] when the codes of the images from … from + count are in #glance.
   * @type {(images: ArrayLike<number>, all: number) => Iterable<[from: number, count: number]>}
   */
  *#encoded(images, all) {
    const { pixels, rows, x } = this.#glance;
    const factor = this.#factor(this.settings);
    for (let from = 0; from < all; from += rows) {
      const count = Math.min(rows, all - from);
      for (let i = 0; i < count * pixels; i++) x[i] = factor * images[from * pixels + i];
      this.#glance.encode(count);
      yield [from, count];
    }
  }

  /** @param {Settings} settings what a grey value in [0, 1] is multiplied by before it goes into the model */
  #factor({ loading }) {
    return loading === "raw" ? 255 : 1;
  }

  /**
   * Draws the next batch, and its noise; returns the number of its images.
   * @param {Settings} settings
   */
  #next(settings) {
    const { noise, shared } = DRAWS[settings.draw];
    const { latent, pixels, rows, x } = this.#pass;
    const { count: all, train } = this.#data;
    const from = this.#batch * rows;
    const count = Math.min(rows, all - from);
    if (!from) this.#stream.permutation(this.#order);
    const size = noise ? samplesOf(settings) * (shared ? 1 : count) * latent : 0;
    if (this.#eps.length !== size) this.#eps = new this.#network.type(size);
    this.#stream.normal(this.#eps);
    const factor = this.#factor(settings);
    for (let b = 0, at = 0; b < count; b++) {
      for (let k = this.#order[from + b] * pixels, end = k + pixels; k < end; k++, at++) x[at] = factor * train[k];
    }
    return count;
  }

  /**
   * A step of Adam.
   * @param {number} size
   */
  #update(size) {
    const { values, slopes } = this.#network;
    const [means, squares] = [this.#means, this.#squares];
    const t = ++this.#updates;
    const scale = size / (1 - KEPT ** t);
    const root = 1 / Math.sqrt(1 - KEPT_SQUARES ** t);
    for (let i = 0; i < values.length; i++) {
      const slope = slopes[i];
      const mean = KEPT * means[i] + (1 - KEPT) * slope;
      const square = KEPT_SQUARES * squares[i] + (1 - KEPT_SQUARES) * slope * slope;
      means[i] = mean;
      squares[i] = square;
      values[i] -= (scale * mean) / (root * Math.sqrt(square) + TINY);
    }
  }
}
