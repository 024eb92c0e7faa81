import { brief, grouped } from "./shared/format.js";
import { LOG_MARGINAL, logLikelihood, logNormal, meanLogLikelihood, X } from "./shared/formulas.js";
import { COUNTS, MOST_DRAWS, normals } from "./shared/random.js";

/** @import { Panel, Picture } from "./shared/picture.js" */
/** @import { Explorer, Point } from "./shared/types.d.ts" */
/** @typedef {{ num_samples: number, J: number, seed: number }} State */
/** @typedef {ReturnType<typeof numbers>} Terms */
/**
 * For J dimensions and each l: the largest log weight so far, and the sums of the weights and of their squares,
 * the largest weight counted as 1; for the first `done` draws.
 * @typedef {{ largest: Float64Array, sum: Float64Array, squares: Float64Array, z: Float64Array, done: number }} Run
 */
/**
 * rows[j][l] is log w_l of the dimensions 0 … j; `made` counts the draws of all rows.
 * @typedef {{ data: {}, run: Run, seed?: number, J: number, rows: Float64Array[], made: number,
 *   fill: ReturnType<typeof normals> }} Cache
 */

const STRIDE = 2000; // draws at a time: a multiple of 16 that divides MOST_DRAWS
// ln ρ of one copy: N(x; 2z, 1)² is N(x; 2z, ½) / √(4π), and averaged over the prior that is N(x; 0, 4.5) / √(4π).
const LOG_RHO = logNormal(X, 0, Math.sqrt(4.5)) - 0.5 * Math.log(4 * Math.PI) - 2 * LOG_MARGINAL;

/** @type {(cache: Cache, state: State) => void} */
function start(cache, { J, seed }) {
  const fresh = () => new Float64Array(MOST_DRAWS);
  cache.run ??= { largest: fresh(), sum: fresh(), squares: fresh(), z: fresh().subarray(0, STRIDE), done: 0 };
  if (cache.seed !== seed) Object.assign(cache, { seed, fill: normals(seed), made: 0, rows: [], J: 0 });
  if (cache.J === J) return;
  cache.J = J;
  cache.run.done = 0;
}

/** @param {Cache} cache */
function draw(cache) {
  const { rows, made, run: { z } } = cache;
  const [j, at] = [Math.floor(made / MOST_DRAWS), made % MOST_DRAWS];
  const row = (rows[j] ??= new Float64Array(MOST_DRAWS));
  cache.fill(z, 0, STRIDE);
  for (let l = 0; l < STRIDE; l++) {
    row[at + l] = (j ? rows[j - 1][at + l] : 0) + logLikelihood(z[l]);
  }
  cache.made += STRIDE;
}

/** @param {Cache} cache */
function add({ rows, J, run }) {
  const { largest, sum, squares, done } = run;
  let [top, total, square] = done ? [largest[done - 1], sum[done - 1], squares[done - 1]] : [-Infinity, 0, 0];
  for (let l = done; l < done + STRIDE; l++) {
    const weight = Math.exp(-Math.abs(rows[J - 1][l] - top));
    if (rows[J - 1][l] > top) {
      top = rows[J - 1][l];
      total = total * weight + 1;
      square = square * weight * weight + 1;
    } else {
      total += weight;
      square += weight * weight;
    }
    largest[l] = top;
    sum[l] = total;
    squares[l] = square;
  }
  run.done += STRIDE;
}

/** @type {(run: Run, count: number) => number} */
const estimate = ({ largest, sum }, count) => largest[count - 1] + Math.log(sum[count - 1] / count);

/**
 * @param {State} state
 * @param {Cache} cache
 */
function numbers({ num_samples, J }, { run }) {
  const [naive, exact, last] = [estimate(run, num_samples), J * LOG_MARGINAL, num_samples - 1];
  return {
    log_marginal_naive: naive,
    log_marginal: exact,
    error: naive - exact,
    effective_sample_size: run.sum[last] ** 2 / run.squares[last],
    largest_share: 1 / run.sum[last],
    rho: Math.exp(J * LOG_RHO),
  };
}

