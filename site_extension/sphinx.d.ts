// What static/book.js uses of the scripts that Sphinx puts on each page.

declare const Search: { htmlToText: (page: string, anchor?: string) => string };
declare const DOCUMENTATION_OPTIONS: { SHOW_SEARCH_SUMMARY: boolean };
