import { minus } from "./shared/format.js";
import { klToStandardNormal, sigmoid } from "./shared/formulas.js";
import { DASHED, around, bytes, drawOval, drawTile, layersOf, perceptron, planeOf } from "./shared/network.js";
import { normals, work } from "./shared/random.js";

/** @import { Layers, Vector } from "./shared/network.js" */
/** @import { Panel, Picture } from "./shared/picture.js" */
/** @import { Explorer, Output, Point } from "./shared/types.d.ts" */
/** @typedef {{ drawing: number[], image: number, snapshot: number, z_1: number, z_2: number, seed: number }} State */
/** @typedef {{ encoder: Layers, decoder: Layers }} Network */
/** @typedef {{ seed?: number, done: number, reconstruction: number, kl: number }} Sums  over the test images */
/** @typedef {Network & Sums & { places: Float64Array, placed: number, decoded?: Record<number, Float64Array[]> }} Model */
/** @typedef {ReturnType<typeof forward> & { held: Float64Array, likelihood: number, model: Model }} Now */
/** @typedef {{ labels: string, images: string, epochs: number[], weights: [number, string][][] }} Data */
/**
 * @typedef {{ data: Data, levels?: Uint8Array, seed?: number, eps: Float64Array, models: Model[], now: Now,
 *   plane?: Model }} Cache
 */
/** @typedef {ReturnType<typeof numbers>} Terms */

const D = 64;
/** @param {Float64Array} values */
const total = (values) => values.reduce((sum, v) => sum + v, 0);

/**
 * −log p of each pixel, (7.3): softplus(logit) − x · logit.
 * @type {(x: Float64Array, logits: Float64Array) => Float64Array}
 */
const nats = (x, logits) => logits.map((l, i) => Math.max(l, 0) + Math.log1p(Math.exp(-Math.abs(l))) - x[i] * l);

/**
 * The five steps for one image with the noise eps.
 * @param {Network} network
 * @param {Float64Array} x
 * @param {Float64Array} eps
 */
function forward({ encoder, decoder }, x, eps) {
  const code = perceptron(encoder, x);
  const [mu, logvar] = [code.slice(0, 2), code.slice(2)];
  const sigma = logvar.map((t) => Math.exp(t / 2));
  const sample = mu.map((m, j) => m + sigma[j] * eps[j]);
  const logits = perceptron(decoder, sample);
  const costs = nats(x, logits);
  const kl = klToStandardNormal(mu[0], logvar[0]) + klToStandardNormal(mu[1], logvar[1]);
  return { x, eps, mu, sigma, sample, logits, costs, reconstruction: -total(costs), kl };
}

/**
 * @param {[number, string][]} weights
 * @param {number} count of test images
 * @returns {Model}
 */
function unpacked(weights, count) {
  const places = new Float64Array(2 * count);
  return { ...layersOf(weights), places, placed: 0, done: 0, reconstruction: 0, kl: 0 };
}

/** @type {(state: { image: number, drawing?: number[] }, cache: Cache) => number[]} */
const levels = ({ image, drawing = [] }, cache) => {
  cache.levels ??= bytes(cache.data.images);
  return image ? [...cache.levels.subarray((image - 1) * D, image * D)] : drawing;
};
/** @type {(state: { image: number, drawing?: number[] }, cache: Cache) => Float64Array} */
const greys = (state, cache) => Float64Array.from(levels(state, cache), (level) => level / 16);

/** @type {(cache: Cache, image: number) => Float64Array} */
const noise = ({ eps }, image) => eps.subarray(2 * image, 2 * image + 2);

/**
 * The image at hand at once, then all test images in pieces; what is known of a snapshot is kept.
 * @type {(state: State, cache: Cache, deadline: number) => boolean}
 */
