// Deno as the process that loads a module graph for resolve.js, and what it reports as problems with the imports.
import { contradiction } from "./lock.js";

const maximumGraph = 64 << 20;
const maximumErrors = 64 << 10;
const maximumProblems = 50;
const maximumHeap = 512;

export class Loader {
  #order;
  #directory;
  #port;
  #signal;
  /** The specifiers of the modules that the imports lead to. */
  modules = [];

  /** Loads `order`'s imports, which `main.ts` in `directory` has, through the proxy on `port`, until `signal` stops it. */
  constructor(order, directory, port, signal) {
    this.#order = order;
    this.#directory = directory;
    this.#port = port;
    this.#signal = signal;
  }

  /** Fills the directory's `deno` and writes its `deno.lock`; the problems that were in the way, if any. */
  async load() {
    const info = await this.#run("info", ["--json", this.#order.lock ? "--lock=deno.lock" : "--no-lock"]);
    if (this.#signal.aborted) return [];
    if (!info.success) return [this.#failure(info)];
    const graph = JSON.parse(info.output);
    this.modules = graph.modules.map(({ specifier }) => specifier);
    const problems = problemsIn(graph, this.#order.imports);
    if (problems.some(({ kind }) => kind === "outside")) {
      // Why, only this command says.
      const failed = await this.#run("cache", ["--lock=deno.lock"]);
      if (failed.success || this.#signal.aborted) return problems;
      const failure = await this.#explained(this.#failure(failed));
      if (problems.some(({ message }) => message.startsWith("Failed caching"))) return [failure];
      return problems.map((problem) =>
        authority(problem) === authority(failure) ? { ...problem, message: failure.message } : problem
      );
    }
    if (problems.length > 0) return problems;
    // Writes the lock. Nothing is loaded again.
    const locked = await this.#run("cache", ["--lock=deno.lock"]);
    return locked.success || this.#signal.aborted ? [] : [this.#failure(locked)];
  }

  /** A failure with its cause, which Deno keeps to itself for JSR's lists: what is asked for by its URL tells it. */
  async #explained(failure) {
    if (failure.hasCause || !failure.url) return failure;
    const asked = await this.#run("cache", ["--no-lock"], failure.url);
    if (asked.success || this.#signal.aborted) return failure;
    const { message, hasCause } = this.#failure(asked);
    return hasCause ? { ...failure, message } : failure;
  }

  async #run(command, flags, root = "main.ts") {
    const directory = this.#directory;
    const proxy = `http://127.0.0.1:${this.#port}`;
    const certificates = this.#order.certificates ? { DENO_CERT: `${directory}/certificates.pem` } : {};
    const process = new Deno.Command(Deno.execPath(), {
      args: [command, ...flags, "--quiet", "--no-config", "--node-modules-dir=none", "--allow-import", root],
      cwd: directory,
      clearEnv: true,
      env: {
        DENO_DIR: `${directory}/deno`,
        DENO_NO_UPDATE_CHECK: "1",
        DENO_V8_FLAGS: `--max-heap-size=${maximumHeap}`,
        HTTP_PROXY: proxy,
        HTTPS_PROXY: proxy,
        JSR_URL: this.#order.jsr,
        NO_COLOR: "1",
        NPM_CONFIG_REGISTRY: this.#order.npm,
        ...certificates,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: this.#signal,
    }).spawn();
    const stop = () => process.kill("SIGKILL");
    const [output, errors, { success }] = await Promise.all([
      limited(process.stdout, maximumGraph, stop),
      limited(process.stderr, maximumErrors, () => {}),
      process.status,
    ]);
    return { success, output, errors };
  }

  /** Something that is not what the lock says. */
  #mismatch(errors) {
    const { imports } = this.#order;
    const [, gone] = /Failed caching npm package '(\S+)'\n +0: Could not find npm package tarball/.exec(errors) ?? [];
    if (gone) return contradiction({ name: gone, section: "npm" }, imports, "is locked, and is not to be had any more.");
    const [, name] = /Integrity check failed for (?:package|remote specifier)[^]*?(?:Package|Specifier): (\S+)/.exec(errors) ??
      /Tarball checksum did not match what was provided by npm registry for (\S+?)\.?\s/.exec(errors) ?? [];
    if (!name) return undefined;
    const section = /^https?:/.test(name) ? "remote" : /checksum did not match/.test(errors) ? "npm" : "jsr";
    return contradiction({ name, section }, imports);
  }

  /** What ended the process, when no import alone is to blame. */
  #failure({ output, errors }) {
    const text = `${errors}\n${output}`;
    if (/No space left on device|os error 28/.test(text)) {
      return { import: 0, kind: "large", message: `The imports need more than ${this.#order.bytes} bytes.` };
    }
    const mismatch = this.#order.lock ? this.#mismatch(errors) : undefined;
    if (mismatch) return mismatch;
    const message = /^error: (.*)/m.exec(errors)?.[1] ?? "Deno could not load the imports.";
    const cause = /^ +0: (.*)/m.exec(errors)?.[1];
    const whole = cause ? `${plain(message)} ${plain(cause)}` : message;
    const url = urlIn(whole);
    const distrust = /invalid peer certificate: (.*)/.exec(errors)?.[1];
    if (distrust) {
      const explained = certificateProblem(distrust, authority({ url }));
      return { import: 0, kind: "outside", message: explained, url, hasCause: true };
    }
    return { import: 0, kind: kindOf(message), message: plain(whole), url, hasCause: cause !== undefined };
  }
}

/** The text of a stream; what is more than `limit` bytes is dropped, and `onExcess` is told. */
async function limited(stream, limit, onExcess) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length <= limit) chunks.push(chunk);
    else onExcess();
  }
  return await new Blob(chunks).text();
}

