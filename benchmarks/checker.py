#!/usr/bin/env python3
"""How long a check takes, beside what each of Deno's own commands takes as a process of its own, in the same run.

usage: benchmarks/checker.py DENO [ROUNDS]
"""
import http.client, json, os, pathlib, socket, statistics, subprocess, sys, tempfile, time

root = pathlib.Path(__file__).resolve().parent.parent
deno, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50
plugin = 'export default { name: "b", rules: { r: { create: () => ({ Program() {} }) } } };'
settings = '{ "lint": { "plugins": ["./plugin.js"], "rules": { "tags": [], "include": ["b/r"] } } }'


# A package with types, as the Builder brings it to the checker.
digest = "0" * 64
lock = {"version": "5", "specifiers": {"npm:sums@1": "1.0.0"}, "npm": {"sums@1.0.0": {"integrity": "sha512-" + "A" * 86 + "=="}}}
package = "npm/registry.npmjs.org/sums/1.0.0"
packaged = {
    "deno.lock": json.dumps(lock),
    f"{package}/package.json": '{"name":"sums","version":"1.0.0","types":"index.d.ts"}',
    f"{package}/index.js": "",
    f"{package}/index.d.ts": "export declare function sum(a: number, b: number): number;",
}
importing = b'import { sum } from "npm:sums@1"; export default () => new Response(String(sum(1, 2)));'


def frames(files):
    pieces = [(json.dumps({"file": file, "size": len(text)}), text) for file, text in files.items()]
    pieces.append((json.dumps({"end": True}), ""))
    return b"".join(len(head).to_bytes(4) + head.encode() + text.encode() for head, text in pieces)


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


with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
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

        def packaged_types(round):
            connection.request("POST", f"/types?file=main.ts&packages={digest}", body=importing + b"// %d" % round)
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read() == b'{"ok":true}'

        def bring():
            connection.request("POST", f"/packages?digest={digest}", body=frames(packaged))
            answer = connection.getresponse()
            assert answer.status == 204, answer.read()
            answer.read()

        floor = measure("the checker: parse, handler, code", check)
        types(-1)  # waits until the type checker is warm
        warm = measure("the checker: types", types)
        bring()
        measure("the checker: types, with a package", packaged_types, warm)
        measure("deno check", command("check", "-q", "--no-config", "main.ts", before=lambda round: pathlib.Path(
            directory, "main.ts").write_bytes(source + b"// %d" % round)), warm)
        measure("deno transpile", command("transpile", "-q", "--no-config", "-o", "out.js", "main.ts"), floor)
        measure("deno doc --json", command("doc", "--json", "main.ts"), floor)
        measure("deno lint --json with a plugin", command("lint", "--json", "-c", "deno.json", "main.ts"), floor)
    finally:
        checker.terminate()
        checker.wait()
