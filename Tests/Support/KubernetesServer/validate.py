"""Holds objects against the OpenAPI descriptions of Kubernetes releases, strictly: an unknown field is a fault.

validate.py PACKAGES [FILE]…   reads YAML or JSON files, or one JSON array from standard input. Prints the faults.
"""
import json
import sys

sys.path.insert(0, sys.argv[1])

import kubernetes_validate  # noqa: E402
import yaml  # noqa: E402
from kubernetes_validate import utils  # noqa: E402

VERSIONS = sorted({version for version in utils.all_versions() if int(version.split(".")[1]) >= 29})
# The schemas are read again for each object; they do not change.
contents, known = utils.schema_contents, {}
utils.schema_contents = lambda name, version: known.setdefault(name, None) or known.__setitem__(name, contents(name, version)) or known[name]

objects = []
for path in sys.argv[2:]:
    with open(path) as file:
        objects += [(path, item) for item in yaml.safe_load_all(file) if item]
if not sys.argv[2:]:
    objects = [(f"{item['kind']} {item['metadata'].get('name')}", item) for item in json.load(sys.stdin)]
checked = 0
for path, item in objects:
    # Not of Kubernetes' own description: what kustomize reads, Kiln's kinds, and the Gateway API's.
    if item["apiVersion"].startswith(("kustomize.config.k8s.io/", "kiln.dev/", "gateway.networking.k8s.io/")):
        continue
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(item, version, strict=True)
            checked += 1
        except kubernetes_validate.ValidationError as fault:
            print(f"{path}: {version}: {'.'.join(str(step) for step in fault.path)}: {fault.message[:300]}")
        except kubernetes_validate.SchemaNotFoundError as fault:
            print(f"{path}: {version}: {fault.message}")
print(f"{checked} checks of {len(objects)} objects for {', '.join(VERSIONS)}", file=sys.stderr)
