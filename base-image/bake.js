// Brings what resolve.js loaded into the form in which it is baked, loads it once more in that form with nothing else to be had, and
// so makes what Deno would otherwise make at every start: JavaScript of TypeScript, analyses of modules, and their compiled code.
import { databases, home, inBase, modules, renamed, write } from "./caches.js";
import { compileScripts, load, withCompiledModules } from "./code.js";

const publicNPM = "registry.npmjs.org";
const publicJSR = "https://jsr.io/";
const marker = "\n// denoCacheMetadata=";

/**
 * Makes the caches for the modules in `directory`, where `files` are those below `deno/remote` and `packages` the packages' directories,
 * `NAME/VERSION`. They are left in `caches`.
 * Throws when they cannot be made, which costs only time at the starts.
 */
export async function makeCaches(directory, order, files, packages, signal) {
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
  await compileScripts(directory, baked, signal);
  const folders = packages.map((folder) => `npm/${publicNPM}/${folder}`);
  await withCompiledModules(directory, baked, folders, signal, async (compiled) => {
    for (const name of databases) {
      const sources = name.startsWith("v8_") ? code(baked, compiled) : [{ path: `${baked}/${name}`, keep: movedFrom(baked) }];
      write([...sources, ...await inBase(name)], `${directory}/caches/${name}`);
    }
  });
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

/** Keeps rows with the specifiers that modules have in an image, of those that are in Deno's directory `directory` now. */
function movedFrom(directory) {
  return renamed((specifier) => {
    if (!specifier.startsWith("file:")) return specifier;
    const own = `file://${directory}/`;
    return specifier.startsWith(own) ? `file://${home}/${specifier.slice(own.length)}` : undefined;
  });
}

/**
 * The compiled code that is the same bytes each time: that of scripts in the directory `baked`, which has their path in an image inside,
 * and that of ES modules in the directory `compiled`, if any.
 */
function code(baked, compiled) {
  const database = "v8_code_cache_v2";
  const scripts = { path: `${baked}/${database}`, keep: (row) => row.specifier.startsWith(`file://${home}/`) ? row : undefined };
  if (!compiled) return [scripts];
  const own = movedFrom(baked);
  // Deno finds the code of a module by a number that depends on how it came to the module, too: as a function does, only in `baked`.
  const numbers = new Map(modules(`${baked}/${database}`).map(own).filter(Boolean).map((row) => [row.specifier, row.source_hash]));
  // What stands for a CommonJS module among ES modules is a text with its path, which is another one in an image.
  for (const row of modules(`${baked}/node_analysis_cache_v2`)) {
    if (row.data.startsWith('{"Cjs"')) numbers.delete(own(row)?.specifier);
  }
  const ordered = movedFrom(compiled);
  const keep = (row) => {
    const found = ordered(row);
    return found && numbers.has(found.specifier) ? { ...found, source_hash: numbers.get(found.specifier) } : undefined;
  };
  return [scripts, { path: `${compiled}/${database}`, keep }];
}

async function names(path) {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
