// Runs a function: finds its handler, serves it, and drains on SIGTERM.
//
// Two ways to start it, decided when the image is baked:
//   deno run … /kiln/bootstrap.js request|event [MODULE]   a module with a default export: this script serves it
//   deno run … --preload=/kiln/bootstrap.js /app/main.js   a script that calls Deno.serve itself; import.meta.main is true in it
// Where to listen comes from DENO_SERVE_ADDRESS, which Deno applies to the first server of a process whatever port a script names.

const functionModule = new URL((import.meta.main && Deno.args[1]) || "../app/main.js", import.meta.url).href;

/** How long code that waits for its servers to finish may go on after they have, in milliseconds. */
const farewell = 250;

/** The servers to shut down: anything with `shutdown(): Promise`. */
export const servers = new Set();
let everServed = false;
let draining = false;

/** Adds a running server; `finished` settles when it has stopped by itself. */
export function track(server, finished) {
  everServed = true;
  servers.add(server);
  finished.catch(() => {}).finally(() => servers.delete(server));
  if (draining) server.shutdown().catch(() => {});
}

async function drain() {
  if (draining) return;
  draining = true;
  await Promise.allSettled([...servers].map((server) => server.shutdown()));
  Deno.unrefTimer(setTimeout(() => Deno.exit(0), farewell));
}

/** Tells whoever asks that the event loop turns: a connection gets a byte. It keeps nothing alive. */
async function answerProbes(path) {
  const listener = Deno.listen({ transport: "unix", path });
  listener.unref();
  const alive = new Uint8Array([49]);
  for (;;) {
    try {
      const connection = await listener.accept();
      connection.unref();
      connection.write(alive).catch(() => {}).finally(() => connection.close());
    } catch {
      // All files are open: that passes, and is no reason to be taken for dead.
      await new Promise((done) => Deno.unrefTimer(setTimeout(done, 1000)));
    }
  }
}

const probePath = Deno.env.get("KILN_LIVENESS");
if (probePath) {
  Deno.env.delete("KILN_LIVENESS");
  // Without it the function runs as well; it is only not restarted when it hangs.
  answerProbes(probePath).catch(() => {});
}

function fail(message) {
  console.error(`kiln: ${message}`);
  Deno.exit(1);
}

// Over a unix socket Deno gives requests URLs with the scheme "http+unix", which nothing else understands. One getter for the whole
// process costs nothing per request.
const requestURL = Object.getOwnPropertyDescriptor(Request.prototype, "url");
Object.defineProperty(Request.prototype, "url", {
  ...requestURL,
  get() {
    const url = requestURL.get.call(this);
    return url.startsWith("http+unix:") ? "http:" + url.slice(10) : url;
  },
});

/** The answer when a handler throws: the error is for the log, not for the caller. */
function thrown(error) {
  console.error(error);
  const problem = {
    type: "urn:kiln:function-failed",
    title: "Function failed",
    status: 500,
    detail: "The function threw an error while it handled this request; its log has the error.",
  };
  return Response.json(problem, { status: 500, headers: { "content-type": "application/problem+json" } });
}

const denoServe = Deno.serve;
Deno.serve = function serve(...parameters) {
  const server = denoServe(...parameters);
  track(server, server.finished);
  return server;
};
Deno.addSignalListener("SIGTERM", drain);
Deno.addSignalListener("SIGINT", drain);
globalThis.addEventListener("beforeunload", () => {
  if (draining) return;
  fail(
    everServed
      ? "The module's server has stopped, and with it the function."
      : "The module ended without a handler: call Deno.serve(handler), or export a default function or { fetch }.",
  );
});

/** What a handler of the 2021 form gets as `req`: the request, and the way to answer it. */
class RequestEvent {
  #answer;

  constructor(request, answer) {
    this.request = request;
    this.#answer = answer;
  }

  /** Answers with a Response or a promise of one. */
  respondWith(response) {
    this.#answer(response);
    return Promise.resolve(response).then(() => {}, () => {});
  }

  // Handlers of that time read these from the event itself, too.
  get url() {
    return this.request.url;
  }
  get method() {
    return this.request.method;
  }
  get headers() {
    return this.request.headers;
  }
}

/** A handler of the 2021 form as one that takes a request and returns its response. */
function answering(handler) {
  return (request) =>
    new Promise((resolve, reject) => {
      let answered = false;
      const answer = (response) => {
        answered = true;
        resolve(response);
      };
      const end = (result) => {
        if (result instanceof Response) answer(result);
        else if (!answered) reject(new Error("The handler ended without calling req.respondWith(response)."));
      };
      const fault = (error) => answered ? console.error(error) : reject(error);
      Promise.resolve(handler({ req: new RequestEvent(request, answer) })).then(end).catch(fault);
    });
}

/** The function that serves requests for the default export `value`. */
function handlerOf(value, form) {
  if (form === "event" && typeof value === "function") return answering(value);
  if (typeof value === "function") return value;
  if (typeof value?.fetch === "function") return (request, info) => value.fetch(request, info);
  fail(
    value === undefined
      ? "The module has no default export: export a function or { fetch }, or call Deno.serve(handler)."
      : `The default export is ${value === null ? "null" : `of type ${typeof value}`} and cannot handle requests: ` +
        "export a function or an object with a fetch function.",
  );
}

if (import.meta.main) {
  const [form] = Deno.args;
  Object.defineProperty(Deno, "args", { value: [] });
  const { default: value } = await import(functionModule);
  if (!everServed) {
    const options = { onListen() {}, onError: thrown };
    if (typeof value?.onError === "function") options.onError = (error) => value.onError(error);
    Deno.serve(options, handlerOf(value, form));
  }
}
