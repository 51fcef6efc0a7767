// Makes the caches of a function that is one large module, so that its starts don't compile it: `POST /code` with the JavaScript answers
// with frames (see frames.js), {"cache":"v8_code_cache_v2","size":123} each followed by its bytes, and {"end":true}.
import { databases, inBase, renamed, write } from "./caches.js";
import { alone, compileInOrder, place } from "./code.js";
import { encode } from "./frames.js";

/** Milliseconds that it may take. */
const patience = 10_000;

export async function codeOf(request) {
  const text = await request.text();
  const pieces = await alone(async () => {
    await Deno.mkdir(`${place}/app`, { recursive: true });
    await Deno.mkdir(`${place}/caches`);
    await Deno.writeTextFile(`${place}/app/main.js`, text);
    await compileInOrder([`file://${place}/app/main.js`], ["--no-lock"], AbortSignal.timeout(patience));
    return await gather();
  });
  return new Response(new Blob(pieces).stream(), { headers: { "content-type": "application/octet-stream" } });
}

/** The databases that say anything of the module. */
async function gather() {
  const pieces = [];
  for (const name of databases) {
    let isOfUse = false;
    const keep = renamed((specifier) => {
      if (specifier !== `file://${place}/app/main.js`) return undefined;
      isOfUse = true;
      return "file:///app/main.js";
    });
    const path = `${place}/deno/${name}`;
    // Deno makes those for which it has a use.
    if (!await Deno.stat(path).then(() => true, () => false)) continue;
    const target = `${place}/caches/${name}`;
    write([{ path, keep }, ...await inBase(name)], target);
    if (!isOfUse) continue;
    for (const suffix of ["", "-wal", "-shm"]) {
      const bytes = await Deno.readFile(target + suffix);
      pieces.push(encode({ cache: name + suffix, size: bytes.length }), bytes);
    }
  }
  return [...pieces, encode({ end: true })];
}
