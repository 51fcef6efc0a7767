"""Plays a recording of a real API server against this one and tells what is answered otherwise.

replay.py PORT RECORDING [skip:N]…

Objects' ids, versions and times differ by nature: those of the recording are replaced by this server's as they appear. `status`
objects are left out, because they are written by controllers, and nothing here has any.
"""
import http.client
import json
import sys
import time

port, recording = int(sys.argv[1]), sys.argv[2]
skipped = {int(argument[5:]) for argument in sys.argv[3:] if argument.startswith("skip:")}
SET_BY_SERVER = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "managedFields", "clusterIP", "clusterIPs",
                 "time", "renewTime", "continue", "remainingItemCount"}
SET_BY_CONTROLLER = {"deployment.kubernetes.io/revision"}
# Of the distribution that was recorded, and of controllers.
FOREIGN = {"kube-root-ca.crt", "openshift-service-ca.crt"}
known = {}


def learn(real, own):
    """Notes which of the recording's ids are which of this server's."""
    if isinstance(real, dict) and isinstance(own, dict):
        for key in ("uid", "resourceVersion", "continue"):
            if isinstance(real.get(key), str) and isinstance(own.get(key), str):
                known[(key, real[key])] = own[key]
        for key in real.keys() & own.keys():
            learn(real[key], own[key])
    elif isinstance(real, list) and isinstance(own, list) and len(real) == len(own):
        for one, other in zip(real, own):
            learn(one, other)


def translate(value):
    if isinstance(value, dict):
        return {key: said(key, inner) if isinstance(inner, str) else translate(inner) for key, inner in value.items()}
    return [translate(inner) for inner in value] if isinstance(value, list) else value


def said(key, text):
    for (sort, real), own in known.items():
        if sort == "uid" and key == "message":
            text = text.replace(real, own)
        if sort == "resourceVersion" and key == "message":
            text = text.replace(f"({real})", f"({own})")
    return known.get((key, text), text)


def own_first(body):
    """Makes the owners that were made before the recording began."""
    for owner in (body or {}).get("metadata", {}).get("ownerReferences", []) if isinstance(body, dict) else []:
        if ("uid", owner["uid"]) not in known and not owner["uid"].startswith("1111"):
            made = call("POST", f"/api/v1/namespaces/{body['metadata']['namespace']}/configmaps", json.dumps(
                {"metadata": {"name": owner["name"]}, "data": {"v": "1"}}), {"Content-Type": "application/json"})[1]
            known[("uid", owner["uid"])] = json.loads(made)["metadata"]["uid"]


def call(method, path, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def plain(value):
    if isinstance(value, dict):
        if isinstance(value.get("metadata"), dict) and not value["metadata"].get("annotations", True):
            value["metadata"].pop("annotations")
        result = {}
        for key, inner in value.items():
            if key in SET_BY_SERVER | SET_BY_CONTROLLER or (key == "status" and isinstance(inner, dict)):
                continue
            inner = plain(inner)
            if key == "annotations" and not inner:
                continue
            result[key] = inner
        if value.get("kind") == "Status" and len((value.get("details") or {}).get("causes", [])) > 1:
            result.pop("message")
        return result
    if isinstance(value, list):
        items = [plain(inner) for inner in value
                 if not (isinstance(inner, dict) and inner.get("metadata", {}).get("name") in FOREIGN)]
        if items and isinstance(items[0], dict) and "reason" in items[0]:
            items.sort(key=lambda item: json.dumps(item, sort_keys=True))
        return items
    return value


def reduce(own, real):
    """Some recorded answers are reduced to who owns `spec.replicas`, or have a word for a long part: the own ones to the same."""
    if not isinstance(real, dict) or not isinstance(own, dict):
        return
    owners = "managers owning spec.replicas"
    if owners in real.get("metadata", {}):
        entries = [entry for entry in own["metadata"].get("managedFields", [])
                   if "f:replicas" in entry["fieldsV1"].get("f:spec", {})]
        own["metadata"][owners] = [{key: entry[key] for key in ("manager", "operation", "subresource") if key in entry}
                                   for entry in entries]
        for part in (own, own["metadata"], own["spec"]):
            shown = real if part is own else real["metadata"] if part is own["metadata"] else real["spec"]
            for key in set(part) - set(shown):
                del part[key]
    for key, value in real.items():
        if isinstance(value, str) and value.startswith("("):
            own[key] = value


def differences(own, real, path=""):
    if isinstance(own, dict) and isinstance(real, dict):
        for key in sorted(set(own) | set(real)):
            if key not in own or key not in real:
                yield f"{path}.{key}: {'missing' if key not in own else 'extra'}: {json.dumps((own if key in own else real)[key])}"
            else:
                yield from differences(own[key], real[key], f"{path}.{key}")
    elif isinstance(own, list) and isinstance(real, list) and len(own) == len(real):
        for index, (one, other) in enumerate(zip(own, real)):
            yield from differences(one, other, f"{path}[{index}]")
    elif own != real:
        yield f"{path}: {json.dumps(own)} instead of {json.dumps(real)}"


with open(recording) as file:
    exchanges = json.load(file)
played, before = 0, 0
for number, exchange in enumerate(exchanges):
    request, real = exchange["request"], exchange["response"]
    if number in skipped or real.get("status") is None or "events" in real:
        continue
    if request["method"] not in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        continue
    headers = {name: value for name, value in request["headers"].items()
               if not name.startswith("(") and name not in ("Authorization", "Accept-Encoding")}
    if request["method"] == "GET":
        time.sleep(min(max(0, exchange["at_ms"] - before) / 1000, 0.3))  # for the garbage collector
    before = exchange["at_ms"]
    own_first(request.get("body"))
    body, path = translate(request.get("body")), request["path"]
    for (key, value), own in known.items():
        if key in ("resourceVersion", "continue") and f"{key}={value}" in path:
            path = path.replace(f"{key}={value}", f"{key}={own}")
    status, text = call(request["method"], path, body if isinstance(body, str) or body is None else json.dumps(body), headers)
    try:
        own = json.loads(text)
    except ValueError:
        own = text
    played += 1
    where = f"{number} ({exchange.get('note', '')[:100]})"
    if status != real["status"]:
        print(f"{where}: status {status} instead of {real['status']}: {text[:300]}")
        continue
    learn(real.get("body"), own)
    reduce(own, real.get("body"))
    for difference in list(differences(plain(own), plain(translate(real.get("body")))))[:5]:
        print(f"{where}: {difference[:400]}")
print(f"played {played}", file=sys.stderr)