/**
 * The largest of the first `count` log weights, in order.
 * @type {(row: Float64Array, count: number) => Float64Array}
 */
function heaviest(row, count) {
  const most = new Float64Array(40).fill(-Infinity);
  for (let l = 0; l < count; l++) {
    if (row[l] <= most[39]) continue;
    let k = 39;
    for (; k && most[k - 1] < row[l]; k--) most[k] = most[k - 1];
    most[k] = row[l];
  }
  return most;
}

/**
 * The band of the estimate by ρ, and the estimate along the draws.
 * @type {(picture: Picture, J: number, curve: Point[]) => Panel}
 */
function drawRun(picture, J, curve) {
  const { color } = picture;
  const exact = J * LOG_MARGINAL;
  const low = J * meanLogLikelihood(0, 1); // where a single log weight is on average
  const p = picture.panel({
    left: 48, right: 20, bottom: 150, x: [1, MOST_DRAWS], logx: true,
    xticks: [1, 10, 100, 1000, [1e4, "10⁴"], [1e5, "10⁵"]],
    y: [low, exact + Math.max(1.6, 0.18 * (exact - low))], xlabel: "number of draws L", ylabel: "log p(x) in nats",
  });
  const spread = (/** @type {number} */ count) => 2 * Math.sqrt(Math.expm1(J * LOG_RHO) / count);
  const upper = (/** @type {number} */ count) => exact + Math.log1p(spread(count));
  const lower = (/** @type {number} */ count) =>
    (spread(count) < 1 ? Math.max(low, exact + Math.log1p(-spread(count))) : low);
  // Up to `open` draws the lower edge lies below the panel: a full band would fill it, the upper edge says what it says.
  const open = Math.min(MOST_DRAWS, Math.max(1, (spread(1) / -Math.expm1(low - exact)) ** 2));
  const band = (/** @type {[number, number]} */ part, /** @type {number} */ alpha) =>
    p.inside(() => picture.fill([...p.points(upper, part), ...p.points(lower, part).reverse()], color.prior, alpha));
  band([1, open], 0.04);
  band([open, MOST_DRAWS], 0.16);
  p.curve(upper, color.prior, { width: 1, alpha: 0.6 });
  p.horizontal(exact, color.ink);
  p.line(curve, color.prior, { alpha: 0.5, width: 1.2 });
  ["dashed: exact", "line: estimate from L draws", "shaded: ±2 standard errors"].forEach((words, i) =>
    picture.text(p.right - 4, p.bottom - 46 + 17 * i, words, i ? color.prior : color.ink, "right"));
  return p;
}

/** @type {(picture: Picture) => Panel} */
function drawShareAxis(picture) {
  const bar = picture.panel({
    left: 48, right: 20, top: picture.height - 74, bottom: 42, x: [0, 1], y: [0, 1], yticks: null,
    xlabel: "share of the sum of the weights",
  });
  picture.text(14, bar.top - 12, "the weights of the L draws, largest first", picture.color.muted);
  return bar;
}

/** @type {(bar: Panel, shares: Iterable<number>) => void} */
function drawShares(bar, shares) {
  const { picture, top, bottom } = bar;
  const { color } = picture;
  let [from, i] = [0, 0];
  for (const share of shares) {
    const to = from + share;
    const [x0, x1] = [bar.x(from), bar.x(to) - 1];
    if (x1 - x0 < 2) break;
    picture.rect(x0, top, x1, bottom - 1, color.prior, i % 2 ? 0.6 : 1);
    if (x1 - x0 > 18) picture.text((x0 + x1) / 2, (top + bottom) / 2, String(i + 1), color.ink, "center");
    from = to;
    i++;
  }
  for (let tooth = bar.x(from) + 1; tooth < bar.right; tooth += 3) {
    picture.stroke([[tooth, top + 1], [tooth, bottom - 2]], color.prior, { width: 1, alpha: 0.6 });
  }
}

