// What explorers draw at the ends of their sliders: curves with their peaks, axes that follow, what leaves a frame.

import assert from "node:assert/strict";
import { test } from "node:test";

import { explorer as elboGap } from "../../vae_lib/explorers/elbo_gap.js";
import { explorer as generative } from "../../vae_lib/explorers/generative.js";
import { explorer as impliedBeta } from "../../vae_lib/explorers/implied_beta.js";
import { explorer as kl } from "../../vae_lib/explorers/kl.js";
import { explorer as monteCarlo } from "../../vae_lib/explorers/monte_carlo.js";
import { explorer as naiveMonteCarlo } from "../../vae_lib/explorers/naive_monte_carlo.js";
import { explorer as rateDistortion } from "../../vae_lib/explorers/rate_distortion.js";
import { explorer as reconstructionLoss } from "../../vae_lib/explorers/reconstruction_loss.js";
import { explorer as reparameterization } from "../../vae_lib/explorers/reparameterization.js";
import { outputText, readied } from "../../vae_lib/explorers/shared/card.js";
import { COLORS, Picture } from "../../vae_lib/explorers/shared/picture.js";
import { explorer as train } from "../../vae_lib/explorers/train.js";
import { explorer as whichBug } from "../../vae_lib/explorers/which_bug.js";
import { LoggingPen } from "./pen.mjs";

const color = Object.fromEntries(COLORS.map((name) => [name, name]));

/** @type {(explorer: any, state: any, data?: any, width?: number, guess?: any) => { pen: LoggingPen, picture: Picture }} */
function drawn(explorer, state, data = {}, width = 690, guess = null) {
  const cache = readied(explorer, state, data);
  const pen = new LoggingPen();
  const picture = new Picture(pen, width, width < 520 ? explorer.narrow : explorer.height, color);
  picture.guess = guess;
  explorer.draw(picture, state, explorer.numbers(state, cache), cache);
  return { pen, picture };
}

/** @type {(pen: LoggingPen, tone: string) => number[][][]} the curves of a colour: lines of many points */
const curves = (pen, tone) => pen.marks
  .filter(({ kind, points, color: paint }) => kind === "stroke" && paint === tone && points.length > 50)
  .map(({ points }) => points);

test("the peak of the narrowest q is as high as its handle", () => {
  for (const width of [250, 306, 690]) {
    for (const mu of [-1, 0.333, 2.5]) {
      const state = { mu, sigma: 0.05, num_samples: 10, seed: 1 };
      const narrowest = { mu, sigma: 0.1 };
      const pictures = [drawn(reparameterization, state, {}, width), drawn(kl, narrowest, {}, width)];
      for (const { pen, picture } of [...pictures, drawn(elboGap, narrowest, {}, width)]) {
        const peak = Math.min(...curves(pen, "approximate")[0].map(([, y]) => y));
        assert.ok(Math.abs(peak - picture.handles[0].y) < 1, `${peak} is not ${picture.handles[0].y}`);
        assert.ok(peak > 24, "the peak is below the top of its panel, which cuts what is above");
      }
    }
  }
});

test("the area under the integrand is the KL at all ends of the sliders", () => {
  for (const mu of [-3, 0, 3]) {
    for (const sigma of [0.1, 1, 3]) {
      const { pen, picture } = drawn(kl, { mu, sigma });
      const [low, high] = /** @type {number[]} */ (picture.ends);
      const [first, second] = picture.handles;
      const scale = sigma / (second.x - first.x); // of z, per pixel
      const left = first.x - (mu - low) / scale;
      assert.ok(Math.abs(left - 40) < 1 && low <= -6 && high >= 6);
      // the last curve is the integrand; its ticks tell how high a pixel is
      const ticks = pen.marks.filter(({ kind, align, words }) => kind === "text" && align === "right" && words !== "p(z)");
      const values = ticks.map(({ words, points: [[, y]] }) => [Number(String(words).replace("−", "-")), y]);
      const zero = values.filter(([value]) => value === 0)[1];
      const [value, y] = values[values.indexOf(zero) + 1];
      const points = curves(pen, "approximate")[1];
      let area = 0;
      for (let i = 1; i < points.length; i++) {
        area += (points[i][0] - points[i - 1][0]) * (zero[1] - (points[i][1] + points[i - 1][1]) / 2);
      }
      const wanted = kl.numbers({ mu, sigma }, {}).kl;
      const found = (area * scale * value) / (zero[1] - y);
      assert.ok(Math.abs(found - wanted) < 0.01 * wanted + 1e-3, `at ${mu}, ${sigma}: ${found} is not ${wanted}`);
    }
  }
});

