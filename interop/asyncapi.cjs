// Reads a document of AsyncAPI from the standard input, and prints what its makers' parser says.
"use strict";

const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

async function main() {
  const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
  const told = diagnostics.map(({ code, severity, message, path }) => ({
    code,
    severity,
    message,
    path: path.join("."),
  }));
  const operations = document === undefined ? [] : document.operations().all();
  const found = operations.map((each) => ({
    id: each.id(),
    action: each.action(),
    answered: each.reply() !== undefined,
    payloads: each.messages().all().map((message) => message.payload().type()),
  }));
  console.log(JSON.stringify({ diagnostics: told, operations: found }));
}

main();
