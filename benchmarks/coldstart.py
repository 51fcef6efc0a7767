#!/usr/bin/env python3
"""How long a function takes from exec to its first 200, with Kiln's bootstrap and without, in the same run.

Runs Deno with the flags of the image on this machine, without a container: the part of a start that is Deno's and the bootstrap's.
usage: benchmarks/coldstart.py DENO [ROUNDS]
"""
import os, pathlib, shutil, socket, statistics, subprocess, sys, tempfile, time

root = pathlib.Path(__file__).resolve().parent.parent
deno, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
bootstrap, node = "kiln/bootstrap.js", "--preload=kiln/node.js"
preload = f"--preload={bootstrap}"
cases = {
    "Deno.serve, plain deno run": ("Deno.serve(() => new Response(''))", ["app/main.js"]),
    "Deno.serve": ("Deno.serve(() => new Response(''))", [preload, "app/main.js"]),
    "default function": ("export default () => new Response('')", [bootstrap, "request"]),
    "default { fetch }": ("export default { fetch: () => new Response('') }", [bootstrap, "request"]),
    "handler({ req })": ("export default ({ req }) => req.respondWith(new Response(''))", [bootstrap, "event"]),
    "node:http": ("import h from 'node:http'; h.createServer((q, a) => a.end()).listen(1)", [preload, node, "app/main.js"]),
}


def first_answer(path, process):
    while process.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(b"GET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n")
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            time.sleep(0.0005)
    return False


with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
    shutil.copytree(root / "base-image", f"{directory}/kiln")
    os.mkdir(f"{directory}/app")
    path = f"{directory}/http.sock"
    flags = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--cached-only", "--node-modules-dir=none", "--allow-net"]
    flags += ["--allow-env", f"--allow-read={directory}", f"--allow-write={directory}"]
    times = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (code, arguments) in cases.items():
            pathlib.Path(directory, "app/main.js").write_text(code)
            shutil.rmtree(f"{directory}/deno", ignore_errors=True)
            environment = {"DENO_DIR": f"{directory}/deno", "DENO_SERVE_ADDRESS": f"unix:{path}", "NO_COLOR": "1"}
            begin = time.perf_counter()
            process = subprocess.Popen([deno, "run", *flags, *arguments], cwd=directory, env=environment)
            assert first_answer(path, process), name
            times[name].append((time.perf_counter() - begin) * 1000)
            process.terminate()
            process.wait()
            pathlib.Path(path).unlink(missing_ok=True)
    plain = statistics.median(times["Deno.serve, plain deno run"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:28} median {median:6.1f} ms   min {min(values):6.1f} ms   {median / plain:4.2f} ×")
