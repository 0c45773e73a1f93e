// The server of tests/client, on socket.io. Prints its port. EIO3=1: with allowEIO3; RECOVERY=1: with
// connection state recovery; DEFLATE=1: with permessage-deflate; WEBTRANSPORT=1: with that, for webtransport.mjs.
const { Server } = require("socket.io");

const io = new Server(0, {
  allowEIO3: process.env.EIO3 === "1",
  connectionStateRecovery: process.env.RECOVERY === "1" ? {} : undefined,
  perMessageDeflate: process.env.DEFLATE === "1" ? { threshold: 0 } : false,
  pingInterval: 200,
  transports: ["polling", "websocket", ...(process.env.WEBTRANSPORT === "1" ? ["webtransport"] : [])],
});

function serve(socket) {
  const log = [];
  socket.on("echo", (...args) => socket.emit("echo", ...args));
  socket.on("ack", (...args) => args.pop()(...args));
  socket.on("silent", () => {});
  socket.on("log", (item) => log.push(item));
  socket.on("get_log", (done) => done(log));
  socket.on("burst", (count) => {
    for (let i = 0; i < count; i++) socket.emit("tick", i);
  });
  socket.on("ask", (question) => {
    socket.emit("question", question, (...answer) => socket.emit("answered", answer));
  });
  socket.on("who", (done) => done(socket.handshake.auth));
  socket.on("handshake", (done) =>
    done({ query: socket.handshake.query.room, header: socket.handshake.headers["x-test"] }),
  );
  socket.on("leave", () => socket.disconnect());
  socket.on("drop", () => socket.conn.close());
}

io.on("connection", serve);
io.of("/chat").on("connection", serve);
io.of("/private").use((socket, next) => {
  if (socket.handshake.auth.token === "s3cret") return next();
  const error = new Error("unauthorized");
  error.data = { code: 7 };
  next(error);
});
io.of("/private").on("connection", serve);
io.httpServer.on("listening", () => console.log(io.httpServer.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
module.exports = io;
