#!/usr/bin/env python3
"""An npm registry for tests, on a loopback port of its own: `npm_registry.py DIRECTORY [PACKAGE…]`.

It serves the packages in DIRECTORY (`NAME/VERSION/…`), and those of PACKAGE with all they depend on as Debian installed them in
/usr/share/nodejs. Debian builds each package once, at one version that all others work with, so their ranges become `*`. The first
line printed is the port.

A file `.packument.json` in a version's directory is merged into what the registry says of it; it is not in the tarball. A `tarball` there
that is a path is where this registry has the archive, and nowhere else.
"""
import base64
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import sys
import tarfile
import urllib.parse

DEBIAN = "/usr/share/nodejs"


def tarball(directory):
    """The package as npm would publish it, the same bytes each time."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder, folders, files in os.walk(directory):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                if name == ".packument.json" or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                entry = tarfile.TarInfo("package/" + os.path.relpath(path, directory))
                entry.size, entry.mode, entry.mtime = len(content), 0o644, 499162500
                archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def manifest(directory, ranges=None):
    with open(os.path.join(directory, "package.json")) as file:
        package = json.load(file)
    kept = ("name", "version", "dependencies", "peerDependencies", "optionalDependencies", "bin", "scripts", "os", "cpu")
    about = {key: package[key] for key in kept if key in package}
    if ranges:
        about["dependencies"] = ranges(about.get("dependencies", {}))
        about.pop("optionalDependencies", None)
        about.pop("peerDependencies", None)
        about.pop("scripts", None)
    extra = os.path.join(directory, ".packument.json")
    if os.path.exists(extra):
        with open(extra) as file:
            about.update(json.load(file))
    return about


class Packages:
    """By name and version: the directory, and what to say of it."""

    def __init__(self, directory, debian):
        self.found = {}
        for folder, _, files in sorted(os.walk(directory)):
            if "package.json" in files:
                about = manifest(folder)
                self.found.setdefault(about["name"], {})[about["version"]] = (folder, about)
        pending = list(debian)
        while pending:
            name = pending.pop()
            folder = os.path.join(DEBIAN, name)
            if name in self.found or not os.path.exists(os.path.join(folder, "package.json")):
                continue
            about = manifest(
                folder, lambda ranges: {one: "*" for one in ranges if os.path.isdir(os.path.join(DEBIAN, one))}
            )
            self.found[name] = {about["version"]: (folder, about)}
            pending += about["dependencies"]

    @functools.cache
    def tarball(self, name, version):
        return tarball(self.found[name][version][0])

    def elsewhere(self):
        """What has an archive at a path of its own, by that path."""
        return {
            about["dist"]["tarball"]: (name, version)
            for name, versions in self.found.items()
            for version, (_, about) in versions.items()
            if about.get("dist", {}).get("tarball", "").startswith("/")
        }

    def packument(self, name, base):
        versions = {}
        for version, (_, about) in sorted(self.found[name].items()):
            content = self.tarball(name, version)
            dist = {
                "integrity": "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode(),
                "shasum": hashlib.sha1(content).hexdigest(),
                "tarball": f"{base}/{name}/-/{name.split('/')[-1]}-{version}.tgz",
            }
            dist.update(about.get("dist", {}))
            if dist["tarball"].startswith("/"):
                dist["tarball"] = base + dist["tarball"]
            versions[version] = {**about, "dist": dist}
        latest = max(versions, key=lambda text: [int(part) for part in text.split("-")[0].split(".")])
        return {"name": name, "dist-tags": {"latest": latest}, "versions": versions}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        elsewhere = packages.elsewhere()
        if path in elsewhere:
            return self.answer(200, packages.tarball(*elsewhere[path]), "application/octet-stream")
        name, _, file = path[1:].partition("/-/")
        if name not in packages.found:
            return self.answer(404, b'{"error":"Not found"}')
        if not file:
            base = f"http://{self.headers['host']}"
            return self.answer(200, json.dumps(packages.packument(name, base)).encode())
        for version in packages.found[name]:
            if file == f"{name.split('/')[-1]}-{version}.tgz" and (name, version) not in elsewhere.values():
                return self.answer(200, packages.tarball(name, version), "application/octet-stream")
        return self.answer(404, b"{}")

    def answer(self, status, content, kind="application/json"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, form, *values):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


packages = Packages(sys.argv[1], sys.argv[2:])
server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
print(server.server_port, flush=True)
server.serve_forever()
