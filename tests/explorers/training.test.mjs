// Training in the page: what its parts promise each other. That the numbers are torch's is tested in test_training.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { product, transpose } from "../../vae_lib/explorers/training/layers.js";
import { Run, whole } from "../../vae_lib/explorers/training/run.js";
import { Stream } from "../../vae_lib/explorers/training/stream.js";

/** @import { Data, Settings } from "../../vae_lib/explorers/training/run.js" */

setFlagsFromString("--expose-gc");
const collect = /** @type {() => void} */ (runInNewContext("gc"));

/** @type {Settings} */
const SETTINGS = { loading: "unit", draw: "sample", likelihood: "bernoulli", reduction: "sum", kl_line: "sum", beta: 1,
  sigma: 0.3, num_samples: 1, latent_dim: 2, hidden: 6, step_size: 0.01, seed: 1, batch_size: 4 };

/** @type {(count: number, width: number) => Data} random images */
function images(count, width) {
  const [train, held] = [new Float32Array(count * width), new Float32Array(20 * width)];
  for (const part of [train, held]) new Stream(5).uniform(part, 0.5);
  return { train: train.map((x) => x + 0.5), test: held.map((x) => x + 0.5), count, held: 20, width };
}

/** @type {(run: Run) => Float32Array} all weights */
const flat = (run) => Float32Array.from(run.weights().flatMap((part) => [...part]));

test("a product of matrices is right at every size, and is added", () => {
  for (const [rows, columns, depth] of [[1, 1, 1], [4, 2, 3], [5, 3, 1], [6, 7, 2], [7, 8, 9], [3, 1, 4]]) {
    const [a, b, out] = [rows * depth, columns * depth, rows * columns].map((size) => new Float64Array(size));
    for (const part of [a, b, out]) new Stream(2).uniform(part, 1);
    const wanted = out.map((start, i) => {
      let s = start;
      for (let k = 0; k < depth; k++) s += a[Math.floor(i / columns) * depth + k] * b[(i % columns) * depth + k];
      return s;
    });
    product(out, a, b, rows, columns, depth);
    out.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 1e-14, `${[rows, columns, depth]}`));
  }
  const turned = new Float64Array(6);
  transpose(turned, Float64Array.of(1, 2, 3, 4, 5, 6), 2, 3);
  assert.deepEqual([...turned], [1, 4, 2, 5, 3, 6]);
});

test("a step gives its batch, and the last one of an epoch the means", () => {
  const [run, other] = [new Run(images(10, 5), SETTINGS), new Run(images(10, 5), SETTINGS)];
  const steps = [run.step(), run.step(), run.step()];
  assert.deepEqual(steps.map(({ epoch, step, ended }) => [epoch, step, ended]), [[1, 1, false], [1, 2, false], [1, 3, true]]);
  assert.equal(run.epoch, 1);
  assert.deepEqual([run.step().epoch, run.step().step], [2, 2]);
  for (const { loss, reconstruction, kl } of steps) assert.ok(Math.abs(loss - (kl - reconstruction)) < 1e-12);
  let finished = other.advance(0);
  for (let i = 0; i < 99 && !finished.length; i++) finished = other.advance(0);
  const { epoch, loss, reconstruction, kl } = steps[2];
  assert.deepEqual(finished, [{ epoch, loss, reconstruction, kl }], "in pieces as at once");
});

test("advance() stops within a step, and what is changed meanwhile counts from the next one", () => {
  const [run, other] = [1, 2].map(() => new Run(images(10, 5), { ...SETTINGS, num_samples: 3 }));
  const before = flat(run);
  run.advance(0);
  assert.deepEqual(flat(run), before, "the step has only begun");
  run.settings.beta = 100;
  run.settings.num_samples = 1;
  whole(run.evaluation());
  whole(run.encode(images(9, 5).train));
  whole(run.decode([0, 0]));
  assert.deepEqual(run.step(), other.step());
  other.settings.beta = 100;
  other.settings.num_samples = 1;
  assert.deepEqual(run.step(), other.step());
  assert.deepEqual(run.weights(), other.weights());
});

test("gradients() looks at the next batch and uses nothing up", () => {
  const [run, other] = [1, 2].map(() => new Run(images(10, 5), { ...SETTINGS, num_samples: 2, beta: 3 }));
  for (let i = 0; i < 4; i++) {
    if (i === 2) run.advance(0); // within a step, too
    const { reconstruction, kl, cosine } = run.gradients();
    assert.ok(reconstruction > 0 && kl > 0 && Math.abs(cosine) <= 1);
    assert.deepEqual(run.step(), other.step());
  }
  run.settings.kl_line = "no_kl";
  assert.deepEqual([run.gradients().kl, run.gradients().cosine], [0, 0]);
});

