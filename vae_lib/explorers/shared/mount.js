// Where cards come from: in a notebook they are built in the output of a cell, on the site they stand there already.

import { card } from "./card.js";
import { fromSlider, isSlider, shown, snapped, toSlider } from "./controls.js";
import { live } from "./life.js";
import { bindTerms } from "./terms.js";

/** @import { Explorer, Live, Model } from "./types.d.ts" */

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
  root.querySelector("[data-do=copy]")?.remove(); // a notebook has no address for a state
  // Keys belong to the control that has the focus: JupyterLab would take arrows and Enter for its cells.
  for (const control of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("input, select, button"))) {
    control.dataset.lmSuppressShortcuts = "true";
  }
  el.append(root);
  const life = live(root, explorer, spec, data, model);
  return () => life.end();
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
  const site = /** @type {Window & { wakeExplorers?: () => void, ownExplorers?: Record<string, Explorer> }} */ (window);
  site.wakeExplorers = () => {
    const found = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-explorer][data-spec]"));
    for (const root of found) {
      Object.assign(explorers, site.ownExplorers); // those with a script of their own, which tells when it is there
      const explorer = explorers[root.dataset.explorer ?? ""];
      if (!explorer || done.has(root) || (document.readyState === "loading" && !root.nextElementSibling)) continue;
      done.add(root);
      wakeOne(root, explorer);
    }
  };
  site.wakeExplorers();
  document.addEventListener("DOMContentLoaded", site.wakeExplorers);
  const bindAll = () => {
    for (const words of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("span.sets"))) bind(words);
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".terms"))) {
      const root = cardOf(row.dataset.of ?? "", row);
      if (root) bindTerms(row, explorers[row.dataset.of ?? ""], /** @type {Live} */ (lives.get(root)));
    }
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", bindAll);
  else bindAll();
  window.addEventListener("hashchange", () => goTo(location.hash));
}

/** @type {Map<HTMLElement, Live>} the live cards of the page */
const lives = new Map();

/**
 * The live card of an explorer; of several the one that is nearest to a place in the text. Of one nothing is measured,
 * as that would lay out the whole page.
 * @param {string} name
 * @param {Element} [near]
 */
function cardOf(name, near) {
  const top = (/** @type {Element | undefined} */ place) => place?.getBoundingClientRect().top ?? 0;
  const far = (/** @type {Element} */ root) => Math.abs(top(root) - top(near));
  return [...lives.keys()].filter((root) => root.dataset.explorer === name).sort((a, b) => far(a) - far(b))[0];
}

/**
 * Brings a card into sight, also out of a closed aside.
 * @param {HTMLElement} root
 * @param {ScrollLogicalPosition} block
 */
function reveal(root, block) {
  for (let fold = root.closest("details"); fold; fold = fold.parentElement?.closest("details") ?? null) fold.open = true;
  root.scrollIntoView({ block });
}

/**
 * An address such as #kl?mu=1 leads to this card in this state.
 * @param {string} hash
 */
function goTo(hash) {
  const [, name = "", query = ""] = /^#(\w+)\?(.*)$/.exec(hash) ?? [];
  const root = cardOf(name);
  if (!root) return;
  reveal(root, "start");
  lives.get(root)?.open(query);
}

/**
 * Words of the text that set a card become a button; a slider stands behind those of a range (sigma=0.1..2).
 * @param {HTMLElement} words
 */
function bind(words) {
  const [name, query] = (words.dataset.sets ?? "").split("?");
  const slider = words.querySelector("input");
  if (slider) {
    bindRange(words, slider, name, query);
    return;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sets";
  if (words.querySelector(".math")) button.ariaLabel = query.replaceAll("=", " = ").replaceAll("&", ", ");
  button.append(...words.childNodes);
  button.addEventListener("click", () => {
    const root = cardOf(name, words);
    if (!root) return;
    reveal(root, "nearest");
    lives.get(root)?.open(query);
  });
  words.replaceWith(button);
}

/**
 * Ties the slider of a range to the trait: each shows what the other sets. From a large to a small value it runs
 * leftwards, so that it begins where the words do. The page scrolls to the card at the end, not under the finger.
 * @param {HTMLElement} words
 * @param {HTMLInputElement} slider
 * @param {string} name
 * @param {string} query
 */
function bindRange(words, slider, name, query) {
  const [key, range] = query.split("=");
  const root = cardOf(name, words);
  const life = root && lives.get(root);
  const trait = life?.controls.find((control) => control.name === key);
  if (!life || !trait || !isSlider(trait)) return;
  const [from, to] = range.split("..").map((end) => toSlider(trait, Number(end)));
  Object.assign(slider, { min: Math.min(from, to), max: Math.max(from, to), step: trait.step, dir: from > to ? "rtl" : "" });
  let value = NaN, before = NaN;
  const set = (/** @type {number} */ now) => life.set({ [key]: now });
  slider.addEventListener("input", () => set(snapped(trait, fromSlider(trait, Number(slider.value)))));
  slider.addEventListener("change", () => reveal(root, "nearest"));
  slider.addEventListener("pointerdown", () => (before = value));
  slider.addEventListener("pointercancel", () => set(before)); // the swipe has scrolled the page
  life.watch((_, __, state) => {
    value = state[key];
    slider.value = String(toSlider(trait, value));
    slider.ariaValueText = shown(trait, value);
  });
}

/**
 * @param {HTMLElement} root
 * @param {Explorer} explorer
 */
function wakeOne(root, explorer) {
  try {
    const { spec, state, data } = JSON.parse(root.dataset.spec ?? "");
    lives.set(root, live(root, explorer, spec, data, modelOf(state)));
    if (location.hash.startsWith(`#${root.dataset.explorer}?`)) goTo(location.hash);
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
