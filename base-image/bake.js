// Brings what resolve.js loaded into the form in which it is baked, loads it once more in that form with nothing else to be had, and
// so makes what Deno would otherwise make at every start: JavaScript of TypeScript, and analyses of modules.
import { databases, write } from "./caches.js";

const publicNPM = "registry.npmjs.org";
const publicJSR = "https://jsr.io/";
const marker = "\n// denoCacheMetadata=";

/**
 * Makes the caches for the modules in `directory`, where `files` are those below `deno/remote`. They are left in `caches`.
 * Throws when they cannot be made, which costs only time at the starts.
 */
export async function makeCaches(directory, order, files, signal) {
  const baked = `${directory}/baked`;
  await Deno.mkdir(`${baked}/npm`, { recursive: true });
  await Deno.mkdir(`${directory}/caches`);
  for (const host of await names(`${directory}/deno/npm`)) {
    await Deno.rename(`${directory}/deno/npm/${host}`, `${baked}/npm/${publicNPM}`);
  }
  const lock = JSON.parse(await Deno.readTextFile(`${directory}/deno.lock`));
  const isPackaged = (url) => url.startsWith(order.jsr) && !(url in { ...lock.remote, ...lock.redirects });
  for (const { path } of files) {
    await place(
      await Deno.readFile(`${directory}/deno/remote/${path}`),
      path,
      baked,
      (url) => isPackaged(url) ? publicJSR + url.slice(order.jsr.length) : url,
    );
  }
  for (const entry of Object.values(lock.npm ?? {})) delete entry.tarball;
  await Deno.writeTextFile(`${baked}/deno.lock`, JSON.stringify(lock));
  await load(directory, baked, signal);
  for (const name of databases.filter((name) => !name.startsWith("v8_"))) {
    write(`${baked}/${name}`, `${directory}/caches/${name}`, (specifier) => {
      if (!specifier.startsWith("file:")) return specifier;
      const own = `file://${baked}/`;
      return specifier.startsWith(own) ? `file:///deno/${specifier.slice(own.length)}` : undefined;
    });
  }
  if ((await names(baked)).includes("gen")) await Deno.rename(`${baked}/gen`, `${directory}/caches/gen`);
  await Deno.remove(`${directory}/caches/gen/file`, { recursive: true }).catch(() => {});
}

/** Writes a module that Deno fetched to where it is when it came from the public registry. */
async function place(bytes, path, baked, rename) {
  const text = new TextDecoder("latin1").decode(bytes);
  const end = text.lastIndexOf(marker);
  const notes = JSON.parse(new TextDecoder().decode(bytes.subarray(end + marker.length)));
  const url = rename(notes.url);
  const file = url === notes.url ? path : `https/jsr.io/${path.split("/").at(-1)}`;
  notes.url = url;
  await Deno.mkdir(`${baked}/remote/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
  await Deno.writeFile(`${baked}/remote/${file}`, new Blob([bytes.subarray(0, end), marker, JSON.stringify(notes)]).stream());
}

/** Loads everything that `main.js` imports and evaluates none of it: what is imported first throws (ECMA-262, 16.2.1.6.1.3). */
async function load(directory, baked, signal) {
  await Deno.writeTextFile(`${directory}/stop.js`, `throw "stop";`);
  await Deno.writeTextFile(`${directory}/load.js`, `import "./stop.js"; import "./main.js";`);
  const flags = ["--quiet", "--no-prompt", "--no-config", "--cached-only", "--node-modules-dir=none", "--allow-import"];
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, `--lock=${baked}/deno.lock`, "--frozen", "load.js"],
    cwd: directory,
    clearEnv: true,
    env: { DENO_DIR: baked, DENO_NO_UPDATE_CHECK: "1", DENO_V8_FLAGS: "--max-heap-size=512", NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  }).output();
  const message = new TextDecoder().decode(stderr);
  if (!/Uncaught .*"?stop"?/.test(message)) throw new Error(message.slice(0, 2000));
}

async function names(path) {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
