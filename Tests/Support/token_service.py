#!/usr/bin/env python3
"""A token service for docker-registry (distribution's "Token Authentication Specification"), on a loopback port of its own:
`token_service.py DIRECTORY`. Prints its port. The directory has key.pem and cert.pem to sign with, and users.json:
{"NAME": {"password": "…", "path": "below which repositories", "actions": ["pull", …]}}, read anew at each request."""
import base64, http.server, json, os, subprocess, sys, time, urllib.parse

directory = sys.argv[1]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(account, access):
    with open(directory + "/cert.pem") as file:
        certificate = "".join(line.strip() for line in file if not line.startswith("-----"))
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
    claims = {
        "iss": "kiln-test", "aud": "kiln-test", "sub": account, "nbf": now - 10, "iat": now - 10, "exp": now + 300,
        "jti": os.urandom(8).hex(), "access": access,
    }
    text = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
    signed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", directory + "/key.pem"], input=text.encode(), capture_output=True, check=True)
    return text + "." + encoded(signed.stdout)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def say(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        with open(directory + "/users.json") as file:
            users = json.load(file)
        name, user = "", {"path": "", "actions": []}
        if "Authorization" in self.headers:
            name, _, password = base64.b64decode(self.headers["Authorization"].split()[1]).decode().partition(":")
            user = users.get(name)
            if user is None or user["password"] != password:
                return self.say(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong name or password"}]})
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, repository, actions = scope.split(":")
            allowed = [action for action in actions.split(",") if action in user["actions"]]
            if kind == "repository" and repository.startswith(user["path"]) and allowed:
                access.append({"type": kind, "name": repository, "actions": allowed})
        self.say(200, {"token": token(name, access), "expires_in": 300})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
