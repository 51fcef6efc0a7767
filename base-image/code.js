// The code that V8 compiles of modules, kept by Deno in its cache, for bake.js. Nothing of what is compiled is run.
import { databases, modules } from "./caches.js";

/**
 * Where ES modules are compiled: their code has their path inside, and is to be the same bytes each time. A bounded file system that the
 * container has for this; elsewhere (in tests) a directory of /tmp.
 */
export const place = await Deno.stat("/resolve/code").then(() => "/resolve/code/work", () => "/tmp/kiln-code");
/** More than this of ES modules is not compiled. */
const maximumBytes = 32 << 20;
const maximumModules = 3000;

let last = Promise.resolve();

/** What `body` gives, which has `place` for itself, empty. */
export async function alone(body) {
  const { promise, resolve } = Promise.withResolvers();
  const before = last;
  last = promise;
  await before;
  try {
    await Deno.remove(place, { recursive: true }).catch(() => {});
    return await body();
  } finally {
    await Deno.remove(place, { recursive: true }).catch(() => {});
    resolve();
  }
}

/** Loads everything that `main.js` imports and evaluates none of it: what is imported first throws (ECMA-262, 16.2.1.6.1.3). */
export async function load(directory, cache, signal) {
  await Deno.writeTextFile(`${directory}/stop.js`, `throw "stop";`);
  await Deno.writeTextFile(`${directory}/load.js`, `import "./stop.js"; import "./main.js";`);
  const message = await run([...locked(cache), "--allow-import", `${directory}/load.js`], directory, cache, signal);
  if (!/Uncaught .*"?stop"?/.test(message)) throw new Error(message.slice(0, 2000));
}

/** Compiles the CommonJS modules of packages, beginning with those that ES modules import. */
export async function compileScripts(directory, cache, signal) {
  const own = `file://${cache}/npm/`;
  const first = modules(`${cache}/node_analysis_cache_v2`).map(({ specifier }) => specifier).filter((specifier) =>
    specifier.startsWith(own) && !/\.(mjs|json)$/.test(specifier)
  );
  if (first.length === 0) return;
  const list = `${directory}/scripts.json`;
  await Deno.writeTextFile(list, JSON.stringify(first.map((specifier) => decodeURIComponent(specifier.slice(7))).sort()));
  const message = await run(
    [...locked(cache), `--allow-read=${cache},${list}`, script("commonjs.js"), cache, list],
    directory,
    cache,
    signal,
  );
  if (message !== "") console.error("checker: compiling packages:", message.slice(0, 2000));
}

/**
 * Gives `body` a directory of Deno's with the compiled code of the ES modules that `main.js` leads to, or undefined when there is none.
 * `packages` are the directories of packages below `cache`.
 */
export async function withCompiledModules(directory, cache, packages, signal, body) {
  return await alone(async () => {
    let compiled;
    try {
      if (await gather(cache, packages)) {
        await compileModules(directory, signal);
        compiled = `${place}/deno`;
      }
    } catch (error) {
      console.error("checker: compiling modules:", error);
    }
    return await body(compiled);
  });
}

/** Copies what loading needs of `cache` to `place`; whether it was not too much. */
async function gather(cache, packages) {
  const files = new Set();
  for (const name of databases) {
    for (const { specifier } of modules(`${cache}/${name}`)) {
      if (specifier.startsWith(`file://${cache}/npm/`)) files.add(decodeURIComponent(specifier.slice(7)));
    }
  }
  for (const path of [...files]) for (const folder of parents(path, `${cache}/npm`)) files.add(`${folder}/package.json`);
  const target = `${place}/deno`;
  await Deno.mkdir(target, { recursive: true });
  // A package that is not there at all is one to fetch, though nothing of it is loaded.
  for (const folder of packages) await Deno.mkdir(`${target}/${folder}`, { recursive: true });
  let bytes = 0;
  for (const path of files) {
    const { size } = await Deno.stat(path).catch(() => ({}));
    if (size === undefined) continue;
    bytes += size;
    if (bytes > maximumBytes) return false;
    const copy = target + path.slice(cache.length);
    await Deno.mkdir(copy.slice(0, copy.lastIndexOf("/")), { recursive: true });
    await Deno.copyFile(path, copy);
  }
  for (const shared of ["remote", "gen"]) {
    const isThere = await Deno.stat(`${cache}/${shared}`).then(() => true, () => false);
    if (isThere) await Deno.symlink(`${cache}/${shared}`, `${target}/${shared}`);
  }
  await Deno.copyFile(`${cache}/deno.lock`, `${target}/deno.lock`);
  return true;
}