function prepare(state, cache, deadline) {
  const { data } = cache;
  const { snapshot, seed } = state;
  const count = data.labels.length;
  if (cache.seed !== seed) {
    const eps = new Float64Array(16 * Math.ceil((count + 1) / 8));
    normals(seed)(eps, 0, eps.length);
    Object.assign(cache, { seed, eps });
  }
  cache.models ??= [];
  const model = (cache.models[snapshot] ??= unpacked(data.weights[snapshot], count));
  const x = greys(state, cache);
  const held = perceptron(model.decoder, [state.z_1, state.z_2]);
  cache.now = { ...forward(model, x, noise(cache, state.image)), held, likelihood: -total(nats(x, held)), model };
  if (model.seed !== seed) Object.assign(model, { seed, done: 0, reconstruction: 0, kl: 0 });
  return work(model, count, 8, deadline, (from, to) => {
    for (let i = from; i < to; i++) {
      const { mu, reconstruction, kl } = forward(model, greys({ image: i + 1 }, cache), noise(cache, i + 1));
      model.places.set(mu, 2 * i);
      model.reconstruction += reconstruction / count;
      model.kl += kl / count;
      model.placed = Math.max(model.placed, i + 1);
    }
  });
}

/** @type {("mu" | "sigma" | "eps" | "sample")[]} */
const VECTORS = ["mu", "sigma", "eps", "sample"];

/**
 * @param {State} state
 * @param {Cache} cache
 */
function numbers(state, { now }) {
  const { model, kl, reconstruction } = now;
  const pairs = VECTORS.flatMap((name) => [[`${name}_1`, now[name][0]], [`${name}_2`, now[name][1]]]);
  return {
    .../** @type {Record<string, number>} */ (Object.fromEntries(pairs)),
    reconstruction, mean_reconstruction: model.reconstruction,
    kl, mean_kl: model.kl,
    elbo: reconstruction - kl, mean_elbo: model.reconstruction - model.kl,
    log_likelihood: now.likelihood,
  };
}

/** @param {Vector} pair */
const pair = ([a, b]) => minus(`(${a.toFixed(2)}, `) + minus(`${b.toFixed(2)})`);
/** @type {(state: { image: number }, data: Data) => string} */
const named = ({ image }, { labels }) => {
  const label = labels[image - 1];
  return image ? `${label === "8" ? "an" : "a"} ${label}` : "your drawing";
};

// The plane of z₁ and z₂

/** @type {(picture: Picture, place: Vector) => void} */
const drawSquare = (picture, [a, b]) => picture.rect(a - 5, b - 5, a + 5, b + 5, picture.color.approximate);

/** @param {Picture} picture */
const sideOf = ({ narrow, width }) => narrow ? Math.min(220, width - 60) : Math.min(330, Math.round(width / 2), width - 290);

/**
 * Faint digits behind the plane: what its places are decoded to.
 * @type {(picture: Picture, plane: Panel, model: Model) => void}
 */
function drawDecoded(picture, plane, model) {
  if (!picture.kept) return; // in the still picture they would weigh more than all the rest
  const cells = picture.narrow ? 5 : 9; // few on a telephone, where the labels of the test images crowd over them
  const step = (plane.right - plane.left) / cells;
  const corners = Array.from({ length: cells ** 2 }, (_, i) =>
    [plane.left + (i % cells) * step, plane.top + Math.floor(i / cells) * step]);
  // A snapshot is decoded once: its plane is drawn again and again while test images get their places.
  const decoded = ((model.decoded ??= {})[cells] ??= corners.map(([a, b]) =>
    perceptron(model.decoder, [plane.atX(a + step / 2), plane.atY(b + step / 2)]).map(sigmoid)));
  /** @type {[number, number, Float64Array][]} */
  const images = corners.map(([a, b], i) => [Math.round(a) + 1, Math.round(b) + 1, decoded[i]]);
  picture.images(images, Math.floor(step) - 2, picture.color.ink, picture.narrow ? 0.13 : 0.2);
}

/** @type {(picture: Picture, cache: Cache) => ReturnType<typeof planeOf>} */
function drawPlane(picture, cache) {
  const { data, now } = cache;
  const { color } = picture;
  const shown = planeOf(picture, sideOf(picture), 3.3);
  const { plane, at } = shown;
  // The plane of another snapshot stays until every image has its place in the new one.
  if (!cache.plane || now.model.placed === data.labels.length) cache.plane = now.model;
  const { places, placed } = cache.plane;
  plane.inside(() => {
    picture.layer([cache.models.indexOf(/** @type {Model} */ (cache.plane)), placed], () => {
      drawDecoded(picture, plane, /** @type {Model} */ (cache.plane));
      for (let i = 0; i < placed; i++) {
        picture.text(...at(places.subarray(2 * i)), data.labels[i], color[`class-${data.labels[i]}`], "center", 0);
      }
    });
    shown.circles();
    drawOval(picture, around(now.mu, now.sigma).map(at));
    picture.dot(...at(now.mu), color.approximate, 3);
    picture.stroke([at(now.eps), at(now.sample)], color.ink, { width: 1.3 });
    picture.dot(...at(now.eps), color.prior, 5);
    drawSquare(picture, at(now.sample));
  });
  return shown;
}

