import { minus } from "./shared/format.js";
import {
  klToPosterior, klToStandardNormal, LOG_MARGINAL, meanLogLikelihood, normal, POSTERIOR,
} from "./shared/formulas.js";

/** @import { Panel, Picture } from "./shared/picture.js" */
/** @import { Explorer } from "./shared/types.d.ts" */
/** @typedef {{ mu: number, sigma: number }} State */
/** @typedef {ReturnType<typeof numbers>} Terms */

const CUT = 215; // between the two panels, in pixels

/** @param {State} state */
function numbers({ mu, sigma }) {
  const logvar = 2 * Math.log(sigma);
  const [reconstruction, kl] = [meanLogLikelihood(mu, sigma), klToStandardNormal(mu, logvar)];
  return { reconstruction, kl, elbo: reconstruction - kl, gap: klToPosterior(mu, logvar), log_marginal: LOG_MARGINAL };
}

/** @type {(picture: Picture, state: State) => void} */
function drawDensities(picture, { mu, sigma }) {
  const { color } = picture;
  const q = (/** @type {number} */ z) => normal(z, mu, sigma);
  const posterior = (/** @type {number} */ z) => normal(z, ...POSTERIOR);
  const p = picture.panel({
    bottom: picture.height - CUT + 40, x: [-3.5, 5.2], y: [0, 1.2 * Math.max(1.1, q(mu))], xticks: [-2, 0, 2, 4],
    xlabel: "z", ylabel: "densities",
  });
  p.area(posterior, color.posterior, { alpha: 0.18 });
  p.curve((z) => normal(z, 0, 1), color.prior, { dash: [7, 4] });
  p.curve(posterior, color.posterior, { dash: [2, 4] });
  p.curve(q, color.approximate);
  const left = mu < 1;
  picture.text(p.x(-1.35), p.y(normal(1.35, 0, 1)) - 12, "prior", color.prior, "right");
  p.text(left ? 1.75 : 0.3, 0.6, "posterior", color.posterior, left ? "left" : "right");
  picture.text(p.x(mu), p.y(q(mu)) - 17, "q", color.approximate, "center");
  picture.handle(p.x(mu), p.y(q(mu)), color.approximate, "x", (x) => ({ mu: p.atX(x) }));
  picture.handle(p.x(mu + sigma), p.y(q(mu + sigma)), color.approximate, "x", (x) => ({ sigma: p.atX(x) - mu }));
}

/**
 * One walk: 0 → reconstruction → ELBO → log p(x). The axis changes in steps, so that bars do not slide with it,
 * and leaves room for a word before the ELBO.
 * @type {(picture: Picture, terms: Terms) => void}
 */
function drawWalk(picture, { reconstruction, elbo, log_marginal }) {
  const { color, narrow } = picture;
  const low = [-7.5, -15, -21].find((end) => elbo > (narrow ? 0.66 : 0.8) * end) ?? -31;
  const walk = picture.panel({
    left: narrow ? 12 : 118, top: CUT + 26, x: [low, 0], y: [0, 3], yticks: null, xlabel: "nats",
  });
  drawStep(walk, 3, "reconstruction", "reconstruction", 0, reconstruction, color.likelihood);
  drawStep(walk, 2, "kl", "−KL to the prior", reconstruction, elbo, color.approximate);
  drawStep(walk, 1, "gap", "gap", elbo, log_marginal, color.posterior);
  picture.text(walk.x(elbo) - 6, walk.bottom - 14, `ELBO ${minus(elbo.toFixed(2))}`, color.ink, "right");
  const words = `log p(x) = ${minus(log_marginal.toFixed(2))}`;
  walk.vertical(log_marginal, color.ink);
  walk.guess("gap", "x", [walk.y(2), walk.bottom], (gap) => log_marginal - gap);
  picture.text(Math.min(walk.x(log_marginal), walk.right - 55), walk.top - 8, words, color.ink, "center");
}

/** @type {(walk: Panel, row: number, term: string, words: string, from: number, to: number, paint: string) => void} */
function drawStep(walk, row, term, words, from, to, paint) {
  const { picture } = walk;
  const { color, narrow } = picture;
  const [top, bottom] = [walk.y(row) + (narrow ? 19 : 6), walk.y(row - 1) - 4];
  const alpha = picture.term(term, walk.left, top - 4, walk.right, bottom + 4);
  if (term === "gap") picture.hatched(walk.x(from), top, walk.x(to), bottom, paint, alpha);
  else picture.rect(walk.x(from), top, walk.x(to), bottom, paint, alpha);
  picture.stroke([[walk.x(to), top], [walk.x(to), bottom + 10]], color.ink, { width: 1.5 });
  if (narrow) picture.text(walk.left, top - 9, words, paint);
  else picture.text(walk.left - 10, (top + bottom) / 2, words, paint, "right");
}

/** @type {Explorer<State, Terms>} */
export const explorer = {
  height: 410,
  narrow: 450,
  room: 265,
  outputs: [
    { name: "reconstruction", label: "reconstruction", unit: "nats", color: "likelihood" },
    { name: "kl", label: "KL(q ‖ prior)", unit: "nats", color: "approximate" },
    { name: "elbo", label: "ELBO, their difference", unit: "nats" },
    { name: "gap", label: "gap, KL(q ‖ posterior)", unit: "nats", color: "posterior" },
    { name: "log_marginal", label: "log p(x), fixed", unit: "nats" },
  ],
  equation: {
    number: "3.3",
    lead: "log p(x)",
    terms: [["", "reconstruction", "reconstruction"], ["−", "kl", "KL to the prior"], ["+", "gap", "gap"]],
  },
  tasks: [
    { words: "Make the reconstruction as good as it gets.", reach: { mu: 1.25, sigma: 0.1 },
      done: (_, { reconstruction }) => reconstruction > -0.94 },
    { words: "Now bring the gap below 0.1 nats. What happens to the reconstruction?", reach: { mu: 1, sigma: 0.5 },
      done: (_, { gap }) => gap < 0.1 },
    { words: "Your turn: a gap below 0.01 nats.", reach: { mu: 1, sigma: 0.45 }, done: (_, { gap }) => gap < 0.01 },
  ],
  numbers,

  describe({ mu, sigma }, { reconstruction, kl, elbo, gap }) {
    const [r, k, e, g] = [reconstruction, kl, elbo, gap].map((value) => minus(value.toFixed(3)));
    const close = gap < 0.005 ? "q is practically the posterior and the bound is tight." :
      `The ELBO lies ${g} nats below log p(x), ${gap > kl ? "more" : "less"} than the KL to the prior.`;
    return `q has mean ${minus(mu.toFixed(2))} and standard deviation ${sigma.toFixed(2)}. From 0 the reconstruction ` +
      `leads to ${r}, the KL of ${k} further down to the ELBO at ${e}, and the gap back up to log p(x). ${close}`;
  },

  draw(picture, state, terms) {
    drawDensities(picture, state);
    drawWalk(picture, terms);
  },
};
