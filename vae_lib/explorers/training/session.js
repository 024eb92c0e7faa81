// The runs of a card: one that trains, in slices of time, with its curves; and one that was kept beside it. What takes
// longer than a slice, such as the evaluation after an epoch and the numbers of a picture, is computed in pieces.

import { whole } from "./run.js";

/** @typedef {{ epoch: number, loss: number, reconstruction: number, kl: number, elbo: number }} Point */
/** @typedef {{ elbo: number, reconstruction: number, kl: number, perDimension: ArrayLike<number> }} Measured */
/**
 * What a session needs of a run.
 * @typedef {{
 *   settings: any, failed: null | { epoch: number, step: number },
 *   step(): { epoch: number, step: number, loss: number, reconstruction: number, kl: number, ended: boolean },
 *   advance(milliseconds: number): { epoch: number, loss: number, reconstruction: number, kl: number }[],
 *   gradients(): { reconstruction: number, kl: number }, evaluation(draws?: number): Generator<void, Measured>,
 *   encode(images: Float32Array): Generator<void, { mu: ArrayLike<number>, logvar: ArrayLike<number> }>,
 *   decode(z: Float32Array): Generator<void, ArrayLike<number>>,
 *   weights(): ArrayLike<number>[], load(weights: Float32Array): void,
 * }} Run
 */

/** Milliseconds of a slice, after which the page may draw and answer. */
export const SLICE = 12;
const HELD_DRAWS = 2; // for each held-out image: few, as the page waits for them
/** Number of points of a curve, from which on every other one is left out. */
export const MOST_POINTS = 400;
/** The traits of a run; those of FRESH cannot change while it lasts. */
export const SETTINGS = ["loading", "draw", "likelihood", "reduction", "kl_line", "beta", "sigma", "num_samples",
  "step_size", "latent_dim", "hidden", "seed"];
const FRESH = ["latent_dim", "hidden", "seed"];
const SEEN = ["loading", "likelihood"]; // change what a network makes of an image or a z

/** The epochs of a run, in bounded memory: the longer it is, the fewer of them. */
export class Curves {
  /** @type {Point[]} */
  points = [];
  #every = 1;

