// Tells you what you called it with. Handler contract: a default function that takes a Request and returns a Response.
//
//   curl --data-binary @examples/useragent.ts 'http://127.0.0.1:8080/func?name=useragent'
//   curl http://127.0.0.1:8080/fn/useragent

export default function handler(request: Request): Response {
  const agent = request.headers.get("user-agent") ?? "no user agent";
  return new Response(`Hello, ${agent}!\n`, { headers: { "content-type": "text/plain; charset=utf-8" } });
}
