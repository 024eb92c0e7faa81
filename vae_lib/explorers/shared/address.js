// The state of an explorer as a part of an address, `kl?mu=1&sigma=2`, and what a page does with it.

import { isMenu, isPixels } from "./controls.js";
import { minus } from "./format.js";

/** @import { Control, Traits, Value } from "./types.d.ts" */

const LEVELS = "0123456789abcdefg"; // the grey levels of a pixel, one character each

/**
 * @param {string} name of the explorer
 * @param {Control[]} controls
 * @param {any} state
 */
export function written(name, controls, state) {
  const parts = controls.filter(({ name: key, opening }) => String(state[key]) !== String(opening)).map((control) => {
    const value = state[control.name];
    return `${control.name}=${isPixels(control) ? value.map((/** @type {number} */ v) => LEVELS[v]).join("") : value}`;
  });
  return `${name}?${parts.join("&")}`;
}

/**
 * The traits that an address names; those that it does not name are as when the explorer opened.
 * @param {Control[]} controls
 * @param {string} query what stands behind the question mark
 * @returns {Traits}
 */
export function read(controls, query) {
  const asked = new URLSearchParams(query);
  for (const key of asked.keys()) {
    if (!controls.some(({ name }) => name === key)) throw new RangeError(`This figure has no ${key}`);
  }
  return Object.fromEntries(controls.map((control) => {
    const text = asked.get(control.name);
    return [control.name, text === null ? control.opening : valueOf(control, text)];
  }));
}

/**
 * @param {Control} control
 * @param {string} text
 * @returns {Value}
 */
function valueOf(control, text) {
  const { name } = control;
  if (isMenu(control)) {
    if (control.options.some(([key]) => key === text)) return text;
    throw new RangeError(`${name} can be ${control.options.map(([key]) => key).join(", ")}, not ${text}`);
  }
  if (isPixels(control)) {
    const levels = [...text].map((c) => LEVELS.indexOf(c));
    if (levels.length === control.pixels && !levels.includes(-1)) return levels;
    throw new RangeError(`${name} takes ${control.pixels} characters from 0 to g`);
  }
  const value = text.trim() ? Number(text) : NaN;
  if (value >= control.min && value <= control.max && (!control.integer || Number.isInteger(value))) return value;
  const kind = control.integer ? "a whole number" : "a number";
  throw new RangeError(`${name} must be ${kind} from ${minus(control.min)} to ${minus(control.max)}, not ${text}`);
}
