// The proxy of the process that resolves imports: takes CONNECT, and plain requests with an absolute target (RFC 9112, 3.2.2 and
// 3.2.3), on a port of the loopback device, and hands each on to a connection that somebody else opens.

const longestHead = 32 << 10;

export class Forwarder {
  /** The port it listens on. */
  port;
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #connections = new Set();
  #open;

  /**
   * `open(host, port, outgoing, ended)` gives what the other side sends for what `outgoing` gives, or throws a sentence; `ended` settles
   * when nobody reads that any more.
   */
  constructor(open) {
    this.#open = open;
    this.port = this.#listener.addr.port;
    this.#accept();
  }

  /** Ends it with all of its connections. */
  close() {
    this.#listener.close();
    for (const connection of this.#connections) end(connection);
  }

  async #accept() {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      this.#serve(connection).catch(() => {}).finally(() => {
        this.#connections.delete(connection);
        end(connection);
      });
    }
  }

  async #serve(connection) {
    const received = await readHead(connection);
    const wanted = received && parse(received.head);
    if (!wanted) return await answer(connection, 400, "This is a proxy for http: and https: only.");
    const { promise: ended, resolve: finish } = Promise.withResolvers();
    const outgoing = wanted.head === undefined
      ? reading(connection, received.rest, finish)
      : single(connection, wanted.head, finish);
    let incoming;
    try {
      incoming = await this.#open(wanted.host, wanted.port, outgoing, ended);
    } catch (reason) {
      return await answer(connection, 502, String(reason));
    }
    if (wanted.head === undefined) await write(connection, new TextEncoder().encode("HTTP/1.1 200 Connected\r\n\r\n"));
    const passed = wanted.head === undefined ? incoming : closing(incoming);
    for await (const chunk of passed) await write(connection, chunk);
  }
}

/**
 * A response that says of the connection that it ends. A server that was asked for that need not repeat it (RFC 9112, 9.6), and whoever
 * reads it would send the next request where nobody takes it.
 */
export async function* closing(incoming) {
  let held = new Uint8Array();
  let isWhole = false;
  for await (const chunk of incoming) {
    if (isWhole) {
      yield chunk;
      continue;
    }
    const bytes = new Uint8Array(held.length + chunk.length);
    bytes.set(held);
    bytes.set(chunk, held.length);
    held = bytes;
    const end = new TextDecoder("latin1").decode(held.subarray(0, longestHead)).indexOf("\r\n\r\n");
    if (end < 0 && held.length < longestHead) continue;
    isWhole = true;
    yield end < 0 ? held : withFields(held, end);
  }
  if (!isWhole && held.length > 0) yield held;
}

/** The bytes of a response whose head ends at `end`, with the one field for its connection. */
function withFields(bytes, end) {
  const [line, ...fields] = latin1(bytes.subarray(0, end)).split("\r\n");
  const kept = fields.filter((field) => !/^(connection|keep-alive|proxy-connection)\s*:/i.test(field));
  const head = Uint8Array.from([line, ...kept, "Connection: close"].join("\r\n"), (character) => character.charCodeAt(0));
  const whole = new Uint8Array(head.length + bytes.length - end);
  whole.set(head);
  whole.set(bytes.subarray(end), head.length);
  return whole;
}

/** A character for each byte: TextDecoder's "latin1" is windows-1252 (WHATWG Encoding). */
function latin1(bytes) {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Where a request goes: { host, port }, with the `head` to send there when it is not a CONNECT. */
function parse(head) {
  const [line, ...fields] = head.split("\r\n");
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(line) ?? [];
  if (method === "CONNECT") {
    const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(target) ?? [];
    return host && { host, port: Number(port) };
  }
  if (method !== "GET" || !URL.canParse(target)) return undefined;
  const url = new URL(target);
  if (url.protocol !== "http:") return undefined;
  // One request a connection: the next may be for somebody else.
  const kept = fields.filter((field) => field !== "" && !/^(connection|keep-alive|proxy-[a-z-]+)\s*:/i.test(field));
  const lines = [`GET ${url.pathname}${url.search} HTTP/1.1`, ...kept, "Connection: close", "", ""];
  return { host: url.hostname, port: Number(url.port || 80), head: lines.join("\r\n") };
}

/** The head of a request, and what came after it; undefined when there is none. */
async function readHead(connection) {
  const bytes = new Uint8Array(longestHead);
  for (let filled = 0; filled < bytes.length;) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) return undefined;
    filled += count;
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, filled));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return { head: text.slice(0, end), rest: bytes.slice(end + 4, filled) };
  }
  return undefined;
}

/** Everything that the connection sends, after `first`; `onEnd()` is told when that is all. */
function reading(connection, first, onEnd) {
  return new ReadableStream({
    start(controller) {
      if (first.length > 0) controller.enqueue(first);
    },
    async pull(controller) {
      const bytes = new Uint8Array(64 << 10);
      const count = await connection.read(bytes).catch(() => null);
      if (count !== null) return controller.enqueue(bytes.subarray(0, count));
      onEnd();
      controller.close();
    },
    cancel: () => end(connection),
  });
}

/** One request: whatever the connection sends after it ends the connection. `onEnd()` as above. */
function single(connection, head, onEnd) {
  return new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(head)),
    async pull(controller) {
      const count = await connection.read(new Uint8Array(1)).catch(() => null);
      if (count !== null) end(connection);
      onEnd();
      controller.close();
    },
    cancel: () => end(connection),
  });
}

async function answer(connection, status, reason) {
  const body = new TextEncoder().encode(`${reason}\n`);
  const head = `HTTP/1.1 ${status} Refused\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  await write(connection, new TextEncoder().encode(head));
  await write(connection, body);
}

async function write(connection, bytes) {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}

function end(connection) {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
