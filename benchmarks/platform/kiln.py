"""A platform of its own for the benchmark: `kiln up` with a state directory and ports that nobody else has."""
import http.client, json, os, pathlib, signal, subprocess, threading, time, urllib.parse

CLOCK_TICK = 1000 / os.sysconf("SC_CLK_TCK")


def milliseconds(work):
    """How long `work` takes, and what it returns."""
    begin = time.perf_counter()
    result = work()
    return (time.perf_counter() - begin) * 1000, result


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the platform does not come to rest")
        time.sleep(0.001)


class Kiln:
    def __init__(self, program, deno, directory, options=()):
        self.options = options
        self.program, self.deno, self.state = program, deno, pathlib.Path(directory, "state")
        self.log = pathlib.Path(directory, "kiln.log")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Returns the milliseconds until `kiln up` says that it is up."""
        address = self.state / "run/address"
        address.unlink(missing_ok=True)
        command = [self.program, "up", "--state-dir", self.state, "--listen", "127.0.0.1:0"]
        command += ["--registry-listen", "127.0.0.1:0", "--deno", self.deno, *self.options]
        begin = time.perf_counter()
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches this script, which then ends the platform in order.
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(lambda: address.exists() or self.process.poll() is not None, 60)
            if self.process.poll() is not None:
                raise SystemExit(self.log.read_text())
            took = (time.perf_counter() - begin) * 1000
            self.host = urllib.parse.urlsplit(address.read_text().strip()).netloc
        except BaseException:
            self.stop()
            raise
        configuration = (self.state / "run/registry.yml").read_text()
        self.registry = configuration.split('addr: "')[1].split('"')[0]
        return took

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def call(self, method, path, body=None):
        """One request on a connection of its own, as curl would make it."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return text

    def deploy(self, name, source, query=""):
        return json.loads(self.call("POST", f"/func?name={name}{query}", source))

    def deploy_and_look(self, name, source, query=""):
        """Deploys, and returns the answer with the new instance's bundle: its config.json, which exists only until the runtime has read it."""
        found, done = {}, threading.Event()

        def look():
            before = set(self.instances())
            started.set()
            while not done.is_set():
                for instance in set(self.instances()) - before - set(found):
                    try:
                        found[instance] = json.loads((self.state / "instances" / instance / "bundle/config.json").read_text())
                    except (OSError, ValueError):
                        pass
                time.sleep(0.0005)

        started = threading.Event()
        watch = threading.Thread(target=look)
        watch.start()
        started.wait()
        try:
            answer = self.deploy(name, source, query)
        finally:
            done.set()
            watch.join()
        return answer, next(iter(found.values()))

    def instances(self):
        """Ids of the containers that exist, the checker's included."""
        return sorted(path.name for path in (self.state / "instances").iterdir() if path.name.isalnum())

    def settle(self, count):
        """Waits until what was replaced is gone, so that its end is not measured with what follows."""
        wait_until(lambda: len(self.instances()) == count)
        time.sleep(0.05)

    def role(self, name):
        return int((self.state / f"run/{name}.pid").read_text().split()[0])


def cpu(process):
    """CPU milliseconds that a process has used, in steps of 10."""
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * CLOCK_TICK


def memory(process):
    """(RSS, PSS) in MiB: PSS counts a page that n processes share as 1/n."""
    lines = dict(line.split(":") for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:])
    return tuple(int(lines[key].split()[0]) / 1024 for key in ("Rss", "Pss"))
