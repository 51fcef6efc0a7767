#!/usr/bin/env python3
"""Prints the API reference, docs/api.md, from the description that the server gives at /openapi.json.

    scripts/api-reference.py > docs/api.md
"""
import json
import pathlib

root = pathlib.Path(__file__).resolve().parent.parent
api = json.loads((root / "Sources/kiln/API/openapi.json").read_text())
problems = api["components"]["responses"]
schemas = api["components"]["schemas"]


def kind(schema):
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return "name" if name == "FunctionName" else f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"] if value != "")
    if "allOf" in schema:
        return kind(schema["allOf"][0])
    if schema.get("type") == "array":
        return "list of " + kind(schema["items"])
    if schema.get("type") == "integer" and "maximum" in schema and schema["maximum"] < 2**31 - 1:
        return f"{schema.get('minimum', 0)} to {schema['maximum']}"
    if schema.get("type") == "integer":
        return "whole number"
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("additionalProperties"):
        return "object of " + kind(schema["additionalProperties"]) + "s"
    return {"string": "text", "boolean": "true or false"}.get(schema.get("type"), schema.get("type", ""))


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(cell(text) for text in row) + " |")
    print()


def members(schema, prefix=""):
    for name, value in schema.get("properties", {}).items():
        text = value.get("description", "")
        if not text and "$ref" in value:
            text = schemas[value["$ref"].rsplit("/", 1)[-1]].get("description", "")
        if name not in schema.get("required", []):
            text += " *May be absent.*"
        yield (f"`{prefix}{name}`", kind(value), text)
        inner = value.get("items", value)
        if "$ref" not in inner:
            yield from members(inner, f"{prefix}{name}{'[]' if 'items' in value else ''}.")


print("# The API\n")
print("Made from the description that the server gives at `/openapi.json` (OpenAPI 3.1) by `scripts/api-reference.py`.\n")
print(api["info"]["description"] + "\n")
for tag in api["tags"]:
    for path, item in api["paths"].items():
        for method in ("get", "post", "delete"):
            call = item.get(method)
            if not call or tag["name"] not in call["tags"]:
                continue
            print(f"## {method.upper()} {path}\n")
            print((call["summary"] + ". " + call.get("description", "")).strip() + "\n")
            parameters = call.get("parameters", []) + item.get("parameters", [])
            rows = []
            for parameter in sorted(parameters, key=lambda parameter: parameter["in"] != "path"):
                schema = parameter["schema"]
                text = parameter["description"]
                if "default" in schema:
                    text += f" Default: `{schema['default']}`."
                if parameter["required"] and parameter["in"] == "query":
                    text += " Required."
                name = f"`{parameter['name']}`" + (" (path)" if parameter["in"] == "path" else "")
                rows.append((name, kind(schema), text))
            if rows:
                table(("parameter", "value", "what it is"), rows)
            if "requestBody" in call:
                print("Body: " + call["requestBody"]["description"] + "\n")
            for status, answer in call["responses"].items():
                if "$ref" in answer:
                    continue
                forms = [kind(media["schema"]) for media in answer.get("content", {}).values() if "$ref" in media["schema"]]
                forms += [kind(form) for media in answer.get("content", {}).values() for form in media["schema"].get("anyOf", [])]
                text = answer["description"] + (" " + " or ".join(forms) + "." if forms else "")
                print(f"- **{status}** {text}" if status != "default" else f"- {text}")
            failures = [status for status, answer in call["responses"].items() if "$ref" in answer]
            if failures:
                print(f"- Problems: {', '.join(sorted(failures))}.")
            print()
print("## Problems\n")
print("Every error is `application/problem+json`, see [Problem](#problem).\n")
table(("status", "when"), [(status, problems[status]["description"]) for status in problems])
print("## Objects\n")
for name, schema in schemas.items():
    if schema.get("type") != "object":
        continue
    print(f"### {name}\n")
    if "description" in schema:
        print(schema["description"] + "\n")
    table(("member", "value", "what it is"), members(schema))
