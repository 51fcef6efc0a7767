"""The API server's failures, as `Status` bodies."""


class Failure(Exception):
    """An answer that is no success."""

    def __init__(self, code, message, reason=None, details=None, headers=None, metadata=None):
        super().__init__(message)
        self.code, self.headers = code, headers or {}
        self.body = {"kind": "Status", "apiVersion": "v1", "metadata": metadata or {}, "status": "Failure", "message": message}
        if reason:
            self.body["reason"] = reason
        if details is not None:
            self.body["details"] = details
        self.body["code"] = code


class PlainNotFound(Exception):
    """What a path that nobody serves is answered with: text, no `Status`."""


def named(kind, name):
    details = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.plural
    return details


def title(kind):
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def not_found(kind, name):
    return Failure(404, f'{title(kind)} "{name}" not found', "NotFound", named(kind, name))


def already_exists(kind, name):
    return Failure(409, f'{title(kind)} "{name}" already exists', "AlreadyExists", named(kind, name))


def modified(kind, name):
    return Failure(
        409, f'Operation cannot be fulfilled on {title(kind)} "{name}": the object has been modified; please apply your '
        "changes to the latest version and try again", "Conflict", named(kind, name))


def precondition(kind, name, message):
    full = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.kind}
    return Failure(409, f'Operation cannot be fulfilled on {full} "{name}": {message}', "Conflict", details)


def invalid(kind, name, causes):
    """`causes` are (reason, message, field)."""
    texts = [f"{field}: {message}" for _, message, field in causes]
    said = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    full = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {"name": name}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.kind
    details["causes"] = [{"reason": reason, "message": message, "field": field} for reason, message, field in causes]
    return Failure(422, f'{full} "{name}" is invalid: {said}', "Invalid", details)


def bad_request(message):
    return Failure(400, message, "BadRequest")


def untyped(kind, namespace, name, message):
    """The typed merge of an apply refuses with a 500 that has no reason."""
    where = f"{namespace}/{name}" if namespace else f"/{name}"
    return Failure(
        500, f"failed to create typed patch object ({where}; {kind.api_version}, Kind={kind.kind}): {message}")


def expired(message, token=None):
    return Failure(410, message, "Expired", metadata={"continue": token} if token else None)
