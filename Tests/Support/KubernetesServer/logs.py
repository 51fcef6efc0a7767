"""Logs of Pods. No container runs here: what one printed stands in the annotations `test/log` and `test/previous-log` of its Pod,
each line with its time, and `test/ended` says that the run is over."""
import asyncio

from problems import bad_request


def lines(item, query):
    run = "test/previous-log" if query.get("previous") == "true" else "test/log"
    text = (item["metadata"].get("annotations") or {}).get(run)
    if text is None:
        raise bad_request(f'container "{query.get("container")}" in pod "{item["metadata"]["name"]}" is waiting to start')
    # Fractions of a second in sinceTime are passed over.
    since = query.get("sinceTime", "")[:19]
    wanted = [line for line in text.splitlines() if line[:19] >= since]
    if "tailLines" in query:
        wanted = wanted[max(0, len(wanted) - int(query["tailLines"])):]
    return [(line if query.get("timestamps") == "true" else line.split(" ", 1)[-1]) + "\n" for line in wanted]


async def serve_log(exchange, read):
    """Answers with the log of the Pod that `read` gives, and follows it until its run is over or the Pod is gone."""
    query = exchange.query
    found = lines(read(), query)
    if query.get("follow") != "true":
        return await exchange.answer(200, "".join(found).encode(), kind="text/plain")
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    told = 0
    while not exchange.writer.is_closing():
        for line in found[told:]:
            data = line.encode()
            await exchange.write(b"%x\r\n%s\r\n" % (len(data), data))
        told = len(found)
        try:
            item = read()
            if "test/ended" in item["metadata"].get("annotations", {}):
                break
            found = lines(item, query)
        except Exception:  # noqa: BLE001: the Pod is gone, and with it the log
            break
        await asyncio.sleep(0.02)
    exchange.writer.write(b"0\r\n\r\n")
    await exchange.writer.drain()