/** @type {(nll: number[], kl: number[]) => any} a game with one program beside the right one */
const game = (nll, klTerm) => ({ cases: [
  { code: "right", title: "nothing is wrong", lines: [], nll: nll.map(() => 20), kl: nll.map(() => 3) },
  { code: "bug", title: "a bug", lines: ["a", "b"], nll, kl: klTerm },
].map((run) => ({ ...run, reconstruction: -20, per_dimension: [1, 2], samples: Array(6).fill("0".repeat(64)) })) });

test("a curve that diverges leaves its frame, and words tell where to", () => {
  const nll = Array.from({ length: 60 }, (_, i) => (i < 20 ? 30 - i : 10 * 2 ** (i - 19)));
  const klTerm = nll.map(() => -1e27);
  for (const width of [250, 690]) {
    const { pen, picture } = drawn(whichBug, { case: 2, epoch: 60, guess: "none" }, game(nll, klTerm), width);
    const words = pen.marks.filter(({ kind }) => kind === "text").map((mark) => mark.words);
    assert.ok(words.includes("reconstruction ↑ 1·10¹³") && words.includes("KL ↓ −1·10²⁷"), words.join());
    const [curve] = curves(pen, "likelihood");
    const [top, ...rest] = curve.map(([, y]) => y).filter((y) => y < 0);
    assert.ok(top < 0 && rest.length > 30, "far above the picture, where the clip of the panel cuts it");
    assert.ok(curve.every(([, y]) => Number.isFinite(y) && Math.abs(y) < 1e6), "a canvas can draw it");
    assert.ok(curves(pen, "approximate")[0].every(([, y]) => y > picture.height), "never in the frame");
  }
});

test("what is cut off is said above the bars, not on them", () => {
  const data = game(Array(60).fill(20), Array(60).fill(3));
  data.cases[1].per_dimension = [24, 1, 0];
  for (const width of [250, 306, 690]) {
    const { pen } = drawn(whichBug, { case: 2, epoch: 60, guess: "bug" }, data, width);
    const said = pen.marks.findIndex(({ kind, words }) => kind === "text" && /cut off/.test(words ?? ""));
    const bars = pen.marks.slice(0, said).filter(({ kind, points, color: paint }) =>
      kind === "fill" && points.length === 4 && paint === "approximate");
    const top = Math.min(...bars.flatMap(({ points }) => points.map(([, y]) => y)));
    assert.ok(pen.marks[said].points[0][1] + 6 < top, `at ${width} pixels`);
  }
});

test("curves that stay in the frame keep their names beside them", () => {
  const nll = Array.from({ length: 60 }, (_, i) => 40 - i / 3);
  const { pen } = drawn(whichBug, { case: 2, epoch: 60, guess: "none" }, game(nll, nll.map(() => 5)));
  const words = pen.marks.filter(({ kind }) => kind === "text").map((mark) => mark.words);
  assert.ok(words.includes("reconstruction") && words.includes("KL"));
  assert.ok(!words.some((text) => /[↑↓]/.test(String(text))));
});

test("a click on a dot chooses its run, one far from all nothing", () => {
  const image = btoa("\0".repeat(32));
  const runs = [[0.1, 12, 1], [0.3, 6, 3], [0.5, 3, 4.5], [1, 0.2, 7]].map(([sigma, nats, distortion]) =>
    ({ sigma, distortion, kl: [nats, 0], means: image, samples: image }));
  const data = { pixels: 4, originals: image, runs };
  for (const width of [250, 306, 571, 690]) {
    const { pen, picture } = drawn(rateDistortion, { run: 1 }, data, width);
    const dots = pen.marks.flatMap(({ color: paint, circles }) => (paint === "ink" ? circles : []));
    assert.equal(dots.length, runs.length);
    dots.forEach(([x, y], i) => assert.deepEqual(picture.pick?.(x + 3, y - 4), { run: i + 1 }));
    assert.equal(picture.pick?.(dots[0][0], dots[3][1]), null);
  }
});

test("a row of eight images is not cut on a small phone", () => {
  const image = btoa("\xff".repeat(32));
  const data = { pixels: 4, originals: image, runs: [{ sigma: 1, distortion: 1, kl: [1, 0], means: image, samples: image }] };
  for (const width of [250, 306, 571, 690]) {
    const { pen } = drawn(rateDistortion, { run: 1 }, data, width);
    const squares = pen.marks.filter(({ kind, color: paint, circles }) => kind === "fill" && paint === "ink" && !circles.length);
    const across = squares.flatMap(({ points }) => points.map(([x]) => x));
    assert.ok(across.length >= 3 * 8 * 4 && Math.max(...across) <= width, `${Math.max(...across)} of ${width}`);
  }
});

// Where each explorer shows the quantity that its chapter lets the reader guess.
/** @type {(pen: LoggingPen, tone: string) => number[]} */
const lastDot = (pen, tone) => pen.marks
  .flatMap(({ kind, color: paint, circles }) => (kind === "fill" && paint === tone ? circles : [])).at(-1) ?? [];
