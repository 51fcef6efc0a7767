#!/usr/bin/env python3
"""Deploys, starts, rollbacks, memory and restarts of a real `kiln up`, in rounds with the peers. Ratios are the sturdy figures.

usage: main.py KILN DENO [ROUNDS]
"""
import collections, contextlib, os, pathlib, secrets, signal, socket, statistics, sys, tempfile, time
from bake import Bare, Buildah, Umoci, storage, unmount
from kiln import Kiln, cpu, memory, milliseconds
from start import Podman, Root, Runc, Spawn

examples = pathlib.Path(__file__).resolve().parents[2] / "examples"
# Answers at once, or holds a request for as long as the client likes, which keeps a revision draining.
HOLDING = b"""export default (request: Request) => request.url.endsWith("/hold")
    ? new Response(new ReadableStream({ start(it) { it.enqueue(new Uint8Array(1)); } })) : new Response("x");
"""


def rest():
    """Empties the disk's journal: an fsync pays for what others have left in it, and a push is mostly fsync."""
    os.sync()


class Table:
    def __init__(self):
        self.values = collections.defaultdict(list)

    def add(self, name, value):
        self.values[name].append(value)

    def median(self, name):
        return statistics.median(self.values[name])

    def heading(self, text):
        print(f"\n{text}\n{'':46}{'median ms':>10}{'min':>9}{'p90':>9}{'n':>5}   ratio", flush=True)

    def row(self, name, floor=None, label=None):
        values = sorted(self.values[name])
        ratio = f"{self.median(name) / self.median(floor):8.2f}" if floor else ""
        p90 = values[min(len(values) - 1, int(len(values) * 0.9))]
        print(f"{label or name:46}{self.median(name):10.1f}{values[0]:9.1f}{p90:9.1f}{len(values):5}{ratio}", flush=True)


def source(token):
    return (examples / "useragent.ts").read_bytes() + f"\n// {token}\n".encode()


def deploy(kiln, table, cost):
    """One deploy with changed source until the first 200; returns the image."""
    token = secrets.token_hex(8)
    rest()
    before = cpu(kiln.role("builder"))
    posting, answer = milliseconds(lambda: kiln.deploy("bench", source(token)))
    calling, _ = milliseconds(lambda: kiln.call("GET", "/fn/bench"))
    cost.append(cpu(kiln.role("builder")) - before)
    times = answer["timings"]
    for phase, value in times.items():
        table.add(phase, value)
    table.add("bake + push", times["layer"] + times["push"])
    table.add("lookup + bake + push", times["lookup"] + times["layer"] + times["push"])
    table.add("POST", posting)
    table.add("first GET", calling)
    table.add("POST to first 200", posting + calling)
    table.add("rest of the POST", posting - times["build"] - times["rollOut"])
    kiln.settle(2)
    return answer["image"], token


def deploys(kiln, table, directory, rounds):
    cost = []
    for _ in range(3):
        image, token = deploy(kiln, Table(), [])
    base = f"{kiln.registry}/kiln/base:2.9.8"
    bare = Bare(kiln.registry, image, token)
    umoci, buildah = Umoci(kiln.registry, base, directory), Buildah(kiln.registry, base, storage(directory))
    _, bundle = kiln.deploy_and_look("bench", source(secrets.token_hex(8)))
    kiln.settle(2)
    layers = [name.split(":")[1] for name in bare.config["rootfs"]["diff_ids"]]
    with Root(kiln, layers, bundle, directory) as root:
        starts = {"plain process": Spawn(root), "runc run": Runc(root), "podman run": Podman(root, image, storage(directory))}
        file = directory / "main.ts"
        for round in range(-3, rounds):
            # The first rounds warm everything up. The peers, which take longer, join in every third.
            into = table if round >= 0 else Table()
            # Each goes first in turn: what comes second finds warmer caches, or more work in flight.
            steps = [lambda: deploy(kiln, into, cost if round >= 0 else []), lambda: exchange(bare, into)]
            for step in steps if round % 2 else reversed(steps):
                step()
            if round % 3:
                continue
            for name, peer in {"umoci + skopeo": umoci, "buildah": buildah}.items():
                token = secrets.token_hex(8)
                rest()
                file.write_bytes(source(token))
                into.add(name, milliseconds(lambda: peer.push(file, token))[0])
            for name, peer in starts.items():
                rest()
                into.add(name, peer.start())
    return sum(cost) / len(cost)


def exchange(bare, table):
    rest()
    for name, value in zip(("bare lookup", "bare opening", "bare push"), bare.push(secrets.token_hex(8))):
        table.add(name, value)


