// Echoes with a number of events in flight, for benchmarks/client.py: URL, in flight, seconds. Prints echoes
// and the CPU seconds that they took.
const { io } = require("sio4");

const [url, inFlight, seconds] = process.argv.slice(2);
const socket = io(url, { transports: ["websocket"] });
let count = 0;
socket.on("echo", (text) => {
  count++;
  socket.emit("echo", text);
});
socket.on("connect", () => {
  for (let i = 0; i < Number(inFlight); i++) socket.emit("echo", "x".repeat(32));
  setTimeout(() => {
    count = 0;
    const before = process.cpuUsage();
    setTimeout(() => {
      const used = process.cpuUsage(before);
      console.log(count, (used.user + used.system) / 1e6);
      process.exit(0);
    }, Number(seconds) * 1000);
  }, 500);
});
