// What is wrong with a module's syntax, as far as the parser and the engine say. Only under `deno test`: see analyst.js.
import { shorten, withStubs } from "./imports.js";
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

/**
 * What the engine itself rejects: duplicate declarations, bad regular expressions, names that a built-in module does not export.
 *
 * Modules are compiled and linked before any of them is evaluated, and then evaluated in the order of their imports: the first one
 * throws, so the one under check never runs (ECMA-262, 16.2.1.6.1.3).
 */
export async function engineProblem({ module: code, isOriginal }, imports) {
  const urls = [];
  const module = (text, type = "text/javascript") => {
    urls.push(URL.createObjectURL(new Blob([text], { type })));
    return urls.at(-1);
  };
  try {
    const stop = module("throw 'stop';");
    await import(module(`import "${stop}"; import "${module(withStubs(code, imports, module))}";`));
  } catch (error) {
    if (error === "stop") return undefined;
    // Deno has applied the module's source map already: the place is one in the source file.
    const where = isOriginal ? /^([^]*?)\s+at blob:\S*?:(\d+):(\d+)/ : /^([^]*?)\s+at file:\S*?:(\d+):(\d+)/;
    const [, message, line, column] = where.exec(error.message) ?? [];
    const place = message ? { line: Number(line), column: Number(column) } : {};
    return { ...place, code: "syntax", message: message ?? error.message.replace(/\s+at blob:[^]*/, "") };
  } finally {
    urls.forEach((url) => URL.revokeObjectURL(url));
  }
  return { code: "syntax", message: "The module cannot be compiled." };
}
