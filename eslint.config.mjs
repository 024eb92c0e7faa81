// `python -m tools.npm eslint .` checks the scripts of explorers, pages and tests.

import js from "@eslint/js";
import globals from "globals";

const node = ["**/*.mjs", "**/*.cjs"];

export default [
  { ignores: ["_build/", "book/", "build/", ".venv*/", "graded/"] },
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "max-len": ["error", { code: 130 }],
      "max-lines-per-function": ["error", 60],
      "no-shadow": "error",
      "no-unused-vars": "error",
      "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": ["error", { destructuring: "all" }],
    },
  },
  { files: node, languageOptions: { globals: globals.node } },
];