/** Fills the cache in `place`. */
async function compileModules(directory, signal) {
  const cache = `${place}/deno`;
  for (const name of ["main.js", "load.js", "stop.js"]) await Deno.copyFile(`${directory}/${name}`, `${place}/${name}`);
  const list = `${place}/list.json`;
  const complaint = await run([...flags(locked(cache)), script("edges.js"), `file://${place}/load.js`, list], place, cache, signal);
  if (complaint !== "") throw new Error(complaint.slice(0, 2000));
  const order = inOrder(JSON.parse(await Deno.readTextFile(list)), `file://${place}/main.js`);
  if (order.length > maximumModules) throw new Error(`${order.length} modules`);
  for (const suffix of ["", "-wal", "-shm"]) await Deno.remove(`${cache}/v8_code_cache_v2${suffix}`).catch(() => {});
  await compileInOrder(order, locked(cache), signal);
}

/** Compiles the modules with the URLs `order`, one after the other, into Deno's directory in `place`. `lock` are flags. */
export async function compileInOrder(order, lock, signal) {
  const list = `${place}/list.json`;
  await Deno.writeTextFile(list, JSON.stringify(order));
  await Deno.writeTextFile(`${place}/stop.js`, `throw "stop";`);
  await run([...flags(lock), script("ordered.js"), place, list], place, `${place}/deno`, signal);
}

function flags(lock) {
  return [...lock, "--allow-import", `--allow-read=${place}`, `--allow-write=${place}`];
}

function locked(cache) {
  return [`--lock=${cache}/deno.lock`, "--frozen"];
}

/** What `root` leads to by `edges`, each module after those that it imports. */
export function inOrder(edges, root) {
  const imported = new Map();
  for (const [from, to] of edges) {
    if (!imported.has(from)) imported.set(from, new Set());
    imported.get(from).add(to);
  }
  const next = (url) => [...imported.get(url) ?? []].sort();
  const order = [];
  const seen = new Set([root]);
  const path = [{ url: root, rest: next(root) }];
  while (path.length > 0) {
    const { url, rest } = path.at(-1);
    const found = rest.shift();
    if (found === undefined) {
      path.pop();
      if (url !== root) order.push(url);
    } else if (!seen.has(found) && !/^node:|\.json$/.test(found)) {
      seen.add(found);
      path.push({ url: found, rest: next(found) });
    }
  }
  return order;
}

/** The directories from that of `path` up to `root`. */
function parents(path, root) {
  const found = [];
  for (let folder = path; folder.length > root.length; found.push(folder)) folder = folder.slice(0, folder.lastIndexOf("/"));
  return found;
}

function script(name) {
  return new URL(name, import.meta.url).pathname;
}

/** Runs Deno with `cache` as its directory and nothing else to be had; what it complained about. */
async function run(command, directory, cache, signal) {
  const closed = ["--quiet", "--no-prompt", "--no-config", "--cached-only", "--node-modules-dir=none"];
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...closed, ...command],
    cwd: directory,
    clearEnv: true,
    env: { DENO_DIR: cache, DENO_NO_UPDATE_CHECK: "1", DENO_V8_FLAGS: "--max-heap-size=512", NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  }).output();
  return new TextDecoder().decode(stderr);
}
