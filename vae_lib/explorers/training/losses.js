// The lines of a loss, the right ones and those of the gallery of chapter 9.

import { LOG_2PI, sigmoid } from "../shared/formulas.js";

/** @import { Floats } from "./stream.js" */

/**
 * The sum of log p(x|z) over the first `count` pixels, in nats; `weight` times its slope at each of params goes to `slopes`.
 * @typedef {(slopes: Floats, params: Floats, x: Floats, count: number, weight: number, sigma: number) => number} Score
 */

/**
 * The mean of a continuous Bernoulli of the logit t, 1/(1 − e^−t) − 1/t; near 0 by its series.
 * @param {number} t
 */
function continuousMean(t) {
  const size = Math.abs(t);
  if (size < 0.1) return 0.5 + (t / 12) * (1 - ((t * t) / 60) * (1 - (t * t) / 42));
  const upper = -1 / Math.expm1(-size) - 1 / size;
  return t > 0 ? upper : 1 - upper;
}

/** @type {Score} (7.3): x t − softplus(t), where a product of many 1 + e^−|t| needs one logarithm */
function bernoulli(slopes, params, x, count, weight) {
  let sum = 0, factors = 1;
  for (let i = 0; i < count; i++) {
    const t = params[i];
    const small = Math.exp(t > 0 ? -t : t), all = 1 + small;
    sum += x[i] * t - (t > 0 ? t : 0);
    slopes[i] = weight * (x[i] - (t > 0 ? 1 : small) / all);
    factors *= all;
    if (factors > 1e300) {
      sum -= Math.log(factors);
      factors = 1;
    }
  }
  return sum - Math.log(factors);
}

/**
 * A likelihood whose pixels are computed one by one: `of` gives log p, `slope` its derivative.
 * @typedef {(t: number, x: number, sigma: number) => number} Pixel
 * @type {(of: Pixel, slope: Pixel) => Score}
 */
const pixelwise = (of, slope) => (slopes, params, x, count, weight, sigma) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += of(params[i], x[i], sigma);
    slopes[i] = weight * slope(params[i], x[i], sigma);
  }
  return sum;
};

/** (7.8) of the logit t: x t − log((e^t − 1)/t) with all its digits. @type {(t: number, x: number) => number} */
function continuous(t, x) {
  const size = Math.abs(t), square = t * t;
  if (size < 0.1) return x * t - t / 2 - (square / 24) * (1 - (square / 120) * (1 - square / 63));
  return (t > 0 ? x - 1 : x) * t - Math.log(-Math.expm1(-size) / size);
}

/**
 * Likelihoods: the score of a batch, and the mean of a pixel, for a picture from 0 to 1.
 * @type {Record<string, { score: Score, mean: (t: number) => number }>}
 */
export const LIKELIHOODS = {
  bernoulli: { score: bernoulli, mean: sigmoid },
  sigmoid_twice: {
    score: pixelwise(
      (t, x) => x * sigmoid(t) - sigmoid(t) - Math.log1p(Math.exp(-sigmoid(t))),
      (t, x) => (x - sigmoid(sigmoid(t))) * sigmoid(t) * sigmoid(-t),
    ),
    mean: sigmoid,
  },
  continuous_bernoulli: { score: pixelwise(continuous, (t, x) => x - continuousMean(t)), mean: continuousMean },
  gaussian: {
    score: pixelwise(
      (t, x, sigma) => -0.5 * (((x - t) / sigma) ** 2 + LOG_2PI) - Math.log(sigma),
      (t, x, sigma) => (x - t) / sigma / sigma,
    ),
    mean: (t) => Math.min(1, Math.max(0, t)),
  },
};

/**
 * How z is drawn: with σ = exp(power · logvar), or without noise; does a gradient pass through z; do all images of a
 * batch share the noise?
 * @type {Record<string, { power: number, noise: boolean, passes: boolean, shared: boolean }>}
 */
export const DRAWS = {
  sample: { power: 0.5, noise: true, passes: true, shared: false },
  sigma_is_exp_logvar: { power: 1, noise: true, passes: true, shared: false },
  no_noise: { power: 0.5, noise: false, passes: true, shared: false },
  no_gradient_through_z: { power: 0.5, noise: true, passes: false, shared: false },
  one_eps_per_batch: { power: 0.5, noise: true, passes: true, shared: true },
};

/**
 * What the line of the KL term makes of the KL of an image, as a factor.
 * @type {Record<string, (latent: number) => number>}
 */
export const KL_LINES = {
  sum: () => 1,
  kl_mean_over_latents: (latent) => 1 / latent,
  kl_without_half: () => 2,
  kl_sign: () => -1,
  no_kl: () => 0,
};
