// The session of the explorer that trains: its curves, its runs, and the slices of time. No network is trained here.

import assert from "node:assert/strict";
import test, { afterEach } from "node:test";

import { Curves, MOST_POINTS, Pace, Session, SETTINGS, SLICE } from "../../vae_lib/explorers/training/session.js";

/** @type {(epoch: number) => { epoch: number, loss: number, reconstruction: number, kl: number, elbo: number }} */
const point = (epoch) => ({ epoch, loss: 2 * epoch, reconstruction: -epoch, kl: epoch, elbo: 0 });

const clock = performance.now;
let now = 0; // the time of a test that stops the clock
const stopClock = () => (performance.now = () => now);
afterEach(() => (performance.now = clock));

/** Work in three pieces of 5 ms each. @type {<T>(result: () => T) => Generator<void, T>} */
function* slow(result) {
  for (let i = 0; i < 3; i++) {
    now += 5;
    if (i < 2) yield;
  }
  return result();
}

/** A run whose epochs take four slices. */
class FakeRun {
  /** @type {number[]} */
  given = [];
  /** @type {null | { epoch: number, step: number }} */
  failed = null;
  steps = 0;
  /** @type {Float32Array | undefined} */
  loaded;

  /** @param {any} settings */
  constructor(settings) {
    this.settings = { ...settings };
  }
  /** @param {number} milliseconds */
  advance(milliseconds) {
    this.given.push(milliseconds);
    now += milliseconds;
    return this.given.length % 4 ? [] : [point(this.given.length / 4)];
  }
  step() {
    this.steps++;
    return { step: this.steps, ended: this.steps % 3 === 0, ...point(this.steps / 3) };
  }
  gradients() { return { reconstruction: 3, kl: 1 }; }
  evaluation() { return slow(() => ({ elbo: -30, reconstruction: -29, kl: 1, perDimension: [1] })); }
  encode() { return slow(() => ({ mu: [], logvar: [] })); }
  decode() { return slow(() => []); }
  weights() { return []; }
  /** @param {Float32Array} weights */
  load(weights) {
    this.loaded = weights;
  }
}

const STATE = { ...Object.fromEntries(SETTINGS.map((name) => [name, 1])), drawing: [0] };

/** @returns {{ session: Session, made: FakeRun[] }} */
function session(Kind = FakeRun) {
  /** @type {FakeRun[]} */
  const made = [];
  /** @type {(run: any) => Generator<void, any>} */
  const look = (run) => slow(() => [run, run.given.length]);
  const make = (/** @type {any} */ settings) => (made.push(new Kind(settings)), made[made.length - 1]);
  return { made, session: new Session(make, STATE, look) };
}

test("ten thousand epochs stay in bounded memory, in order, with the newest at the end", () => {
  const curves = new Curves();
  let most = 0;
  for (let epoch = 1; epoch <= 10_000; epoch++) {
    curves.push(point(epoch));
    most = Math.max(most, curves.points.length);
    assert.equal(curves.last?.epoch, epoch);
  }
  assert.ok(most <= MOST_POINTS + 1, `${most} points`);
  const epochs = curves.points.map((p) => p.epoch);
  const gaps = epochs.slice(1).map((epoch, i) => epoch - epochs[i]);
  assert.ok(epochs.length > MOST_POINTS / 4);
  assert.ok(epochs[0] <= 100, `it begins at epoch ${epochs[0]}`);
  assert.ok(Math.min(...gaps) > 0 && Math.max(...gaps) <= Math.ceil(2 * 10_000 / (MOST_POINTS / 2)), "no hole");
});

test("a control that can move while it trains reaches the run, another network begins anew", () => {
  const { session: s, made } = session();
  s.advance();
  for (const name of SETTINGS) {
    const runs = made.length;
    s.set({ ...STATE, [name]: 7 });
    const fresh = ["latent_dim", "hidden", "seed"].includes(name);
    assert.equal(made.length - runs, fresh ? 1 : 0, name);
    assert.equal(made[made.length - 1].settings[name], 7);
    s.set(STATE);
  }
  assert.equal(made[0].settings.batch_size, 64);
  assert.ok(!("drawing" in made[0].settings));
});

test("each finished epoch is a point, and the last of a slice has the held-out ELBO", () => {
  const { session: s } = session();
  for (let i = 0; i < 8; i++) s.advance();
  assert.deepEqual(s.curves.points.map(({ epoch, elbo }) => [epoch, elbo]), [[1, -30], [2, -30]]);
  assert.equal(s.measured?.kl, 1);
});

test("training waits for the evaluation and for the view, which go on in the next slices", () => {
  stopClock();
  const { session: s, made } = session();
  s.every = 60;
  const rows = [];
  for (let i = 0; i < 9; i++) {
    const start = now;
    s.advance();
    assert.ok(now - start <= 15, "a slice, and at most a piece more");
    rows.push([made[0].given.length, s.view?.[1], s.curves.last?.epoch]);
  }
  assert.deepEqual(rows, [ // slices of training, of them in the view, and the last point
    [1, undefined, undefined],
    [1, 1, undefined], // the view
    [2, 1, undefined],
    [3, 1, undefined],
    [4, 1, undefined],
    [4, 1, 1], // the evaluation of the epoch that the fourth one ended
    [5, 1, 1],
    [5, 5, 1], // 60 ms after the first one the next view
    [6, 5, 1],
  ]);
});

