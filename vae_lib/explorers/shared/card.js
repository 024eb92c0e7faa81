// The card of an explorer as HTML: the same when the site is built and in a notebook.

import { controlHTML, isMenu } from "./controls.js";
import { escaped, format } from "./format.js";

/** @import { Explorer, Spec } from "./types.d.ts" */

/**
 * A cache in which all that numbers() needs at this state is prepared; its data are what Python sent.
 * @param {Explorer} explorer
 * @param {any} state
 * @param {any} data
 */
export function readied(explorer, state, data) {
  const cache = { data };
  explorer.prepare?.(state, cache, Infinity);
  return cache;
}

/**
 * What an output says; numbers that are not computed yet are null.
 * @param {Explorer} explorer
 * @param {string} name
 * @param {Record<string, number | null> | null} numbers
 */
export function outputText(explorer, name, numbers) {
  const { unit, digits, fixed, missing } = explorer.outputs.filter((output) => output.name === name)[0];
  if (numbers === null) return "…";
  const value = numbers[name];
  return value === null ? missing ?? "none" : format(value, digits, fixed) + (unit ? " " + unit : "");
}

/**
 * The longest text of an output: a sign, eight figures and a point with the unit, or what stands for no number.
 * The card reserves its width, so that the label beside it breaks its lines at the same places in every state.
 * @param {Explorer} explorer
 * @param {string} name
 */
function widestText(explorer, name) {
  const { unit, missing = "none" } = explorer.outputs.filter((output) => output.name === name)[0];
  const number = "−0000.0000" + (unit ? " " + unit : "");
  return number.length > missing.length ? number : missing;
}

/**
 * @param {Explorer} explorer
 * @param {Spec} spec
 * @param {any} state
 * @param {any} data
 * @param {string} id of the card; those of its parts begin with it
 * @param {string} [picture]
 */
export function card(explorer, spec, state, data, id, picture = "<canvas></canvas>") {
  const { question, controls } = spec;
  const cache = readied(explorer, state, data);
  const numbers = explorer.numbers(state, cache);
  const outputs = explorer.outputs.map(({ name, label, color }) =>
    `<div><label for="${id}-${name}"${color ? ` style="color:var(--${color})"` : ""}>${escaped(label)}</label>` +
    `<output id="${id}-${name}" name="${name}" data-room="${escaped(widestText(explorer, name))}" aria-live="off">` +
    `${escaped(outputText(explorer, name, numbers))}</output></div>`);
  const [more, inputs] = [true, false].map((rare) =>
    [...controls].sort((a, b) => Number(isMenu(b)) - Number(isMenu(a))) // menus next to the picture
      .filter(({ name }) => !!explorer.more?.includes(name) === rare)
      .map((control) => controlHTML(explorer, control, state, `${id}-${control.name}`, data)).join(""));
  const seed = !explorer.live && controls.some((control) => control.name === "seed");
  const buttons = Object.entries(explorer.buttons ?? {}).map(([name, label]) =>
    `<button type="button" name="${name}">${escaped(label)}</button>`);
  const text = explorer.describe(state, numbers, cache);
  const [words, room] = [text, text.repeat(9).slice(0, explorer.room)].map(escaped);
  const { height = 300, narrow = height, diff } = explorer;
  const shown = `<div class="numbers">${outputs.join("")}</div>`;
  const said = `<div class="said" data-room="${room}"><p class="words" aria-live="polite">${words}</p></div>`;
  // What its own buttons do is seen beside them, and said below the picture, not below all controls.
  const [inner, outer] = buttons.length ? [said, ""]
    : ["", (outputs.length > 8 ? `<details><summary>All numbers</summary>${shown}</details>` : shown) + said];
  const tasks = (explorer.tasks ?? []).map(({ words: task, start }, i) => `<li><span>${escaped(task)}</span>` +
    (start ? ` <button type="button" data-task="${i}">Start here</button>` : "") + "</li>");
  return `<p class="question" id="${id}-question">${escaped(question)}</p>` +
    (tasks.length ? `<ul class="tasks" aria-label="Tasks">${tasks.join("")}</ul>` : "") +
    (buttons.length ? `<div class="own"><div class="buttons">${buttons.join("")}<span class="told" role="status"></span></div>` +
      `${shown}</div>` : "") +
    `<div class="stage"><div class="picture" style="--tall:${height};--narrow:${narrow}">` +
    `<div role="img" aria-label="${words}">${picture}</div></div>${inner}` +
    `<form class="controls" autocomplete="off" aria-labelledby="${id}-question">` +
    inputs + (more && `<details class="more"><summary>More</summary><div>${more}</div></details>`) + `<div class="buttons">` +
    (explorer.steps ? `<button type="button" data-step="-1">Previous</button>` +
      `<button type="button" data-step="1">Next</button><span class="status" role="status"></span>` : "") +
    `<button type="button" data-do="reset">Reset</button>` +
    (seed ? `<button type="button" data-do="seed">New samples</button>` : "") +
    `<button type="button" data-do="copy">Copy link</button></div></form></div>` +
    (diff ? `<div class="diff" data-room="${escaped(diff.room(data, spec))}"><code aria-live="polite">` +
      `${escaped(diff.lines(state, data, spec))}</code></div>` : "") +
    `<noscript><p>Its sliders, and what can be dragged, need JavaScript.</p></noscript>` +
    `${outer}<p class="fault" role="alert" hidden></p>`;
}
