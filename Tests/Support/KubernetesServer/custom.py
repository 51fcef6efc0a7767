"""Custom resources: structural schemas, defaults, pruning and CEL rules, as a CustomResourceDefinition declares them."""
import copy
import json
import re

from cel import Context, compile as compile_rule

from kinds import Kind
from problems import invalid
from schema import META


def kinds(definition, schemas):
    """The kinds that a definition brings; raises a 422 for rules that do not compile."""
    spec = definition["spec"]
    result = []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        described = copy.deepcopy(version["schema"]["openAPIV3Schema"])
        described.setdefault("properties", {}).update(
            apiVersion={"type": "string"}, kind={"type": "string"}, metadata=schemas.of(META))
        custom = Custom(described)
        custom.compile(definition["metadata"]["name"])
        result.append(Kind(
            spec["group"], version["name"], spec["names"]["plural"], spec["names"]["kind"], described,
            spec["scope"] == "Namespaced", "status" in version.get("subresources", {}), False, custom))
    return result


# What 1.36 estimates to cost without bound, as far as rules of ours have met it: strings put together, and looked for in others.
UNBOUNDED = re.compile(r"'\s*\+|\+\s*'|\+\s*string\(|\.(startsWith|endsWith|contains)\((?!')|\.join\(")


def substring(text, begin, end=None):
    """Of Kubernetes' library of strings."""
    if not 0 <= begin <= (len(text) if end is None else end) <= len(text):
        raise IndexError(f"index out of range: {begin}")
    return text[begin:end]


def refuse(name, reason, message):
    kind = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", {})
    raise invalid(kind, name, [(reason, message, "spec.validation.openAPIV3Schema.x-kubernetes-validations")])


