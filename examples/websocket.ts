// Echoes what it is sent over a WebSocket. Handler contract: a script that calls Deno.serve itself.
//
//   curl --data-binary @examples/websocket.ts 'http://127.0.0.1:8080/func?name=websocket'
//   curl http://127.0.0.1:8080/fn/websocket        (says how to connect)
//   deno eval 'const s = new WebSocket("ws://127.0.0.1:8080/fn/websocket");
//              s.onopen = () => s.send("hello"); s.onmessage = (m) => { console.log(m.data); s.close(); }'

Deno.serve((request: Request): Response => {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return new Response("Connect with a WebSocket client: whatever it sends comes back.\n", {
      status: 426,
      headers: { upgrade: "websocket", connection: "upgrade" },
    });
  }
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = (message) => socket.send(message.data);
  return response;
});
