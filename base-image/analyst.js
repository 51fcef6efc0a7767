// Judges one module at a time for checker.js, or several files of one function (graph.js): syntax, imports, handler form; and turns
// them into the JavaScript that runs.
//
// Started with `deno test`, the one place where Deno gives its parser to scripts (Deno.lint.runPlugin): a check in a running process
// takes a few milliseconds, a `deno lint` of its own takes 75. Source under check is parsed and compiled, never evaluated. What
// crashes the parser ends this process, and checker.js starts another.
import { stripTypeScriptTypes } from "node:module";
import { engineProblem, failure, parserProblems } from "./compile.js";
import { receive, send } from "./frames.js";
import { admitFiles, checkFiles } from "./graph.js";
import { decideForm } from "./handler.js";
import { externalImports, importProblems } from "./imports.js";
import { externalReferences, referenceProblems, references } from "./references.js";
import { positionIn, SourceText } from "./source.js";
import { survey } from "./survey.js";

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
  const problem = await engineProblem([{ path: file, javascript, imports: found.imports }]);
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

function answer(question) {
  if (question.files) return question.types ? admitFiles(question) : checkFiles(question);
  return question.types ? admit(question) : check(question);
}

const connection = await Deno.connect({ transport: "unix", path: Deno.args[0] });
for (;;) {
  const question = await receive(connection, 2 ** 32 - 1);
  if (!question) break;
  await send(connection, await answer(question));
}
Deno.exit(0);
