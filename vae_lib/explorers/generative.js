import { minus } from "./shared/format.js";
import { logNormal, normal } from "./shared/formulas.js";

/** @import { Picture } from "./shared/picture.js" */
/** @import { Explorer, Point } from "./shared/types.d.ts" */
/** @typedef {{ x: number, mean_3: number, mean_8: number, sigma_3: number, sigma_8: number }} State */
/** @typedef {ReturnType<typeof numbers>} Terms */

/** @type {(state: State, x: number) => Point} log p(x, y) for y = 3 and y = 8 */
const joints = ({ mean_3, mean_8, sigma_3, sigma_8 }, x) =>
  [logNormal(x, mean_3, sigma_3) - Math.LN2, logNormal(x, mean_8, sigma_8) - Math.LN2];
/** @param {Point} pair */
const logSum = ([a, b]) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
/** @param {Point} pair */
const eight = ([a, b]) => 1 / (1 + Math.exp(a - b));

/**
 * (1.1) and (1.2), by logarithms.
 * @param {State} state
 */
function numbers(state) {
  const both = joints(state, state.x);
  return { p_y_given_x: eight(both), log_marginal: logSum(both), log_joint_3: both[0], log_joint_8: both[1] };
}

/**
 * Where p(y = 8|x) is one half: the roots of log p(x, 8) − log p(x, 3), a polynomial of degree two or one.
 * @param {State} state
 */
function boundaries({ mean_3, mean_8, sigma_3, sigma_8 }) {
  const [v, w] = [sigma_3 ** -2, sigma_8 ** -2];
  const [a, b] = [(v - w) / 2, mean_8 * w - mean_3 * v];
  const c = (mean_3 ** 2 * v - mean_8 ** 2 * w) / 2 + Math.log(sigma_3 / sigma_8);
  if (sigma_3 === sigma_8) return [-c / b];
  const root = Math.sqrt(b * b - 4 * a * c);
  return [(-b - root) / (2 * a), (-b + root) / (2 * a)].sort((one, other) => one - other);
}

/** @type {{ left: number, right: number, x: Point }} */
const SIDES = { left: 40, right: 20, x: [-0.5, 1.5] };

/** @type {(picture: Picture, state: State) => import("./shared/picture.js").Panel} */
function drawClassifier(picture, state) {
  const { color, height } = picture;
  const classifier = picture.panel({
    ...SIDES, top: 26, bottom: height - 136, y: [-0.04, 1.04], yticks: [0, [0.5, "½"], 1], xticks: null,
    ylabel: "p(y = 8|x)",
  });
  classifier.horizontal(0.5, color.muted);
  classifier.curve((at) => eight(joints(state, at)), color.posterior);
  return classifier;
}

/** @param {State} state */
const densities = ({ mean_3, mean_8, sigma_3, sigma_8 }) => {
  const threes = (/** @type {number} */ at) => normal(at, mean_3, sigma_3) / 2;
  const eights = (/** @type {number} */ at) => normal(at, mean_8, sigma_8) / 2;
  return { threes, eights, both: (/** @type {number} */ at) => threes(at) + eights(at) };
};

/** @type {(picture: Picture, state: State, log_marginal: number) => import("./shared/picture.js").Panel} */
function drawDensity(picture, state, log_marginal) {
  const { color, narrow } = picture;
  const { mean_3, mean_8 } = state;
  const { threes, eights, both } = densities(state);
  const density = picture.panel({
    ...SIDES, top: 200, bottom: 62, y: [0, 1.2 * Math.max(both(mean_3), both(mean_8))],
  });
  const side = `log p(x) = ${minus(log_marginal.toFixed(1))} nats`;
  picture.text(density.right, density.top - 13, side, color.ink, "right");
  const room = density.right - 4 - picture.measure(side) - 12;
  picture.text(6, density.top - 13, picture.fitting(room, "p(x) and its two parts", "p(x)"), color.muted);
  const words = "x, ink at the lower left: 0 is paper, 1 is ink";
  picture.text((density.left + density.right) / 2, density.bottom + 48, words, color.muted, "center");
  density.area(eights, color.likelihood, { alpha: 0.3 });
  density.striped(threes, color.likelihood);
  density.curve(threes, color.likelihood, { width: 1.5, dash: [6, 4] });
  density.curve(eights, color.likelihood, { width: 1.5 });
  density.curve(both, color.ink);
  const under = density.bottom + 30;
  picture.text(density.x(mean_3) + 4, under, narrow ? "3" : "threes", color.likelihood, "right");
  picture.text(density.x(mean_8) - 4, under, narrow ? "8" : "eights", color.likelihood);
  return density;
}

