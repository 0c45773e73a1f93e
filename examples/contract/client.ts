// Orders tea, with the types of events.ts.
import { io, type Socket } from "socket.io-client";
import type { ClientToServerEvents, ServerToClientEvents } from "./events.js";

const shop: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://127.0.0.1:3000");

shop.on("brewed", (pot) => {
  console.log(`${pot.tea} is ready, with a photo of ${pot.photo.byteLength} bytes`);
});

const placed = await shop.emitWithAck("place", { tea: "assam", cups: 2 });
if ("error" in placed) {
  console.log(`no: ${placed.message}`);
} else {
  console.log(`order ${placed.number} takes ${placed.minutes} minutes`);
  shop.emit("rate", placed.number, 4);
}