class Custom:
    """What one version of a custom resource demands."""

    def __init__(self, schema):
        self.schema, self.programs = schema, {}

    def compile(self, name):
        def walk(schema):
            for rule in schema.get("x-kubernetes-validations", []):
                try:
                    self.programs[rule["rule"]] = compile_rule(rule["rule"])
                except Exception as fault:
                    refuse(name, "FieldValueInvalid", f"Invalid value: \"{rule['rule']}\": compilation failed: {fault}")
                if UNBOUNDED.search(rule["rule"]):
                    refuse(name, "FieldValueForbidden", "Forbidden: estimated rule cost exceeds budget by factor of more than 100x")
            for below in list(schema.get("properties", {}).values()) + [
                    schema.get(part) for part in ("items", "additionalProperties")]:
                if isinstance(below, dict) and "$ref" not in below:
                    walk(below)
        walk(self.schema)

    def default(self, item):
        def walk(value, schema):
            if isinstance(value, dict):
                for name, below in schema.get("properties", {}).items():
                    if name not in value and "default" in below:
                        value[name] = copy.deepcopy(below["default"])
                    if name in value:
                        walk(value[name], below)
                more = schema.get("additionalProperties")
                if isinstance(more, dict):
                    for inner in value.values():
                        walk(inner, more)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner, schema.get("items", {}))
        walk(item, self.schema)

    def prune(self, item):
        """Drops what is not declared; returns the paths."""
        lost = []
        def walk(value, schema, path):
            if isinstance(value, dict) and "$ref" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
                properties, more = schema.get("properties", {}), schema.get("additionalProperties")
                for name in list(value):
                    if name in properties:
                        walk(value[name], properties[name], f"{path}{name}.")
                    elif isinstance(more, dict):
                        walk(value[name], more, f"{path}{name}.")
                    else:
                        lost.append(path + name)
                        del value[name]
            elif isinstance(value, list):
                for index, inner in enumerate(value):
                    walk(inner, schema.get("items", {}), f"{path[:-1]}[{index}].")
        walk(item, self.schema, "")
        return lost

    def validate(self, item, old, fault):
        faults = []
        def say(reason, path, message):
            faults.append(reason)
            fault(reason, path or "<nil>", message)
        self.shape(item, self.schema, "", say)
        if {"Required", "TypeInvalid", "NotSupported"} & set(faults):
            if self.programs:
                fault("Invalid", "<nil>", "Invalid value: null: some validation rules were not checked because the object "
                      "was invalid; correct the existing errors to complete validation")
            return
        self.rules(item, old, self.schema, "", fault)

    def shape(self, value, schema, path, say):
        if "$ref" in schema:
            return
        if value is None:
            if not schema.get("nullable"):
                say("Invalid", path, "Invalid value: null")
            return
        wanted = schema.get("type")
        got = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}[type(value)]
        if wanted and wanted != got and (wanted, got) != ("number", "integer") and not schema.get("x-kubernetes-int-or-string"):
            say("TypeInvalid", path, f'Invalid value: "{got}": {path} in body must be of type {wanted}: "{got}"')
            return
        shown = json.dumps(value) if not isinstance(value, (dict, list)) else '"' + got + '"'
        bounds = {
            "minimum": lambda most: value < most and f"should be greater than or equal to {most}",
            "maximum": lambda most: value > most and f"should be less than or equal to {most}",
            "minLength": lambda most: len(value) < most and f"should be at least {most} chars long",
            "maxLength": lambda most: len(value) > most and f"may not be more than {most} bytes",
            "pattern": lambda text: not re.search(text, value) and f"should match '{text}'",
            "minItems": lambda most: len(value) < most and f"should have at least {most} items",
            "maxItems": lambda most: len(value) > most and f"must have at most {most} items",
            "maxProperties": lambda most: len(value) > most and f"must have at most {most} items",
        }
        for name, test in bounds.items():
            if name in schema and (message := test(schema[name])):
                say("Invalid", path, f"Invalid value: {shown}: {path} in body {message}")
        if "enum" in schema and value not in schema["enum"]:
            values = ", ".join(f'"{value}"' for value in schema["enum"])
            say("NotSupported", path, f"Unsupported value: {shown}: supported values: {values}")
        if isinstance(value, dict):
            for name in schema.get("required", []):
                if name not in value:
                    say("Required", f"{path}.{name}" if path else name, "Required value")
            more = schema.get("additionalProperties")
            for name, inner in value.items():
                below = schema.get("properties", {}).get(name, more if isinstance(more, dict) else {})
                self.shape(inner, below, f"{path}.{name}" if path else name, say)
        elif isinstance(value, list):
            keys, seen = schema.get("x-kubernetes-list-map-keys", []), set()
            for index, inner in enumerate(value):
                if keys:
                    key = tuple(inner.get(key) for key in keys)
                    if key in seen:
                        say("Duplicate", f"{path}[{index}]", f"Duplicate value: {json.dumps(dict(zip(keys, key)))}")
                    seen.add(key)
                self.shape(inner, schema.get("items", {}), f"{path}[{index}]", say)

    def rules(self, value, old, schema, path, fault):
        if "$ref" in schema or value is None:
            return
        for rule in schema.get("x-kubernetes-validations", []):
            uses_old = "oldSelf" in rule["rule"]
            if uses_old and old is None:
                continue
            known = Context()
            known.add_function("sum", lambda items: sum(items))  # of Kubernetes' library of lists
            known.add_function("substring", substring)
            known.add_variable("self", value)
            if uses_old:
                known.add_variable("oldSelf", old)
            try:
                holds = self.programs[rule["rule"]].execute(known)
            except Exception as error:
                fault("Invalid", path or "<nil>", f"Invalid value: rule could not be evaluated: {error}")
                continue
            if holds is not True:
                shown = '"' + ("object" if isinstance(value, dict) else "array") + '"' \
                    if isinstance(value, (dict, list)) else json.dumps(value)
                shown = "" if isinstance(value, (dict, list)) else shown + ": "
                fault("Invalid", path + rule.get("fieldPath", "") or "<nil>",
                      f"Invalid value: {shown}{rule.get('message', 'failed rule: ' + rule['rule'])}")
        if isinstance(value, dict):
            more = schema.get("additionalProperties")
            for name, inner in value.items():
                below = schema.get("properties", {}).get(name, more if isinstance(more, dict) else {})
                before = old.get(name) if isinstance(old, dict) else None
                self.rules(inner, before, below, f"{path}.{name}" if path else name, fault)
        elif isinstance(value, list):
            keys = schema.get("x-kubernetes-list-map-keys", [])
            for index, inner in enumerate(value):
                before = None
                if keys and isinstance(old, list):
                    before = next((item for item in old if all(item.get(k) == inner.get(k) for k in keys)), None)
                self.rules(inner, before, schema.get("items", {}), f"{path}[{index}]", fault)