def record(kiln, instance):
    return (kiln.state / "instances" / instance / "instance.json").read_text()


def rollbacks(kiln, table, rounds):
    """To a stopped revision and, while a request still holds the one that was live, back to that."""
    for number in 1, 2:
        kiln.deploy("holding", HOLDING + b"// %d\n" % number)
    kiln.settle(3)
    host, port = kiln.host.rsplit(":", 1)
    live, other = 2, 1
    for _ in range(rounds):
        with socket.create_connection((host, int(port))) as hold:
            hold.sendall(b"GET /fn/holding/hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
            hold.recv(1)
            for name, target in ("rollback, revision stopped", other), ("rollback, revision draining", live):
                took, _ = milliseconds(lambda: kiln.call("POST", f"/func/holding/rollback?to={target}"))
                table.add(name, took)
        kiln.settle(3)
    kiln.call("DELETE", "/func/holding")
    kiln.settle(2)


def idle_memory(kiln):
    print(f"\nIdle memory{'':35}{'RSS MiB':>10}{'PSS':>9}")
    for role in "registry", "router", "builder", "deployer":
        print("{:46}{:10.1f}{:9.1f}".format(role, *memory(kiln.role(role))))
    print("{:46}{:10.1f}{:9.1f}".format("kiln up itself", *memory(kiln.process.pid)))
    kiln.deploy("idle", source("idle"), "&min=6")
    time.sleep(3)
    found = [name for name in kiln.instances() if '"idle"' in record(kiln, name)]
    for title, file in ("an instance: Deno, mean of 6", "pid"), ("its monitor (conmon), mean of 6", "conmon.pid"):
        sizes = [memory((kiln.state / "instances" / name / file).read_text().strip()) for name in found]
        print("{:46}{:10.1f}{:9.1f}".format(title, *(statistics.mean(column) for column in zip(*sizes))), flush=True)
    kiln.call("DELETE", "/func/idle")
    kiln.settle(2)


def restarts(kiln, table, rounds):
    for _ in range(rounds):
        table.add("stop", milliseconds(kiln.stop)[0])
        begin = time.perf_counter()
        table.add("kiln up, second start", kiln.start())
        kiln.call("GET", "/fn/bench")
        table.add("... until its function has answered", (time.perf_counter() - begin) * 1000)


def main():
    program, deno, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 60
    # Ended from outside, everything is still put away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    table = Table()
    with tempfile.TemporaryDirectory(prefix="kiln-bench-", dir="/var/tmp") as path, contextlib.ExitStack() as leaving:
        directory = pathlib.Path(path)
        leaving.callback(unmount, directory)
        with Kiln(program, deno, directory) as kiln:
            cost = deploys(kiln, table, directory, rounds)
            table.heading("Bake and push of a one-file function, base present")
            table.row("bare push", "bare push", "bare HTTP exchange, sessions opened ahead")
            table.row("bake + push", "bare push", "Kiln: bake + push")
            pairs = zip(table.values["bake + push"], table.values["bare push"])
            print(f"{'    median of the ratios within a round':46}{statistics.median(a / b for a, b in pairs):41.2f}")
            table.row("umoci + skopeo", "bake + push", "umoci + skopeo (ratio to Kiln)")
            table.row("buildah", "bake + push", "buildah, straight to it (ratio to Kiln)")
            table.row("bare opening", label="(bare: opening both sessions)")
            table.row("bare lookup", label="(bare: HEAD of the tag)")
            print(f"{'CPU of the Builder, a build':46}{cost:10.1f}")
            table.heading("POST to first 200 through the Router")
            table.row("POST to first 200", label="in all")
            for phase in "ticket", "body", "lookup", "check", "layer", "push", "build", "rollOut":
                table.row(phase, label=f"    {phase}")
            table.row("rest of the POST", label="    Router, sockets, client")
            table.row("first GET", label="    first GET")
            table.heading("Start of an instance, until it answers")
            table.row("plain process", "plain process", "the plain process")
            table.row("runc run", "plain process", "runc run, the same bundle")
            table.row("rollOut", "plain process", "Kiln: start, record, switch the traffic")
            table.row("podman run", "plain process", "podman run, no network")
            rollbacks(kiln, table, 25)
            table.heading("Rollback, POST to answer")
            table.row("rollback, revision stopped", label="to a revision that is stopped")
            table.row("rollback, revision draining", label="to a revision that still drains")
            idle_memory(kiln)
            restarts(kiln, table, 20)
            table.heading("Start of the platform with one function")
            for name in "kiln up, second start", "... until its function has answered", "stop":
                table.row(name)


main()
