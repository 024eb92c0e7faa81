import { LOG_2PI } from "./shared/formulas.js";

/** @import { Panel, Picture } from "./shared/picture.js" */
/** @import { Explorer, Point } from "./shared/types.d.ts" */
/** @typedef {{ run: number }} State */
/** @typedef {{ sigma: number, distortion: number, kl: number[], means: string, samples: string }} Run */
/** @typedef {{ pixels: number, originals: string, runs: Run[] }} Data */
/** @typedef {ReturnType<typeof numbers>} Terms */

/** @param {{ kl: number[] }} run */
const rate = ({ kl }) => kl.reduce((sum, nats) => sum + nats, 0);
const isActive = (/** @type {number} */ nats) => nats > 0.01;

/**
 * @param {State} state
 * @param {{ data: Data }} cache
 */
function numbers({ run }, { data }) {
  const { sigma, distortion, kl } = data.runs[run - 1];
  const nats = rate({ kl });
  const reconstruction = -distortion / (2 * sigma ** 2) - (data.pixels / 2) * (LOG_2PI + 2 * Math.log(sigma));
  return {
    sigma, beta: sigma ** 2, distortion, kl: nats, active_units: kl.filter(isActive).length,
    reconstruction, elbo: reconstruction - nats,
  };
}

/** @type {(picture: Picture, terms: Terms, runs: Run[]) => void} */
function drawPlane(picture, { sigma, beta, distortion, kl }, runs) {
  const { color, narrow, height } = picture;
  const far = 1.08 * Math.max(...runs.map(rate));
  const plane = picture.panel({
    left: 40, right: narrow ? 12 : 344, top: 34, bottom: narrow ? height - 224 : 44,
    x: [0, far], y: [0, 1.14 * Math.max(...runs.map((one) => one.distortion))],
    xlabel: "rate: KL in nats", ylabel: "distortion: squared error",
  });
  /** @type {Point[]} */
  const tangent = [[0, distortion + 2 * beta * kl], [far, distortion - 2 * beta * (far - kl)]];
  plane.line(tangent, color.likelihood, { width: 1.5, dash: [6, 5] });
  plane.line(runs.map((one) => [rate(one), one.distortion]), color.muted, { width: 1.3 });
  runs.forEach((one) => picture.dot(plane.x(rate(one)), plane.y(one.distortion), color.ink));
  const [px, py] = [plane.x(kl), plane.y(distortion)];
  /** @param {(one: Run) => number} away */
  const nearest = (away) => ({ run: 1 + runs.map(away).indexOf(Math.min(...runs.map(away))) });
  picture.handle(px, py, color.approximate, "x", (x) => nearest((one) => Math.abs(plane.x(rate(one)) - x)));
  picture.pick = (x, y) => {
    const away = (/** @type {Run} */ one) => Math.hypot(plane.x(rate(one)) - x, plane.y(one.distortion) - y);
    return Math.min(...runs.map(away)) < 22 ? nearest(away) : null;
  };
  [`σ = ${sigma}`, "dashed: one nat", `for 2σ² = ${(2 * beta).toFixed(3)} of error`].forEach((words, i) =>
    picture.text(plane.right, plane.top + 14 + 18 * i, words, i ? color.likelihood : color.approximate, "right"));
}

/** @type {(picture: Picture, run: Run, runs: Run[]) => Panel} */
function drawDimensions(picture, run, runs) {
  const { color, narrow, width } = picture;
  const sorted = [...run.kl].sort((a, b) => b - a);
  const J = sorted.length;
  const bars = picture.panel({
    left: narrow ? 40 : width - 280, right: 12, top: narrow ? 312 : 34, bottom: narrow ? 146 : 150,
    x: [0, J], xticks: null, y: [0, 1.18 * Math.max(...runs.flatMap((one) => one.kl))],
    ylabel: `KL of each dimension: ${sorted.filter(isActive).length} of ${J} active`,
  });
  const digits = picture.measure("0.00") < bars.x(1) - bars.x(0) - 4 ? 2 : 1;
  sorted.forEach((nats, j) => {
    const [on, top] = [isActive(nats), bars.y(nats)];
    picture.rect(bars.x(j + 0.2), top, bars.x(j + 0.8), bars.bottom, color.approximate);
    const ink = on ? color.approximate : color.muted;
    picture.text(bars.x(j + 0.5), top - 10, on ? nats.toFixed(digits) : "off", ink, "center");
  });
  bars.horizontal(0, color.muted, { width: 1 });
  return bars;
}

/**
 * Originals, reconstructions and samples, a row of eight images each.
 * @type {(picture: Picture, start: number, run: Run, data: Data) => void}
 */
function drawImages(picture, start, { means, samples }, { originals, pixels }) {
  const { color, height, width } = picture;
  const step = Math.min(34, Math.floor((width - start) / 8));
  ["x", "x′", "new"].forEach((words, row) => {
    const greys = Uint8Array.from(atob([originals, means, samples][row]), (c) => c.charCodeAt(0));
    const top = height - 122 + 40 * row;
    picture.text(start - 8, top + 16, words, row ? color.likelihood : color.ink, "right");
    const strengths = Array.from({ length: 8 }, (_, i) =>
      Float64Array.from(greys.subarray(i * pixels, (i + 1) * pixels), (grey) => grey / 255));
    picture.images(strengths.map((image, i) => [Math.round(start) + step * i, top, image]), step - 2, color.ink);
  });
}

/** @type {Explorer<State, Terms, { data: Data }>} */
export const explorer = {
  height: 344,
  narrow: 556,
  room: 250,
  outputs: [
    { name: "sigma", label: "σ of p(x|z)" },
    { name: "beta", label: "β = σ², beside σ = 1" },
    { name: "distortion", label: "distortion per image", color: "likelihood" },
    { name: "kl", label: "rate, the KL term", unit: "nats", color: "approximate" },
    { name: "active_units", label: "active latent dimensions", digits: 0, color: "approximate" },
    { name: "reconstruction", label: "reconstruction term", unit: "nats", color: "likelihood" },
    { name: "elbo", label: "held-out ELBO", unit: "nats" },
  ],
  tasks: [
    { words: "Go to the sharpest p(x|z). Which term pays for it?", reach: { run: 1 }, done: ({ run }) => run === 1 },
    { words: "Go to the bluntest. What is left of its digits?", reach: { run: 9 }, done: ({ run }) => run === 9 },
  ],
  numbers,

  describe(_, { sigma, beta, distortion, kl, active_units }) {
    const price = `With σ = ${sigma} a nat of KL has to save ${(2 * beta).toFixed(3)} of squared error`;
    return active_units
      ? `${price}. The encoder buys ${kl.toFixed(2)} nats and keeps ${active_units} latent dimensions in use; ` +
        `the error left is ${distortion.toFixed(2)} per image. ` +
        "The dashed line through the point has the slope of that price."
      : `${price}, and no dimension does: q(z|x) is the prior for every image, and the decoder shows the mean image ` +
        "whatever z is. The posterior has collapsed.";
  },

  draw(picture, state, terms, { data }) {
    const run = data.runs[state.run - 1];
    drawPlane(picture, terms, data.runs);
    const bars = drawDimensions(picture, run, data.runs);
    drawImages(picture, bars.left, run, data);
  },
};
