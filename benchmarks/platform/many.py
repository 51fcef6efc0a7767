#!/usr/bin/env python3
"""Many functions on one machine: waking, 200 idle ones, 10,000 recorded ones beside 10.

usage: many.py KILN DENO [ROUNDS]
"""
import concurrent.futures, json, pathlib, secrets, signal, sqlite3, statistics, sys, tempfile, time
from kiln import Kiln, cpu, memory, milliseconds, wait_until
from start import Root, Runc

SOURCE = b"export default () => new Response('x');\n"


def shown(kiln, name):
    return json.loads(kiln.call("GET", f"/func/{name}"))


def medians(values):
    return {name: statistics.median(list) for name, list in values.items()}


def waking(kiln, directory, rounds):
    """From the request for a parked function to its answer, beside a plain start of the same bundle."""
    answer, bundle = kiln.deploy_and_look("sleepy", SOURCE, "&idle=1s")
    layers = [name.split(":")[1] for name in layers_of(kiln, answer["image"])]
    times = {"Kiln: request to answer": [], "runc run of the same bundle": []}
    with Root(kiln, layers, bundle, directory) as root:
        runc = Runc(root)
        for round in range(-2, rounds):
            wait_until(lambda: shown(kiln, "sleepy").get("parked") and len(kiln.instances()) == 1, 60)
            time.sleep(0.1)
            steps = [("Kiln: request to answer", lambda: milliseconds(lambda: kiln.call("GET", "/fn/sleepy"))[0]),
                     ("runc run of the same bundle", runc.start)]
            for name, step in steps if round % 2 else reversed(steps):
                took = step()
                if round >= 0:
                    times[name].append(took)
    print(f"\nWaking a parked function, {rounds} rounds{'median ms':>21}{'min':>9}{'p90':>9}", flush=True)
    for name, values in times.items():
        values.sort()
        print(f"{name:46}{statistics.median(values):10.1f}{values[0]:9.1f}{values[int(len(values) * 0.9)]:9.1f}", flush=True)
    kiln.call("DELETE", "/func/sleepy")
    kiln.settle(1)


def layers_of(kiln, image):
    import http.client
    connection = http.client.HTTPConnection(kiln.registry)
    repository, digest = image.split("/", 1)[1].split("@")

    def get(path):
        connection.request("GET", path, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
        return json.loads(connection.getresponse().read())

    manifest = get(f"/v2/{repository}/manifests/{digest}")
    return get(f"/v2/{repository}/blobs/{manifest['config']['digest']}")["rootfs"]["diff_ids"]


def deploy_all(kiln, names, query):
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda name: kiln.deploy(name, SOURCE + f"// {name}\n".encode(), query), names))


def idle(kiln, count, seconds=20):
    """What `count` functions cost that nobody calls: once with an instance each, once parked."""
    names = [f"idle-{number}" for number in range(count)]
    roles = "registry", "router", "builder", "deployer"
    print(f"\n{count} functions that nobody calls{'instances':>24}{'their PSS MiB':>15}{'roles RSS MiB':>15}{'roles CPU %':>13}{'all CPU %':>11}", flush=True)
    for title, query in ("with an instance each", "&memory=64Mi&idle=never"), ("parked", "&memory=64Mi&idle=1s"):
        took = milliseconds(lambda: deploy_all(kiln, names, query))[0]
        expected = 1 if title == "parked" else count + 1
        wait_until(lambda: len(kiln.instances()) == expected, 180)
        time.sleep(5)
        processes = [int((kiln.state / "instances" / name / file).read_text()) for name in kiln.instances() for file in ("pid", "conmon.pid")]
        own = [kiln.role(role) for role in roles] + [kiln.process.pid]
        before = [sum(map(cpu, own)), sum(map(cpu, own + processes))]
        time.sleep(seconds)
        after = [sum(map(cpu, own)), sum(map(cpu, own + processes))]
        shares = [(b - a) / (seconds * 10) for a, b in zip(before, after)]
        pss = sum(memory(process)[1] for process in processes)
        rss = sum(memory(process)[0] for process in own)
        print(f"{title + f' (deployed in {took / 1000:.1f} s)':46}{len(processes) // 2:10}{pss:15.0f}{rss:15.0f}{shares[0]:13.2f}{shares[1]:11.2f}", flush=True)
    for name in names:
        kiln.call("DELETE", f"/func/{name}")


def recorded(kiln, rounds):
    """The calls with 10 functions recorded, and with 10,000: copies of one in the store, made while nothing runs."""
    deploy_all(kiln, [f"f{number:05}" for number in range(10)], "&idle=10s")
    results = {}
    for count in 10, 10_000:
        kiln.stop()
        if count > 10:
            copy(kiln, count)
        started = kiln.start()
        kiln.call("GET", "/fn/f00001")
        values = {name: [] for name in ("list a page", "show", "call", "deploy, unchanged", "deploy, changed")}
        for _ in range(rounds):
            steps = {
                "list a page": lambda: kiln.call("GET", "/func?limit=10"),
                "show": lambda: kiln.call("GET", "/func/f00005"),
                "call": lambda: kiln.call("GET", "/fn/f00001"),
                "deploy, unchanged": lambda: kiln.deploy("f00001", SOURCE + b"// f00001\n", "&idle=10s"),
                "deploy, changed": lambda: kiln.deploy("f00002", SOURCE + secrets.token_hex(8).join(["// ", "\n"]).encode(), "&idle=10s"),
            }
            for name, step in steps.items():
                values[name].append(milliseconds(step)[0])
        results[count] = medians(values) | {"start of the platform": started}
        results[count]["Router RSS MiB"] = memory(kiln.role("router"))[0]
        results[count]["Deployer RSS MiB"] = memory(kiln.role("deployer"))[0]
    print(f"\nMedian ms with so many functions recorded{'10':>15}{'10,000':>10}   ratio", flush=True)
    for name in results[10]:
        few, many = results[10][name], results[10_000][name]
        print(f"{name:46}{few:10.1f}{many:10.1f}{many / few:8.2f}", flush=True)


def copy(kiln, count):
    store = sqlite3.connect(kiln.state / "kiln.sqlite")
    names = [f"f{number:05}" for number in range(10, count)]
    for table, key in ("function", "name"), ("counter", "name"), ("revision", "function"), ("history", "function"):
        columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
        rest = [column for column in columns if column != key]
        store.executemany(
            f"INSERT INTO {table} ({key}, {', '.join(rest)}) SELECT ?, {', '.join(rest)} FROM {table} WHERE {key} = 'f00000'",
            [(name,) for name in names])
    store.commit()
    store.close()


def main():
    program, deno, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 25
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="kiln-bench-", dir="/var/tmp") as path:
        directory = pathlib.Path(path)
        with Kiln(program, deno, directory) as kiln:
            waking(kiln, directory, rounds)
            idle(kiln, 200)
            recorded(kiln, rounds)


main()
