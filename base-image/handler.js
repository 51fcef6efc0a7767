// Decides from the syntax tree of a module's JavaScript how it handles requests:
//   request   a default export: a function of a Request, or an object with `fetch`; which one, the value shows at the start
//   event     a default function of the 2021 form, `handler({ req })`, that answers through `req.respondWith`
//   serve     a script that calls Deno.serve, or lets an imported module do it
//   node      a script whose server is one of Node's, its own or that of an imported module

import { isExternal } from "./imports.js";

const adviceForAll = "Export a default function that takes a Request and returns a Response, export default { fetch }, " +
  "or call Deno.serve(handler).";

/** { form }, or { message, at } when nothing in the module handles requests. */
export function decideForm({ exported, imports, reads }) {
  if (exported?.form) return { form: exported.form };
  const external = imports.some(({ specifier }) => isExternal(specifier));
  const importsServer = imports.some(({ specifier }) => nodeServers.has(specifier));
  if ((importsServer || external) && reads.some(({ name }) => name === "listen")) return { form: "node" };
  if (reads.some(({ of, name }) => of === "Deno" && name === "serve")) return { form: "serve" };
  // Whether a module from elsewhere serves, only its start can tell.
  if (!exported && external) return { form: "serve" };
  if (!exported) return { message: `The module has no handler. ${adviceForAll}` };
  return { message: `The default export is ${exported.problem} and cannot handle requests. ${adviceForAll}`, at: exported.at };
}

const nodeServers = new Set(["node:http", "node:https", "node:http2", "node:net"]);

/**
 * What the top-level statements `body` export as default: { form } or { problem, at }; undefined without a default export. `from` says
 * of which other module it is: { specifier, name }.
 */
export function defaultExport(body, reads) {
  const scope = { body, reads };
  for (const statement of body) {
    if (statement.type === "ExportDefaultDeclaration") return judge(scope, statement.declaration);
    if (statement.type !== "ExportNamedDeclaration") continue;
    for (const { exported, local } of statement.specifiers ?? []) {
      if ((exported.name ?? exported.value) !== "default") continue;
      if (!statement.source) return judge(scope, local);
      return { form: "request", from: { specifier: String(statement.source.value), name: local.name ?? local.value } };
    }
  }
  return undefined;
}

/** How the value of an expression or declaration handles requests. What only running it could tell is left to the start. */
function judge(scope, node, depth = 0) {
  if (functions.has(node.type)) return { form: takesEvent(scope, node) ? "event" : "request" };
  const problem = node.type === "ObjectExpression"
    ? mayFetch(node) ? undefined : "an object without a fetch function"
    : impossible.get(node.type);
  if (problem) return { problem, at: node.range[0] };
  if (node.type !== "Identifier") return { form: "request" };
  const meant = depth < 10 ? constant(scope, node.name) : undefined;
  return meant ? judge(scope, meant, depth + 1) : { form: "request", from: binding(scope, node.name) };
}

const functions = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
const impossible = new Map([
  ["ClassDeclaration", "a class"],
  ["ClassExpression", "a class"],
  ["Literal", "a literal"],
  ["TemplateLiteral", "a string"],
  ["ArrayExpression", "an array"],
]);

function mayFetch({ properties }) {
  return properties.some((entry) => entry.type === "SpreadElement" || entry.computed || keyOf(entry) === "fetch");
}

/** The name under which a property or an import attribute is written. */
export function keyOf({ key }) {
  return key?.name ?? key?.value;
}

/** Where the module imports `name` from: { specifier, name }; undefined when it does not. */
function binding({ body }, name) {
  for (const { type, source, specifiers } of body) {
    if (type !== "ImportDeclaration") continue;
    const found = specifiers.find(({ local }) => local.name === name);
    if (!found) continue;
    const imported = found.type === "ImportDefaultSpecifier" ? "default" : found.imported?.name ?? found.imported?.value;
    return { specifier: String(source.value), name: imported };
  }
  return undefined;
}

/** What the module declares as the unchanging `name` at its top level. */
function constant({ body }, name) {
  for (const statement of body) {
    const node = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    if (node?.type === "FunctionDeclaration" || node?.type === "ClassDeclaration") {
      if (node.id?.name === name) return node;
    } else if (node?.type === "VariableDeclaration" && node.kind === "const") {
      const found = node.declarations.find(({ id, init }) => id.type === "Identifier" && id.name === name && init);
      if (found) return found.init;
    }
  }
  return undefined;
}

/** Whether a function takes `req` out of its first parameter, as the 2021 form does: a Request has no such property. */
function takesEvent({ reads }, { params, range: [begin, end] }) {
  const first = params[0]?.type === "AssignmentPattern" ? params[0].left : params[0];
  if (first?.type === "ObjectPattern") return first.properties.some((property) => keyOf(property) === "req");
  if (first?.type !== "Identifier") return false;
  return reads.some(({ of, name, at }) => of === first.name && name === "req" && at >= begin && at < end);
}

/** `Deno` for `Deno` and `globalThis.Deno`, the name for any other variable, undefined for what is neither. */
export function nameOf(node) {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression" || node.computed) return undefined;
  return ["globalThis", "self", "window"].includes(node.object.name) ? node.property.name : undefined;
}
