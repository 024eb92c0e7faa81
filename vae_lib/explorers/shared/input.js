// What a reader does to a live card, by control, keyboard and pointer, as listeners that set its state.

import { fromSlider, isMenu, isPixels, isSlider, shown, snapped, toSlider, typedText, typedValue } from "./controls.js";

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

/** @type {(slider: Element) => HTMLInputElement} the field with the value of a slider, which stands before it */
export const fieldOf = (slider) => /** @type {any} */ (slider.previousElementSibling?.firstElementChild);

/**
 * Where an arrow leads on a logarithmic slider of whole numbers whose steps are too small for the next one.
 * @type {(control: Slider, value: number, key: string) => number | null}
 */
function nextWhole(control, value, key) {
  if (!key.startsWith("Arrow") || !control.log || !control.integer) return null;
  const way = /Right|Up/.test(key) ? 1 : -1;
  const there = snapped(control, fromSlider(control, toSlider(control, value) + way * control.step));
  return there === value ? value + way : null;
}

/** Numbers that are typed on a slider, and Enter, or into the field beside it: the exact value. */
export class Typing {
  text = "";
  #state;

  /** @param {State} state */
  constructor(state) {
    this.#state = state;
  }

  /** @param {KeyboardEvent & { target: HTMLInputElement }} event */
  #key(event) {
    const { target, key } = event;
    if (target.matches(".typed") && (key === "Enter" || key === "Escape")) {
      event.preventDefault();
      if (key === "Escape") target.value = target.defaultValue;
      target.blur(); // which tells of a change
      return;
    }
    const control = controlOf(this.#state, event);
    if (!control || !isSlider(control) || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = nextWhole(control, this.#state.model.get(control.name), key);
    if (next !== null) {
      event.preventDefault();
      this.#drop(event);
      this.#state.set({ [control.name]: next });
    }
    const [before, after] = [this.text, typedText(this.text, key)];
    if (after === null) return;
    event.preventDefault();
    this.text = after;
    fieldOf(target).value = after || shown(control, this.#state.model.get(control.name));
    if (key === "Enter") this.#put(control, before);
  }

  /**
   * @param {Slider} control
   * @param {string} text
   */
  #put(control, text) {
    this.#state.put(control, typedValue(control, text));
    this.#state.model.save_changes();
  }

  /**
   * The field of a slider was left with another text.
   * @param {Event & { target: HTMLInputElement }} event
   */
  #edited({ target }) {
    if (!target.matches(".typed") || target.value === target.defaultValue) return;
    const slider = target.parentElement?.nextElementSibling;
    const control = this.#state.controls.find(({ name }) => name === slider?.getAttribute("name"));
    if (!control || !isSlider(control)) return;
    const text = target.value;
    target.value = shown(control, this.#state.model.get(control.name)); // until the new value is drawn
    this.#put(control, text);
  }

  /** What was typed on a slider is dropped when it is left or moved. @param {{ target: HTMLInputElement }} event */
  #drop(event) {
    const [control, typed] = [controlOf(this.#state, /** @type {any} */ (event)), this.text];
    this.text = "";
    if (typed && control && isSlider(control)) {
      fieldOf(event.target).value = shown(control, this.#state.model.get(control.name));
    }
  }

  /**
   * @param {HTMLElement} root
   * @returns {Listener[]}
   */
  listeners(root) {
    return [
      [root, "keydown", (event) => this.#key(event)],
      [root, "change", (event) => this.#edited(event)],
      [root, "focusout", (event) => this.#drop(event)],
      [root, "input", (event) => this.#drop(event)],
      [root, "focusin", ({ target }) => target.matches(".typed") && target.select()],
    ];
  }
}

/**
 * A finger on a slider may drag it or scroll the page. Until that is known nothing is set, not even for a moment: a
 * number of latent dimensions would begin a new run, a case take the guess away. Put these before other listeners.
 * @param {HTMLElement} place of the sliders
 * @returns {Listener[]}
 */
export function swipeListeners(place) {
  /** @type {{ slider: HTMLInputElement, value: string, x: number, y: number } | null} one whose aim is not known yet */
  let finger = null;
  const drags = () => {
    const slider = finger?.slider;
    finger = null;
    slider?.dispatchEvent(new Event("input", { bubbles: true }));
  };
  return [
    [place, "pointerdown", ({ pointerType, target: slider, clientX: x, clientY: y }) => {
      finger = pointerType === "touch" && slider.type === "range" ? { slider, value: slider.value, x, y } : null;
    }],
    [place, "input", (event) => finger && event.stopImmediatePropagation()],
    [place, "pointermove", ({ clientX, clientY }) => {
      if (finger && Math.abs(clientX - finger.x) > Math.abs(clientY - finger.y)) drags();
    }],
    [place, "pointerup", drags],
    [place, "pointercancel", () => {
      if (finger) finger.slider.value = finger.value;
      finger = null;
    }],
  ];
}

const CURSORS = { x: "ew-resize", y: "ns-resize", xy: "move" };

/** Handles that are dragged, and places that are clicked, on the canvas. */
export class Pointer {
  /** @type {number | null} the handle that is dragged */
  #held = null;
  #dragged = false;
  #screen;
  #state;
  #light;

  /**
   * @param {Screen} screen
   * @param {State} state
   * @param {(term: string | null) => void} light
   */
  constructor(screen, state, light) {
    this.#screen = screen;
    this.#state = state;
    this.#light = light;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.#held = this.#screen.place(event).handle;
    this.#dragged = this.#screen.held = this.#held !== null;
    if (this.#held !== null) this.#screen.canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { picture, canvas } = this.#screen;
    const { x, y, handle } = this.#screen.place(event);
    if (!picture) return;
    const region = picture.regions.find(([, x0, y0, x1, y1]) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
    this.#light(this.#held === null ? region?.[0] ?? null : null);
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
    const release = () => {
      this.#held = null;
      this.#screen.held = false;
    };
    return [
      [canvas, "pointerdown", (event) => this.#down(event)],
      [canvas, "pointermove", (event) => this.#move(event)],
      [canvas, "click", (event) => this.#click(event)],
      [canvas, "pointerup", release],
      [canvas, "pointercancel", release],
      [canvas, "pointerleave", () => this.#light(null)],
      [canvas, "touchstart", (event) => this.#touch(event)],
    ];
  }
}
