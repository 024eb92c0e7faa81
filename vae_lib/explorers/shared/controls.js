// The controls of a card: the arithmetic of sliders, what is typed on them, their words, and their HTML.

import { escaped, minus } from "./format.js";

/** @import { Control, Explorer, Menu, Model, Pixels, Slider, Traits, Value } from "./types.d.ts" */

/** @type {(control: Control) => control is Slider} */
export const isSlider = (control) => control.min !== undefined;

/** @type {(control: Control) => control is Menu} */
export const isMenu = (control) => control.options !== undefined;

/** @type {(control: Control) => control is Pixels} */
export const isPixels = (control) => control.pixels !== undefined;

/**
 * The position of a slider for a value, and the value at a position: powers of ten where it is logarithmic.
 * @type {(control: Slider, value: number) => number}
 */
export const toSlider = (control, value) => (control.log ? Math.log10(value) : value);
/** @type {(control: Slider, position: number) => number} */
export const fromSlider = (control, position) => (control.log ? 10 ** position : position);

/**
 * The value that a slider's position or a pointer stands for, on the control's grid and in its bounds.
 * @param {Slider} control
 * @param {number} value
 */
export function snapped(control, value) {
  if (control.integer) value = Math.round(value);
  else if (control.log) value = Number(value.toPrecision(3));
  else value = Number((Math.round(value / control.step) * control.step).toFixed(6));
  return Math.min(control.max, Math.max(control.min, value));
}

/**
 * A value as it is shown beside its slider: as many decimals as the step has, or more where the value needs them.
 * @param {Slider} control
 * @param {number} value
 */
export function shown(control, value) {
  if (control.integer) return minus(value);
  const text = value.toFixed(control.log ? 0 : Math.max(0, -Math.floor(Math.log10(control.step))));
  return minus(!control.log && Math.abs(Number(text) - value) < 1e-9 ? text : Number(value.toPrecision(7)));
}

/**
 * The text typed on a slider after a key, or null where the key does not belong to a number.
 * @param {string} text
 * @param {string} key
 */
export function typedText(text, key) {
  if (/^[\d.,−-]$/.test(key)) return text + key;
  if (key === "Backspace") return text.slice(0, -1);
  return key === "Escape" || (key === "Enter" && text) ? "" : null;
}

/**
 * The value that a typed text means, with all its digits; the comma of many languages is a point.
 * @param {Slider} control
 * @param {string} text
 */
export function typedValue(control, text) {
  const value = text.trim() ? Number(text.replace(",", ".").replace("−", "-")) : NaN;
  if (!(value >= control.min && value <= control.max)) {
    throw new RangeError(`${control.label}: from ${minus(control.min)} to ${minus(control.max)}`);
  }
  return control.integer ? Math.round(value) : value;
}

/**
 * Does a control change nothing at this state?
 * @type {(explorer: Explorer, control: Control, state: any) => boolean}
 */
export const idle = (explorer, { name }, state) => explorer.idle?.(name, state) ?? false;

/**
 * What the explorer adds to the value of a slider, such as a name.
 * @type {(explorer: Explorer, control: Slider, state: any, data: any) => string}
 */
export const added = (explorer, control, state, data) =>
  idle(explorer, control, state) ? ", no effect" : explorer.say?.[control.name]?.(state[control.name], data) ?? "";

/** The traits of an explorer: read from its model and set through its controls. */
export class State {
  /**
   * @param {Control[]} controls
   * @param {Model} model
   */
  constructor(controls, model) {
    this.controls = controls;
    this.model = model;
  }

  /** @returns {any} the value of each trait */
  read() {
    const state = Object.fromEntries(this.controls.map(({ name }) => [name, this.model.get(name)]));
    const bad = this.controls.find((control) => isSlider(control) && !Number.isFinite(state[control.name]));
    if (bad) throw new TypeError(`${bad.name} is ${state[bad.name]}`);
    return state;
  }

  /**
   * Sets some traits to what positions of sliders and pointers mean.
   * @param {Traits} values
   */
  set(values) {
    for (const control of this.controls) {
      if (!(control.name in values)) continue;
      const value = values[control.name];
      if (!isSlider(control)) {
        this.put(control, value);
        continue;
      }
      if (!Number.isFinite(value)) throw new RangeError(`${control.name} is ${value}`);
      this.put(control, snapped(control, Number(value)));
    }
    this.model.save_changes();
  }

  /**
   * Sets one trait to exactly this value; a slider may put a menu back to its first option.
   * @param {Control} control
   * @param {Value} value
   */
  put(control, value) {
    const clears = isSlider(control) && this.model.get(control.name) !== value ? control.clears : null;
    const menu = this.controls.find(({ name }) => name === clears);
    if (menu && isMenu(menu)) this.model.set(menu.name, menu.options[0][0]);
    this.model.set(control.name, value);
  }

  /**
   * Puts some traits back to where they opened, which may lie between two positions of a slider.
   * @param {Control[]} controls
   */
  reset(controls) {
    for (const control of controls) this.put(control, control.opening);
    this.model.save_changes();
  }
}

/**
 * A control in HTML. Beside a slider stands its value, which can be edited by mouse and touch; the keyboard and a
 * screen reader have the slider alone, which takes a typed number as well.
 * @param {Explorer} explorer
 * @param {Control} control
 * @param {any} state
 * @param {string} id
 * @param {any} data
 */
export function controlHTML(explorer, control, state, id, data) {
  if (isPixels(control)) return pixelsHTML(control);
  const label = `<label for="${id}">${escaped(control.label)}</label>`;
  const name = `id="${id}" name="${control.name}"`;
  const value = state[control.name];
  if (isMenu(control)) {
    const options = control.options.map(([key, words]) =>
      `<option value="${key}"${key === value ? " selected" : ""}>${escaped(words)}</option>`);
    return `<div class="control">${label}<select ${name}>${options.join("")}</select></div>`;
  }
  const [min, max, position] = [control.min, control.max, value].map((v) => toSlider(control, v));
  const [number, more] = [shown(control, value), escaped(added(explorer, control, state, data))];
  const room = Math.max(4, ...[control.min, control.max].map((end) => shown(control, end).length)) + 1;
  const spare = explorer.idle ? ' style="min-width:11ch"' : ""; // for the words that it has no effect
  const paint = control.color ? ` style="--paint:var(--${control.color})"` : "";
  return `<div class="control${idle(explorer, control, state) ? " idle" : ""}">${label}` +
    `<span class="value" aria-hidden="true"><input class="typed" inputmode="decimal" tabindex="-1" ` +
    `value="${number}" style="width:${room}ch"><span${spare}>${more}</span></span>` +
    `<input type="range" ${name} min="${min}" max="${max}" step="${control.step}" value="${position}"` +
    ` aria-valuetext="${number}${more}"${paint}></div>`;
}

/** @param {Pixels} control */
function pixelsHTML({ name, label, pixels }) {
  const side = Math.sqrt(pixels);
  const boxes = Array.from({ length: pixels }, (_, i) =>
    `<input type="checkbox" name="${name}" value="${i}" ` +
    `aria-label="row ${Math.floor(i / side) + 1}, column ${(i % side) + 1}" tabindex="${i ? -1 : 0}">`);
  return `<fieldset class="control pixels"><legend>${escaped(label)}</legend>` +
    `<div style="--side:${side}">${boxes.join("")}</div>` +
    `<button type="button" data-do="clear">Clear</button></fieldset>`;
}
