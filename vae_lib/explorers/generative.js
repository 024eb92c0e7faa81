import { minus } from "./shared/format.js";
import { logNormal, normal } from "./shared/formulas.js";

// log p(x, y) for y = 3 and y = 8.
const joints = ({ mean_3, mean_8, sigma_3, sigma_8 }, x) =>
  [logNormal(x, mean_3, sigma_3) - Math.LN2, logNormal(x, mean_8, sigma_8) - Math.LN2];
const logSum = ([a, b]) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
const eight = ([a, b]) => 1 / (1 + Math.exp(a - b));

// (1.1) and (1.2), by logarithms.
export function numbers(state) {
  const both = joints(state, state.x);
  return { p_y_given_x: eight(both), log_marginal: logSum(both), log_joint_3: both[0], log_joint_8: both[1] };
}

// Where p(y = 8|x) is one half: the roots of log p(x, 8) − log p(x, 3), a polynomial of degree two or one.
function boundaries({ mean_3, mean_8, sigma_3, sigma_8 }) {
  const [v, w] = [sigma_3 ** -2, sigma_8 ** -2];
  const [a, b] = [(v - w) / 2, mean_8 * w - mean_3 * v];
  const c = (mean_3 ** 2 * v - mean_8 ** 2 * w) / 2 + Math.log(sigma_3 / sigma_8);
  if (sigma_3 === sigma_8) return [-c / b];
  const root = Math.sqrt(b * b - 4 * a * c);
  return [(-b - root) / (2 * a), (-b + root) / (2 * a)].sort((one, other) => one - other);
}

const REACH = [-0.5, 1.5];

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
  numbers,

  describe(state, { p_y_given_x, log_marginal }) {
    const { x, mean_3, mean_8, sigma_3, sigma_8 } = state;
    const label = p_y_given_x > 0.5 ? 8 : 3;
    const sure = Math.max(p_y_given_x, 1 - p_y_given_x);
    const away = Math.min(Math.abs(x - mean_3) / sigma_3, Math.abs(x - mean_8) / sigma_8);
    const typical = logSum(joints(state, mean_8));
    const ends = boundaries(state).map((at) => minus(at.toFixed(2)));
    return `At x = ${minus(x)}, ${away.toFixed(1)} or more standard deviations from both means, p(y|x) gives the ${label} ` +
      `a probability of ${sure.toFixed(4)}. There log p(x) is ${minus(log_marginal.toFixed(1))} nats, against ${minus(typical.toFixed(1))} at the mean ` +
      `of the eights. ` + (ends.length === 1 ? `The classifier changes its mind once, at ${ends[0]}.`
        : `With unequal spreads it changes its mind twice, at ${ends[0]} and ${ends[1]}: far out on both sides the wider class wins.`);
  },

  draw(picture, state, { p_y_given_x, log_marginal }) {
    const { color, narrow, height } = picture;
    const { x, mean_3, mean_8, sigma_3, sigma_8 } = state;
    const sides = { left: 40, right: 20, x: REACH };
    const classifier = picture.panel({ ...sides, top: 26, bottom: height - 136, y: [-0.04, 1.04], yticks: [0, [0.5, "½"], 1], xticks: null, ylabel: "p(y = 8|x)" });
    classifier.horizontal(0.5, color.muted);
    classifier.curve((at) => eight(joints(state, at)), color.posterior);

    const threes = (at) => normal(at, mean_3, sigma_3) / 2;
    const eights = (at) => normal(at, mean_8, sigma_8) / 2;
    const both = (at) => threes(at) + eights(at);
    const density = picture.panel({
      ...sides, top: 200, bottom: 62, y: [0, 1.2 * Math.max(both(mean_3), both(mean_8))], ylabel: "p(x) and its two parts",
    });
    picture.text((density.left + density.right) / 2, density.bottom + 48, "x, ink at the lower left: 0 is paper, 1 is ink", color.muted, "center");
    density.area(eights, color.likelihood, { alpha: 0.3 });
    density.striped(threes, color.likelihood);
    density.curve(threes, color.likelihood, { width: 1.5, dash: [6, 4] });
    density.curve(eights, color.likelihood, { width: 1.5 });
    density.curve(both, color.ink);
    picture.text(density.x(mean_3) + 4, density.bottom + 30, narrow ? "3" : "threes", color.likelihood, "right");
    picture.text(density.x(mean_8) - 4, density.bottom + 30, narrow ? "8" : "eights", color.likelihood);

    const px = density.x(x);
    for (const ends of [[classifier.top, 158], [density.top, density.bottom]]) {
      picture.stroke(ends.map((y) => [px, y]), color.ink, { width: 1.2 });
    }
    picture.dot(px, classifier.y(p_y_given_x), color.posterior, 5);
    picture.dot(px, density.y(both(x)), color.ink, 5);
    picture.text(density.right, classifier.top - 13, `at the probe ${p_y_given_x.toFixed(4)}`, color.posterior, "right");
    picture.text(density.right, density.top - 13, `log p(x) = ${minus(log_marginal.toFixed(1))} nats`, color.ink, "right");

    const hold = (at, f, move) => picture.handle(density.x(at), density.y(f(at)), color.likelihood, "x", (to) => move(density.atX(to)));
    hold(mean_3, threes, (to) => ({ mean_3: to }));
    hold(mean_8, eights, (to) => ({ mean_8: to }));
    hold(mean_3 - sigma_3, threes, (to) => ({ sigma_3: mean_3 - to }));
    hold(mean_8 + sigma_8, eights, (to) => ({ sigma_8: to - mean_8 }));
    picture.handle(px, 158, color.ink, "x", (to) => ({ x: density.atX(to) }));
  },
};
