#!/usr/bin/env python3
"""What builds cost beside the check: a change of one line beside 30 MB of packages, a hundred functions from sixteen clients at once, and
100 MB of assets, in turns with what compresses them alone. Tells bytes that the registry did not have before, and the most memory that the
Builder had at any time.

usage: builds.py KILN DENO
"""
import concurrent.futures, http.client, io, json, os, pathlib, random, resource, signal, statistics, subprocess, sys, tarfile, tempfile
from kiln import Kiln, cpu, memory, milliseconds

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS, CLIENTS = 100, 16
PACKAGES = 10
BUILDER_LIMIT = 150
# MiB that a large deploy may add to what the Builder has anyway, and rounds of it.
ASSETS_LIMIT, ASSETS_ROUNDS = 64, 5


def registry(directory):
    """An npm registry with packages of 3 MB each, which do not compress."""
    noise = random.Random(1)
    for number in range(PACKAGES):
        folder = pathlib.Path(directory, f"big{number}", "1.0.0")
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": f"big{number}", "version": "1.0.0"}))
        (folder / "index.js").write_text(f"module.exports = {number};")
        (folder / "data.bin").write_bytes(noise.randbytes(3_000_000))
    script = REPOSITORY / "Tests/Support/npm_registry.py"
    process = subprocess.Popen([sys.executable, "-B", script, directory], stdout=subprocess.PIPE, text=True)
    return process, f"http://127.0.0.1:{process.stdout.readline().strip()}/"


def blobs(kiln, answer):
    """Digest and size of everything that an image is made of."""
    name = answer["image"].split("/", 1)[1].split("@")[0]
    connection = http.client.HTTPConnection(kiln.registry, timeout=60)
    connection.request("GET", f"/v2/{name}/manifests/{answer['digest']}", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    text = connection.getresponse().read()
    manifest = json.loads(text)
    return {part["digest"]: part["size"] for part in manifest["layers"] + [manifest["config"]]} | {answer["digest"]: len(text)}


def peak(process):
    """The most memory that a process has had, in MiB."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024


def forget_peak(process):
    pathlib.Path(f"/proc/{process}/clear_refs").write_text("5")


def one_line(kiln):
    imports = "".join(f"import m{n} from 'npm:big{n}';\n" for n in range(PACKAGES))
    source = imports + "export default () => new Response(String(%s));\n" % " + ".join(f"m{n}" for n in range(PACKAGES))
    first, answer = milliseconds(lambda: kiln.deploy("packages", source.encode()))
    before = blobs(kiln, answer)
    took, changed = milliseconds(lambda: kiln.deploy("packages", source.replace("new Response(", "new Response('a' + ").encode()))
    new = {digest: size for digest, size in blobs(kiln, changed).items() if digest not in before}
    print(f"one line changed beside {PACKAGES * 3} MB of packages: {len(new)} new blobs of {sum(new.values())} bytes, {took:.0f} ms", end="")
    print(f" (build {changed['timings']['build']:.0f} ms); the first deploy: {sum(before.values()) >> 20} MiB, {first:.0f} ms")
    # The code layer, the configuration, the manifest.
    return len(new) == 3 and sum(new.values()) < 100_000


def at_once(kiln):
    builder = kiln.role("builder")
    forget_peak(builder)
    used, times = cpu(builder), []

    def deploy(number):
        source = f"export default () => new Response('{number}'); // {'x' * (number * 100)}\n"
        times.append(milliseconds(lambda: kiln.deploy(f"many-{number}", source.encode(), "&idle=5s"))[0])

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        took, _ = milliseconds(lambda: list(clients.map(deploy, range(FUNCTIONS))))
    times.sort()
    print(f"{FUNCTIONS} functions by {CLIENTS} clients at once: no error, {took / 1000:.1f} s in all, median {times[len(times) // 2]:.0f} ms,"
          f" p99 {times[int(len(times) * 0.99)]:.0f} ms; Builder at most {peak(builder):.0f} MiB, {(cpu(builder) - used) / FUNCTIONS:.1f} ms CPU each")
    return peak(builder) < BUILDER_LIMIT


def compressed(program, file):
    """Milliseconds, CPU milliseconds and bytes of what `program` makes of a file at the level of Kiln's layers."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took, size = milliseconds(lambda: len(subprocess.run([program, "-6", "-c", file], stdout=subprocess.PIPE, check=True).stdout))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000, size


def assets(kiln):
    noise = random.Random(2)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        files = {"main.ts": b"export default () => new Response('assets');\n"}
        # Half of it compresses, as texts do.
        files |= {f"assets/{n}.bin": noise.randbytes(500_000) + b"text " * 100_000 for n in range(100)}
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    body, builder = archive.getvalue(), kiln.role("builder")
    file = kiln.state.parent / "assets.tar"
    file.write_bytes(body)
    rounds, digests, grown = {name: [] for name in ("Kiln", "gzip", "pigz")}, set(), 0
    for number in range(ASSETS_ROUNDS):
        for name in "gzip", "pigz":
            rounds[name].append(compressed(name, file))
        os.sync()
        before, used = rss(builder), cpu(builder)
        forget_peak(builder)
        # Another name is another repository, where there is nothing yet.
        took, answer = milliseconds(lambda: kiln.deploy(f"assets-{number}", body, "&idle=5s"))
        grown = max(grown, peak(builder) - before)
        digests.add(answer["digest"])
        layer = max(blobs(kiln, answer).values())
        rounds["Kiln"].append((answer["timings"]["layer"], cpu(builder) - used, layer))
        print(f"    {took:.0f} ms: " + ", ".join(f"{phase} {answer['timings'][phase]:.0f}" for phase in ("body", "check", "layer", "push", "manifest")))
    print(f"{len(body) >> 20} MiB of assets: Builder {before:.0f} MiB before, at most {grown:.0f} more (limit {ASSETS_LIMIT}); {len(digests)} digest")
    for name, figures in rounds.items():
        took, used, size = (statistics.median(column) for column in zip(*figures))
        print(f"    {name:5} {took:6.0f} ms, {used:6.0f} ms CPU, {size} bytes" + ("; CPU of the whole build" if name == "Kiln" else ""))
    return len(digests) == 1 and grown <= ASSETS_LIMIT


def rss(process):
    return memory(process)[0]


def main():
    program, deno = sys.argv[1], os.path.abspath(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="kiln-bench-", dir="/var/tmp") as path:
        directory = pathlib.Path(path)
        (directory / "npm").mkdir()
        process, url = registry(directory / "npm")
        options = ["--npm-registry", url, "--max-source", "128Mi", "--max-archive-bytes", "128Mi"]
        try:
            with Kiln(program, deno, directory, options) as kiln:
                print("\nBuilds", flush=True)
                kept = [(work.__name__, work(kiln)) for work in (one_line, at_once, assets)]
        finally:
            process.terminate()
            process.wait()
    for name, holds in kept:
        if not holds:
            print(f"NOT AS IT SHOULD BE: {name}")


main()
