// Formulas of the book in nats, and the running example p(z) = N(0, 1), p(x|z) = N(2z, 1) at x = 2.5.

export const LOG_2PI = Math.log(2 * Math.PI);

/** @type {(z: number, mu: number, sigma: number) => number} */
export const logNormal = (z, mu, sigma) => -0.5 * (((z - mu) / sigma) ** 2 + LOG_2PI) - Math.log(sigma);

/** @type {(z: number, mu: number, sigma: number) => number} */
export const normal = (z, mu, sigma) => Math.exp(logNormal(z, mu, sigma));

/** @param {number} logit */
export const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

/**
 * KL(N(μ, σ²) ‖ N(0, 1)), (4.5), of μ and t = ln σ²; near t = 0 by its series, as the terms cancel.
 * @param {number} mu
 * @param {number} t
 */
export function klToStandardNormal(mu, t) {
  const series = t * t * (1 / 2 + t * (1 / 6 + t * (1 / 24 + t / 120)));
  return 0.5 * (mu * mu + (Math.abs(t) < 2e-3 ? series : Math.expm1(t) - t));
}

export const X = 2.5;

/**
 * Mean and standard deviation of the posterior N(1, 1/5), (2.8).
 * @type {[number, number]}
 */
export const POSTERIOR = [1, Math.sqrt(0.2)];
export const LOG_MARGINAL = logNormal(X, 0, Math.sqrt(5));

/** @param {number} z */
export const logLikelihood = (z) => -0.5 * ((X - 2 * z) * (X - 2 * z) + LOG_2PI);

/**
 * The mean of log p(x|z) under q = N(μ, σ²).
 * @type {(mu: number, sigma: number) => number}
 */
export const meanLogLikelihood = (mu, sigma) => logLikelihood(mu) - 2 * sigma * sigma;

/**
 * The gap between the ELBO of q and log p(x).
 * @type {(mu: number, logvar: number) => number}
 */
export const klToPosterior = (mu, logvar) =>
  klToStandardNormal((mu - POSTERIOR[0]) / POSTERIOR[1], logvar - 2 * Math.log(POSTERIOR[1]));
