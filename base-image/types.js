// Checks types with language servers that stand by. Why it cannot, and how many are waiting, is invisible from outside as long as
// there is time: a server that ends or hangs is replaced, and another goes on with the check.
import { shorten } from "./imports.js";
import { isMissingModule, LanguageServer } from "./language-server.js";
import { checkWithPackages } from "./packages.js";
import { endResidents } from "./residents.js";

const maximumDiagnostics = 100;
const maximumMessage = 500;
/** One more than that stands by once the first check has been made. */
const servers = 2;
const restartPause = 1000;
/** An idle server that says nothing for so many milliseconds hangs. */
const pingDeadline = 3000;

/** Servers that are ready and idle, checks that wait for one, in order, and how many servers there are or are being started. */
const idle = [];
const waiting = [];
let count = 0;
let wanted = 0;
let stopped = false;
const running = new Set();

/** Sees to it that a first server gets ready. */
export function prepareTypes() {
  wanted ||= 1;
  fill();
}

/** Ends all servers; checks that wait for one go unmade. */
export function stopTypes() {
  stopped = true;
  for (const next of waiting.splice(0)) next(undefined);
  for (const server of running) server.end();
  endResidents();
}

function fill() {
  while (count < wanted && !stopped) {
    count++;
    LanguageServer.start().then((server) => {
      if (stopped) return server.end();
      running.add(server);
      give(server);
    }, async (error) => {
      console.error("checker: the type checker did not start:", error?.message ?? error);
      await new Promise((resolve) => setTimeout(resolve, restartPause));
      count--;
      fill();
    });
  }
}

function give(server) {
  const next = waiting.shift();
  if (next) return next(server);
  idle.push(server);
  const old = idle.findIndex((server) => server.isUsedUp);
  if (idle.length > 1 && old >= 0) remove(...idle.splice(old, 1));
}

function remove(server) {
  running.delete(server);
  server.end();
  count--;
  fill();
}

/** A server for the caller alone; undefined when none has become free in `milliseconds`. */
function take(milliseconds) {
  if (idle.length > 0 || stopped) return Promise.resolve(idle.pop());
  return new Promise((resolve) => {
    const entry = (server) => {
      clearTimeout(timer);
      resolve(server);
    };
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(entry), 1);
      resolve(undefined);
    }, milliseconds);
    waiting.push(entry);
  });
}

/** As `take`, until a point in time, and one that does not hang. */
async function takeLive(until) {
  for (;;) {
    const server = await take(Math.max(0, until - performance.now()));
    if (!server || await server.answers(pingDeadline)) return server;
    release(server, false);
  }
}

/** Takes a server back; a used-up one serves on until another is ready. */
function release(server, works) {
  wanted = servers;
  if (works) give(server);
  else remove(server);
  fill();
}

/**
 * Checks the types of `question` { files: [{ path, text }], open: [path], lenient, workers: { files, open } } in `milliseconds`, after at most `patience`
 * milliseconds of waiting: { ok: true } with a `note` if it could not see all,
 * { ok: false, diagnostics, more } with how many there are beside those, or { unchecked: why }.
 *
 * `lenient` is for a source of which no one has said whether it is TypeScript or JavaScript, and that is both. It is checked as
 * JavaScript would be that asks for it, without demanding types where JavaScript has no way to write them.
 */
export async function checkTypes(question, milliseconds, patience) {
  return await inTurn(question, (part) => checkPart(part, milliseconds, patience));
}

/** The answer of `check` for the question, and for what its workers run, together. */
async function inTurn(question, check) {
  const first = await check(question);
  if (!question.workers || !("ok" in first)) return first;
  const second = await check({ ...question, ...question.workers });
  if (!("ok" in second)) return second;
  const note = first.note ?? second.note;
  if (first.ok && second.ok) return note === undefined ? first : { ...first, note };
  // What both run has been told once.
  const told = new Set(first.diagnostics?.map((found) => JSON.stringify(found)));
  const added = (second.diagnostics ?? []).filter((found) => !told.has(JSON.stringify(found)));
  const diagnostics = [...first.diagnostics ?? [], ...added];
  const more = (first.more ?? 0) + (second.more ?? 0) + Math.max(0, diagnostics.length - maximumDiagnostics);
  return { ok: false, diagnostics: diagnostics.slice(0, maximumDiagnostics), more };
}

async function checkPart(question, milliseconds, patience) {
  const until = performance.now() + patience;
  for (let attempt = 1;; attempt++) {
    const server = await takeLive(until);
    if (!server) return { unchecked: `No type checker has become ready in ${patience} ms.` };
    const result = await server.check(question.lenient ? asJavaScript(question) : question, milliseconds);
    release(server, result.items !== undefined);
    if (!result.ended) return judged(question, result, milliseconds);
    // All of the servers that stood by may have been ended from outside, but not the one that is started after that.
    if (attempt > servers) return tooComplex(question, "the type checker ends when it checks them");
  }
}

