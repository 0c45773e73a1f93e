// What each measured server does, for those in JavaScript; `benchmarks/server.py` is the same.
export function serve(io) {
  io.on("connection", (socket) => {
    socket.on("echo", (data) => socket.emit("echo", data));
    socket.on("ack", (data, done) => done(data));
    socket.on("fanout", (data) => io.emit("fanout", data));
    socket.on("cpu", (done) => {
      const { user, system } = process.cpuUsage();
      done((user + system) / 1e6);
    });
    socket.on("memory", (done) => done(Math.round(process.memoryUsage.rss() / 1024)));
  });
}

// Prints the port, and ends with its input.
export function ready(port) {
  console.log(port);
  process.stdin.on("end", () => process.exit(0));
  process.stdin.resume();
}
