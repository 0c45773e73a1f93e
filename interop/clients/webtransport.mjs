// The reference client in Deno. Arguments: URL, hash of the certificate, transports apart by commas. It prints, as JSON,
// by what it is connected in the end, what came back of text and of bytes, and why it was disconnected.
import { createRequire } from "node:module";

const { io } = createRequire(import.meta.url)("sio4");
const [url, hash, transports] = Deno.args;
const value = Uint8Array.from(hash.match(/../g), (pair) => parseInt(pair, 16));
const socket = io(url, {
  transports: transports.split(","),
  transportOptions: { webtransport: { serverCertificateHashes: [{ algorithm: "sha-256", value }] } },
  reconnection: false,
});
const { engine } = socket.io;
const upgraded = new Promise((resolve) => engine.on("upgrade", resolve));
socket.on("connect_error", (error) => finish({ error: error.message, status: error.context?.status }));
socket.on("connect", async () => {
  if (transports.includes(",")) await upgraded;
  const text = await socket.emitWithAck("ack", "é".repeat(1000));
  const bytes = await socket.emitWithAck("ack", new Uint8Array(100_000).fill(7));
  const transport = engine.transport.name;
  socket.on("disconnect", (reason) => finish({ transport, text, bytes: bytes.byteLength, reason }));
  socket.emit("leave");
});

function finish(about) {
  console.log(JSON.stringify(about));
  Deno.exit(0);
}
