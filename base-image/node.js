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
    if (known.has(this)) return listen.apply(this, parameters);
    known.add(this);
    const closed = new Promise((resolve) => this.once("close", resolve));
    const server = {
      shutdown: () => {
        this.close();
        this.closeIdleConnections?.();
        return closed;
      },
    };
    track(server, closed);
    return listen.apply(this, parameters);
  };
}
