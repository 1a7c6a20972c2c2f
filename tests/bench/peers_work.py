"""The processes that tests/bench/peers.py times: both engines, gistd, and busy jobs."""
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "build/peers"
FORMS = ("f16", "q8_0", "q4_0", "q4_k")


class NotHere(Exception):
    """A job cannot run on this machine or with these files."""


class Driver:
    """A program that runs one job a line and answers each with a line of JSON."""

    def __init__(self, command):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)  # Ctrl-C is the caller's
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise NotHere(f"{' '.join(self.command)} ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise NotHere(answer["error"])
        return answer

    def run(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """The engine, in one process for each number of threads."""

    def __init__(self, options, model, text, adapter):
        self.command = [f"{options.build}/gist_engine_bench", model, text, "--adapter", adapter,
                        "--weights", options.weights]
        if options.instructions:
            self.command += ["--instructions", options.instructions]
        self.drivers = {}

    def driver(self, threads):
        if threads not in self.drivers:
            self.drivers[threads] = Driver([*self.command, "--threads", threads])
        return self.drivers[threads]

    def run(self, threads, *words):
        return self.driver(threads).run(*words)

    def close(self):
        for driver in self.drivers.values():
            driver.close()
        self.drivers = {}


class Peer:
    """The peer's `forms` of one file, or the file itself if they are None; each in a process
    of its own."""

    def __init__(self, model, text, work, forms):
        self.model, self.text, self.work, self.forms = model, text, work, forms
        self.drivers = {}

    @functools.cached_property
    def files(self):
        return {"file": self.model} if self.forms is None else forms_of(self.model, self.forms)

    def driver(self, form):
        if form not in self.drivers:
            folder = pathlib.Path(self.work, form)
            folder.mkdir(exist_ok=True)
            self.drivers[form] = Driver([PEERS / "llama_bench", self.files[form], self.text,
                                         folder])
        return self.drivers[form]

    def run(self, form, job, threads, *words):
        return self.driver(form).run(job, threads, *words)

    def close(self):
        for driver in self.drivers.values():
            driver.close()
        self.drivers = {}


def forms_of(model, forms):
    """{name: file}: `model` in other tensor types, made at the first use."""
    model = pathlib.Path(model)
    folder = PEERS / "forms" / f"{model.stem}-{model.stat().st_size}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for form in forms:
        files[form] = folder / f"{form}.gguf"
        if files[form].exists():
            continue
        print(f"making {files[form].name} of {model.name}", file=sys.stderr, flush=True)
        part = folder / f"{form}.part"
        done = subprocess.run([PEERS / "llama_bench", model, "--quantize", part, form],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{model}: no {form} form: {done.stderr or done.stdout}")
        part.rename(files[form])
    return files


class Gistd:
    """A server with its defaults and no data. `seconds`: from start to ready."""

    def __init__(self, build, *flags):
        self.gist = f"{build}/gist"
        self.folder = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(self.folder.name, "log")
        start = time.monotonic()
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [f"{build}/gistd", "--listen", "127.0.0.1:0", "--admin", "off",
                 "--drain-seconds", "0", "--data-dir", f"{self.folder.name}/data", *flags],
                stdout=out, stderr=out, cwd=ROOT)
        ready = None
        while not ready:
            ready = re.search(r"gistd ready listen=(\S+)", self.log.read_text(encoding="utf-8"))
            if self.process.poll() is not None:
                raise NotHere(self.log.read_text(encoding="utf-8")[-400:])
            time.sleep(0.005)
        self.seconds = time.monotonic() - start
        self.address = ready[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def bench(self, *flags):
        """What `gist bench` measured."""
        done = subprocess.run([self.gist, "--server", self.address, "--json", "bench",
                               *[str(flag) for flag in flags]], stdout=subprocess.PIPE, text=True)
        answer = json.loads(done.stdout or "{}")
        if done.returncode != 0:
            raise NotHere(f"gist bench: {answer.get('error', done.returncode)}")
        return answer

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        fields = fields.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", encoding="ascii")

    def megabytes(self, field):
        """Of /proc/PID/status: VmRSS, now; VmHWM, its peak since forget_peak."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024


class BusyJobs:
    """`count` processes that only compute."""

    def __init__(self, count):
        self.processes = [subprocess.Popen(["yes"], stdout=subprocess.DEVNULL)
                          for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def limits(build, threads):
    """What the processor and the memory can do at most now."""
    done = subprocess.run([f"{build}/gist_limits", str(threads)], capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def processor_name():
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown processor"


def sample_text(folder, characters):
    """A file of the sample essays, repeated."""
    sample = (ROOT / "deploy/sample/essays_en.txt").read_text(encoding="utf-8")
    path = pathlib.Path(folder, "text.txt")
    path.write_text((sample * (characters // len(sample) + 1))[:characters], encoding="utf-8")
    return path


def cpus():
    return len(os.sched_getaffinity(0))
