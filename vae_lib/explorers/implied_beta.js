import { scientific } from "./shared/format.js";
import { klToPosterior, klToStandardNormal, normal, POSTERIOR } from "./shared/formulas.js";

/** @import { Picture } from "./shared/picture.js" */
/** @import { Explorer, Point } from "./shared/types.d.ts" */
/** @typedef {"sum_mean" | "mean" | "sum"} Reduction */
/**
 * @typedef {{ reconstruction: "mse" | "bce" | "gaussian", reduction: Reduction, kl_reduction: Reduction,
 *   D: number, J: number, B: number, sigma: number }} State
 */
/** @typedef {ReturnType<typeof numbers>} Terms */

/** @param {string} call */
const reduced = (call) => ({
  sum_mean: `${call}, reduction="sum") / B`, mean: `${call})`, sum: `${call}, reduction="sum")`,
});
const nll = "-Gaussian(σ).log_prob(x, o)";
const RECONSTRUCTION = {
  mse: reduced("F.mse_loss(o, x"),
  bce: reduced("bce(o, x"),
  gaussian: { sum_mean: `${nll}.mean()`, mean: `${nll}.mean() / D`, sum: `${nll}.sum()` },
};
const KL = { sum_mean: "kl.sum(1).mean()", mean: "kl.mean()", sum: "kl.sum()" };

/**
 * The factor before −log p(x|z), of a Gaussian one with σ = 1.
 * @param {State} state
 */
const factorA = ({ reconstruction, reduction, sigma, D, B }) =>
  ({ bce: 1, mse: 2, gaussian: 1 / sigma ** 2 })[reconstruction] * { sum_mean: 1, mean: 1 / D, sum: B }[reduction];

/**
 * Mean and ln σ² of the best q in the running example.
 * @param {number} beta
 */
const best = (beta) => ({ mu: 5 / (4 + beta), logvar: -Math.log1p(4 / beta) });

/** @param {State} state */
function numbers(state) {
  const a = factorA(state);
  const b = { sum_mean: 1, mean: 1 / state.J, sum: state.B }[state.kl_reduction];
  const beta = b / a;
  const { mu, logvar } = best(beta);
  return {
    beta,
    factor_a: a,
    factor_b: b,
    equivalent_sigma: state.reconstruction === "bce" ? null : Math.sqrt(beta),
    kl: klToStandardNormal(mu, logvar),
    gap: klToPosterior(mu, logvar),
  };
}

/**
 * "= 50176" where six figures say all, or "≈ 0.00255".
 * @param {number} value
 */
function equals(value) {
  const exact = Number(value.toPrecision(6));
  if (Math.abs(exact - value) < 1e-9 * value && value >= 1e-3 && value < 1e7) return `= ${exact}`;
  return "≈ " + (value >= 1e5 || value < 1e-3 ? scientific(value, 2) : Number(value.toPrecision(3)));
}

/** @type {(picture: Picture, state: State) => void} */
function drawCode(picture, state) {
  const { ctx, narrow } = picture;
  const { font } = ctx;
  const first = RECONSTRUCTION[state.reconstruction][state.reduction].replace("σ", String(state.sigma));
  const second = "+ " + KL[state.kl_reduction];
  ctx.font = `${narrow ? 11 : 13}px Book Mono, ui-monospace, monospace`;
  picture.text(4, 12, narrow ? first : `loss = ${first} ${second}`);
  if (narrow) picture.text(4, 29, second);
  ctx.font = font;
}

/** @type {(picture: Picture, row: number, state: State, terms: Terms) => void} */
function drawScale(picture, row, state, { beta, factor_b }) {
  const { color, width, height } = picture;
  const scale = picture.panel({
    left: 20, right: 20, top: row - 20, bottom: height - row, x: [10 ** -8.5, 10 ** 8.5], logx: true, y: [0, 1],
    yticks: null, xticks: [[1e-8, "10⁻⁸"], [1e-4, "10⁻⁴"], [1, "1"], [1e4, "10⁴"], [1e8, "10⁸"]],
  });
  const at = scale.x(beta);
  scale.vertical(1, color.ink, { width: 1.5 });
  scale.guess("beta", "x", [row - 57, row]);
  picture.stroke([[scale.x(1), row - 10], [at, row - 10]], color.approximate, { width: 5, alpha: 0.5 });
  if (state.reconstruction === "gaussian") {
    const atOne = factor_b / factorA({ ...state, sigma: 1 });
    picture.handle(at, row - 10, color.approximate, "x", (x) => ({ sigma: Math.sqrt(scale.atX(x) / atOne) }));
  } else picture.dot(at, row - 10, color.approximate, 7);
  const middle = Math.min(width - 50, Math.max(50, at));
  picture.text(middle, row - 30, `β ${equals(beta)}`, color.approximate, "center");
  const elbo = state.reconstruction === "bce" ? "the ELBO" : "ELBO at σ = 1";
  picture.text(scale.x(1), row + 32, elbo, color.ink, "center");
  const room = width / 2 - picture.measure(elbo) / 2 - 12;
  const side = (/** @type {string} */ sign, /** @type {string} */ more, /** @type {string} */ verb) =>
    picture.fitting(room, `β ${sign} 1: the KL counts ${more}`, `KL counts ${more}`, `${verb} KL`);
  picture.text(4, row + 32, side("<", "less", "weaker"), color.muted);
  picture.text(width - 4, row + 32, side(">", "more", "stronger"), color.muted, "right");
}

