import { minus } from "./shared/format.js";
import { logNormal } from "./shared/formulas.js";

/** @import { Picture } from "./shared/picture.js" */
/** @import { Explorer } from "./shared/types.d.ts" */
/** @typedef {{ p: number, x: number, sigma: number }} State */
/** @typedef {ReturnType<typeof numbers>} Terms */

/** @type {(a: number, b: number) => number} */
const xlog = (a, b) => (a ? a * Math.log(b) : 0);
/** @type {(x: number, p: number) => number} */
const crossEntropy = (x, p) => -xlog(x, p) - xlog(1 - x, 1 - p);
/** @type {(x: number, p: number, sigma: number) => number} */
const gaussian = (x, p, sigma) => -logNormal(x, p, sigma);

/**
 * (7.3) and (7.4) for D = 1, each also above its minimum, and their slopes in the logit and in the mean.
 * @param {State} state
 */
function numbers({ p, x, sigma }) {
  return {
    bernoulli_nll: crossEntropy(x, p),
    bernoulli_excess: xlog(x, x / p) + xlog(1 - x, (1 - x) / (1 - p)),
    bernoulli_slope: p - x,
    gaussian_nll: gaussian(x, p, sigma),
    gaussian_excess: 0.5 * ((x - p) / sigma) ** 2,
    gaussian_slope: (p - x) / sigma ** 2,
  };
}

const TOP = 5;
const nats = (/** @type {number} */ value) => minus(value.toFixed(3)) + " nats";

/**
 * @param {Picture} picture
 * @param {number} i 0 for cross-entropy, 1 for the Gaussian, beside it or below
 */
function axesOf(picture, i) {
  const { narrow, width, height } = picture;
  const half = narrow ? height / 2 : width / 2;
  return picture.panel({
    left: narrow || !i ? 34 : half + 26, right: narrow || i ? 18 : half + 10,
    top: 58 + (narrow ? i * half : 0), bottom: narrow && !i ? half + 40 : 40,
    x: [-0.07, 1.07], y: [-3.2, TOP], yticks: [-1, 0, 1, 2, 3, 4], xticks: narrow ? [0, 0.5, 1] : undefined,
    xlabel: "p, the decoder’s mean",
  });
}

/** @type {(picture: Picture, i: number, state: State, words: string, loss: (mean: number) => number) => void} */
function drawLoss(picture, i, { p, x }, words, loss) {
  const { color } = picture;
  const axes = axesOf(picture, i);
  if (!i) axes.guess("bernoulli_nll", "y");
  picture.text(axes.left - 30, axes.top - 46, `${words}, in nats`);
  axes.horizontal(0, color.muted, { width: 1 });
  const [value, floor] = [loss(p), loss(x)];
  const [px, py] = [axes.x(p), axes.y(Math.min(TOP, value))];
  // The residual along the minimum and, above p, what it costs.
  const foot = axes.y(-2.75);
  const way = [[axes.x(x), foot], [axes.x(x), axes.y(floor)], [px, axes.y(floor)]];
  picture.stroke(way, color.ink, { width: 1.3, dash: [4, 4] });
  picture.stroke([[px, axes.y(floor)], [px, py]], color.likelihood, { width: 5, alpha: 0.4 });
  axes.curve(loss, color.likelihood, { over: [1e-5, 1 - 1e-5] });
  picture.handle(px, py, color.likelihood, "x", (at) => ({ p: axes.atX(at) }));
  if (value > TOP) {
    const middle = Math.max(axes.left + 34, Math.min(axes.right - 34, px));
    picture.text(middle, axes.top - 20, `↑ ${value.toFixed(1)} nats`, color.likelihood, "center");
  }
  const [side, align] = x < 0.5 ? [1, /** @type {const} */ ("left")] : [-1, /** @type {const} */ ("right")];
  const zero = axes.y(0);
  const below = Math.max(axes.y(floor), axes.y(floor) > zero - 24 ? zero : 0) + 15; // clear of the line at 0
  picture.text(axes.x(x) + side * 12, below, `${minus(floor.toFixed(3))} at p = x`, color.ink, align);
  picture.handle(axes.x(x), foot, color.ink, "x", (at) => ({ x: axes.atX(at) }));
  picture.text(axes.x(x) + side * 22, foot, `x = ${minus(x)}`, color.ink, align);
}

