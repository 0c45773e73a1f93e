"use strict";
// One of the Node servers of a cluster. CARRIER says which adapter it has, ENGINE where its Redis or
// PostgreSQL is, NAME what it calls itself. Prints {"port"}; then one JSON request per line on standard
// input, answers, and events of other servers, as lines on standard output. It ends with its standard
// input. `PythonServer` in servers.py does the same, operation by operation.

const { Server } = require("socket.io");

const { CARRIER, ENGINE, NAME } = process.env;
const RECOVERY = process.env.RECOVERY === "1";

function say(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

// What JSON lacks: bytes travel as {"$bytes": base64}, dates to here as {"$date": ISO}.
function pack(value) {
  if (value === undefined || value === null) return null;
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $bytes: bytes.toString("base64") };
  }
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(pack);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)]));
}

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "base64");
  if (typeof value.$date === "string") return new Date(value.$date);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
}

async function redisClient() {
  const client = require("redis").createClient({ url: ENGINE });
  client.on("error", () => {}); // it connects again by itself
  await client.connect();
  return client;
}

// With more connections than are needed events overtake each other.
const postgresPool = (max) => {
  const pool = new (require("pg").Pool)({ connectionString: ENGINE, max });
  pool.on("error", () => {});
  return pool;
};

const carriers = {
  redis: {
    adapter: async () =>
      require("@socket.io/redis-adapter").createAdapter(await redisClient(), await redisClient()),
    emitter: async () => new (require("@socket.io/redis-emitter").Emitter)(await redisClient()),
  },
  sharded: {
    adapter: async () =>
      require("@socket.io/redis-adapter").createShardedAdapter(await redisClient(), await redisClient()),
  },
  streams: {
    adapter: async () => require("@socket.io/redis-streams-adapter").createAdapter(await redisClient()),
  },
  postgres: {
    adapter: async () => require("@socket.io/postgres-adapter").createAdapter(postgresPool(2)), // one listens
    emitter: async () => new (require("@socket.io/postgres-emitter").Emitter)(postgresPool(1)),
  },
};

let io;
let emitter;

// `target`: what the operators choose, of a namespace, or of an emitter.
function choose(from, { rooms = [], except = [], volatile = false, compress, local = false, timeout } = {}) {
  let chosen = from;
  if (rooms.length) chosen = chosen.to(rooms);
  if (except.length) chosen = chosen.except(except);
  if (volatile) chosen = chosen.volatile;
  if (compress !== undefined) chosen = chosen.compress(compress);
  if (local) chosen = chosen.local;
  if (timeout !== undefined) chosen = chosen.timeout(timeout * 1000);
  return chosen;
}

const acts = {
  emit: (on, { event, args }) => void on.emit(event, ...unpack(args)),
  join: (on, { rooms }) => on.socketsJoin(rooms),
  leave: (on, { rooms }) => on.socketsLeave(rooms),
  disconnect: (on, { close }) => on.disconnectSockets(close),
};

// Answers that have come, and the error if not all have.
async function asked(question) {
  try {
    return { answers: await question };
  } catch (error) {
    return { answers: error.responses ?? [], error: error.message };
  }
}

const described = ({ id, rooms, data, handshake }) => ({
  id,
  rooms: [...rooms].sort(),
  data,
  handshake: { ...handshake },
});

const operations = {
  ask: (here, { target, event, args }) => asked(choose(here, target).emitWithAck(event, ...unpack(args))),
  fetch: async (here, { target }) => (await choose(here, target).fetchSockets()).map(described),
  count: async (here, { target }) => (await choose(here, target).fetchSockets()).length,
  serverEmit: (here, { event, args }) => void here.serverSideEmit(event, ...unpack(args)),
  serverAsk: (here, { event, args }) =>
    new Promise((resolve) =>
      here.serverSideEmit(event, ...unpack(args), (error, answers) =>
        resolve({ answers, error: error?.message }),
      ),
    ),
  serverCount: (here) => here.adapter.serverCount(),
  // What a socket of this process sends to the others.
  socketEmit: (here, { socket: id, target, event, args }) => {
    const socket = here.sockets.get(id);
    choose(target.rooms?.length ? socket : socket.broadcast, target).emit(event, ...unpack(args));
  },
  // What is done to one socket of another process.
  remote: async (here, { socket: id, what, rooms, event, args, close }) => {
    const [socket] = await here.in(id).fetchSockets();
    if (what === "emit") socket.emit(event, ...unpack(args));
    if (what === "ask") return await asked(socket.timeout(10_000).emitWithAck(event, ...unpack(args)));
    if (what === "join") socket.join(rooms);
    if (what === "leave") for (const room of rooms) socket.leave(room); // a local one takes no list
    if (what === "disconnect") socket.disconnect(close);
  },
  emitter: async (here, { what, target, event, args, ...more }) => {
    emitter ??= await carriers[CARRIER].emitter();
    const from = here.name === "/" ? emitter : emitter.of(here.name);
    if (what === "serverEmit") return void from.serverSideEmit(event, ...unpack(args));
    await acts[what](choose(from, target), { event, args, ...more });
  },
};

for (const [name, act] of Object.entries(acts)) {
  operations[name] = (here, { target, ...more }) => act(choose(here, target), more);
}

function serve(namespace) {
  namespace.on("connection", (socket) => {
    socket.data = { name: socket.handshake.auth.name, nested: [null, {}] };
    socket.join(socket.handshake.auth.rooms ?? []);
  });
  namespace.on("note", (...args) => say({ event: "note", namespace: namespace.name, args: pack(args) }));
  namespace.on("question", (...args) => args.pop()({ name: NAME, args }));
  namespace.on("silence", () => {});
}

async function start() {
  io = new Server(0, {
    adapter: await carriers[CARRIER].adapter(),
    ...(RECOVERY && { connectionStateRecovery: {} }),
  });
  serve(io.of("/"));
  serve(io.of("/chat"));
  if (!io.httpServer.listening) await new Promise((resolve) => io.httpServer.once("listening", resolve));
  say({ port: io.httpServer.address().port });
  require("node:readline")
    .createInterface({ input: process.stdin })
    .on("line", async (line) => {
      const { id, op, namespace, ...request } = JSON.parse(line);
      try {
        say({ id, result: pack(await operations[op](io.of(namespace), request)) });
      } catch (error) {
        say({ id, error: String(error?.stack ?? error) });
      }
    })
    .on("close", () => process.exit(0));
}

start();