/** @type {(picture: Picture, row: number) => void} */
function drawKey(picture, row) {
  const { color, narrow, width } = picture;
  const wide = narrow ? width - 12 : sideOf(picture);
  const [key, next] = [narrow ? 6 : 34, row + 19];
  const other = key + Math.round(0.52 * wide);
  /** @type {(left: number, top: number, color: string, ...words: string[]) => void} */
  const name = (left, top, tone, ...words) =>
    picture.text(left + 32, top, picture.fitting((left === key ? other : key + wide) - left - 38, ...words), tone);
  picture.stroke([[key, row], [key + 24, row]], color.prior, DASHED);
  name(key, row, color.prior, "p(z), radius 1, 2", "p(z)");
  drawOval(picture, around([other + 10, row], [12, 6]));
  name(other, row, color.approximate, "q(z|x): μ, σ", "q(z|x)");
  picture.stroke([[key + 4, next], [key + 22, next]], color.ink, { width: 1.3 });
  picture.dot(key + 4, next, color.prior, 5);
  drawSquare(picture, [key + 22, next]);
  name(key, next, color.ink, "ε → z = μ + σε", "ε → z");
  picture.dot(other + 10, next, color.likelihood, 6);
  picture.dot(other + 10, next, color.paper, 3);
  name(other, next, color.likelihood, "your z: drag, click", "your z");
}

// The images, and the loss

/**
 * Four images beside the plane, or below it, and a scale; returns where the next thing can be drawn. The control of
 * pixels lies on the first.
 * @type {(picture: Picture, { data, now }: Cache, left: number, row: number) => number}
 */
function drawImages(picture, { now }, left, row) {
  const { color, narrow, width } = picture;
  const { x, logits, costs, held } = now;
  const room = width - left - 6;
  const large = Math.floor(narrow ? Math.min(122, 0.4 * room) : Math.min(132, (room - 24) / 2)); // room for a finger
  const small = narrow ? Math.floor(Math.min(76, (room - large - 24) / 2)) : large;
  const top = narrow ? row + 48 : 24;
  const columns = narrow ? [left + large + 12, left + large + small + 24] : [left, left + large + 24];
  const second = top + small + (narrow ? 20 : 66); // below the button Clear
  const most = Math.max(...costs);
  const scale = [2, 5, 10, 20, 50].find((end) => end >= most) ?? 1000;
  picture.tile = [left, top, large];
  drawTile(picture, left, top, large, ["x"], color.ink, x);
  drawTile(picture, columns[narrow ? 0 : 1], top, small, ["x′ of this draw", "x′ of z"], color.ink, logits.map(sigmoid));
  drawTile(picture, columns[0], second, small, ["nats per pixel", "nats"], color.likelihood, costs.map((v) => v / scale));
  const last = narrow ? top : second;
  drawTile(picture, columns[1], last, small, ["x′ at your z", "x′, your z"], color.ink, held.map(sigmoid));
  const [start, under] = narrow ? [columns[1], second + 12] : [columns[0], second + small + 12];
  for (let i = 0; i < 16; i++) {
    const [from, to] = [i, i + 1].map((k) => start + (k * small) / 16);
    picture.rect(from, under - 5, to, under + 5, color.likelihood, (i + 0.5) / 16);
  }
  picture.text(start, under + 14, "0", color.muted);
  picture.text(start + small, under + 14, `${scale} nats`, color.muted, "right");
  return narrow ? top + 196 : picture.height - 79;
}

/**
 * The loss as a bar of two parts.
 * @type {(picture: Picture, left: number, top: number, room: number, words: string, parts: Point) => void}
 */
