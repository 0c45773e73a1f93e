// Clients of a JavaScript package against workers: node workers.cjs PACKAGE PORT CLIENTS
// Prints what they saw as one line of JSON.
const client = require(process.argv[2]);
const io = client.io || client;
const [port, count] = [process.argv[3], Number(process.argv[4])];
const kinds = [{ transports: ["polling"] }, { transports: ["websocket"] }, {}];
const ROOMS = 5;
const SHOUTS = 20;

const errors = [];
const heard = [];
const ask = (socket, event, ...args) =>
  new Promise((resolve) => socket.emit(event, ...args, resolve));

async function main() {
  const sockets = [];
  for (let i = 0; i < count; i++) {
    const options = { forceNew: true, reconnection: false, ...kinds[i % kinds.length] };
    const socket = io(`http://127.0.0.1:${port}`, options);
    heard.push([]);
    socket.on("connect_error", (error) => errors.push(`connect_error: ${error.message || error}`));
    socket.on("disconnect", (reason) => errors.push(`disconnect: ${reason}`));
    socket.on("heard", (value) => heard[i].push(value));
    sockets.push(socket);
  }
  const connected = (socket) => new Promise((resolve) => socket.once("connect", resolve));
  await Promise.all(sockets.map(connected));
  const pids = await Promise.all(sockets.map((socket) => ask(socket, "pid")));
  const bytes = await Promise.all(
    sockets.map((socket) => ask(socket, "echo", Buffer.from([1, 2, 255])))
  );
  sockets.forEach((socket, i) => socket.emit("join", `room ${i % ROOMS}`));
  await Promise.all(sockets.map((socket) => ask(socket, "settled", count / ROOMS, `room`)));
  for (let i = 0; i < SHOUTS; i++) {
    sockets[i].emit("shout", `room ${i % ROOMS}`, i);
  }
  const expected = SHOUTS / ROOMS;
  while (errors.length === 0 && heard.some((values) => values.length < expected)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(sockets.map((socket) => ask(socket, "pid"))); // behind whatever is too much
  const right = heard.every(
    (values, i) =>
      values.length === expected && values.every((value) => value % ROOMS === i % ROOMS) &&
      new Set(values).size === expected
  );
  console.log(
    JSON.stringify({
      errors,
      right,
      workers: new Set(pids).size,
      bytes: bytes.every((value) => Buffer.from(value).equals(Buffer.from([1, 2, 255]))),
      count: await ask(sockets[0], "count"),
    })
  );
  process.exit(0);
}

main();
