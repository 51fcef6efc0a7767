"""The objects, their versions and history: reads, writes, watches and garbage collection. No I/O; times come from outside."""
import copy
import json
import time
import uuid

import fields
import kinds as kinds_module
from custom import kinds as custom_kinds
from fields import Manager
from problems import (Failure, PlainNotFound, already_exists, bad_request, invalid, modified, not_found, precondition,
                      untyped)
from schema import check


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Store:
    def __init__(self, schemas):
        self.schemas, self.version, self.serial = schemas, 1000, 0
        self.objects, self.managers = {}, {}
        self.history, self.oldest, self.listeners = [], 1000, []
        self.kinds = {}
        for kind in kinds_module.built_in(schemas):
            self.kinds[(kind.group, kind.version, kind.plural)] = kind

    # Kinds

    def kind(self, group, version, plural):
        kind = self.kinds.get((group, version, plural))
        if kind:
            return kind
        if any(known[:2] == (group, version) and not other.custom for known, other in self.kinds.items()):
            raise Failure(404, "the server could not find the requested resource", "NotFound", {})
        raise PlainNotFound()

    def scale_of(self, item):
        status = item.get("status", {})
        replicas = item["spec"].get("replicas", 0)
        labels = item["spec"]["selector"]["matchLabels"]
        shown = {"replicas": status.get("replicas", 0), "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items()))}
        meta = {key: item["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
        return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
                "spec": {"replicas": replicas} if replicas else {}, "status": shown}

    # Reading

    def get(self, kind, namespace, name):
        item = self.objects.get((kind.resource, namespace, name))
        if item is None:
            raise not_found(kind, name)
        return item

    def select(self, kind, namespace, matches):
        return [item for (resource, space, _), item in sorted(self.objects.items())
                if resource == kind.resource and (not kind.namespaced or namespace is None or space == namespace)
                and matches(item)]

    def at(self, kind, namespace, matches, version):
        """The objects as they were at `version`."""
        items = {key: item for key, item in self.objects.items() if key[0] == kind.resource}
        for event in reversed(self.history):
            if event["version"] <= version:
                break
            if event["key"][0] == kind.resource:
                if event["old"] is None:
                    items.pop(event["key"], None)
                else:
                    items[event["key"]] = event["old"]
        return [item for (_, space, _), item in sorted(items.items())
                if (not kind.namespaced or namespace is None or space == namespace) and matches(item)]

    def compact(self):
        self.history.clear()
        self.oldest = self.version

    # Writing

    def commit(self, kind, key, item, kind_of_event, managers):
        """Stores `item` (None: deletes) and tells the watches."""
        old = self.objects.get(key)
        self.version += 1
        shown = item if item is not None else copy.deepcopy(old)
        shown["metadata"]["resourceVersion"] = str(self.version)
        if item is None:
            del self.objects[key]
            self.managers.pop(key, None)
        else:
            item["metadata"]["managedFields"] = [manager.entry() for manager in managers]
            self.objects[key] = item
            self.managers[key] = managers
        event = {"version": self.version, "key": key, "type": kind_of_event, "old": old, "new": shown}
        self.history.append(event)
        if len(self.history) > 100_000:
            self.oldest = self.history[50_000]["version"]
            del self.history[:50_001]
        for listener in list(self.listeners):
            listener(event)
        if kind.kind == "CustomResourceDefinition":
            self.define(shown, item is None)
        return shown

    def define(self, definition, gone):
        for kind in custom_kinds(definition, self.schemas):
            place = (kind.group, kind.version, kind.plural)
            if gone:
                self.kinds.pop(place, None)
                for key in [key for key in self.objects if key[0] == kind.resource]:
                    self.commit(kind, key, None, "DELETED", [])
            else:
                self.kinds[place] = kind

    def admit(self, kind, namespace, name):
        """A namespaced object needs its namespace, and that one may not be ending."""
        if not kind.namespaced:
            return
        space = self.objects.get((("", "namespaces"), "", namespace))
        if space is None:
            raise not_found(self.kinds[("", "v1", "namespaces")], namespace)
        if "deletionTimestamp" in space["metadata"]:
            raise Failure(
                403, f'{kind.plural} "{name}" is forbidden: unable to create new content in namespace {namespace} because it is '
                "being terminated", "Forbidden", {
                    "name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural, "causes": [{"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated",
                             "field": "metadata.namespace"}]})

    def store(self, kind, namespace, name, item, old, managers, dry=False):
        """Defaults, validates and commits; an unchanged object keeps its version."""
        key = (kind.resource, namespace, name)
        self.serial += 1
        item.update(apiVersion=kind.api_version, kind=kind.kind)
        meta = item["metadata"]
        if old is None:
            meta.update(name=name, uid=str(uuid.uuid4()), creationTimestamp=now())
            if kind.namespaced:
                meta["namespace"] = namespace
            if kind.namespaced or kind.kind != "Namespace":
                if kind.kind not in ("Service", "ConfigMap", "Secret", "Lease", "ServiceAccount", "Event",
                                     "HorizontalPodAutoscaler"):
                    meta["generation"] = 1
        else:
            for name_of_field in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
                meta.pop(name_of_field, None)
                if name_of_field in old["metadata"]:
                    meta[name_of_field] = old["metadata"][name_of_field]
        for field in ("labels", "annotations", "finalizers", "ownerReferences"):
            if not meta.get(field, True):
                del meta[field]
        kinds_module.default(kind, item, self.serial)
        kinds_module.validate(kind, item, old)
        meta.pop("managedFields", None)
        if old is not None:
            meta["resourceVersion"] = old["metadata"]["resourceVersion"]
            before = {key: value for key, value in old["metadata"].items() if key != "managedFields"}
            same = {**item, "metadata": meta} == {**old, "metadata": before}
            entries = [entry.key + (frozenset(entry.paths),) for entry in managers]
            held = [entry.key + (frozenset(entry.paths),) for entry in self.managers.get(key, [])]
            if same and sorted(entries, key=repr) == sorted(held, key=repr):
                return old
            if "generation" in meta and self.body(item) != self.body(old):
                meta["generation"] += 1
        if dry:
            meta.pop("resourceVersion", None)
            return item
        if old is not None and "deletionTimestamp" in meta and not meta.get("finalizers"):
            self.commit(kind, key, None, "DELETED", [])
            return item
        return self.commit(kind, key, item, "MODIFIED" if old else "ADDED", managers)

    @staticmethod
    def body(item):
        return {key: value for key, value in item.items() if key not in ("metadata", "status")}

    @staticmethod
    def only_owner(managers, owner):
        """`spec.replicas` is set through /scale: it changes hands even when it keeps its value."""
        for manager in managers:
            if manager.key != owner:
                manager.paths.discard((("f", "spec"), ("f", "replicas")))
        managers[:] = [manager for manager in managers if manager.paths]

    @staticmethod
    def version_of(kind, part):
        return "autoscaling/v1" if part == "scale" else kind.api_version

    def parted(self, kind, config, old, part):
        """`config` with only what this path may change: status by /status alone, all else by the object's own path."""
        config = copy.deepcopy(config)
        if part == "status":
            return {key: config[key] for key in ("apiVersion", "kind", "metadata", "status") if key in config}
        if kind.status:
            config.pop("status", None)
        return config

    def apply(self, kind, namespace, name, config, manager, force, part=None, dry=False):
        if not manager:
            raise Failure(
                422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
                "Invalid", {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [
                    {"reason": "FieldValueRequired", "message": "Required value: is required for apply patch",
                     "field": "fieldManager"}]})
        meta = config.get("metadata") or {}
        if meta.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if meta.get("name", name) != name:
            raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        if fault := check(config, kind.schema, self.schemas):
            raise untyped(kind, namespace, name, fault)
        key = (kind.resource, namespace, name)
        old = self.objects.get(key)
        if old is None:
            if part:
                raise not_found(kind, name)
            self.admit(kind, namespace, name)
        wanted = meta.get("resourceVersion")
        if wanted and (old is None or wanted != old["metadata"]["resourceVersion"]):
            raise modified(kind, name)
        config = self.parted(kind, config, old, part)
        for ignored in ("apiVersion", "kind"):
            config.pop(ignored, None)
        config["metadata"] = {field: value for field, value in meta.items() if field not in (
            "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")}
        if part == "status" or not config["metadata"]:
            config.pop("metadata")
        live = copy.deepcopy(old) if old else {"metadata": {}}
        live["metadata"].pop("managedFields", None)
        owner = (manager, "Apply", self.version_of(kind, part), part or "")
        merged, managers, conflicts = fields.apply(
            live, self.managers.get(key, []), config, owner, kind.schema, self.schemas, force, now())
        if conflicts:
            said = [f"{claim}: {fields.text(path)}" for claim, path in conflicts]
            many = "1 conflict" if len(said) == 1 else f"{len(said)} conflicts"
            listed = said[0] if len(said) == 1 else "conflicts:\n- " + "\n- ".join(said)
            raise Failure(
                409, f"Apply failed with {many}: {listed}" if len(said) == 1 else f"Apply failed with {many}: {listed}",
                "Conflict", {"causes": [{"reason": "FieldManagerConflict", "message": claim, "field": fields.text(path)}
                                        for claim, path in conflicts]})
        if part == "scale":
            self.only_owner(managers, owner)
        merged.setdefault("metadata", {})
        added = set(merged["metadata"].get("finalizers", [])) - set((old or {}).get("metadata", {}).get("finalizers", []))
        if old and "deletionTimestamp" in old["metadata"] and added:
            message = ("Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"
                       + ", ".join(json.dumps(name) for name in sorted(added)) + "}")
            # Checked twice, and told twice.
            raise invalid(kind, name, 2 * [("FieldValueForbidden", message, "metadata.finalizers")])
        return old is None, self.store(kind, namespace, name, merged, old, managers, dry)

    def create(self, kind, namespace, item, manager, dry=False):
        item = copy.deepcopy(item)
        meta = item.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        name = meta.get("name", "")
        self.admit(kind, namespace, name)
        if (kind.resource, namespace, name) in self.objects:
            raise already_exists(kind, name)
        if meta.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        if kind.status:
            item.pop("status", None)
        lost = kind.custom.prune(item) if kind.custom else []
        managers = fields.update({}, self.owned_part(item), [], (manager, "Update", kind.api_version, ""), kind.schema,
                                 self.schemas, now())
        return lost, self.store(kind, namespace, name, item, None, managers, dry)

    def replace(self, kind, namespace, name, item, manager, part=None, dry=False):
        item = copy.deepcopy(item)
        meta = item.setdefault("metadata", {})
        if meta.get("name", name) != name:
            raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        key = (kind.resource, namespace, name)
        old = self.get(kind, namespace, name)
        if kind.kind == "Lease":
            for field in ("acquireTime", "renewTime"):
                value = (item.get("spec") or {}).get(field)
                if value is not None and not kinds_module.MICRO.match(value):
                    layout = '"2006-01-02T15:04:05.000000Z07:00"'
                    raise bad_request(f'Lease in version "v1" cannot be handled as a Lease: parsing time "{value}" as {layout}: '
                                      f'cannot parse "{value[19:]}" as ".000000"')
        wanted = meta.get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            raise modified(kind, name)
        if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            raise precondition(kind, name, f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: "
                               f"{old['metadata']['uid']}")
        if not wanted and (kind.kind == "Lease" or kind.custom):
            refusal = invalid(kind, name, [("FieldValueInvalid", "Invalid value: 0: must be specified for an update",
                                            "metadata.resourceVersion")])
            refusal.body["details"]["kind"] = kind.plural
            refusal.body["message"] = refusal.body["message"].replace(kind.kind, kind.plural, 1)
            raise refusal
        if kind.custom:
            kind.custom.prune(item)
        if part == "status":
            item = {**copy.deepcopy(old), "status": item.get("status", {})}
        elif kind.status:
            item.pop("status", None)
            if "status" in old:
                item["status"] = copy.deepcopy(old["status"])
        item["metadata"].update(name=name, namespace=namespace) if kind.namespaced else item["metadata"].update(name=name)
        key_of_update = (manager, "Update", self.version_of(kind, part), part or "")
        managers = fields.update(
            self.owned_part(old), self.owned_part(item), self.managers.get(key, []),
            key_of_update, kind.schema, self.schemas, now())
        if part == "scale" and not item["spec"].get("replicas"):
            # A Scale leaves zero out, so that nobody owns it.
            self.only_owner(managers, None)
        return self.store(kind, namespace, name, item, old, managers, dry)

    @staticmethod
    def owned_part(item):
        """What managers can own: not what the server sets."""
        meta = {key: value for key, value in item.get("metadata", {}).items()
                if key in ("labels", "annotations", "ownerReferences", "finalizers")}
        rest = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata")}
        return {**rest, **({"metadata": meta} if meta else {})}

    def merge_patch(self, kind, namespace, name, patch, manager, part=None, dry=False, strategic=False):
        old = self.get(kind, namespace, name)
        def merge(target, change):
            if not isinstance(change, dict):
                return change
            result = dict(target) if isinstance(target, dict) else {}
            for key, value in change.items():
                if value is None:
                    result.pop(key, None)
                else:
                    result[key] = merge(result.get(key), value)
            return result
        if strategic:
            return self.replace(
                kind, namespace, name, fields.merge(copy.deepcopy(old), patch, kind.schema, self.schemas), manager, part, dry)
        item = merge(copy.deepcopy(old), patch)
        return self.replace(kind, namespace, name, item, manager, part, dry)

    # Deleting

    def delete(self, kind, namespace, name, options):
        item = self.get(kind, namespace, name)
        meta = item["metadata"]
        conditions = options.get("preconditions") or {}
        if "uid" in conditions and conditions["uid"] != meta["uid"]:
            raise precondition(
                kind, name, f"the UID in the precondition ({conditions['uid']}) does not match the UID in record "
                f"({meta['uid']}). The object might have been deleted and then recreated")
        if "resourceVersion" in conditions and conditions["resourceVersion"] != meta["resourceVersion"]:
            raise precondition(
                kind, name, f"the ResourceVersion in the precondition ({conditions['resourceVersion']}) does not match the "
                f"ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified")
        policy = options.get("propagationPolicy", "Background")
        finalizers = list(meta.get("finalizers", []))
        extra = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy)
        if extra and extra not in finalizers:
            finalizers.append(extra)
        key = (kind.resource, namespace, name)
        if kind.kind == "Namespace":
            finalizers.append("kubernetes")
        if not finalizers:
            self.commit(kind, key, None, "DELETED", [])
            return None, meta["uid"]
        if "deletionTimestamp" in meta:
            return item, meta["uid"]
        item = copy.deepcopy(item)
        item["metadata"].update(deletionTimestamp=now(), deletionGracePeriodSeconds=0)
        if kind.kind == "Namespace":
            del item["metadata"]["deletionGracePeriodSeconds"]
            item["status"] = {"phase": "Terminating"}
        else:
            item["metadata"]["finalizers"] = finalizers
        if "generation" in item["metadata"]:
            item["metadata"]["generation"] += 1
        return self.commit(kind, key, item, "MODIFIED", self.managers.get(key, [])), meta["uid"]

    def by_resource(self, resource):
        return next(kind for kind in self.kinds.values() if kind.resource == resource)
