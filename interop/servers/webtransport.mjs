// The server of tests/client with WebTransport, in Deno: on the UDP port of the same number.
// Arguments: files of the certificate and its key. It prints its port when both are open.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The reference leaves promises of streams alone whose client has gone: Deno would end for that.
globalThis.addEventListener("unhandledrejection", (event) => event.preventDefault());

const print = console.log;
console.log = () => {}; // the port is not to be said before UDP is open
const io = createRequire(import.meta.url)("./behaviour.cjs");
io.httpServer.on("listening", async () => {
  const { port } = io.httpServer.address();
  const [cert, key] = Deno.args.map((file) => readFileSync(file, "utf8"));
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port });
  const listener = endpoint.listen({ cert, key, alpnProtocols: ["h3"] });
  print(port);
  for await (const incoming of listener) accept(incoming).catch(() => {});
});

async function accept(incoming) {
  const session = await Deno.upgradeWebTransport(await incoming.accept());
  if (new URL(session.url).pathname !== "/socket.io/") return session.close();
  await session.ready;
  io.engine.onWebTransportSession(session);
}