/** @type {Explorer<State, Terms>} */
export const explorer = {
  height: 430,
  narrow: 430,
  room: 305,
  outputs: [
    { name: "p_y_given_x", label: "p(y = 8|x)", color: "posterior" },
    { name: "log_marginal", label: "log p(x)", unit: "nats" },
    { name: "log_joint_3", label: "log p(x, y = 3)", unit: "nats", color: "likelihood" },
    { name: "log_joint_8", label: "log p(x, y = 8)", unit: "nats", color: "likelihood" },
  ],
  tasks: [
    { words: "Find an x for which the classifier cannot decide.", reach: { x: 0.3 },
      done: (_, { p_y_given_x }) => Math.abs(p_y_given_x - 0.5) < 0.05 },
    { words: "Make log p(x) fall below −20. How sure is the classifier there?", reach: { x: 1.3 },
      done: (_, { log_marginal }) => log_marginal < -20 },
    { words: "At x = 1.5, change one σ so that the classifier says three.", start: { x: 1.5 },
      reach: { x: 1.5, sigma_3: 0.3 }, done: ({ x }, { p_y_given_x }) => x === 1.5 && p_y_given_x < 0.5 },
  ],
  numbers,

  describe(state, { p_y_given_x, log_marginal }) {
    const { x, mean_3, mean_8, sigma_3, sigma_8 } = state;
    const label = p_y_given_x > 0.5 ? 8 : 3;
    const sure = Math.max(p_y_given_x, 1 - p_y_given_x);
    const away = Math.min(Math.abs(x - mean_3) / sigma_3, Math.abs(x - mean_8) / sigma_8);
    const [here, typical] = [log_marginal, logSum(joints(state, mean_8))].map((value) => minus(value.toFixed(1)));
    const ends = boundaries(state).map((at) => minus(at.toFixed(2)));
    return `At x = ${minus(x)}, ${away.toFixed(1)} or more standard deviations from both means, p(y|x) gives the ` +
      `${label} a probability of ${sure.toFixed(4)}. There log p(x) is ${here} nats, against ${typical} at the mean ` +
      `of the eights. ` + (ends.length === 1 ? `The classifier changes its mind once, at ${ends[0]}.`
        : `With unequal spreads it changes its mind twice, at ${ends[0]} and ${ends[1]}: ` +
          "far out on both sides the wider class wins.");
  },

  draw(picture, state, { p_y_given_x, log_marginal }) {
    const { color } = picture;
    const { x, mean_3, mean_8, sigma_3, sigma_8 } = state;
    const classifier = drawClassifier(picture, state);
    const density = drawDensity(picture, state, log_marginal);
    const { threes, eights, both } = densities(state);

    const px = density.x(x);
    for (const ends of [[classifier.top, 158], [density.top, density.bottom]]) {
      picture.stroke(ends.map((y) => [px, y]), color.ink, { width: 1.2 });
    }
    classifier.guess("p_y_given_x", "y");
    picture.dot(px, classifier.y(p_y_given_x), color.posterior, 5);
    picture.dot(px, density.y(both(x)), color.ink, 5);
    picture.text(density.right, classifier.top - 13, `at the probe ${p_y_given_x.toFixed(4)}`, color.posterior, "right");

    /** @type {(at: number, f: (at: number) => number, move: (to: number) => Partial<State>) => void} */
    const hold = (at, f, move) =>
      picture.handle(density.x(at), density.y(f(at)), color.likelihood, "x", (to) => move(density.atX(to)));
    hold(mean_3, threes, (to) => ({ mean_3: to }));
    hold(mean_8, eights, (to) => ({ mean_8: to }));
    hold(mean_3 - sigma_3, threes, (to) => ({ sigma_3: mean_3 - to }));
    hold(mean_8 + sigma_8, eights, (to) => ({ sigma_8: to - mean_8 }));
    picture.handle(px, 158, color.ink, "x", (to) => ({ x: density.atX(to) }));
  },
};
