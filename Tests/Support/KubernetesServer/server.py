"""A Kubernetes API server in memory, for tests: what Kiln uses of Kubernetes 1.36, as the recordings show it.

server.py PACKAGES [--namespace NAME]… [--manifest FILE]… [--roles FILE] [--token-file FILE] [--tls CERT KEY CA]

PACKAGES is where kubernetes-validate and common-expression-language are installed. Prints its port. Tests steer it under
/_control: faults, compaction, bookmarks, cuts, and a log of the requests.
"""
import argparse
import asyncio
import copy
import json
import os
import re
import ssl
import sys

parser = argparse.ArgumentParser()
parser.add_argument("packages")
parser.add_argument("--namespace", action="append", default=[])
parser.add_argument("--manifest", action="append", default=[])
parser.add_argument("--roles")
parser.add_argument("--token-file")
parser.add_argument("--tls", nargs=3)
options = parser.parse_args()
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), options.packages]

import garbage  # noqa: E402
from clones import clone  # noqa: E402
from exchange import Cut, Exchange, dump  # noqa: E402
from kinds import Kind  # noqa: E402
from logs import serve_log  # noqa: E402
from problems import Failure, PlainNotFound, bad_request, expired, invalid  # noqa: E402
from schema import Schemas  # noqa: E402
from paging import page  # noqa: E402
from rights import Rights  # noqa: E402
from selection import fields_match, labels_match  # noqa: E402
from store import Store  # noqa: E402

store = Store(Schemas(options.packages))
for name in ["default"] + options.namespace:
    store.create(store.kind("", "v1", "namespaces"), "", {"metadata": {"name": name}}, "server")
for path in options.manifest:
    import yaml
    with open(path) as file:
        for item in yaml.safe_load_all(file):
            kind = next(kind for kind in store.kinds.values() if (kind.api_version, kind.kind) == (item["apiVersion"], item["kind"]))
            store.create(kind, item["metadata"].get("namespace", ""), item, "server")
rights = Rights([])
if options.roles:
    import yaml
    with open(options.roles) as file:
        rights = Rights(list(yaml.safe_load_all(file)))
control = {"faults": [], "log": [], "watches": set(), "down": False, "bookmarks": 60.0}


def authenticate(exchange):
    if options.token_file and exchange.path not in ("/readyz", "/livez", "/version"):
        sent = exchange.headers.get("authorization")
        if sent is None:
            raise Failure(403, f'forbidden: User "system:anonymous" cannot {exchange.method.lower()} path "{exchange.path}"',
                          "Forbidden", {})
    else:
        sent = exchange.headers.get("authorization")
    if options.token_file and sent is not None:
        with open(options.token_file) as file:
            known = file.read().split()
        if sent not in [f"Bearer {token}" for token in known]:
            raise Failure(401, "Unauthorized", "Unauthorized")


PATH = re.compile(r"^/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))(?:/namespaces/(?P<namespace>[^/]+))?"
                  r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<part>[^/]+))?)?$")


def locate(path):
    """(kind, namespace, name, part) of a path."""
    if match := re.match(r"^/api/v1/namespaces(?:/([^/]+)(?:/(status))?)?$", path):
        return store.kind("", "v1", "namespaces"), "", match[1], match[2]
    match = PATH.match(path)
    if not match:
        raise PlainNotFound()
    kind = store.kind(match["group"] or "", match["core"] or match["version"], match["plural"])
    return kind, (match["namespace"] if kind.namespaced else ""), match["name"], match["part"]


