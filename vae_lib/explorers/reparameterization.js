import { format, grouped, minus } from "./shared/format.js";
import { logLikelihood, normal, X } from "./shared/formulas.js";
import { drawn, MOST_DRAWS } from "./shared/random.js";

/** @import { Picture } from "./shared/picture.js" */
/** @import { Draws } from "./shared/random.js" */
/** @import { Explorer, Output, Point } from "./shared/types.d.ts" */
/** @typedef {{ mu: number, sigma: number, num_samples: number, seed: number }} State */
/** @typedef {{ mean: number | null, variance: number | null, counts: ArrayLike<number> & Iterable<number> }} Summary */
/** @typedef {Draws & { data: {}, terms: Float64Array[], ends: Point, three: Summary[] }} Cache */
/** @typedef {Record<string, number | null> & { exact: number }} Terms */

const BINS = 110;
const KINDS = [
  ["pathwise", "pathwise", "likelihood"],
  ["score", "score function", "ink"],
  ["baseline", "with baseline", "muted"],
];

/**
 * At z = μ + σε, log p(x|z) is level + aε − bε² and its slope in z is a/σ − 4σε.
 * @type {(mu: number, sigma: number) => { level: number, a: number, b: number }}
 */
const parts = (mu, sigma) => ({ level: logLikelihood(mu), a: 2 * (X - 2 * mu) * sigma, b: 2 * sigma * sigma });

/**
 * Round ends for the axis on which 999 of 1000 gradients lie, for a normal ε those of |ε| < 3.3.
 * @type {(mu: number, sigma: number) => Point}
 */
function range(mu, sigma) {
  const { level, a, b } = parts(mu, sigma);
  let [low, high] = [a / sigma, a / sigma];
  for (let e = -3.3; e <= 3.3; e += 0.1) {
    const score = ((level + a * e - b * e * e) * e) / sigma;
    const baseline = ((a * e - b * (e * e - 1)) * e) / sigma;
    const terms = [a / sigma - 4 * sigma * e, score, baseline];
    [low, high] = [Math.min(low, ...terms), Math.max(high, ...terms)];
  }
  const step = 10 ** Math.floor(Math.log10(high - low)) / 5;
  return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
}

/** @type {(terms: Float64Array, mean: number, count: number, ends: Point) => Summary} */
function summary(terms, mean, count, [low, high]) {
  const counts = new Uint32Array(BINS + 2); // the first and the last are beyond the ends
  const scale = BINS / (high - low);
  let squares = 0;
  for (let l = 0; l < count; l++) {
    squares += (terms[l] - mean) * (terms[l] - mean);
    const bin = ((terms[l] - low) * scale + 1) | 0;
    counts[bin < 0 ? 0 : bin > BINS ? BINS + 1 : bin]++;
  }
  return { mean, variance: count > 1 ? squares / (count - 1) : null, counts: counts.subarray(1, BINS + 1) };
}

/**
 * The gradients d/dμ of the three kinds, in a few passes over the draws.
 * @type {(state: State, cache: Cache) => true}
 */
function measure({ mu, sigma, num_samples: L }, cache) {
  const { level, a, b } = parts(mu, sigma);
  const { eps } = cache;
  cache.terms ??= KINDS.map(() => new Float64Array(MOST_DRAWS));
  const [pathwise, score, baseline] = cache.terms;
  const [slope, bend, inverse, leaveOut] = [a / sigma, 4 * sigma, 1 / sigma, L / (L - 1) / sigma];
  let sum = 0;
  for (let l = 0; l < L; l++) sum += eps[l] * (a - b * eps[l]);
  const mean = sum / L;
  let [sum0, sum1, sum2] = [0, 0, 0];
  for (let l = 0; l < L; l++) {
    const e = eps[l];
    const f = e * (a - b * e);
    sum0 += pathwise[l] = slope - bend * e;
    sum1 += score[l] = (level + f) * e * inverse;
    sum2 += baseline[l] = (f - mean) * e * leaveOut;
  }
  const ends = (cache.ends = range(mu, sigma));
  cache.three = [sum0, sum1, sum2].map((total, i) => (L === 1 && i === 2
    ? { mean: null, variance: null, counts: [] } : summary(cache.terms[i], total / L, L, ends)));
  return true;
}

/** @type {(state: State, cache: Cache) => Terms} */
function numbers({ mu }, { three }) {
  const pairs = KINDS.flatMap(([name], i) =>
    [[`${name}_mean`, three[i].mean], [`${name}_variance`, three[i].variance]]);
  return { ...Object.fromEntries(pairs), exact: 2 * (X - 2 * mu) };
}

