#!/usr/bin/env python3
"""Cold starts of a function that imports a framework from npm (examples/http.ts, Express), and of one that is a module of 700 KB,
beside one that is small and imports nothing.

From the request that wakes the function to its answer, and plain `deno run` of the same file on this machine, with its own, warm cache
directory. What waking adds to the plain run of a file is the container's start, the same for all of them; the rest is what the image's
caches lack beside Deno's own.

usage: imports.py KILN DENO [ROUNDS]
"""
import json, os, pathlib, signal, socket, statistics, subprocess, sys, tempfile, time
from kiln import Kiln, milliseconds, wait_until

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ALONE = b"Deno.serve(() => new Response('x'));\n"
LARGE = "".join(
    f"export function f{i}(a, b) {{ const x = {{ k: a + b, list: [1, 2, {i}] }}; if (a > {i}) return x.list.map((v) => v * b);"
    f" return `${{x.k}} text {i}`; }}\n" for i in range(5000)).encode() + ALONE


class Registry:
    """The packages that Debian has of Express, served as npm's registry serves them."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        script = REPOSITORY / "Tests/Support/npm_registry.py"
        command = [sys.executable, "-B", script, self.directory.name, "express"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}/"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


class Plain:
    """`deno run` of a file, on a TCP port."""

    def __init__(self, deno, directory, name, source, registry):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        self.deno, self.file = deno, directory / f"{name}.ts"
        self.file.write_bytes(source.replace(b"listen(8000)", b"listen(%d)" % self.address[1]))
        self.environment = {
            "DENO_DIR": f"{directory}/deno", "NPM_CONFIG_REGISTRY": registry, "DENO_NO_UPDATE_CHECK": "1",
            "DENO_SERVE_ADDRESS": "tcp:127.0.0.1:%d" % self.address[1], "NO_COLOR": "1"}

    def start(self):
        begin = time.perf_counter()
        process = subprocess.Popen(
            [self.deno, "run", "-A", "--quiet", "--no-config", "--node-modules-dir=none", self.file], env=self.environment)
        try:
            while not self.answers():
                time.sleep(0.0005)
            return (time.perf_counter() - begin) * 1000
        finally:
            process.kill()
            process.wait()

    def answers(self):
        try:
            with socket.create_connection(self.address, 5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n")
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def main():
    program, deno, rounds = sys.argv[1], os.path.abspath(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 25
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    express = (REPOSITORY / "examples/http.ts").read_bytes()
    with tempfile.TemporaryDirectory(prefix="kiln-bench-", dir="/var/tmp") as path, Registry() as registry:
        directory = pathlib.Path(path)
        with Kiln(program, deno, directory, ["--npm-registry", registry.url]) as kiln:
            steps = {}
            for name, source in ("alone", ALONE), ("express", express), ("large", LARGE):
                took, answer = milliseconds(lambda: kiln.deploy(name, source, "&idle=1s"))
                print(f"first deploy of {name}: {took:.0f} ms, with {len(answer.get('dependencies', []))} packages", flush=True)
                steps[f"{name}: waking"] = lambda name=name: wake(kiln, name)
                steps[f"{name}: plain deno run, warm"] = Plain(deno, directory, name, source, registry.url).start
            times = {name: [] for name in steps}
            for round in range(-2, rounds):
                for name, step in list(steps.items())[::1 if round % 2 else -1]:
                    took = step()
                    if round >= 0:
                        times[name].append(took)
    print(f"\nCold starts, {rounds} rounds{'median ms':>24}{'min':>9}")
    for name, values in times.items():
        print(f"{name:32}{statistics.median(values):12.1f}{min(values):9.1f}")
    for part, of in ("medians", statistics.median), ("minima", min):
        added = {name: of(times[f"{name}: waking"]) - of(times[f"{name}: plain deno run, warm"]) for name in ("alone", "express", "large")}
        print(f"by {part}: a container's start {added['alone']:.1f} ms; what waking takes beyond that and the plain run:", end="")
        print(f" Express {added['express'] - added['alone']:.1f} ms, the large module {added['large'] - added['alone']:.1f} ms")


def wake(kiln, name):
    wait_until(lambda: json.loads(kiln.call("GET", f"/func/{name}")).get("parked"), 60)
    time.sleep(0.1)
    return milliseconds(lambda: kiln.call("GET", f"/fn/{name}"))[0]


main()
