#!/usr/bin/env python3
"""Writes the fuzzer's seeds into the directory that is named: one file for each, made of what matters to what it is about.

The first byte of a seed says which property it is for (CodecProperty), the second chooses among that one's conditions.
"""

import hashlib
import os
import struct
import sys

REQUEST, RESPONSE, PROXY, TARGET, HOST, COOKIE, LOG, STREAM, COMPRESSED = range(9)

LENGTHS = ["Content-Length: 3", "Content-Length: 0", "Content-Length: +3", "Content-Length: 3, 3", "Content-Length: 03"]
CODINGS = ["Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Transfer-Encoding:"]
FIELDS = [
    "Connection: close", "Connection: keep-alive, X-Private", "Connection: Upgrade", "Upgrade: websocket", "TE: trailers", "Expect: 100-continue",
    "X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: https", "Forwarded: for=x", "X-Real-IP: x", "X-Forwarded-: x", "X-Request-Id: abc", "X-Kiln-Reason: x",
    "Trailer: X-Late", "Cookie: a=b; kiln=0123456789abcdef", "Proxy-Authorization: x", "HTTP2-Settings: AA", "Keep-Alive: 5", "X:", "X: \t y \t",
]
BODIES = ["", "abc", "3\nabc\n0\n\n", "3;x=y\nabc\n0\nX-Late: 1\n\n", "0\n\n", "00\n\n", "5 \nabcde\n0\n\n", "ffffffffffffffff\nabc", "1\na\n2\nbc\n0\n\n"]
TARGETS = [
    "/fn/x", "/fn/x/", "/fn/x/a%2Fb?c=d", "/fn/x@2/y", "/fn/x/../y", "/fn/x/%2e%2e/y", "/fn/x/..;a/y", "/fn/x/..%5cy", "*", "http://h:1/fn/x?q",
    "https://[::1]/fn/x", "/func", "/func/x/verify", "/fn/x?../", "/fn/x#y", "/fn/xy@01",
]
HOSTS = ["h", "h:80", "[::1]:80", "127.0.0.1", "a.localhost.", "user@h", "h,g", "h:port", "xn--a.example.com", "h/"]
START = "Host: h\n"


def texts():
    """The seeds: which property, the choice, the bytes; a line feed stands for CR LF."""
    for target in TARGETS:
        yield REQUEST, 0, "GET " + target + " HTTP/1.1\n" + START + "\n"
    for field in LENGTHS + CODINGS + FIELDS:
        for body in BODIES:
            for choice in range(4):
                yield REQUEST, choice, "POST /fn/x HTTP/1.1\n" + START + field + "\n\n" + body
    for first in LENGTHS + CODINGS:
        for second in LENGTHS + CODINGS:
            yield REQUEST, 0, "PUT /fn/x HTTP/1.1\n" + START + first + "\n" + second + "\n\nabc"
    for version in ["HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "http/1.1"]:
        yield REQUEST, 0, "GET /fn/x " + version + "\n" + START + "\n" + "GET /fn/y HTTP/1.1\n" + START + "\n"
    for status in ["200 OK", "204 No", "304 Not", "101 S", "100 C\n\nHTTP/1.1 200", "099 X", "200"]:
        for field in LENGTHS + CODINGS + FIELDS[:6]:
            for body in BODIES:
                yield RESPONSE, len(status + field + body), "HTTP/1.1 " + status + "\n" + field + "\n\n" + body
    for text in ["TCP4 192.0.2.1 192.0.2.2 1 65535", "TCP6 ::1 ::2 1 2", "UNKNOWN", "TCP4 ::1 ::2 1 2", "TCP4 1.2.3.4 1.2.3.4 01 65536"]:
        yield PROXY, 0, "PROXY " + text + "\nGET"
    for target in TARGETS:
        yield TARGET, 0, target
    for host in HOSTS:
        yield HOST, 0, host
    for cookie in ["kiln=0123456789abcdef", "a=b;kiln=0123456789ABCDEF", "kiln=0; kiln=0123456789abcdef; x", ";;=;"]:
        yield COOKIE, 0, cookie
    for text in ['"\\', "a\u0001\u007f\u0080", "\n"]:
        yield LOG, 0, text


def blobs():
    """Seeds that are no text."""
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    for command, family, addresses in [(0x21, 0x11, 12), (0x21, 0x21, 36), (0x20, 0, 0), (0x21, 0x11, 11), (0x22, 0x11, 12), (0x21, 0x31, 216)]:
        yield PROXY, 0, signature + bytes([command, family]) + struct.pack(">H", addresses) + b"\x01" * addresses + b"GET"
    pairs = [
        [b"x", b"y"], [b"host", b"H:1"], [b"content-length", b"3"], [b"cookie", b"a=1", b"cookie", b"b=2"], [b"te", b"trailers"],
        [b"transfer-encoding", b"chunked"], [b"x", b"a\r\nb: c"], [b"X", b"y"], [b":path", b"/"], [b":protocol", b"websocket"], [b"x\0", b"\xff"],
        [b":method", b"CONNECT", b":authority", b"h:1"], [b":method", b"OPTIONS", b":scheme", b"http", b":path", b"*"],
    ]
    for texts in pairs:
        for choice in range(4):
            yield STREAM, choice, b"".join(bytes([len(text)]) + text for text in texts)
    # The examples of RFC 7541, appendix C, and prefixes that go on and on.
    for text in [
        "400a637573746f6d2d6b65790d637573746f6d2d686561646572", "040c2f73616d706c652f70617468", "100870617373776f726406736563726574", "82",
        "828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865", "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        "828684418cf1e3c2e5f23a6ba0ab90f4ff", "3fe11f", "ffffffffffffffff7f", "20", "3f00828684", "80", "0085f2b24a84ff8449509fff",
    ]:
        yield COMPRESSED, 0, bytes.fromhex(text)


def main():
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    seeds = [(kind, choice, text.replace("\n", "\r\n").encode()) for kind, choice, text in texts()] + list(blobs())
    for kind, choice, data in seeds:
        seed = bytes([kind, choice % 256]) + data
        with open(os.path.join(directory, hashlib.sha1(seed).hexdigest()), "wb") as file:
            file.write(seed)


main()
