"""What runs in a simulated Pod: answers HTTP at ADDRESS:PORT with TEXT until SIGTERM, then ends what it has begun.

simulated_pod.py ADDRESS PORT TEXT   prints `ready`. `GET /slow` takes two seconds; `GET /exit` ends the process.
"""
import asyncio
import os
import signal
import sys

# Whoever starts this may have it blocked.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
address, port, text = sys.argv[1], int(sys.argv[2]), sys.argv[3]
running = set()
ending = asyncio.Event()


async def serve(reader, writer):
    running.add(asyncio.current_task())
    try:
        while not ending.is_set():
            wait = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
            end = asyncio.create_task(ending.wait())
            await asyncio.wait({wait, end}, return_when=asyncio.FIRST_COMPLETED)
            end.cancel()
            if not wait.done():
                wait.cancel()
                break
            path = wait.result().split(b" ", 2)[1]
            if path.startswith(b"/exit"):
                os._exit(1)
            if path.startswith(b"/slow"):
                await asyncio.sleep(2)
            close = b"Connection: close\r\n" if ending.is_set() else b""
            body = text.encode() + b"\n"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%sContent-Length: %d\r\n\r\n%s" % (close, len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
        running.discard(asyncio.current_task())


async def main():
    server = await asyncio.start_server(serve, address, port)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    print("ready", flush=True)
    await ending.wait()
    server.close()
    while running:
        await asyncio.sleep(0.01)


asyncio.run(main())
