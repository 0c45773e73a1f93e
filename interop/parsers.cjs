"use strict";
// Decodes texts with the JavaScript parsers: one JSON request per line on standard input, one answer
// per line on standard output. What JSON lacks is an object with one key that begins with NUL.

const { dirname } = require("node:path");
const from = (name, owner) =>
  require(require.resolve(name, { paths: [dirname(require.resolve(owner))] }));
const { Decoder } = from("socket.io-parser", "socket.io");
const { decodePayload } = from("engine.io-parser", "engine.io");

const TYPES = { open: 0, close: 1, ping: 2, pong: 3, message: 4, upgrade: 5, noop: 6 };

function pack(value) {
  if (value === undefined) return null;
  if (typeof value === "number" && !Number.isFinite(value)) return { "\0number": String(value) };
  if (ArrayBuffer.isView(value)) return { "\0bytes": Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(pack);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)]));
}

const parsers = {
  "socket.io": (text) => {
    let packet = null;
    const decoder = new Decoder();
    decoder.on("decoded", (decoded) => (packet = decoded));
    decoder.add(text);
    for (let number = 0; packet === null; number++) decoder.add(Buffer.from(String(number)));
    const { type, nsp, id, data } = packet;
    return pack([type, nsp, id, data]);
  },
  "engine.io": (text) =>
    pack(decodePayload(text).map(({ type, data }) => [TYPES[type] ?? type, data ?? ""])),
};

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { parser, text } = JSON.parse(line);
    let answer;
    try {
      answer = { value: parsers[parser](text) };
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  });
