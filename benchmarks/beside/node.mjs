// socket.io as it comes, on Node.
import { createServer } from "node:http";
import { createRequire } from "node:module";

import { ready, serve } from "./behaviour.mjs";

const { Server } = createRequire(import.meta.url)("socket.io"); // which knows NODE_PATH

const http = createServer();
serve(new Server(http));
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => ready(http.address().port));
