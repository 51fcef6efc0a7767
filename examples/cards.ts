// Draws a random playing card. Handler contract: the 2021 form, `handler({ req })` answering through `req.respondWith`.
//
//   curl --data-binary @examples/cards.ts 'http://127.0.0.1:8080/func?name=cards'
//   curl http://127.0.0.1:8080/fn/cards/draw

const suits = ["clubs", "diamonds", "hearts", "spades"] as const;
const ranks = ["2", "3", "4", "5", "6", "7", "8", "9", "10", "jack", "queen", "king", "ace"] as const;

export default async function handler({ req }: { req: Deno.RequestEvent }): Promise<void> {
  const { pathname } = new URL(req.request.url);
  if (pathname !== "/draw") {
    await req.respondWith(Response.json({ error: `There is nothing at ${pathname}; try /draw.` }, { status: 404 }));
    return;
  }
  await req.respondWith(Response.json({ rank: pick(ranks), suit: pick(suits) }));
}

function pick<Value>(values: readonly Value[]): Value {
  return values[Math.floor(Math.random() * values.length)];
}
