// Which imports a function may have: built-in modules and data: URLs. Everything else is one problem that says what to do.
import { isBuiltin } from "node:module";

/** The problems with `imports`. */
export function importProblems(imports, source) {
  const problems = [];
  for (const entry of imports) {
    const problem = importProblem(entry, source);
    if (problem) problems.push(problem);
  }
  return problems;
}

/** The problem with the import of `specifier` at offset `at`; undefined when it works. Looks at no file. */
function importProblem({ specifier, at }, source) {
  if (specifier.startsWith("data:") || (specifier.startsWith("node:") && isBuiltin(specifier))) return undefined;
  const name = JSON.stringify(shorten(specifier, 200));
  if (/^(npm|jsr|https?):/i.test(specifier)) {
    return {
      ...source.position(at),
      code: "unsupported-import",
      message: `Cannot import ${name}: imports of other modules are not supported yet in this version. A function is one ` +
        "self-contained module: bundle it into one file first, e.g. with `deno bundle`, and POST that.",
    };
  }
  let advice =
    "a function is one self-contained module in this version; put the code into it, or bundle it first, e.g. with `deno bundle`";
  if (specifier.startsWith("node:")) advice = "there is no such built-in module";
  else if (isBuiltin(specifier)) advice = `write "node:${specifier}"`;
  return { ...source.position(at), code: "unresolved-import", message: `Cannot resolve ${name}: ${advice}.` };
}

/** `text` without control characters, of at most `length` UTF-16 units. */
export function shorten(text, length) {
  const printable = text.replace(/[\p{Cc}\p{Cf}]/gu, " ");
  return printable.length <= length ? printable : `${printable.slice(0, length).toWellFormed()}…`;
}
