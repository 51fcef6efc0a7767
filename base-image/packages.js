// Checks the types of modules that import packages: `deno check` in a process of its own, with what was resolved for them as its cache.
//
// The Builder brings what a set of imports stands for once (`POST /packages?digest=HEX`, frames of {"file","size"} each followed by its
// bytes, and {"end":true}); it is kept in a bounded file system, and what was used longest ago goes first. Types of packages are as
// hostile as the source: each check has a process, limits of time and memory, and no network.
import { shorten } from "./imports.js";
import { late, within } from "./within.js";

const maximumBytes = 160 << 20;
const maximumFiles = 100_000;
const maximumOutput = 8 << 20;
/** Beyond this heap a check is given up. */
const flags = "--max-old-space-size=400,--max-semi-space-size=2";
/** Checks at a time. */
const parallel = 2;

const room = isDirectory("/resolve/types") ? "/resolve/types" : Deno.makeTempDirSync({ prefix: "types-" });

/** What is here: by digest { directory, bytes, files, users }, the one used last at the end. */
const known = new Map();
const waiting = [];
let running = 0;

/** Takes what a set of imports stands for. */
export async function keepPackages(request, digest) {
  if (!/^[0-9a-f]{64}$/.test(digest ?? "")) {
    return Response.json({ error: "digest must be 64 hexadecimal digits." }, { status: 400 });
  }
  const directory = `${room}/${digest}-${crypto.randomUUID()}`;
  const entry = { directory, bytes: 0, files: 0, users: 0 };
  try {
    await unpack(request.body ?? new Blob().stream(), entry);
    await Deno.writeTextFile(`${directory}/check.json`, await settings());
  } catch (error) {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    if (error === tooLarge || error instanceof Deno.errors.QuotaExceeded || error?.code === "ENOSPC") {
      return Response.json({ error: "The packages are too large for a check of types." }, { status: 413 });
    }
    throw error;
  }
  // Somebody else may have brought it in the meantime.
  if (known.has(digest)) await Deno.remove(directory, { recursive: true });
  else known.set(digest, entry);
  return new Response(null, { status: 204 });
}

const tooLarge = Symbol("too large");

async function unpack(stream, entry) {
  await Deno.mkdir(entry.directory);
  const made = new Set();
  const reader = new Pieces(stream);
  for (;;) {
    const head = await reader.take(4);
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
    if (length > 1 << 16) throw new Error(`a frame of ${length} bytes`);
    const { file, size, end } = JSON.parse(new TextDecoder().decode(await reader.take(length)));
    if (end) return;
    if (!isPlainPath(file) || !(size >= 0)) throw new Error("a frame that means nothing");
    entry.bytes += Math.ceil(size / 4096) * 4096;
    entry.files++;
    if (!makeRoom(entry)) throw tooLarge;
    const path = `${entry.directory}/${file}`;
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!made.has(parent)) await Deno.mkdir(parent, { recursive: true });
    made.add(parent);
    await Deno.writeFile(path, await reader.take(size));
  }
}

