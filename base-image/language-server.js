// A resident `deno lsp` that tells the type errors of modules: 10 to 70 ms each, where `deno check` takes two seconds.
//
// Source under check is hostile, and so is what the server says of it: answers are bounded in size and read strictly. One check at a
// time: modules that are open at the same time see each other's globals.
import { late, within } from "./within.js";

/** Where a server finds the types that functions may use beside Deno's own. */
const ownConfiguration = new URL("check.json", import.meta.url).pathname;
/** Beyond this heap the server gives the check up; past its own reserve it ends. */
export const flags = "--max-old-space-size=400,--max-semi-space-size=2";
/** There is none; this way Deno knows at once. */
export const noNetwork = { HTTP_PROXY: "http://127.0.0.1:1", HTTPS_PROXY: "http://127.0.0.1:1" };
const startDeadline = 60_000;
const maximumAnswer = 32 << 20;
/** What it has once looked at stays in its memory: after this many checks or units of text, or one check so slow, it is replaced. */
const usedUp = { checks: 300, length: 16 << 20, milliseconds: 1500 };

/** What a first check makes the server load: Deno's and the web's types, and Node's. */
const sample = `import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
Deno.serve((request: Request): Response => new Response(request.url, { headers: new Headers() }));
export const used = [createServer, readFile, new URL("http://localhost/"), Buffer.from("")];
export default function handler({ req }: { req: Deno.RequestEvent }): Promise<void> {
  return req.respondWith(Response.json({}));
}
`;

export class LanguageServer {
  #directory;
  #packages;
  #process;
  #writer;
  #answers = new Map();
  #lastID = 0;
  #checks = 0;
  #length = 0;
  #slow = false;
  /** Settles when the process has ended or says what cannot be understood. */
  #ended;

  /**
   * Starts one and lets it do a first check, so that the next is fast. Throws when that does not work. With `packages`, { directory,
   * configuration, environment } as in packages.js, it knows those; `signal` ends it while it starts.
   */
  static async start(packages, signal) {
    const server = new LanguageServer();
    server.#packages = packages;
    signal?.addEventListener("abort", () => server.end(), { once: true });
    try {
      await within(startDeadline, server.#start(), () => server.end());
      const result = await server.check({ files: [{ path: "warm.ts", text: sample }], open: ["warm.ts"] }, startDeadline);
      if (!result.items) throw new Error("its first check failed");
      if (result.items.length > 0) throw new Error(`its first check found ${JSON.stringify(result.items[0])}`);
      server.#slow = false;
      return server;
    } catch (error) {
      server.end();
      throw error === late ? new Error("it took too long") : error;
    }
  }

  async #start() {
    this.#directory = await Deno.makeTempDir({ prefix: "server-" });
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["lsp", "--quiet"],
      cwd: this.#directory,
      clearEnv: true,
      env: {
        DENO_DIR: this.#packages?.directory ?? `${this.#directory}/deno`,
        DENO_NO_UPDATE_CHECK: "1",
        DENO_V8_FLAGS: flags,
        NO_COLOR: "1",
        ...(this.#packages?.environment ?? noNetwork),
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#ended = this.#read().catch((error) => console.error("checker: the type checker's server ended:", error?.message))
      .finally(() => this.end());
    await this.#ask("initialize", {
      processId: null,
      rootUri: null,
      capabilities: { workspace: { configuration: true }, textDocument: { diagnostic: {} } },
      initializationOptions: this.#settings,
    });
    this.#tell("initialized", {});
  }

