// Preloaded beside bootstrap.js for functions that serve through node:http. Kept apart because loading Node's modules costs
// some 25 ms of every start.
import http from "node:http";
import net from "node:net";
import { track } from "./bootstrap.js";

const known = new WeakSet();

for (const prototype of [http.Server.prototype, net.Server.prototype]) {
  if (!Object.hasOwn(prototype, "listen")) continue;
  const { listen } = prototype;
  prototype.listen = function (...parameters) {
    if (!known.has(this)) {
      known.add(this);
      follow(this);
    }
    return listen.apply(this, parameters);
  };
}

/** Lets bootstrap.js shut the server down. On a unix socket it closes without waiting for its requests (Deno 2.9): they are counted. */
function follow(server) {
  const closed = new Promise((resolve) => server.once("close", resolve));
  const answered = Promise.withResolvers();
  let running = 0;
  let draining = false;
  const check = () => draining && running === 0 && answered.resolve();
  server.on("request", (_request, response) => {
    running++;
    response.once("close", () => {
      running--;
      check();
    });
  });
  const shutdown = async () => {
    draining = true;
    server.close();
    server.closeIdleConnections?.();
    check();
    await Promise.all([closed, answered.promise]);
  };
  track({ shutdown }, closed);
}
