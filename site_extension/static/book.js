// A formula or table that is wider than its box gets the focus, so that the keyboard can scroll it.
function markScrollers() {
  const boxes = document.querySelectorAll(".katex-display, .bd-article .pst-scrollable-table-container, .pipeline-box");
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (boxes)) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
markScrollers();
window.addEventListener("resize", markScrollers);
document.fonts?.ready.then(markScrollers);

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

// A search result quotes its page; of a formula it quotes what is drawn, not the TeX. A page that is opened from a
// folder may not request another page, so that its results have no quotation. Sphinx defines the two globals.
/* global Search, DOCUMENTATION_OPTIONS */
if (typeof Search !== "undefined") {
  /** @type {(page: string, anchor?: string) => string} */
  Search.htmlToText = (page, anchor) => {
    const article = new DOMParser().parseFromString(page, "text/html").querySelector("article");
    article?.querySelectorAll("h1, .headerlink, script, style, .katex-mathml").forEach((part) => part.remove());
    const found = (anchor && article?.querySelector(`[id="${anchor.slice(1)}"]`)) || article;
    return (found?.matches("dt") ? found.nextElementSibling : found)?.textContent.trim() ?? "";
  };
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

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

// One switch unfolds all code of a page, and of the pages that are opened later.
const all = /** @type {HTMLInputElement | null} */ (document.querySelector(".show-code input"));
/** @type {(open: boolean) => void} */
function showCode(open) {
  for (const code of document.querySelectorAll(/** @type {"details"} */ ("details.hide"))) code.open = open;
}
if (all) {
  all.checked = localStorage.getItem("show-code") === "yes";
  if (all.checked) showCode(true);
  all.addEventListener("change", () => {
    localStorage.setItem("show-code", all.checked ? "yes" : "no");
    showCode(all.checked);
  });
}