  get #settings() {
    return {
      enable: true,
      config: this.#packages?.configuration ?? ownConfiguration,
      cacheOnSave: false,
      // What is beside the configuration is nothing that anybody edits.
      documentPreloadLimit: 0,
      lint: false,
      suggest: { imports: { autoDiscover: false } },
    };
  }

  /**
   * The errors in the modules `open` of `files` [{ path, text }]: { items: [{ path, … }] } as the server gives them; or
   * { late: true } past `milliseconds`, { gaveUp: true } when it could not cope with them, { ended: true } when it is no more.
   */
  async check({ files, open, javascript }, milliseconds) {
    const begin = performance.now();
    const root = `${this.#directory}/${crypto.randomUUID()}`;
    this.#checks++;
    for (const { text } of files) this.#length += text.length;
    try {
      const answer = this.#checkBelow(root, files, open, javascript);
      return await within(milliseconds, Promise.race([answer, this.#ended.then(() => ({ ended: true }))]), () => this.end());
    } catch (error) {
      if (error === late) return { late: true };
      if (error instanceof GivenUp) return { gaveUp: true };
      this.end();
      return { ended: true };
    } finally {
      this.#slow ||= performance.now() - begin > usedUp.milliseconds;
      await Deno.remove(root, { recursive: true }).catch(() => {});
    }
  }

  /** Whether it says anything within `milliseconds`: it answers what it does not know with an error, at once. */
  async answers(milliseconds) {
    const answer = this.#ask("kiln/ping", null).then(() => true, (error) => error instanceof GivenUp);
    return await within(milliseconds, answer, () => {}).catch(() => false);
  }

  async #checkBelow(root, files, open, javascript) {
    // What is open is on no disk: a module that is, the server would go on to know after it is closed, with all its globals.
    for (const { path, text } of files) {
      if (open.includes(path)) continue;
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, text);
    }
    const texts = new Map(files.map(({ path, text }) => [path, text]));
    const uri = (path) => `file://${root}/${path.split("/").map(encodeURIComponent).join("/")}`;
    for (const path of open) {
      const languageId = javascript || /\.[cm]?jsx?$/.test(path) ? "javascript" : "typescript";
      this.#tell("textDocument/didOpen", { textDocument: { uri: uri(path), languageId, version: 1, text: texts.get(path) } });
    }
    const items = [];
    try {
      for (const path of open) {
        const answer = await this.#ask("textDocument/diagnostic", { textDocument: { uri: uri(path) } });
        if (!Array.isArray(answer?.items)) throw new GivenUp();
        for (const item of answer.items) {
          if (item?.severity === 1) items.push({ ...item, path });
        }
      }
    } finally {
      for (const path of open) this.#tell("textDocument/didClose", { textDocument: { uri: uri(path) } });
    }
    return { items, root };
  }

  /** Whether another should take its place. */
  get isUsedUp() {
    return this.#slow || this.#checks > usedUp.checks || this.#length > usedUp.length;
  }

  /** Kills the process and removes its files; settles when both are gone. */
  end() {
    try {
      this.#process?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    for (const { reject } of this.#answers.values()) reject(new Error("the server has ended"));
    this.#answers.clear();
    const directory = this.#directory;
    return this.#process?.status.finally(() => Deno.remove(directory, { recursive: true })).catch(() => {});
  }

  /** The answer to a request; throws GivenUp for an error. */
  #ask(method, params) {
    const id = ++this.#lastID;
    const answer = Promise.withResolvers();
    answer.promise.catch(() => {});
    this.#answers.set(id, answer);
    this.#send({ id, method, params });
    return answer.promise;
  }

  #tell(method, params) {
    this.#send({ method, params });
  }

  #send(message) {
    const body = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.#writer.write(new TextEncoder().encode(`Content-Length: ${body.length}\r\n\r\n`)).catch(() => {});
    this.#writer.write(body).catch(() => {});
  }

  /** Takes what the server says until it ends: answers, and its own questions, of which one matters. */
  async #read() {
    for await (const message of messages(this.#process.stdout)) {
      if (typeof message.method === "string") {
        if (message.id === undefined) continue;
        const items = message.method === "workspace/configuration" ? message.params?.items ?? [] : undefined;
        this.#send({ id: message.id, result: items?.map?.(({ section }) => section === "deno" ? this.#settings : {}) ?? null });
        continue;
      }
      const waiting = this.#answers.get(message.id);
      this.#answers.delete(message.id);
      if (message.error) waiting?.reject(new GivenUp(String(message.error.message)));
      else waiting?.resolve(message.result);
    }
  }
}

/**
 * Whether an error says that the server does not have a module that is imported from elsewhere. Whether it can be had is found out when
 * it is resolved.
 */
export function isMissingModule({ code }) {
  return /^(no-cache|not-installed)/.test(String(code));
}

/** What the server answers with an error to: mostly types that need too much memory. */
class GivenUp extends Error {}

/** The JSON messages in a stream of the language server protocol; throws for what is none. */
async function* messages(stream) {
  let buffer = new Uint8Array(1 << 16);
  let filled = 0;
  let expected;
  for await (const chunk of stream) {
    if (filled + chunk.length > buffer.length) {
      const larger = new Uint8Array(Math.max(buffer.length * 2, filled + chunk.length));
      larger.set(buffer.subarray(0, filled));
      buffer = larger;
    }
    buffer.set(chunk, filled);
    filled += chunk.length;
    for (;;) {
      if (expected === undefined) {
        const head = new TextDecoder("latin1").decode(buffer.subarray(0, Math.min(filled, 1024)));
        const end = head.indexOf("\r\n\r\n");
        if (end < 0 && filled < 1024) break;
        expected = Number(/^content-length: (\d{1,9})\r$/im.exec(head.slice(0, end + 2))?.[1]);
        if (!(expected <= maximumAnswer)) throw new Error(`a message of ${expected} bytes, ${maximumAnswer} are allowed`);
        buffer.copyWithin(0, end + 4, filled);
        filled -= end + 4;
      }
      if (filled < expected) break;
      yield JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, expected)));
      buffer.copyWithin(0, expected, filled);
      filled -= expected;
      expected = undefined;
    }
    if (filled === 0 && buffer.length > 1 << 20) buffer = new Uint8Array(1 << 16);
  }
}
