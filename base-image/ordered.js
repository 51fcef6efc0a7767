// Compiles the modules in the file `Deno.args[1]`, a JSON list of URLs, one after the other, and evaluates none of them: each is imported
// by a module in the directory `Deno.args[0]` that imports first what throws "stop" (ECMA-262, 16.2.1.6.1.3).
//
// Compiled code has numbers inside that V8 gives in the order of compiling. Left to itself Deno compiles in the order in which files
// happen to be read.
const [directory, list] = Deno.args;
for (const [index, url] of JSON.parse(Deno.readTextFileSync(list)).entries()) {
  const path = `${directory}/module-${index}.js`;
  Deno.writeTextFileSync(path, `import "./stop.js"; import ${JSON.stringify(url)};`);
  try {
    await import(`file://${path}`);
  } catch {
    // It is not meant to be more than compiled.
  }
}
