// log p(x|z) with its constants (vae_lib.likelihoods), and its derivative by what the decoder puts out.

/** @import { Reals } from "./kernels.js" */

/** @param {number} logit */
const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

/**
 * Of `count` pixels: returns Σ log p, and leaves −d log p / d params, times `weight`, in `slope`.
 * @typedef {(params: Reals, x: Reals, slope: Reals, count: number, weight: number, sigma: number) => number} LogProb
 * @typedef {{ logProb: LogProb, mean: (param: number) => number }} Likelihood
 */

/** @type {LogProb} */
function bernoulli(params, x, slope, count, weight) {
  let sum = 0;
  let product = 1; // of a few factors from 1 to 2, so that one logarithm does for all of them
  for (let i = 0; i < count; i++) {
    const logit = params[i];
    const small = Math.exp(-Math.abs(logit));
    const p = (logit < 0 ? small : 1) / (1 + small);
    sum += x[i] * logit - (logit > 0 ? logit : 0);
    product *= 1 + small;
    if (i % 256 === 255) {
      sum -= Math.log(product);
      product = 1;
    }
    slope[i] = (p - x[i]) * weight;
  }
  return sum - Math.log(product);
}

/** @type {LogProb} */
function gaussian(params, x, slope, count, weight, sigma) {
  let squares = 0;
  for (let i = 0; i < count; i++) {
    const difference = params[i] - x[i];
    squares += difference * difference;
    slope[i] = (difference / (sigma * sigma)) * weight;
  }
  return -0.5 * (squares / (sigma * sigma) + count * Math.log(2 * Math.PI * sigma * sigma));
}

/**
 * The mean of a continuous Bernoulli of the logit η: 1/(1 − e^−η) − 1/η, near 0 its series.
 * @param {number} logit
 */
function continuousMean(logit) {
  const square = logit * logit;
  if (square < 0.01) return 0.5 + (logit / 12) * (1 - (square / 60) * (1 - square / 42));
  return -1 / Math.expm1(-logit) - 1 / logit;
}

/** @type {LogProb} */
function continuous(params, x, slope, count, weight) {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const logit = params[i];
    const square = logit * logit;
    const size = Math.abs(logit);
    const norm = square < 0.01 ? logit / 2 + (square / 24) * (1 - (square / 120) * (1 - square / 63))
      : Math.max(logit, 0) + Math.log(-Math.expm1(-size) / size);
    sum += x[i] * logit - norm;
    slope[i] = (continuousMean(logit) - x[i]) * weight;
  }
  return sum;
}

/** @type {Record<string, Likelihood>} */
export const LIKELIHOODS = {
  bernoulli: { logProb: bernoulli, mean: sigmoid },
  gaussian: { logProb: gaussian, mean: (mean) => Math.min(1, Math.max(0, mean)) },
  continuous_bernoulli: { logProb: continuous, mean: continuousMean },
};

/**
 * A likelihood that gets sigmoid(params) where it takes params; params are lost.
 * @param {LogProb} logProb
 * @returns {LogProb}
 */
export const afterSigmoid = (logProb) => (params, x, slope, count, weight, sigma) => {
  for (let i = 0; i < count; i++) params[i] = sigmoid(params[i]);
  const sum = logProb(params, x, slope, count, weight, sigma);
  for (let i = 0; i < count; i++) slope[i] *= params[i] * (1 - params[i]);
  return sum;
};
