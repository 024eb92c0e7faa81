import { brief, grouped, minus } from "./shared/format.js";
import { meanLogLikelihood, X } from "./shared/formulas.js";
import { COUNTS, drawn, MOST_DRAWS } from "./shared/random.js";

/** @import { Panel, Picture } from "./shared/picture.js" */
/** @import { Draws } from "./shared/random.js" */
/** @import { Explorer } from "./shared/types.d.ts" */
/** @typedef {{ num_samples: number, sigma: number, seed: number }} State */
/** @typedef {[count: number, mean: number, twice: number]} Step  with twice the standard error */
/** @typedef {Draws & { data: {}, key?: string, steps: Step[] }} Cache */
/** @typedef {ReturnType<typeof numbers>} Terms */

const MU = 0.6;

/**
 * With z = μ + σε, log p(x|z) − exact is aε − b(ε² − 1).
 * @param {number} sigma
 */
function parts(sigma) {
  const [a, b] = [2 * (X - 2 * MU) * sigma, 2 * sigma * sigma];
  return { a, b, exact: meanLogLikelihood(MU, sigma), spread: Math.hypot(a, Math.SQRT2 * b) };
}

/**
 * @param {State} state
 * @param {Cache} cache
 */
function numbers({ num_samples, sigma }, { eps }) {
  const { a, b, exact } = parts(sigma);
  let [sum, squares] = [0, 0];
  for (let l = 0; l < num_samples; l++) sum += a * eps[l] - b * (eps[l] * eps[l] - 1);
  const error = sum / num_samples;
  for (let l = 0; l < num_samples; l++) squares += (a * eps[l] - b * (eps[l] * eps[l] - 1) - error) ** 2;
  return {
    estimate: exact + error,
    standard_error: num_samples > 1 ? Math.sqrt(squares / (num_samples - 1) / num_samples) : null,
    reconstruction: exact,
    error,
  };
}

/**
 * The running mean along the draws that are there; kept for the last seed and σ.
 * @param {Cache} cache
 * @param {number} sigma
 */
function run(cache, sigma) {
  const { a, b, exact } = parts(sigma);
  const { eps, done, seed } = cache;
  const key = [seed, done, b].join();
  if (cache.key === key) return cache.steps;
  /** @type {Step[]} */
  const steps = [];
  let [l, sum, squares] = [0, 0, 0];
  for (const count of COUNTS) {
    if (count > done) break;
    for (; l < count; l++) {
      const off = a * eps[l] - b * (eps[l] * eps[l] - 1);
      sum += off;
      squares += off * off;
    }
    const variance = count > 1 ? Math.max(0, squares - (sum * sum) / count) / (count - 1) : 0;
    steps.push([count, exact + sum / count, 2 * Math.sqrt(variance / count)]);
  }
  Object.assign(cache, { key, steps });
  return steps;
}

/**
 * Two panels, of up to 1000 draws and of more, the second with a magnified axis.
 * @param {Picture} picture
 * @param {number} sigma
 */
function panelsOf(picture, sigma) {
  const { narrow, width, height } = picture;
  const { exact, spread } = parts(sigma);
  const [left, gap, right] = [50, 66, 18];
  const decade = (width - left - gap - right) / 5;
  const first = picture.panel({
    left, right: narrow ? right : right + 2 * decade + gap, top: 26, bottom: narrow ? height / 2 + 26 : 42,
    x: [1, 1000], logx: true, xticks: [1, 10, 100, 1000], y: [exact - 2.8 * spread, exact + 2.3 * spread],
    xlabel: narrow ? "" : "number of draws L", ylabel: "log p(x|z) in nats",
  });
  const zoom = Math.sqrt(1000);
  const second = picture.panel({
    left: narrow ? left : left + 3 * decade + gap, right, top: narrow ? height / 2 + 18 : 26, bottom: 42,
    x: [1000, MOST_DRAWS], logx: true, xticks: [1000, [1e4, "10⁴"], [1e5, "10⁵"]],
    y: [exact - (2.8 * spread) / zoom, exact + (2.3 * spread) / zoom],
    xlabel: "number of draws L", ylabel: "the same, magnified 32 times",
  });
  return [first, second];
}

/** @type {(p: Panel, steps: Step[], alpha: number) => void} */
function drawBand(p, steps, alpha) {
  const { picture } = p;
  p.inside(() => picture.fill([
    ...steps.map(([l, mean, two]) => [p.x(l), p.y(mean + two)]),
    ...steps.map(([l, mean, two]) => [p.x(l), p.y(mean - two)]).reverse(),
  ], picture.color.likelihood, alpha));
}

