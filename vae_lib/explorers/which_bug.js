import { minus, scientific } from "./shared/format.js";

/** @import { Panel, Picture } from "./shared/picture.js" */
/** @import { Explorer, Point } from "./shared/types.d.ts" */
/** @typedef {{ case: number, epoch: number, guess: string }} State */
/**
 * @typedef {{ code: string, title: string, lines: string[], nll: number[], kl: number[], reconstruction: number,
 *   per_dimension: number[], samples: string[] }} Run
 */
/** @typedef {{ cases: Run[] }} Data */
/** @typedef {ReturnType<typeof numbers>} Terms */

/** @param {number[]} values */
const sum = (values) => values.reduce((total, value) => total + value, 0);
/** @type {(data: Data, code: string) => Run} */
const runOf = (data, code) => data.cases.filter((run) => run.code === code)[0];
/** @param {Run} run */
const elboOf = (run) => run.reconstruction - sum(run.per_dimension);
/** @param {Run} run */
const active = (run) => run.per_dimension.filter((kl) => kl > 0.01).length;
/** @param {number | null} value */
const rounded = (value) => (value === null ? "" : Math.abs(value) < 1e4 ? minus(value.toFixed(1)) : scientific(value));
const missing = "after your guess";
/** @param {Run} run */
const diffOf = ({ lines: [wrong, right] }) => (wrong ? `−\u00a0${wrong}\n+\u00a0${right}` : "No line is wrong.");

/**
 * @param {State} state
 * @param {{ data: Data }} cache
 */
function numbers({ case: number, epoch, guess }, { data }) {
  const run = data.cases[number - 1];
  const [nll, kl] = [run.nll[epoch - 1], run.kl[epoch - 1]];
  const told = (/** @type {number} */ value) => (guess === "none" ? null : value);
  return {
    reported_loss: nll + kl,
    reported_nll: nll,
    reported_kl: kl,
    elbo: told(elboOf(run)),
    elbo_lost: told(elboOf(runOf(data, "right")) - elboOf(run)),
    kl: told(sum(run.per_dimension)),
    active_units: told(active(run)),
  };
}

// The frame holds what is of the size of nats; a curve beyond leaves it.
/** @param {number} value */
const inside = (value) => value >= -30 && value <= 60;

/** @type {(picture: Picture, state: State, run: Run, other: Run) => void} */
function drawCurves(picture, { case: number, epoch }, run, other) {
  const { color, narrow, width, height } = picture;
  const all = [run, other].flatMap((r) => [...r.nll, ...r.kl]).filter(inside);
  const [low, high] = [Math.min(0, ...all), Math.max(1, ...all)];
  const p = picture.panel({
    left: 40, right: narrow ? 20 : Math.round(0.44 * width), top: 44, bottom: narrow ? height - 202 : 46,
    x: [1, run.nll.length], y: [low - 0.09 * (high - low), high + 0.12 * (high - low)], xticks: [1, 20, 40, 60],
    xlabel: "epoch",
  });
  picture.text(4, 12, `Case ${number}: what its loop reports`);
  p.horizontal(0, color.muted, { width: 1 });
  p.vertical(epoch, color.ink, { width: 1, dash: [5, 4] });
  /** @type {["nll" | "kl", string, string][]} */
  const terms = [["nll", "reconstruction", color.likelihood], ["kl", "KL", color.approximate]];
  const drawn = terms.flatMap(([key, , tone]) => [other, run].flatMap((r) => {
    const points = r[key].map((value, i) =>
      /** @type {Point} */ ([i + 1, Math.max(-1e3, Math.min(1e3, value))])); // a canvas cannot draw to 10²⁷
    p.line(points, tone, r === run ? {} : { dash: [2, 5], width: 1.5 });
    return points.slice(1).map(([x, y], i) => [p.x(x - 1), p.y(points[i][1]), p.x(x), p.y(y)]);
  }));
  for (const [key, words, tone] of terms) nameCurve(p, run[key], words, tone, drawn);
  picture.handle(p.x(epoch), p.top - 8, color.ink, "x", (x) => ({ epoch: p.atX(x) }));
}

