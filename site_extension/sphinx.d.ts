// What static/search.js uses of the scripts that Sphinx puts on the page of search results, and of asked.js.

/** A result: page, title, #id, description, score, file. */
type Result = [string, string, string, string | null, number, string];
declare const Search: {
  htmlToText: (page: string, anchor?: string) => string;
  _index: Record<"docnames" | "titles" | "filenames", string[]> & { alltitles: Record<string, [number, string][]> };
  _performSearch: (query: string, ...parsed: Set<string>[]) => Result[];
};
declare const DOCUMENTATION_OPTIONS: { SHOW_SEARCH_SUMMARY: boolean };
declare const splitQuery: (query: string) => string[];
declare const stopwords: string[];
declare class Stemmer {
  stemWord(word: string): string;
}
/** The questions of the book, each with other wordings. */
declare const ASKED: Record<string, string[]>;