test("a view comes in time also where each slice ends an epoch", () => {
  stopClock();
  class Quick extends FakeRun {
    /** @override @param {number} milliseconds */
    advance(milliseconds) {
      super.advance(milliseconds);
      return [point(this.given.length)];
    }
  }
  const { session: s, made } = session(Quick);
  s.every = 60;
  const views = [];
  for (let i = 0; i < 30; i++) {
    s.advance();
    if (views.at(-1)?.view !== s.view) views.push({ view: s.view, now });
  }
  assert.ok(made[0].given.length > 10 && views.length > 3);
  for (let i = 2; i < views.length; i++) assert.ok(views[i].now - views[i - 1].now < 60 + 3 * SLICE + 30);
});

test("at a pause all that has begun is ended, and the view is that of the network as it is", () => {
  stopClock();
  const { session: s, made } = session();
  s.settle();
  assert.deepEqual([s.view, s.version], [[made[0], 0], 1]);
  for (let i = 0; made[0].given.length < 4; i++) s.advance();
  assert.equal(s.curves.points.length, 0);
  s.settle();
  assert.deepEqual([s.curves.last?.epoch, s.view, s.version], [1, [made[0], 4], 2]);
  s.settle();
  assert.equal(s.version, 2, "and not again");
  for (const change of [{ loading: "raw" }, { likelihood: "gaussian" }, { seed: 7 }]) {
    s.set({ ...STATE, ...change });
    s.settle();
  }
  assert.deepEqual([s.version, s.view], [5, [made[1], 0]]);
  s.set({ ...STATE, beta: 7, seed: 7 });
  s.settle();
  assert.equal(s.version, 5, "β changes nothing that one sees");
  s.step();
  s.settle();
  assert.equal(s.version, 6);
});

test("a single step shows both parts of its gradient until the next slice", () => {
  const { session: s, made } = session();
  s.step();
  assert.deepEqual(s.gradients, { reconstruction: 3, kl: 1 });
  assert.equal(s.curves.points.length, 0);
  s.step();
  s.step();
  assert.deepEqual(s.curves.points.map(({ epoch }) => epoch), [1]);
  assert.equal(made[0].steps, 3);
  s.advance();
  assert.equal(s.gradients, null);
});

test("a kept run stays as it was while the next one trains", () => {
  const { session: s } = session();
  s.keep();
  assert.ok(!s.kept, "nothing was trained");
  for (let i = 0; i < 4; i++) s.advance();
  s.keep();
  for (let i = 0; i < 4; i++) s.advance();
  assert.equal(/** @type {Session["kept"]} */ (s.kept)?.curves.points.length, 1, "it does not go on with the other");
  s.set({ ...STATE, beta: 4 });
  s.restart();
  for (let i = 0; i < 12; i++) s.advance();
  const kept = /** @type {Session["kept"]} */ (s.kept);
  assert.deepEqual([kept?.curves.points.length, s.curves.points.length], [1, 3]);
  assert.deepEqual([kept?.settings.beta, s.settings.beta], [1, 4]);
});

test("a model that was put in is where a run of its size starts over", () => {
  const { session: s, made } = session();
  const weights = Float32Array.of(1, 2);
  assert.equal(s.goesOn, false);
  s.put(weights);
  s.set({ ...STATE, seed: 7 });
  assert.deepEqual([made[1].loaded, made[2].loaded, s.goesOn], [weights, weights, true]);
  s.set({ ...STATE, hidden: 7 });
  assert.deepEqual([made[3].loaded, s.goesOn], [undefined, false]);
});

test("a run that was no longer finite stops", () => {
  const { session: s, made } = session();
  s.running = true;
  made[0].failed = { epoch: 1, step: 2 };
  s.advance();
  assert.equal(s.running, false);
});

/** A page with a queue of its own in place of a clock. */
function page() {
  const { session: s, made } = session();
  const told = { posts: 0, changes: 0, seen: true };
  const pace = new Pace(s, () => told.posts++, () => told.seen, () => told.changes++);
  return { s, made, told, pace };
}

test("one slice at a time, each followed by a chance to draw and to answer", () => {
  const { s, made, told, pace } = page();
  pace.go();
  assert.equal(told.posts, 0, "nothing before Train");
  s.running = true;
  pace.go();
  pace.go();
  assert.equal(told.posts, 1, "not twice at once");
  for (let i = 1; i <= 5; i++) {
    pace.turn();
    assert.deepEqual([made[0].given.length, told.changes, told.posts], [i, i, i + 1]);
  }
  assert.deepEqual(new Set(made[0].given), new Set([SLICE]));
  assert.ok(SLICE <= 12, "so that a frame with its picture stays below 50 ms");
});

test("it stops off the screen, goes on when it comes back, and stops at a pause", () => {
  const { s, made, told, pace } = page();
  s.running = true;
  pace.go();
  told.seen = false;
  pace.turn();
  pace.go();
  assert.deepEqual([made[0].given.length, told.posts], [0, 1]);
  told.seen = true;
  pace.go();
  pace.turn();
  assert.deepEqual([made[0].given.length, told.posts], [1, 3]);
  s.running = false;
  pace.turn();
  pace.go();
  assert.deepEqual([made[0].given.length, told.posts], [1, 3]);
});