test("weights are copies; a run that gets them begins anew", () => {
  const [run, other] = [new Run(images(10, 5), SETTINGS), new Run(images(10, 5), SETTINGS)];
  const start = flat(other);
  const first = other.step();
  other.weights()[0].fill(7);
  for (let i = 0; i < 5; i++) run.step();
  assert.notDeepEqual(flat(run), start);
  run.load(start);
  assert.deepEqual(flat(run), start);
  assert.deepEqual([run.epoch, run.failed], [0, null]);
  assert.deepEqual(run.step(), first);
  assert.deepEqual(flat(run), flat(other));
  assert.throws(() => run.load(start.subarray(1)), /weights must be 117 numbers, got 116/);
});

test("a loss that is not finite ends the run, and names the term", () => {
  /** @type {[Partial<Settings>, string][]} */
  const cases = [
    [{ likelihood: "gaussian", sigma: 1e-30 }, "reconstruction"],
    [{ beta: Infinity }, "kl"],
  ];
  for (const [changes, term] of cases) {
    const run = new Run(images(10, 5), SETTINGS);
    run.step();
    const before = flat(run);
    Object.assign(run.settings, changes);
    assert.ok(!Number.isFinite(run.step().loss));
    assert.deepEqual(run.failed, { epoch: 1, step: 2, term });
    assert.deepEqual(flat(run), before, "the step was not applied");
    Object.assign(run.settings, SETTINGS);
    assert.ok(Number.isNaN(run.step().loss));
    assert.deepEqual(run.advance(1), []);
    assert.deepEqual([flat(run), run.epoch], [before, 0]);
  }
});

test("encode() and decode() take any number of rows, and pixels lie from 0 to 1", () => {
  const data = images(10, 5);
  const last = Float32Array.from(data.train).subarray(45);
  for (const likelihood of ["bernoulli", "gaussian", "continuous_bernoulli"]) {
    const run = new Run(data, { ...SETTINGS, likelihood });
    for (let i = 0; i < 30; i++) run.step();
    const { mu, logvar } = whole(run.encode(data.train));
    assert.deepEqual([mu.length, logvar.length], [20, 20]);
    assert.deepEqual(mu.slice(18), whole(run.encode(last)).mu);
    const pixels = whole(run.decode(Float32Array.from({ length: 22 }, (_, i) => 40 * (i - 11))));
    assert.equal(pixels.length, 55);
    assert.ok(pixels.every((p) => p >= 0 && p <= 1), likelihood);
  }
});

test("an evaluation is the same each time, and takes fewer images where they are large", () => {
  const run = new Run(images(10, 5), SETTINGS);
  run.step();
  assert.deepEqual(whole(run.evaluation()), whole(run.evaluation()));
  assert.notEqual(whole(run.evaluation(1)).elbo, whole(run.evaluation()).elbo);
  const { elbo, reconstruction, kl, perDimension } = whole(run.evaluation());
  assert.equal(elbo, reconstruction - kl);
  assert.ok(Math.abs(perDimension[0] + perDimension[1] - kl) < 1e-12);
  const large = { ...images(2, 2000), held: 100, test: new Float32Array(100 * 2000).fill(NaN, 64 * 2000) };
  assert.ok(Number.isFinite(whole(new Run(large, { ...SETTINGS, hidden: 150 }).evaluation()).elbo));
});

test("what looks at the network pauses after at most sixteen rows, and may be looked at meanwhile", () => {
  const run = new Run(images(10, 5), SETTINGS);
  run.step();
  const pixels = Float32Array.from({ length: 5 * 40 }, (_, i) => (i % 7) / 7);
  const z = Float32Array.from({ length: 2 * 40 }, (_, i) => (i % 5) - 2);
  /** @type {[() => Generator<void, any>, number][]} */
  const works = [[() => run.evaluation(), 20], [() => run.encode(pixels), 40], [() => run.decode(z), 40]];
  for (const [begin, rows] of works) {
    const alone = whole(begin());
    const work = begin();
    let pieces = 0, piece = work.next();
    for (; !piece.done; piece = work.next(), pieces++) {
      whole(run.encode(pixels.subarray(5)));
      whole(run.decode(z.subarray(2)));
    }
    assert.equal(pieces, Math.ceil(rows / 16));
    assert.deepEqual(piece.value, alone);
  }
});

test("ten thousand epochs take no more memory than ten", () => {
  const run = new Run(images(6, 5), SETTINGS);
  const used = () => {
    for (let i = 0; i < 3; i++) collect(); // the memory of an array is given back after the array itself
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const epochs = (/** @type {number} */ last) => {
    while (run.epoch < last && !run.failed) run.step();
  };
  epochs(1000);
  const before = used();
  epochs(10_000);
  const grown = used() - before;
  assert.equal(run.epoch, 10_000);
  assert.ok(grown < 60_000, `${grown} bytes more`);
});
