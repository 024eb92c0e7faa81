// Arithmetic on matrices that lie row by row in typed arrays. Sums are computed in 64 bits, whatever the arrays hold.

/** @typedef {Float32Array | Float64Array} Reals */

/**
 * Adds a product of matrices: out[r, c] += Σₖ a[r, k] b[c, k]. The strides say how far apart neighbours lie, so that
 * each matrix may be read by rows or by columns. Blocks of 4 × 4 results stay in registers while k runs.
 * @param {Reals} out rows × columns
 * @param {number} rows
 * @param {number} columns
 * @param {number} depth the number of k
 * @param {Reals} a
 * @param {number} ar from a[r, k] to a[r + 1, k]
 * @param {number} ak from a[r, k] to a[r, k + 1]
 * @param {Reals} b
 * @param {number} bc from b[c, k] to b[c + 1, k]
 * @param {number} bk from b[c, k] to b[c, k + 1]
 */
export function addProduct(out, rows, columns, depth, a, ar, ak, b, bc, bk) {
  const [evenRows, evenColumns] = [rows - (rows % 4), columns - (columns % 4)];
  for (let r = 0; r < evenRows; r += 4) {
    for (let c = 0; c < evenColumns; c += 4) {
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
      for (let k = 0, i = r * ar, j = c * bc; k < depth; k++, i += ak, j += bk) {
        const b0 = b[j], b1 = b[j + bc], b2 = b[j + 2 * bc], b3 = b[j + 3 * bc];
        let v = a[i];
        s00 += v * b0; s01 += v * b1; s02 += v * b2; s03 += v * b3;
        v = a[i + ar];
        s10 += v * b0; s11 += v * b1; s12 += v * b2; s13 += v * b3;
        v = a[i + 2 * ar];
        s20 += v * b0; s21 += v * b1; s22 += v * b2; s23 += v * b3;
        v = a[i + 3 * ar];
        s30 += v * b0; s31 += v * b1; s32 += v * b2; s33 += v * b3;
      }
      let o = r * columns + c;
      out[o] += s00; out[o + 1] += s01; out[o + 2] += s02; out[o + 3] += s03;
      o += columns;
      out[o] += s10; out[o + 1] += s11; out[o + 2] += s12; out[o + 3] += s13;
      o += columns;
      out[o] += s20; out[o + 1] += s21; out[o + 2] += s22; out[o + 3] += s23;
      o += columns;
      out[o] += s30; out[o + 1] += s31; out[o + 2] += s32; out[o + 3] += s33;
    }
  }
  for (let r = 0; r < rows; r++) { // what no block holds
    for (let c = r < evenRows ? evenColumns : 0; c < columns; c++) {
      let sum = 0;
      for (let k = 0, i = r * ar, j = c * bc; k < depth; k++, i += ak, j += bk) sum += a[i] * b[j];
      out[r * columns + c] += sum;
    }
  }
}

/**
 * ReLU in place.
 * @param {Reals} values
 * @param {number} count of the values at the front that are meant
 */
export function relu(values, count) {
  for (let i = 0; i < count; i++) if (values[i] < 0) values[i] = 0;
}

/**
 * The derivative of ReLU in place: no gradient passes where it put out 0.
 * @param {Reals} gradient
 * @param {Reals} output of ReLU
 * @param {number} count
 */
export function reluBackward(gradient, output, count) {
  for (let i = 0; i < count; i++) if (output[i] === 0) gradient[i] = 0;
}
