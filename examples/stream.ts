// Streams server-sent events, one as soon as it happens. Handler contract: a default function.
//
//   curl --data-binary @examples/stream.ts 'http://127.0.0.1:8080/func?name=stream'
//   curl -N 'http://127.0.0.1:8080/fn/stream?count=5&every=500'

export default function handler(request: Request): Response {
  const query = new URL(request.url).searchParams;
  const count = bounded(query.get("count"), 10, 100_000);
  const every = bounded(query.get("every"), 1000, 60_000);
  let sent = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const events = new ReadableStream<string>({
    start(stream) {
      const send = () => {
        if (sent === count) return stream.close();
        stream.enqueue(`id: ${++sent}\ndata: ${JSON.stringify({ time: new Date() })}\n\n`);
        timer = setTimeout(send, every);
      };
      send();
    },
    cancel: () => clearTimeout(timer), // the client has gone
  });
  return new Response(events.pipeThrough(new TextEncoderStream()), {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
  });
}

function bounded(text: string | null, usual: number, highest: number): number {
  const value = Number(text ?? usual);
  return value >= 0 && value <= highest ? Math.floor(value) : usual;
}
