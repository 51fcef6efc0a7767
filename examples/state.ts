// What a function may keep: its configuration in the environment, and scratch files in /tmp, which live as long as the instance.
// Handler contract: `export default { fetch }`.
//
//   curl --data-binary @examples/state.ts 'http://127.0.0.1:8080/func?name=state&env=GREETING=Moin'
//   curl http://127.0.0.1:8080/fn/state

const file = "/tmp/count";

export default {
  fetch(): Response {
    const count = read() + 1;
    Deno.writeTextFileSync(file, String(count));
    return Response.json({ greeting: Deno.env.get("GREETING") ?? "Hello", count });
  },
};

function read(): number {
  try {
    return Number(Deno.readTextFileSync(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
