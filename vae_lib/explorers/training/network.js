// The VAE of vae_lib.models with one hidden layer on each side: its weights, their gradient, and Adam.

import { addProduct } from "./kernels.js";

/** @import { Reals } from "./kernels.js" */
/** @import { Stream } from "./stream.js" */
/** @typedef {Float32ArrayConstructor | Float64ArrayConstructor} Kind */

/** A linear layer, whose numbers lie in arrays that all layers share. */
export class Layer {
  /**
   * @param {number} inputs
   * @param {number} outputs
   * @param {Reals} values
   * @param {Reals} gradient
   * @param {number} at where this layer begins in both
   */
  constructor(inputs, outputs, values, gradient, at) {
    const middle = at + inputs * outputs;
    const end = middle + outputs;
    this.inputs = inputs;
    this.outputs = outputs;
    this.weight = values.subarray(at, middle); // outputs × inputs
    this.bias = values.subarray(middle, end);
    this.weightSlope = gradient.subarray(at, middle);
    this.biasSlope = gradient.subarray(middle, end);
  }

  /**
   * out = x Wᵀ + b.
   * @param {Reals} x rows × inputs
   * @param {number} rows
   * @param {Reals} out rows × outputs
   */
  forward(x, rows, out) {
    const { inputs, outputs, weight, bias } = this;
    for (let r = 0; r < rows; r++) out.set(bias, r * outputs);
    addProduct(out, rows, outputs, inputs, x, inputs, 1, weight, inputs, 1);
  }

  /**
   * Adds to the gradient of the weights what comes from these rows.
   * @param {Reals} slope of the outputs, rows × outputs
   * @param {Reals} x rows × inputs
   * @param {number} rows
   */
  learn(slope, x, rows) {
    const { inputs, outputs, weightSlope, biasSlope } = this;
    addProduct(weightSlope, outputs, inputs, rows, slope, 1, outputs, x, 1, inputs);
    for (let i = 0, r = 0; r < rows; r++) for (let c = 0; c < outputs; c++, i++) biasSlope[c] += slope[i];
  }

  /**
   * out = slope W, the gradient of the inputs.
   * @param {Reals} slope of the outputs, rows × outputs
   * @param {number} rows
   * @param {Reals} out rows × inputs
   */
  backward(slope, rows, out) {
    const { inputs, outputs, weight } = this;
    out.fill(0, 0, rows * inputs);
    addProduct(out, rows, inputs, outputs, slope, outputs, 1, weight, 1, inputs);
  }
}

/** The four layers, and the state of Adam. */
export class Network {
  #first;
  #second;
  #steps = 0;

  /**
   * @param {{ pixels: number, hidden: number, latent: number, stream: Stream, Kind: Kind }} sizes
   */
  constructor({ pixels, hidden, latent, stream, Kind }) {
    const widths = [[pixels, hidden], [hidden, 2 * latent], [latent, hidden], [hidden, pixels]];
    const count = widths.reduce((sum, [inputs, outputs]) => sum + (inputs + 1) * outputs, 0);
    this.values = new Kind(count);
    this.gradient = new Kind(count);
    this.#first = new Kind(count);
    this.#second = new Kind(count);
    let at = 0;
    this.layers = widths.map(([inputs, outputs]) => {
      const layer = new Layer(inputs, outputs, this.values, this.gradient, at);
      at += (inputs + 1) * outputs;
      const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2)); // nn.Linear draws weights by kaiming_uniform_(a=sqrt(5))
      stream.uniform(layer.weight, Math.sqrt(3) * (gain / Math.sqrt(inputs)));
      stream.uniform(layer.bias, 1 / Math.sqrt(inputs));
      return layer;
    });
  }

  /** Weight and bias of each layer, in the order of named_parameters(). */
  get parameters() {
    return this.layers.flatMap(({ weight, bias }) => [weight, bias]);
  }

  /** @param {ArrayLike<number>[]} parameters in the order of named_parameters(); Adam begins anew */
  load(parameters) {
    this.parameters.forEach((own, i) => own.set(parameters[i]));
    this.#first.fill(0);
    this.#second.fill(0);
    this.#steps = 0;
  }

  /**
   * A step of Adam, with the numbers that torch.optim.Adam has unless it is told otherwise.
   * @param {number} size
   */
  adam(size) {
    const [values, gradient, first, second] = [this.values, this.gradient, this.#first, this.#second];
    this.#steps++;
    const scale = size / (1 - 0.9 ** this.#steps);
    const root = 1 / Math.sqrt(1 - 0.999 ** this.#steps);
    for (let i = 0; i < values.length; i++) {
      const slope = gradient[i];
      const m = first[i] + 0.1 * (slope - first[i]);
      const v = 0.999 * second[i] + 0.001 * slope * slope;
      first[i] = m;
      second[i] = v;
      values[i] -= (scale * m) / (Math.sqrt(v) * root + 1e-8);
    }
  }
}
