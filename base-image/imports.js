// Which imports a function may have: built-in modules, data: URLs, and modules from elsewhere (npm:, jsr:, https:), which are resolved
// after the check (see resolve.js). Everything else is one problem that says what to do.
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
export function importProblem({ specifier, type, at }, source) {
  if (specifier.startsWith("data:") || (specifier.startsWith("node:") && isBuiltin(specifier))) return undefined;
  const name = JSON.stringify(shorten(specifier, 200));
  if (isExternal(specifier)) {
    if (specifier.length > 2000) {
      return { ...source.position(at), code: "unresolved-import", message: `${name} is too long a name.` };
    }
    if (type === undefined || type === "json") return undefined;
    const message = `Cannot import ${name} with the type ${JSON.stringify(shorten(type, 50))}: use a module or "json".`;
    return { ...source.position(at), code: "unsupported-import", message };
  }
  let advice = /^[./]/.test(specifier) || specifier.includes(":")
    ? "this is a single module, and files beside it were not sent: send their directory, with `kiln deploy DIR` or as a tar"
    : `write ${JSON.stringify(shorten(`npm:${specifier}`, 200))}: names from deno.json or an import map are not known here`;
  if (specifier.startsWith("node:")) advice = "there is no such built-in module";
  else if (isBuiltin(specifier)) advice = `write "node:${specifier}"`;
  return { ...source.position(at), code: "unresolved-import", message: `Cannot resolve ${name}: ${advice}.` };
}

/** Whether a module with this specifier comes from a registry or the web. */
export function isExternal(specifier) {
  return /^(npm|jsr|https?):/i.test(specifier);
}

/** The imports that have to be resolved, each once, where it is first: { specifier, type, line, column }. */
export function externalImports(imports, source) {
  const found = new Map();
  for (const { specifier, type, at } of imports) {
    const key = `${type ?? ""} ${specifier}`;
    if (isExternal(specifier) && !found.has(key)) found.set(key, { specifier, type, ...source.position(at) });
  }
  return [...found.values()];
}

/**
 * The JavaScript `code` with the imports of all but built-in modules led to modules of the same shape, for the engine to link it;
 * `module(text, type)` gives the URL of a new one.
 */
export function withStubs(code, imports, module) {
  const later = imports.filter(({ specifier }) => !/^(data|node):/.test(specifier)).sort((a, b) => b.at - a.at);
  let text = code;
  for (const { type, names, at, end } of later) {
    const all = [...new Set(["default", ...names])].map((name) => `v as ${JSON.stringify(name)}`);
    const data = { json: ["{}", "application/json"], text: ["", "text/plain"] }[type];
    const url = data ? module(...data) : module(`const v = 0; export { ${all} };`);
    text = `${text.slice(0, at)}${JSON.stringify(url)}${text.slice(end)}`;
  }
  return text;
}

/** `text` without control characters, of at most `length` UTF-16 units. */
export function shorten(text, length) {
  const printable = text.replace(/[\p{Cc}\p{Cf}]/gu, " ");
  return printable.length <= length ? printable : `${printable.slice(0, length).toWellFormed()}…`;
}
