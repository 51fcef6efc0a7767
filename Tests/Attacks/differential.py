#!/usr/bin/env python3
"""Sends the same mutated requests to the Router, nginx and HAProxy, each before an upstream that notes what it receives, and compares.

usage: differential.py ROUTER-PORT UPSTREAM-PORT COUNT

The Router, at ROUTER-PORT, sends the function `f` to 127.0.0.1:UPSTREAM-PORT, where this program listens. COUNT of the mutations are tried besides
the table: the same ones each time. The Router has to refuse what either of the others refuses, and to pass on what they pass on; whatever is
otherwise must be in EXPLAINED, or the program prints it and fails.
"""

import collections
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from differential_cases import mutations, table

# What the Router refuses and others may take, by its reason: it is stricter on purpose.
STRICTER = {
    "malformed-request": "nothing is repaired: bare LF or CR, folded fields, blanks before a colon or in a request line, control bytes, sizes with blanks",
    "bad-framing": "one way to know the length, said once and in digits; no list, no Transfer-Encoding in HTTP/1.0",
    "bad-host": "one Host, well-formed, also beside a target in absolute form; HAProxy and nginx take more characters",
    "bad-target": "no fragment, no CONNECT, no target in another form, and no parent segment in any spelling, which others resolve or pass on",
    "bad-connection-option": "Connection cannot take away what says where a request comes from or how long it is",
    "unsupported-version": "1.0 and 1.1 only; nginx answers HTTP/1.2 as 1.1",
    "unsupported-transfer-coding": "chunked alone",
    "expectation-failed": "100-continue is the only expectation there is",
    "method-not-allowed": "TRACE would show a function's secrets to whoever can make a browser send it",
    "head-too-large": "limits of its own",
    "target-too-long": "limits of its own",
    "unknown-function": "the target names no function of this table: others pass on any path",
    "not-found": "the target names nothing of the Router's: others pass on any path",
    "unknown-revision": "the target names a revision that is not there: others pass on any path",
    "body-timeout": "a body that never comes",
    "head-timeout": "a head that never comes",
}


def target_of(case):
    parts = case.lstrip(b"\r\n").split(b"\r\n", 1)[0].split(b" ")
    return parts[1] if len(parts) > 1 else b""


def fields_of(case):
    return case.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]


# What the Router takes and another refuses. None of it changes where a request ends.
EXPLAINED = [
    (
        "nginx checks percent-encoding, which the Router passes on as it is: what it means is the function's to say",
        "nginx",
        lambda case: re.search(rb"%(?![0-9A-Fa-f]{2})|%00", target_of(case)),
    ),
    (
        "HAProxy refuses bytes from 0x80 and some marks in a target, which curl and browsers send as they are typed; they end nothing",
        "haproxy",
        lambda case: re.search(rb'[\x80-\xff"<>\\^`{|}]', target_of(case)),
    ),
    (
        "nginx knows no method in lower case or with marks; to the Router any token is one",
        "nginx",
        lambda case: re.match(rb"(?:\r\n)?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} ", case) and not re.match(rb"(?:\r\n)?[A-Z_-]+ ", case),
    ),
    (
        "nginx takes letters, digits, dots and hyphens only in the authority of a target in absolute form; a name has more (RFC 3986, 3.2.2)",
        "nginx",
        lambda case: re.match(rb"(?i)https?://[^/?]*[^/?a-z0-9.:\[\]-]", target_of(case)),
    ),
    (
        "a target in absolute form overrides Host in the Router (RFC 9112, 3.2.2); HAProxy wants both to be the same",
        "haproxy",
        lambda case: re.match(rb"(?i)https?://", target_of(case)),
    ),
    (
        "HAProxy takes only one Host beside the authority and refuses some of its characters",
        "haproxy",
        lambda case: any(re.match(rb"(?i)host:.*[^\x21-\x7e]", line) for line in fields_of(case)),
    ),
]

Outcome = collections.namedtuple("Outcome", "statuses seen reason")


