// The VAE of vae_lib.models with one hidden layer on each side: its loss on a batch, and the gradient.

import { klToStandardNormal } from "../shared/formulas.js";
import { Linear } from "./layers.js";
import { DRAWS, KL_LINES, LIKELIHOODS } from "./losses.js";

/** @import { Floats, Stream } from "./stream.js" */
/** @typedef {Float32ArrayConstructor | Float64ArrayConstructor} Type */
/**
 * The lines and numbers of a loss, as train.py names them.
 * @typedef {{ loading: string, draw: string, likelihood: string, reduction: string, kl_line: string, beta: number,
 *   sigma: number, num_samples: number }} Loss
 */

/** @param {Loss} loss the number L of samples of each image; without noise they are all the same */
export const samplesOf = ({ draw, num_samples }) => (DRAWS[draw].noise ? num_samples : 1);

/**
 * Where μ stands in a code, of the number i if z are counted through; ln σ² follows J places later.
 * @type {(i: number, latent: number) => number}
 */
export const placeOf = (i, latent) => i + latent * Math.floor(i / latent);

/** Weights and biases, and the gradient. */
export class Network {
  /** @type {Floats[]} in torch's order */
  parameters = [];

  /**
   * @param {number} pixels
   * @param {number} hidden
   * @param {number} latent
   * @param {Type} type
   */
  constructor(pixels, hidden, latent, type) {
    const size = 2 * hidden * (pixels + 1) + 3 * hidden * latent + 2 * latent + pixels;
    this.type = type;
    this.values = new type(size);
    this.slopes = new type(size);
    let at = 0;
    const room = (/** @type {number} */ count) => {
      const part = { values: this.values.subarray(at, at + count), slopes: this.slopes.subarray(at, at + count) };
      this.parameters.push(part.values);
      at += count;
      return part;
    };
    this.layers = [
      new Linear(pixels, hidden, true, room),
      new Linear(hidden, 2 * latent, false, room),
      new Linear(latent, hidden, true, room),
      new Linear(hidden, pixels, false, room),
    ];
  }

  /** @param {Stream} stream of the seed of the weights */
  begin(stream) {
    for (const layer of this.layers) layer.begin(stream);
  }
}

/** Arrays for a batch of at most `rows` images, and what is computed in them. */
export class Pass {
  /**
   * @param {Network} network
   * @param {number} rows
   */
  constructor({ layers, slopes, type }, rows) {
    const buffer = (/** @type {number} */ columns) => /** @type {Floats} */ (new type(rows * columns));
    const [{ inputs: pixels, outputs: hidden }, , { inputs: latent }] = layers;
    this.round = type === Float32Array ? Math.fround : Number; // sums are computed with 53 bits, and overflow as the type does
    this.layers = layers;
    this.slopes = slopes;
    this.rows = rows;
    this.latent = latent;
    this.pixels = pixels;
    this.x = buffer(pixels);
    this.h = buffer(hidden);
    this.code = buffer(2 * latent); // of each row μ, and then ln σ²
    this.z = buffer(latent);
    this.g = buffer(hidden);
    this.params = buffer(pixels);
    // the gradients of these; that of h takes the place of that of g, which is not needed any more
    this.dparams = buffer(pixels);
    this.dhidden = buffer(hidden);
    this.dz = buffer(latent);
    this.dcode = buffer(2 * latent);
    const largest = Math.max(rows, hidden) * Math.max(hidden, pixels, 2 * latent);
    this.scratch = [new type(largest), new type(largest)];
  }

  /**
   * The codes of the first `count` rows of x.
   * @param {number} count
   */
  encode(count) {
    this.layers[0].forward(this.h, this.x, count);
    this.layers[1].forward(this.code, this.h, count);
  }

  /**
   * `params` of the first `count` rows of z.
   * @param {number} count
   */
  decode(count) {
    this.layers[2].forward(this.g, this.z, count);
    this.layers[3].forward(this.params, this.g, count);
  }

