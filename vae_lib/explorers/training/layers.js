// Linear layers of a network: products of matrices, forwards and backwards.

/** @import { Floats, Generator } from "./generator.js" */

/**
 * out = a bᵀ for matrices whose rows lie one after the other: a is rows × depth, b columns × depth. Four rows of a
 * meet two of b at a time, so that each number that is read is used several times. At an edge a row is taken twice.
 * @type {(out: Floats, a: Floats, b: Floats, rows: number, columns: number, depth: number) => void}
 */
export function product(out, a, b, rows, columns, depth) {
  for (let i = 0; i < rows; i += 4) {
    const [i1, i2, i3] = [Math.min(i + 1, rows - 1), Math.min(i + 2, rows - 1), Math.min(i + 3, rows - 1)];
    for (let j = 0; j < columns; j += 2) {
      const last = Math.min(j + 1, columns - 1);
      let [p0, p1, p2, p3, q0, q1] = [i * depth, i1 * depth, i2 * depth, i3 * depth, j * depth, last * depth];
      let s00 = 0, s01 = 0, s10 = 0, s11 = 0, s20 = 0, s21 = 0, s30 = 0, s31 = 0;
      for (const end = p0 + depth; p0 < end; p0++, p1++, p2++, p3++, q0++, q1++) {
        const [u, v] = [b[q0], b[q1]];
        s00 += a[p0] * u;
        s01 += a[p0] * v;
        s10 += a[p1] * u;
        s11 += a[p1] * v;
        s20 += a[p2] * u;
        s21 += a[p2] * v;
        s30 += a[p3] * u;
        s31 += a[p3] * v;
      }
      out[i * columns + j] = s00;
      out[i * columns + last] = s01;
      out[i1 * columns + j] = s10;
      out[i1 * columns + last] = s11;
      out[i2 * columns + j] = s20;
      out[i2 * columns + last] = s21;
      out[i3 * columns + j] = s30;
      out[i3 * columns + last] = s31;
    }
  }
}

/**
 * out = aᵀ for a of rows × columns.
 * @type {(out: Floats, a: Floats, rows: number, columns: number) => void}
 */
export function transpose(out, a, rows, columns) {
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j];
}

/** y = W x + b of each row x, where ReLU may follow. */
export class Linear {
  /**
   * @param {number} inputs
   * @param {number} outputs
   * @param {boolean} relu
   * @param {(size: number) => { values: Floats, slopes: Floats }} room for parameters and their gradients
   */
  constructor(inputs, outputs, relu, room) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.relu = relu;
    this.weight = room(inputs * outputs);
    this.bias = room(outputs);
  }

  /**
   * The weights that torch.nn.Linear begins with.
   * @param {Generator} generator
   */
  begin(generator) {
    for (const { values } of [this.weight, this.bias]) generator.uniform(values, 1 / Math.sqrt(this.inputs));
  }

  /** @type {(y: Floats, x: Floats, rows: number) => void} */
  forward(y, x, rows) {
    const { bias: { values: bias }, inputs, outputs, relu } = this;
    product(y, x, this.weight.values, rows, outputs, inputs);
    for (let r = 0, at = 0; r < rows; r++) {
      for (let o = 0; o < outputs; o++, at++) {
        const value = y[at] + bias[o];
        y[at] = relu && value < 0 ? 0 : value;
      }
    }
  }

  /**
   * The gradients of the parameters, and in dx that of the input, of dy, the gradient of the output y. It is changed
   * where ReLU cut off. `scratch` has room for any transposed matrix.
   * @type {(dx: Floats | null, dy: Floats, x: Floats, y: Floats, rows: number, scratch: Floats[]) => void}
   */
  backward(dx, dy, x, y, rows, [flipped, across]) {
    const { bias, inputs, outputs, weight } = this;
    if (this.relu) for (let i = 0; i < rows * outputs; i++) if (!(y[i] > 0)) dy[i] = 0;
    transpose(flipped, dy, rows, outputs);
    transpose(across, x, rows, inputs);
    product(weight.slopes, flipped, across, outputs, inputs, rows);
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      for (let r = o * rows; r < (o + 1) * rows; r++) sum += flipped[r];
      bias.slopes[o] = sum;
    }
    if (!dx) return;
    transpose(across, weight.values, outputs, inputs);
    product(dx, dy, across, rows, inputs, outputs);
  }
}
