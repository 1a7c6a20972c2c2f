"""A gistd over the fake engine, a load on it, and a Prometheus that scrapes it.

Standard library alone. Everything ends with the `with` block that it was made
in.
"""
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / "third_party/prometheus"
# Python and gRPC would ask a proxy of the environment for 127.0.0.1 too.
os.environ["no_proxy"] = ",".join(
    filter(None, [os.environ.get("no_proxy"), "127.0.0.1"]))
MARK = "zanzibar"  # is in every document, and must be in no log and no metric


def tool(name):
    path = TOOLS / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; deploy/tools.sh brings it")
    return str(path)


class Process:
    """A process with its output in a file; SIGTERM, then SIGKILL."""

    def __init__(self, command, log, environment=None):
        self.log = pathlib.Path(log)
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=dict(os.environ, **(environment or {})))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def wait_for(self, ready, seconds=60):
        """What `ready` returns as soon as that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := ready():
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{self.process.args[0]} is not ready:\n"
                           + self.log.read_text(errors="replace")[-2000:])


class Gistd(Process):
    def __init__(self, binary, folder, *flags, step_microseconds=0):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        super().__init__(
            [binary, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
             "--log-format", "json", "--data-dir", str(self.folder / "data"),
             *flags], self.folder / "gistd.log",
            {"GIST_FAKE_STEP_MICROSECONDS": str(step_microseconds)})
        ready = self.wait_for(self.ready)
        self.address, self.admin = ready["listen"], ready["admin"]

    def lines(self):
        """The log's objects. Raises on a line that is no JSON."""
        text = self.log.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def ready(self):
        whole = self.log.read_text(encoding="utf-8").split("\n")[:-1]
        for line in map(json.loads, whole):
            if line.get("msg") == "gistd ready":
                return line
        return None

    def page(self):
        url = f"http://{self.admin}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()


class PrometheusProcess(Process):
    def __init__(self, folder, target, interval="1s"):
        folder = pathlib.Path(folder)
        folder.mkdir(exist_ok=True)
        config = folder / "prometheus.yml"
        shipped = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
        config.write_text(
            shipped.replace("15s", interval).replace("gistd:9090", target)
            .replace("alerts.yml", str(ROOT / "deploy/prometheus/alerts.yml")))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{address}"
        super().__init__(
            [tool("prometheus"), f"--config.file={config}",
             f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address={address}", "--log.level=warn"],
            folder / "prometheus.log")
        self.wait_for(self.is_ready)

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=5):
                return True
        except OSError:
            return False


class Load:
    """Clients of all kinds at once, through the command line."""

    def __init__(self, gist, server, folder):
        self.gist, self.server = gist, server
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.calls, self.unexpected = 0, []
        self.lock = threading.Lock()

    def run(self, *arguments, wanted=(0,)):
        done = subprocess.run(
            [self.gist, "--json", "--server", self.server.address, *arguments],
            capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL)
        with self.lock:
            self.calls += 1
            if done.returncode not in wanted:
                self.unexpected.append((arguments, done.returncode,
                                        done.stdout + done.stderr))
        return done.stdout

    def document(self, name, words):
        path = self.folder / f"{name}.txt"
        path.write_text(f"{MARK} of {name}. "
                        + "It is known that all is well. " * (words // 7))
        return str(path)

    def compress(self, name, words):
        answer = self.run("compress", self.document(name, words))
        return json.loads(answer).get("context_id")

    def round(self, worker, number):
        """Each method and mode once, and each kind of mistake."""
        name = f"{worker}-{number}"
        context = self.compress(name, 60 + 90 * (number % 5))
        if context is None:
            return  # refused, which run() has noted
        for mode in ("gist", "full", "rag", "hybrid", "full"):
            self.run("ask", "--mode", mode, context, f"What of {MARK}?")
        self.compress(name, 60 + 90 * (number % 5))  # it is there already
        self.run("compare", context, "All well?", wanted=(0, 1))  # or BUSY
        self.run("ask", f"ctx_{name}", "Who?", wanted=(1,))  # NOT_FOUND
        self.run("contexts", "list")
        self.run("contexts", "get", context)
        out = str(self.folder / f"{name}.safetensors")
        self.run("contexts", "export", "--force", context, "--out", out)
        self.run("contexts", "import", out)
        if number % 3 == 2:
            self.run("contexts", "delete", context)
        self.run("compress", self.document(f"large-{worker}", 40000),
                 wanted=(1,))
        self.run("info")

    def train(self, name, steps):
        self.run("train", "--preset", "tiny", "--generate", "niah", "--name",
                 name, "--steps", str(steps))

    def rounds(self, workers, seconds, train_steps=400):
        """At least one round of each worker, and trainings beside them; raises
        what a worker raised."""
        end = time.monotonic() + seconds
        failures = []

        def work(worker):
            try:
                number = 0
                while number == 0 or time.monotonic() < end:
                    self.round(worker, number)
                    number += 1
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        def train():
            number = 0
            while number == 0 or time.monotonic() < end:
                self.train(f"watched-{number}", train_steps)
                number += 1

        threads = [threading.Thread(target=work, args=(w,))
                   for w in range(workers)]
        threads.append(threading.Thread(target=train))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]


def temporary_folder():
    return tempfile.TemporaryDirectory(prefix="gist_watch_")
