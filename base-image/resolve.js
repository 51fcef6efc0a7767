// Resolves the imports of a function for the Builder: `POST /resolve` with
//   {"imports":[{"specifier","type","types"}],"npm":"<URL>","jsr":"<URL>","certificates":"<PEM>","seconds":120,"bytes":268435456,"files":40000,
//    "lock":"<deno.lock>","frozen":true}
// (a lock, if any, is what is kept of it; frozen: it has to have everything)
// answers with a stream of frames (see frames.js), each a JSON value, followed by `size` bytes where it has that:
//   {"connect":1,"host":"jsr.io","port":443}   a connection is wanted: `POST /tunnel?id=1` carries it, `…&error=SENTENCE` refuses it
//   {"closed":1}                              nobody needs that connection any more
//   {"lock":"<deno.lock>","packages":{"<name>":["<version>"]}}   the result, followed by
//   {"file":"https/jsr.io/<hash>","size":123}                    each module that is not in a package, as Deno keeps it
//   {"cache":"gen/https/jsr.io/<hash>.js","size":123}            what Deno makes of them and would make again at every start
//   {"problems":[{"import":0,"kind","message","url"}]}           or why not: kind "source", "outside", "slow", "large", "uncovered" or
//                                                               "mismatch" (the lock says something else)
//   {"end":true}                                                 the last one
//
// Resolving is done by Deno in a new process with an empty cache in a bounded directory. It runs no code of anybody: modules are
// loaded, never evaluated, and packages' scripts are not allowed. This container has no network: the process reaches the outside
// through the forwarder, and so through connections that the Builder opens, which decides where to.
import { makeCaches } from "./bake.js";
import { encode } from "./frames.js";
import { Forwarder } from "./forwarder.js";
import { Loader } from "./loader.js";
import { changed, contradiction, importOf, needed, seed, uncovered } from "./lock.js";

const longestQueue = 64;
const maximumOrder = 64 << 20;
/** What the Builder takes of caches, see ResolutionReader. */
const maximumCaches = 128 << 20;
/** What stands between a module and what Deno notes of it. */
const marker = "\n// denoCacheMetadata=";

/** Bounded file systems that the container has for this; elsewhere (in tests) directories of /tmp. */
const rooms = ["/resolve/0", "/resolve/1"].filter((path) => {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
});
const free = rooms.length > 0 ? rooms : [undefined, undefined];
const waiting = [];

/** Connections that processes wait for, by number. */
const tunnels = new Map();
let lastTunnel = 0;

export async function resolve(request) {
  const text = await request.text();
  if (text.length > maximumOrder) return Response.json({ error: "Too many imports." }, { status: 413 });
  const order = JSON.parse(text);
  if (free.length === 0 && waiting.length >= longestQueue) {
    return Response.json({ error: "Too many resolutions are waiting." }, { status: 503, headers: { "retry-after": "2" } });
  }
  const { readable, writable } = new TransformStream();
  serve(order, writable.getWriter());
  return new Response(readable, { headers: { "content-type": "application/octet-stream" } });
}

/** The connection `id`: what the process sends is the answer's body, what comes for it the request's. */
export function tunnel(request, parameters) {
  const id = Number(parameters.get("id"));
  const wanted = tunnels.get(id);
  tunnels.delete(id);
  if (!wanted) return new Response(null, { status: 404 });
  const error = parameters.get("error");
  if (error !== null) {
    wanted.refuse(error);
    return new Response(null, { status: 204 });
  }
  return new Response(wanted.accept(request.body ?? new Blob().stream()));
}

async function serve(order, writer) {
  const send = (value) => writer.write(encode(value));
  const gone = new AbortController();
  writer.closed.catch(() => gone.abort());
  let room;
  let directory;
  try {
    room = await takeRoom(gone.signal);
    directory = await Deno.makeTempDir({ dir: room.path, prefix: "resolve-" });
    await work(order, directory, send, writer, gone.signal);
    await send({ end: true });
    await writer.close();
  } catch (error) {
    if (!gone.signal.aborted) console.error("checker: resolving failed:", error);
    await writer.abort(error).catch(() => {});
  } finally {
    if (directory) await Deno.remove(directory, { recursive: true }).catch(() => {});
    room?.leave();
  }
}

