// Compiles the CommonJS modules that are led to from those in the file `Deno.args[1]`, a JSON list of paths below `Deno.args[0]`, as
// Deno compiles what is required, and runs none of them. Deno keeps the code in its cache, under the path that the modules have in an
// image, `/deno/…`: compiled code has the path inside.
//
// What is required is taken from the text: calls of `require` with a plain string. A module that is missed, or one too many, costs time
// or room and changes nothing.
import { createRequire, isBuiltin } from "node:module";

const maximumModules = 5000;
const maximumBytes = 32 << 20;

const [directory, list] = Deno.args;
const { core } = Deno[Deno.internal];
const parameters = ["exports", "require", "module", "__filename", "__dirname"];
const calls = /\brequire\s*\(\s*(["'])([^"'\n\\]+)\1\s*\)/g;

const pending = JSON.parse(Deno.readTextFileSync(list));
const seen = new Set(pending);
let bytes = 0;
for (let path = pending.shift(); path !== undefined; path = pending.shift()) {
  const text = read(path);
  if (text === undefined) continue;
  bytes += text.length;
  if (bytes > maximumBytes) break;
  // The third parameter is what Deno gives for a module that is known to be CommonJS. What is none is not compiled: an error is given.
  core.compileFunction(text, `file:///deno/${path.slice(directory.length + 1)}`, [true], parameters);
  const require = createRequire(`file://${path}`);
  for (const [, , specifier] of text.matchAll(calls)) {
    const found = isBuiltin(specifier) ? undefined : resolved(require, specifier);
    if (!found?.startsWith(`${directory}/npm/`) || /\.(json|node|mjs)$/.test(found) || seen.has(found)) continue;
    if (seen.size === maximumModules) continue;
    seen.add(found);
    pending.push(found);
  }
}

function read(path) {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function resolved(require, specifier) {
  try {
    return require.resolve(specifier);
  } catch {
    return undefined;
  }
}
