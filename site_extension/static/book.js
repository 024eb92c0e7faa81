// A formula or table that is wider than its box gets the focus, so that the keyboard can scroll it.
function markScrollers() {
  const boxes = document.querySelectorAll(".katex-display, .bd-article .pst-scrollable-table-container, .pipeline-box");
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (boxes)) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
// Not before the page has loaded: to measure a box, all of the page is laid out.
window.addEventListener("load", () => document.fonts.ready.then(markScrollers));
window.addEventListener("resize", markScrollers);

// Beside its text, a card that is taller than the window stays where its picture and its controls are in sight: book.css
// has to know how far below the top of its cell they are.
const wide = window.matchMedia("(min-width: 90rem)");
const sticking = new ResizeObserver((changes) => {
  if (!wide.matches) return;
  for (const { target } of changes) {
    const [cell, picture, controls] = [target, ...target.querySelectorAll(".picture, .controls")]
      .map((part) => part.getBoundingClientRect());
    /** @type {HTMLElement} */ (target).style.cssText =
      `--picture: ${picture.top - cell.top}px; --controls: ${controls.bottom - cell.top + 8}px`;
  }
});
document.querySelectorAll(".figure-beside > .cell").forEach((cell) => sticking.observe(cell));

// A page is printed in light mode. These listeners run before those of the explorers (true: capture), which then
// draw their pictures in the colours of that mode.
/** @type {string | undefined} */
let mode;
window.addEventListener("beforeprint", () => {
  mode = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  for (const image of document.images) image.loading = "eager";
}, true);
window.addEventListener("afterprint", () => (document.documentElement.dataset.theme = mode), true);

// An aside opens when a link, the table of contents or the search leads to it or into it, and on paper. Find-in-page
// opens it by itself.
/** @type {(target: Element | null) => void} */
function openAround(target) {
  if (!target) return;
  const inside = target.matches(".aside") ? target.querySelector("details") :
    /** @type {HTMLDetailsElement | null} */ (target.closest("details.aside"));
  if (inside && !inside.open) {
    inside.open = true;
    target.scrollIntoView();
  }
}
/** @type {(hash: string) => void} */
function openFor(hash) {
  try {
    openAround(document.getElementById(decodeURIComponent(hash.slice(1))));
  } catch { /* an address that is no text leads nowhere */ }
}
openFor(location.hash);
window.addEventListener("hashchange", () => openFor(location.hash));
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest("a[href^='#']"); // the hash may be there already
  if (link) openFor(link.getAttribute("href") ?? "");
});
// Sphinx marks the words of a search some time after the page was read, and says nothing then.
window.addEventListener("load", () =>
  setTimeout(() => document.querySelectorAll("details.aside .highlighted").forEach(openAround), 200));
/** @type {HTMLDetailsElement[]} */
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll(/** @type {"details"} */ ("details.aside:not([open])"))];
  for (const aside of opened) aside.open = true;
}, true);
window.addEventListener("afterprint", () => opened.forEach((aside) => (aside.open = false)), true);

// What the reader's own browser keeps: the value under a key, which null removes. A browser may refuse.
/** @type {(key: string, value?: string | null) => string | null | undefined} */
function kept(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch { /* then it is forgotten with the page */ }
}

// A prediction: once the reader has committed to a guess, the answer opens, and the explorer that shows the number
// draws the guess. The guess is there at the next visit.
/** @type {(text: string) => number} with the comma of many languages as a point, but not that of 20,000 draws */
const asNumber = (text) => Number(text.replace(/\s/g, "").replace(/^[1-9]\d{0,2}(,\d{3})+$/, (n) => n.replaceAll(",", ""))
  .replace(",", ".").replace("−", "-") || NaN);
/** @type {(number: number) => string} */
const inWords = (number) => number.toLocaleString("en", { maximumSignificantDigits: 6 }).replace("-", "−")
  .replaceAll(",", number >= 1e4 ? "\u202f" : "");

