// One pass of a batch through the VAE and back, in pieces after each of which the page may draw.

import { afterSigmoid, LIKELIHOODS } from "./likelihoods.js";
import { relu, reluBackward } from "./kernels.js";

/** @import { Reals } from "./kernels.js" */
/** @import { Network } from "./network.js" */
/**
 * The lines of the loss, right or with a bug of vae_lib.diagnosis.gallery, and its numbers.
 * @typedef {{
 *   loading: string, draw: string, likelihood: string, reduction: string, kl_line: string, beta: number, sigma: number,
 *   num_samples: number, step_size: number, latent_dim: number, hidden: number, seed: number, batch_size?: number,
 * }} Settings
 */

/** What each line of the KL term multiplies the right one by. @type {Record<string, (latent: number) => number>} */
const KL_FACTORS = {
  sum: () => 1,
  kl_mean_over_latents: (latent) => 1 / latent,
  kl_without_half: () => 2,
  kl_sign: () => -1,
  no_kl: () => 0,
};

/** Grey values from 0 to 1, times this, are what goes into the model. @param {Settings} settings */
export const loaded = ({ loading }) => (loading === "raw" ? 255 : 1);

/** The number L of draws; without noise they would all be the same. @param {Settings} settings */
const draws = ({ draw, num_samples: samples }) => (draw === "no_noise" ? 1 : samples);

/** How many normals a batch of so many rows takes. @param {Settings} settings @param {number} rows */
export function noiseOf(settings, rows) {
  if (settings.draw === "no_noise") return 0;
  return draws(settings) * settings.latent_dim * (settings.draw === "one_eps_per_batch" ? 1 : rows);
}

/**
 * KL(q ‖ p) of one dimension, in nats.
 * @param {Reals} code
 * @param {number} at the place of μ; that of ln σ² is J later
 * @param {number} J
 */
export const klOf = (code, at, J) => 0.5 * (code[at] * code[at] + Math.exp(code[at + J]) - code[at + J] - 1);

/** Arrays for a batch of at most so many rows, and what is computed in them. */
export class Workspace {
  /**
   * @param {Network} network
   * @param {number} rows
   */
  constructor(network, rows) {
    const { values, layers: [into, code, out, image] } = network;
    const make = (/** @type {number} */ width) => /** @type {Reals} */ (new values.constructor(rows * width));
    this.network = network;
    this.x = make(into.inputs);
    this.encoded = make(into.outputs);
    this.code = make(code.outputs); // μ, then ln σ², of each row
    this.z = make(out.inputs);
    this.decoded = make(out.outputs);
    this.params = make(image.outputs);
    this.slopes = { params: make(image.outputs), decoded: make(out.outputs), z: make(out.inputs), code: make(code.outputs),
      encoded: make(into.outputs) };
  }

  /** μ and ln σ² of the first rows of x. @param {number} rows */
  *encode(rows) {
    const [into, code] = this.network.layers;
    into.forward(this.x, rows, this.encoded);
    yield;
    relu(this.encoded, rows * into.outputs);
    code.forward(this.encoded, rows, this.code);
  }

  /** The parameters of p(x|z) for the first rows of z. @param {number} rows */
  *decode(rows) {
    const [, , out, image] = this.network.layers;
    out.forward(this.z, rows, this.decoded);
    relu(this.decoded, rows * out.outputs);
    image.forward(this.decoded, rows, this.params);
    yield;
  }

  /**
   * z of the rows, of which the noise begins at eps[from].
   * @param {Settings} settings
   * @param {number} rows
   * @param {Reals} eps
   * @param {number} from
   */
  draw({ draw, latent_dim: J }, rows, eps, from) {
    const { code, z } = this;
    const part = draw === "sigma_is_exp_logvar" ? 1 : 0.5;
    for (let i = 0; i < rows * J; i++) {
      const at = i + J * Math.floor(i / J);
      const noise = draw === "no_noise" ? 0 : eps[from + (draw === "one_eps_per_batch" ? i % J : i)];
      z[i] = code[at] + (noise && Math.exp(part * code[at + J]) * noise);
    }
  }

  /**
   * Adds to the slope of μ and ln σ² what reaches them through z.
   * @param {Settings} settings
   * @param {number} rows
   */
  #throughDraw({ draw, latent_dim: J }, rows) {
    const { code, z, slopes } = this;
    const part = draw === "sigma_is_exp_logvar" ? 1 : 0.5;
    if (draw === "no_gradient_through_z") return;
    for (let i = 0; i < rows * J; i++) {
      const at = i + J * Math.floor(i / J);
      slopes.code[at] += slopes.z[i];
      slopes.code[at + J] += slopes.z[i] * part * (z[i] - code[at]); // z − μ = σ ε
    }
  }

  /**
   * The KL term in nats per image, as its line computes it; its gradient, times `weight`, is added to the slope of
   * the code.
   * @param {Settings} settings
   * @param {number} rows
   * @param {number} weight
   */
  #kl({ kl_line: line, latent_dim: J }, rows, weight) {
    const factor = KL_FACTORS[line](J) / rows;
    if (!factor) return 0;
    const { code, slopes } = this;
    let sum = 0;
    for (let r = 0; r < rows; r++) {
      for (let at = 2 * J * r; at < 2 * J * r + J; at++) {
        sum += klOf(code, at, J);
        slopes.code[at] += weight * factor * code[at];
        slopes.code[at + J] += weight * factor * 0.5 * (Math.exp(code[at + J]) - 1);
      }
    }
    return factor * sum;
  }

  /**
   * Computes both terms of the loss of the first rows of x, and leaves the gradient of
   * −weights.reconstruction · reconstruction + weights.kl · KL in the network.
   * @param {Settings} settings
   * @param {number} rows
   * @param {Reals} eps
   * @param {{ reconstruction: number, kl: number }} weights
   */
  *gradient(settings, rows, eps, weights) {
    const { network, x, encoded, z, decoded, params, slopes } = this;
    const [into, latent, out, image] = network.layers;
    const { likelihood, reduction, sigma } = settings;
    const L = draws(settings);
    const logProb = reduction === "sigmoid_twice" ? afterSigmoid(LIKELIHOODS[likelihood].logProb) : LIKELIHOODS[likelihood].logProb;
    const share = 1 / (rows * L * (reduction === "pixel_mean" ? image.outputs : 1));
    network.gradient.fill(0);
    slopes.code.fill(0);
    yield* this.encode(rows);
    let reconstruction = 0;
    for (let sample = 0; sample < L; sample++) {
      this.draw(settings, rows, eps, (sample * noiseOf(settings, rows)) / L);
      yield* this.decode(rows);
      reconstruction += share * logProb(params, x, slopes.params, rows * image.outputs, weights.reconstruction * share, sigma);
      image.learn(slopes.params, decoded, rows);
      yield;
      image.backward(slopes.params, rows, slopes.decoded);
      reluBackward(slopes.decoded, decoded, rows * out.outputs);
      out.learn(slopes.decoded, z, rows);
      out.backward(slopes.decoded, rows, slopes.z);
      this.#throughDraw(settings, rows);
      yield;
    }
    const kl = this.#kl(settings, rows, weights.kl);
    latent.learn(slopes.code, encoded, rows);
    latent.backward(slopes.code, rows, slopes.encoded);
    reluBackward(slopes.encoded, encoded, rows * into.outputs);
    into.learn(slopes.encoded, x, rows);
    return { reconstruction, kl };
  }
}