  /** @param {Point} point */
  push(point) {
    const last = this.points[this.points.length - 1];
    if (last && last.epoch % this.#every) this.points.pop(); // the newest epoch stands at the end, whatever its number
    this.points.push(point);
    if (this.points.length <= MOST_POINTS) return;
    this.#every *= 2;
    this.points = this.points.filter(({ epoch }) => epoch % this.#every === 0 || epoch === point.epoch);
  }

  /** @returns {Point | undefined} */
  get last() {
    return this.points[this.points.length - 1];
  }
}

export class Session {
  running = false;
  /** @type {{ reconstruction: number, kl: number } | null} the two parts of the gradient of the last single step */
  gradients = null;
  /** @type {{ curves: Curves, settings: any } | null} */
  kept = null;
  curves = new Curves();
  /** @type {any} */
  settings;
  /** @type {Run} */
  run;
  /** @type {Measured | null} what the evaluation said last */
  measured = null;
  /** @type {{ weights: Float32Array, settings: any } | null} a model that was trained elsewhere, to go on with */
  given = null;
  /** Milliseconds from one view to the next while it trains. */
  every = 50;
  /** @type {any} what the picture shows of the network, which is older than the network while that trains */
  view = null;
  version = 0; // of the view
  #stale = true; // has the network changed since the view?
  #due = 0; // when the next view is wanted
  /** @type {Iterator<void, void> | null} for which training waits */
  #work = null;
  #make;
  #look;

  /**
   * @param {(settings: any) => Run} make a new run
   * @param {any} state the traits
   * @param {(run: Run) => Generator<void, any>} look makes a view in pieces
   */
  constructor(make, state, look) {
    this.#make = make;
    this.#look = look;
    this.settings = this.#of(state);
    this.run = make(this.settings);
  }

  /** @param {any} state */
  #of(state) {
    return { ...Object.fromEntries(SETTINGS.map((name) => [name, state[name]])), batch_size: 64 };
  }

  /**
   * Takes the traits as they are now; a run whose network or seed they change begins anew.
   * @param {any} state
   */
  set(state) {
    const before = this.settings;
    this.settings = this.#of(state);
    const changes = (/** @type {string[]} */ names) => names.some((name) => before[name] !== this.settings[name]);
    if (changes(FRESH)) this.restart();
    else Object.assign(this.run.settings, this.settings);
    this.#stale ||= changes(SEEN);
  }

  /**
   * Goes on with these weights, also when it starts over with networks of this size.
   * @param {Float32Array} weights
   */
  put(weights) {
    this.given = { weights, settings: this.settings };
    this.restart();
  }

  /** Does a new run begin with the weights that were put in? */
  get goesOn() {
    return ["latent_dim", "hidden"].every((name) => this.given?.settings[name] === this.settings[name]);
  }

  restart() {
    this.run = this.#make({ ...this.settings });
    if (this.given && this.goesOn) this.run.load(this.given.weights);
    this.curves = new Curves();
    this.gradients = this.measured = this.#work = null;
    this.#due = 0;
    this.#stale = true;
  }

  /** Trains for a slice of time, or goes on with what training waits for. */
  advance() {
    const end = performance.now() + SLICE;
    this.gradients = null;
    if (!this.#work) {
      this.#stale = true;
      const finished = this.run.advance(SLICE);
      if (finished.length || performance.now() > this.#due) this.#work = this.#after(finished);
      if (this.run.failed) this.running = false;
    }
    while (this.#work && performance.now() < end) if (this.#work.next().done) this.#work = null;
  }

  /** Ends what has begun, and shows the network as it is. */
  settle() {
    if (this.#work) whole(this.#work);
    this.#work = null;
    if (this.#stale) whole(this.#show());
  }

  /** Trains on one batch; what its two terms asked for is kept in `gradients`. */
  step() {
    this.settle();
    this.gradients = this.run.gradients();
    const { ended: last, ...point } = this.run.step();
    if (last) whole(this.#measure(point));
    this.#stale = true;
  }

  /**
   * What comes after a slice of training: the evaluation of an epoch that has ended, and a view that is due. Small
   * networks end an epoch in each slice; the view must not wait for one that ends none.
   * @param {Omit<Point, "elbo">[]} finished epochs
   */
  *#after(finished) {
    for (const epoch of finished) yield* this.#measure(epoch);
    if (performance.now() > this.#due) yield* this.#show();
  }

  /** @param {Omit<Point, "elbo">} finished epoch */
  *#measure({ epoch, loss, reconstruction, kl }) {
    const measured = yield* this.run.evaluation(HELD_DRAWS);
    this.measured = measured;
    this.curves.push({ epoch, loss, reconstruction, kl, elbo: measured.elbo });
  }

  *#show() {
    this.#stale = false;
    this.view = yield* this.#look(this.run);
    this.version++;
    this.#due = performance.now() + this.every;
  }

  /** Keeps this run beside the next one. */
  keep() {
    if (!this.curves.last) return;
    const curves = new Curves();
    curves.points = [...this.curves.points];
    this.kept = { curves, settings: { ...this.settings } };
  }
}

/** Lets a session train slice after slice while it is allowed to. */
export class Pace {
  #due = false;
  #session;
  #post;
  #allowed;
  #changed;

  /**
   * @param {Session} session
   * @param {() => void} post has turn() called soon, after the page has drawn and answered
   * @param {() => boolean} allowed is the card on the screen?
   * @param {() => void} changed is told after each slice
   */
  constructor(session, post, allowed, changed) {
    this.#session = session;
    this.#post = post;
    this.#allowed = allowed;
    this.#changed = changed;
  }

  /** Goes on if it may and does not already. */
  go() {
    if (this.#due || !this.#session.running || !this.#allowed()) return;
    this.#due = true;
    this.#post();
  }

  /** One slice. */
  turn() {
    this.#due = false;
    if (!this.#session.running || !this.#allowed()) return;
    this.#session.advance();
    this.#changed();
    this.go();
  }
}
