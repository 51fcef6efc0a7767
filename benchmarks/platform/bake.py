"""Other ways to put one small layer on a base image and push it, all warm: to the same registry, with the base there already."""
import gzip, hashlib, http.client, json, pathlib, subprocess, threading
from kiln import milliseconds


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Bare:
    """The requests of a Kiln push and nothing else, with bytes that are ready: the floor that the registry sets.

    Takes an image that Kiln pushed as the pattern, so that the sizes are the same.
    """
    repository = "kiln/bench-bare"

    def __init__(self, registry, image, token):
        self.connections = [http.client.HTTPConnection(registry) for _ in range(2)]
        repository, reference = image.split("/", 1)[1].split("@")
        self.manifest = json.loads(self.get(repository, f"manifests/{reference}"))
        self.kind = self.manifest["mediaType"]
        self.layer = gzip.decompress(self.get(repository, f"blobs/{self.manifest['layers'][-1]['digest']}"))
        self.config = json.loads(self.get(repository, f"blobs/{self.manifest['config']['digest']}"))
        self.token = token.encode()
        assert self.token in self.layer
        for layer in self.manifest["layers"][:-1]:
            path = f"/v2/{self.repository}/blobs/uploads/?mount={layer['digest']}&from=kiln/base"
            assert self.send(0, "POST", path)[0] == 201

    def send(self, connection, method, path, body=None, kind=None):
        headers = {"Accept": "application/vnd.oci.image.manifest.v1+json", **({"Content-Type": kind} if kind else {})}
        self.connections[connection].request(method, path, body, headers)
        answer = self.connections[connection].getresponse()
        return answer.status, answer.headers, answer.read()

    def get(self, repository, path):
        status, _, body = self.send(0, "GET", f"/v2/{repository}/{path}")
        assert status == 200, path
        return body

    def both(self, work):
        other = threading.Thread(target=work, args=[1])
        other.start()
        work(0)
        other.join()

    def push(self, token):
        """Milliseconds of asking for the tag, of opening both sessions, and of the uploads and the manifest."""
        tar = self.layer.replace(self.token, token.encode())
        layer = gzip.compress(tar, 6, mtime=0)
        self.config["rootfs"]["diff_ids"][-1] = digest(tar)
        config = json.dumps(self.config, separators=(",", ":")).encode()
        self.manifest["layers"][-1].update(digest=digest(layer), size=len(layer))
        self.manifest["config"].update(digest=digest(config), size=len(config))
        manifest = json.dumps(self.manifest, separators=(",", ":")).encode()
        blobs, sessions, statuses = [layer, config], [None, None], []
        tag = f"/v2/{self.repository}/manifests/b-{digest(layer)[7:]}"

        def begin(index):
            sessions[index] = self.send(index, "POST", f"/v2/{self.repository}/blobs/uploads/")[1]["Location"]

        def upload(index):
            path = "/" + sessions[index].split("/", 3)[3] + f"&digest={digest(blobs[index])}"
            statuses.append(self.send(index, "PUT", path, blobs[index], "application/octet-stream")[0])

        def finish():
            self.both(upload)
            statuses.append(self.send(0, "PUT", tag, manifest, self.kind)[0])

        lookup, answer = milliseconds(lambda: self.send(0, "HEAD", tag))
        opening, _ = milliseconds(lambda: self.both(begin))
        pushing, _ = milliseconds(finish)
        assert answer[0] == 404 and statuses == [201, 201, 201], statuses
        return lookup, opening, pushing


class Umoci:
    """umoci bakes in an OCI layout that holds the base, skopeo pushes the result."""

    def __init__(self, registry, base, directory):
        self.layout, self.target = directory / "layout", f"docker://{registry}/bench/umoci"
        run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{base}", f"oci:{self.layout}:base")

    def push(self, source, token):
        run("umoci", "insert", "--image", f"{self.layout}:base", "--tag", token, source, "/app/main.js")
        run("umoci", "config", "--image", f"{self.layout}:{token}", "--config.cmd", "request")
        run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{self.layout}:{token}", f"{self.target}:{token}")


class Buildah:
    """buildah adds to a container of the base and commits it straight to the registry."""

    def __init__(self, registry, base, storage):
        self.command, self.base, self.target = ["buildah", *storage], base, f"docker://{registry}/bench/buildah"
        run(*self.command, "pull", "-q", "--tls-verify=false", f"docker://{base}")

    def push(self, source, token):
        container = run(*self.command, "from", "--pull-never", self.base)
        run(*self.command, "add", "-q", container, source, "/app/main.js")
        run(*self.command, "config", "--cmd", "request", container)
        run(*self.command, "commit", "-q", "--rm", "--tls-verify=false", container, f"{self.target}:{token}")


def unmount(directory):
    """Takes away what containers storage leaves mounted: its overlay directory, on itself."""
    subprocess.run(["umount", "--quiet", directory / "storage/overlay"], stderr=subprocess.DEVNULL)


def storage(directory):
    """Containers storage of its own for buildah and podman. In /tmp so that no path gets too long for a socket."""
    return ["--root", directory / "storage", "--runroot", directory / "runroot", "--storage-driver", "overlay"]
