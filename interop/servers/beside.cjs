"use strict";
// One of the two servers of interop/beside: the reference. Prints its port; then a JSON command per
// line on standard input, and an answer per line on standard output, in the order of the commands.
// What happens to a client is noted under the `tag` of its query. The other is interop/beside/ours.py.

const { Server } = require("socket.io");

const io = new Server(0, { allowEIO3: true, pingInterval: 3e5, upgradeTimeout: 3e5, maxHttpBufferSize: 5000 });
const clients = new Map(); // by tag: sessions in order, and what has happened since the last command

function client(tag) {
  if (!clients.has(tag)) clients.set(tag, { sessions: [], log: [], ends: [] });
  return clients.get(tag);
}

function pack(value) {
  if (value === undefined || value === null) return null;
  if (Buffer.isBuffer(value)) return { $bytes: value.toString("hex") };
  if (Array.isArray(value)) return value.map(pack);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)]));
}

function serve(socket) {
  const { sessions, log } = client(socket.conn.request._query.tag);
  const name = socket.nsp.name;
  const session = sessions.indexOf(socket.conn);
  log.push([session, "connect", name, pack({ ...socket.handshake.auth })]);
  socket.on("disconnect", (reason) => log.push([session, "disconnect", name, reason]));
  socket.on("error", (error) => log.push([session, "error", name, String(error?.message ?? error)]));
  socket.onAny((event, ...args) => {
    const known = args.filter((arg) => typeof arg !== "function");
    log.push([session, "event", name, event, pack(known)]);
  });
  const on = (event, handler) =>
    socket.on(event, (...args) => {
      const done = typeof args.at(-1) === "function" ? args.pop() : () => {};
      done(...(handler(...args) ?? []));
    });
  on("echo", (...args) => void socket.emit("echo", ...args));
  on("ack", (...args) => args);
  on("twice", () => {
    socket.emit("one", 1);
    socket.emit("two", Buffer.from([2]));
  });
  on("everybody", () => void io.of(name).to("room " + socket.conn.request._query.tag).emit("all", name));
  on("join", () => void socket.join("room " + socket.conn.request._query.tag));
  on("leave", () => void socket.disconnect());
  on("drop", () => void socket.disconnect(true));
  on("end", () => void socket.conn.close());
}

io.on("connection", serve);
io.of("/chat").on("connection", serve);
io.of(/^\/dyn-\d$/).on("connection", serve);
io.of("/no").use((socket, next) => next(Object.assign(new Error("no"), { data: { code: 1 } })));
io.of("/later").use((socket, next) => setImmediate(next)).on("connection", serve);

io.engine.on("connection", (conn) => {
  const { sessions, ends } = client(conn.request._query.tag);
  const session = sessions.push(conn) - 1;
  conn.on("upgrade", () => ends.push([session, "upgrade"]));
  conn.on("close", (reason) => ends.push([session, "close", reason]));
});

const commands = {
  look: () => {},
  emit: (socket, args) => void socket.emit(...args),
  bytes: (socket, args) => void socket.emit("bytes", Buffer.from("0102ff", "hex"), ...args),
  ask: (socket, args, note) => void socket.emit("ask", ...args, (...answer) => note("answer", pack(answer))),
  leave: (socket) => void socket.disconnect(),
  drop: (socket) => void socket.disconnect(true),
  end: (socket, args, note, conn) => void conn?.close(),
};

function run({ tag, session, what, namespace, args }) {
  const { sessions, log, ends } = client(tag);
  const conn = sessions[session ?? 0];
  const socket = [...(io._nsps.get(namespace)?.sockets.values() ?? [])].find((s) => s.conn === conn);
  const note = (...what) => log.push([session, ...what]);
  if (socket !== undefined || what === "end" || what === "look") commands[what](socket, args, note, conn);
  else note("nobody");
  return { log: log.splice(0), ends: ends.splice(0) };
}

io.httpServer.on("listening", () => console.log(io.httpServer.address().port));
require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => process.stdout.write(JSON.stringify(run(JSON.parse(line))) + "\n"))
  .on("close", () => process.exit(0));
