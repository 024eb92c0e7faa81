import { minus } from "./shared/format.js";
import { klToStandardNormal, normal } from "./shared/formulas.js";

/** @import { Picture } from "./shared/picture.js" */
/** @import { Explorer, Point } from "./shared/types.d.ts" */
/** @typedef {{ mu: number, sigma: number }} State */
/** @typedef {ReturnType<typeof numbers>} Terms */

/** @type {[keyof Terms, string][]} */
const BARS = [
  ["half_mu_squared", "½ μ²"],
  ["half_sigma_squared", "½ σ²"],
  ["minus_log_sigma", "−½ ln σ²"],
  ["minus_half", "−½"],
  ["kl", "KL"],
];

/**
 * (4.5) term by term, and its slopes.
 * @param {State} state
 */
function numbers({ mu, sigma }) {
  return {
    kl: klToStandardNormal(mu, 2 * Math.log(sigma)),
    half_mu_squared: 0.5 * mu * mu,
    half_sigma_squared: 0.5 * sigma * sigma,
    minus_log_sigma: -Math.log(sigma),
    minus_half: -0.5,
    dkl_dmu: mu,
    dkl_dlogvar: 0.5 * (sigma * sigma - 1),
  };
}

// Of the two panels on the left: where the first ends and the second, and how much is left beside them.
/** @param {Picture} picture */
const layout = ({ narrow, width, height }) =>
  (narrow ? { side: 10, cut: 200, end: 345 } : { side: Math.round(0.43 * width), cut: 225, end: height });

/**
 * From where to where q and the integrand are more than nothing.
 * @type {(state: State) => Point}
 */
const axis = ({ mu, sigma }) => [Math.min(-6, mu - 4 * sigma), Math.max(6, mu + 4 * sigma)];

/** @type {(picture: Picture, state: State) => void} */
function drawDensities(picture, { mu, sigma }) {
  const { color } = picture;
  const { side, cut } = layout(picture);
  const q = (/** @type {number} */ z) => normal(z, mu, sigma);
  const peak = q(mu);
  const above = picture.panel({
    left: 40, right: side, top: 24, bottom: picture.height - cut + 20, x: picture.follow(axis({ mu, sigma })),
    y: [0, 1.2 * Math.max(0.45, peak)], xticks: [], ylabel: "densities",
  });
  above.curve((z) => normal(z, 0, 1), color.prior, { dash: [7, 4] });
  above.curve(q, color.approximate);
  const far = mu > 0 ? -1 : 1;
  picture.text(above.x(1.6 * far), above.y(normal(1.6, 0, 1)) - 12, "p(z)", color.prior, far < 0 ? "right" : "left");
  const [x, y] = [above.x(mu), above.y(peak)];
  picture.text(x - 20 * far, y - 3, "q(z|x)", color.approximate, far < 0 ? "left" : "right");
  picture.handle(x, y, color.approximate, "x", (px) => ({ mu: above.atX(px) }));
  picture.handle(above.x(mu + sigma), above.y(q(mu + sigma)), color.approximate, "x",
    (px) => ({ sigma: above.atX(px) - mu }));
}

/** @type {(picture: Picture, state: State) => void} */
function drawIntegrand(picture, { mu, sigma }) {
  const { color, height } = picture;
  const { side, cut, end } = layout(picture);
  const integrand = (/** @type {number} */ z) =>
    normal(z, mu, sigma) * (0.5 * z * z - 0.5 * ((z - mu) / sigma) ** 2 - Math.log(sigma));
  const heights = Array.from({ length: 161 }, (_, i) => integrand(mu + (i / 20 - 4) * sigma));
  const below = picture.panel({
    left: 40, right: side, top: cut + 14, bottom: height - end + 40, x: picture.follow(axis({ mu, sigma })),
    y: [1.2 * Math.min(-0.05, ...heights), 1.1 * Math.max(0.1, ...heights)],
    xlabel: "z", ylabel: "integrand q log(q/p)",
  });
  below.area((z) => Math.max(0, integrand(z)), color.approximate, { alpha: 0.35 });
  below.striped((z) => Math.min(0, integrand(z)), color.approximate);
  below.curve(integrand, color.approximate, { width: 1.2 });
  below.horizontal(0, color.muted, { width: 1 });
}

