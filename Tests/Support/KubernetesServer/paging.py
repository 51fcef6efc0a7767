"""Lists in pages: each at the version of the first, until that is forgotten."""
import base64
import json

from problems import bad_request, expired


def page(store, kind, namespace, matches, limit, token, selective):
    version, start = store.version, ""
    if token:
        try:
            held = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            version, start = held["rv"], held["start"]
        except (ValueError, KeyError):
            raise bad_request("invalid continue token: continue key is not valid")
        if version == -1:
            version = store.version
        elif version < store.oldest:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list "
                "without the continue parameter, or use the continue token in this response.", token_of(-1, start))
    items = store.at(kind, namespace, matches, version)
    def place(item):
        return item["metadata"].get("namespace", "") + "/" + item["metadata"]["name"]
    items = [item for item in items if place(item) > start]
    meta = {"resourceVersion": str(version)}
    if limit and len(items) > limit:
        meta["continue"] = token_of(version, place(items[limit - 1]))
        if not selective:
            meta["remainingItemCount"] = len(items) - limit
        items = items[:limit]
    return meta, items


def token_of(version, start):
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
