// Language servers that stand by for sets of packages: a check against a set that is in use takes some tens of milliseconds, where
// `deno check` takes a second.
//
// A set gets a server some time after a check against it, when the deploy that asked for that is likely over. There are so many servers
// at most; the one used longest ago makes place for another, one that nobody uses any more ends. Whatever a server cannot do, it leaves
// to `deno check`: it is never waited for.
import { probing } from "./check-command.js";
import { isMissingModule, LanguageServer } from "./language-server.js";

/** Milliseconds from a check to the start of a server. */
const pause = 500;
/** A server that nobody has asked for so many milliseconds ends. */
const idleTime = 10 * 60_000;
/** A set whose server did not start is checked without for so many milliseconds. */
const restAfterFailure = 60_000;
/** The longest that a check waits for others of the same set. */
const turnDeadline = 500;
/** A server that says nothing for so many milliseconds hangs. */
const pingDeadline = 1000;
/** The longest that a server may look at what it is for before it has its first check. */
const probeDeadline = 10_000;
const mostSpecifiers = 2000;

/** A set's server, or the one that is being started. */
class Resident {
  /** The names of modules from elsewhere, and whether types come with them. */
  #typed = new Map();
  #entry;
  #server;
  #stop = new AbortController();
  #isBusy = false;
  #waiting = [];
  #expiry;
  /** Settles when it is ready, or cannot be. */
  ready;

  /** For `entry` of packages.js, of which `external` come. */
  constructor(entry, external) {
    this.#entry = entry;
    this.ready = this.#start(external);
  }

  async #start(external) {
    const server = await LanguageServer.start(this.#entry, this.#stop.signal);
    this.#server = server;
    if (this.isEnded || !await this.#know(external, probeDeadline)) throw new Error("it cannot look at the packages");
    this.#rest();
  }

  get isBusy() {
    return this.#isBusy;
  }

  get isEnded() {
    return this.#stop.signal.aborted;
  }

  /** Ends the server, and whatever it is doing; settles when it is gone. */
  async end() {
    clearTimeout(this.#expiry);
    if (residents.get(this.#entry) === this) residents.delete(this.#entry);
    this.#stop.abort();
    await this.#server?.end();
    await this.ready.catch(() => {});
  }

  /** As checkByResident below. */
  async check(question, external, milliseconds) {
    if (!await this.#take()) return undefined;
    clearTimeout(this.#expiry);
    try {
      const server = this.#server;
      if (this.isEnded || !await server.answers(pingDeadline) || !await this.#know(external, milliseconds)) {
        return void this.end();
      }
      const result = await server.check(question, milliseconds);
      if (!result.items || server.isUsedUp) this.end();
      // Why there is no such module, only `deno check` tells.
      if (result.ended || result.items?.some(isMissingModule)) return undefined;
      return { ...result, untyped: external.filter((name) => !this.#typed.get(name)), resident: true };
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#isBusy = false;
      this.#rest();
    }
  }

  /** Finds out with which of `external` types come, alone: a source could say of them what it likes. Whether that worked. */
  async #know(external, milliseconds) {
    const unknown = external.filter((name) => !this.#typed.has(name));
    if (unknown.length === 0) return true;
    if (this.#typed.size + unknown.length > mostSpecifiers) this.#typed.clear();
    const probe = { path: "probe.ts", text: probing(unknown) };
    const { items } = await this.#server.check({ files: [probe], open: [probe.path] }, milliseconds);
    if (!items) return false;
    const lines = new Set(items.filter(({ code }) => code === 2322).map(({ range }) => range?.start?.line));
    for (const [index, name] of unknown.entries()) this.#typed.set(name, lines.has(index));
    return true;
  }

  /** Waits for at most `turnDeadline` until no other check runs; whether that came. */
  #take() {
    if (!this.#isBusy) return this.#isBusy = true;
    return new Promise((resolve) => {
      const next = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        resolve(false);
      }, turnDeadline);
      this.#waiting.push(next);
    });
  }

  #rest() {
    clearTimeout(this.#expiry);
    if (!this.#isBusy && !this.isEnded) this.#expiry = setTimeout(() => this.end(), idleTime);
  }
}

/** By set, an entry of packages.js, the one used last at the end; those that are ready. */
const residents = new Map();
/** Of which set the server is being started, which set wants one next, and since when sets have to do without. */
let starting;
let wanted;
const failed = new Map();
let timer;
let most = 0;
let stopped = false;

/**
 * The errors in the modules of `question`, which import `external`, by the server of `entry`: as checkWithPackages in
 * packages.js gives them. Undefined when there is no server, it has too much to do, or it cannot tell.
 */
export async function checkByResident(question, entry, external, milliseconds) {
  const resident = residents.get(entry);
  if (!resident) return undefined;
  residents.delete(entry);
  residents.set(entry, resident);
  return await resident.check(question, external, milliseconds);
}

/** Sees to it that `entry` gets a server in a moment, if there may be `servers` of them; `external` come from it. */
export function prepareResident(entry, external, servers) {
  most = servers;
  while (residents.size > most && endOldest());
  const isResting = performance.now() - (failed.get(entry) ?? -Infinity) < restAfterFailure;
  if (most === 0 || residents.has(entry) || starting?.entry === entry || isResting) return;
  wanted = { entry, external };
  timer ??= setTimeout(start, pause);
}

/** Settles when the server of `entry` has started, or cannot be; undefined when none is being started. */
export function residentStart(entry) {
  return starting?.entry === entry ? starting.done : undefined;
}

/** Ends the server of `entry`, which is about to go; settles when it is gone. */
export async function endResident(entry) {
  failed.delete(entry);
  if (wanted?.entry === entry) wanted = undefined;
  if (starting?.entry === entry) await starting.resident.end();
  await residents.get(entry)?.end();
}

/** Ends all servers, for good. */
export function endResidents() {
  stopped = true;
  starting?.resident.end();
  for (const resident of residents.values()) resident.end();
}

/** Ends the idle server that was used longest ago; whether there is one. */
function endOldest() {
  for (const resident of residents.values()) {
    if (resident.isBusy) continue;
    resident.end();
    return true;
  }
  return false;
}

/** Starts the server that is wanted. */
async function start() {
  timer = undefined;
  if (!wanted || stopped || starting) return;
  while (residents.size >= most) {
    // All are at work: the next check will ask again.
    if (!endOldest()) return void (wanted = undefined);
  }
  const { entry, external } = wanted;
  wanted = undefined;
  const resident = new Resident(entry, external);
  starting = { entry, resident, done: admit(entry, resident) };
  await starting.done;
  starting = undefined;
  if (wanted) timer ??= setTimeout(start, pause);
}

/** Puts a server that starts among those that are ready. */
async function admit(entry, resident) {
  try {
    await resident.ready;
    if (!resident.isEnded) residents.set(entry, resident);
  } catch (error) {
    if (!resident.isEnded) {
      console.error("checker: a type checker for packages did not start:", error?.message ?? error);
      failed.set(entry, performance.now());
    }
    await resident.end();
  }
}
