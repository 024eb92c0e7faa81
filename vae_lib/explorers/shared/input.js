// What a reader does to a live card, by control, keyboard and pointer, as listeners that set its state.

import { fromSlider, isMenu, isPixels, isSlider, typedText, typedValue } from "./controls.js";

/** @import { State } from "./controls.js" */
/** @import { Screen } from "./screen.js" */
/** @import { Control, Listener, Slider } from "./types.d.ts" */

/** @type {(state: State, event: Event) => Control | undefined} */
const controlOf = ({ controls }, { target }) =>
  controls.find(({ name }) => name === /** @type {HTMLInputElement} */ (target).name);

/**
 * Sliders, menus and buttons. `moved()` is called at each step of a drag, and `painted(levels)` sets the pixels.
 * @param {HTMLElement} root
 * @param {State} state
 * @param {() => void} moved
 * @param {(levels: number[]) => void} painted
 * @returns {Listener[]}
 */
export function formListeners(root, state, moved, painted) {
  return [
    [root, "input", (event) => {
      const control = controlOf(state, event);
      const { value } = event.target;
      if (control && isMenu(control)) state.set({ [control.name]: value });
      if (control && isSlider(control)) state.set({ [control.name]: fromSlider(control, Number(value)) });
      moved(); // even if the value is the same, so that each step of a drag is answered
    }],
    [root, "dblclick", (event) => {
      const control = controlOf(state, event);
      if (control && !isPixels(control)) state.reset([control]);
    }],
    [root, "click", (event) => {
      const action = event.target.dataset?.do;
      if (action === "reset") state.reset(state.controls);
      for (const control of state.controls) {
        if (action === "clear" && isPixels(control)) painted(Array(control.pixels).fill(0));
        if (action === "seed" && control.name === "seed" && isSlider(control)) newSeed(state, control);
      }
    }],
    [root, "submit", (event) => event.preventDefault()],
  ];
}

/**
 * The next seed, and after the last the first.
 * @param {State} state
 * @param {Slider} control
 */
export function newSeed(state, { name, min, max }) {
  const seed = state.model.get(name);
  state.set({ [name]: seed < max ? seed + 1 : min });
}

/** A number typed on a slider, and Enter: its exact value. */
export class Typing {
  text = "";
  #state;
  #words;

  /**
   * @param {State} state
   * @param {(control: Slider) => string} words what the slider says when nothing is typed
   */
  constructor(state, words) {
    this.#state = state;
    this.#words = words;
  }

  /** @param {KeyboardEvent & { target: HTMLInputElement }} event */
  #key(event) {
    const control = controlOf(this.#state, event);
    if (!control || !isSlider(control) || event.ctrlKey || event.metaKey || event.altKey) return;
    const [before, after] = [this.text, typedText(this.text, event.key)];
    if (after === null) return;
    event.preventDefault();
    this.text = after;
    this.#say(event.target, control);
    if (event.key !== "Enter") return;
    this.#state.put(control, typedValue(control, before));
    this.#state.model.save_changes();
  }

  /**
   * @param {HTMLInputElement} input
   * @param {Slider} control
   */
  #say(input, control) {
    const value = /** @type {HTMLElement} */ (input.previousElementSibling);
    value.textContent = this.text ? this.text + "▏" : this.#words(control);
  }

  /** @param {FocusEvent & { target: HTMLInputElement }} event */
  #leave(event) {
    const [control, typed] = [controlOf(this.#state, event), this.text];
    this.text = "";
    if (typed && control && isSlider(control)) this.#say(event.target, control);
  }

  /**
   * @param {HTMLElement} root
   * @returns {Listener[]}
   */
  listeners(root) {
    return [
      [root, "keydown", (event) => this.#key(event)],
      [root, "focusout", (event) => this.#leave(event)],
    ];
  }
}

const CURSORS = { x: "ew-resize", y: "ns-resize", xy: "move" };

/** Handles that are dragged, and places that are clicked, on the canvas. */
export class Pointer {
  /** @type {number | null} the handle that is dragged */
  #held = null;
  #dragged = false;
  #screen;
  #state;

  /**
   * @param {Screen} screen
   * @param {State} state
   */
  constructor(screen, state) {
    this.#screen = screen;
    this.#state = state;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.#held = this.#screen.place(event).handle;
    this.#dragged = this.#held !== null;
    if (this.#held !== null) this.#screen.canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { picture, canvas } = this.#screen;
    const { x, y, handle } = this.#screen.place(event);
    if (!picture) return;
    if (this.#held !== null) this.#state.set(picture.handles[this.#held].move(x, y));
    const over = picture.handles[this.#held ?? handle ?? -1];
    canvas.style.cursor = over ? CURSORS[over.axis] : picture.pick?.(x, y) ? "pointer" : "";
  }

  /** @param {PointerEvent} event */
  #click(event) {
    const { x, y } = this.#screen.place(event);
    const values = this.#dragged ? null : this.#screen.picture?.pick?.(x, y);
    if (values) this.#state.set(values);
  }

  /**
   * A finger on a handle drags it; anywhere else it scrolls the page.
   * @param {TouchEvent} event
   */
  #touch(event) {
    const { clientX, clientY } = event.touches[0];
    if (this.#screen.place({ clientX, clientY }).handle !== null) event.preventDefault();
  }

  /** @returns {Listener[]} */
  listeners() {
    const { canvas } = this.#screen;
    const release = () => (this.#held = null);
    return [
      [canvas, "pointerdown", (event) => this.#down(event)],
      [canvas, "pointermove", (event) => this.#move(event)],
      [canvas, "click", (event) => this.#click(event)],
      [canvas, "pointerup", release],
      [canvas, "pointercancel", release],
      [canvas, "touchstart", (event) => this.#touch(event)],
    ];
  }
}
