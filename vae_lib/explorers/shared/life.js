// Brings a card to life: every change of its state becomes a frame, with its picture, numbers and words.

import { read, written } from "./address.js";
import { outputText } from "./card.js";
import { added, idle, isMenu, isPixels, isSlider, shown, State, toSlider } from "./controls.js";
import { fieldOf, formListeners, Pointer, swipeListeners, Typing } from "./input.js";
import { Easel } from "./pixels.js";
import { Screen } from "./screen.js";

/** @import { Control, Explorer, Guess, Listener, Live, Model, Numbers, Pixels, Slider, Spec, Traits } from "./types.d.ts" */
/** @import { Picture } from "./picture.js" */

/** Where a page, JupyterLab, VS Code or Colab say that they are dark. */
const MODES = ["class", "data-theme", "data-jp-theme-light", "theme"];

/**
 * Brings a card to life.
 * @param {HTMLElement} root
 * @param {Explorer} explorer
 * @param {Spec} spec
 * @param {any} data
 * @param {Model} model
 * @returns {Live}
 */
export function live(root, explorer, spec, data, model) {
  const life = new Life(root, explorer, spec, data, model);
  life.begin();
  return life;
}

class Life {
  #pending = 0; // the frame that is asked for
  #moved = false; // has anything changed since the last frame?
  #talk = 0; // the timer of the words
  /** @type {string | null} the term that stands out */
  #lit = null;
  /** @type {Parameters<Live["watch"]>[0][]} */
  #watchers = [];
  #root;
  #explorer;
  #spec;
  #controls;
  /** @type {any} */
  #cache;
  #model;
  #state;
  #screen;
  #typing;
  /** @type {Easel | undefined} */
  #easel;
  #listeners;
  /** @type {{ end(): void } | undefined} what the explorer does by itself */
  #own;
  #resized;
  #themed;