/**
 * The name of a curve near its end, or where it leaves the frame: in the nearest row where as little as can be runs
 * through it of what is drawn, lines from x, y to x, y; the name is added to them.
 * @type {(p: Panel, curve: number[], words: string, tone: string, drawn: number[][]) => void}
 */
function nameCurve(p, curve, words, tone, drawn) {
  const { picture } = p;
  const last = curve.length - 1;
  const end = curve[last];
  let [x, wanted, out] = [p.x(0.95 * last), p.y(end) - 13, last];
  if (!inside(end)) {
    while (out > 0 && !inside(curve[out - 1])) out--; // the epoch from which on it is outside
    words += ` ${end < 0 ? "↓" : "↑"} ${rounded(end)}`;
    [x, wanted] = [p.x(out + 1) - 8, end < 0 ? p.bottom - 9 : p.top + 14];
  }
  const wide = picture.measure(words);
  x = out < last / 2 ? x + 16 : x - wide;
  const near = drawn.filter(([from, , to]) => to > x - 4 && from < x + wide + 4);
  let [y, least] = [wanted, Infinity];
  for (let row = p.top + 8; row < p.bottom - 8; row++) {
    const crossing = near.filter(([, a, , b]) => Math.max(a, b) > row - 8 && Math.min(a, b) < row + 8);
    const cost = Math.abs(row - wanted) + 99 * crossing.length;
    if (cost < least) [y, least] = [row, cost];
  }
  drawn.push([x, y - 7, x + wide, y + 7]);
  picture.text(x, y, words, tone);
}

/** @type {(picture: Picture, left: number, top: number, size: number, words: string, run: Run) => void} */
function drawImages(picture, left, top, size, words, { samples }) {
  const { color } = picture;
  picture.text(left, top - 12, words, color.likelihood);
  samples.forEach((levels, i) => {
    const x = Math.round(left + i * (size + 6));
    picture.rect(x, top, x + size, top + size, color.muted, 0.12);
    picture.images([[x, top, Array.from(levels, (level) => Number(level) / 9)]], size, color.ink); // digits 0 to 9
  });
}

/** @type {(picture: Picture, left: number, top: number, right: number) => void} */
function drawPlaceOfAnswer(picture, left, top, right) {
  const { color, narrow, height } = picture;
  const bottom = height - (narrow ? 8 : 46);
  picture.frame(left, top, right, bottom, color.muted, { width: 1, dash: [4, 5] });
  [
    "Here, after your guess:", "samples of the right program,", "the answer,",
    "and the KL of each dimension",
  ].forEach((words, i) =>
    picture.text((left + right) / 2, (top + bottom) / 2 + 20 * (i - 1.5), words, color.muted, "center"));
}

/**
 * The true KL of each latent dimension, beside that of the right program.
 * @type {(picture: Picture, left: number, top: number, run: Run, right: Run) => void}
 */
function drawDimensions(picture, left, top, run, right) {
  const { color, narrow } = picture;
  const most = Math.max(1.2, ...right.per_dimension);
  const bars = picture.panel({
    left, right: 8, top, bottom: narrow ? 8 : 46, x: [0.4, 8.6], y: [0, (narrow ? 1.8 : 1.3) * most], xticks: [], yticks: [0, 1],
    ylabel: picture.fitting(picture.width - left + 30, "KL per dimension, nats; hatched: right",
      "KL per dimension; hatched: right"),
  });
  const sorted = (/** @type {Run} */ r) => [...r.per_dimension].sort((a, b) => b - a);
  const [zero, blue] = [bars.y(0), color.approximate];
  sorted(run).forEach((kl, i) =>
    picture.rect(bars.x(i + 0.65), zero, bars.x(i + 0.98), bars.y(Math.min(1.1 * most, kl)), blue));
  sorted(right).forEach((kl, i) =>
    picture.hatched(bars.x(i + 1.02), zero, bars.x(i + 1.35), bars.y(Math.min(most, kl)), blue));
  const largest = Math.max(...run.per_dimension);
  if (largest > 1.1 * most) {
    picture.text(bars.right, bars.y(1.1 * most) - 9, `↑ cut off: up to ${rounded(largest)} nats`, blue, "right");
  }
  bars.horizontal(0, color.muted, { width: 1 });
}

