// What is wrong with a module's syntax, as far as the parser and the engine say. Only under `deno test`: see analyst.js.
import { shorten, withStubs } from "./imports.js";
import { placeOf } from "./source.js";
import { survey } from "./survey.js";

const maximumDiagnostics = 100;
const maximumMessage = 500;

/** The answer for problems in `file`, or where each says itself. */
export function failure(file, problems) {
  const diagnostics = problems.slice(0, maximumDiagnostics)
    .map((problem) => ({ file, ...problem, message: shorten(problem.message, maximumMessage) }));
  return { ok: false, diagnostics, more: problems.length - diagnostics.length };
}

/** What the parser threw, "SyntaxError: what\n  |\n2 | code\n  | ~~~\n    at file:///…:2:27" once per error, as problems. */
export function parserProblems(text, error) {
  const message = String(error?.message ?? error);
  if (!message.includes("SyntaxError")) {
    return [{ code: "too-complex", message: `The module is too complex to parse: ${message.split("\n", 1)[0]}.` }];
  }
  const found = [];
  let what;
  for (const line of message.split("\n")) {
    const place = /^ +at \S+:(\d+):(\d+)$/.exec(line);
    if (place && what) {
      found.push({ line: Number(place[1]), column: Number(place[2]), code: "syntax", message: what });
      what = undefined;
    } else if (!what && line !== "") {
      what = line.replace(/^SyntaxError: /, "");
    }
  }
  if (found.length === 0) found.push({ code: "syntax", message: message.split("\n", 1)[0] });
  if (/<[A-Za-z>]/.test(text) && isJSX(text)) {
    found[0].message += " (This is JSX, which is not supported yet in this version: compile it to JavaScript first.)";
  }
  return found;
}

function isJSX(text) {
  try {
    survey(text, "main.tsx");
    return true;
  } catch {
    return false;
  }
}

/** As engineProblem, the first thing in each of `all`: at most so many as are listed. */
export async function engineProblems(all) {
  const found = [];
  let rest = all;
  while (rest.length > 0 && found.length < maximumDiagnostics) {
    const problem = await engineProblem(rest);
    if (!problem) break;
    found.push(problem);
    // Modules are compiled apart from each other: what the others say does not depend on this one.
    if (problem.line === undefined) break;
    rest = rest.filter(({ path }) => path !== problem.file);
  }
  return found;
}

/**
 * The first thing that the engine itself rejects in the modules of `all` [{ path, javascript, imports }]: duplicate declarations, bad
 * regular expressions, names that a built-in module does not export. { file, line, column, code, message }
 *
 * Modules are compiled and linked before any of them is evaluated, and then evaluated in the order of their imports: the first one
 * throws, so those under check never run (ECMA-262, 16.2.1.6.1.3).
 */
export async function engineProblem(all) {
  const urls = new Map();
  const module = (text, type = "text/javascript") => {
    const known = urls.get(`${type} ${text}`);
    if (known) return known;
    const url = URL.createObjectURL(new Blob([text], { type }));
    urls.set(`${type} ${text}`, url);
    return url;
  };
  const paths = new Map();
  try {
    const lines = [`import "${module("throw 'stop';")}";`];
    for (const { path, javascript, imports } of all) {
      const url = module(withStubs(javascript.module, imports, module));
      paths.set(javascript.isOriginal ? url : placeOf(path), path);
      lines.push(`import "${url}";`);
    }
    await import(module(lines.join("\n")));
  } catch (error) {
    if (error === "stop") return undefined;
    // Deno has applied a module's source map already: the place is one in the source file.
    const [, message, url, line, column] = /^([^]*?)\s+at ((?:file|blob):\S*?):(\d+):(\d+)/.exec(error.message) ?? [];
    const file = paths.get(url);
    const place = file === undefined ? {} : { line: Number(line), column: Number(column) };
    return {
      file: file ?? all[0].path,
      ...place,
      code: "syntax",
      message: message ?? error.message.replace(/\s+at blob:[^]*/, ""),
    };
  } finally {
    for (const url of urls.values()) URL.revokeObjectURL(url);
  }
  return { file: all[0].path, code: "syntax", message: "The module cannot be compiled." };
}