/** @type {(picture: Picture, top: number, beta: number) => void} */
function drawBest(picture, top, beta) {
  const { color } = picture;
  const { mu, logvar } = best(beta);
  const sigma = Math.exp(logvar / 2);
  const q = (/** @type {number} */ z) => normal(z, mu, sigma);
  const posterior = (/** @type {number} */ z) => normal(z, ...POSTERIOR);
  const p = picture.panel({
    left: 40, right: 12, top, bottom: 40, x: [-3.2, 3.5],
    y: [0, 1.12 * Math.min(2.7, Math.max(posterior(1), q(mu)))],
    xlabel: "z in the running example", ylabel: "density",
  });
  const places = Array.from({ length: 97 }, (_, i) => mu + (i / 12 - 4) * sigma);
  /** @type {Point[]} */
  const closed = [[places[0], 0], ...places.map((z) => /** @type {Point} */ ([z, q(z)])), [places[96], 0]];
  p.inside(() => picture.fill(closed.map(([z, y]) => [p.x(z), p.y(y)]), color.approximate, 0.2));
  p.line(closed, color.approximate);
  p.curve((z) => normal(z, 0, 1), color.prior, { dash: [7, 4] });
  p.curve(posterior, color.posterior, { dash: [2, 4] });
  const stem = [[p.x(mu), p.top - 1], [p.x(mu), Math.max(p.top, p.y(q(mu)))]];
  picture.stroke(stem, color.approximate, { width: 1 });
  const same = klToStandardNormal(mu, logvar) < 0.01; // q lies on the prior, where it can hardly be seen
  const room = 2 * (p.x(mu) - 60);
  const said = same ? picture.fitting(room, "best q(z|x) ≈ p(z): nothing of x is left", "best q ≈ p(z)") : "best q(z|x)";
  picture.text(p.x(mu), p.top - 12, said, color.approximate, "center");
  picture.text(p.x(-1.3), p.y(normal(1.3, 0, 1)) - 12, "p(z)", color.prior, "right");
  picture.text(p.x(1.6) + 12, p.y(posterior(1.6)) - 8, "p(z|x)", color.posterior);
}

/** @param {Terms} terms */
function sentence({ beta, factor_a, equivalent_sigma }) {
  const elbo = Math.abs(beta - 1) < 1e-12;
  const times = Math.abs(factor_a - 1) < 1e-12 ? "" : `, times a ${equals(factor_a)}`;
  if (equivalent_sigma === null) {
    return elbo ? `This line is minus the ELBO${times}: β = 1. `
      : `This line trains β ${equals(beta)}; no Bernoulli decoder has this as its ELBO. `;
  }
  return elbo ? `This line is minus the ELBO of a Gaussian decoder with σ = 1${times}: β = 1. `
    : `Beside σ = 1 this line has β ${equals(beta)}: ` +
      `it trains the ELBO of a Gaussian decoder with σ ${equals(equivalent_sigma)}. `;
}

/** @type {Explorer<State, Terms>} */
export const explorer = {
  height: 394,
  narrow: 410,
  room: 330,
  outputs: [
    { name: "beta", label: "β = b/a" },
    { name: "factor_a", label: "a, before −log p(x|z) at σ = 1", digits: 6 },
    { name: "factor_b", label: "b, before the KL", digits: 6 },
    { name: "equivalent_sigma", label: "σ whose ELBO this is" },
    { name: "kl", label: "KL that the best q keeps", unit: "nats", color: "approximate" },
    { name: "gap", label: "gap of the best q to log p(x)", unit: "nats", color: "posterior" },
  ],
  tasks: [
    { words: "Repair it by the reduction alone: a β below 1.", reach: { reduction: "sum_mean" },
      done: ({ reconstruction }, { beta }) => reconstruction === "mse" && beta < 1 },
    { words: "Find the line whose β is 1.", reach: { reconstruction: "bce", reduction: "sum_mean" },
      done: (_, { beta }) => Math.abs(beta - 1) < 0.001 },
    { words: "Keep the mean over everything, and make β 1 by the σ of a Gaussian.",
      start: { reconstruction: "gaussian", sigma: 0.1 }, reach: { reconstruction: "gaussian", sigma: 0.0357 },
      done: ({ reduction }, { beta }) => reduction === "mean" && Math.abs(beta - 1) < 0.05 },
  ],
  numbers,

  idle(name, { reconstruction, reduction, kl_reduction }) {
    if (name === "D") return reduction !== "mean";
    if (name === "J") return kl_reduction !== "mean";
    if (name === "B") return reduction !== "sum" && kl_reduction !== "sum"; // counts where a term is summed over it
    return name === "sigma" && reconstruction !== "gaussian";
  },

  describe(_, terms) {
    const { beta, kl, gap } = terms;
    const exact = klToStandardNormal(POSTERIOR[0], 2 * Math.log(POSTERIOR[1]));
    const elbo = Math.abs(beta - 1) < 1e-12;
    return sentence(terms) +
      `In the running example the best q under it keeps ${kl.toFixed(3)} nats about z, and with β = 1 it would keep ` +
      `${exact.toFixed(3)}; it lies ${gap.toFixed(3)} nats from the true posterior` +
      (elbo ? "." : beta > 1 ? ", towards the prior." : ", narrower than it and towards the best single z.");
  },

  draw(picture, state, terms) {
    const row = picture.narrow ? 96 : 80;
    drawCode(picture, state);
    drawScale(picture, row, state, terms);
    drawBest(picture, row + 74, terms.beta);
  },
};
