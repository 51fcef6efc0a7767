"""The CEL rules of CustomResourceDefinitions, judged by the C++ evaluator of CEL, which the API server in memory does not use.

rules.py PACKAGES FILE…

Reads rows `{"definition", "rule", "object", "old"?}` as a JSON array and prints, as one JSON object, the `rules` that the files declare,
those that their own defaults break (`broken`), and for each row its `verdicts`: those of the evaluator at each place of the object that
the rule is for. Objects get their defaults first. A transition rule (one that names oldSelf) has no verdict where there is no old value.
"""
import copy
import json
import os
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), sys.argv[1]]

import yaml  # noqa: E402
from cel_expr_python import cel  # noqa: E402
from cel_expr_python.ext import ext_strings  # noqa: E402

from custom import Custom  # noqa: E402

# Kubernetes has the extension of strings, too.
ENVIRONMENT = cel.NewEnv(
    variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}, extensions=[ext_strings.ExtStrings()])


def walk(schema, path=()):
    """Every schema with rules and where it is: names of fields, `[]` for the items of a list, `{}` for the values of a map."""
    if schema.get("x-kubernetes-validations"):
        yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from walk(below, path + (name,))
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(part), dict):
            yield from walk(schema[part], path + (mark,))


def places(value, old, path):
    """The values at `path`, each with what it was before; entries of lists and maps have no before here."""
    if not path:
        yield value, old
        return
    first, rest = path[0], path[1:]
    if first == "[]":
        for inner in value:
            yield from places(inner, None, rest)
    elif first == "{}":
        for name, inner in value.items():
            yield from places(inner, (old or {}).get(name), rest)
    elif first in value:
        yield from places(value[first], (old or {}).get(first), rest)


def verdict(rule, value, old):
    result = ENVIRONMENT.compile(rule).eval(data={"self": value, **({} if old is None else {"oldSelf": old})})
    return "holds" if result.value() is True else "broken" if result.value() is False else str(result.value())


definitions = {}
for path in sys.argv[2:]:
    with open(path) as file:
        for item in yaml.safe_load_all(file):
            definitions[item["metadata"]["name"]] = item["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

rules, broken = [], []
for definition, schema in definitions.items():
    for path, below in walk(schema):
        for rule in below["x-kubernetes-validations"]:
            rules.append({"definition": definition, "path": ".".join(path), "rule": rule["rule"],
                          "message": rule.get("message", ""), "isTransition": "oldSelf" in rule["rule"]})
            # The server holds a default against the rules before it fills in what the default leaves out.
            if "default" in below and verdict(rule["rule"], below["default"], below["default"]) != "holds":
                broken.append(f"{definition}: the default of {'.'.join(path)} breaks {rule['rule']}")

verdicts = []
for row in json.load(sys.stdin):
    schema = definitions[row["definition"]]
    objects = []
    for item in (row["object"], row.get("old")):
        item = copy.deepcopy(item)
        if item is not None:
            Custom(schema).default(item)
        objects.append(item)
    found = []
    for path, below in walk(schema):
        if any(rule["rule"] == row["rule"] for rule in below["x-kubernetes-validations"]):
            for value, old in places(*objects, path):
                if "oldSelf" not in row["rule"]:
                    found.append(verdict(row["rule"], value, None))
                elif old is not None:
                    found.append(verdict(row["rule"], value, old))
    verdicts.append(found)
json.dump({"rules": rules, "broken": broken, "verdicts": verdicts}, sys.stdout)
