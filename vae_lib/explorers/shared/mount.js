// Where cards come from: in a notebook they are built in the output of a cell, on the site they stand there already.

import { card } from "./card.js";
import { live } from "./life.js";

/** @import { Explorer, Model } from "./types.d.ts" */

let cards = 0;

/**
 * For a notebook: builds the card in the cell's output and ties it to the kernel's traits.
 * @param {string} name
 * @param {Explorer} explorer
 * @param {{ model: Model, el: HTMLElement }} context what anywidget gives to render()
 */
export function mount(name, explorer, { model, el }) {
  const spec = model.get("_spec");
  const state = Object.fromEntries(spec.controls.map((/** @type {{ name: string }} */ control) =>
    [control.name, model.get(control.name)]));
  const root = document.createElement("div");
  root.className = "vae-explorer";
  root.dataset.explorer = name;
  const data = model.get("_data");
  root.innerHTML = card(explorer, spec, state, data, `explorer-${name}-live-${Date.now()}-${cards++}`);
  // Keys belong to the control that has the focus: JupyterLab would take arrows and Enter for its cells.
  for (const control of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("input, select, button"))) {
    control.dataset.lmSuppressShortcuts = "true";
  }
  el.append(root);
  return live(root, explorer, spec, data, model);
}

/**
 * For the site: brings each card of the page to life as soon as it has arrived, while the rest is still
 * on its way; each has a model of its own. A card is whole when the script behind it runs, which calls.
 * @param {Record<string, Explorer>} explorers
 */
export async function wake(explorers) {
  // A canvas does not change when a font arrives, so that the site's fonts come first.
  await Promise.allSettled(["13px Book Sans", "13px Book Mono"].map((font) => document.fonts.load(font)));
  const done = new Set();
  const site = /** @type {Window & { wakeExplorers?: () => void }} */ (window);
  site.wakeExplorers = () => {
    const found = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-explorer][data-spec]"));
    for (const root of found) {
      if (done.has(root) || (document.readyState === "loading" && !root.nextElementSibling)) continue;
      done.add(root);
      wakeOne(root, explorers[root.dataset.explorer ?? ""]);
    }
  };
  site.wakeExplorers();
  document.addEventListener("DOMContentLoaded", site.wakeExplorers);
}

/**
 * @param {HTMLElement} root
 * @param {Explorer} explorer
 */
function wakeOne(root, explorer) {
  try {
    const { spec, state, data } = JSON.parse(root.dataset.spec ?? "");
    live(root, explorer, spec, data, modelOf(state));
  } catch (error) {
    console.warn(error);
    const fault = /** @type {HTMLElement | null} */ (root.querySelector(".fault"));
    if (!fault) return;
    fault.hidden = false;
    fault.textContent = `This figure did not start: ${/** @type {Error} */ (error).message}.`;
  }
}

/**
 * A model without a kernel, which tells of each change.
 * @param {Record<string, unknown>} state
 * @returns {Model}
 */
export function modelOf(state) {
  /** @type {Record<string, (() => void)[]>} */
  const heard = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const callback of heard[`change:${name}`] ?? []) callback();
    },
    save_changes() {},
    on: (event, callback) => (heard[event] ??= []).push(callback),
    off: (event, callback) => (heard[event] = (heard[event] ?? []).filter((other) => other !== callback)),
  };
}
