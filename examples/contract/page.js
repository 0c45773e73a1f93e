// The same for a page without a build step: the types in comments are checked, and browsers see none of them.

import { io } from "socket.io-client";

/**
 * @import { Socket } from "socket.io-client"
 * @import { ClientToServerEvents, Order, ServerToClientEvents } from "./events.js"
 */

/** @type {Socket<ServerToClientEvents, ClientToServerEvents>} */
const shop = io();

shop.on("brewed", (pot) => {
  document.title = `${pot.tea} is ready`;
});

/** @param {Order} wish */
export async function order(wish) {
  const placed = await shop.emitWithAck("place", wish);
  return "error" in placed ? `no: ${placed.message}` : `order ${placed.number} takes ${placed.minutes} minutes`;
}