/** @type {Explorer<State, Terms, Cache, Terms | null>} */
export const explorer = {
  height: 385,
  narrow: 420,
  room: 225,
  outputs: [
    { name: "log_marginal_naive", label: "estimate of log p(x)", unit: "nats", color: "prior" },
    { name: "log_marginal", label: "exact log p(x)", unit: "nats" },
    { name: "error", label: "estimate − exact", unit: "nats" },
    { name: "effective_sample_size", label: "ESS, the draws that count", color: "prior" },
    { name: "largest_share", label: "share of the largest weight", color: "prior" },
    { name: "rho", label: "ρ, second moment over p(x)²" },
  ],
  tasks: [
    { words: "Find a J for which a thousand of the 10\u202f000 draws count.", reach: { J: 2 },
      done: ({ num_samples: L }, { effective_sample_size: n }) => L === 10_000 && n > 1000 },
    { words: "Go to J = 20. How much does the luckiest draw weigh?", reach: { J: 20 }, done: ({ J }) => J === 20 },
    { words: "With J = 12, bring the error below 0.2 nats. What does it take?", start: { J: 12, num_samples: 10_000 },
      reach: { num_samples: 100_000, seed: 1 }, done: ({ J }, { error }) => J === 12 && Math.abs(error) < 0.2 },
  ],
  numbers,

  prepare(state, cache, deadline) {
    start(cache, state);
    while (cache.run.done < MOST_DRAWS) {
      if (performance.now() >= deadline) return false;
      (cache.made < (state.J - 1) * MOST_DRAWS + cache.run.done + STRIDE ? draw : add)(cache);
    }
    return true;
  },

  describe({ num_samples, J }, n) {
    const [size, share] = [n.effective_sample_size, 100 * n.largest_share];
    return `With J = ${J} the estimate from ${grouped(num_samples)} draw${num_samples > 1 ? "s" : ""} is ` +
      `${brief(Math.abs(n.error))} nats too ${n.error < 0 ? "low" : "high"}. ` +
      `Counted by weight they are worth ${size < 100 ? size.toFixed(1) : grouped(Math.round(size))}; ` +
      `the largest alone has ${share < 1 ? "less than 1" : share.toFixed(0)} % of the sum. ` +
      `By ρ, an error of 0.1 nats takes about ${grouped(Number((100 * (n.rho - 1)).toPrecision(2)))} draws.`;
  },

  draw(picture, { num_samples, J }, n, { rows, made, run }) {
    const { color } = picture;
    const counts = COUNTS.filter((count) => count <= run.done);
    const curve = counts.map((count) => /** @type {Point} */ ([count, estimate(run, count)]));
    const p = drawRun(picture, J, curve);
    const bar = drawShareAxis(picture);
    const x = p.x(num_samples);
    if (n) {
      p.line([...curve.filter(([count]) => count <= num_samples), [num_samples, n.log_marginal_naive]], color.prior);
      const y = Math.min(p.bottom, Math.max(p.top, p.y(n.log_marginal_naive)));
      picture.stroke([[x, p.top + 12], [x, y]], color.ink, { width: 1.3 });
      p.inside(() => picture.dot(x, p.y(n.log_marginal_naive), color.prior, 4.5));
      const largest = run.largest[num_samples - 1];
      const shares = heaviest(rows[J - 1], num_samples).map((value) => Math.exp(value - largest) * n.largest_share);
      drawShares(bar, shares);
    } else if (!run.done) {
      const words = `drawing z, dimension ${Math.floor(made / MOST_DRAWS) + 1} of ${J} …`;
      picture.text((p.left + p.right) / 2, (p.top + p.bottom) / 2, words, color.muted, "center");
    }
    picture.handle(x, p.top + 12, color.ink, "x", (px) => ({ num_samples: p.atX(px) }));
  },
};
