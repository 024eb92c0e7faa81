// A small trained VAE as network.py packs it, and how its codes and images are drawn.

/** @import { Panel, Picture } from "./picture.js" */
/** @import { Line, Point } from "./types.d.ts" */
/** @typedef {ArrayLike<number> & Iterable<number>} Vector */
/** @typedef {Float64Array[]} Layers  weights and biases of two layers: W, b, V, c */

/** @param {string} text */
export const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/**
 * A layer's outputs for the inputs x: Wx + b, W row by row.
 * @type {(W: Float64Array, b: Float64Array, x: Vector) => Float64Array}
 */
const linear = (W, b, x) => b.map((sum, i) => {
  for (let j = 0, at = i * x.length; j < x.length; j++) sum += W[at + j] * x[j];
  return sum;
});
/** @type {(layers: Layers, x: Vector) => Float64Array} */
export const perceptron = ([W, b, V, c], x) => linear(V, c, linear(W, b, x).map((v) => Math.max(0, v)));

/**
 * The layers of both networks.
 * @param {[number, string][]} weights
 */
export function layersOf(weights) {
  const layers = weights.map(([step, text]) => Float64Array.from(new Int16Array(bytes(text).buffer), (v) => v * step));
  return { encoder: layers.slice(0, 4), decoder: layers.slice(4) };
}

/** @type {Line} */
export const DASHED = { width: 1.5, dash: [6, 4] };
/**
 * @param {Vector} center
 * @param {Vector} radii
 */
export const around = ([a, b], [r, s]) => Array.from({ length: 49 }, (_, i) =>
  [a + r * Math.cos((i * Math.PI) / 24), b + s * Math.sin((i * Math.PI) / 24)]);
/** @type {(picture: Picture, points: ArrayLike<number>[], width?: number) => void} */
export const drawOval = (picture, points, width = 2) => {
  picture.fill(points, picture.color.approximate, width / 8);
  picture.stroke(points, picture.color.approximate, { width });
};

/**
 * The plane of z₁ and z₂ from −reach to reach, a square in the upper left: a click sets the point that one holds.
 * @type {(picture: Picture, side: number, reach: number) => { plane: Panel, at: (z: ArrayLike<number>) => Point,
 *   circles(): void, hold(z_1: number, z_2: number): void }}
 */
export function planeOf(picture, side, reach) {
  const { color, width, height } = picture;
  const plane = picture.panel({
    left: 34, right: width - 34 - side, top: 24, bottom: height - 24 - side, x: [-reach, reach], y: [-reach, reach], ylabel: "z₂",
  });
  picture.text(plane.right + 5, plane.bottom, "z₁", color.muted);
  /** @type {(z: ArrayLike<number>) => Point} */
  const at = ({ 0: a, 1: b }) => [plane.x(a), plane.y(b)];
  const move = (/** @type {number} */ a, /** @type {number} */ b) => ({ z_1: plane.atX(a), z_2: plane.atY(b) });
  picture.pick = (a, b) => (a < plane.left || a > plane.right || b < plane.top || b > plane.bottom ? null : move(a, b));
  return {
    plane, at,
    circles() {
      for (const r of [1, 2]) picture.stroke(around([0, 0], [r, r]).map(at), color.prior, DASHED);
    },
    hold: (...z) => picture.handle(...at(z), color.likelihood, "xy", move),
  };
}

/**
 * An image of 8×8 pixels below the first of the wordings that is no wider.
 * @type {(picture: Picture, left: number, top: number, size: number, words: string[], color: string,
 *   strengths: Float64Array) => void}
 */
export function drawTile(picture, left, top, size, words, color, strengths) {
  picture.text(left, top - 11, picture.fitting(size, ...words), color);
  picture.images([[left, top, strengths]], size, color);
  picture.frame(left, top, left + size, top + size, picture.color.muted);
}
