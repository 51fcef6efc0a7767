// Checks the types of modules that import packages, with what was resolved for them: by the language server that stands by for them
// (residents.js), or else by `deno check` (check-command.js).
//
// The Builder brings what a set of imports stands for once (`POST /packages?digest=HEX&bytes=N`, frames of {"file","size"} each followed
// by its bytes, and {"end":true}); it is kept in a bounded file system, and what was used longest ago goes first, when there would be
// more than N bytes. Types of packages are as hostile as the source: processes that look at them have limits of time and memory, and no
// network.
import { checkByCommand } from "./check-command.js";
import { noNetwork } from "./language-server.js";
import { checkByResident, endResident, prepareResident, residentStart } from "./residents.js";

/** What is kept unless somebody says otherwise. */
const usualBytes = 160 << 20;
const maximumFiles = 100_000;

const room = isDirectory("/resolve/types") ? "/resolve/types" : Deno.makeTempDirSync({ prefix: "types-" });

/**
 * What is here: by digest { directory, configuration, flags, environment, bytes, files, users }, the one used last at the end. The first four
 * say where Deno keeps it and how Deno is told to look at it.
 */
const known = new Map();
/** With an argument, { directory, environment }, Deno fetches what modules import itself, into that directory: for `kiln run`. */
const fetching = Deno.args[0] === undefined ? undefined : {
  ...JSON.parse(Deno.args[0]),
  configuration: new URL("check.json", import.meta.url).pathname,
  flags: ["--no-lock"],
};
const waiting = [];
let running = 0;

/** Takes what a set of imports stands for; all sets together have at most `maximumBytes`. */
export async function keepPackages(request, digest, maximumBytes = usualBytes) {
  if (!/^[0-9a-f]{64}$/.test(digest ?? "")) {
    return Response.json({ error: "digest must be 64 hexadecimal digits." }, { status: 400 });
  }
  const directory = `${room}/${digest}-${crypto.randomUUID()}`;
  const entry = {
    directory,
    configuration: `${directory}/check.json`,
    flags: [`--lock=${directory}/deno.lock`, "--frozen", "--cached-only"],
    environment: noNetwork,
    bytes: 0,
    files: 0,
    users: 0,
  };
  try {
    await unpack(request.body ?? new Blob().stream(), entry, maximumBytes);
    await Deno.writeTextFile(entry.configuration, await settings(directory));
  } catch (error) {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    if (error === tooLarge || error?.code === "ENOSPC") {
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

async function unpack(stream, entry, maximumBytes) {
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
    if (size > maximumBytes || !await makeRoom(entry, maximumBytes)) throw tooLarge;
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
async function makeRoom(entry, maximumBytes) {
  let { bytes, files } = entry;
  for (const other of known.values()) {
    bytes += other.bytes;
    files += other.files;
  }
  for (const [digest, other] of known) {
    if (bytes <= maximumBytes && files <= maximumFiles) break;
    if (other.users > 0) continue;
    known.delete(digest);
    await endResident(other);
    await Deno.remove(other.directory, { recursive: true });
    bytes -= other.bytes;
    files -= other.files;
  }
  return bytes <= maximumBytes && files <= maximumFiles;
}

/** The configuration with which a set in `directory` is checked: nothing is looked for that is not locked. */
async function settings(directory) {
  const { compilerOptions } = JSON.parse(await Deno.readTextFile(new URL("check.json", import.meta.url)));
  const types = compilerOptions.types.map((path) => new URL(path, import.meta.url).href);
  return JSON.stringify({
    compilerOptions: { ...compilerOptions, types },
    lock: { path: `${directory}/deno.lock`, frozen: true },
    nodeModulesDir: "none",
  });
}

/**
 * The errors in the modules of `question` { files, open, lenient }, which import what was brought as `digest` (or "fetched", see above), `external` by name: as a
 * language server gives them, { items, root }, with { untyped } packages that have no types, and { resident: true } when it was one. Or
 * { missing: true } when it was not brought, { late: true }, { gaveUp: true }, { unchecked: why }.
 *
 * `bounds` are { deadline, patience } in milliseconds, how many checks may run at a time, `parallel`, and how many language servers may
 * stand by, `residents`.
 */
export async function checkWithPackages(question, digest, external, bounds) {
  if (digest === "fetched" && fetching) return await check(question, fetching, external, bounds);
  const entry = known.get(digest);
  if (!entry) return { missing: true };
  known.delete(digest);
  known.set(digest, entry);
  entry.users++;
  try {
    return await check(question, entry, external, bounds);
  } finally {
    entry.users--;
  }
}

async function check(question, entry, external, { deadline, patience, parallel = 2, residents = 2 }) {
  if (!await turn(parallel, patience)) {
    const why =
      `Other checks with packages have taken all of ${patience} ms; ${parallel} may run at a time (--max-package-checks).`;
    return { unchecked: why };
  }
  try {
    const result = residents > 0
      ? await sooner(question, entry, external, deadline)
      : await checkByCommand(question, entry, external, deadline, room);
    // What was too much for one process would be too much for a resident one.
    if (result.items) prepareResident(entry, external, residents);
    return result;
  } finally {
    pass(parallel);
  }
}

/** By the resident server, or by a process of its own: whichever has an answer first. */
async function sooner(question, entry, external, deadline) {
  const result = await checkByResident(question, entry, external, deadline);
  if (result) return result;
  const stop = new AbortController();
  const command = checkByCommand(question, entry, external, deadline, room, stop.signal);
  const server = residentStart(entry)?.then(() => checkByResident(question, entry, external, deadline), () => {});
  if (!server) return await command;
  command.catch(() => {});
  const first = await Promise.race([command, server]);
  if (first?.resident) stop.abort();
  return first ?? await command;
}

/** Waits for at most `milliseconds` until not too many checks run; whether that came. */
async function turn(parallel, milliseconds) {
  if (running < parallel) return ++running > 0;
  const { promise, resolve } = Promise.withResolvers();
  const next = () => resolve(true);
  waiting.push(next);
  const timer = setTimeout(() => {
    waiting.splice(waiting.indexOf(next), 1);
    resolve(false);
  }, milliseconds);
  const came = await promise;
  clearTimeout(timer);
  return came;
}

/** Ends a turn: the next one begins in its place. */
function pass(parallel) {
  const next = running <= parallel ? waiting.shift() : undefined;
  if (next) next();
  else running--;
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