/** @type {(form: HTMLFormElement, given: string) => [words: string, said: string, value?: number]} the verdict */
function judged(form, given) {
  const { right, number, unit } = form.dataset;
  if (right) {
    const options = [...form.querySelectorAll("li")];
    const [mine, wanted] = [given, right].map((place) => options[Number(place) - 1]);
    wanted.classList.add("right");
    if (mine !== wanted) mine.classList.add("wrong");
    const [guess, answer] = [mine, wanted].map((option) => option.textContent?.trim());
    return [mine === wanted ? `Right: ${answer}.` : `Not right. Your guess: ${guess}. The answer: ${answer}.`, ""];
  }
  const [guess, answer] = [asNumber(given), Number(number)];
  const off = Math.abs(guess - answer) / Math.abs(answer);
  const verdict = off <= 0.05 ? "Right" : `${off <= 0.25 ? "Close, but too" : "Too"} ${guess < answer ? "low" : "high"}`;
  const [mine, wanted] = [guess, answer].map((value) => `${inWords(value)} ${unit}`.trim());
  return [`${verdict}. Your guess: ${mine}. The answer: ${wanted}.`, `Your guess: ${inWords(guess)}`, guess];
}

/** @type {(form: HTMLFormElement, given: string | null, now: boolean) => void} commits to a guess, or takes it back (null) */
function commit(form, given, now) {
  const { of, name } = form.dataset;
  const [words, said, value] = given === null ? [""] : judged(form, given);
  if (given === null) form.querySelectorAll("li").forEach((option) => option.classList.remove("right", "wrong"));
  /** @type {(selector: string, inside?: Element | null) => any} */
  const part = (selector, inside = form) => inside?.querySelector(selector);
  part("fieldset").disabled = part("button:not([type])").hidden = given !== null;
  part("[type=reset]").hidden = given === null;
  part(".verdict").textContent = words;
  part("details", form.parentElement).open = given !== null;
  const [explorer, query] = (of ?? "").split("?");
  const card = explorer && /** @type {HTMLElement | null} */ (document.querySelector(`[data-explorer="${explorer}"]`));
  if (!card) return;
  const at = [...new URLSearchParams(query)].filter(([trait]) => trait !== name);
  if (given === null) delete card.dataset.guess;
  else card.dataset.guess = JSON.stringify({ name, value, said, at });
  card.dispatchEvent(new CustomEvent("guess", { detail: now && given !== null ? query : null }));
}

for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll("form.guess"))) {
  const key = `guess ${form.dataset.key}`;
  const guess = /** @type {HTMLInputElement} */ (form.elements.namedItem("guess")); // the field, or all options
  const complete = () => Number.isFinite(asNumber(guess.value));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!complete()) {
      /** @type {any} */ (form.querySelector(".verdict")).textContent = "Please type a number.";
      return;
    }
    kept(key, guess.value);
    commit(form, guess.value, true);
    /** @type {any} */ (form.querySelector("[type=reset]")).focus(); // as the other button is gone
  });
  form.addEventListener("reset", () => {
    kept(key, null);
    commit(form, null, true);
    form.querySelector("input")?.focus();
  });
  const before = kept(key);
  if (typeof before !== "string") continue; // what was typed before this ran stays, to be checked
  guess.value = before;
  if (complete()) commit(form, before, false);
}

// One switch unfolds all code of a page, and of the pages that are opened later.
const all = /** @type {HTMLInputElement | null} */ (document.querySelector(".show-code input"));
/** @type {(open: boolean) => void} */
function showCode(open) {
  for (const code of document.querySelectorAll(/** @type {"details"} */ ("details.hide"))) code.open = open;
}
if (all) {
  all.checked = kept("show-code") === "yes";
  if (all.checked) showCode(true);
  all.addEventListener("change", () => {
    kept("show-code", all.checked ? "yes" : "no");
    showCode(all.checked);
  });
}