/** The problems that `deno info --json` tells of, each with the first of `imports` that leads to it. */
export function problemsIn(graph, imports) {
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const main = graph.modules.find(({ specifier }) => specifier === graph.roots[0]);
  const told = new Set();
  const problems = [];
  for (const [index, { specifier, type }] of imports.entries()) {
    const found = main?.dependencies?.find((dependency) =>
      dependency.specifier === specifier && dependency.assertionType === type
    ) ??
      main?.dependencies?.find((dependency) => dependency.specifier === specifier);
    const note = (message, at) => {
      if (told.has(at ?? message) || problems.length === maximumProblems) return;
      told.add(at ?? message);
      problems.push({ import: index, kind: kindOf(message), message: plain(message), url: urlIn(message) ?? at });
    };
    const target = found?.code ?? found?.type;
    if (target?.error) note(target.error);
    const pending = [target?.specifier].filter(Boolean);
    const seen = new Set(pending);
    while (pending.length > 0) {
      const asked = pending.shift();
      const module = modules.get(asked) ?? modules.get(graph.redirects?.[asked]);
      if (module?.error) note(module.error, module.specifier);
      for (const { code, specifier: written } of module?.dependencies ?? []) {
        if (code?.error) note(`${module.specifier} imports ${JSON.stringify(written)}: ${code.error}`);
        if (!code?.specifier || seen.has(code.specifier)) continue;
        seen.add(code.specifier);
        pending.push(code.specifier);
      }
    }
  }
  // What no import leads to by name, e.g. a package that a package needs.
  for (const { error, specifier } of graph.modules) {
    if (error && !told.has(specifier) && problems.length === 0) {
      problems.push({ import: 0, kind: kindOf(error), message: plain(error), url: urlIn(error) });
    }
  }
  return problems;
}

/** Who can do something about it: `source`, whoever wrote the import; `outside`, whoever runs what it comes from. */
function kindOf(message) {
  return /^Import '.*' failed|^Failed loading|failed to load|error sending request|[Ff]ailed downloading|^Failed caching/.test(
      message,
    )
    ? "outside"
    : "source";
}

/** What is wrong with the certificate of `host`. */
function certificateProblem(reason, host) {
  const name = host ? `The certificate of ${host}` : "A certificate";
  if (!/UnknownIssuer|CaUsedAsEndEntity/.test(reason)) return plain(`${name} is not valid: ${reason}`);
  return `${name} is not of an authority that is trusted here (${
    plain(reason).slice(0, -1)
  }). The operator of this platform can have it ` +
    "trusted with --ca FILE.";
}

/** The host and port that a problem is about. */
function authority({ url }) {
  return URL.parse(url)?.host;
}

function urlIn(message) {
  return /https?:\/\/[^\s'"]+/.exec(message)?.[0];
}

/** A message as a sentence of its own. */
function plain(message) {
  const text = message.split("\n", 1)[0].trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