async def serve(exchange):
    """Answers one request."""
    if exchange.path == "/version":
        return await exchange.answer(200, {"major": "1", "minor": "36", "gitVersion": "v1.36.2"})
    if exchange.path in ("/readyz", "/livez"):
        return await exchange.answer(200, b"ok", kind="text/plain; charset=utf-8")
    kind, namespace, name, part = locate(exchange.path)
    rights.check(exchange, kind, namespace, name, part, (kind.resource, namespace, name) in store.objects)
    if part == "log" and kind.kind == "Pod" and exchange.method == "GET":
        return await serve_log(exchange, lambda: store.get(kind, namespace, name))
    if part not in (None, "status", "scale") or (part == "status" and not kind.status) or (part == "scale" and not kind.scale):
        raise Failure(404, "the server could not find the requested resource", "NotFound", {})
    query, dry = exchange.query, exchange.query.get("dryRun") == "All"
    if exchange.method == "GET":
        if name:
            item = store.get(kind, namespace, name)
            return await exchange.answer(200, store.scale_of(item) if part == "scale" else item)
        if query.get("watch") in ("true", "1"):
            return await watch(exchange, kind, namespace)
        return await listing(exchange, kind, namespace)
    if part == "scale" and (replicas := (exchange.json().get("spec") or {}).get("replicas", 0)) < 0:
        raise invalid(Kind("autoscaling", "v1", "", "Scale", {}), name, [(
            "FieldValueInvalid", f"Invalid value: {replicas}: must be greater than or equal to 0", "spec.replicas")])
    manager = query.get("fieldManager") or exchange.headers.get("user-agent", "unknown").split("/")[0]
    if exchange.method == "POST" and not name:
        body = exchange.json()
        if query.get("fieldValidation") == "Strict" and kind.custom:
            if lost := kind.custom.prune(copy.deepcopy(body)):
                raise bad_request(
                    f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict decoding error: ' +
                    ", ".join(f'unknown field "{path}"' for path in lost))
        lost, item = store.create(kind, namespace, body, manager, dry)
        warnings = {"Warning": f'299 - "unknown field \\"{lost[0]}\\""'} if lost else {}
        return await exchange.answer(201, item, warnings)
    if exchange.method == "PUT" and name:
        if part == "scale":
            change = {"spec": {"replicas": exchange.json()["spec"].get("replicas", 0)}}
            wanted = exchange.json()["metadata"].get("resourceVersion")
            if wanted:
                change["metadata"] = {"resourceVersion": wanted}
            return await exchange.answer(200, store.scale_of(store.merge_patch(kind, namespace, name, change, manager, part)))
        return await exchange.answer(200, store.replace(kind, namespace, name, exchange.json(), manager, part, dry))
    if exchange.method == "PATCH" and name:
        return await patch(exchange, kind, namespace, name, part, manager, dry)
    if exchange.method == "DELETE":
        chosen = exchange.json() if exchange.body else {}
        if "propagationPolicy" in query:
            chosen["propagationPolicy"] = query["propagationPolicy"]
        if name:
            item, uid = store.delete(kind, namespace, name, chosen)
            if item is not None:
                return await exchange.answer(200, item)
            details = {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural, "uid": uid}
            return await exchange.answer(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                                               "details": details})
        items = store.select(kind, namespace, matcher(exchange, kind))
        for item in items:
            store.delete(kind, item["metadata"].get("namespace", ""), item["metadata"]["name"], chosen)
        items = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
        return await exchange.answer(200, {"kind": kind.kind + "List", "apiVersion": kind.api_version,
                                           "metadata": {"resourceVersion": str(store.version)}, "items": items})
    raise Failure(405, "the server does not allow this method on the requested resource", "MethodNotAllowed", {})


async def patch(exchange, kind, namespace, name, part, manager, dry):
    body, sort = exchange.json(), exchange.headers.get("content-type", "").split(";")[0]
    if sort == "application/apply-patch+yaml":
        force = exchange.query.get("force") == "true"
        manager = exchange.query.get("fieldManager")
        if part == "scale":
            body = {"metadata": {}, "spec": {"replicas": body["spec"].get("replicas", 0)}}
            _, item = store.apply(kind, namespace, name, body, manager, force, part, dry)
            return await exchange.answer(200, store.scale_of(item))
        new, item = store.apply(kind, namespace, name, body, manager, force, part, dry)
        return await exchange.answer(201 if new else 200, item)
    allowed = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
    if sort == "application/merge-patch+json" or (sort == "application/strategic-merge-patch+json" and not kind.custom):
        item = store.merge_patch(kind, namespace, name, body, manager, part, dry, "strategic" in sort)
        return await exchange.answer(200, store.scale_of(item) if part == "scale" else item)
    if kind.custom:
        raise Failure(415, "the body of the request was in an unknown format - accepted media types include: " +
                      ", ".join(allowed), "UnsupportedMediaType")
    raise Failure(415, "415: Unsupported Media Type", "UnsupportedMediaType", {})