async function takeRoom(signal) {
  while (free.length === 0) await new Promise((resume) => waiting.push(resume));
  const path = free.shift();
  const leave = () => {
    free.push(path);
    waiting.shift()?.();
  };
  if (signal.aborted) {
    leave();
    throw new Error("nobody waits for it any more");
  }
  return { path, leave };
}

async function work(order, directory, send, writer, gone) {
  const forwarder = new Forwarder((host, port, outgoing, ended) => connect(host, port, outgoing, ended, send));
  const expiry = AbortSignal.timeout(order.seconds * 1000);
  try {
    await Deno.writeTextFile(`${directory}/main.js`, entry(order.imports.filter(({ types }) => !types)));
    await Deno.writeTextFile(`${directory}/main.ts`, entry(order.imports));
    if (order.certificates) await Deno.writeTextFile(`${directory}/certificates.pem`, order.certificates);
    const loader = new Loader(order, directory, forwarder.port, AbortSignal.any([gone, expiry]));
    if (order.lock) await Deno.writeTextFile(`${directory}/deno.lock`, seed(order.lock, order.npm));
    const problems = await loader.load();
    if (expiry.aborted) {
      const message = `Resolving the imports took longer than ${order.seconds} seconds.`;
      return await send({ problems: [{ import: 0, kind: "slow", message }] });
    }
    if (problems.length > 0) return await send({ problems });
    if (order.lock) {
      const missing = await settle(directory, order, loader.modules);
      if (missing.length > 0) return await send({ problems: missing });
    }
    await deliver(directory, order, send, writer, AbortSignal.any([gone, expiry]));
  } finally {
    forwarder.close();
  }
}

/** A module that imports what the function does, and nothing else. */
function entry(imports) {
  return imports.map(({ specifier, type, types }) => {
    if (types) return `import type {} from ${JSON.stringify(specifier)};\n`;
    const attributes = type === undefined ? "" : ` with { type: ${JSON.stringify(type)} }`;
    return `import ${JSON.stringify(specifier)}${attributes};\n`;
  }).join("");
}

/** Asks the Builder for a connection that sends what `outgoing` gives; the stream of what it receives. Throws a sentence. */
function connect(host, port, outgoing, ended, send) {
  const id = ++lastTunnel;
  const { promise, resolve, reject } = Promise.withResolvers();
  const accept = (incoming) => {
    resolve(incoming);
    return outgoing;
  };
  tunnels.set(id, { accept, refuse: reject });
  send({ connect: id, host, port }).catch(() => reject("The Builder has gone."));
  // An end of the request's body is none of the connection's: whoever waits for more from the other side would wait on.
  ended.then(() => send({ closed: id })).catch(() => {});
  return promise.finally(() => tunnels.delete(id));
}

