// Reads from a module's syntax tree what decides whether and how it can run. Only under `deno test`: see analyst.js.
import { defaultExport, keyOf, nameOf } from "./handler.js";

/**
 * What the JavaScript `code` does:
 *   imports   { specifier, type, names, at, end }: every import whose specifier is written out, at these offsets; `type` is what its
 *             `with { type }` says, `names` what it takes from the other module
 *   workers   { specifier, at }: every `new Worker(new URL("…", import.meta.url))`
 *   reads     { of, name, at }: every property read from a variable or a global object
 *   decorators  whether it has any
 *   exported  what its default export is, see handler.js
 * Throws what the parser throws.
 *
 * Deno 2.9 ends a list of statements at the first empty one when it gives the tree to a plugin. So those are blanked: at the start of
 * lines, where the transpiler prints them, and then wherever a list turns out to end before its block does.
 */
export function survey(code, file = "main.js") {
  let text = code.replace(/^([^\S\n]*)(;+)/gm, (_, indent, empty) => indent + " ".repeat(empty.length));
  for (let attempt = 0; attempt < 50; attempt++) {
    const found = { imports: [], workers: [], reads: [], decorators: false, exported: undefined, gaps: [] };
    Deno.lint.runPlugin({ name: "kiln", rules: { survey: { create: () => visitor(text, found) } } }, file, text);
    if (found.gaps.length === 0) return found;
    for (const gap of found.gaps) text = `${text.slice(0, gap)} ${text.slice(gap + 1)}`;
  }
  throw new Error("it has too many empty statements");
}

function visitor(text, found) {
  const { imports, reads, gaps } = found;
  const noteImport = ({ source, attributes, options, specifiers }) => {
    if (source?.type !== "Literal") return;
    const type = typeAttribute(attributes ?? properties(properties(options).find((entry) => keyOf(entry) === "with")?.value));
    const names = (specifiers ?? []).map(({ imported, local, type }) => type === "ExportSpecifier" ? local : imported)
      .map((name) => name?.name ?? name?.value).filter((name) => name !== undefined);
    imports.push({ specifier: String(source.value), type, names, at: source.range[0], end: source.range[1] });
  };
  const noteGap = (list, begin) => {
    const after = list.at(-1)?.range[1] ?? begin;
    const end = endOfTrivia(text, after);
    if (text[end] === ";") gaps.push(end);
  };
  let body = [];
  return {
    Program(node) {
      body = node.body;
      noteGap(body, node.range[0]);
    },
    BlockStatement: (node) => noteGap(node.body, node.range[0] + 1),
    SwitchCase: (node) => void (node.consequent.length > 0 && noteGap(node.consequent)),
    ImportDeclaration: noteImport,
    ExportNamedDeclaration: noteImport,
    ExportAllDeclaration: noteImport,
    ImportExpression: noteImport,
    MemberExpression({ object, property, computed, range }) {
      reads.push({ of: nameOf(object), name: computed ? property.value : property.name, at: range[0] });
    },
    NewExpression({ callee, arguments: [url] }) {
      if (nameOf(callee) !== "Worker" || url?.type !== "NewExpression" || nameOf(url.callee) !== "URL") return;
      const [name, base] = url.arguments;
      if (name?.type !== "Literal" || base?.object?.type !== "MetaProperty") return;
      found.workers.push({ specifier: String(name.value), at: name.range[0] });
    },
    VariableDeclarator({ id, init, range }) {
      if (id.type !== "ObjectPattern" || !init) return;
      for (const { key } of id.properties) reads.push({ of: nameOf(init), name: key?.name, at: range[0] });
    },
    Decorator: () => void (found.decorators = true),
    "Program:exit": () => void (found.exported = defaultExport(body, reads)),
  };
}

function typeAttribute(attributes) {
  const value = attributes.find((entry) => keyOf(entry) === "type")?.value?.value;
  return value === undefined ? undefined : String(value);
}

function properties(node) {
  return node?.type === "ObjectExpression" ? node.properties : [];
}

/** Where what begins at `at` and means nothing ends: white space and comments. */
export function endOfTrivia(text, at) {
  trivia.lastIndex = at;
  return at + trivia.exec(text)[0].length;
}

/** White space and comments. */
const trivia = /(?:\s|\/\*[^]*?\*\/|\/\/[^\n]*)*/y;
