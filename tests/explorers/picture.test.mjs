// What a picture draws for each of its primitives, where its axes put a value, and the SVG of a still.

import assert from "node:assert/strict";
import { test } from "node:test";

import { COLORS, Picture } from "../../vae_lib/explorers/shared/picture.js";
import { Recorder } from "../../vae_lib/explorers/shared/recorder.js";
import { LoggingPen } from "./pen.mjs";

const color = Object.fromEntries(COLORS.map((name) => [name, name]));
const blank = (width = 600, height = 300) => {
  const pen = new LoggingPen();
  return { pen, picture: new Picture(pen, width, height, color) };
};
const close = (/** @type {number} */ a, /** @type {number} */ b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("a picture below 520 pixels is narrow and has smaller letters", () => {
  assert.equal(blank(520).picture.narrow, false);
  assert.equal(blank(519).picture.narrow, true);
  assert.match(blank(520).pen.font, /^13px /);
  assert.match(blank(519).pen.font, /^12px /);
  assert.equal(blank().pen.lineCap, "round");
});

test("a stroke and a fill leave opacity and dashes as they were", () => {
  const { pen, picture } = blank();
  picture.stroke([[1, 2], [3, 4]], "red", { width: 3, dash: [5, 1], alpha: 0.5 });
  assert.deepEqual([pen.dash, pen.globalAlpha], [[], 1]);
  picture.fill([[1, 2], [3, 4], [5, 6]], "blue", 0.25);
  picture.stroke([[0, 0], [1, 1]], "red");
  const [first, second, third] = pen.marks;
  assert.deepEqual([first.color, first.width, first.dash, first.alpha, first.closed], ["red", 3, [5, 1], 0.5, false]);
  assert.deepEqual([second.color, second.alpha, second.closed], ["blue", 0.25, true]);
  assert.deepEqual(second.points, [[1, 2], [3, 4], [5, 6]]);
  assert.deepEqual([third.width, third.dash, third.alpha], [2, [], 1]);
  assert.equal(pen.globalAlpha, 1);
});

test("rectangles: filled, as an outline, and many at once", () => {
  const { pen, picture } = blank();
  picture.rect(1, 2, 5, 8, "red", 0.5);
  picture.frame(1, 2, 5, 8, "blue");
  picture.rects([[0, 0, 2, 3], [4, 4, 1, 1]], "green", 0.75);
  const [rect, frame, rects] = pen.marks;
  assert.deepEqual([rect.kind, rect.alpha, rect.points], ["fill", 0.5, [[1, 2], [5, 2], [5, 8], [1, 8]]]);
  assert.deepEqual([frame.kind, frame.width, frame.points], ["stroke", 1, [[1, 2], [5, 2], [5, 8], [1, 8], [1, 2]]]);
  assert.deepEqual([rects.color, rects.alpha, rects.points], ["green", 0.75, [[0, 0], [2, 3], [4, 4], [5, 5]]]);
  assert.equal(pen.globalAlpha, 1);
});

test("hatching fills its rectangle with slanting lines, whichever corners are given", () => {
  const { pen, picture } = blank();
  picture.hatched(10, 20, 60, 40, "red");
  const drawn = pen.marks.map(({ points }) => points);
  pen.marks.length = 0;
  picture.hatched(60, 40, 10, 20, "red");
  assert.deepEqual(pen.marks.map(({ points }) => points), drawn);
  const lines = drawn.slice(0, -1);
  assert.ok(lines.length >= 8);
  for (const [[x0, y0], [x1, y1]] of lines) {
    assert.ok(x0 >= 10 && x1 <= 60 && x0 <= x1 && y0 <= 40 && y1 >= 20, "inside");
    close(x1 - x0, y0 - y1);
  }
  assert.deepEqual(drawn.at(-1), [[10, 20], [60, 20], [60, 40], [10, 40], [10, 20]]);
});

test("words have a rim of paper under them, unless they are to have none", () => {
  const { pen, picture } = blank();
  picture.text(5, 6, "words");
  picture.text(7, 8, "more", "red", "right", 0);
  const [rim, text, other] = pen.marks;
  assert.deepEqual([rim.kind, rim.color, rim.width], ["rim", "paper", 4]);
  assert.deepEqual([text.kind, text.color, text.align, text.points], ["text", "ink", "left", [[5, 6]]]);
  assert.deepEqual([other.kind, other.color, other.align, pen.marks.length], ["text", "red", "right", 3]);
});

test("a phrase puts each part behind the one before", () => {
  const { pen, picture } = blank();
  picture.phrase(10, 5, [["abc", "red"], ["d", "blue"], ["e", "red"]]);
  const starts = () => pen.marks.filter(({ kind }) => kind === "text").map(({ points }) => points[0][0]);
  [10, 10 + 3 * 6.9, 10 + 4 * 6.9].forEach((wanted, i) => close(starts()[i], wanted));
  pen.marks.length = 0;
  Object.assign(pen, { measureText: (/** @type {string} */ words) => ({ width: 10 * words.length }) });
  picture.phrase(10, 5, [["abc", "red"], ["d", "blue"]]);
  assert.deepEqual(starts(), [10, 40]);
});

test("of several wordings the first that fits is taken, or else the last", () => {
  const { picture } = blank();
  close(picture.measure("abcd"), 4 * 6.9);
  assert.equal(picture.fitting(100, "short", "s"), "short");
  assert.equal(picture.fitting(5 * 6.9, "longer", "short", "s"), "short");
  assert.equal(picture.fitting(3, "longer", "short"), "short");
});

test("images have pixels of whole size that touch, each as dark as its number", () => {
  const { pen, picture } = blank();
  picture.images([[10, 20, [0, 0.5, 1, 0.5]], [60, 20, [1, 0, 0, 0]]], 25, "red", 0.5);
  const [grey, black] = pen.marks;
  assert.deepEqual([pen.marks.length, grey.alpha, black.alpha], [2, 0.25, 0.5]);
  assert.deepEqual(grey.points, [[23, 20], [35, 33], [23, 33], [35, 45]]);
  assert.deepEqual(black.points, [[10, 33], [23, 45], [60, 20], [73, 33]]);
});

test("the words at ticks are not cut at an end of the picture, nor drawn over each other", () => {
  const { pen, picture } = blank();
  const ticks = /** @type {[number, string][]} */ ([[0, "-1000"], [0.01, "skipped"], [0.5, "half"], [1, "1000"]]);
  picture.panel({ left: 4, right: 2, x: [0, 1], y: [0, 1], xticks: ticks, yticks: null });
  const said = pen.marks.filter(({ kind }) => kind === "text").map(({ words, points: [[x]] }) => [words, x]);
  assert.deepEqual(said, [["-1000", 2.5 * 6.9], ["half", 301], ["1000", 600 - 2 * 6.9]]);
});

test("an axis follows the state, but stands still while a handle is held", () => {
  const { picture } = blank();
  assert.deepEqual(picture.follow([0, 1]), [0, 1]);
  assert.deepEqual(picture.follow([0, 2]), [0, 2]);
  picture.held = true;
  assert.deepEqual(picture.follow([0, 3]), [0, 2]);
  const another = blank().picture;
  another.held = true;
  assert.deepEqual(another.follow([0, 3]), [0, 3], "there is nothing to keep yet");
});

test("a handle has arrows along its axes and a hole, and keeps its place", () => {
  for (const [axis, arrows] of /** @type {["x" | "y" | "xy", number][]} */ ([["x", 2], ["y", 2], ["xy", 4]])) {
    const { pen, picture } = blank();
    const move = () => ({});
    picture.handle(50, 60, "red", axis, move);
    assert.deepEqual(picture.handles, [{ x: 50, y: 60, axis, move }]);
    const triangles = pen.marks.filter(({ points }) => points.length === 3);
    assert.equal(triangles.length, arrows);
    for (const { points: [[x, y]] } of triangles) {
      assert.equal(Math.abs(x - 50) + Math.abs(y - 60), 15, "the tip");
      assert.ok(axis === "xy" || (axis === "x" ? y === 60 : x === 50), "along the axis");
    }
    assert.deepEqual(pen.marks.slice(-2).map(({ circles, color: paint }) => [...circles[0], paint]),
      [[50, 60, 7, "red"], [50, 60, 3.5, "paper"]]);
  }
});

test("a panel leaves its margins and puts values between its ends", () => {
  const { picture } = blank();
  const p = picture.panel({ left: 50, right: 30, top: 20, bottom: 40, x: [-1, 3], y: [0, 10] });
  assert.deepEqual([p.left, p.right, p.top, p.bottom], [50, 570, 20, 260]);
  assert.deepEqual([p.x(-1), p.x(3), p.x(1)], [50, 570, 310]);
  assert.deepEqual([p.y(0), p.y(10), p.y(5)], [260, 20, 140], "upwards");
  for (const v of [-1, 0.3, 3, 4]) close(p.atX(p.x(v)), v);
  for (const v of [-2, 0, 7]) close(p.atY(p.y(v)), v);
  const standard = picture.panel({ x: [0, 1], y: [0, 1] });
  assert.deepEqual([standard.left, standard.right, standard.top, standard.bottom], [40, 588, 24, 260]);
});

test("a logarithmic axis is even in powers of ten", () => {
  const p = blank().picture.panel({ left: 0, right: 0, x: [1, 1e4], logx: true, y: [0, 1], xticks: [1, [1e4, "10⁴"]] });
  assert.deepEqual([p.x(1), p.x(100), p.x(1e4)], [0, 300, 600]);
  for (const v of [1, 20, 1e4]) close(p.atX(p.x(v)) / v, 1);
});

test("axes have a line, ticks with words, and their names", () => {
  const { pen, picture } = blank();
  const p = picture.panel({ x: [-1, 1], y: [0, 1], xticks: [-1, [0, "zero"]], yticks: [0.5], xlabel: "z", ylabel: "density" });
  const said = Object.fromEntries(pen.marks.filter(({ kind }) => kind === "text").map((mark) => [mark.words, mark]));
  assert.deepEqual(Object.keys(said), ["−1", "zero", "0.5", "z", "density"]);
  assert.deepEqual(said["−1"].points, [[p.x(-1), p.bottom + 13]]);
  assert.deepEqual(said["0.5"].points, [[p.left - 7, p.y(0.5)]]);
  assert.deepEqual([said.zero.align, said["0.5"].align, said.z.align, said.density.align], ["center", "right", "center", "left"]);
  assert.deepEqual(said.z.points, [[(p.left + p.right) / 2, p.bottom + 30]]);
  assert.deepEqual(said.density.points, [[p.left - 34, p.top - 13]]);
  assert.ok(Object.values(said).every((mark) => mark.color === "muted"));
  const lines = pen.marks.filter(({ kind }) => kind === "stroke").map(({ points }) => points);
  assert.deepEqual(lines[0], [[p.left, p.bottom], [p.right, p.bottom]]);
  assert.deepEqual(lines[1], [[p.x(-1), p.bottom], [p.x(-1), p.bottom + 4]]);
  assert.deepEqual(lines[3], [[p.left, p.top], [p.left, p.bottom]]);
  assert.deepEqual(lines[4], [[p.left - 4, p.y(0.5)], [p.left, p.y(0.5)]]);
});

test("axes that are null are not drawn, and the others choose their ticks", () => {
  const bare = blank();
  bare.picture.panel({ x: [0, 1], y: [0, 1], xticks: null, yticks: null, ylabel: "name" });
  assert.deepEqual(bare.pen.marks.map(({ kind, words }) => [kind, words]), [["rim", "name"], ["text", "name"]]);
  assert.deepEqual(bare.pen.marks[0].points, [[40, 11]], "above the left end");
  const ticks = (/** @type {number} */ width) => {
    const { pen, picture } = blank(width);
    picture.panel({ x: [0, 7], y: [0, 1], yticks: null });
    return pen.marks.filter(({ kind }) => kind === "text").length;
  };
  assert.deepEqual([ticks(600), ticks(400)], [8, 4], "fewer on a narrow picture");
});

test("a curve has a point for every other pixel and is drawn inside the axes alone", () => {
  const { pen, picture } = blank();
  const p = picture.panel({ left: 0, right: 0, x: [0, 6], y: [0, 36], xticks: null, yticks: null });
  p.curve((x) => x * x, "red", { dash: [7, 4] });
  p.curve((x) => x, "blue", { over: [2, 4] });
  p.line([[0, 0], [6, 36]], "green", { width: 1 });
  const [curve, part, line] = pen.marks;
  assert.equal(curve.points.length, 301);
  for (const i of [0, 50, 300]) {
    close(curve.points[i][0], 2 * i);
    close(curve.points[i][1], p.y((i / 50) ** 2));
  }
  assert.deepEqual([curve.clipped, curve.dash, part.points[0], part.points.length], [1, [7, 4], [200, p.y(2)], 101]);
  assert.deepEqual([line.points, line.width, line.clipped], [[[0, p.bottom], [600, p.top]], 1, 1]);
  assert.equal(pen.clipped, 0, "and afterwards nothing is cut");
});

test("where a curve bends it has more points", () => {
  const { picture } = blank();
  const p = picture.panel({ left: 0, right: 0, x: [0, 600], y: [0, 1], xticks: null, yticks: null });
  const points = p.points((x) => Math.exp(-0.5 * (x - 299) ** 2));
  assert.ok(points.length > 301 && points.length < 450);
  const steps = points.slice(1).map(([x], i) => x - points[i][0]);
  assert.ok(Math.min(...steps) < 0.5 && Math.max(...steps) === 2 && steps.every((step) => step > 0));
  assert.ok(Math.abs(Math.min(...points.map(([, y]) => y)) - p.top) < 0.5, "its peak");
});

test("the clip of a panel is its axes", () => {
  const { pen, picture } = blank();
  const p = picture.panel({ x: [0, 1], y: [0, 1] });
  p.inside(() => assert.deepEqual(pen.points, [[p.left, p.top - 1], [p.right, p.bottom + 1]]));
});

test("an area reaches from the curve to 0, and stripes do where the curve is not 0", () => {
  const { pen, picture } = blank();
  const p = picture.panel({ left: 0, right: 0, x: [0, 6], y: [-1, 1], xticks: null, yticks: null });
  p.area(() => 0.5, "red");
  p.striped((x) => (x < 3 ? -0.5 : 0), "blue");
  const [area, ...stripes] = pen.marks;
  assert.deepEqual([area.kind, area.alpha, area.points[0], area.points.at(-1)], ["fill", 0.25, [0, p.y(0)], [600, p.y(0)]]);
  assert.ok(area.points.slice(1, -1).every(([, y]) => y === p.y(0.5)));
  assert.ok(stripes.length === 60 && stripes.every(({ points: [[x0, y0], [x1, y1]] }) =>
    x0 === x1 && x0 < 300 && y0 === p.y(0) && y1 === p.y(-0.5)));
});

test("lines across a panel, and words at a value", () => {
  const { pen, picture } = blank();
  const p = picture.panel({ x: [0, 1], y: [0, 1], xticks: null, yticks: null });
  p.vertical(0.5, "red");
  p.horizontal(0.25, "blue", { width: 1 });
  p.text(0.5, 0.75, "here", "red", "right");
  const [vertical, horizontal, , words] = pen.marks;
  assert.deepEqual([vertical.points, vertical.dash], [[[p.x(0.5), p.top], [p.x(0.5), p.bottom]], [5, 4]]);
  assert.deepEqual([horizontal.points, horizontal.dash], [[[p.left, p.y(0.25)], [p.right, p.y(0.25)]], []]);
  assert.deepEqual([words.points, words.align, words.color], [[[p.x(0.5), p.y(0.75)]], "right", "red"]);
});

test("a layer is painted again only when its key, the canvas or the mode is another", () => {
  const canvas = { width: 800, height: 400 };
  const kept = /** @type {any} */ ({ getContext: () => Object.assign(new LoggingPen(), { setTransform() {} }) });
  /** @type {unknown[]} */
  const copied = [];
  const paints = (/** @type {string} */ key, ink = "ink") => {
    const drawImage = (/** @type {any[]} */ ...given) => copied.push(given);
    const pen = Object.assign(new LoggingPen(), { canvas, getTransform: () => 1, drawImage });
    const picture = new Picture(pen, 400, 200, { ...color, ink }, kept);
    let painted = 0;
    picture.layer(key, () => {
      painted++;
      assert.notEqual(picture.ctx, pen, "on a canvas of its own");
    });
    assert.equal(picture.ctx, pen);
    return painted;
  };
  assert.deepEqual([paints("a"), paints("a"), paints("b"), paints("b"), paints("b", "white")], [1, 0, 1, 0, 1]);
  canvas.width = 900;
  assert.deepEqual([paints("b", "white"), kept.width, copied.length], [1, 900, 6]);
  assert.deepEqual(copied[0], [kept, 0, 0, 400, 200]);
  const { pen, picture } = blank();
  picture.layer("a", () => picture.dot(1, 2, "red"));
  assert.equal(pen.marks.length, 1, "a still is painted at once");
});

test("a recorder writes SVG", () => {
  const pen = new Recorder("card");
  const picture = new Picture(pen, 600, 300, Object.fromEntries(COLORS.map((name) => [name, `var(--${name})`])));
  picture.stroke([[1.04, 2], [3, 4.06]], "red", { width: 3, dash: [5, 1], alpha: 0.5 });
  assert.equal(pen.svg, '<path d="M1 2l2 2.1" stroke="red" stroke-width="3" stroke-dasharray="5,1" opacity="0.5"/>');
  pen.svg = "";
  picture.rect(0, 0, 2, 3, "red");
  picture.rects([[0, 0, 2, 3]], "red");
  picture.dot(10, 20, "blue", 4);
  assert.equal(pen.svg, '<path d="M0 0h2v3h-2Z" fill="red"/><path d="M0 0h2v3h-2Z" fill="red"/>' +
    '<path d="M6 20a4 4 0 1 0 8 0a4 4 0 1 0 -8 0" fill="blue"/>');
  pen.svg = "";
  for (const align of /** @type {CanvasTextAlign[]} */ (["left", "center", "right"])) picture.text(1, 2, "a < b", "red", align);
  assert.deepEqual([...pen.svg.matchAll(/text-anchor="(\w+)"/g)].map((found) => found[1]), ["middle", "end"]);
  assert.match(pen.svg, /^<text x="1" y="6.6" fill="red">a &#60; b<\/text>/);
  assert.doesNotMatch(pen.svg, /font-family/);
  pen.svg = "";
  picture.ctx.font = "13px ui-monospace, monospace";
  picture.text(1, 2, "code");
  assert.match(pen.svg, /font-family="[^"]*monospace"/);
});

test("a long line of a recorder ends where it ends, however its steps are rounded", () => {
  const pen = new Recorder("card");
  pen.moveTo(0.33, 7);
  for (let i = 1; i <= 1000; i++) pen.lineTo(0.33 + i * 0.66, 7 + Math.sin(i));
  const [x, y] = pen.d.split(/[Mlhv]/).slice(1).map((step) => step.split(" ").map(Number))
    .reduce(([left, top], [right, down = 0]) => [left + right, top + down]);
  assert.ok(Math.abs(x - 660.33) < 0.051 && Math.abs(y - 7 - Math.sin(1000)) < 0.051);
});

test("clips of a recorder have ids of their own", () => {
  const pen = new Recorder("card");
  const p = new Picture(pen, 600, 300, color).panel({ x: [0, 1], y: [0, 1], xticks: null, yticks: null });
  for (let i = 0; i < 2; i++) p.inside(() => p.picture.dot(1, 2, "red"));
  const ids = ["card-clip-0", "card-clip-1"];
  assert.deepEqual([...pen.svg.matchAll(/<clipPath id="([^"]*)">/g)].map((found) => found[1]), ids);
  assert.deepEqual([...pen.svg.matchAll(/clip-path="url\(#([^"]*)\)"/g)].map((found) => found[1]), ids);
  assert.equal(pen.svg.match(/<g /g)?.length, pen.svg.match(/<\/g>/g)?.length);
});

test("the reader's guess stands on the axis of its quantity, and beyond the axis words say where", () => {
  /** @type {(value: number, name?: string) => { pen: LoggingPen, panel: any }} */
  const guessed = (value, name = "beta") => {
    const { pen, picture } = blank();
    const panel = picture.panel({ x: [1, 100], logx: true, y: [0, 2] });
    picture.guess = { name, value, said: "so", at: [] };
    pen.marks.length = 0;
    return { pen, panel };
  };
  const upright = guessed(10);
  upright.panel.guess("beta", "x", [50, 90]);
  let [line] = upright.pen.marks;
  assert.deepEqual([line.points, line.dash], [[[upright.panel.x(10), 50], [upright.panel.x(10), 90]], [2, 5]]);
  assert.equal(upright.pen.marks.at(-1)?.words, "so");
  const level = guessed(0.5);
  level.panel.guess("beta", "y", undefined, (/** @type {number} */ v) => 2 - v);
  [line] = level.pen.marks;
  assert.deepEqual(line.points, [[level.panel.left, level.panel.y(1.5)], [level.panel.right, level.panel.y(1.5)]]);
  for (const [value, axis, said] of /** @type {const} */ ([[1e9, "x", "→"], [-3, "x", "←"], [5, "y", "↑"], [-1, "y", "↓"]])) {
    const { pen, panel } = guessed(value);
    panel.guess("beta", axis);
    assert.deepEqual(new Set(pen.marks.map((mark) => mark.words)), new Set([`so ${said}`]));
    const [[x, y]] = pen.marks[0].points;
    assert.ok(x > 0 && x < 600 && y > 0 && y < 300);
  }
  const other = guessed(10, "kl");
  other.panel.guess("beta", "x");
  assert.equal(other.pen.marks.length, 0);
});