/** @type {(pen: LoggingPen, kind: string, tone: string, corners: number) => number[][]} */
const lastBox = (pen, form, tone, corners) => pen.marks
  .filter(({ kind, color: paint, points }) => kind === form && paint === tone && points.length === corners)
  .at(-1)?.points ?? [];
/** @type {[any, any, string, (pen: LoggingPen, picture: Picture) => number, "x" | "y"][]} */
const GUESSED = [
  [kl, { mu: 0, sigma: 2 }, "kl", (pen) => Math.min(...lastBox(pen, "fill", "approximate", 4).map(([, y]) => y)), "y"],
  [elboGap, { mu: 0, sigma: 1 }, "gap", (pen) => Math.min(...lastBox(pen, "stroke", "posterior", 5).map(([x]) => x)), "x"],
  [generative, { x: 0.4, mean_3: 0.16, mean_8: 0.43, sigma_3: 0.1, sigma_8: 0.1 }, "p_y_given_x",
    (pen) => lastDot(pen, "posterior")[1], "y"],
  [monteCarlo, { num_samples: 21900, sigma: 0.5, seed: 1 }, "num_samples", (_, { handles }) => handles[0].x, "x"],
  [monteCarlo, { num_samples: 300, sigma: 0.5, seed: 1 }, "num_samples", (_, { handles }) => handles[0].x, "x"],
  [reconstructionLoss, { p: 0.5, x: 0.5, sigma: 0.2 }, "bernoulli_nll", (_, { handles }) => handles[0].y, "y"],
  [impliedBeta, { reconstruction: "mse", reduction: "mean", kl_reduction: "sum_mean", D: 784, J: 8, B: 64, sigma: 0.1 },
    "beta", (pen) => lastDot(pen, "approximate")[0], "x"],
];

test("a guess that is right is drawn where the quantity is", () => {
  for (const [explorer, state, name, truth, axis] of GUESSED) {
    for (const width of [306, 690]) {
      const value = state[name] ?? explorer.numbers(state, readied(explorer, state, {}))[name];
      const { pen, picture } = drawn(explorer, state, {}, width, { name, value, said: "so", at: [] });
      const lines = pen.marks.filter(({ kind, dash }) => kind === "stroke" && String(dash) === "2,5");
      assert.equal(lines.length, 1, name);
      const [x, y] = lines[0].points[0];
      const found = axis === "x" ? x : y;
      assert.ok(Math.abs(found - truth(pen, picture)) < 1e-6, `${name}: ${found} is not ${truth(pen, picture)}`);
    }
  }
});

test("no curve of a training runs through the name of one", () => {
  const ends = [ // loss, reconstruction, KL and ELBO at the end of a run
    [24.5, 22.2, 2.3, -24.6], [27.2, 27.2, 0, -26.9], [-1.8, -5.3, 3.5, 1.1], [20, 14, 6, -32], [3e9, 30, 3e9, -1e12],
  ];
  for (const [loss, recon, paid, elbo] of ends) for (const epochs of [20, 73, 100]) for (const width of [253, 306, 690]) {
    const points = Array.from({ length: epochs }, (_, i) => {
      const at = (/** @type {number} */ end) => end + (40 - Math.min(40, Math.abs(end))) * Math.sign(end) * Math.exp(-i / 3);
      return { epoch: i + 1, loss: at(loss), reconstruction: -at(recon), kl: paid, elbo: at(elbo) };
    });
    const pen = new LoggingPen();
    const picture = new Picture(pen, width, width < 520 ? 560 : 342, color);
    const state = /** @type {any} */ ({ latent_dim: 2, drawing: [0] });
    const session = /** @type {any} */ ({ curves: { points }, kept: null });
    train.draw(picture, state, /** @type {any} */ (null), { session, data: {} });
    const lines = pen.marks.filter(({ kind, points: line }) => kind === "stroke" && line.length === epochs);
    assert.equal(lines.length, 4);
    const names = pen.marks.filter(({ kind, align, words = "" }) =>
      kind === "text" && align === "right" && /loss|KL|ELBO|recon/.test(words));
    assert.equal(names.length, 4, names.map(({ words }) => words).join());
    const ys = names.map(({ points: [[, y]] }) => y).sort((a, b) => a - b);
    assert.ok(ys.every((y, i) => !i || y - ys[i - 1] >= 15), `${ys} are apart`);
    for (const { words = "", points: [[right, y]] } of names) {
      const crossed = lines.filter(({ points: line }) =>
        line.some(([px, py]) => px > right - 6.9 * words.length && px < right && Math.abs(py - y) < 6));
      assert.deepEqual(crossed.map((line) => line.color), [], `${words} at ${width} pixels after ${epochs} epochs`);
    }
  }
});

