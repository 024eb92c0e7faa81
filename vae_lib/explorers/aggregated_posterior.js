import { minus } from "./shared/format.js";
import { logNormal, sigmoid } from "./shared/formulas.js";
import { around, bytes, drawOval, drawTile, layersOf, perceptron, planeOf } from "./shared/network.js";

/** @import { Layers } from "./shared/network.js" */
/** @import { Explorer } from "./shared/types.d.ts" */
/** @typedef {{ model: number, z_1: number, z_2: number }} State */
/** @typedef {{ betas: number[], labels: string, images: string, weights: [number, string][][] }} Data */
/** @typedef {{ decoder: Layers, codes: number[][], parts: number[] }} Model  codes: μ₁, μ₂, σ₁, σ₂ of each image */
/** @typedef {{ data: Data, models?: Model[], now: Model }} Cache */
/** @typedef {ReturnType<typeof numbers>} Terms */

const RARE = -7; // in nats: so low is log p(z) from radius 3.2 on, beyond which 0.6 % of the prior lies

/** The parts of the mean KL, (10.2): labels, and the names of the outputs. */
const PARTS = ["mutual information", "total correlation", "marginal KL"];
const named = (/** @type {string} */ label) => label.toLowerCase().replace(" ", "_");

/** @param {number[]} logs */
const logMean = (logs) => {
  const most = Math.max(...logs);
  return most + Math.log(logs.reduce((sum, v) => sum + Math.exp(v - most), 0) / logs.length);
};

/**
 * log q(z), and log q of each of its coordinates.
 * @type {(codes: number[][], x: number, y: number) => number[]}
 */
function logQ(codes, x, y) {
  const one = codes.map(([mu, , sigma]) => logNormal(x, mu, sigma));
  const two = codes.map(([, mu, , sigma]) => logNormal(y, mu, sigma));
  return [one.map((v, i) => v + two[i]), one, two].map(logMean);
}

/** @type {(data: Data, model: number) => Model} */
function unpacked({ weights, images, labels }, model) {
  const { encoder, decoder } = layersOf(weights[model - 1]);
  const levels = bytes(images);
  const codes = Array.from(labels, (_, i) => {
    const [a, b, s, t] = perceptron(encoder, Float64Array.from(levels.subarray(64 * i, 64 * i + 64), (v) => v / 16));
    return [a, b, Math.exp(s / 2), Math.exp(t / 2)];
  });
  const parts = [0, 0, 0];
  for (const [a, b, s, t] of codes) for (const x of [a - s, a + s]) for (const y of [b - t, b + t]) {
    const [whole, one, two] = logQ(codes, x, y);
    const own = logQ([[a, b, s, t]], x, y)[0];
    [own - whole, whole - one - two, one + two - logP(x, y)].forEach((v, k) => (parts[k] += v / (4 * codes.length)));
  }
  return { decoder, codes, parts };
}

/** @type {(x: number, y: number) => number} */
const logP = (x, y) => logQ([[0, 0, 1, 1]], x, y)[0];

/**
 * @param {State} state
 * @param {Cache} cache
 * @returns {Record<string, number>}
 */
function numbers({ model, z_1, z_2 }, cache) {
  cache.models ??= [];
  const { codes, parts } = (cache.now = cache.models[model] ??= unpacked(cache.data, model));
  return {
    log_p: logP(z_1, z_2), log_q: logQ(codes, z_1, z_2)[0], kl: parts[0] + parts[1] + parts[2],
    ...Object.fromEntries(PARTS.map((label, k) => [named(label), parts[k]])),
  };
}

/** @type {Explorer<State, Terms, Cache>} */
export const explorer = {
  height: 360,
  narrow: 580,
  room: 260,
  outputs: [
    { name: "log_p", label: "log p(z) at your z", unit: "nats", color: "prior" },
    { name: "log_q", label: "log q(z) at your z", unit: "nats", color: "approximate" },
    { name: "kl", label: "mean KL(q(z|x) ‖ p(z))", unit: "nats", color: "approximate" },
    ...PARTS.map((label) => ({ name: named(label), label, unit: "nats", color: "approximate" })),
  ],
  tasks: [
    { words: "Move z to where codes lie. What does the decoder show now?", reach: { z_1: 3, z_2: -1.5 },
      done: (_, { log_p, log_q }) => log_q > Math.max(log_p, RARE) },
    { words: "Raise β until the mismatch, hatched, is below 0.3 nats.", reach: { model: 5 },
      done: (_, n) => n.kl - n.mutual_information < 0.3 },
  ],
  numbers,
  say: { model: (model, { betas }) => `, β = ${betas[model - 1]}` },

  describe({ model, z_1, z_2 }, n, { data, now }) {
    const fixed = (/** @type {number} */ v) => minus(v.toFixed(2));
    const [told, correlation, marginal] = now.parts.map(fixed);
    const apart = n.log_q - n.log_p;
    return `With β = ${data.betas[model - 1]} the mean KL is ${fixed(n.kl)} nats: ${told} tell the images apart, ` +
      `${correlation} are total correlation and ${marginal} marginal KL. At z = (${fixed(z_1)}, ${fixed(z_2)}) ` +
      `log p(z) is ${fixed(n.log_p)} and log q(z) ${fixed(n.log_q)}: ` +
      (Math.max(n.log_p, n.log_q) < RARE ? "hardly a sample comes here, and hardly a code."
      : apart < -2 ? "samples come here, codes hardly do."
      : apart > 2 ? "codes lie here, samples hardly come." : "samples come about as often as codes.");
  },

  draw(picture, state, n, cache) {
    const { color, narrow, width } = picture;
    const { codes, decoder, parts } = cache.now;
    const { plane, at, circles, hold } = planeOf(picture, Math.min(290, narrow ? width - 60 : width / 2), 5);
    plane.inside(() => {
      picture.layer(state.model, () => {
        for (const [a, b, s, t] of codes) drawOval(picture, around([a, b], [s, t]).map(at), 1);
      });
      circles();
    });
    const [left, top, size] = narrow ? [8, plane.bottom + 48, 104] : [plane.right + 46, 44, 132];
    drawTile(picture, left, top, size, ["x′ at your z"], color.ink, perceptron(decoder, [state.z_1, state.z_2]).map(sigmoid));
    const [key, row] = narrow ? [left + size + 14, top + 6] : [left, top + size + 22];
    const words = width - key - 8;
    picture.text(key, row, picture.fitting(words, "dashed: p(z), radius 1, 2", "dashed: p(z)"), color.prior);
    picture.text(key, row + 19, picture.fitting(words, "ellipses: q(z|x), μ and σ", "ellipses: q(z|x)"), color.approximate);
    const bar = top + size + (narrow ? 34 : 86);
    const room = width - left - 10;
    picture.text(left, bar - 12, `mean KL ${n.kl.toFixed(2)} nats`);
    let end = left;
    parts.forEach((nats, k) => {
      const from = end;
      end += (Math.max(0, nats) * room) / 6.5;
      if (k) picture.hatched(from, bar, end, bar + 16, color.approximate, k / 2);
      else picture.rect(from, bar, end, bar + 16, color.approximate);
    });
    ["full: mutual information", "light lines: total correlation", "dark lines: marginal KL"].forEach((line, k) =>
      picture.text(left, bar + 30 + 18 * k, line, color.approximate));
    hold(state.z_1, state.z_2);
  },
};
