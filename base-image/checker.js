// Judges the source of functions before they are baked: `POST /check?file=NAME` with one TypeScript or JavaScript module answers
//   {"ok":true,"form":"request","code":"<JavaScript>"}                          form: request, event, serve or node
//   {"ok":false,"diagnostics":[{"file","line","column","code","message"}]}
// and 503 when it cannot judge now, 504 when the check took longer than the deadline (milliseconds, first argument).
//
// Source is hostile. It is parsed in another process, analyst.js, that has no permissions but the socket between the two and is
// replaced when it crashes, hangs or has grown. One check at a time.
import { receive, send } from "./frames.js";

const deadline = Number(Deno.args[0]) || 10_000;
const startDeadline = 30_000;
const longestQueue = 64;
const maximumSource = 64 << 20;
/** What the analyst compiled stays in its memory: after this many bytes of source, or checks, it is replaced. */
const retireAfter = { bytes: 32 << 20, checks: 1000 };

/** What every child process gets: Deno's own files in `directory`, which goes with the process. */
function childOptions(directory) {
  return {
    clearEnv: true,
    env: { DENO_DIR: `${directory}/deno`, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  };
}

class Analyst {
  #directory;
  #process;
  #connection;
  #bytes = 0;
  #checks = 0;

  /** Starts one and lets it do a first check, so that the next is fast. */
  static async start() {
    const analyst = new Analyst();
    try {
      await analyst.#start();
      const source = "export default (request: Request) => new Response(request.url);";
      const { result } = await analyst.check("warm.ts", source, startDeadline);
      if (!result?.ok) throw new Error(`its first check failed: ${JSON.stringify(result)}`);
      return analyst;
    } catch (error) {
      analyst.end();
      throw error;
    }
  }

  async #start() {
    this.#directory = await Deno.makeTempDir({ prefix: "analyst-" });
    const path = `${this.#directory}/socket`;
    const listener = Deno.listen({ transport: "unix", path });
    const script = new URL("analyst.js", import.meta.url).pathname;
    const flags = ["--quiet", "--no-check", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--cached-only"];
    try {
      this.#process = new Deno.Command(Deno.execPath(), {
        args: ["test", ...flags, `--allow-net=unix:${path}`, `--allow-read=${path}`, `--allow-write=${path}`, script, "--", path],
        ...childOptions(this.#directory),
      }).spawn();
      this.#connection = await within(startDeadline, listener.accept(), () => this.end());
    } finally {
      listener.close();
    }
  }

  /** { result }, or { late: true } past the deadline, or { ended: status } when the source was too much for the process. */
  async check(file, source, milliseconds) {
    this.#bytes += source.length;
    this.#checks++;
    const answer = this.#ask({ file, source }, milliseconds).catch(() => undefined);
    const result = await within(milliseconds, answer, () => this.end()).catch(() => late);
    if (result === late) return { late: true };
    if (result) return { result };
    this.end();
    return { ended: await this.#process.status };
  }

  async #ask(question, milliseconds) {
    await send(this.#connection, question);
    const answer = await receive(this.#connection, 4 * maximumSource);
    if (!answer?.decorators) return answer;
    const transpiled = await transpile(question.source, milliseconds);
    return transpiled === undefined ? undefined : await this.#ask({ ...question, transpiled }, milliseconds);
  }

  get isUsedUp() {
    return this.#bytes > retireAfter.bytes || this.#checks >= retireAfter.checks;
  }

  /** Kills the process and removes its files. */
  end() {
    try {
      this.#connection?.close();
    } catch {
      // Closed already.
    }
    try {
      this.#process?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    const directory = this.#directory;
    this.#process?.status.finally(() => Deno.remove(directory, { recursive: true })).catch(() => {});
  }
}

/** The JavaScript of a module that parses, as `deno run` would make it. */
async function transpile(source, milliseconds) {
  const directory = await Deno.makeTempDir({ prefix: "transpile-" });
  try {
    await Deno.writeTextFile(`${directory}/main.ts`, source);
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["transpile", "--quiet", "--no-config", "--no-lock", "--source-map", "inline", "--output", "main.js", "main.ts"],
      cwd: directory,
      ...childOptions(directory),
      signal: AbortSignal.timeout(milliseconds),
    }).output();
    return success ? await Deno.readTextFile(`${directory}/main.js`) : undefined;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const late = Symbol("late");

/** What `promise` gives, or `late` thrown after `onLate()` when it takes longer than `milliseconds`. */
async function within(milliseconds, promise, onLate) {
  const { promise: expiry, reject } = Promise.withResolvers();
  const timer = setTimeout(() => {
    onLate();
    reject(late);
  }, milliseconds);
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

let analyst = Analyst.start();
let queue = Promise.resolve();
let queued = 0;

function replaceAnalyst(old) {
  old?.end();
  analyst = Analyst.start();
  analyst.catch((error) => console.error("checker: the analyst did not start:", error));
}

/** One check: the status and body of the answer. */
async function judge(file, source) {
  let current;
  try {
    current = await analyst;
  } catch (error) {
    replaceAnalyst();
    return [503, { error: `The checker could not start its parser: ${error?.message ?? "it took too long"}` }];
  }
  const { result, late, ended } = await current.check(file, source, deadline);
  if (!result || current.isUsedUp) replaceAnalyst(current);
  if (result) return [200, result];
  if (late) return [504, { error: `The check took longer than ${deadline} ms.` }];
  const message = "The module is too complex to parse: its code is nested too deeply or needs too much memory " +
    `(the parser ended with ${ended.signal ?? `exit code ${ended.code}`}).`;
  return [200, { ok: false, diagnostics: [{ file, code: "too-complex", message }] }];
}

/** Runs `work` after everything asked before. */
async function inTurn(work) {
  const before = queue;
  const { promise, resolve } = Promise.withResolvers();
  queue = promise;
  queued++;
  try {
    await before;
    return await work();
  } finally {
    queued--;
    resolve();
  }
}

async function handle(request) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/healthz") return Response.json({ ok: true });
  if (pathname !== "/check") return Response.json({ error: "There is only POST /check." }, { status: 404 });
  if (request.method !== "POST") return Response.json({ error: "Use POST." }, { status: 405, headers: { allow: "POST" } });
  const file = searchParams.get("file") ?? "";
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(file)) {
    return Response.json({ error: "file must be a plain file name of at most 100 characters." }, { status: 400 });
  }
  const bytes = await body(request);
  if (!bytes) return Response.json({ error: `The source has more than ${maximumSource} bytes.` }, { status: 413 });
  const source = decode(bytes);
  if (source === undefined) {
    return Response.json({ ok: false, diagnostics: [{ file, code: "encoding", message: "The source is not UTF-8 text." }] });
  }
  if (queued >= longestQueue) {
    return Response.json({ error: "Too many checks are waiting." }, { status: 503, headers: { "retry-after": "1" } });
  }
  const [status, answer] = await inTurn(() => judge(file, source));
  return Response.json(answer, { status });
}

/** The request's body; undefined when it is too large. */
async function body(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > maximumSource) return undefined;
    chunks.push(chunk);
  }
  return await new Blob(chunks).bytes();
}

function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

await analyst;
const server = Deno.serve({ onListen() {} }, handle);
for (const signal of ["SIGTERM", "SIGINT"]) {
  Deno.addSignalListener(signal, async () => {
    await server.shutdown();
    (await analyst.catch(() => undefined))?.end();
    Deno.exit(0);
  });
}
