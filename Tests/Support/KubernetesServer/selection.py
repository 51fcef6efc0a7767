"""Label and field selectors, as functions that tell whether an object is meant."""
import re

from problems import bad_request

SELECTOR = re.compile(r"\s*(?:(!)\s*([^\s,=!]+)|([^\s,=!]+)\s*(?:(==|=|!=)\s*([^\s,]*)|\s(in|notin)\s*\(([^)]*)\))?)\s*(?:,|$)")


def labels_match(text):
    """A label selector as a function of labels."""
    rules, position = [], 0
    while text and position < len(text):
        found = SELECTOR.match(text, position)
        if not found:
            raise bad_request(f"unable to parse requirement: found '{text[position:]}'")
        position = found.end()
        absent, missing, key, operator, value, among, values = found.groups()
        if absent:
            rules.append(lambda labels, key=missing: key not in labels)
        elif operator in ("=", "=="):
            rules.append(lambda labels, key=key, value=value: labels.get(key) == value)
        elif operator == "!=":
            rules.append(lambda labels, key=key, value=value: labels.get(key) != value)
        elif among:
            options = {option.strip() for option in values.split(",")}
            rules.append(lambda labels, key=key, options=options, inside=among == "in":
                         (labels.get(key) in options) == inside and (not inside or key in labels))
        else:
            rules.append(lambda labels, key=key: key in labels)
    return lambda labels: all(rule(labels) for rule in rules)


def fields_match(kind, text):
    rules = []
    for part in filter(None, text.split(",")):
        found = re.match(r"^([^=!]+?)(==|=|!=)(.*)$", part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = found.groups()
        if path not in ("metadata.name", "metadata.namespace"):
            raise bad_request(f"field label not supported: {path}")
        rules.append((path.split(".")[1], value, operator != "!="))
    return lambda item: all((item["metadata"].get(name, "") == value) == equal for name, value, equal in rules)
