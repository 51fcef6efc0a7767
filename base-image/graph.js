// Judges the modules of a function that has several files: all that its entry leads to. Only under `deno test`: see analyst.js.
import { stripTypeScriptTypes } from "node:module";
import { engineProblems, failure, parserProblems } from "./compile.js";
import { decideForm } from "./handler.js";
import { importProblem, isExternal, shorten } from "./imports.js";
import { problemOf, references } from "./references.js";
import { positionIn, SourceText } from "./source.js";
import { survey } from "./survey.js";
import { Tree } from "./tree.js";

/**
 * The answer for the files of `question` { entry, files, names }, see tree.js: { ok: true, form, main, modules, importMap, imports,
 * warnings } with the JavaScript `modules` [{ path, code }] that run in the place of others, as `importMap` says, and `main`, the path of
 * what runs first; { ok: false, diagnostics }; or { decorators: [path] } when it has to be asked again with the JavaScript that
 * `deno transpile` makes of these, as `transpiled` { path: code }.
 */
export async function checkFiles(question) {
  const tree = new Tree(question);
  const graph = new Graph(tree, question.transpiled ?? {});
  graph.read();
  const problems = [...tree.problems, ...graph.problems];
  if (problems.length > 0) return failure(tree.entry, problems);
  const { form, message, at } = graph.form();
  if (!form) {
    return failure(tree.entry, [{ ...graph.modules.get(tree.entry).javascript.position(at), code: "no-handler", message }]);
  }
  const decorators = [...graph.modules.values()].filter(({ found, isTranspiled }) => found.decorators && !isTranspiled);
  if (decorators.length > 0) return { decorators: decorators.map(({ path }) => path) };
  const found = await engineProblems([...graph.modules.values()]);
  if (found.length > 0) return failure(tree.entry, found);
  const outputs = graph.outputs();
  const imports = graph.externalImports();
  return {
    ok: true,
    form,
    main: outputs.get(tree.entry) ?? tree.entry,
    modules: [...outputs].map(([path, output]) => ({ path: output, code: graph.modules.get(path).javascript.module })),
    importMap: tree.map.runtime([...outputs]),
    imports: [...imports, ...typeImports(question, imports)],
    warnings: tree.warnings,
  };
}

/** What the files of `question` import from elsewhere for its types alone, and not among `imports`. */
function typeImports(question, imports) {
  // A quick look: most functions name nothing from elsewhere.
  if (!question.files.some(({ text }) => /\b(npm|jsr|https?):/i.test(text ?? ""))) return [];
  const others = new Set(imports.map(({ specifier }) => specifier));
  return (admitFiles(question).named ?? []).filter(({ specifier }) => !others.has(specifier))
    .map((entry) => ({ ...entry, types: true }));
}

class Graph {
  /** By path, in the order in which they are found: { path, javascript, found, imports, isTranspiled }. */
  modules = new Map();
  /** { file, line, column, code, message } */
  problems = [];
  #tree;
  #transpiled;
  #data = new Set();

  constructor(tree, transpiled) {
    this.#tree = tree;
    this.#transpiled = transpiled;
  }