function isPlainPath(path) {
  return typeof path === "string" && path.length < 4096 && !path.includes("\0") &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/** Removes what nobody uses until `entry` fits; whether it does. */
function makeRoom(entry) {
  let { bytes, files } = entry;
  for (const other of known.values()) {
    bytes += other.bytes;
    files += other.files;
  }
  for (const [digest, other] of known) {
    if (bytes <= maximumBytes && files <= maximumFiles) break;
    if (other.users > 0) continue;
    known.delete(digest);
    Deno.removeSync(other.directory, { recursive: true });
    bytes -= other.bytes;
    files -= other.files;
  }
  return bytes <= maximumBytes && files <= maximumFiles;
}

async function settings() {
  const text = await Deno.readTextFile(new URL("check.json", import.meta.url));
  return text.replace("./ambient.d.ts", new URL("ambient.d.ts", import.meta.url).href);
}

/**
 * The errors in the modules of `question` { files, open, lenient }, which import what was brought as `digest`, `external` by name: as a
 * language server gives them, { items, root }, with { untyped } packages that have no types. Or { missing: true } when it was not
 * brought, { late: true }, { gaveUp: true }, { unchecked: why }.
 */
export async function checkWithPackages(question, digest, external, milliseconds, patience) {
  const entry = known.get(digest);
  if (!entry) return { missing: true };
  known.delete(digest);
  known.set(digest, entry);
  entry.users++;
  try {
    if (!await turn(patience)) return { unchecked: `No type checker has become ready in ${patience} ms.` };
    try {
      return await run(question, entry.directory, external, milliseconds);
    } finally {
      running--;
      waiting.shift()?.();
    }
  } finally {
    entry.users--;
  }
}

/** Waits for at most `milliseconds` until not too many checks run; whether that came. */
async function turn(milliseconds) {
  if (running < parallel) return ++running > 0;
  const { promise, resolve } = Promise.withResolvers();
  const next = () => resolve(true);
  waiting.push(next);
  const timer = setTimeout(() => resolve(false), milliseconds);
  const came = await promise;
  clearTimeout(timer);
  if (came) running++;
  else if (waiting.includes(next)) waiting.splice(waiting.indexOf(next), 1);
  return came;
}

async function run({ files, open, lenient }, directory, external, milliseconds) {
  const root = await Deno.makeTempDir({ dir: room, prefix: "check-" });
  // The one module that may be either is JavaScript: its name says so.
  const name = (path) => lenient ? path.replace(/\.\w+$/, ".js") : path;
  const paths = new Map(files.map(({ path }) => [name(path), path]));
  try {
    for (const { path, text } of files) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${name(path)}`, text);
    }
    const probe = `${root}/kiln-probe-${crypto.randomUUID()}.ts`;
    await Deno.writeTextFile(probe, probing(external));
    const { late, output } = await check(root, directory, [...open.map(name), probe], milliseconds);
    if (late) return { late };
    return read(output, { root, probe, paths, external });
  } finally {
    await Deno.remove(root, { recursive: true }).catch(() => {});
  }
}

/** A module with an error in each line whose module has types: without, `typeof import()` is an error that is not told again. */
function probing(external) {
  return external.map((specifier, index) =>
    `const a${index}: 2 = 0 as unknown as (0 extends 1 & typeof import(${JSON.stringify(specifier)}) ? 1 : 0);\n`
  ).join("") + "export {};\n";
}

async function check(root, directory, roots, milliseconds) {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "check",
      "--quiet",
      `--config=${directory}/check.json`,
      `--lock=${directory}/deno.lock`,
      "--frozen",
      "--cached-only",
      "--node-modules-dir=none",
      "--allow-import",
      ...roots,
    ],
    cwd: root,
    clearEnv: true,
    env: {
      DENO_DIR: directory,
      DENO_NO_UPDATE_CHECK: "1",
      DENO_V8_FLAGS: flags,
      NO_COLOR: "1",
      // There is no network; this way Deno knows at once.
      HTTP_PROXY: "http://127.0.0.1:1",
      HTTPS_PROXY: "http://127.0.0.1:1",
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const kill = () => {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  try {
    const [errors, status] = await within(milliseconds, Promise.all([limited(process.stderr, kill), process.status]), kill);
    return { output: { errors, status } };
  } catch (error) {
    if (error === late) return { late: true };
    throw error;
  } finally {
    await process.status;
  }
}

async function limited(stream, onExcess) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length <= maximumOutput) chunks.push(chunk);
    else onExcess();
  }
  return await new Blob(chunks).text();
}

/** What `deno check` wrote, as a result. */
function read({ errors, status }, { root, probe, paths, external }) {
  const own = (url) => url.startsWith(`file://${root}/`) ? paths.get(decodeURIComponent(url.slice(root.length + 8))) : undefined;
  const typed = new Set();
  const items = [];
  for (const { code, message, url, line, column } of findings(errors)) {
    if (url === `file://${probe}`) {
      typed.add(line - 1);
      continue;
    }
    const path = url && own(url);
    const range = path && { start: { line: line - 1, character: column - 1 } };
    items.push({ path: path ?? [...paths.values()][0], range, code, message });
  }
  const untyped = external.filter((_, index) => !typed.has(index));
  if (status.success || typed.size > 0 || items.length > 0) return { items, root, untyped };
  const failure = /^error: (?!Type checking failed)([^]*?)(?:\n\n|\n +at (file:\S+?):(\d+):(\d+)|$)/m.exec(errors);
  if (!failure || /out of memory|Fatal/i.test(errors)) return { gaveUp: true };
  const [, message, url, line, column] = failure;
  const path = url && own(url);
  if (!path) return { unchecked: shorten(message.replaceAll(/\s*\n\s*/g, " "), 300) };
  const range = { start: { line: line - 1, character: column - 1 } };
  return { items: [{ path, range, code: "unresolved-import", message }], root, untyped: [] };
}

/** The errors in the text: a head in the first column, the source with its marks, and the place. */
function* findings(text) {
  let head;
  for (const line of text.split("\n")) {
    const [, code, message] = /^TS(\d{1,6}) \[ERROR\]: (.*)$/.exec(line) ?? [];
    if (code) {
      if (head) yield finding(head);
      head = { code: Number(code), lines: [message] };
      continue;
    }
    if (!head) continue;
    const [, url, row, column] = /^    at (\S+):(\d+):(\d+)$/.exec(line) ?? [];
    if (url) {
      yield finding(head, { url, line: Number(row), column: Number(column) });
      head = undefined;
    } else {
      head.lines.push(line);
    }
  }
}

function finding({ code, lines }, place = {}) {
  // The last two lines are the source and its marks.
  const isMarked = lines.length > 2 && /^\s*(~+|\^)\s*$/.test(lines.at(-1));
  return { code, message: (isMarked ? lines.slice(0, -2) : lines).join(" ").trim(), ...place };
}

/** Bytes of a stream by number. */
class Pieces {
  #reader;
  #chunk = new Uint8Array();

  constructor(stream) {
    this.#reader = stream.getReader();
  }

  /** The next `count` bytes; throws when there are fewer. */
  async take(count) {
    if (count > maximumBytes) throw tooLarge;
    const bytes = new Uint8Array(count);
    for (let filled = 0; filled < count;) {
      if (this.#chunk.length === 0) {
        const { value, done } = await this.#reader.read();
        if (done) throw new Error("it ended in the middle");
        this.#chunk = value;
        continue;
      }
      const part = this.#chunk.subarray(0, count - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#chunk = this.#chunk.subarray(part.length);
    }
    return bytes;
  }
}

function isDirectory(path) {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
