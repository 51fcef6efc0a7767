"""Other ways to start the function: each until its first 200 on the unix socket, with the command that Kiln starts."""
import json, os, pathlib, shutil, socket, subprocess, time
from bake import run


def until_answer(path, seconds=10):
    """Asks until there is a 200."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(b"GET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n")
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            time.sleep(0.0005)
    raise TimeoutError(f"nothing answers at {path}")


class Root:
    """The function's root file system as Kiln mounts it, and its bundle as Kiln wrote it."""

    def __init__(self, kiln, image_layers, bundle, directory):
        self.directory, self.path = directory / "start", directory / "start/rootfs"
        self.path.mkdir(parents=True)
        self.layers = ":".join(str(kiln.state / "layers" / name) for name in reversed(image_layers))
        self.bundle = bundle

    def __enter__(self):
        run("mount", "-t", "overlay", "-o", f"ro,nosuid,nodev,lowerdir={self.layers}", "bench", self.path)
        return self

    def __exit__(self, *_):
        run("umount", self.path)

    def socket_directory(self):
        """An empty directory for one start, which every user may write to."""
        path = self.directory / "run"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        path.chmod(0o777)
        return path


class Spawn:
    """The plain process: no container at all."""

    def __init__(self, root):
        self.root = root
        base = str(root.path)
        self.command = [part.replace("/kiln/boot", f"{base}/kiln/boot") for part in root.bundle["process"]["args"]]
        self.command = [f"{part},{base},{root.directory}" if part.startswith("--allow-read") else part for part in self.command]
        self.command = [f"{part},{root.directory}" if part.startswith("--allow-write") else part for part in self.command]
        self.command[0] = base + self.command[0]

    def start(self):
        run_directory = self.root.socket_directory()
        environment = {
            "DENO_DIR": f"{run_directory}/deno", "DENO_SERVE_ADDRESS": f"unix:{run_directory}/http.sock",
            "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
        begin = time.perf_counter()
        process = subprocess.Popen(self.command, cwd=self.root.path / "app", env=environment)
        try:
            until_answer(run_directory / "http.sock")
            return (time.perf_counter() - begin) * 1000
        finally:
            process.kill()
            process.wait()


class Runc:
    """runc with Kiln's own bundle: the same sandbox, but no monitor, no log, and a network namespace without a way out."""

    def __init__(self, root):
        self.root = root
        self.command = ["runc", "--root", str(root.directory / "runc")]
        bundle = root.bundle
        bundle["root"]["path"] = str(root.path)
        bundle["linux"]["cgroupsPath"] = f"/kiln-bench-{os.getpid()}"
        bundle["linux"]["namespaces"] = [
            {"type": entry["type"]} for entry in bundle["linux"]["namespaces"]]
        for mount in bundle["mounts"]:
            if mount["destination"] == "/run/kiln":
                mount["source"] = str(root.directory / "run")
            elif mount["type"] == "bind":
                mount["source"] = mount["destination"]
        (root.directory / "config.json").write_text(json.dumps(bundle))

    def start(self):
        run_directory = self.root.socket_directory()
        begin = time.perf_counter()
        try:
            # Its output is the container's: a pipe would be held open as long as that runs.
            subprocess.run(
                [*self.command, "run", "-d", "--bundle", self.root.directory, "bench"], check=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until_answer(run_directory / "http.sock")
            return (time.perf_counter() - begin) * 1000
        finally:
            subprocess.run([*self.command, "delete", "--force", "bench"], check=True)


class Podman:
    """podman with the same image, limits and restrictions, and in its favour without a network."""
    options = [
        "-d", "--pull", "never", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--memory", "256m", "--cpus", "1",
        "--pids-limit", "256", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--cap-drop", "all",
        "--security-opt", "no-new-privileges", "-e", "DENO_SERVE_ADDRESS=unix:/run/kiln/http.sock"]

    def __init__(self, root, image, storage):
        self.root, self.image = root, image
        self.command = ["podman", *storage, "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "runc"]
        run(*self.command, "pull", "-q", "--tls-verify=false", image)

    def start(self):
        run_directory = self.root.socket_directory()
        begin = time.perf_counter()
        container = run(*self.command, "run", *self.options, "-v", f"{run_directory}:/run/kiln", self.image)
        try:
            until_answer(run_directory / "http.sock")
            return (time.perf_counter() - begin) * 1000
        finally:
            run(*self.command, "rm", "-f", "-t", "0", container)
