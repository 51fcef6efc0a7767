"""Many functions at once: copies of all objects of one, as if they had always been there. Watches are not told, so those who watch are to
be started afterwards."""
import json
import uuid


def shard(name):
    """Where Kiln keeps the counters of `name`: FNV-1a, as `NameCounters` has it."""
    hashed = 0xcbf29ce484222325
    for byte in name.encode():
        hashed = ((hashed ^ byte) * 0x100000001b3) % (1 << 64)
    return f"kiln-counters-{hashed % 64:02x}"


def clone(store, name, prefix, count, system):
    """Makes `count` copies of the function `name`, called `prefix` and a number; their counters are in the namespace `system`."""
    found = [(key, json.dumps(item), item["metadata"]["uid"]) for key, item in store.objects.items()
             if key[2] == name or key[2].startswith(name + "-r")]
    counters = store.kind("", "v1", "configmaps")
    known = store.get(counters, system, shard(name))["data"][name]
    data = {}
    for number in range(count):
        copied = f"{prefix}{number:05}"
        uids = {uid: str(uuid.uuid4()) for _, _, uid in found}
        data.setdefault(shard(copied), {})[copied] = known
        for key, text, _ in found:
            for old, new in uids.items():
                text = text.replace(old, new)
            item = json.loads(text.replace(name, copied))
            store.version += 1
            item["metadata"]["resourceVersion"] = str(store.version)
            place = (key[0], key[1], key[2].replace(name, copied))
            store.objects[place] = item
            store.managers[place] = store.managers.get(key, [])
    for map_name, texts in data.items():
        if (counters.resource, system, map_name) not in store.objects:
            store.create(counters, system, {"metadata": {"name": map_name}, "data": {}}, "kiln")
        store.merge_patch(counters, system, map_name, {"data": texts}, "kiln")
    store.compact()
