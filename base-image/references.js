// Finds what a module names for its types alone, and what would have the type checker look at files that are not the function's. Only
// under `deno test`: see analyst.js.
import { isExternal, shorten } from "./imports.js";
import { endOfTrivia } from "./survey.js";

/** Comments that name modules: Deno's, TypeScript's and JSDoc's. */
const pragmas = [
  /^\/\s*<\s*reference\b[^>]*?\b(?:path|types)\s*=\s*(["'])(.*?)\1/g,
  /@(?:deno-types|ts-types|ts-self-types)\s*=\s*(["'])(.*?)\1/g,
  /\bimport\s*\(\s*(["'`])(.*?)\1/g,
  /@import\b[^]*?\bfrom\s*(["'])(.*?)\1/g,
  /@jsxImportSource(?:Types)?\s+()(\S+)/g,
];

/**
 * The problems with what the TypeScript `text` of the module `file` refers to: { at, message, code }, `at` in
 * UTF-16 units. Whether a module can be had at all, the type checker says; here is only what must not reach it.
 */
export function referenceProblems(text, file, named = references(text, file)) {
  const found = [];
  for (const { specifier, at } of named) {
    const problem = problemOf(specifier, file, 0);
    if (problem) found.push({ at, code: "unresolved-import", message: `Cannot resolve ${quoted(specifier)}: ${problem}.` });
  }
  return found;
}

function quoted(specifier) {
  return JSON.stringify(shorten(specifier, 200));
}

/** The names of modules from elsewhere in `named`, each once, where it is first, as { specifier, at }. */
export function externalReferences(named) {
  const found = new Map();
  for (const { specifier, at, isFirm } of named) {
    if (isFirm && isExternal(specifier) && specifier.length <= 2000 && !found.has(specifier)) {
      found.set(specifier, { specifier, at });
    }
  }
  return [...found.values()];
}

/** Why `specifier` in `file` may not be looked at; undefined when it may. */
export function problemOf(specifier, file, depth) {
  if (/^data:/i.test(specifier)) return dataProblem(specifier, depth);
  if (/^(node|npm|jsr|https?):/i.test(specifier) || /^[@\w][^:]*$/.test(specifier)) return undefined;
  if (/^\.{1,2}(\/|$)/.test(specifier) && depth === 0) {
    const root = "file:///1/2/3/4/";
    const url = URL.parse(specifier, root + file.split("/").map(encodeURIComponent).join("/"));
    // Twice, because "..%2f" in a path might be decoded later on.
    if (url?.href.startsWith(root) && !/%(2e|2f|5c|25)|\\/i.test(url.href)) return undefined;
    return "it is outside of the function's files";
  }
  return "a function can import its own files by a relative path, built-in modules by node:, and packages";
}

/** A data: URL is a module of its own, which may name others. */
function dataProblem(specifier, depth) {
  if (depth > 3) return "it is nested too deeply";
  const comma = specifier.indexOf(",");
  const isEncoded = /;\s*base64\s*$/i.test(specifier.slice(0, comma));
  let text;
  try {
    text = isEncoded ? atob(decodeURIComponent(specifier.slice(comma + 1))) : decodeURIComponent(specifier.slice(comma + 1));
    for (const { specifier: inner } of references(text, "data.ts")) {
      const problem = problemOf(inner, "data.ts", depth + 1);
      if (problem) return `it imports ${quoted(inner)}, and ${problem}`;
    }
  } catch {
    return "it is no module that can be read";
  }
  return undefined;
}

/**
 * Every module that `text` names: in declarations, in types, in calls of import() and in comments. Throws what the parser throws.
 *
 * Deno 2.9 ends a list of statements at the first empty one when it gives the tree to a plugin, so those are blanked, as in survey.js.
 */
export function references(text, file) {
  const tidy = text.replace(/([;{}]\s*)(;+)/g, (_, before, empty) => before + " ".repeat(empty.length));
  try {
    return referencesIn(tidy, file);
  } catch {
    return referencesIn(text, file); // There was a `for (;;)`.
  }
}

function referencesIn(code, file) {
  let text = code;
  for (let attempt = 0; attempt < 100; attempt++) {
    const found = { names: [], gaps: [] };
    Deno.lint.runPlugin(
      { name: "kiln", rules: { references: { create: (context) => visitor(text, context, found) } } },
      file,
      text,
    );
    if (found.gaps.length === 0) return found.names;
    for (const gap of found.gaps) text = `${text.slice(0, gap)} ${text.slice(gap + 1)}`;
  }
  throw new Error("it has too many empty statements");
}

function visitor(text, context, { names, gaps }) {
  for (const { value, range } of context.sourceCode.getAllComments()) {
    for (const pragma of pragmas) {
      // What JSDoc names means something in JavaScript alone.
      const isFirm = pragmas.indexOf(pragma) < 2;
      for (const [, , specifier] of value.matchAll(pragma)) names.push({ specifier, at: range[0], isFirm });
    }
  }
  const note = (node, isFirm = true) =>
    node?.type === "Literal" && names.push({ specifier: String(node.value), at: node.range[0], end: node.range[1], isFirm });
  const gapAfter = (list, begin) => {
    const end = endOfTrivia(text, list.at(-1)?.range[1] ?? begin);
    if (text[end] === ";") gaps.push(end);
  };
  const inBlock = (node) => void (Array.isArray(node.body) && gapAfter(node.body, node.range[0] + 1));
  return {
    Program: (node) => gapAfter(node.body, node.range[0]),
    BlockStatement: inBlock,
    TSModuleBlock: inBlock,
    StaticBlock: inBlock,
    ClassBody: inBlock,
    SwitchCase({ test, consequent, range }) {
      if (consequent.length > 0) return gapAfter(consequent);
      let at = endOfTrivia(text, test?.range[1] ?? range[0] + "default".length);
      while (text[at] === ")") at = endOfTrivia(text, at + 1);
      gapAfter([], at + 1);
    },
    // What has an attribute is no module with types.
    ImportDeclaration: ({ source, attributes }) => void note(source, !attributes?.length),
    ExportNamedDeclaration: ({ source }) => void note(source),
    ExportAllDeclaration: ({ source }) => void note(source),
    ImportExpression: ({ source, options }) => void note(source, !options),
    TSExternalModuleReference: ({ expression }) => void note(expression),
    TSImportType: ({ argument }) => void note(argument?.literal ?? argument),
  };
}
