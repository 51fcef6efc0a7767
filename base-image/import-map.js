// Import maps (https://html.spec.whatwg.org/multipage/webappapis.html#import-maps) for the files of a function, which are at `root`
// for this purpose: deep enough that no "../" can be mistaken for something else.
const root = "file:///1/2/3/4/";

/** The URL of the function's file `path`. */
export function urlOf(path) {
  return root + path.split("/").map(encodeURIComponent).join("/");
}

/** The path of the function's file (or directory, with a "/" at its end) that `url` is; undefined when it is none. */
export function inside(url) {
  // Encoded once more, a path could be another one to whoever decodes it later.
  if (!url?.href.startsWith(root) || url.search || url.hash || /%(2e|2f|5c|25|00)|\\/i.test(url.href)) return undefined;
  try {
    return decodeURIComponent(url.href.slice(root.length));
  } catch {
    return undefined;
  }
}

/** The directory that a file is in, with a "/" at its end, or "". */
export function dirname(path) {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** The file `path` as a specifier, for a module in the directory `from`. */
export function relative(from, path) {
  const up = from.split("/").slice(0, -1);
  const down = path.split("/");
  while (up.length > 0 && down.length > 1 && up[0] === down[0]) {
    up.shift();
    down.shift();
  }
  return `${up.length > 0 ? "../".repeat(up.length) : "./"}${down.map(encodeURIComponent).join("/")}`;
}

export class ImportMap {
  #entries;

  /** `imports` as in deno.json: targets that begin with "./" are the function's files. */
  constructor(imports) {
    const all = new Map(Object.entries(imports));
    for (const [key, target] of Object.entries(imports)) {
      // As Deno does: what has a name, has what is below it too.
      const [, scheme, rest] = /^(npm:|jsr:)\/?(.*[^/])$/.exec(target) ?? [];
      if (rest && !key.endsWith("/") && !all.has(`${key}/`)) all.set(`${key}/`, `${scheme}/${rest}/`);
    }
    this.#entries = [...all].map(([key, target]) => ({
      key: normalized(key, root),
      target: isRelative(target) ? URL.parse(target, root)?.href ?? target : target,
    })).sort((a, b) => b.key.length - a.key.length || (a.key < b.key ? -1 : 1));
  }

  /** { target } for `specifier` in the function's file `from`, { problem }, or undefined when the map does not know it. */
  resolve(specifier, from) {
    const asked = normalized(specifier, urlOf(from));
    for (const { key, target } of this.#entries) {
      if (key === asked) return { target };
      if (!key.endsWith("/") || !asked.startsWith(key)) continue;
      const url = URL.parse(asked.slice(key.length), target);
      if (!url?.href.startsWith(target)) return { problem: "deno.json's entry for it ends in no place below its target" };
      return { target: url.href };
    }
    return undefined;
  }

  /**
   * The map to run with, for files below `source/` beside it: `outputs` [[path, output]] says which module runs in whose place.
   * A target is looked up once, so entries for directories are written out for the modules that have others in their place.
   */
  runtime(outputs) {
    const place = (path) => `./source/${path.split("/").map(encodeURIComponent).join("/")}`;
    const moved = (text) => text.startsWith(root) ? `./source/${text.slice(root.length)}` : text;
    const imports = Object.fromEntries(outputs.map(([path, output]) => [place(path), place(output)]));
    const scope = {};
    for (const { key, target } of this.#entries) {
      const output = outputs.find(([path]) => urlOf(path) === target)?.[1];
      scope[moved(key)] = output ? place(output) : moved(target);
      if (!key.endsWith("/") || !target.startsWith(root)) continue;
      for (const [path, output] of outputs) {
        if (!urlOf(path).startsWith(target)) continue;
        scope[moved(key) + urlOf(path).slice(target.length)] ??= place(output);
      }
    }
    return this.#entries.length > 0 ? { imports, scopes: { "./source/": scope } } : { imports };
  }
}

function isRelative(specifier) {
  return /^\.{0,2}\//.test(specifier);
}

function normalized(specifier, base) {
  return (isRelative(specifier) ? URL.parse(specifier, base) : URL.parse(specifier))?.href ?? specifier;
}
