#!/usr/bin/env python3
"""How long a check takes, beside what each of Deno's own commands takes as a process of its own, in the same run.

usage: benchmarks/checker.py DENO [ROUNDS]
"""
import http.client, json, os, pathlib, socket, statistics, subprocess, sys, tempfile, time

root = pathlib.Path(__file__).resolve().parent.parent
deno, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50
plugin = 'export default { name: "b", rules: { r: { create: () => ({ Program() {} }) } } };'
settings = '{ "lint": { "plugins": ["./plugin.js"], "rules": { "tags": [], "include": ["b/r"] } } }'


digest = "0" * 64
importing = b'''// @ts-types="npm:@types/express@4"
import express from "npm:express@4";
import _ from "npm:@types/lodash@4";
const app = express();
const chunks = (list: number[]): ReturnType<typeof _.chunk<number>> => [list];
app.get("/", (_call: unknown, answer: { json(value: unknown): void }) => answer.json(chunks([1, 2])));
app.listen(8000);
'''


def packages(directory):
    """Express, its types and lodash's, as Debian has them, as the Builder brings them to the checker."""
    script = root / "Tests/Support/npm_registry.py"
    os.mkdir(f"{directory}/none")
    command = [sys.executable, "-B", script, f"{directory}/none", "express", "@types/express", "@types/lodash"]
    registry = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{registry.stdout.readline().strip()}/"
        pathlib.Path(directory, "resolve.ts").write_bytes(importing)
        subprocess.run(
            [deno, "cache", "--quiet", "--no-config", "--node-modules-dir=none", "--lock=resolve.lock", "resolve.ts"], check=True,
            cwd=directory, env={"DENO_DIR": f"{directory}/resolved", "NPM_CONFIG_REGISTRY": url, "DENO_NO_UPDATE_CHECK": "1"})
    finally:
        registry.terminate()
        registry.wait()
    lock = json.loads(pathlib.Path(directory, "resolve.lock").read_text())
    for entry in lock["npm"].values():
        entry.pop("tarball", None)
    files = {"deno.lock": json.dumps(lock).encode()}
    folder, = pathlib.Path(directory, "resolved/npm").iterdir()
    for path in filter(pathlib.Path.is_file, folder.rglob("*")):
        name = f"npm/registry.npmjs.org/{path.relative_to(folder)}"
        if path.suffix in (".json", ".ts", ".mts", ".cts") and path.name != "registry.json":
            files[name] = path.read_bytes()
        elif path.suffix in (".js", ".mjs", ".cjs"):
            files[name] = b""
    return files


def frames(files):
    pieces = [(json.dumps({"file": file, "size": len(text)}), text) for file, text in files.items()]
    pieces.append((json.dumps({"end": True}), b""))
    return b"".join(len(head).to_bytes(4) + head.encode() + text for head, text in pieces)


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("checker")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def measure(name, work, floor=None):
    times = []
    for round in range(rounds):
        begin = time.perf_counter()
        work(round)
        times.append((time.perf_counter() - begin) * 1000)
    median = statistics.median(times)
    ratio = f"   {median / floor:5.1f} ×" if floor else ""
    print(f"{name:34} median {median:7.2f} ms   min {min(times):7.2f} ms{ratio}")
    return median


with tempfile.TemporaryDirectory(prefix="kiln-bench-", dir="/var/tmp") as directory:
    path = f"{directory}/checker.sock"
    source = (root / "examples/cards.ts").read_bytes()
    for name, text in {"main.ts": source, "plugin.js": plugin.encode(), "deno.json": settings.encode()}.items():
        pathlib.Path(directory, name).write_bytes(text)
    environment = {"DENO_DIR": f"{directory}/deno", "NO_COLOR": "1", "PATH": "/usr/bin:/bin", "TMPDIR": directory}
    flags = [f"--allow-run={deno}", "--allow-net", "--allow-read", f"--allow-write={directory}", "--no-config"]
    checker = subprocess.Popen(
        [deno, "run", *flags, str(root / "base-image/checker.js")],
        env={**environment, "DENO_SERVE_ADDRESS": f"unix:{path}"})
    try:
        while not os.path.exists(path):
            if checker.poll() is not None:
                sys.exit("The checker did not start.")
            time.sleep(0.01)
        connection = Connection(path)

        def check(round):
            connection.request("POST", "/check?file=main.ts", body=source + b"// %d" % round)
            answer = connection.getresponse()
            assert answer.status == 200 and b'"ok":true' in answer.read()

        def command(*arguments, before=lambda round: None):
            def run(round):
                before(round)
                subprocess.run(
                    [deno, *arguments], cwd=directory, env=environment, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
            return run

        def types(round):
            connection.request("POST", "/types?file=main.ts&patience=60000", body=source + b"// %d" % round)
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read() == b'{"ok":true}'

        def packaged_types(residents):
            def run(round):
                connection.request("POST", f"/types?file=main.ts&packages={digest}&residents={residents}&deadline=60000",
                                   body=importing + b"// %d" % round)
                answer = connection.getresponse()
                text = answer.read()
                assert answer.status == 200 and text.startswith(b'{"ok":true'), text
                return b"resident" in text
            return run

        def bring():
            files = packages(directory)
            connection.request("POST", f"/packages?digest={digest}", body=frames(files))
            answer = connection.getresponse()
            assert answer.status == 204, answer.read()
            answer.read()
            print(f"packages: {len(files)} files, {sum(map(len, files.values())) >> 10} KiB")

        def wait_for_resident():
            """Asks until a server stands by for the packages, and answers."""
            for round in range(100):
                if packaged_types(1)(-1 - round):
                    return
                time.sleep(0.3)
            sys.exit("No server stands by for the packages.")

        floor = measure("the checker: parse, handler, code", check)
        types(-1)  # waits until the type checker is warm
        warm = measure("the checker: types", types)
        bring()
        before = measure("types with packages, deno check", packaged_types(0), warm)
        wait_for_resident()
        after = measure("types with packages, standing by", packaged_types(1), warm)
        print(f"{'':34} {before / after:.0f} × faster")
        measure("deno check", command("check", "-q", "--no-config", "main.ts", before=lambda round: pathlib.Path(
            directory, "main.ts").write_bytes(source + b"// %d" % round)), warm)
        measure("deno transpile", command("transpile", "-q", "--no-config", "-o", "out.js", "main.ts"), floor)
        measure("deno doc --json", command("doc", "--json", "main.ts"), floor)
        measure("deno lint --json with a plugin", command("lint", "--json", "-c", "deno.json", "main.ts"), floor)
    finally:
        checker.terminate()
        checker.wait()
