"""The requests of differential.py: a table of what has been used against proxies, and mutations of requests of each kind."""

END = b"GET /fn/f/end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
HOST = b"Host: h\r\n"

# A line feed stands for CR LF.
CODINGS = [
    "chunked", "Chunked", "chunked ", "\tchunked", "\vchunked", "chunked\v", "chunked\f", "chunked\0", "\"chunked\"", "'chunked'", "chunked;q=1", "chunked;", "chunked,",
    ",chunked", "identity", "identity, chunked", "chunked, identity", "chunked, chunked", "gzip, chunked", "xchunked", "chunkedx", "chunk", "", "x\rchunked", "chunked\r",
    "c\u0068unked\u00a0", "chunked\nTransfer-Encoding: identity", "identity\nTransfer-Encoding: chunked", "chunked\nTransfer-Encoding: chunked", "chunked\n chunked",
    "\n chunked", "chunked\nContent-Length: 3", "chunked\nContent-Length: 0", "chunked\nConnection: Transfer-Encoding",
]
LENGTHS = [
    "3", " 3 ", "03", "0000000000000000003", "+3", "-3", "3.0", "3 3", "3,3", "3, 3", "3,", ",3", "3;", "0x3", "3_", "1_0", "3\t", "3\v", "\v3", "3\0", "", " ", "a", "3a", "\u0663",
    "9223372036854775808", "18446744073709551619", "4294967299", "99999999999999999999999", "3\nContent-Length: 3", "3\nContent-Length: 4", "3\nContent-length:3", "3\n 3",
    "\n 3", "3\nConnection: Content-Length", "3\nTransfer-Encoding:", "3\nTransfer-Encoding: identity", "3e0", "3\r",
]
NAMES = [
    "Content-Length ", "Content-Length\t", " Content-Length", "Content_Length", "Content Length", "Content-Length\0", "\"Content-Length\"", "Content-Length:", "(Content-Length",
    "Transfer-Encoding ", "Transfer_Encoding", "Transfer-Encoding\v", "\tTransfer-Encoding", "Transfer\u00adEncoding", "X\u0001", "", "X@Y", "X/Y", "X\r", "X\nY",
]
CHUNKS = [
    "3\nabc\n0\n\n", "03\nabc\n0\n\n", "0000000000003\nabc\n0\n\n", "00000000000000000000003\nabc\n0\n\n", "3 \nabc\n0\n\n", " 3\nabc\n0\n\n", "\t3\nabc\n0\n\n", "+3\nabc\n0\n\n",
    "-3\nabc\n0\n\n", "0x3\nabc\n0\n\n", "3h\nabc\n0\n\n", "3_\nabc\n0\n\n", "\nabc\n0\n\n", "3\nabcX0\n\n", "3\nabcXX0\n\n", "3\nab\n0\n\n", "3\nabcd\n0\n\n", "3;\nabc\n0\n\n",
    "3;x\nabc\n0\n\n", "3;x=y\nabc\n0\n\n", "3;x=\"y\"\nabc\n0\n\n", "3;x=\"\\n\"\nabc\n0\n\n", "3 ;x\nabc\n0\n\n", "3; x = y\nabc\n0\n\n", "3;\vx\nabc\n0\n\n", "3;\0\nabc\n0\n\n",
    "3,x\nabc\n0\n\n", "10000000000000003\nabc\n0\n\n", "fffffffffffffffd\nabc\n0\n\n", "ffffffff00000003\nabc\n0\n\n", "8000000000000003\nabc\n0\n\n", "3\nabc\n0 \n\n", "3\nabc\n00\n\n",
    "3\nabc\n0;x\n\n", "3\nabc\n0\nX: y\n\n", "3\nabc\n0\nContent-Length: 5\n\n", "3\nabc\n0\nTransfer-Encoding: chunked\n\n", "3\nabc\n0\nHost: o\n\n", "3\nabc\n0\nX\n\n",
    "3\nabc\n0\n X: y\n\n", "3\nabc\n0\nX : y\n\n", "3\nabc\n0\nX: y\n z\n\n", "3\nabc\n0\n: y\n\n", "3\nabc\n0\nX: \0\n\n", "3\nabc\n\n0\n\n", "3\r\r\nabc\n0\n\n", "3\rabc\n0\n\n", "g\nabc\n0\n\n",
]
LINES = [
    "GET /fn/f HTTP/1.1", "GET  /fn/f HTTP/1.1", "GET /fn/f  HTTP/1.1", "GET\t/fn/f HTTP/1.1", "GET /fn/f\tHTTP/1.1", " GET /fn/f HTTP/1.1", "GET /fn/f HTTP/1.1 ", "GET /fn/f",
    "GET /fn/f HTTP/1.0", "GET /fn/f HTTP/0.9", "GET /fn/f HTTP/1.2", "GET /fn/f HTTP/2.0", "GET /fn/f HTTP/1.10", "GET /fn/f HTTP/01.1", "GET /fn/f HTTP/1.", "GET /fn/f http/1.1",
    "GET /fn/f HTTP /1.1", "GET /fn/f HTTP/ 1.1", "GET /fn/f HTTP/1.1\r", "GET /fn/f HTTPS/1.1", "GET /fn/f ICY/1.1", "GET /fn/f HTTP\\1.1", "\nGET /fn/f HTTP/1.1",
    "\n\nGET /fn/f HTTP/1.1", "get /fn/f HTTP/1.1", "BREW /fn/f HTTP/1.1", "G@T /fn/f HTTP/1.1", "GE\0T /fn/f HTTP/1.1", "G:T /fn/f HTTP/1.1", "GET /fn/f#x HTTP/1.1", "GET fn/f HTTP/1.1",
    "GET //fn/f HTTP/1.1", "GET /fn/f/../f HTTP/1.1", "GET /fn/f/%2e%2e/f HTTP/1.1", "GET /fn/f/..%2ff HTTP/1.1", "GET /fn/f/%zz HTTP/1.1", "GET /fn/f/%00 HTTP/1.1", "GET /fn/f/% HTTP/1.1",
    "GET /fn/f/\u00e4 HTTP/1.1", "GET /fn/f/\u007f HTTP/1.1", "GET /fn/f/\u0001 HTTP/1.1", "GET /fn/f/a b HTTP/1.1", "GET /fn/f/\\ HTTP/1.1", "GET /fn/f/| HTTP/1.1", "GET /fn/f?a=/../b HTTP/1.1",
    "GET http://h/fn/f HTTP/1.1", "GET http://other/fn/f HTTP/1.1", "GET HTTP://h/fn/f HTTP/1.1", "GET http://u:p@h/fn/f HTTP/1.1", "GET http:///fn/f HTTP/1.1", "GET http:/fn/f HTTP/1.1",
    "GET https://h/fn/f HTTP/1.1", "GET ftp://h/fn/f HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "CONNECT h:80 HTTP/1.1", "CONNECT /fn/f HTTP/1.1", "TRACE /fn/f HTTP/1.1",
    "PRI * HTTP/2.0", "GET ? HTTP/1.1", "GET /fn/f? HTTP/1.1", "GET /fn/f/;a=b HTTP/1.1",
]
HOSTS = [
    "Host: h", "Host:h", "Host:  h  ", "Host:", "Host: ", "Host: h\nHost: h", "Host: h\nHost: o", "Host: h, o", "Host: h o", "Host: u@h", "Host: h/o", "Host: h?o", "Host: h#o", "Host: h:80",
    "Host: h:", "Host: h:x", "Host: h:80:80", "Host: [::1]", "Host: [::1", "Host: ::1", "Host: h\0", "Host: \u00e4", "Host: h\\o", "Host: %68", "X: y", "host : h", " Host: h", "Host: h\n o",
]
FIELDS = [
    "X", "X: y\r", "X: y\rz", "X: y\0z", "X: \u0001", "X: \u007f", "X: \u00e4", "X:\ty", "X: y\n z", "X: y\n\tz", ": y", "X;: y", "X\u00e4: y", "\u00e4: y", "X: y\n\rZ: z", "Expect: 100-continue",
    "Expect: 200-ok", "Connection: close", "Connection: Host", "Connection: X-Forwarded-For", "Connection: close, keep-alive", "Connection: ,,", "Connection: \"close\"", "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "TE: trailers", "TE: chunked", "Trailer: Content-Length", "Content-Length: 0", "Max-Forwards: 0",
    "X" * 300 + ": y", "X: " + "y" * 4000,
]
TOKENS = [b" ", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"\v", b"\f", b"\x7f", b"\x80", b"\xff", b":", b",", b";", b"+", b"-", b"_", b"0", b"f", b'"', b"/", b"#", b"%", b"\r\n "]