  /**
   * @param {HTMLElement} root
   * @param {Explorer} explorer
   * @param {Spec} spec
   * @param {any} data
   * @param {Model} model
   */
  constructor(root, explorer, spec, data, model) {
    const { controls } = spec;
    this.#spec = spec;
    this.#root = root;
    this.#explorer = explorer;
    this.#controls = controls;
    this.#cache = { data };
    this.#model = model;
    this.#state = new State(controls, model);
    this.#screen = new Screen(root);
    this.#typing = new Typing(this.#state);
    const pixels = controls.find(isPixels);
    if (pixels) this.#easel = this.#easelOf(pixels);
    this.#listeners = this.#allListeners(pixels);
    this.#resized = new ResizeObserver(() => this.#screen.fits() || this.#again());
    this.#themed = new MutationObserver(() => {
      this.#screen.recolour();
      this.#again();
    });
  }

  /** @type {(selector: string) => any} */
  #find(selector) {
    return this.#root.querySelector(selector);
  }

  /** @param {Pixels} pixels */
  #easelOf(pixels) {
    const levels = () => this.#explorer.pixels?.(this.#state.read(), this.#cache) ?? [];
    return new Easel(this.#find(".pixels > div"), levels, (painted) => this.#painted(pixels, painted));
  }

  /**
   * Sets the pixels to the image that is shown, as the reader has changed it.
   * @type {(pixels: Pixels, levels: number[]) => void}
   */
  #painted(pixels, levels) {
    this.#state.set({ [pixels.name]: levels, ...this.#explorer.painted });
  }

  /** @param {Pixels} [pixels] */
  #allListeners(pixels) {
    /** @type {Listener[]} */
    const listeners = [
      ...swipeListeners(this.#root),
      ...formListeners(this.#root, this.#state, () => this.#schedule(), (levels) => pixels && this.#painted(pixels, levels)),
      ...this.#typing.listeners(this.#root),
      [this.#root, "click", ({ target }) => {
        if (target.dataset?.do === "copy") this.#copy(target);
        const task = this.#explorer.tasks?.[target.dataset?.task ?? -1];
        const { steps } = this.#explorer;
        const step = Number(target.dataset?.step);
        if (steps && step) this.#state.set({ [steps]: this.#model.get(steps) + step });
        if (task?.start) this.set({ ...read(this.#controls, ""), ...task.start });
      }],
      ...new Pointer(this.#screen, this.#state, (term) => this.light(term)).listeners(),
      [this.#root, "guess", ({ detail }) => {
        if (detail !== null) this.open(detail);
        this.#again(); // also where the state stays
      }],
      [this.#screen.canvas, "pointerup", () => this.#again()], // an axis may follow now
      [window, "beforeprint", () => this.#printing(true)], // at once, as the page is printed as it then is
      [window, "afterprint", () => this.#printing(false)],
      ...(this.#easel?.listeners() ?? []),
    ];
    return listeners.map(([target, kind, action]) => /** @type {const} */ ([target, kind, this.#guarded(action)]));
  }

  /** @param {string | null} term */
  light(term) {
    if (term === this.#lit) return;
    this.#lit = term;
    this.#again();
  }

  /** @type {Live["watch"]} */
  watch(told) {
    this.#watchers.push(told);
    this.#again();
  }

  get controls() {
    return this.#controls;
  }

  /**
   * Sets traits to exactly these values.
   * @param {Traits} values
   */
  set(values) {
    // menus come last, as a slider may put one back
    for (const control of [...this.#controls].sort((a, b) => Number(isMenu(a)) - Number(isMenu(b)))) {
      if (!(control.name in values)) continue;
      this.#state.put(control, values[control.name]);
      const fold = values[control.name] !== control.opening && this.#input(control).closest("details");
      if (fold) fold.open = true;
    }
    this.#state.model.save_changes();
  }

  /**
   * Sets the state that an address asks for; says in the card why if it cannot.
   * @param {string} query
   */
  open(query) {
    this.#guarded(() => this.set(read(this.#controls, query)))(new Event("open"));
  }

  /** Puts the address of this state into the address bar, and where it may into the clipboard. @param {HTMLElement} button */
  async #copy(button) {
    const part = written(this.#root.dataset.explorer ?? "", this.#controls, this.#state.read());
    history.replaceState(null, "", "#" + part);
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    button.textContent = copied ? "Copied" : "See address";
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  }

  begin() {
    for (const [target, kind, action] of this.#listeners) target.addEventListener(kind, action, { passive: false });
    for (const { name } of this.#controls) this.#model.on(`change:${name}`, this.#schedule);
    this.#resized.observe(this.#screen.image);
    for (const element of [document.documentElement, document.body]) {
      this.#themed.observe(element, { attributeFilter: MODES });
    }
    this.#screen.recolour();
    const [root, model, cache] = [this.#root, this.#model, this.#cache];
    this.#own = this.#explorer.live?.({ root, model, cache, read: () => this.#state.read(), again: () => this.#again() });
    this.#frame();
    this.#root.classList.add("live");
  }

  end() {
    for (const [target, kind, action] of this.#listeners) target.removeEventListener(kind, action);
    for (const { name } of this.#controls) this.#model.off(`change:${name}`, this.#schedule);
    this.#resized.disconnect();
    this.#themed.disconnect();
    cancelAnimationFrame(this.#pending);
    clearTimeout(this.#talk);
    this.#own?.end();
  }

  /** Asks for a frame after a change; until a frame is complete the card is busy. */
  #schedule = () => {
    this.#moved = true;
    this.#find(".fault").hidden = true; // here, as a frame may follow a refusal, too
    this.#root.toggleAttribute("data-busy", true);
    this.#again();
  };

  #again() {
    this.#pending ||= requestAnimationFrame(() => this.#frame());
  }

  #frame() {
    const [explorer, cache, root] = [this.#explorer, this.#cache, this.#root];
    this.#pending = 0;
    try {
      const state = this.#state.read();
      // Long work gets 1 ms of a frame after a change, so that it is answered at once, and 8 ms of other frames.
      const ready = explorer.prepare?.(state, cache, performance.now() + (this.#moved ? 1 : 8)) ?? true;
      const numbers = ready ? explorer.numbers(state, cache) : null;
      const guess = this.#guess(state);
      if (ready || this.#moved || this.#screen.picture) {
        this.#paint(state, numbers, guess);
        this.#report(state, numbers, guess);
        for (const told of this.#watchers) told(numbers, this.#lit, state);
      } // otherwise the still picture stays, which shows the same numbers
      this.#moved = false;
      root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
      root.toggleAttribute("data-busy", !ready);
      if (!ready) this.#again();
    } catch (error) {
      this.#fail(/** @type {Error} */ (error));
    }
  }

  /**
   * The reader's guess of a number, which the page puts on the card, while the state is the one of its question.
   * @param {any} state
   * @returns {Guess | null}
   */
  #guess(state) {
    const guess = JSON.parse(this.#root.dataset.guess ?? "null");
    const asked = guess?.at.every((/** @type {string[]} */ [key, value]) => String(state[key]) === value);
    return this.#root.classList.toggle("asked", !!asked) ? guess : null;
  }

  /**
   * @param {any} state
   * @param {Numbers | null} numbers
   * @param {Guess | null} guess
   */
  #paint(state, numbers, guess) {
    /** @param {Picture} picture */
    const draw = (picture) => {
      picture.guess = guess;
      this.#explorer.draw(picture, state, numbers, this.#cache);
    };
    if (this.#screen.paint(this.#lit, draw)) return;
    // hidden, as for a moment while JupyterLab changes its theme: measured and drawn once it shows
    this.#resized.unobserve(this.#screen.image);
    this.#resized.observe(this.#screen.image);
  }

  /**
   * @param {any} state
   * @param {Numbers | null} numbers
   * @param {Guess | null} guess
   */
  #report(state, numbers, guess) {
    for (const control of this.#controls) {
      if (isMenu(control)) this.#input(control).value = state[control.name];
      if (isPixels(control)) this.#easel?.show();
      if (isSlider(control)) this.#reportSlider(control, state);
    }
    const explorer = this.#explorer;
    for (const { name } of explorer.outputs) {
      const output = this.#write(`output[name="${name}"]`, outputText(explorer, name, numbers));
      if (numbers) output.dataset.value = numbers[name]; // all its digits
      if (guess?.name === name) output.parentNode.dataset.guess = guess.said; // shown while .asked
    }
    if (!numbers) return;
    this.#tick(state, numbers);
    this.#write(".status", explorer.status?.(state, this.#cache));
    this.#write(".diff code", explorer.diff?.lines(state, this.#cache.data, this.#spec));
    const words = explorer.describe(state, numbers, this.#cache) + (guess ? ` ${guess.said}.` : "");
    this.#screen.image.setAttribute("aria-label", words);
    clearTimeout(this.#talk); // only when nothing has changed for a while, so that a screen reader can follow
    this.#talk = window.setTimeout(() => (this.#find(".words").textContent = words), 300);
  }

  /**
   * Puts words where they are not yet, so that nothing is announced twice.
   * @param {string} selector
   * @param {string} [words]
   */
  #write(selector, words) {
    const place = this.#find(selector);
    if (place && words !== undefined && place.textContent !== words) place.textContent = words;
    return place;
  }

  /**
   * A task that is done stays so.
   * @param {any} state
   * @param {Numbers} numbers
   */
  #tick(state, numbers) {
    const items = this.#root.querySelectorAll(".tasks li");
    this.#explorer.tasks?.forEach((task, i) => {
      if (task.done(state, numbers, this.#cache)) items[i].classList.add("done");
    });
  }

  /** @type {(control: Control) => any} */
  #input({ name }) {
    return this.#find(`[name="${name}"]`);
  }

  /**
   * @param {Slider} control
   * @param {any} state
   */
  #reportSlider(control, state) {
    const slider = this.#input(control);
    const [number, more] = [shown(control, state[control.name]), added(this.#explorer, control, state, this.#cache.data)];
    if (slider.getAttribute("aria-valuetext") === number + more) return;
    slider.parentNode.classList.toggle("idle", idle(this.#explorer, control, state));
    slider.value = toSlider(control, state[control.name]);
    slider.setAttribute("aria-valuetext", number + more);
    const field = fieldOf(slider);
    /** @type {any} */ (field.nextElementSibling).textContent = more;
    field.defaultValue = number; // what Escape brings back
    const busy = field === document.activeElement || (this.#typing.text && slider === document.activeElement);
    if (!busy) field.value = number;
  }

  /**
   * On paper the colours are those of the light mode, whatever the page's are.
   * @param {boolean} on
   */
  #printing(on) {
    cancelAnimationFrame(this.#pending);
    this.#root.classList.toggle("printing", on);
    this.#screen.recolour();
    this.#frame();
  }

  /** @param {Error} error */
  #fail(error) {
    const asked = error instanceof RangeError; // a value out of bounds: the figure itself is well
    const fault = this.#find(".fault");
    const stopped = `This figure has stopped: ${error.message}. The rest of the page still works.`;
    fault.textContent = asked ? error.message : stopped;
    fault.hidden = false;
    this.#root.removeAttribute("data-busy");
    if (!asked) console.warn(error);
  }

  /**
   * A listener whose errors are said in the card.
   * @param {Listener[2]} action
   */
  #guarded(action) {
    return (/** @type {Event} */ event) => {
      try {
        action(event);
      } catch (error) {
        this.#fail(/** @type {Error} */ (error));
      }
    };
  }
}