def matcher(exchange, kind):
    labels = labels_match(exchange.query.get("labelSelector", ""))
    fields = fields_match(kind, exchange.query.get("fieldSelector", ""))
    return lambda item: labels(item["metadata"].get("labels") or {}) and fields(item)


def version_of(query, what):
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        raise Failure(500, f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text) if text else None


async def listing(exchange, kind, namespace):
    query, version = exchange.query, version_of(exchange.query, "list")
    if version and version > store.version:
        raise Failure(504, f"Timeout: Too large resource version: {version}, current: {store.version}", "Timeout", {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1}, {"Retry-After": "1"})
    if version and query.get("resourceVersionMatch") == "Exact" and version < store.oldest:
        raise expired("The resourceVersion for the provided list is too old.")
    limit = 0 if version == 0 else int(query.get("limit", 0))
    meta, items = page(store, kind, namespace, matcher(exchange, kind), limit, query.get("continue"),
                             "labelSelector" in query or "fieldSelector" in query)
    items = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
    if kind.custom:
        items = [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in items]
        meta.setdefault("continue", "")
    await exchange.answer(200, {"kind": kind.kind + "List", "apiVersion": kind.api_version, "metadata": meta, "items": items})


async def watch(exchange, kind, namespace):
    query, matches = exchange.query, matcher(exchange, kind)
    version, initial = version_of(query, "watch"), query.get("sendInitialEvents") == "true"
    if initial and query.get("resourceVersionMatch") != "NotOlderThan":
        field = "resourceVersionMatch"
        message = f'Forbidden: {field} is forbidden for watch unless sendInitialEvents is provided' if not initial else \
            f"Required value: sendInitialEvents requires setting {field} to NotOlderThan"
        raise Failure(422, f'ListOptions.meta.k8s.io "" is invalid: {field}: {message}', "Invalid", {
            "group": "meta.k8s.io", "kind": "ListOptions",
            "causes": [{"reason": "FieldValueRequired", "message": message, "field": field}]})
    if initial and control.get("no-watch-list"):
        message = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        raise Failure(422, f'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: {message}', "Invalid", {
            "group": "meta.k8s.io", "kind": "ListOptions",
            "causes": [{"reason": "FieldValueForbidden", "message": message, "field": "sendInitialEvents"}]})
    marks = query.get("allowWatchBookmarks") == "true"
    inside = lambda item: not kind.namespaced or namespace is None or item["metadata"].get("namespace") == namespace  # noqa: E731
    queue = asyncio.Queue()

    def bookmark(annotations=None):
        meta = {"resourceVersion": str(store.version), **({"annotations": annotations} if annotations else {})}
        empty = {"EndpointSlice": {"addressType": "", "endpoints": None, "ports": None},
                 "Deployment": {"spec": {"selector": None, "template": {"metadata": {}, "spec": {"containers": None}},
                                         "strategy": {}}, "status": {}}}.get(kind.kind, {})
        return {"type": "BOOKMARK", "object": {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta, **empty}}

    def tell(event):
        if event["key"][0] != kind.resource or not inside(event["new"]):
            return
        was = event["old"] is not None and matches(event["old"])
        holds = event["type"] != "DELETED" and matches(event["new"])
        if holds:
            queue.put_nowait({"type": "MODIFIED" if was else "ADDED", "object": event["new"]})
        elif was:
            last = copy.deepcopy(event["old"] if event["type"] != "DELETED" else event["new"])
            last["metadata"]["resourceVersion"] = event["new"]["metadata"]["resourceVersion"]
            queue.put_nowait({"type": "DELETED", "object": last})

    if version and version < store.oldest:
        queue.put_nowait({"type": "ERROR", "object": expired(f"too old resource version: {version} ({store.oldest})").body})
        queue.put_nowait(None)
    else:
        if version in (None, 0) or initial:
            for item in store.select(kind, namespace, matches):
                queue.put_nowait({"type": "ADDED", "object": item})
            if initial and marks:
                queue.put_nowait(bookmark({"k8s.io/initial-events-end": "true"}))
        elif version <= store.version:
            for event in store.history:
                if event["version"] > version:
                    tell(event)
        store.listeners.append(tell)
    seat = (queue, kind.plural, bookmark if marks else None)
    control["watches"].add(seat)
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    async def notice():
        if not await exchange.reader.read(1):
            queue.put_nowait("cut")

    listening = asyncio.create_task(notice())
    loop = asyncio.get_running_loop()
    end = loop.time() + float(query.get("timeoutSeconds", 3600))
    mark = loop.time() + control["bookmarks"]
    try:
        await exchange.writer.drain()
        while loop.time() < end:
            try:
                event = await asyncio.wait_for(queue.get(), max(0, min(end, mark) - loop.time()))
            except asyncio.TimeoutError:
                if loop.time() >= mark:
                    mark = loop.time() + control["bookmarks"]
                    if marks:
                        queue.put_nowait(bookmark())
                continue
            if event is None:
                break
            if event == "cut":
                raise Cut()
            line = dump(event) + b"\n"
            await exchange.write(b"%x\r\n%s\r\n" % (len(line), line))
        exchange.writer.write(b"0\r\n\r\n")
        await exchange.writer.drain()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        control["watches"].discard(seat)
        if tell in store.listeners:
            store.listeners.remove(tell)


