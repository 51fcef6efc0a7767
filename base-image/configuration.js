// What the configuration among a function's files says: the imports of deno.json or deno.jsonc, and of the import map that it names.
// What else it says is told, never silently left out.
import { inside, urlOf } from "./import-map.js";
import { shorten } from "./imports.js";

const most = 500;
/** Keys that would change how a function is checked or runs. */
const unheeded = [
  "compilerOptions",
  "scopes",
  "nodeModulesDir",
  "vendor",
  "unstable",
  "workspace",
  "links",
  "patch",
  "permissions",
  "minimumDependencyAge",
];

/** { imports, warnings, problems } of the files of `tree`. */
export function configuration(tree) {
  const result = { imports: {}, warnings: [], problems: [] };
  const file = ["deno.json", "deno.jsonc"].find((path) => tree.has(path));
  if (file) read(tree, file, result);
  if (tree.has("package.json") && /"(dev|peer)?dependencies"\s*:\s*\{\s*"/i.test(tree.text("package.json") ?? "")) {
    result.warnings.push(
      'package.json was not read: say what its dependencies are called under "imports" in deno.json, or import them as npm:NAME@VERSION.',
    );
  }
  return result;
}

function read(tree, file, result) {
  const value = parse(tree, file, result);
  if (!value) return;
  const found = unheeded.filter((key) => key in value);
  if (found.length > 0) result.warnings.push(`${file}: ${found.join(", ")} ${found.length > 1 ? "are" : "is"} not heeded here.`);
  let source = { file, imports: value.imports };
  if (typeof value.importMap === "string" && value.imports === undefined) {
    const path = inside(URL.parse(value.importMap, urlOf(file)));
    if (path === undefined || !tree.has(path)) {
      const message = `importMap names ${JSON.stringify(shorten(value.importMap, 200))}, which is none of the function's files.`;
      return void result.problems.push({ file, code: "invalid-config", message });
    }
    const map = parse(tree, path, result);
    if (!map) return;
    if (map.scopes !== undefined) result.warnings.push(`${path}: scopes are not heeded here.`);
    source = { file: path, imports: map.imports, directory: path.slice(0, path.lastIndexOf("/") + 1) };
  }
  const { imports = {}, directory = "" } = source;
  const isMap = typeof imports === "object" && imports !== null && !Array.isArray(imports);
  if (!isMap || Object.keys(imports).length > most || Object.values(imports).some((target) => typeof target !== "string")) {
    const message = `"imports" has to be an object of at most ${most} names and what they stand for.`;
    return void result.problems.push({ file: source.file, code: "invalid-config", message });
  }
  for (const [key, target] of Object.entries(imports)) {
    const isOwn = /^\.{0,2}\//.test(target);
    const path = isOwn ? inside(URL.parse(target, urlOf(`${directory}map`))) : undefined;
    if (isOwn ? path === undefined : !/^(npm|jsr|node|data|https?):/i.test(target)) {
      const message = `"imports" says that ${JSON.stringify(shorten(key, 100))} is ${JSON.stringify(shorten(target, 200))}: ` +
        "use a path below the function's directory, or npm:, jsr:, https: or node:.";
      result.problems.push({ file: source.file, code: "invalid-config", message });
    } else if (isOwn && key.endsWith("/") && !target.endsWith("/")) {
      const message = `"imports" says what ${JSON.stringify(shorten(key, 100))} is: that has to end in "/" too.`;
      result.problems.push({ file: source.file, code: "invalid-config", message });
    } else {
      result.imports[key] = isOwn ? `./${path.split("/").map(encodeURIComponent).join("/")}` : target;
    }
  }
}

function parse(tree, file, { problems }) {
  try {
    const value = JSON.parse(withoutComments(tree.text(file)));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    problems.push({ file, code: "invalid-config", message: "It has to be a JSON object." });
  } catch (error) {
    problems.push({ file, code: "invalid-config", message: `It is no JSON: ${shorten(String(error.message), 200)}.` });
  }
  return undefined;
}

/** JSON for JSON with comments and commas before closing brackets. */
function withoutComments(text) {
  if (text === undefined) throw new Error("it is no UTF-8 text");
  const plain = text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\//g, (found) => found[0] === '"' ? found : " ");
  return plain.replace(/"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g, (found) => found[0] === '"' ? found : " ");
}
