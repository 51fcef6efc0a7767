"""Server-side apply: who owns which field, what an apply changes, and with whom it conflicts
(KEP-555; the format is that of `metadata.managedFields`)."""
import copy
import json

from schema import child, is_atomic, item_key, step_text

# A step of a path is ("f", name), ("k", ((key, value), …)) or ("v", JSON text).


def owned(value, schema, schemas, path=()):
    """The paths that an applied value owns."""
    schema = schemas.resolve(schema)
    paths = set()
    if isinstance(value, dict) and value and not is_atomic(schema):
        for name, inner in value.items():
            paths |= owned(inner, child(schema, name, schemas) or {}, schemas, path + (("f", name),))
        return paths
    if isinstance(value, list) and value and not is_atomic(schema):
        for item in value:
            key = item_key(schema, schemas, item)
            step = ("v", json.dumps(item, sort_keys=True)) if key is None else ("k", key)
            paths.add(path + (step,))
            if key is not None:
                paths |= owned(item, schema.get("items", {}), schemas, path + (step,))
        return paths
    return {path} if path else set()


def find(value, path, schema, schemas):
    """The value at `path`, or None."""
    for step, name in path:
        schema = schemas.resolve(schema)
        if step == "f":
            if not isinstance(value, dict) or name not in value:
                return None
            value, schema = value[name], child(schema, name, schemas) or {}
        else:
            if not isinstance(value, list):
                return None
            index = position(value, (step, name), schema, schemas)
            if index is None:
                return None
            value, schema = value[index], schema.get("items", {})
    return value


def position(items, step, schema, schemas):
    for index, item in enumerate(items):
        key = item_key(schema, schemas, item)
        if (("v", json.dumps(item, sort_keys=True)) if key is None else ("k", key)) == step:
            return index
    return None


def merge(live, applied, schema, schemas):
    """`live` with what `applied` says."""
    schema = schemas.resolve(schema)
    if isinstance(live, dict) and isinstance(applied, dict) and not is_atomic(schema):
        result = dict(live)
        for name, value in applied.items():
            below = child(schema, name, schemas) or {}
            result[name] = merge(live.get(name), value, below, schemas)
        return result
    if isinstance(live, list) and isinstance(applied, list) and not is_atomic(schema):
        result, left = [], list(live)
        for item in applied:
            key = item_key(schema, schemas, item)
            step = ("v", json.dumps(item, sort_keys=True)) if key is None else ("k", key)
            index = position(left, step, schema, schemas)
            held = left.pop(index) if index is not None else None
            result.append(merge(held, item, schema.get("items", {}), schemas) if held and key else copy.deepcopy(item))
        result += left
        return result
    return copy.deepcopy(applied)


def remove(value, path, schema, schemas):
    """Removes what is at `path`, and containers that this leaves empty."""
    schema = schemas.resolve(schema)
    (step, name), rest = path[0], path[1:]
    if step == "f":
        if not isinstance(value, dict) or name not in value:
            return
        if rest:
            remove(value[name], rest, child(schema, name, schemas) or {}, schemas)
        if not rest or value[name] in ({}, []):
            del value[name]
        return
    if not isinstance(value, list):
        return
    index = position(value, (step, name), schema, schemas)
    if index is None:
        return
    if rest:
        remove(value[index], rest, schema.get("items", {}), schemas)
    else:
        del value[index]


def text(path):
    result = ""
    for step, name in path:
        result += f".{name}" if step == "f" else f"[={name}]" if step == "v" else step_text(name, 0)
    return result


def encode(paths):
    """Paths as FieldsV1."""
    tree = {}
    for path in sorted(paths, key=repr):
        node = tree
        for step, name in path:
            label = {"f": lambda: "f:" + name, "v": lambda: "v:" + name,
                     "k": lambda: "k:" + json.dumps(dict(name), separators=(",", ":"), sort_keys=True)}[step]()
            node = node.setdefault(label, {})
        node["."] = {}
    def trim(node):
        inner = {label: trim(below) for label, below in node.items() if label != "."}
        if "." in node and inner:
            inner["."] = {}
        return inner
    return trim(tree)


def differ(old, new, path, schema, schemas):
    """Whether what is at `path` differs; an entry of a list that is a map differs only by being there."""
    before, after = find(old, path, schema, schemas), find(new, path, schema, schemas)
    return (before is None) != (after is None) if path[-1][0] == "k" else before != after


def changed(old, new, schema, schemas):
    """The paths whose values differ, and those that are gone."""
    before, after = owned(old, schema, schemas), owned(new, schema, schemas)
    differs = {path for path in after if differ(old, new, path, schema, schemas)}
    return differs, before - after


class Manager:
    """One entry of managedFields."""

    def __init__(self, name, operation, version, subresource, paths, time):
        self.name, self.operation, self.version = name, operation, version
        self.subresource, self.paths, self.time = subresource, paths, time

    @property
    def key(self):
        return (self.name, self.operation, self.version, self.subresource)

    def entry(self):
        entry = {"manager": self.name, "operation": self.operation, "apiVersion": self.version}
        if self.time:
            entry["time"] = self.time
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": encode(self.paths)}
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry

    def claim(self):
        part = f' with subresource "{self.subresource}"' if self.subresource else ""
        version = f" using {self.version}" if self.operation == "Update" else ""
        return f'conflict with "{self.name}"{part}{version}'


def entry_of(managers, key, time):
    for manager in managers:
        if manager.key == key:
            return manager
    manager = Manager(*key, set(), time)
    managers.append(manager)
    return manager


def apply(live, managers, config, key, schema, schemas, force, time):
    """Applies `config` to `live` as manager `key`. Returns the object, the managers and the conflicts [(claim, path)]."""
    managers = [Manager(*manager.key, set(manager.paths), manager.time) for manager in managers]
    mine = owned(config, schema, schemas)
    merged = merge(live, config, schema, schemas)
    differs = {path for path in mine if differ(live, merged, path, schema, schemas)}
    conflicts = []
    for other in managers:
        if other.key == key:
            continue
        contested = sorted(differs & other.paths, key=repr)
        if force:
            other.paths -= set(contested)
        else:
            conflicts += [(other.claim(), path) for path in contested]
    if conflicts:
        return live, managers, conflicts
    entry = entry_of(managers, key, time)
    dropped = entry.paths - mine
    kept = mine.union(*(other.paths for other in managers if other is not entry))
    for path in sorted(dropped, key=len):
        if path not in kept and not any(other[:len(path)] == path for other in kept):
            remove(merged, path, schema, schemas)
    if dropped:
        merged = merge(merged, config, schema, schemas)  # what is applied as empty stays
    if entry.paths != mine:
        entry.paths, entry.time = mine, time
    return merged, [manager for manager in managers if manager.paths], []


def update(old, new, managers, key, schema, schemas, time):
    """Notes who owns what after `old` became `new` by another way than apply."""
    managers = [Manager(*manager.key, set(manager.paths), manager.time) for manager in managers]
    differs, gone = changed(old, new, schema, schemas)
    for other in managers:
        if other.key != key:
            other.paths -= differs
        other.paths = {path for path in other.paths if not any(path[:len(lost)] == lost for lost in gone)}
    if differs:
        entry = entry_of(managers, key, time)
        entry.paths |= differs
        entry.time = time
    return [manager for manager in managers if manager.paths]
