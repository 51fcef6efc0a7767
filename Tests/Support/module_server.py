#!/usr/bin/env python3
"""Modules from the web for tests, on a loopback port of its own: `module_server.py DIRECTORY [PEM]`.

It serves the files in DIRECTORY. Those in `@SCOPE/NAME/VERSION/` are JSR packages as well, whose `mod.ts` is the entry. Paths that
begin with `/to/` redirect to what follows, `/away?to=URL` to another host. With PEM, a file of certificate and key, it speaks TLS. The first line printed is the port.
"""
import hashlib
import http.server
import json
import os
import ssl
import sys
import time

TYPES = {".ts": "application/typescript", ".js": "text/javascript", ".json": "application/json"}
directory = sys.argv[1]


def versions(scope, name):
    folder = os.path.join(directory, scope, name)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def package(path):
    """What JSR says of a package or of one version; None for other paths."""
    parts = path.strip("/").split("/")
    if len(parts) != 3 or not parts[0].startswith("@") or not parts[2].endswith("meta.json"):
        return None
    scope, name, file = parts
    if file == "meta.json":
        found = versions(scope, name)
        about = {"scope": scope[1:], "name": name, "latest": found[-1], "versions": {one: {} for one in found}} if found else None
    else:
        version = file[: -len("_meta.json")]
        folder = os.path.join(directory, scope, name, version)
        manifest = {}
        for base, _, files in sorted(os.walk(folder)):
            for one in sorted(files):
                with open(os.path.join(base, one), "rb") as content:
                    data = content.read()
                manifest["/" + os.path.relpath(os.path.join(base, one), folder)] = {
                    "size": len(data), "checksum": "sha256-" + hashlib.sha256(data).hexdigest()}
        about = {"manifest": manifest, "exports": {".": "./mod.ts"}} if manifest else None
    return about and json.dumps(about).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/away":
            return self.answer(302, b"", {"location": self.path.split("to=")[1]})
        if path.startswith("/to/"):
            self.answer(302, b"", {"location": path[3:]})
            # Servers may take their time to end a connection, and need not say that they will.
            self.wfile.flush()
            return time.sleep(0.1)
        content = package(path)
        file = os.path.join(directory, path.lstrip("/"))
        if content is None and os.path.isfile(file):
            with open(file, "rb") as opened:
                content = opened.read()
        if content is None:
            return self.answer(404, b"not here")
        kind = TYPES.get(os.path.splitext(path)[1], "text/plain")
        return self.answer(200, content, {"content-type": kind, "x-chatter": os.urandom(4).hex()})

    def answer(self, status, content, headers={}):
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, form, *values):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2])
    # Each connection shakes hands when it is first read, in its own thread: one that does not must not keep others waiting.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