/** Takes out of the lock, and of what was loaded by it, what the function does not need; what there is contradicts it, if it does. */
async function settle(directory, order, modules) {
  const lock = JSON.parse(await Deno.readTextFile(`${directory}/deno.lock`));
  // Deno believes a registry that it has asked about other versions of a package.
  const others = changed(order.lock, lock).map((entry) => contradiction(entry, order.imports));
  if (others.length > 0) return others;
  if (order.frozen) {
    const missing = uncovered(order.lock, lock).map((entry) => ({ ...entry, import: importOf(entry, order.imports) }));
    const named = missing.filter((entry) => entry.import >= 0);
    // Of a package there is what it is called in the import, and itself.
    const isFirst = (entry, index) => named.findIndex((other) => other.import === entry.import) === index;
    const shown = (named.length > 0 ? named.filter(isFirst) : missing).slice(0, 50);
    if (shown.length > 0) {
      return shown.map(({ import: index, name, section }) => ({
        import: Math.max(index, 0),
        kind: "uncovered",
        message: `deno.lock does not cover ${section === "npm" || section === "jsr" ? `${section}:${name}` : name}.`,
      }));
    }
  }
  const files = [];
  await collect(`${directory}/deno/remote`, "", files);
  const urls = new Set();
  for (const { path } of files) urls.add(urlOf(await Deno.readFile(`${directory}/deno/remote/${path}`)));
  const kept = needed(lock, modules, urls, order.jsr);
  // Directories of names with capitals are called otherwise, see DependencyLayer: nothing of npm is taken out then.
  const isPlain = Object.keys(lock.npm ?? {}).every((key) => key === key.toLowerCase());
  const written = isPlain ? kept : { ...kept, npm: lock.npm };
  await Deno.writeTextFile(`${directory}/deno.lock`, JSON.stringify(written));
  if (!isPlain) return [];
  const packages = Object.keys(kept.npm ?? {}).map((key) => key.replace(/(?<=.)@([^@_]*).*/, "/$1"));
  for (const host of await entries(`${directory}/deno/npm`)) {
    for (const folder of await packagesIn(`${directory}/deno/npm`)) {
      if (packages.includes(folder) || packages.includes(folder.replace(/_\d+$/, ""))) continue;
      await Deno.remove(`${directory}/deno/npm/${host.name}/${folder}`, { recursive: true }).catch(() => {});
    }
  }
  return [];
}

/** The URL of a module as Deno keeps it. */
function urlOf(bytes) {
  const text = new TextDecoder("latin1").decode(bytes);
  return JSON.parse(text.slice(text.lastIndexOf(marker) + marker.length)).url;
}

/** Sends what Deno loaded. */
async function deliver(directory, order, send, writer, signal) {
  const lock = await Deno.readTextFile(`${directory}/deno.lock`).catch(() => `{"version":"5"}`);
  const packages = await packagesIn(`${directory}/deno/npm`);
  const files = [];
  await collect(`${directory}/deno/remote`, "", files);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  if (files.length > order.files || total > order.bytes) {
    const message =
      `The imports load ${files.length} modules of ${total} bytes; ${order.files} of ${order.bytes} bytes are allowed.`;
    return await send({ problems: [{ import: 0, kind: "large", message }] });
  }
  await send({ lock, packages });
  for (const { path, size } of files) {
    await send({ file: path, size });
    await writer.write(await Deno.readFile(`${directory}/deno/remote/${path}`));
  }
  const caches = [];
  try {
    await makeCaches(directory, order, files, packages, signal);
    await collect(`${directory}/caches`, "", caches);
    const size = caches.reduce((sum, { size }) => sum + size, 0);
    if (size > maximumCaches) throw new Error(`they have ${size} bytes`);
  } catch (error) {
    caches.length = 0;
    console.error("checker: no caches could be made:", error);
  }
  for (const { path, size } of caches) {
    await send({ cache: path, size });
    if (size > 0) await writer.write(await Deno.readFile(`${directory}/caches/${path}`));
  }
}

/** The packages' directories below those of their registries: `NAME/VERSION`. */
async function packagesIn(directory) {
  const found = [];
  const folders = async (path) => (await entries(path)).filter((entry) => entry.isDirectory).map((entry) => entry.name);
  for (const host of await folders(directory)) {
    for (const first of await folders(`${directory}/${host}`)) {
      const names = first.startsWith("@")
        ? (await folders(`${directory}/${host}/${first}`)).map((name) => `${first}/${name}`)
        : [first];
      for (const name of names) {
        for (const version of await folders(`${directory}/${host}/${name}`)) found.push(`${name}/${version}`);
      }
    }
  }
  return found.sort();
}

async function collect(root, path, files) {
  for (const entry of await entries(`${root}/${path}`)) {
    const name = path === "" ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory) await collect(root, name, files);
    else if (entry.isFile) files.push({ path: name, size: (await Deno.stat(`${root}/${name}`)).size });
  }
}

/** What is in a directory, by name; nothing when it is not there. */
async function entries(path) {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
