import { grouped, minus } from "./shared/format.js";
import { meanLogLikelihood, X } from "./shared/formulas.js";
import { COUNTS, drawn, MOST_DRAWS } from "./shared/random.js";

const MU = 0.6;

// With z = μ + σε, log p(x|z) − exact is aε − b(ε² − 1).
function parts(sigma) {
  const [a, b] = [2 * (X - 2 * MU) * sigma, 2 * sigma * sigma];
  return { a, b, exact: meanLogLikelihood(MU, sigma), spread: Math.hypot(a, Math.SQRT2 * b) };
}

export function numbers({ num_samples, sigma }, { eps }) {
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

// [count, mean, twice the standard error] along the draws that are there; kept for the last seed and σ.
function run(cache, { a, b, exact }) {
  const { eps, done, seed } = cache;
  const key = [seed, done, b].join();
  if (cache.key === key) return cache.points;
  const points = [];
  let [l, sum, squares] = [0, 0, 0];
  for (const count of COUNTS) {
    if (count > done) break;
    for (; l < count; l++) {
      const off = a * eps[l] - b * (eps[l] * eps[l] - 1);
      sum += off;
      squares += off * off;
    }
    const variance = count > 1 ? Math.max(0, squares - (sum * sum) / count) / (count - 1) : 0;
    points.push([count, exact + sum / count, 2 * Math.sqrt(variance / count)]);
  }
  Object.assign(cache, { key, points });
  return points;
}

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
  numbers,
  prepare: ({ seed }, cache, deadline) => drawn(seed, cache, deadline),

  describe({ num_samples, sigma }, { estimate, standard_error, error }) {
    const errors = Math.abs(error) / standard_error;
    const own = standard_error === null ? "A single draw cannot tell how far off it is. " :
      `These draws report a standard error of ${standard_error.toPrecision(2)}, so the miss is ${errors.toFixed(1)} of them` +
      (errors > 2 ? ", outside the band, as it is in about one run of twenty. " : ". ");
    return `The mean of ${num_samples === 1 ? "one draw" : `the first ${grouped(num_samples)} draws`} is ${minus(estimate.toFixed(3))} nats, ` +
      `${Math.abs(error).toPrecision(2)} too ${error < 0 ? "low" : "high"}. ` + own +
      `At σ = ${sigma} one draw misses by ${parts(sigma).spread.toPrecision(2)} nats in a typical case, and ` +
      "each further correct digit costs a hundred times the draws.";
  },

  draw(picture, { num_samples, sigma }, n, cache) {
    const { color, narrow, width, height } = picture;
    const { a, b, exact, spread } = parts(sigma);
    const whole = run(cache, parts(sigma));
    const until = whole.filter(([count]) => count <= num_samples);
    if (n) until.push([num_samples, n.estimate, 2 * (n.standard_error ?? 0)]);

    const [left, gap, right] = [50, 66, 18];
    const decade = (width - left - gap - right) / 5;
    const panels = [1, Math.sqrt(1000)].map((zoom, i) => picture.panel({
      left: i && !narrow ? left + 3 * decade + gap : left,
      right: i || narrow ? right : right + 2 * decade + gap,
      top: i && narrow ? height / 2 + 18 : 26,
      bottom: i || !narrow ? 42 : height / 2 + 26,
      x: i ? [1000, MOST_DRAWS] : [1, 1000], logx: true,
      xticks: i ? [1000, [1e4, "10⁴"], [1e5, "10⁵"]] : [1, 10, 100, 1000],
      y: [exact - (2.8 * spread) / zoom, exact + (2.3 * spread) / zoom],
      xlabel: i || !narrow ? "number of draws L" : "",
      ylabel: i ? "the same, magnified 32 times" : "log p(x|z) in nats",
    }));
    const move = (x, y) => ({
      num_samples: (narrow ? y > panels[1].top - 20 : x > panels[1].left - gap / 2)
        ? Math.max(1000, panels[1].atX(x)) : Math.min(1000, panels[0].atX(x)),
    });

    panels.forEach((p, i) => {
      const band = (points, alpha) => p.inside(() => picture.fill([
        ...points.map(([l, mean, two]) => [p.x(l), p.y(mean + two)]),
        ...points.map(([l, mean, two]) => [p.x(l), p.y(mean - two)]).reverse(),
      ], color.likelihood, alpha));
      band(whole.slice(1), 0.1);
      band(until.slice(1), 0.2);
      p.horizontal(exact, color.ink);
      p.line(whole, color.likelihood, { alpha: 0.45, width: 1.2 });
      p.line(until, color.likelihood);

      const say = (words, up, ink) => picture.text(p.right - 4, p.bottom - 12 - 17 * up, words, ink, "right");
      if (i) say(`dashed: exact, ${minus(exact.toFixed(3))}`, 0, color.ink);
      else {
        say("dots: single draws", 2, color.muted);
        say("line: their mean", 1, color.likelihood);
        say("band: ±2 standard errors", 0, color.likelihood);
        p.inside(() => cache.eps.subarray(0, Math.min(num_samples, cache.done, narrow ? 20 : 50)).forEach((e, l) =>
          picture.dot(p.x(l + 1), p.y(exact + a * e - b * (e * e - 1)), color.muted, 1.8)));
      }

      if (num_samples > 1000 !== Boolean(i)) return;
      const x = p.x(num_samples);
      if (n) {
        const y = Math.min(p.bottom, Math.max(p.top, p.y(n.estimate)));
        picture.stroke([[x, p.top + 12], [x, y]], color.ink, { width: 1.3 });
        p.inside(() => picture.dot(x, p.y(n.estimate), color.likelihood, 4.5));
      }
      picture.handle(x, p.top + 12, color.ink, "x", move);
    });
  },
};
