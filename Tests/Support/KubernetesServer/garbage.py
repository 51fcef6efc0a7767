"""Garbage collection: what is owned ends with its owner; an ended namespace takes all with it."""
import copy


def collect(store):
    """One round of garbage collection; returns whether it did anything."""
    uids = {item["metadata"]["uid"]: (key, item) for key, item in store.objects.items()}
    for key, item in list(store.objects.items()):
        meta, kind = item["metadata"], store.by_resource(key[0])
        if key[0] == ("", "namespaces") and "deletionTimestamp" in meta:
            inside = [other for other in store.objects if other[1] == key[2] and store.by_resource(other[0]).namespaced]
            for other in inside:
                store.commit(store.by_resource(other[0]), other, None, "DELETED", [])
            if not inside:
                store.commit(kind, key, None, "DELETED", [])
            return True
        owners = meta.get("ownerReferences") or []
        if owners and not any(owner["uid"] in uids for owner in owners) and not meta.get("finalizers"):
            store.commit(kind, key, None, "DELETED", [])
            return True
        waiting = [owner for owner in owners if owner["uid"] in uids
                   and "foregroundDeletion" in uids[owner["uid"]][1]["metadata"].get("finalizers", [])]
        if owners and len(waiting) == len(owners) and "deletionTimestamp" not in meta:
            store.delete(kind, key[1], key[2], {"propagationPolicy": "Foreground"})
            return True
        if "deletionTimestamp" in meta and {"foregroundDeletion", "orphan"} & set(meta.get("finalizers", [])):
            owned = [(other, held) for other, held in store.objects.items() if any(
                owner["uid"] == meta["uid"] for owner in held["metadata"].get("ownerReferences") or [])]
            orphans = "orphan" in meta["finalizers"]
            if orphans:
                for other, held in owned:
                    held = copy.deepcopy(held)
                    left = [owner for owner in held["metadata"]["ownerReferences"] if owner["uid"] != meta["uid"]]
                    held["metadata"]["ownerReferences"] = left
                    if not left:
                        del held["metadata"]["ownerReferences"]
                    store.commit(store.by_resource(other[0]), other, held, "MODIFIED", store.managers.get(other, []))
            elif any(owner.get("blockOwnerDeletion") for _, held in owned
                     for owner in held["metadata"]["ownerReferences"] if owner["uid"] == meta["uid"]):
                continue
            changed = copy.deepcopy(item)
            changed["metadata"]["finalizers"] = [
                name for name in meta["finalizers"] if name not in ("foregroundDeletion", "orphan")]
            if changed["metadata"]["finalizers"]:
                store.commit(kind, key, changed, "MODIFIED", store.managers.get(key, []))
            else:
                store.commit(kind, key, None, "DELETED", [])
            return True
    return False