/** @type {(picture: Picture, state: State, cache: Cache) => void} */
function drawDraws(picture, { mu, sigma }, { eps, done }) {
  const { color, narrow, width, height } = picture;
  const q = (/** @type {number} */ z) => normal(z, mu, sigma);
  const scale = Math.max(q(mu), 0.5);
  const p = picture.panel({
    left: 26, right: narrow ? 14 : width * 0.52, bottom: narrow ? height - 236 : 42,
    x: picture.follow([Math.min(-4, mu - 3 * sigma), Math.max(5.5, mu + 3 * sigma)]), y: [-1.25, 1.1],
    yticks: null, xlabel: "ε and z", ylabel: "z = μ + σε, always the same ε",
  });
  p.area((z) => q(z) / scale, color.approximate);
  p.curve((z) => q(z) / scale, color.approximate);
  for (const row of [0, -1]) p.horizontal(row, color.muted, { width: 1 });
  picture.text(10, p.y(0), "z", color.approximate);
  picture.text(10, p.y(-1), "ε", color.prior);
  p.inside(() => eps.subarray(0, Math.min(12, done)).forEach((e) => {
    const [from, to] = [p.x(e), p.x(mu + sigma * e)];
    picture.stroke([[from, p.y(-1)], [to, p.y(0)]], color.muted, { width: 1, alpha: 0.7 });
    picture.dot(from, p.y(-1), color.prior, 4);
    picture.dot(to, p.y(0), color.approximate, 4);
  }));
  const [peak, flank] = [p.y(q(mu) / scale), p.y(q(mu + sigma) / scale)];
  picture.text(p.x(mu) - 18, peak - 8, "q(z|x)", color.approximate, "right");
  picture.handle(p.x(mu), peak, color.approximate, "x", (x) => ({ mu: p.atX(x) }));
  picture.handle(p.x(mu + sigma), flank, color.approximate, "x", (x) => ({ sigma: p.atX(x) - mu }));
}

/** @type {(picture: Picture, num_samples: number, exact: number, cache: Cache) => void} */
function drawGradients(picture, num_samples, exact, { ends, three }) {
  const { color, narrow, width, height } = picture;
  const [column, first] = narrow ? [40, 322] : [width * 0.56, 46];
  const tall = (height - first - 88) / 3;
  picture.text(column - 30, first - 34, "counts (log); dashed: exact; dot: mean", color.muted);
  KINDS.forEach(([, words, kind], i) => {
    const { mean, variance, counts } = three[i];
    const top = first + i * (tall + 23);
    /** @type {[number, string][]} */
    const powers = [[1, "1"], [100, "100"], [1e4, "10⁴"]];
    const ticks = powers.filter(([count]) => count <= num_samples);
    const p = picture.panel({
      left: column, right: 14, top, bottom: height - top - tall, x: ends,
      y: [0, Math.log10(1 + Math.max(9, num_samples))], xticks: i < 2 ? [] : undefined,
      yticks: ticks.map(([count, label]) => [Math.log10(1 + count), label]),
      xlabel: i < 2 ? "" : "gradient d/dμ of one draw, nats per unit",
    });
    const spread = variance === null ? "none" : format(variance, 2);
    picture.text(column + 6, top - 9, `${words}: variance ${spread}`, color[kind]);
    const wide = (p.right - p.left) / BINS;
    const steps = [...counts].flatMap((count, k) => {
      const y = p.y(Math.log10(1 + count));
      return [[p.left + k * wide, y], [p.left + (k + 1) * wide, y]];
    });
    picture.fill([[p.left, p.bottom], ...steps, [p.right, p.bottom]], color[kind], 0.6);
    p.vertical(exact, color.ink);
    if (mean === null || mean < ends[0] || mean > ends[1]) return;
    picture.dot(p.x(mean), p.bottom, color.paper, 6);
    picture.dot(p.x(mean), p.bottom, color[kind], 4.5);
  });
}

/** @type {Explorer<State, Terms, Cache, Terms | null>} */
export const explorer = {
  height: 390,
  narrow: 636,
  room: 255,
  outputs: [
    ...KINDS.flatMap(([name, , color]) => /** @type {Output[]} */ ([
      { name: `${name}_mean`, label: `mean, ${name}`, unit: "nats per unit", color },
      { name: `${name}_variance`, label: `variance, ${name}`, color },
    ])),
    { name: "exact", label: "exact gradient d/dμ", unit: "nats per unit" },
  ],
  tasks: [
    { words: "Find the μ at which the gradient is 0.", reach: { mu: 1.25 }, done: (_, { exact }) => Math.abs(exact) < 0.05 },
    { words: "Make σ small. Which of the spreads shrinks, and which grows?", reach: { sigma: 0.05 },
      done: ({ sigma }) => sigma <= 0.1 },
  ],
  numbers,
  prepare: (state, cache, deadline) => drawn(state.seed, cache, deadline) && measure(state, cache),

  describe({ num_samples }, n) {
    const [pathwise, score, baseline] = KINDS.map(([name]) => minus(n[`${name}_mean`]?.toFixed(2) ?? ""));
    const start = `The exact gradient is ${minus(n.exact.toFixed(2))}. `;
    if (num_samples === 1) {
      return start + `One draw says ${pathwise} pathwise and ${score} by the score function; ` +
        "a baseline and a variance need a second one.";
    }
    const worth = (/** @type {string} */ name) =>
      grouped(Number((Number(n[name]) / Number(n.pathwise_variance)).toPrecision(2)));
    return start + `The means of ${grouped(num_samples)} draws are ${pathwise} pathwise, ` +
      `${score} by the score function and ${baseline} with a baseline. ` +
      `By their variances one pathwise draw is worth ${worth("score_variance")} ` +
      `of the score function, or ${worth("baseline_variance")} with a baseline.`;
  },

  draw(picture, state, n, cache) {
    drawDraws(picture, state, cache);
    if (n) drawGradients(picture, state.num_samples, n.exact, cache);
  },
};