async def steer(exchange):
    """What tests ask of the server itself."""
    body = json.loads(exchange.body) if exchange.body else {}
    for key in ("down", "bookmarks", "no-watch-list"):
        if key in body:
            control[key] = body[key]
    control["faults"] += body.get("faults", [])
    if "clone" in body:
        clone(store, **body["clone"])
    if body.get("compact"):
        store.compact()
    if body.get("forget"):
        control["log"].clear()
    plural = body.get("of")
    for queue, watched, bookmark in list(control["watches"]):
        if plural in (None, watched):
            if body.get("bookmark") and bookmark:
                queue.put_nowait(bookmark())
            if body.get("cut"):
                queue.put_nowait("cut")
            if body.get("end"):
                queue.put_nowait(None)
            if "error" in body:
                queue.put_nowait({"type": "ERROR", "object": body["error"]})
                queue.put_nowait(None)
    await exchange.answer(200, {"log": control["log"], "version": store.version, "watches": len(control["watches"]),
                                "objects": len(store.objects)})


async def handle(exchange):
    if exchange.path == "/_control":
        return await steer(exchange)
    if control["down"]:
        raise Cut()
    control["log"].append(f"{exchange.method} {exchange.target}")
    for fault in control["faults"]:
        if re.search(fault["match"], f"{exchange.method} {exchange.target}") and fault.get("times", 1) > 0:
            fault["times"] = fault.get("times", 1) - 1
            await asyncio.sleep(fault.get("delay", 0))
            if fault.get("drop") == "before":
                raise Cut()
            if fault.get("drop") == "after":
                exchange.cut_after = 0
            if "cutAfter" in fault:
                exchange.cut_after = fault["cutAfter"]
            if "status" in fault:
                return await exchange.answer(fault["status"], fault.get("body", "").encode(), fault.get("headers"))
            break
    try:
        authenticate(exchange)
        await serve(exchange)
    except Failure as failure:
        await exchange.answer(failure.code, failure.body, failure.headers)
    except PlainNotFound:
        await exchange.answer(404, b"404 page not found\n", kind="text/plain; charset=utf-8")
    if exchange.method != "GET" and not control.get("collecting"):
        control["collecting"] = asyncio.create_task(collect())


async def collect():
    """Garbage collection takes its time, one step after the other."""
    await asyncio.sleep(0.05)
    while garbage.collect(store):
        await asyncio.sleep(0.01)
    control["collecting"] = None


async def connection(reader, writer):
    try:
        while line := await reader.readline():
            method, target, _ = line.decode().split(" ", 2)
            headers = {}
            while (field := (await reader.readline()).decode("latin-1").rstrip("\r\n")):
                name, value = field.split(":", 1)
                headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            await handle(Exchange(method, target, headers, body, reader, writer))
            await writer.drain()
            if headers.get("connection", "").lower() == "close":
                break
    except (Cut, ConnectionError, asyncio.IncompleteReadError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls[:2])
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(options.tls[2])
    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=context, limit=8 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
