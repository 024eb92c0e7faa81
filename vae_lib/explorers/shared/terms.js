// The terms of an equation and the bars of a figure, which light each other. On the site a row below the equation
// names its terms with the numbers of the figure's state.

import { escaped, minus } from "./format.js";

/** @import { Explorer, Live, Numbers } from "./types.d.ts" */

/** @type {(value: number | null) => string} */
const short = (value) => (value === null ? "…" : minus(value.toFixed(2)));

/**
 * @param {Explorer} explorer
 * @param {string} name
 * @param {Numbers} numbers
 */
export function termsHTML({ equation }, name, numbers) {
  if (!equation) return "";
  const terms = equation.terms.map(([sign, term, words]) =>
    `<span>${escaped(sign)} <button type="button" data-term="${term}">${escaped(words)} ` +
    `<b>${short(numbers[term])}</b></button></span>`);
  return `<p class="terms" data-of="${name}">${escaped(equation.lead)} = ${terms.join(" ")}</p>`;
}

/**
 * The coloured parts of the formula above a row, if there is one for each term: term → its parts.
 * @param {HTMLElement} row
 * @param {string[]} terms
 * @returns {Map<string, HTMLElement[]>}
 */
function colouredParts(row, terms) {
  /** @type {NodeListOf<HTMLElement>} */
  const coloured = row.previousElementSibling?.querySelectorAll('.katex-html [style*="color:"]') ?? /** @type {any} */ ([]);
  /** @type {Map<string, HTMLElement[]>} */
  const groups = new Map();
  for (const part of coloured) groups.set(part.style.color, [...(groups.get(part.style.color) ?? []), part]);
  return groups.size === terms.length ? new Map([...groups.values()].map((parts, i) => [terms[i], parts])) : new Map();
}

/**
 * Ties a row, and the formula above it, to a card.
 * @param {HTMLElement} row
 * @param {Explorer} explorer
 * @param {Live} life
 */
export function bindTerms(row, { equation }, life) {
  const terms = equation?.terms.map(([, term]) => term) ?? [];
  const parts = colouredParts(row, terms);
  for (const term of terms) {
    const button = /** @type {HTMLElement} */ (row.querySelector(`[data-term="${term}"]`));
    for (const place of [button, ...(parts.get(term) ?? [])]) {
      place.addEventListener("pointerenter", () => life.light(term));
      place.addEventListener("pointerleave", () => life.light(null));
    }
    button.addEventListener("focus", () => life.light(term));
    button.addEventListener("blur", () => life.light(null));
  }
  life.watch((numbers, lit) => {
    for (const term of terms) {
      const button = /** @type {HTMLElement} */ (row.querySelector(`[data-term="${term}"]`));
      if (numbers) /** @type {HTMLElement} */ (button.lastElementChild).textContent = short(numbers[term]);
      for (const place of [button, ...(parts.get(term) ?? [])]) {
        place.classList.toggle("lit", lit === term);
        place.classList.toggle("dim", lit !== null && lit !== term);
      }
    }
  });
}
