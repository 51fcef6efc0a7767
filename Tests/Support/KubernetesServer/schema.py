"""Schemas: what a field is, and which entries of a list are the same one. For built-in kinds they come from the OpenAPI
description of the Kubernetes release, for custom resources from their CustomResourceDefinition."""
import json
import os


class Schemas:
    """The definitions of one Kubernetes release, from the package kubernetes-validate."""

    def __init__(self, package, version="1.36.0"):
        path = os.path.join(
            package, "kubernetes_validate", "kubernetes-json-schema", f"v{version}-local-strict", "_definitions.json")
        with open(path) as file:
            self.definitions = json.load(file)["$defs"]

    def of(self, name):
        return {"$ref": "#/$defs/" + name}

    def resolve(self, schema):
        while schema and "$ref" in schema:
            schema = self.definitions[schema["$ref"].rsplit("/", 1)[1]]
        return schema or {}


META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def types(schema):
    said = schema.get("type")
    return {said} if isinstance(said, str) else set(said or ())


def is_atomic(schema):
    if "array" in types(schema) or "items" in schema:
        return schema.get("x-kubernetes-list-type", "atomic") == "atomic"
    return schema.get("x-kubernetes-map-type") == "atomic" or (
        "properties" not in schema and "additionalProperties" not in schema)


def item_key(schema, schemas, item):
    """What identifies an entry of a list that is a map, or None when the list is none."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(item, dict):
        return None
    properties = schemas.resolve(schema.get("items")).get("properties", {})
    pairs = []
    for key in keys:
        value = item.get(key, properties.get(key, {}).get("default", "TCP" if key == "protocol" else None))
        if value is not None:
            pairs.append((key, value))
    return tuple(sorted(pairs))


def child(schema, name, schemas):
    """The schema of a field; None when it is not declared, {} when anything goes."""
    properties = schema.get("properties", {})
    if name in properties:
        return schemas.resolve(properties[name])
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        return schemas.resolve(more)
    if schema.get("x-kubernetes-preserve-unknown-fields") or (not properties and more is not False):
        return {}
    return None


def check(value, schema, schemas, path=""):
    """What the typed merge of an apply refuses: the first fault as text, or None."""
    schema = schemas.resolve(schema)
    allowed = types(schema)
    if isinstance(value, dict):
        if allowed and "object" not in allowed:
            return f"{path}: expected {expected(allowed)}, got map"
        for name, inner in value.items():
            below = child(schema, name, schemas)
            if below is None:
                return f"{path}.{name}: field not declared in schema"
            fault = check(inner, below, schemas, f"{path}.{name}")
            if fault:
                return fault
    elif isinstance(value, list):
        if allowed and "array" not in allowed:
            return f"{path}: expected {expected(allowed)}, got list"
        seen = set()
        for index, item in enumerate(value):
            key = item_key(schema, schemas, item)
            if key is not None:
                if key in seen:
                    return f"{path}: duplicate entries for key [{','.join(f'{k}={v}' for k, v in key)}]"
                seen.add(key)
            fault = check(item, schema.get("items", {}), schemas, path + step_text(key, index))
            if fault:
                return fault
    elif value is not None and allowed:
        got = "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "numeric"
        if got != expected(allowed).split(" ")[0]:
            return f"{path}: expected {expected(allowed)}, got {'int' if got == 'numeric' else got}"
    return None


def expected(allowed):
    if "object" in allowed:
        return "map"
    if "array" in allowed:
        return "list"
    if allowed & {"integer", "number"}:
        return "numeric (int or float)"
    return "boolean" if "boolean" in allowed else "string"


def step_text(key, index):
    if key is None:
        return f"[{index}]"
    return "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in key) + "]"
