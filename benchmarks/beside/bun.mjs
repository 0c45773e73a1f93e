// socket.io on Bun, with the engine that is made for it.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

import { ready, serve } from "./behaviour.mjs";

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
serve(io);
ready(Bun.serve({ port: 0, hostname: "127.0.0.1", ...engine.handler() }).port);
