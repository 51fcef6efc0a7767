#!/usr/bin/env python3
"""How long a function takes from exec to its first 200, with Kiln's bootstrap and without, in the same run.

Runs Deno with the flags of the image on this machine, without a container: the part of a start that is Deno's and the bootstrap's.
Each case starts with an empty cache directory, and with the read-only caches that the base image has (base-image/warm.js). Needs
root, to start functions as another user, who cannot write the caches.
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
    subprocess.run([deno, "run", "-A", "--quiet", "--no-config", f"{directory}/kiln/warm.js", directory], check=True)
    os.chmod(directory, 0o777)
    shutil.copy(deno, f"{directory}/program")
    deno = f"{directory}/program"
    path = f"{directory}/http.sock"
    flags = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--cached-only", "--node-modules-dir=none", "--allow-net"]
    flags += ["--allow-env", f"--allow-read={directory}", f"--allow-write={directory}"]
    runs = [(name, cache) for name in cases for cache in ("empty", "baked")]
    times = {run: [] for run in runs}
    for _ in range(rounds):
        for name, cache in runs:
            code, arguments = cases[name]
            pathlib.Path(directory, "app/main.js").write_text(code)
            shutil.rmtree(f"{directory}/empty", ignore_errors=True)
            cache_directory = f"{directory}/{'empty' if cache == 'empty' else 'caches'}"
            environment = {"DENO_DIR": cache_directory, "DENO_SERVE_ADDRESS": f"unix:{path}", "NO_COLOR": "1"}
            begin = time.perf_counter()
            process = subprocess.Popen([deno, "run", *flags, *arguments], cwd=directory, env=environment, user=65532, group=65532)
            assert first_answer(path, process), name
            times[name, cache].append((time.perf_counter() - begin) * 1000)
            process.terminate()
            process.wait()
            pathlib.Path(path).unlink(missing_ok=True)
    plain = statistics.median(times["Deno.serve, plain deno run", "empty"])
    for (name, cache), values in times.items():
        median = statistics.median(values)
        print(f"{name:28} {cache} cache   median {median:6.1f} ms   min {min(values):6.1f} ms   {median / plain:4.2f} ×")