/**
 * The grey of the pixel beside the grey predicted for it.
 * @type {(picture: Picture, state: State) => void}
 */
function drawGreys(picture, { p, x }) {
  const { color } = picture;
  const [left, top] = [picture.width - 76, 4];
  [x, p].forEach((grey, i) => picture.rect(left + 24 * i, top, left + 24 * (i + 1), top + 18, color.ink, grey));
  picture.frame(left, top, left + 48, top + 18, color.muted);
  picture.text(left - 7, top + 9, "x", color.ink, "right");
  picture.text(left + 54, top + 9, "p", color.ink);
}

/** @type {Explorer<State, Terms>} */
export const explorer = {
  height: 370,
  narrow: 620,
  room: 315,
  outputs: [
    { name: "bernoulli_nll", label: "cross-entropy of the pixel", unit: "nats", color: "likelihood" },
    { name: "gaussian_nll", label: "Gaussian −log p(x|z)", unit: "nats", color: "likelihood" },
    { name: "bernoulli_excess", label: "cross-entropy − its minimum", unit: "nats" },
    { name: "gaussian_excess", label: "Gaussian − its minimum", unit: "nats" },
    { name: "bernoulli_slope", label: "slope of cross-entropy", unit: "nats/logit" },
    { name: "gaussian_slope", label: "slope of the Gaussian", unit: "nats/grey" },
  ],
  tasks: [
    { words: "Keep p = x = 0.5 and make the Gaussian price positive.", reach: { sigma: 0.5 },
      done: ({ p, x }, { gaussian_nll: price }) => p === 0.5 && x === 0.5 && price > 0 },
    { words: "Make the cross-entropy as good as 0. Which pixels allow it?", reach: { x: 0, p: 0.01 },
      done: (_, { bernoulli_nll: price }) => price < 0.02 },
    { words: "With x = 1, let the cross-entropy pull with a slope beyond −0.9.", reach: { x: 1, p: 0.05 },
      done: ({ x }, { bernoulli_slope: slope }) => x === 1 && slope < -0.9 },
  ],
  numbers,

  describe({ p, x, sigma }, n) {
    if (p === x) {
      const cause = n.gaussian_nll < 0 ? ", below 0 because a density may exceed 1" : "";
      return `The prediction equals the pixel, x = ${minus(x)}: both curves are at their minimum. Still cross-entropy charges ` +
        `${nats(n.bernoulli_nll)}, because the pixel is grey. ` +
        `The Gaussian gives ${nats(n.gaussian_nll)}, which σ = ${sigma} alone decides${cause}.`;
    }
    const rest = x > 0 && x < 1
      ? `of which ${nats(n.bernoulli_nll - n.bernoulli_excess)} would remain at p = x because the pixel is grey`
      : "all of it error: at p = x it would be 0";
    return `The pixel is ${minus(x)} and the prediction ${minus(p)}, off by ${minus((p - x).toFixed(2))}. Cross-entropy is ` +
      `${nats(n.bernoulli_nll)}, ${rest}. The Gaussian is ${nats(n.gaussian_nll)}; the thick bar, what lies above the ` +
      `minimum, is ${nats(n.gaussian_excess)} with σ = ${sigma}, and four times that with half the σ.`;
  },

  draw(picture, state) {
    const { x, sigma } = state;
    drawLoss(picture, 0, state, "cross-entropy", (mean) => crossEntropy(x, mean));
    drawLoss(picture, 1, state, `Gaussian, σ = ${sigma}`, (mean) => gaussian(x, mean, sigma));
    drawGreys(picture, state);
  },
};
