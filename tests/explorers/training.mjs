// What the training of the page computes: one JSON object in, one out. Arrays of numbers are base64 of float64.

import { text } from "node:stream/consumers";

import { Network, Pass } from "../../vae_lib/explorers/training/network.js";
import { Run, whole } from "../../vae_lib/explorers/training/run.js";
import { Stream } from "../../vae_lib/explorers/training/stream.js";

/** @type {Record<string, Float32ArrayConstructor | Float64ArrayConstructor>} */
const TYPES = { float32: Float32Array, float64: Float64Array };

/** @param {string} words */
function numbers(words) {
  const bytes = Buffer.from(words, "base64");
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** @param {ArrayLike<number>} values */
const written = (values) => Buffer.from(Float64Array.from(values).buffer).toString("base64");

const asked = JSON.parse(await text(process.stdin));
const [train, test] = [numbers(asked.train), numbers(asked.test)];
const images = { train, test, width: asked.width, count: train.length / asked.width, held: test.length / asked.width };

/** @type {Record<string, (request: any) => unknown>} */
const ANSWERS = {
  /** The means of the first epochs, before each of which settings may change. */
  epochs({ settings, type, moves }) {
    const run = new Run(images, settings, TYPES[type]);
    const finished = [];
    for (const changes of moves) {
      Object.assign(run.settings, changes);
      let last = run.step();
      while (!last.ended && !run.failed) last = run.step();
      if (run.failed) break;
      finished.push([last.loss, last.reconstruction, last.kl]);
    }
    const { elbo, reconstruction, kl, perDimension } = whole(run.evaluation(4));
    return { finished, failed: run.failed, held: { elbo, reconstruction, kl, perDimension: [...perDimension] } };
  },

  /** The gradient of each parameter on given images with given noise. */
  gradient({ settings, type, pixels, count, weights, x, eps, parts }) {
    const network = new Network(pixels, settings.hidden, settings.latent_dim, TYPES[type]);
    network.values.set(numbers(weights));
    const pass = new Pass(network, count);
    pass.x.set(numbers(x));
    const work = pass.gradient(settings, TYPES[type].from(numbers(eps)), count, parts);
    let piece = work.next();
    while (!piece.done) piece = work.next();
    return { ...piece.value, gradient: written(network.slopes) };
  },

  /** Weights at the start. */
  weights: ({ settings }) => written(new Run(images, settings).weights().flatMap((part) => [...part])),

  /** Draws of one stream after the other. */
  draws({ seed, orders }) {
    const stream = new Stream(seed);
    return orders.map((/** @type {any[]} */ [kind, size, type, bound]) => {
      const out = new (TYPES[type] ?? Uint32Array)(size);
      /** @type {any} */ (stream)[kind](out, bound);
      return written(out);
    });
  },
};

console.log(JSON.stringify(asked.requests.map((/** @type {any} */ request) => ANSWERS[request.kind](request))));