BASES = [
    "GET /fn/f/a HTTP/1.1\nHost: h\nX: y\n\n",
    "POST /fn/f/a HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc",
    "POST /fn/f/a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n",
    "POST /fn/f/a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nTrailer: X\n\n3;x=y\nabc\n0\nX: y\n\n",
    "GET http://h/fn/f/a HTTP/1.1\nHost: h\nConnection: keep-alive\n\n",
    "POST /fn/f/a HTTP/1.0\nHost: h\nContent-Length: 3\nConnection: keep-alive\n\nabc",
]


def raw(text):
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("latin-1", "replace")


def table():
    """What has been used against proxies."""
    post = "POST /fn/f HTTP/1.1\nHost: h\n"
    for coding in CODINGS:
        for body in ["3\nabc\n0\n\n", "abc"]:
            yield raw(post + "Transfer-Encoding: " + coding + "\n\n" + body) + END
            yield raw(post + "Content-Length: 3\nTransfer-Encoding: " + coding + "\n\n" + body) + END
    for length in LENGTHS:
        yield raw(post + "Content-Length: " + length + "\n\nabc") + END
        yield raw("GET /fn/f HTTP/1.1\nHost: h\nContent-Length: " + length + "\n\nabc") + END
    for name in NAMES:
        yield raw(post + name + ": 3\n\nabc") + END
        yield raw(post + name + ": chunked\n\n3\nabc\n0\n\n") + END
    for chunks in CHUNKS:
        yield raw(post + "Transfer-Encoding: chunked\n\n" + chunks) + END
        bare = raw(post + "Transfer-Encoding: chunked\n\n") + chunks.encode("latin-1", "replace")
        yield bare + END
    for line in LINES:
        yield raw(line + "\nHost: h\n\n") + END
    for host in HOSTS:
        yield raw("GET /fn/f HTTP/1.1\n" + host + "\n\n") + END
        yield raw("GET http://h/fn/f HTTP/1.1\n" + host + "\n\n") + END
        yield raw("GET /fn/f HTTP/1.0\n" + host + "\n\n") + END
    for field in FIELDS:
        yield raw("GET /fn/f HTTP/1.1\nHost: h\n" + field + "\n\n") + END
        yield raw("GET /fn/f HTTP/1.1\n" + field + "\nHost: h\n\n") + END
    for base in BASES:
        # Without CR, and with CR only.
        yield base.encode() + END
        yield raw(base).replace(b"\r\n", b"\r") + END


def mutations():
    """Every one of TOKENS at, and in the place of, each byte of the messages, each byte left out, each line doubled."""
    for base in BASES:
        message = raw(base)
        for position in range(len(message)):
            yield message[:position] + message[position + 1 :] + END
            for token in TOKENS:
                yield message[:position] + token + message[position:] + END
                yield message[:position] + token + message[position + 1 :] + END
        lines = message.split(b"\r\n")
        for index in range(len(lines)):
            yield b"\r\n".join(lines[: index + 1] + lines[index:]) + END