  /** Reads every module that the entry leads to. */
  read() {
    const pending = [this.#tree.entry];
    const seen = new Set(pending);
    while (pending.length > 0) {
      for (const path of this.#read(pending.shift())) {
        if (seen.has(path)) continue;
        seen.add(path);
        pending.push(path);
      }
    }
  }

  /** Reads one; the paths of those that it leads to. */
  #read(path) {
    const text = this.#tree.text(path);
    if (text === undefined) return this.#fail(path, { code: "encoding", message: "The file is not UTF-8 text." });
    if (/\.c[jt]s$/.test(path)) {
      const message = "CommonJS modules cannot be imported here: make it a module with import and export, named .js or .ts.";
      return this.#fail(path, { code: "unsupported-import", message });
    }
    let javascript, found;
    try {
      const isTypeScript = /\.(m?ts|tsx)$/.test(path);
      const made = this.#transpiled[path] ??
        (isTypeScript ? stripTypeScriptTypes(text, { mode: "transform", sourceMap: true }) : undefined);
      javascript = new SourceText(path, text, made);
      found = survey(javascript.code);
    } catch (error) {
      return this.#fail(path, ...parserProblems(text, error));
    }
    const imports = found.imports.map((entry) => ({
      ...entry,
      ...this.#tree.resolve(entry.specifier, path),
      written: entry.specifier,
    }));
    this.modules.set(path, { path, javascript, found, imports, isTranspiled: path in this.#transpiled });
    const next = [];
    for (const entry of imports) {
      const problem = this.#problem(entry, javascript);
      if (problem) this.#fail(path, problem);
      else if (entry.path !== undefined && Tree.isModule(entry.path)) next.push(entry.path);
    }
    for (const { specifier, at } of found.workers) {
      const target = this.#tree.resolve(specifier.replace(/^(?![./])/, "./"), path);
      if (target.path !== undefined && Tree.isModule(target.path)) next.push(target.path);
      else if (target.problem) this.#fail(path, unresolved(javascript.position(at), specifier, target.problem));
    }
    return next;
  }

  #fail(file, ...problems) {
    this.problems.push(...problems.map((problem) => ({ file, ...problem })));
    return [];
  }

  /** What is wrong with an import. */
  #problem({ written, specifier, path, problem, type, at }, javascript) {
    const place = javascript.position(at);
    if (problem) return unresolved(place, written, problem);
    if (path === undefined) return importProblem({ specifier, type, at }, javascript);
    const unsupported = (message) => ({
      ...place,
      code: "unsupported-import",
      message: `Cannot import ${quoted(written)}: ${message}.`,
    });
    const reading = `read it with Deno.readFile(new URL(${quoted(written)}, import.meta.url))`;
    if (type === "text") return undefined;
    if (type === "json") {
      return /\.json$/.test(path) ? this.#jsonProblem(path) : unsupported("only .json files can be imported as JSON");
    }
    if (type !== undefined) return unsupported(`the type ${quoted(type)} is not known here; ${reading}`);
    if (/\.json$/.test(path)) return unsupported('JSON is imported with { type: "json" }');
    return Tree.isModule(path) ? undefined : unsupported(`it is no module; ${reading}, or import it with { type: "text" }`);
  }

  #jsonProblem(file) {
    if (this.#data.has(file)) return undefined;
    this.#data.add(file);
    const text = this.#tree.text(file);
    if (text === undefined) return { file, code: "encoding", message: "The file is not UTF-8 text." };
    try {
      JSON.parse(text);
      return undefined;
    } catch (error) {
      const [, at] = /at position (\d+)/.exec(error.message) ?? [];
      const place = at === undefined ? {} : positionIn(text, Number(at));
      return { line: undefined, column: undefined, file, ...place, code: "syntax", message: `It is no JSON: ${error.message}.` };
    }
  }

  /** How the entry handles requests, by itself or by the modules that it imports; see handler.js. */
  form() {
    const all = [...this.modules.values()];
    const entry = this.modules.get(this.#tree.entry);
    return decideForm({
      exported: this.#exported(entry),
      imports: all.flatMap(({ imports }) => imports.map(({ specifier }) => ({ specifier: specifier ?? "" }))),
      reads: all.flatMap(({ found }) => found.reads),
    });
  }

  /** What a module exports as default, also when it has that from another one. */
  #exported({ found, imports }, depth = 0) {
    const from = found.exported?.from;
    if (!from || from.name !== "default" || depth === 10) return found.exported;
    const path = imports.find(({ written }) => written === from.specifier)?.path;
    const other = path !== undefined && this.modules.get(path);
    const exported = other ? this.#exported(other, depth + 1) : undefined;
    // A place in another file would be none in the entry.
    return exported ? { ...exported, at: other.found.exported === found.exported ? exported.at : undefined } : found.exported;
  }

