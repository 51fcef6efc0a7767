// Writes which modules the module `Deno.args[0]` leads to, to the file `Deno.args[1]`: a JSON list of [importer, imported]. None of them
// is evaluated: what the module imports first throws "stop".
import { registerHooks } from "node:module";

const [entry, list] = Deno.args;
const edges = [];
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (context.parentURL) edges.push([context.parentURL, found.url]);
    return found;
  },
});
try {
  await import(entry);
} catch (error) {
  if (error !== "stop") throw error;
}
Deno.writeTextFileSync(list, JSON.stringify(edges));
