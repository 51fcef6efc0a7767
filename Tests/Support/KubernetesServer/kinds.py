"""The kinds of objects: where they are, what the server fills in, and what it refuses."""
import json
import re

from problems import invalid

WORKLOAD = "io.k8s.api.apps.v1."
CORE = "io.k8s.api.core.v1."


class Kind:
    """A kind of object and its path."""

    def __init__(self, group, version, plural, kind, schema, namespaced=True, status=False, scale=False, custom=None):
        self.group, self.version, self.plural, self.kind = group, version, plural, kind
        self.schema, self.namespaced, self.status, self.scale, self.custom = schema, namespaced, status, scale, custom
        self.resource = (group, plural)

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version


def built_in(schemas):
    rows = [
        ("", "v1", "namespaces", "Namespace", CORE + "Namespace", False, True),
        ("", "v1", "configmaps", "ConfigMap", CORE + "ConfigMap"),
        ("", "v1", "secrets", "Secret", CORE + "Secret"),
        ("", "v1", "serviceaccounts", "ServiceAccount", CORE + "ServiceAccount"),
        ("", "v1", "services", "Service", CORE + "Service", True, True),
        ("", "v1", "pods", "Pod", CORE + "Pod", True, True),
        ("", "v1", "events", "Event", CORE + "Event"),
        ("apps", "v1", "deployments", "Deployment", WORKLOAD + "Deployment", True, True, True),
        ("apps", "v1", "replicasets", "ReplicaSet", WORKLOAD + "ReplicaSet", True, True, True),
        ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler",
         "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", True, True),
        ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "io.k8s.api.networking.v1.NetworkPolicy"),
        ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "io.k8s.api.policy.v1.PodDisruptionBudget", True, True),
        ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "io.k8s.api.discovery.v1.EndpointSlice"),
        ("coordination.k8s.io", "v1", "leases", "Lease", "io.k8s.api.coordination.v1.Lease"),
        ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
         "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", False, True),
    ]
    return [Kind(row[0], row[1], row[2], row[3], schemas.of(row[4]), *row[5:]) for row in rows]


# What the server fills in.

def fill(target, **values):
    for name, value in values.items():
        if target.get(name) is None:
            target[name] = value() if callable(value) else value
    return target


def default_pod(spec):
    fill(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst",
         securityContext=dict, schedulerName="default-scheduler")
    if spec.get("serviceAccountName"):
        fill(spec, serviceAccount=spec["serviceAccountName"])
    for container in spec.get("containers", []) + spec.get("initContainers", []):
        latest = "@" not in container.get("image", "") and re.search(r"(^[^:]+|:latest)$", container.get("image", "").rsplit("/", 1)[-1])
        fill(container, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File",
             imagePullPolicy="Always" if latest else "IfNotPresent", resources=dict)
        for port in container.get("ports", []):
            fill(port, protocol="TCP")
        for name in ("readinessProbe", "livenessProbe", "startupProbe"):
            if probe := container.get(name):
                fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
                if "httpGet" in probe:
                    fill(probe["httpGet"], scheme="HTTP", path="/")
    for volume in spec.get("volumes", []):
        for source in ("secret", "configMap", "projected"):
            if source in volume:
                fill(volume[source], defaultMode=420)