/**
 * As `checkTypes`, for a question whose modules import `external`, brought as `digest`; { missing: true } when it was not. `bounds` are
 * those of checkWithPackages in packages.js. What a resident server judged says so: { resident: true }.
 */
export async function checkTypesWithPackages(question, digest, external, bounds) {
  return await inTurn(question, (part) => checkPartWithPackages(part, digest, external, bounds));
}

async function checkPartWithPackages(question, digest, external, bounds) {
  const asked = question.lenient ? { ...asJavaScript(question), lenient: true } : question;
  const result = await checkWithPackages(asked, digest, external, bounds);
  return { ...judged(question, result, bounds.deadline), resident: result.resident };
}

/** The answer for a `result` of a check that had so many milliseconds. */
function judged(question, result, milliseconds) {
  if (result.items) return verdict(question, result);
  if (result.late) return tooComplex(question, `checking them takes longer than ${milliseconds / 1000} s`);
  if (result.gaveUp) return tooComplex(question, "checking them takes too much memory");
  return result;
}

function tooComplex({ open: [file] }, why) {
  const message = `The module's types are too complex: ${why}. Simplify them, or deploy without checking types: check=false.`;
  return { ok: false, diagnostics: [{ file, code: "too-complex", message }], more: 0 };
}

/** The question about the one module that it has, as JavaScript: a line longer. */
function asJavaScript({ files: [{ path, text }] }) {
  return { files: [{ path, text: `// @ts-check\n${text.replace(/^#!/, "//")}` }], open: [path], javascript: true };
}

/** Errors about what JavaScript cannot write down: types that are implied to be `any`, and that a value is there. */
function isAboutMissingTypes({ code, message }) {
  return (code >= 7000 && code < 7100) || possiblyMissing.has(code) || /Type '(undefined|null)' is not assignable/.test(message);
}

/** "Object is possibly 'undefined'" and its kin, and "'error' is of type 'unknown'". */
const possiblyMissing = new Set([2531, 2532, 2533, 2571, 2721, 2722, 2723, 18046, 18047, 18048, 18049]);

function verdict({ files, lenient }, { items, root, untyped = [] }) {
  const isPartial = untyped.length > 0 || items.some(isMissingModule);
  const found = items.filter((item) => {
    if (isMissingModule(item)) return false;
    // What comes from an unknown package is `any`, and with it the parameters of functions that are given to it.
    return !(lenient && isAboutMissingTypes(item)) && !(isPartial && item.code >= 7000 && item.code < 7100);
  });
  const names = untyped.slice(0, 5).map((name) => shorten(name, 80)).join(", ") + (untyped.length > 5 ? ", …" : "");
  const note = names === ""
    ? "The types of packages are not known to the check: what comes from them counts as any."
    : `No types come with ${names}: what comes from there counts as any.`;
  if (found.length === 0) return isPartial ? { ok: true, note } : { ok: true };
  const sources = new Map(files.map((file) => [file.path, { lines: file.text.split("\n"), ...file }]));
  const diagnostics = found.slice(0, maximumDiagnostics).map(({ path, range, code, message }) => ({
    file: path,
    ...place(sources.get(path), Number(range?.start?.line) - (lenient ? 1 : 0), Number(range?.start?.character)),
    code: typeof code === "number" ? `TS${code}` : shorten(String(code), 40),
    message: shorten(readable(String(message), root), maximumMessage),
  }));
  return { ok: false, diagnostics, more: found.length - diagnostics.length };
}

/**
 * Line and column from 1, in characters, of a place counted from 0 in UTF-16 units; nothing for one that is not in the text. `edits` are
 * what was put into the text, in order, and what stood there, see graph.js: no more than one line of each.
 */
function place({ lines, edits = [], added = 0 }, line, character) {
  const text = lines[line];
  if (text === undefined || !(character >= 0)) return {};
  const start = edits.length === 0 ? 0 : lines.slice(0, line).reduce((sum, { length }) => sum + length + 1, 0);
  let before = text.slice(0, character);
  for (const { at, length, written } of edits.toReversed()) {
    const from = at - start;
    if (from >= 0 && from < before.length) before = before.slice(0, from) + written + before.slice(from + length);
  }
  return line < added ? {} : { line: line - added + 1, column: [...before].length + 1 };
}

/** A message without the paths of this container. */
function readable(message, root) {
  return message.replaceAll(/\s*\n\s*/g, " ").replaceAll(`file://${root}/`, "./").replaceAll(root, ".").replaceAll(
    /file:\/\/\/[^\s"']*/g,
    "…",
  )
    .replaceAll(', { with: { "resolution-mode": "import" } }', "");
}
