// A client of the Routers that runs inside the cluster, so that no tunnel from outside stands between load and them.
//
//   :8080  connections are passed on, byte for byte, to the Service named by the first argument
//   :8081  POST /start {"path", "clients", "pause"}: constant load, half of it POSTs, which nobody may repeat for the client;
//          POST /stop: ends it and answers {"answered", "failed", "failures", "bodies", "slowest", "seconds"}

const host = Deno.args[0];

async function relay(inner) {
  let outer;
  try {
    outer = await Deno.connect({ hostname: host, port: 80 });
    await Promise.race([inner.readable.pipeTo(outer.writable), outer.readable.pipeTo(inner.writable)]);
  } catch {
    // Whoever called sees a connection that ends.
  }
  for (const connection of [inner, outer]) {
    try {
      connection?.close();
    } catch {
      // It has been closed by its other end.
    }
  }
}

let load;

function start({ path, clients, pause }) {
  // One that nobody ended, because its test did not come that far.
  if (load) load.running = false;
  load = { running: true, answered: 0, failed: 0, failures: [], bodies: {}, slowest: 0, began: performance.now() };
  const own = load;
  async function once(number, client) {
    const post = number % 2 === 0;
    const began = performance.now();
    let failure;
    try {
      const response = await fetch(`http://${host}${path}`, {
        method: post ? "POST" : "GET", body: post ? "123" : undefined, client, signal: AbortSignal.timeout(30_000),
      });
      const text = await response.text();
      if (response.status === 200) own.bodies[text] = (own.bodies[text] ?? 0) + 1;
      else failure = `${response.status} ${text}`;
    } catch (error) {
      failure = `${error}${error.cause ? `: ${error.cause}` : ""}`;
    }
    own.answered += 1;
    own.slowest = Math.max(own.slowest, Math.round(performance.now() - began));
    if (failure === undefined) return;
    own.failed += 1;
    const seconds = ((performance.now() - own.began) / 1000).toFixed(2);
    if (own.failures.length < 20) own.failures.push(`at ${seconds} s ${post ? "POST" : "GET"}: ${failure}`);
  }
  async function run(number) {
    // The last ones make a connection for each request, the others keep theirs.
    const client = number * 2 >= clients ? Deno.createHttpClient({ poolMaxIdlePerHost: 0 }) : undefined;
    while (own.running) {
      await once(number, client);
      await new Promise((done) => setTimeout(done, pause));
    }
  }
  own.ended = Promise.all(Array.from({ length: clients }, (_, number) => run(number)));
}

async function stop() {
  load.running = false;
  await load.ended;
  const { answered, failed, failures, bodies, slowest, began } = load;
  return { answered, failed, failures, bodies, slowest, seconds: (performance.now() - began) / 1000 };
}

Deno.serve({ port: 8081 }, async (request) => {
  if (new URL(request.url).pathname === "/stop") return Response.json(await stop());
  start(await request.json());
  return new Response("ok");
});

for await (const connection of Deno.listen({ port: 8080 })) relay(connection);