def default_deployment(spec):
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy=dict)
    fill(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        fill(spec["strategy"], rollingUpdate=dict)
        fill(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    default_pod(spec.setdefault("template", {}).setdefault("spec", {}))


def default_service(spec, address):
    fill(spec, type="ClusterIP", sessionAffinity="None", ipFamilies=lambda: ["IPv4"], ipFamilyPolicy="SingleStack",
         internalTrafficPolicy="Cluster")
    fill(spec, clusterIP=address)
    fill(spec, clusterIPs=lambda: [spec["clusterIP"]])
    for port in spec.get("ports", []):
        fill(port, protocol="TCP", targetPort=port.get("port"))


def default(kind, item, serial):
    spec = item.get("spec")
    if kind.custom:
        kind.custom.default(item)
    elif kind.kind == "Deployment":
        default_deployment(item.setdefault("spec", {}))
    elif kind.kind == "Pod":
        default_pod(item.setdefault("spec", {}))
    elif kind.kind == "Service":
        default_service(item.setdefault("spec", {}), f"10.96.{serial // 250 % 250}.{serial % 250 + 1}")
        item.setdefault("status", {"loadBalancer": {}})
    elif kind.kind == "HorizontalPodAutoscaler" and spec is not None:
        fill(spec, minReplicas=1)
        for rules in (spec.get("behavior") or {}).values():
            fill(rules, selectPolicy="Max")
        item.setdefault("status", {"desiredReplicas": 0, "currentMetrics": None})
    elif kind.kind == "NetworkPolicy" and spec is not None:
        fill(spec, policyTypes=lambda: ["Ingress"] + (["Egress"] if "egress" in spec else []))
        for rule in spec.get("ingress", []) + spec.get("egress", []):
            for port in rule.get("ports", []):
                fill(port, protocol="TCP")
    elif kind.kind == "Namespace":
        fill(item.setdefault("spec", {}), finalizers=lambda: ["kubernetes"])
        item.setdefault("status", {"phase": "Active"})
        item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = item["metadata"]["name"]
    elif kind.kind == "CustomResourceDefinition" and spec is not None:
        fill(spec, conversion=lambda: {"strategy": "None"})
        fill(spec.get("names", {}), singular=spec.get("names", {}).get("kind", "").lower(),
             listKind=spec.get("names", {}).get("kind", "") + "List")
        item["status"] = {"acceptedNames": spec["names"], "storedVersions": [v["name"] for v in spec["versions"] if v["storage"]],
                          "conditions": [{"type": kind, "status": "True"} for kind in ("NamesAccepted", "Established")]}
    if kind.kind == "Deployment":
        item.setdefault("status", {})


# What the server refuses.

LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
MICRO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")


def validate(kind, item, old):
    """Raises a 422 with every fault."""
    causes = []
    def fault(reason, field, message):
        causes.append(("FieldValue" + reason, message, field))
    name, spec = item["metadata"].get("name", ""), item.get("spec") or {}
    before = (old or {}).get("spec") or {}
    rule, limit = (LABEL, 63) if kind.kind in ("Service", "Namespace") else (SUBDOMAIN, 253)
    if not rule.match(name) or len(name) > limit:
        fault("Invalid", "metadata.name", f'Invalid value: "{name}": a valid name has at most {limit} characters of a-z, 0-9 and -')
    for key, value in (item["metadata"].get("labels") or {}).items():
        if len(value) > 63 or not VALUE.match(value) or len(key.rsplit("/", 1)[-1]) > 63:
            fault("Invalid", "metadata.labels", f'Invalid value: "{value}": a valid label has at most 63 characters')
    if kind.custom:
        kind.custom.validate(item, old, fault)
    elif kind.kind == "Deployment":
        labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
        wanted = spec.get("selector", {}).get("matchLabels", {})
        if not wanted:
            fault("Required", "spec.selector", "Required value")
        elif any(labels.get(key) != value for key, value in wanted.items()):
            fault("Invalid", "spec.template.metadata.labels", f"Invalid value: {compact(labels)}: `selector` does not match template `labels`")
        if old and before.get("selector") != spec.get("selector"):
            fault("Invalid", "spec.selector", f"Invalid value: {compact(spec.get('selector'))}: field is immutable")
        if spec.get("replicas", 0) < 0:
            fault("Invalid", "spec.replicas", f"Invalid value: {spec['replicas']}: must be greater than or equal to 0")
        containers(spec.get("template", {}).get("spec", {}), "spec.template.spec", fault)
    elif kind.kind == "Pod":
        containers(spec, "spec", fault)
    elif kind.kind == "Service":
        if old and before.get("clusterIP") != spec.get("clusterIP"):
            fault("Invalid", "spec.clusterIPs[0]", f"Invalid value: [\"{spec.get('clusterIP')}\"]: may not change once set")
    elif kind.kind == "HorizontalPodAutoscaler":
        if spec.get("minReplicas", 1) < 1:
            fault("Invalid", "spec.minReplicas", f"Invalid value: {spec['minReplicas']}: must be greater than or equal to 1")
            fault("Forbidden", "spec.metrics",
                  "Forbidden: must specify at least one Object or External metric to support scaling to zero replicas")
        if spec.get("maxReplicas", 0) < spec.get("minReplicas", 1):
            fault("Invalid", "spec.maxReplicas",
                  f"Invalid value: {spec.get('maxReplicas')}: must be greater than or equal to `minReplicas`")
    elif kind.kind == "Lease":
        if spec.get("leaseDurationSeconds", 1) <= 0:
            fault("Invalid", "spec.leaseDurationSeconds", f"Invalid value: {spec['leaseDurationSeconds']}: must be greater than 0")
    elif kind.kind == "PodDisruptionBudget" and "minAvailable" in spec and "maxUnavailable" in spec:
        fault("Invalid", "spec", "Invalid value: minAvailable and maxUnavailable cannot be both set")
    elif kind.kind == "CustomResourceDefinition" and name != f"{spec.get('names', {}).get('plural')}.{spec.get('group')}":
        fault("Invalid", "metadata.name", f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group')
    if causes:
        raise invalid(kind, name, causes)


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def containers(spec, path, fault):
    if not spec.get("containers"):
        fault("Required", path + ".containers", "Required value")
    for index, container in enumerate(spec.get("containers") or []):
        if not container.get("image"):
            fault("Required", f"{path}.containers[{index}].image", "Required value")
        resources = container.get("resources", {})
        for name, value in resources.get("requests", {}).items():
            most = resources.get("limits", {}).get(name)
            if most is not None and quantity(value) > quantity(most):
                fault("Invalid", f"{path}.containers[{index}].resources.requests",
                      f'Invalid value: "{value}": must be less than or equal to {name} limit of {most}')


def quantity(text):
    number, unit = re.match(r"^([0-9.]+)([a-zA-Z]*)$", str(text)).groups()
    units = {"": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    return float(number) * units[unit]
