"use strict";
// Runs the JavaScript clients for the tests: one JSON request per line on standard input, answers
// and events as lines on standard output. It ends with its standard input.

const clients = new Map();
const acks = new Map(); // of events that wait for an answer, by number
let lastAck = 0;

function say(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

// What JSON lacks: bytes travel as {"$bytes": base64}, whatever their class here.
function pack(value) {
  if (value === undefined || value === null) return null;
  if (value instanceof Error) {
    return { message: value.message, data: pack(value.data), description: pack(value.description) };
  }
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $bytes: bytes.toString("base64") };
  }
  if (Array.isArray(value)) return value.map(pack);
  if (typeof value === "object") {
    if (!["Object", undefined].includes(value.constructor?.name)) return String(value);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)]));
  }
  return typeof value === "function" ? String(value) : value;
}

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
}

// "fetch" stands for the other implementation of polling; it has to be given as a class.
function withClasses(options) {
  const { Fetch, NodeWebSocket } = require("eio6");
  const classes = { fetch: Fetch, websocket: NodeWebSocket };
  if (!options.transports?.includes("fetch")) return options;
  return { ...options, transports: options.transports.map((transport) => classes[transport]) };
}

function openSocketIo(client, { name, url, namespace, options, on }) {
  const shared = on && clients.get(on).io; // another namespace on the same connection
  const socket = shared
    ? shared.socket(namespace, options)
    : require(name)(url + namespace, {
        forceNew: true,
        reconnection: false,
        ...(options.msgpack && { parser: require("socket.io-msgpack-parser") }),
        ...withClasses(options),
      });
  clients.set(client, socket);
  socket.on("connect", () => say({ client, event: "connect", args: [socket.id] }));
  socket.on("disconnect", (reason) => say({ client, event: "disconnect", args: [reason] }));
  socket.on("connect_error", (error) => say({ client, event: "connect_error", args: [pack(error)] }));
  const onAny = (event, ...args) => {
    const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
    if (ack) acks.set(++lastAck, ack);
    say({ client, event: `on ${event}`, args: pack(args), ack: ack && lastAck });
  };
  if (socket.onAny) {
    socket.onAny(onAny);
  } else {
    // Clients 1 and 2: no such method, and a namespace that refuses is an `error`.
    socket.onevent = ({ data, id }) => onAny(...data, ...(id == null ? [] : [socket.ack(id)]));
    socket.on("error", (error) => say({ client, event: "connect_error", args: [pack(error)] }));
  }
  if (!socket.active) socket.connect(); // a second CONNECT would end the connection
}

function openEngineIo(client, { name, url, options }) {
  const socket = new (require(name).Socket)(url, options);
  clients.set(client, socket);
  const report = (event, take) =>
    socket.on(event, (...args) => say({ client, event, args: pack(take(...args)) }));
  report("open", () => [socket.id]);
  report("message", (data) => [data]);
  report("close", (reason) => [reason]);
  report("error", (error) => [error]);
}

const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
const AsyncFunction = (async () => {}).constructor;

const operations = {
  open: (request) =>
    (request.name.startsWith("sio") ? openSocketIo : openEngineIo)(request.client, request),
  run: ({ client, code, args }) =>
    new AsyncFunction("socket", "once", "args", code)(clients.get(client), once, unpack(args)),
  load: ({ path }) => void require(path),
  ack: ({ ack, args }) => {
    acks.get(ack)(...unpack(args));
    acks.delete(ack);
  },
  close: () => {
    for (const socket of clients.values()) {
      socket.removeAllListeners();
      socket.offAny?.();
      if (socket.io) socket.io._close?.();
      socket.disconnect ? socket.disconnect() : socket.close();
    }
    clients.clear();
    acks.clear();
  },
};

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const request = JSON.parse(line);
    try {
      say({ id: request.id, result: pack(await operations[request.op](request)) });
    } catch (error) {
      say({ id: request.id, error: String(error?.stack ?? error) });
    }
  })
  .on("close", () => process.exit(0));
