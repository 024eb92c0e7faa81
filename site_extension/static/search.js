// The page of search results.

// A result quotes its page; of a formula it quotes what is drawn, not the TeX. A page that is opened from a folder may
// not request another page, so that its results have no quotation. Sphinx defines the globals, asked.js the wordings.
/* global ASKED, Search, Stemmer, DOCUMENTATION_OPTIONS, splitQuery, stopwords */
/** @type {(page: string, anchor?: string) => string} */
Search.htmlToText = (page, anchor) => {
  const article = new DOMParser().parseFromString(page, "text/html").querySelector("article");
  article?.querySelectorAll("h1, .headerlink, script, style, .katex-mathml").forEach((part) => part.remove());
  const found = (anchor && article?.querySelector(`[id="${anchor.slice(1)}"]`)) || article;
  return (found?.matches("dt") ? found.nextElementSibling : found)?.textContent.trim() ?? "";
};
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Questions come first for the words in which they are asked, also for others than their own. A word counts the more,
// the fewer questions have it (one that no question has, as if seven had it), and words that say nothing do not count.
const FILLER = new Set((
  "about always am an any better can do does during each fix from get gives go goes have help how i " +
  "issue its keras make me model much my need problem pytorch should so still tensorflow than use used " +
  "using vae vaes vs what when where which why you your"
).split(" "));
const stemmer = new Stemmer();
/** @type {(text: string) => Set<string>} */
function words(text) {
  const plain = text.toLowerCase().replace(/variational autoencoders?|_/g, " ").replace(/(\d)\.(\d)/g, "$1point$2");
  const counted = splitQuery(plain).filter((word) => !FILLER.has(word) && !stopwords.includes(word));
  return new Set(counted.map((word) => stemmer.stemWord(word)));
}
const questions = Object.entries(ASKED).map(([title, others]) => {
  const wordings = [title, ...others].map(words);
  return { title, wordings, all: new Set(wordings.flatMap((one) => [...one])) };
});
/** @type {(word: string) => number} */
const weight = (word) => Math.log(1 + questions.length / (questions.filter(({ all }) => all.has(word)).length || 7));
/** @type {(of: Iterable<string>) => number} */
const weights = (of) => [...of].reduce((sum, word) => sum + weight(word), 0);

/** @type {(query: string) => string[]} the titles of at most three questions, the best last */
function asked(query) {
  const given = words(query);
  const scores = questions.map(({ title, wordings, all }) => {
    const known = weights([...given].filter((word) => all.has(word))) / weights(given);
    const alike = Math.max(...wordings.map((one) => {
      const both = weights([...given].filter((word) => one.has(word)));
      return both / (weights(given) + weights(one) - both);
    }));
    return { title, known, score: known + alike };
  }).filter(({ known }) => known > 0.6).sort((a, b) => a.score - b.score);
  const near = (/** @type {number} */ share) => scores.filter(({ score }) => score > share * scores[scores.length - 1].score);
  return near(0.9).length > 3 ? [] : near(0.7).slice(-3).map(({ title }) => title); // so many: the words are too general
}

/** @type {(title: string, score: number) => Result} */
function result(title, score) {
  const { alltitles, docnames, filenames, titles } = Search._index;
  const [file, id] = alltitles[title].find(([page]) => docnames[page].endsWith("questions")) ?? [0, ""];
  return [docnames[file], `${titles[file]} > ${title}`, `#${id}`, null, score, filenames[file]];
}
const ordinary = Search._performSearch;
Search._performSearch = (query, ...parsed) => {
  const single = query.trim().split(/\s+/).length < 2; // then an entry of the glossary, with over 50, comes first
  const first = asked(query).map((title, place) => result(title, (single ? 40 : 1000) + place));
  const others = ordinary(query, ...parsed).filter(([page, , id]) => !first.some((one) => one[0] === page && one[2] === id));
  return [...others, ...first].sort((a, b) => a[4] - b[4]); // the last is shown first
};