  /**
   * One z for each of the first `count` codes.
   * @type {(eps: Floats, count: number, draw: string) => void}
   */
  draw(eps, count, draw) {
    const { code, latent, z } = this;
    const { noise, power, shared } = DRAWS[draw];
    for (let i = 0; i < count * latent; i++) {
      const mu = placeOf(i, latent);
      z[i] = code[mu] + (noise ? Math.exp(power * code[mu + latent]) * eps[shared ? i % latent : i] : 0);
    }
  }

  /**
   * The sum of log p(x|z) over the first `count` rows after decode(); its slope, times `weight`, goes to dparams.
   * @type {(likelihood: string, sigma: number, count: number, weight: number) => number}
   */
  score(likelihood, sigma, count, weight) {
    return LIKELIHOODS[likelihood].score(this.dparams, this.params, this.x, count * this.pixels, weight, sigma);
  }

  /**
   * KL(q(z|x) ‖ p(z)) of each latent dimension, summed over the first `count` codes, is added to `sums`.
   * @type {(sums: Float64Array, count: number) => void}
   */
  kl(sums, count) {
    const { code, latent } = this;
    for (let i = 0; i < count * latent; i++) {
      const mu = placeOf(i, latent);
      sums[i % latent] += klToStandardNormal(code[mu], code[mu + latent]);
    }
  }

  /**
   * Both terms of the loss, means over the first `count` rows of x, as the loss reports them. The network's gradient becomes
   * that of weights[0] · −reconstruction + weights[1] · kl. It pauses after each large product.
   * @param {Loss} loss
   * @param {Floats} eps
   * @param {number} count
   * @param {number[]} weights
   */
  *gradient(loss, eps, count, [first, second]) {
    const { code, dcode, dhidden, dparams, dz, g, h, latent, layers, params, pixels, scratch, x, z } = this;
    const { draw, kl_line, likelihood, reduction, sigma } = loss;
    const samples = samplesOf(loss);
    const share = 1 / (count * samples * (reduction === "pixel_mean" ? pixels : 1));
    const kind = reduction === "sigmoid_twice" && likelihood === "bernoulli" ? reduction : likelihood;
    this.slopes.fill(0);
    dcode.fill(0);
    this.encode(count);
    yield;
    let reconstruction = 0;
    for (let l = 0; l < samples; l++) {
      const noise = eps.subarray((l * eps.length) / samples);
      this.draw(noise, count, draw);
      this.decode(count);
      yield;
      reconstruction += share * this.round(this.score(kind, sigma, count, -first * share));
      layers[3].backward(dhidden, dparams, g, params, count, scratch);
      layers[2].backward(dz, dhidden, z, g, count, scratch);
      this.#throughDraw(noise, count, draw);
      yield;
    }
    const kl = this.#throughKl(KL_LINES[kl_line](latent) / count, second, count);
    layers[1].backward(dhidden, dcode, h, code, count, scratch);
    yield;
    layers[0].backward(null, dhidden, x, h, count, scratch);
    return { reconstruction, kl };
  }

  /** @type {(eps: Floats, count: number, draw: string) => void} adds what comes from dz to dcode */
  #throughDraw(eps, count, draw) {
    const { code, dcode, dz, latent } = this;
    const { noise, passes, power, shared } = DRAWS[draw];
    for (let i = 0; passes && i < count * latent; i++) {
      const mu = placeOf(i, latent);
      dcode[mu] += dz[i];
      if (!noise) continue;
      dcode[mu + latent] += dz[i] * eps[shared ? i % latent : i] * power * Math.exp(power * code[mu + latent]);
    }
  }

  /** @type {(factor: number, weight: number, count: number) => number} factor · KL; adds its gradient, times weight, to dcode */
  #throughKl(factor, weight, count) {
    if (!factor) return 0;
    const { code, dcode, latent } = this;
    for (let i = 0; i < count * latent; i++) {
      const mu = placeOf(i, latent);
      dcode[mu] += weight * factor * code[mu];
      dcode[mu + latent] += weight * factor * 0.5 * Math.expm1(code[mu + latent]);
    }
    const sums = new Float64Array(latent);
    this.kl(sums, count);
    return factor * this.round(sums.reduce((sum, value) => sum + value, 0));
  }
}