test("no curve of which_bug runs through the name of one, whatever is dotted, nor do names collide", () => {
  const wild = (/** @type {number} */ end) => Math.abs(end) > 1e3; // its name stands where others fall: let them be flat
  /** @type {(ends: number[], flat?: boolean) => number[][]} */
  const run = ([nll, klTerm], flat = false) => Array.from({ length: 60 }, (_, i) =>
    [[nll, 40], [klTerm, 1]].map(([end, start]) => (wild(end) || flat ? end : end + (start - end) * Math.exp(-i / 4))));
  const ends = [[27, 0], [22, 2.3], [0.4, 0], [43, 3], [18, 2.6], [1e13, -1e27], [-1e14, 1e22]];
  for (const own of ends) for (const guessed of ends) for (const width of [250, 306, 690]) {
    const data = game(run(own).map(([nll]) => nll), run(own).map(([, klTerm]) => klTerm));
    const [nll, klTerm] = [0, 1].map((term) => run(guessed, own.some(wild)).map((point) => point[term]));
    data.cases.push({ ...data.cases[1], code: "guess", nll, kl: klTerm });
    const { pen } = drawn(whichBug, { case: 2, epoch: 60, guess: "guess" }, data, width);
    const lines = pen.marks.filter(({ kind, points }) => kind === "stroke" && points.length === 60);
    assert.equal(lines.length, 4);
    const names = pen.marks.filter(({ kind, words = "" }) => kind === "text" && /^(KL|reconstruction)( [↑↓]|$)/.test(words))
      .map(({ words = "", points: [[x, y]] }) => [x, y, x + 6.9 * words.length]);
    assert.equal(names.length, 2);
    const at = `${own} and dotted ${guessed} at ${width} pixels`;
    for (const [left, y, right] of names) {
      assert.ok(left > 40 && right < width, at);
      const crossed = lines.filter(({ points }) => points.some(([x], i) => i && x > left && points[i - 1][0] < right &&
        Math.max(points[i][1], points[i - 1][1]) > y - 6 && Math.min(points[i][1], points[i - 1][1]) < y + 6));
      assert.deepEqual(crossed.map(({ color: paint, dash }) => [paint, ...dash]), [], at);
    }
    const [[l0, y0, r0], [l1, y1, r1]] = names;
    assert.ok(r0 < l1 || r1 < l0 || Math.abs(y0 - y1) >= 13, at);
  }
});

test("the legend of the naive estimate is clear of the axis on the smallest telephone", () => {
  for (const width of [253, 306, 690]) {
    // of 12 px, a letter takes 5.9 px
    const { pen } = drawn(naiveMonteCarlo, { num_samples: 100, J: 3, seed: 1 }, {}, width);
    const legend = pen.marks.filter(({ kind, words }) => kind === "text" && /^(dashed|line|shaded): /.test(words ?? ""));
    assert.equal(legend.length, 3);
    for (const { words = "", points: [[right]] } of legend) {
      assert.ok(right - 6 * words.length > 50, `“${words}” at ${width} pixels`);
    }
  }
});

test("an ELBO that is not finite is told in words wherever it stands, and no curve is led astray", () => {
  for (const elbo of [NaN, -Infinity]) for (const failed of [null, { epoch: 31, step: 1 }]) for (const width of [253, 690]) {
    const points = Array.from({ length: 30 }, (_, i) => ({ epoch: i + 1, loss: 25, reconstruction: -22, kl: 3, elbo: -26 }));
    points[29].elbo = elbo;
    const kept = { curves: { points, last: points[29] }, settings: { num_samples: 1 } };
    const measured = { kl: Infinity };
    const session = /** @type {any} */ ({ curves: kept.curves, kept, measured, run: { failed } });
    const state = /** @type {any} */ ({ latent_dim: 2, drawing: [0], beta: 1 });
    const cache = { session, data: {} };
    const n = train.numbers(state, cache);
    const said = train.describe(state, n, cache);
    assert.match(said, failed ? /not a finite number any more.* up to epoch 30/
      : /ELBO .* is not a finite number: .* ELBO not finite/);
    assert.equal(outputText(train, "elbo", n), "not finite");
    const pen = new LoggingPen();
    train.draw(new Picture(pen, width, width < 520 ? 560 : 342, color), state, n, cache);
    const words = pen.marks.flatMap((mark) => (mark.kind === "text" ? [mark.words ?? ""] : []));
    assert.ok(words.some((text) => /ELBO.* ↑ not finite$/.test(text)), words.join());
    assert.doesNotMatch([said, ...words].join(), /NaN|Infinity/);
    assert.ok(pen.marks.every(({ points: places }) => places.flat().every(Number.isFinite)));
  }
});
