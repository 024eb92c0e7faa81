// Where cards come from: in a notebook they are built in the output of a cell, on the site they stand there already.

import { card } from "./card.js";
import { fromSlider, isSlider, shown, snapped, toSlider } from "./controls.js";
import { swipeListeners } from "./input.js";
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

/** @type {Record<string, Explorer>} */
let known = {};
/** @type {Map<HTMLElement, Live | undefined>} the cards that were brought to life; undefined where that failed */
const lives = new Map();

/**
 * For the site: brings the cards of the page to life; each has a model of its own. The first, or that of the address,
 * comes when the page has arrived, or before if that takes long; the others when the page has loaded, each in a task of
 * its own.
 * @param {Record<string, Explorer>} explorers
 */
export async function wake(explorers) {
  known = explorers;
  await styled();
  const site = /** @type {Window & { wakeExplorers?: () => void, ownExplorers?: Record<string, Explorer> }} */ (window);
  let queued = 0;
  let size = 0;
  const soon = (wait = 0) => {
    queued ||= window.setTimeout(() => {
      queued = 0;
      Object.assign(known, site.ownExplorers); // those with a script of their own, which tells when it is there
      const arrived = document.getElementsByTagName("*").length;
      const early = document.readyState === "loading" && arrived > size && performance.now() < 1000;
      size = arrived;
      const root = early ? undefined : next();
      if (root) wakeOne(root);
      if (root) soon();
      else if (document.readyState === "complete") bindAll();
      else if (document.readyState === "loading" && !lives.size) soon(50);
    }, wait);
  };
  site.wakeExplorers = soon;
  soon();
  for (const event of ["DOMContentLoaded", "load"]) window.addEventListener(event, () => soon());
  window.addEventListener("hashchange", () => goTo(location.hash));
}

/** A canvas does not change when a stylesheet or a font arrives, so that the site's come first. */
async function styled() {
  const links = /** @type {HTMLLinkElement[]} */ ([...document.querySelectorAll("link[rel=stylesheet]")]);
  await Promise.all(links.filter((link) => !link.sheet).map((link) =>
    new Promise((done) => ["load", "error"].forEach((event) => link.addEventListener(event, done)))));
  await Promise.allSettled(["13px Book Sans", "13px Book Mono"].map((font) => document.fonts.load(font)));
}

const all = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-explorer][data-spec]")]);

/** The card to bring to life now. While a page arrives, a card is whole when something follows it. */
function next() {
  const [, asked] = /^#(\w+)\?/.exec(location.hash) ?? [];
  const follows = (/** @type {Node | null} */ node) => {
    while (node && !node.nextSibling) node = node.parentNode;
    return node;
  };
  const whole = all().filter((root) => !lives.has(root) && known[root.dataset.explorer ?? ""] &&
    (document.readyState !== "loading" || follows(root)));
  const first = !lives.size || document.readyState === "complete" ? whole[0] : undefined;
  return whole.find((root) => root.dataset.explorer === asked) ?? first;
}

/** Ties words of the text and terms of equations to the cards that are alive. */
function bindAll() {
  for (const words of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("span.sets:not(.tied)"))) bind(words);
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".terms:not(.tied)"))) {
    const name = row.dataset.of ?? "";
    const life = lives.get(cardOf(name, row));
    if (life) bindTerms(row, known[name], life);
    row.classList.toggle("tied", !!life);
  }
}

/**
 * The card of an explorer; of several the one that is nearest to a place in the text. Of one nothing is measured,
 * as that would lay out the whole page.
 * @param {string} name
 * @param {Element} [near]
 */
function cardOf(name, near) {
  const top = (/** @type {Element | undefined} */ place) => place?.getBoundingClientRect().top ?? 0;
  const far = (/** @type {Element} */ root) => Math.abs(top(root) - top(near));
  return all().filter((root) => root.dataset.explorer === name).sort((a, b) => far(a) - far(b))[0];
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
  const life = lives.get(root);
  if (!life) return;
  reveal(root, "start");
  life.open(query);
}

/**
 * Words of the text that set a card become a button; a slider stands behind those of a range (sigma=0.1..2).
 * @param {HTMLElement} words
 */
function bind(words) {
  const [name, query] = (words.dataset.sets ?? "").split("?");
  const root = cardOf(name, words);
  const life = lives.get(root);
  if (!life) return;
  words.classList.add("tied");
  const slider = words.querySelector("input");
  if (slider) {
    bindRange(slider, root, life, query);
    return;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sets";
  if (words.querySelector(".math")) button.ariaLabel = query.replaceAll("=", " = ").replaceAll("&", ", ");
  button.append(...words.childNodes);
  button.addEventListener("click", () => {
    reveal(root, "nearest");
    life.open(query);
  });
  words.replaceWith(button);
}

/**
 * Ties the slider of a range to the trait: each shows what the other sets. From a large to a small value it runs
 * leftwards, so that it begins where the words do. The page scrolls to the card at the end, not under the finger.
 * @param {HTMLInputElement} slider
 * @param {HTMLElement} root
 * @param {Live} life
 * @param {string} query
 */
function bindRange(slider, root, life, query) {
  const [key, range] = query.split("=");
  const trait = life.controls.find((control) => control.name === key);
  if (!trait || !isSlider(trait)) return;
  const [from, to] = range.split("..").map((end) => toSlider(trait, Number(end)));
  Object.assign(slider, { min: Math.min(from, to), max: Math.max(from, to), step: trait.step, dir: from > to ? "rtl" : "" });
  for (const [place, kind, action] of swipeListeners(slider)) place.addEventListener(kind, action);
  slider.addEventListener("input", () => life.set({ [key]: snapped(trait, fromSlider(trait, Number(slider.value))) }));
  slider.addEventListener("change", () => reveal(root, "nearest"));
  life.watch((_, __, state) => {
    slider.value = String(toSlider(trait, state[key]));
    slider.ariaValueText = shown(trait, state[key]);
  });
}

/** @param {HTMLElement} root */
function wakeOne(root) {
  lives.set(root, undefined);
  try {
    const { spec, state, data } = JSON.parse(root.dataset.spec ?? "");
    lives.set(root, live(root, known[root.dataset.explorer ?? ""], spec, data, modelOf(state)));
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
