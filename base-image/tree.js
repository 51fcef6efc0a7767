// The files of a function that has several, and what its modules mean when they name one another.
import { isBuiltin } from "node:module";
import { dirname, ImportMap, inside, relative, urlOf } from "./import-map.js";
import { configuration } from "./configuration.js";
import { isExternal, shorten } from "./imports.js";

const modules = /\.(?:[cm]?[jt]s|[jt]sx)$/;

export class Tree {
  /** The module that handles requests. */
  entry;
  /** What the developer should know of the configuration: sentences. */
  warnings = [];
  /** What is wrong with the configuration: { file, code, message }. */
  problems = [];
  /** What names in imports mean, by deno.json. */
  map = new ImportMap({});
  #texts;
  #names;

  /** `files` [{ path, text }] may be modules and have no `text` when they are no UTF-8; `names` are the paths of all others. */
  constructor({ entry, files, names }) {
    this.entry = entry;
    this.#texts = new Map(files.map(({ path, text }) => [path, text?.replace(/^\ufeff/, "")]));
    this.#names = new Set([...files.map(({ path }) => path), ...names]);
    const { imports, warnings, problems } = configuration(this);
    this.warnings.push(...warnings);
    this.problems.push(...problems);
    this.map = new ImportMap(imports);
  }

  has(path) {
    return this.#names.has(path);
  }

  /** The text of a file that may be a module; undefined for others. */
  text(path) {
    return this.#texts.get(path);
  }

  /** Whether the name is a module's. */
  static isModule(path) {
    return modules.test(path);
  }

  /**
   * What `specifier` in the module `from` stands for: { path } of a file of the function, { specifier } of something else, or
   * { problem }, a sentence's end. `mapped` tells that deno.json was needed for it.
   */
  resolve(specifier, from) {
    const found = this.map.resolve(specifier, from);
    if (found?.problem) return found;
    const mapped = found !== undefined;
    const meant = found?.target ?? specifier;
    if (/^data:/i.test(meant) || meant.startsWith("node:") || isExternal(meant)) return { specifier: meant, mapped };
    if (!mapped && !/^\.{0,2}\//.test(specifier) && !URL.canParse(specifier)) {
      const advice = isBuiltin(specifier)
        ? `write "node:${specifier}"`
        : `write ${quoted(`npm:${specifier}`)}, or say what it means under "imports" in deno.json`;
      return { problem: advice };
    }
    const url = URL.parse(meant, urlOf(from));
    if (url?.search || url?.hash) return { problem: "names of the function's own files have no ? and no #" };
    const path = inside(url);
    if (path === undefined) return { problem: "it is outside of the function's files; they name each other by relative paths" };
    if (this.has(path)) return { path, mapped };
    return { problem: `there is no file ${quoted(path)} among the function's${this.#suggestion(path)}` };
  }

  #suggestion(path) {
    const stem = path.replace(/\/$/, "");
    const candidates = ["ts", "tsx", "js", "jsx", "mts", "mjs", "json"].flatMap((suffix) => [
      `${stem}.${suffix}`,
      `${stem}/mod.${suffix}`,
      `${stem}/index.${suffix}`,
      stem.replace(/\.[cm]?jsx?$/, `.${suffix}`),
    ]);
    const found = candidates.find((candidate) => this.has(candidate));
    return found ? `; did you mean ${quoted(found)}` : "";
  }

  /** How the module `from` would name the file `path`. */
  static specifier(from, path) {
    return relative(dirname(from), path);
  }
}

function quoted(text) {
  return JSON.stringify(shorten(text, 200));
}
