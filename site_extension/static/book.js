// A formula or table that is wider than its box can be scrolled with the keyboard, too.
function markScrollers() {
  for (const box of document.querySelectorAll(".katex-display, .bd-article .pst-scrollable-table-container, .pipeline-box")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
markScrollers();
window.addEventListener("resize", markScrollers);
document.fonts?.ready.then(markScrollers);

// Paper is light. Before the explorers hear of it, so that they are drawn in the colours that they then find.
let mode;
window.addEventListener("beforeprint", () => {
  mode = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  for (const image of document.images) image.loading = "eager";
}, true);
window.addEventListener("afterprint", () => (document.documentElement.dataset.theme = mode), true);

// Search results quote the text of a page, of a formula its drawn half; a page opened from a folder
// may not ask for another, so that they then quote nothing.
if (typeof Search !== "undefined") {
  Search.htmlToText = (page, anchor) => {
    const article = new DOMParser().parseFromString(page, "text/html").querySelector("article");
    article?.querySelectorAll("h1, .headerlink, script, style, .katex-mathml").forEach((part) => part.remove());
    const found = (anchor && article?.querySelector(`[id="${anchor.slice(1)}"]`)) || article;
    return (found?.matches("dt") ? found.nextElementSibling : found)?.textContent.trim() ?? "";
  };
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
