// Judges one module at a time for checker.js: syntax, imports, handler form; and turns it into the JavaScript that runs.
//
// Started with `deno test`, the one place where Deno gives its parser to scripts (Deno.lint.runPlugin): a check in a running process
// takes a few milliseconds, a `deno lint` of its own takes 75. Source under check is parsed and compiled, never evaluated. What
// crashes the parser ends this process, and checker.js starts another.
import { stripTypeScriptTypes } from "node:module";
import { receive, send } from "./frames.js";
import { decideForm } from "./handler.js";
import { externalImports, importProblems, shorten, withStubs } from "./imports.js";
import { externalReferences, referenceProblems, references } from "./references.js";
import { positionIn, SourceText } from "./source.js";
import { survey } from "./survey.js";

const maximumDiagnostics = 100;
const maximumMessage = 500;

/**
 * The answer for one module: { ok: true, form, code, plain, imports }, with the imports that have yet to be resolved;
 * { ok: false, diagnostics }; or { decorators: true } when it has to be asked again with the JavaScript that `deno transpile` makes of
 * it, because the transpiler at hand here leaves decorators as they are.
 */
async function check({ file, source, transpiled }) {
  const text = source.replace(/^\ufeff/, "");
  let javascript, found;
  try {
    javascript = new SourceText(file, text, transpiled ?? stripTypeScriptTypes(text, { mode: "transform", sourceMap: true }));
    found = survey(javascript.code);
  } catch (error) {
    return failure(file, parserProblems(text, error));
  }
  const imports = importProblems(found.imports, javascript);
  if (imports.length > 0) return failure(file, imports);
  const { form, message, at } = decideForm(found);
  if (!form) return failure(file, [{ ...javascript.position(at), code: "no-handler", message }]);
  if (found.decorators) return { decorators: true };
  const problem = await engineProblem(javascript.module, found.imports);
  if (problem) return failure(file, [problem]);
  const external = externalImports(found.imports, javascript);
  external.push(...typeImports(text, file, external));
  return { ok: true, form, code: javascript.module, plain: isPlain(text), imports: external };
}

/** What `text` imports from elsewhere for its types alone, and not among `external`. */
function typeImports(text, file, external) {
  // A quick look: most modules name nothing from elsewhere.
  if (!/\b(npm|jsr|https?):/i.test(text)) return [];
  const others = new Set(external.map(({ specifier }) => specifier));
  return externalReferences(references(text, file)).filter(({ specifier }) => !others.has(specifier))
    .map(({ specifier, at }) => ({ specifier, types: true, ...positionIn(text, at) }));
}

/** Whether a module that parses as TypeScript is JavaScript as well. */
function isPlain(text) {
  try {
    return stripTypeScriptTypes(text) === text;
  } catch {
    return false; // There is something in it that takes more than leaving it out, such as an enum.
  }
}

/** What keeps `source` from the type checker: { ok: true }, or { ok: false, diagnostics }. */
function admit({ file, source }) {
  const text = source.replace(/^\ufeff/, "");
  try {
    const named = references(text, file);
    const found = referenceProblems(text, file, named);
    if (found.length === 0) return { ok: true, external: externalReferences(named).map(({ specifier }) => specifier) };
    return failure(file, found.map(({ at, ...problem }) => ({ ...positionIn(text, at), ...problem })));
  } catch (error) {
    return failure(file, parserProblems(text, error));
  }
}

function failure(file, problems) {
  const diagnostics = problems.slice(0, maximumDiagnostics)
    .map((problem) => ({ file, ...problem, message: shorten(problem.message, maximumMessage) }));
  return { ok: false, diagnostics, more: problems.length - diagnostics.length };
}

/** What the parser threw, "SyntaxError: what\n  |\n2 | code\n  | ~~~\n    at file:///…:2:27" once per error, as problems. */
function parserProblems(text, error) {
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
async function engineProblem(code, imports) {
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
    const [, message, line, column] = /^([^]*?)\s+at file:\S*?:(\d+):(\d+)/.exec(error.message) ?? [];
    const place = message ? { line: Number(line), column: Number(column) } : {};
    return { ...place, code: "syntax", message: message ?? error.message.replace(/\s+at blob:[^]*/, "") };
  } finally {
    urls.forEach((url) => URL.revokeObjectURL(url));
  }
  return { code: "syntax", message: "The module cannot be compiled." };
}

const connection = await Deno.connect({ transport: "unix", path: Deno.args[0] });
for (;;) {
  const question = await receive(connection, 2 ** 32 - 1);
  if (!question) break;
  await send(connection, question.types ? admit(question) : await check(question));
}
Deno.exit(0);
