"""Who may do what (RBAC): the Roles of manifests, for callers whose bearer token is `account:NAME`, a service account. All others, the
tests themselves and their nodes, may do everything."""
from problems import Failure

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Rights:
    def __init__(self, documents):
        """The Roles and RoleBindings among `documents`."""
        roles = {(item["metadata"]["namespace"], item["metadata"]["name"]): item["rules"]
                 for item in documents if item["kind"] == "Role"}
        self.rules = {}
        for item in documents:
            if item["kind"] == "RoleBinding":
                namespace = item["metadata"]["namespace"]
                for subject in item["subjects"]:
                    self.rules.setdefault((subject["name"], namespace), []).extend(roles[namespace, item["roleRef"]["name"]])

    def check(self, exchange, kind, namespace, name, part, exists):
        """Raises what the real server answers to a call that the caller has no right to."""
        token = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if not token.startswith("account:"):
            return
        account = token.removeprefix("account:")
        verbs = [self.verb(exchange, name)]
        # To apply what is not there yet is to make it, too.
        if exchange.method == "PATCH" and not part and not exists:
            verbs.append("create")
        resource = kind.plural + (f"/{part}" if part else "")
        for verb in verbs:
            if not any(self.allows(rule, verb, kind.group, resource, name) for rule in self.rules.get((account, namespace), [])):
                where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
                raise Failure(
                    403, f'{kind.plural}{"." + kind.group if kind.group else ""}{f" {chr(34)}{name}{chr(34)}" if name else ""} is forbidden: '
                    f'User "system:serviceaccount:kiln-system:{account}" cannot {verb} resource "{resource}" in API group '
                    f'"{kind.group}"{where}', "Forbidden", {"kind": kind.plural, **({"name": name} if name else {})})

    @staticmethod
    def verb(exchange, name):
        if exchange.method == "GET":
            return "get" if name else "watch" if exchange.query.get("watch") in ("true", "1") else "list"
        return VERBS[exchange.method]

    @staticmethod
    def allows(rule, verb, group, resource, name):
        names = rule.get("resourceNames")
        return (verb in rule["verbs"] and group in rule["apiGroups"] and resource in rule["resources"]
                and (not names or name in names))
