"""One HTTP request and its answer."""
import json
from urllib.parse import parse_qsl, unquote, urlsplit

from problems import bad_request

REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 409: "Conflict", 410: "Gone", 415: "Unsupported Media Type",
           422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error",
           503: "Service Unavailable", 504: "Gateway Timeout"}


class Cut(Exception):
    """The connection is to be broken off."""


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Exchange:
    """One request and its answer."""

    def __init__(self, method, target, headers, body, reader, writer):
        url = urlsplit(target)
        self.method, self.target, self.path, self.headers, self.body, self.writer = (
            method, target, unquote(url.path), headers, body, writer)
        self.reader = reader
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        self.cut_after, self.sent = None, 0

    async def write(self, data):
        """Writes the body's bytes, up to where a fault cuts it."""
        if self.cut_after is not None and self.sent + len(data) > self.cut_after:
            self.writer.write(data[:self.cut_after - self.sent])
            await self.writer.drain()
            raise Cut()
        self.sent += len(data)
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status, body, headers=None, kind="application/json"):
        data = body if isinstance(body, bytes) else dump(body) + b"\n"
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'X')}", f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self.write(data)

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as fault:
            raise bad_request(f"the object provided is unrecognized (must be of type json): {fault}")
