// Linear layers of a network: products of matrices, forwards and backwards.

/** @import { Floats, Stream } from "./stream.js" */

/**
 * Adds a bᵀ to `out`, for matrices whose rows lie one after the other: a is rows × depth, b columns × depth. Four rows of
 * a meet two of b at a time, so that each number that is read is used several times. At an edge a row is taken twice.
 * @type {(out: Floats, a: Floats, b: Floats, rows: number, columns: number, depth: number) => void}
 */
export function product(out, a, b, rows, columns, depth) {
  for (let i = 0; i < rows; i += 4) {
    const i1 = Math.min(i + 1, rows - 1), i2 = Math.min(i + 2, rows - 1), i3 = Math.min(i + 3, rows - 1);
    const p0 = i * depth, p1 = i1 * depth, p2 = i2 * depth, p3 = i3 * depth;
    for (let j = 0; j < columns; j += 2) {
      const j1 = Math.min(j + 1, columns - 1);
      const q0 = j * depth, q1 = j1 * depth;
      let s00 = out[i * columns + j], s01 = out[i * columns + j1];
      let s10 = out[i1 * columns + j], s11 = out[i1 * columns + j1];
      let s20 = out[i2 * columns + j], s21 = out[i2 * columns + j1];
      let s30 = out[i3 * columns + j], s31 = out[i3 * columns + j1];
      for (let k = 0; k < depth; k++) {
        const u = b[q0 + k], v = b[q1 + k];
        let x = a[p0 + k];
        s00 += x * u;
        s01 += x * v;
        x = a[p1 + k];
        s10 += x * u;
        s11 += x * v;
        x = a[p2 + k];
        s20 += x * u;
        s21 += x * v;
        x = a[p3 + k];
        s30 += x * u;
        s31 += x * v;
      }
      out[i * columns + j] = s00;
      out[i * columns + j1] = s01;
      out[i1 * columns + j] = s10;
      out[i1 * columns + j1] = s11;
      out[i2 * columns + j] = s20;
      out[i2 * columns + j1] = s21;
      out[i3 * columns + j] = s30;
      out[i3 * columns + j1] = s31;
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
   * @param {Stream} stream
   */
  begin(stream) {
    for (const { values } of [this.weight, this.bias]) stream.uniform(values, 1 / Math.sqrt(this.inputs));
  }

  /** @type {(y: Floats, x: Floats, rows: number) => void} */
  forward(y, x, rows) {
    const { bias: { values: bias }, inputs, outputs, relu } = this;
    for (let r = 0; r < rows; r++) y.set(bias, r * outputs);
    product(y, x, this.weight.values, rows, outputs, inputs);
    if (relu) for (let i = 0; i < rows * outputs; i++) if (y[i] < 0) y[i] = 0;
  }

  /**
   * Adds the gradients of the parameters, and puts that of the input into dx, of dy, the gradient of the output y. It is
   * changed where ReLU cut off. `scratch` has room for any transposed matrix.
   * @type {(dx: Floats | null, dy: Floats, x: Floats, y: Floats, rows: number, scratch: Floats[]) => void}
   */
  backward(dx, dy, x, y, rows, [flipped, across]) {
    const { bias, inputs, outputs, weight } = this;
    if (this.relu) for (let i = 0; i < rows * outputs; i++) if (y[i] === 0) dy[i] = 0;
    transpose(flipped, dy, rows, outputs);
    transpose(across, x, rows, inputs);
    product(weight.slopes, flipped, across, outputs, inputs, rows);
    for (let o = 0; o < outputs; o++) {
      let sum = bias.slopes[o];
      for (let r = o * rows; r < (o + 1) * rows; r++) sum += flipped[r];
      bias.slopes[o] = sum;
    }
    if (!dx) return;
    transpose(across, weight.values, outputs, inputs);
    dx.fill(0, 0, rows * inputs);
    product(dx, dy, across, rows, inputs, outputs);
  }
}