/** @type {(picture: Picture, terms: Terms) => void} */
function drawTerms(picture, n) {
  const { color, narrow, width } = picture;
  const { side, end } = layout(picture);
  const most = Math.max(2.5, n.kl, n.half_mu_squared, n.half_sigma_squared);
  const left = narrow ? 40 : width - side + 46;
  const wide = BARS.map(([, words]) => picture.measure(words));
  const tight = wide.some((w, i) => (w + (wide[i + 1] ?? 0)) / 2 + 8 > (width - 12 - left) / BARS.length);
  const bars = picture.panel({
    left, top: narrow ? end + 32 : 24, bottom: tight ? 42 : 24,
    x: [-0.5, 4.5], y: [-1.3, 1.1 * most], xticks: [], ylabel: "the four terms and their sum, nats",
  });
  BARS.forEach(([name, words], i) => {
    const [x0, x1, y] = [bars.x(i - 0.33), bars.x(i + 0.33), bars.y(Math.max(-1.3, n[name]))];
    const sum = name === "kl";
    const alpha = picture.term(name, x0, bars.top, x1, bars.bottom + 20);
    if (n[name] < 0) picture.hatched(x0, bars.y(0), x1, y, color.ink, alpha);
    else picture.rect(x0, bars.y(0), x1, y, sum ? color.approximate : color.muted, alpha);
    picture.text(bars.x(i), bars.bottom + (tight && i % 2 ? 31 : 13), words, sum ? color.approximate : color.ink, "center");
  });
  bars.horizontal(0, color.muted, { width: 1 });
  bars.guess("kl", "y", [bars.x(3.5), bars.right]);
}

/** @type {Explorer<State, Terms>} */
export const explorer = {
  height: 380,
  narrow: 520,
  room: 240,
  outputs: [
    { name: "kl", label: "KL(q ‖ p), the sum", unit: "nats", color: "approximate" },
    { name: "half_mu_squared", label: "½ μ², off the origin", unit: "nats" },
    { name: "half_sigma_squared", label: "½ σ², against width", unit: "nats" },
    { name: "minus_log_sigma", label: "−½ ln σ², against certainty", unit: "nats" },
    { name: "minus_half", label: "−½, makes it 0 at q = p", unit: "nats" },
    { name: "dkl_dmu", label: "slope in μ", unit: "nats per unit" },
    { name: "dkl_dlogvar", label: "slope in ln σ²", unit: "nats per unit" },
  ],
  equation: {
    number: "4.5",
    lead: "In the figure, where J = 1: KL",
    terms: [["", "half_mu_squared", "½ μ²"], ["+", "half_sigma_squared", "½ σ²"],
      ["+", "minus_log_sigma", "−½ ln σ²"], ["+", "minus_half", "−½"]],
  },
  tasks: [
    { words: "Make the KL 0.", reach: { mu: 0, sigma: 1 }, done: (_, { kl }) => kl < 0.001 },
    { words: "Hold μ at 2. Which σ is the cheapest?", start: { mu: 2, sigma: 0.4 }, reach: { mu: 2, sigma: 1 },
      done: ({ mu, sigma }) => Math.abs(mu - 2) < 0.05 && Math.abs(sigma - 1) < 0.03 },
    { words: "Spend 1 nat on a narrow q around 0.", reach: { mu: 0, sigma: 0.23 },
      done: ({ mu, sigma }, { kl }) => Math.abs(mu) < 0.05 && sigma < 1 && Math.abs(kl - 1) < 0.05 },
  ],
  numbers,

  describe({ mu, sigma }, n) {
    const [[, largest]] = BARS.slice(0, 3).sort(([a], [b]) => n[b] - n[a]);
    const width = Math.abs(sigma - 1) < 0.005 ? "leaves its width" : `makes q ${sigma < 1 ? "wider" : "narrower"}`;
    const mean = Math.abs(mu) < 0.005 ? "leaves its mean" : "pulls its mean towards 0";
    return `q has mean ${minus(mu.toFixed(2))} and standard deviation ${sigma.toFixed(2)}, the prior 0 and 1. ` +
      `The filled area minus the striped one is the KL divergence, ${n.kl.toFixed(3)} nats. ` +
      `Its largest term is ${largest}. A step downhill ${width} and ${mean}.`;
  },

  draw(picture, state, terms) {
    drawDensities(picture, state);
    drawIntegrand(picture, state);
    drawTerms(picture, terms);
  },
};