class Upstream:
    """Notes each request as it is received, strictly read, and answers it."""

    def __init__(self, port=0):
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        buffer = b""
        try:
            while True:
                message, buffer = self.read(connection, buffer)
                if message is None:
                    return
                self.seen.append(message)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except ValueError as error:
            self.seen.append(("malformed", repr(error), b"", b""))
        except (OSError, EOFError):
            # Broken off, as uploads are that turn out to be malformed.
            pass
        finally:
            connection.close()

    @staticmethod
    def more(connection, buffer):
        data = connection.recv(65536)
        if not data:
            raise EOFError
        return buffer + data

    def until(self, connection, buffer, mark):
        while mark not in buffer:
            buffer = self.more(connection, buffer)
        part, rest = buffer.split(mark, 1)
        return part, rest

    def read(self, connection, buffer):
        if not buffer:
            buffer = connection.recv(65536)
            if not buffer:
                return None, b""
        head, buffer = self.until(connection, buffer, b"\r\n\r\n")
        lines = head.split(b"\r\n")
        method, target, version = lines[0].split(b" ")
        fields = [(line.split(b":", 1)[0].lower(), line.split(b":", 1)[1].strip(b" \t")) for line in lines[1:]]
        lengths = [value for name, value in fields if name == b"content-length"]
        codings = [value for name, value in fields if name == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1 or codings not in ([], [b"chunked"]) or version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise ValueError(head)
        if any(byte in head.replace(b"\r\n", b"") for byte in b"\r\n\0"):
            raise ValueError(head)
        body = b""
        if codings:
            while True:
                line, buffer = self.until(connection, buffer, b"\r\n")
                size = int(line.split(b";")[0], 16)
                while len(buffer) < size + 2:
                    buffer = self.more(connection, buffer)
                if size == 0:
                    break
                body, buffer = body + buffer[:size], buffer[size + 2 :]
            while not buffer.startswith(b"\r\n"):
                _, buffer = self.until(connection, buffer, b"\r\n")
                while len(buffer) < 2:
                    buffer = self.more(connection, buffer)
            buffer = buffer[2:]
        elif lengths:
            while len(buffer) < int(lengths[0]):
                buffer = self.more(connection, buffer)
            body, buffer = buffer[: int(lengths[0])], buffer[int(lengths[0]) :]
        hosts = b",".join(value for name, value in fields if name == b"host")
        return (method.decode("latin-1"), self.path(target), hosts, body), buffer

    @staticmethod
    def path(target):
        """The target without what the Router takes off."""
        target = re.sub(rb"(?i)^https?://[^/?]*", b"", target)
        target = re.sub(rb"^/fn/f(?=[/?]|$)", b"", target)
        return (target if target.startswith(b"/") else b"/" + target).decode("latin-1")


class Proxy:
    """Something that requests are sent to."""

    def __init__(self, name, port, upstream):
        self.name, self.port, self.upstream = name, port, upstream

    def send(self, case):
        before = len(self.upstream.seen)
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            try:
                connection.sendall(case)
                connection.shutdown(socket.SHUT_WR)
                while True:
                    data = connection.recv(65536)
                    if not data:
                        break
                    received += data
            except OSError:
                pass
        statuses = [int(status) for status in re.findall(rb"(?m)^HTTP/1\.[01] (\d\d\d)", received)]
        statuses = [status for status in statuses if status >= 200]
        # What was answered has been seen; give what was not a moment.
        deadline = time.monotonic() + 0.2
        while len(self.upstream.seen) - before < statuses.count(200) and time.monotonic() < deadline:
            time.sleep(0.002)
        reason = re.search(rb"X-Kiln-Reason: (\S+)", received)
        return Outcome(statuses, self.upstream.seen[before:], reason.group(1).decode() if reason else None)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start(directory, name, port, upstream):
    if name == "nginx":
        paths = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        path, command = directory + "/nginx.conf", [shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-p", directory, "-c", directory + "/nginx.conf"]
        text = f"""
            daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/nginx.log;
            events {{ worker_connections 256; }}
            http {{
                access_log off; {paths}
                server {{
                    listen 127.0.0.1:{port}; client_header_timeout 2s; client_body_timeout 2s; lingering_close off;
                    location / {{
                        proxy_pass http://127.0.0.1:{upstream.port}; proxy_http_version 1.1; proxy_set_header Host $http_host;
                        proxy_set_header Connection ""; proxy_request_buffering off; proxy_ignore_client_abort on; proxy_read_timeout 2s;
                    }}
                }}
            }}"""
    else:
        path, command = directory + "/haproxy.cfg", [shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "-q", "-db", "-f", directory + "/haproxy.cfg"]
        text = f"""
global
    maxconn 256
defaults
    mode http
    timeout client 2s
    timeout server 2s
    timeout connect 2s
    timeout http-request 2s
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    http-reuse never
    server s 127.0.0.1:{upstream.port}
"""
    with open(path, "w") as file:
        file.write(text)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.02)
    process.kill()
    sys.exit(f"{name} did not start; see {path}")


def judge(case, router, other, name):
    """How the Router differs from another, and whether that may be: `None`, or a pair of what is said and whether it is explained."""
    takes, others = 200 in router.statuses[:1], 200 in other.statuses[:1]
    if any(message[0] == "malformed" for message in router.seen):
        return f"the Router passes on what is malformed: {router.seen}", False
    if takes and not others:
        for reason, who, holds in EXPLAINED:
            if who == name and holds(case):
                return reason, True
        return f"{name} refuses with {other.statuses} what the Router takes: {router.seen}", False
    if others and not takes:
        if router.reason in STRICTER:
            return router.reason, True
        return f"the Router answers {router.statuses} {router.reason}; {name} takes it", False
    if not takes:
        return None
    count = min(len(router.seen), len(other.seen))
    ours, theirs = ([(m[0], m[1], m[3]) for m in seen[:count]] for seen in (router.seen, other.seen))
    if ours != theirs:
        return f"they pass on {ours} and {name} {theirs}", False
    # The one that goes on reads more requests into the same bytes: that may only be the other one.
    if len(router.seen) > len(other.seen) and not other.statuses[len(other.seen) :]:
        return None
    if len(router.seen) > len(other.seen):
        rest = router.seen[len(other.seen)]
        for reason, who, holds in EXPLAINED:
            if who == name and holds(case):
                return reason, True
        return f"the Router reads one more request than {name}: {rest}", False
    return None


def main():
    router_port, upstream_port, count = (int(argument) for argument in sys.argv[1:4])
    directory = tempfile.mkdtemp(prefix="kiln-differential-")
    proxies = [Proxy("router", router_port, Upstream(upstream_port))]
    processes = []
    print("listening", flush=True)
    try:
        for name in ["nginx", "haproxy"]:
            upstream, port = Upstream(), free_port()
            processes.append(start(directory, name, port, upstream))
            proxies.append(Proxy(name, port, upstream))
        every = list(mutations())
        cases = list(table()) + (every if count >= len(every) else random.Random(7).sample(every, count))
        outcomes = {}

        def run(proxy):
            outcomes[proxy.name] = [proxy.send(case) for case in cases]

        threads = [threading.Thread(target=run, args=(proxy,)) for proxy in proxies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tally, wrong = collections.Counter(), 0
        for index, case in enumerate(cases):
            router = outcomes["router"][index]
            tally["taken" if 200 in router.statuses[:1] else "refused"] += 1
            for name in ["nginx", "haproxy"]:
                verdict = judge(case, router, outcomes[name][index], name)
                if verdict is None:
                    continue
                said, explained = verdict
                if explained:
                    tally[f"{name}: {said}"] += 1
                    continue
                wrong += 1
                if wrong <= 40:
                    print(f"{case!r}\n    {said}")
        print(f"{len(cases)} requests, {wrong} unexplained")
        for key, number in sorted(tally.items()):
            print(f"{number:6} {key}")
        return 1 if wrong else 0
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