function drawBar(picture, left, top, room, words, [reconstruction, kl]) {
  const { likelihood, approximate } = picture.color;
  const loss = kl - reconstruction;
  const scale = room / Math.max(70, loss);
  const sum = `${(-reconstruction).toFixed(1)} + ${kl.toFixed(1)} = ${loss.toFixed(1)}`;
  picture.text(left, top, picture.fitting(room, `${words}: ${sum}`, sum));
  picture.rect(left, top + 10, left - reconstruction * scale, top + 21, likelihood, 0.8);
  picture.hatched(left - reconstruction * scale, top + 10, left + loss * scale, top + 21, approximate);
}

/** @type {(name: string, label: string, color: string) => Output[]} */
const both = (name, label, color) =>
  [1, 2].map((j) => ({ name: `${name}_${j}`, label: `${label}, dimension ${j}`, color }));

/** @type {Explorer<State, Terms, Cache, Terms | null>} */
export const explorer = {
  height: 480,
  narrow: 608,
  room: 288,
  outputs: [
    ...both("mu", "μ", "approximate"),
    ...both("sigma", "σ", "approximate"),
    ...both("eps", "ε", "prior"),
    ...both("sample", "z = μ + σε", "approximate"),
    { name: "reconstruction", label: "reconstruction log p(x|z)", unit: "nats", color: "likelihood" },
    { name: "mean_reconstruction", label: "reconstruction, test mean", unit: "nats", color: "likelihood" },
    { name: "kl", label: "KL(q ‖ p(z))", unit: "nats", color: "approximate" },
    { name: "mean_kl", label: "KL, test mean", unit: "nats", color: "approximate" },
    { name: "elbo", label: "ELBO with this draw", unit: "nats" },
    { name: "mean_elbo", label: "ELBO, test mean", unit: "nats" },
    { name: "log_likelihood", label: "log p(x|z) at your z", unit: "nats", color: "likelihood" },
  ],
  tasks: [
    { words: "Choose a test image in place of the face.", reach: { image: 1 }, done: ({ image }) => image > 0 },
    { words: "Go back to the start of the training, and forth again.", reach: { snapshot: 0 },
      done: ({ snapshot }) => snapshot === 0 },
    { words: "Hold z in the middle of the plane.", reach: { z_1: 0, z_2: 0 },
      done: ({ z_1: x, z_2: y }) => Math.hypot(x, y) < 0.2 },
  ],
  numbers,
  prepare,
  pixels: levels,
  painted: { image: 0 },
  say: {
    image: (image, data) => `, ${named({ image }, data)}`,
    snapshot: (snapshot, { epochs }) => `, after ${epochs[snapshot]} epochs`,
  },

  describe(state, n, { data, now }) {
    const worst = now.costs.indexOf(Math.max(...now.costs));
    const fixed = (/** @type {number} */ value) => value.toFixed(1);
    const who = state.image ? `Test image ${state.image}, ${named(state, data)},` : "Your drawing";
    return `${who} goes to μ = ${pair(now.mu)} with σ = ${pair(now.sigma)}. ` +
      `Its loss is ${fixed(-n.elbo)} nats, ${fixed(-n.reconstruction)} of reconstruction and ${fixed(n.kl)} of KL; ` +
      `the mean test image costs ${fixed(-n.mean_reconstruction)} and ${fixed(n.mean_kl)}. ` +
      `Row ${Math.floor(worst / 8) + 1}, column ${(worst % 8) + 1} is the dearest pixel, ` +
      `${fixed(now.costs[worst])} nats. Decoded from your z, the same image costs ${fixed(-n.log_likelihood)} nats.`;
  },

  draw(picture, state, n, cache) {
    const { color, narrow, width } = picture;
    const { data, now } = cache;
    const { plane, hold } = drawPlane(picture, cache);
    const row = plane.bottom + 34;
    drawKey(picture, row);
    const left = narrow ? 6 : plane.right + 38;
    const bars = drawImages(picture, cache, left, row);
    const room = width - left - 6;
    const first = picture.fitting(room - picture.measure("+ KL = loss in nats"), "reconstruction ", "recon. ");
    picture.phrase(left, bars,
      [[first, color.likelihood], ["+ KL ", color.approximate], ["= loss in nats", color.ink]]);
    drawBar(picture, left, bars + 20, room, named(state, data), [now.reconstruction, now.kl]);
    if (n) drawBar(picture, left, bars + 57, room, "test mean", [n.mean_reconstruction, n.mean_kl]);
    hold(state.z_1, state.z_2);
  },
};
