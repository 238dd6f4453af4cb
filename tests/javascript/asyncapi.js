// A list of AsyncAPI documents on standard input -> of each, what the AsyncAPI project's own parser finds, as JSON.
"use strict";
const { Parser } = require("@asyncapi/parser");

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const parser = new Parser();
  const all = [];
  for (const one of JSON.parse(Buffer.concat(chunks).toString("utf8"))) {
    const { document, diagnostics } = await parser.parse(JSON.stringify(one));
    const found = diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path }));
    all.push({ channels: document ? document.channels().all().map((channel) => channel.id()) : null, found });
  }
  process.stdout.write(JSON.stringify(all));
}

main();