/** @type {(p: Panel, whole: Step[], until: Step[], exact: number) => void} */
function drawRun(p, whole, until, exact) {
  const { likelihood, ink } = p.picture.color;
  /** @param {Step[]} steps @returns {[number, number][]} */
  const means = (steps) => steps.map(([l, mean]) => [l, mean]);
  drawBand(p, whole.slice(1), 0.1);
  drawBand(p, until.slice(1), 0.2);
  p.horizontal(exact, ink);
  p.line(means(whole), likelihood, { alpha: 0.45, width: 1.2 });
  p.line(means(until), likelihood);
}

/** @type {(p: Panel, up: number, words: string, ink: string) => void} */
const say = (p, up, words, ink) => p.picture.text(p.right - 4, p.bottom - 12 - 17 * up, words, ink, "right");

/** @type {(p: Panel, state: State, cache: Cache) => void} */
function drawDots(p, { num_samples, sigma }, { eps, done }) {
  const { picture } = p;
  const { color, narrow } = picture;
  const { a, b, exact } = parts(sigma);
  say(p, 2, "dots: single draws", color.muted);
  say(p, 1, "line: their mean", color.likelihood);
  say(p, 0, "band: ±2 standard errors", color.likelihood);
  p.inside(() => eps.subarray(0, Math.min(num_samples, done, narrow ? 20 : 50)).forEach((e, l) =>
    picture.dot(p.x(l + 1), p.y(exact + a * e - b * (e * e - 1)), color.muted, 1.8)));
}

/** @type {Explorer<State, Terms, Cache, Terms | null>} */
export const explorer = {
  height: 320,
  narrow: 460,
  room: 340,
  outputs: [
    { name: "estimate", label: "mean of the first L draws", unit: "nats", color: "likelihood" },
    { name: "standard_error", label: "their standard error", unit: "nats", color: "likelihood" },
    { name: "reconstruction", label: "exact reconstruction term", unit: "nats" },
    { name: "error", label: "mean of the draws − exact", unit: "nats" },
  ],
  tasks: [
    { words: "Halve the standard error with L alone. By how much must L grow?", reach: { num_samples: 26_000 },
      done: ({ sigma }, { standard_error: error }) => sigma === 0.5 && error !== null && error < 0.0093 },
    { words: "Take one single draw, and make it miss by more than 1 nat.", start: { num_samples: 1 },
      reach: { num_samples: 1, sigma: 1.3 }, done: ({ num_samples: L }, { error }) => L === 1 && Math.abs(error) > 1 },
  ],
  numbers,
  prepare: ({ seed }, cache, deadline) => drawn(seed, cache, deadline),

  describe({ num_samples, sigma }, { estimate, standard_error, error }) {
    const errors = Math.abs(error) / (standard_error ?? NaN);
    const own = standard_error === null ? "A single draw cannot tell how far off it is. " :
      `These draws report a standard error of ${brief(standard_error)}, ` +
      `so the miss is ${errors.toFixed(1)} of them` +
      (errors > 2 ? ", outside the band, as it is in about one run of twenty. " : ". ");
    const draws = num_samples === 1 ? "one draw" : `the first ${grouped(num_samples)} draws`;
    return `The mean of ${draws} is ${minus(estimate.toFixed(3))} nats, ` +
      `${brief(Math.abs(error))} too ${error < 0 ? "low" : "high"}. ` + own +
      `At σ = ${sigma} one draw misses by ${brief(parts(sigma).spread)} nats (root mean square), and ` +
      "each further correct digit costs a hundred times the draws.";
  },

  draw(picture, state, n, cache) {
    const { color, narrow } = picture;
    const { num_samples, sigma } = state;
    const { exact } = parts(sigma);
    const whole = run(cache, sigma);
    const until = whole.filter(([count]) => count <= num_samples);
    if (n) until.push([num_samples, n.estimate, 2 * (n.standard_error ?? 0)]);
    const panels = panelsOf(picture, sigma);
    const [first, second] = panels;
    /** @param {number} x @param {number} y */
    const move = (x, y) => {
      const beyond = narrow ? y > second.top - 20 : x > second.left - 33; // the middle of the gap
      return { num_samples: beyond ? Math.max(1000, second.atX(x)) : Math.min(1000, first.atX(x)) };
    };
    for (const p of panels) {
      drawRun(p, whole, until, exact);
      if (Number(picture.guess?.value) > 1000 === (p === second)) p.guess("num_samples", "x");
      if (p === second) say(p, 0, `dashed: exact, ${minus(exact.toFixed(3))}`, color.ink);
      else drawDots(p, state, cache);
      if (num_samples > 1000 !== (p === second)) continue;
      const x = p.x(num_samples);
      if (n) {
        const y = Math.min(p.bottom, Math.max(p.top, p.y(n.estimate)));
        picture.stroke([[x, p.top + 12], [x, y]], color.ink, { width: 1.3 });
        p.inside(() => picture.dot(x, p.y(n.estimate), color.likelihood, 4.5));
      }
      picture.handle(x, p.top + 12, color.ink, "x", move);
    }
  },
};