/** @type {Explorer<State, Terms, { data: Data, first?: Map<number, string> }>} */
export const explorer = {
  height: 430,
  narrow: 540,
  room: 340,
  steps: "case",
  outputs: [
    { name: "reported_loss", label: "loss, as reported" },
    { name: "reported_nll", label: "its reconstruction term", color: "likelihood" },
    { name: "reported_kl", label: "its KL term", color: "approximate" },
    { name: "elbo", label: "true held-out ELBO", unit: "nats", missing },
    { name: "elbo_lost", label: "ELBO lost by the bug", unit: "nats", missing },
    { name: "kl", label: "true KL", unit: "nats", missing },
    { name: "active_units", label: "active dimensions", digits: 0, missing },
  ],
  numbers,

  status({ case: number, guess }, cache) {
    const { data: { cases }, first = (cache.first = new Map()) } = cache; // the first guess at each case counts
    if (guess !== "none" && !first.has(number)) first.set(number, guess);
    const right = cases.filter(({ code }, i) => first.get(i + 1) === code);
    return `Score ${right.length} of ${cases.length}`;
  },

  diff: {
    lines: ({ case: number, guess }, { cases }) => (guess === "none" ? "" : diffOf(cases[number - 1])),
    room: (/** @type {Data} */ { cases }) => cases.map(diffOf).reduce((a, b) => (a.length > b.length ? a : b)),
  },

  describe({ case: number, epoch, guess }, n, { data }) {
    const run = data.cases[number - 1];
    const seen = `Case ${number}: after epoch ${epoch} the program reports a loss of ${rounded(n.reported_loss)}, ` +
      `${rounded(n.reported_nll)} for the reconstruction and ${rounded(n.reported_kl)} for the KL. `;
    if (guess === "none") {
      return seen + "The six images are samples from the prior. " +
        "Which line is wrong, if any? Guess, and the answer appears.";
    }
    const answer = guess === run.code ? `Your guess is right: ${run.title}. `
      : `Your guess was “${runOf(data, guess).title}”: it is “${run.title}”. `;
    const wrong = run.lines.length > 0;
    const line = wrong ? "Its line has the sign −, the right one +. " : "";
    const lost = wrong ? `, ${rounded(n.elbo_lost)} less than that of the right program` : "";
    return `${seen}${answer}${line}Its final held-out ELBO is ${rounded(n.elbo)} nats${lost}.`;
  },

  draw(picture, state, n, { data }) {
    const { color, narrow, width } = picture;
    const { guess } = state;
    const run = data.cases[state.case - 1];
    const right = runOf(data, "right");
    const other = guess === "none" ? null : guess === run.code ? right : runOf(data, guess);
    drawCurves(picture, state, run, other ?? run);

    const left = narrow ? 12 : width - Math.round(0.44 * width) + 26;
    const size = Math.floor(Math.min(40, (width - left - 8 - 30) / 6));
    const top = narrow ? 268 : 32;
    const [second, third] = [top + (size + 32), top + 2 * (size + 32)];
    drawImages(picture, left, top, size, narrow || !other ? "its samples from the prior" : "its samples", run);
    if (!other) return drawPlaceOfAnswer(picture, left, second - 12, left + 6 * size + 30);
    drawImages(picture, left, second, size, "samples of the right program", right);
    picture.text(left, third - 8, guess === run.code ? "Right, it is:" : "No, it is:", color.ink);
    picture.text(left, third + 10, run.title, color.ink);
    const dotted = other === run ? "" : `dotted: ${other === right ? "the right program" : "your guess"}`;
    picture.text(left, third + 32, dotted, color.muted);
    drawDimensions(picture, left + 22, third + (narrow ? 66 : 72), run, right);
  },
};
