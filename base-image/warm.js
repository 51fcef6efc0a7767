// Makes the caches that the base image has, so that functions start without compiling what Deno and Kiln bring along:
//   deno run -A warm.js DIRECTORY   takes the scripts from DIRECTORY/kiln and leaves the caches in DIRECTORY/caches, Deno's version in DIRECTORY/version
//
// Runs on the machine that bakes the base image, and runs nothing but Deno's code and Kiln's: small functions are started and called
// once, as in a container. What that compiles is independent of the machine; it is written in one order into new databases.
import { databases, renamed, write } from "./caches.js";

const directory = Deno.args[0];
await Deno.writeTextFile(`${directory}/version`, Deno.version.deno);
const cache = `${directory}/deno`;
// Should this script be killed, its functions end by themselves.
const limit = "setTimeout(() => Deno.exit(1), 30_000);";
const handler = `${limit} export default () => new Response('')`;
const server = `import http from 'node:http'; ${limit} http.createServer((_, answer) => answer.end()).listen(8000)`;
// Packages use Node's modules and what Deno loads when it is first named: two thirds of what a start of Express compiles is Deno's own.
const everything = `import { builtinModules, createRequire } from 'node:module'; const require = createRequire(import.meta.url);
  for (const name of builtinModules) {
    try { await import('node:' + name); require(name); } catch {}
  }
  for (const scope of [globalThis, Deno, navigator]) for (const name of Reflect.ownKeys(scope)) try { scope[name]; } catch {}
  ${server}`;
const bootstrap = `${directory}/kiln/bootstrap.js`;

await Deno.mkdir(`${directory}/app`, { recursive: true });
await start(handler, [bootstrap, "request"]);
await start(server, [`--preload=${bootstrap}`, `--preload=${directory}/kiln/node.js`, `${directory}/app/main.js`]);
await start(everything, [`${directory}/app/main.js`]);
await Deno.mkdir(`${directory}/caches`, { recursive: true });
for (const name of databases) {
  const keep = renamed((specifier) => {
    if (!specifier.startsWith("file:")) return specifier;
    // Compiled code has the path of its file inside, analyses don't.
    const isKept = !name.startsWith("v8_") && specifier.startsWith(`file://${directory}/kiln/`);
    return isKept ? specifier.replace(`file://${directory}/`, "file:///") : undefined;
  });
  write([{ path: `${cache}/${name}`, keep }], `${directory}/caches/${name}`);
}

/** Starts the function `code` and calls it once. */
async function start(code, command) {
  await Deno.writeTextFile(`${directory}/app/main.js`, code);
  const path = `${directory}/http.sock`;
  const flags = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--cached-only", "--node-modules-dir=none", "-A"];
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, ...command],
    clearEnv: true,
    env: { DENO_DIR: cache, DENO_NO_UPDATE_CHECK: "1", DENO_SERVE_ADDRESS: `unix:${path}` },
    stdin: "null",
  }).spawn();
  try {
    await call(path);
  } finally {
    process.kill("SIGTERM");
    await process.status;
  }
}

async function call(path) {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const connection = await Deno.connect({ transport: "unix", path }).catch(() => undefined);
    if (connection) {
      await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: warm\r\nConnection: close\r\n\r\n"));
      await new Response(connection.readable).text();
      return;
    }
    await new Promise((resume) => setTimeout(resume, 20));
  }
  throw new Error("the function did not start");
}
