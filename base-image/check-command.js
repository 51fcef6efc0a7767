// The errors that `deno check` finds in modules that import packages, in a process of its own, with what was resolved for them as its
// cache. It takes a second or more, and tells everything: also what could not be had, and why.
import { flags } from "./language-server.js";
import { shorten } from "./imports.js";
import { late, within } from "./within.js";

const maximumOutput = 8 << 20;

/**
 * The errors in the modules of `question` { files, open, lenient }, whose packages are those of `entry` in packages.js, `external` by name. Files are kept
 * below `room` meanwhile; `signal` ends it, and then the result means nothing. The result is as that of checkWithPackages in packages.js.
 */
export async function checkByCommand({ files, open, lenient }, entry, external, milliseconds, room, signal) {
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
    const { late, output } = await check(root, entry, [...open.map(name), probe], milliseconds, signal);
    if (late) return { late };
    return read(output, { root, probe, paths, external });
  } finally {
    await Deno.remove(root, { recursive: true }).catch(() => {});
  }
}

/** A module with an error in each line whose module has types: without, `typeof import()` is an error that is not told again. */
export function probing(external) {
  return external.map((specifier, index) =>
    `const a${index}: 2 = 0 as unknown as (0 extends 1 & typeof import(${JSON.stringify(specifier)}) ? 1 : 0);\n`
  ).join("") + "export {};\n";
}

async function check(root, { directory, configuration, flags: own, environment }, roots, milliseconds, signal) {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "check",
      "--quiet",
      `--config=${configuration}`,
      ...own,
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
      ...environment,
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
  signal?.addEventListener("abort", kill, { once: true });
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
