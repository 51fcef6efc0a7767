#!/usr/bin/env python3
"""A WebSocket server and its clients, both of the package `websockets`, with the Router between them:
`websocket_peers.py ROUTER UPSTREAM [CERTIFICATE]`, two ports of 127.0.0.1. With CERTIFICATE the Router speaks TLS.

Prints each thing that went wrong, and in the end `N checks, M wrong`.
"""
import asyncio
import os
import random
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

ROUTER, UPSTREAM = int(sys.argv[1]), int(sys.argv[2])
CERTIFICATE = sys.argv[3] if len(sys.argv) > 3 else None
MEBIBYTE = 1 << 20
LIMIT = 8 * MEBIBYTE

done, wrong = 0, []
# How each connection ended, as the server saw it, by the path that the client asked for.
ends = {}


def check(what, good, seen=None):
    global done
    done += 1
    if not good:
        wrong.append(what)
        print(f"{what}: {seen!r}"[:300])


async def pieces(socket):
    """The fragments of the next message, each as it comes."""
    async for piece in socket.recv_streaming():
        yield piece


async def answer(socket):
    path = socket.request.path
    try:
        if path == "/fragments":
            while True:
                await socket.send([piece async for piece in pieces(socket)])
        elif path == "/ping":
            for payload in [b"", b"kiln", bytes(125)]:
                latency = await asyncio.wait_for(await socket.ping(payload), 10)
                await socket.send("pong" if latency >= 0 else "none")
        elif path.startswith("/close/"):
            await socket.recv()
            await socket.close(int(path.split("/")[2]), "because")
        else:
            async for message in socket:
                await socket.send(message)
    except ConnectionClosed:
        pass
    finally:
        await socket.wait_closed()
        # What came through the Router says so.
        via, prefix = socket.request.headers.get("Via"), socket.request.headers.get("X-Forwarded-Prefix")
        ends[path] = (socket.close_code, socket.close_reason, via, prefix)


def client(path, **options):
    if CERTIFICATE:
        options["ssl"] = ssl.create_default_context(cafile=CERTIFICATE)
    scheme, host = ("wss", "localhost") if CERTIFICATE else ("ws", "127.0.0.1")
    options.setdefault("host", "127.0.0.1")
    return connect(f"{scheme}://{host}:{ROUTER}/fn/f{path}", proxy=None, max_size=LIMIT, open_timeout=30, **options)


async def messages(compression):
    random.seed(7)
    async with client("/echo", compression=compression) as socket:
        agreed = [one.name for one in socket.protocol.extensions]
        check(f"{compression} is agreed on", agreed == (["permessage-deflate"] if compression else []), agreed)
        said = socket.response.headers.get("Sec-WebSocket-Extensions")
        check(f"{compression} is said", bool(said) == bool(compression), said)
        for size in [0, 1, 125, 126, 65_535, 65_536, MEBIBYTE]:
            # What can be compressed, and what cannot.
            for message in ["kiln é " * (size // 7) + "x" * (size % 7), random.randbytes(size), bytes(size)]:
                await socket.send(message)
                back = await asyncio.wait_for(socket.recv(), 30)
                check(f"a message of {size}, {compression}", back == message, back[:40])
        # Many on their way at once.
        sent = [str(number) * 100 for number in range(200)]
        for message in sent:
            await socket.send(message)
        back = [await asyncio.wait_for(socket.recv(), 30) for _ in sent]
        check(f"messages keep their order, {compression}", back == sent)


async def fragments():
    for compression in [None, "deflate"]:
        async with client("/fragments", compression=compression) as socket:
            for sent in [["one", "two", "", "three"], [b"\0" * 100_000, b"\xff", bytes(MEBIBYTE)], ["x"] * 300]:
                await socket.send(sent)
                back = [piece async for piece in pieces(socket)]
                joined = (b"" if isinstance(sent[0], bytes) else "").join
                check("fragments make a message", joined(back) == joined(sent), len(back))
                check("fragments stay apart", [one for one in back if one] == [one for one in sent if one], len(back))


async def pings():
    async with client("/ping") as socket:
        for payload in [b"", b"client", bytes(125)]:
            latency = await asyncio.wait_for(await socket.ping(payload), 10)
            check("a ping of the client's has its pong", latency >= 0, latency)
        for _ in range(3):
            check("a ping of the server's has its pong", await asyncio.wait_for(socket.recv(), 10) == "pong")


async def ended(path):
    for _ in range(500):
        if path in ends:
            return ends.pop(path)
        await asyncio.sleep(0.01)


async def closes():
    for code in [1000, 1001, 1003, 1007, 1008, 1009, 1011, 3000, 3999, 4000, 4999]:
        async with client(f"/mine/{code}") as socket:
            await socket.close(code, "enough é")
        seen = await ended(f"/mine/{code}")
        check(f"the server sees {code}", seen == (code, "enough é", "1.1 kiln", "/fn/f"), seen)
        async with client(f"/close/{code}") as socket:
            await socket.send("go")
            try:
                await asyncio.wait_for(socket.recv(), 10)
            except ConnectionClosed as end:
                seen = (end.rcvd.code, end.rcvd.reason) if end.rcvd else None
                check(f"the client sees {code}", seen == (code, "because"), seen)
            else:
                check(f"the client sees {code}", False)
    # One that is cut off has no code.
    async with client("/mine/none") as socket:
        socket.transport.abort()
    seen = await ended("/mine/none")
    check("the server sees that there was no close", seen is not None and seen[0] == 1006, seen)


async def protocols():
    async with client("/echo", subprotocols=["other", "chat"]) as socket:
        check("a protocol is chosen", socket.subprotocol == "chat", socket.subprotocol)


async def many():
    async def one(number):
        source = random.Random(number)
        async with client(f"/many/{number}") as socket:
            for _ in range(20):
                message = source.randbytes(source.choice([1, 200, 5_000, 70_000]))
                await socket.send(message)
                if await asyncio.wait_for(socket.recv(), 60) != message:
                    return False
            await everyone.wait()
            await socket.send(str(number))
            return await asyncio.wait_for(socket.recv(), 60) == str(number)

    # All are open at the same time.
    everyone = asyncio.Barrier(50)
    results = await asyncio.gather(*[one(number) for number in range(50)], return_exceptions=True)
    check("fifty at a time", results == [True] * 50, [one for one in results if one is not True][:3])


async def main():
    options = {"max_size": LIMIT, "ping_interval": None, "subprotocols": ["chat"], "select_subprotocol": choose}
    async with serve(answer, "127.0.0.1", UPSTREAM, **options):
        await messages(None)
        await messages("deflate")
        for part in [fragments, pings, closes, protocols, many]:
            await part()
    print(f"{done} checks, {len(wrong)} wrong")


def choose(_, offered):
    return "chat" if "chat" in offered else None


asyncio.run(main())
