// The boxes in which a reader draws an image: a pointer paints, arrow keys move, the space bar sets a box.

/** @import { Listener, Point } from "./types.d.ts" */

/**
 * An image after a brush has moved from one place to another: levels 0 to 16, greater near its way.
 * @param {number[]} levels the image before, row by row
 * @param {Point} from in pixels, from the upper left corner
 * @param {Point} to
 */
export function brushed(levels, from, to) {
  const side = Math.sqrt(levels.length);
  const steps = Math.ceil(4 * Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
  return levels.map((old, i) => {
    let near = Infinity;
    for (let k = 0; k <= steps; k++) {
      const [x, y] = from.map((v, axis) => v + ((to[axis] - v) * k) / steps);
      near = Math.min(near, Math.hypot((i % side) + 0.5 - x, Math.floor(i / side) + 0.5 - y));
    }
    return Math.max(old, Math.round(16 * Math.min(1, Math.max(0, 1.5 - near))));
  });
}

/**
 * The box to which a key leads from box i: undefined for other keys, null at the edge.
 * @param {number} i
 * @param {number} side
 * @param {string} key
 * @returns {number | null | undefined}
 */
export function nextBox(i, side, key) {
  const column = i % side;
  return {
    ArrowLeft: column > 0 ? i - 1 : null,
    ArrowRight: column < side - 1 ? i + 1 : null,
    ArrowUp: i >= side ? i - side : null,
    ArrowDown: i < side * (side - 1) ? i + side : null,
    Home: i - column,
    End: i - column + side - 1,
  }[key];
}

/** Ties the boxes of a control of pixels to an image of levels 0 to 16. */
export class Easel {
  /** @type {Point | null} where the pointer was last while it is down */
  #last = null;
  #lit = false; // does the pointer still rest on a black box?
  #seen = "";
  #grid;
  #get;
  #put;
  #boxes;
  #side;

  /**
   * @param {HTMLElement} grid
   * @param {() => number[]} get the image that the boxes show
   * @param {(levels: number[]) => void} put takes another image
   */
  constructor(grid, get, put) {
    this.#grid = grid;
    this.#get = get;
    this.#put = put;
    this.#boxes = /** @type {HTMLInputElement[]} */ ([...grid.children]);
    this.#side = Math.sqrt(this.#boxes.length);
  }

  /** Shows the image. */
  show() {
    const levels = this.#get();
    if (this.#seen === (this.#seen = levels.join())) return;
    this.#boxes.forEach((box, i) => {
      box.checked = levels[i] >= 8;
      box.style.setProperty("--level", String(levels[i] / 16));
    });
  }

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  #place({ clientX, clientY }) {
    const { left, top, width } = this.#boxes[0].getBoundingClientRect();
    const inside = (/** @type {number} */ v) => Math.min(this.#side - 0.01, Math.max(0, v / width));
    return [inside(clientX - left), inside(clientY - top)];
  }

  /** @param {Point} place */
  #index([x, y]) {
    return Math.floor(y) * this.#side + Math.floor(x);
  }

  /**
   * @param {number} i
   * @param {number} level
   */
  #change(i, level) {
    this.#put(this.#get().map((old, k) => (k === i ? level : old)));
  }

  /**
   * @param {Point} from
   * @param {Point} to
   */
  #paint(from, to) {
    this.#put(brushed(this.#get(), from, to));
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button) return;
    this.#last = this.#place(event);
    this.#lit = this.#get()[this.#index(this.#last)] >= 8; // a tap clears it, a stroke may begin on it
    this.#grid.setPointerCapture(event.pointerId);
    if (!this.#lit) this.#paint(this.#last, this.#last);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const to = this.#place(event);
    if (!this.#last || (this.#lit && this.#index(to) === this.#index(this.#last))) return;
    this.#lit = false;
    this.#paint(this.#last, to);
    this.#last = to;
  }

  #up() {
    if (this.#last && this.#lit) this.#change(this.#index(this.#last), 0);
    this.#last = null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const i = this.#boxes.indexOf(/** @type {HTMLInputElement} */ (event.target));
    const to = nextBox(i, this.#side, event.key);
    if (to === undefined) return;
    event.preventDefault();
    if (to !== null) this.#boxes[to].focus();
  }

  /** @returns {Listener[]} */
  listeners() {
    const [grid, boxes] = [this.#grid, this.#boxes];
    return [
      [grid, "pointerdown", (event) => this.#down(event)],
      [grid, "pointermove", (event) => this.#move(event)],
      [grid, "pointerup", () => this.#up()],
      [grid, "pointercancel", () => (this.#last = null)],
      [grid, "click", (event) => event.detail && event.preventDefault()], // the pointer has painted already
      [grid, "input", ({ target }) => this.#change(boxes.indexOf(target), target.checked ? 16 : 0)],
      [grid, "focusin", ({ target }) => boxes.forEach((box) => (box.tabIndex = box === target ? 0 : -1))],
      [grid, "keydown", (event) => this.#key(event)],
    ];
  }
}
