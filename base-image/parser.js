// Parses the source of modules in another process, analyst.js, that has no permissions but the socket between the two and is replaced
// when it crashes, hangs or has grown. One question at a time.
import { receive, send } from "./frames.js";
import { late, within } from "./within.js";

const startDeadline = 30_000;
const longestQueue = 64;
const maximumAnswer = 256 << 20;
/** What the analyst compiled stays in its memory: after this many units of source, or questions, it is replaced. */
const retireAfter = { length: 32 << 20, questions: 1000 };

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
  #length = 0;
  #questions = 0;

  /** Starts one and lets it do a first check, so that the next is fast. */
  static async start() {
    const analyst = new Analyst();
    try {
      await analyst.#start();
      const source = "export default (request: Request) => new Response(request.url);";
      const { result } = await analyst.ask({ file: "warm.ts", source }, startDeadline);
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
  async ask(question, milliseconds) {
    this.#length += sizeOf(question);
    // Every module that was compiled makes the next one a little slower.
    this.#questions += question.types ? 1 : 1 + (question.files?.length ?? 0);
    const answer = this.#ask(question, milliseconds).catch(() => undefined);
    const result = await within(milliseconds, answer, () => this.end()).catch(() => late);
    if (result === late) return { late: true };
    if (result) return { result };
    this.end();
    return { ended: await this.#process.status };
  }

  async #ask(question, milliseconds) {
    await send(this.#connection, question);
    const answer = await receive(this.#connection, maximumAnswer);
    if (!answer?.decorators) return answer;
    const transpiled = question.files
      ? await transpileAll(question.files, answer.decorators, milliseconds)
      : await transpile(question.source, milliseconds);
    return transpiled === undefined ? undefined : await this.#ask({ ...question, transpiled }, milliseconds);
  }

  get isUsedUp() {
    return this.#length > retireAfter.length || this.#questions >= retireAfter.questions;
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

function sizeOf({ source, files = [] }) {
  return files.reduce((size, { text }) => size + (text?.length ?? 0), source?.length ?? 0);
}

/** The JavaScript of the `files` at `paths`, by path. */
async function transpileAll(files, paths, milliseconds) {
  const transpiled = {};
  for (const path of paths) {
    const { text } = files.find((file) => file.path === path);
    transpiled[path] = await transpile(text.replace(/^\ufeff/, ""), milliseconds);
    if (transpiled[path] === undefined) return undefined;
  }
  return transpiled;
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

let analyst;
let queue = Promise.resolve();
let queued = 0;

/** Starts the process; settles when it is ready for questions. */
export async function prepareParser() {
  analyst = Analyst.start();
  await analyst;
}

/** Ends the process. */
export async function stopParser() {
  (await analyst?.catch(() => undefined))?.end();
}

/** Whether as many questions are waiting as may. */
export function isParserBusy() {
  return queued >= longestQueue;
}

function replaceAnalyst(old) {
  old?.end();
  analyst = Analyst.start();
  analyst.catch((error) => console.error("checker: the analyst did not start:", error));
}

/**
 * What analyst.js says to `question`, after everything asked before: { result }, { late: true } when that took longer than
 * `milliseconds`, or { unavailable: why }.
 */
export function askParser(question, milliseconds) {
  return inTurn(async () => {
    for (let attempt = 1;; attempt++) {
      let current;
      try {
        current = await analyst;
      } catch (error) {
        replaceAnalyst();
        return { unavailable: `The parser does not start: ${error?.message ?? "it took too long"}` };
      }
      const { result, late, ended } = await current.ask(question, milliseconds);
      if (!result || current.isUsedUp) replaceAnalyst(current);
      if (result || late) return { result, late };
      // It may have been ended from outside: only source that ends two has to do with it.
      if (attempt === 1) continue;
      const message = "The module is too complex to parse: its code is nested too deeply or needs too much memory " +
        `(the parser ended with ${ended.signal ?? `exit code ${ended.code}`}).`;
      return { result: { ok: false, diagnostics: [{ file: question.file ?? question.entry, code: "too-complex", message }] } };
    }
  });
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