  /** Which file runs in the place of which: JavaScript beside TypeScript, under a name that nothing else has. */
  outputs() {
    const outputs = new Map();
    for (const [path, { javascript }] of this.modules) {
      if (javascript.isOriginal) continue;
      let output = `${path}.js`;
      for (let number = 2; this.#tree.has(output); number++) output = `${path}.${number}.js`;
      outputs.set(path, output);
    }
    return outputs;
  }

  /** The imports that have to be resolved, each once, where it is first. */
  externalImports() {
    const found = new Map();
    for (const { path, javascript, imports } of this.modules.values()) {
      for (const { specifier, type, at } of imports) {
        const key = `${type ?? ""} ${specifier}`;
        if (specifier === undefined || !isExternal(specifier) || found.has(key)) continue;
        found.set(key, { specifier, type, file: path, ...javascript.position(at) });
      }
    }
    return [...found.values()];
  }
}

function unresolved(place, specifier, problem) {
  return { ...place, code: "unresolved-import", message: `Cannot resolve ${quoted(specifier)}: ${problem}.` };
}

function quoted(text) {
  return JSON.stringify(shorten(text, 200));
}

/** What a worker has in the place of what others have: its own globals. */
const workerTypes = '/// <reference lib="deno.worker" />\n';

/**
 * What the type checker may see of the files of `question`: { ok: true, files: [{ path, text, edits }], open }, all modules that the
 * entry leads to, also by types alone, and JSON. Names that only deno.json explains are written out: `edits` [{ at, length, written }]
 * says what stood where in `text`. `external` are the names of modules from elsewhere, each once, and `named` says where each is first.
 * What workers run is apart, as `workers` { files, open }: their globals are others. `added` says how many lines a file has before its
 * own. Or { ok: false, diagnostics }.
 */
export function admitFiles(question) {
  const tree = new Tree(question);
  const all = { tree, problems: [...tree.problems], external: new Map(), workers: new Set(), texts: new Map() };
  const main = admitted(all, [tree.entry]);
  const workers = all.workers.size > 0 ? admitted(all, all.workers) : undefined;
  if (all.problems.length > 0) return failure(tree.entry, all.problems);
  return { ok: true, ...main, workers, external: [...all.external.keys()], named: [...all.external.values()] };
}

/** { files, open } that `roots` lead to; what they name is noted in `all`. A worker that a worker starts becomes one of the roots. */
function admitted(all, roots) {
  const files = new Map();
  // It may get more while it is gone through.
  for (const root of roots) {
    const pending = [root];
    while (pending.length > 0) {
      const path = pending.shift();
      if (files.has(path)) continue;
      const { file, next } = admittedFile(all, path);
      files.set(path, all.workers === roots && roots.has(path) ? asWorker(file) : file);
      pending.push(...next);
    }
  }
  const found = [...files.values()].filter((file) => file !== undefined);
  return {
    files: found,
    open: found.map(({ path }) => path).filter((path) => Tree.isModule(path) && !/\.d\.[cm]?ts$/.test(path)),
  };
}

/** A file as the type checker may see it, if it may, and the paths of those that it leads to. */
function admittedFile(all, path) {
  const known = all.texts.get(path);
  if (known) return known;
  const result = { file: undefined, next: [] };
  all.texts.set(path, result);
  const { tree, problems, external, workers } = all;
  const text = tree.text(path);
  if (!Tree.isModule(path)) {
    // What is imported as text has a type, whatever it says.
    result.file = { path, text: text ?? "", edits: [] };
    return result;
  }
  if (text === undefined) return result;
  let named, started;
  try {
    named = references(text, path);
    started = /\bWorker\b/.test(text) ? survey(text, path).workers : [];
  } catch (error) {
    problems.push(...parserProblems(text, error).map((problem) => ({ file: path, ...problem })));
    return result;
  }
  for (const { specifier } of started) {
    const target = tree.resolve(specifier.replace(/^(?![./])/, "./"), path);
    if (target.path !== undefined && Tree.isModule(target.path)) workers.add(target.path);
  }
  const changes = [];
  for (const { specifier, at, end, isFirm } of named) {
    const target = tree.resolve(specifier, path);
    const meant = target.specifier ?? "";
    if (isFirm && isExternal(meant) && meant.length <= 2000 && !external.has(meant)) {
      external.set(meant, { specifier: meant, file: path, ...positionIn(text, at) });
    }
    const refused = target.mapped ? undefined : problemOf(specifier, path, 0);
    if (refused) problems.push({ file: path, ...unresolved(positionIn(text, at), specifier, refused) });
    if (refused || target.problem) continue;
    if (target.path !== undefined) result.next.push(target.path);
    if (!target.mapped || end === undefined) continue;
    const written = target.path === undefined ? target.specifier : Tree.specifier(path, target.path);
    changes.push({ at, end, written: JSON.stringify(written) });
  }
  result.file = { path, ...edited(text, changes) };
  return result;
}

function asWorker(file) {
  if (!file) return undefined;
  const edits = file.edits.map((edit) => ({ ...edit, at: edit.at + workerTypes.length }));
  return { ...file, text: workerTypes + file.text.replace(/^#!/, "//"), edits, added: 1 };
}

/** `text` with `changes`, and what they were. */
function edited(text, changes) {
  changes.sort((a, b) => a.at - b.at);
  const edits = [];
  let result = "";
  let from = 0;
  for (const { at, end, written } of changes) {
    result += text.slice(from, at);
    edits.push({ at: result.length, length: written.length, written: text.slice(at, end) });
    result += written;
    from = end;
  }
  return { text: result + text.slice(from), edits };
}
