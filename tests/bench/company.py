#!/usr/bin/env python3
"""Compares two builds of gistd: seconds of Compress and of Ask, idle and in company.

usage: tests/bench/company.py BEFORE AFTER [--tokens N,...] [--rounds N] [--busy N]

BEFORE and AFTER are the folders build/release of two checkouts. Both servers run with two threads
and take turns. --busy starts that many jobs that only compute. A line gives minimum,
median and maximum of each; the ratio is of one round's pair, BEFORE over AFTER.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHARACTERS = 4.3  # of a token of the sample text


class Server:
    def __init__(self, folder, work):
        self.gist = f"{folder}/gist"
        log = pathlib.Path(work, "log")
        command = [f"{folder}/gistd", "--listen", "127.0.0.1:0", "--admin", "off",
                   "--drain-seconds", "0", "--threads", "2", "--embedder", "off",
                   "--data-dir", f"{work}/data"]
        with open(log, "w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        ready = None
        while not ready:
            ready = re.search(r"gistd ready listen=(\S+)", log.read_text())
            if self.process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.1)
        self.address = ready[1]

    def call(self, *arguments, text=None):
        done = subprocess.run([self.gist, "--server", self.address, "--json", *arguments],
                              input=text, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
        return done.stdout

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = fields.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def measure(server, name, text):
    """{what: (wall seconds, processor seconds)}"""
    taken = {}

    def timed(what, *arguments, **more):
        start, used = time.monotonic(), server.processor_seconds()
        answer = server.call(*arguments, **more)
        taken[what] = (time.monotonic() - start, server.processor_seconds() - used)
        return answer

    made = timed("compress", "compress", "-", text=f"Copy {name}.\n{text}")
    context = re.search(r'"context_id": *"([^"]+)"', made)[1]  # in any layout of JSON
    timed("ask", "ask", context, "What is the secret passkey?")
    return taken


def spread(values):
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def compare(servers, tokens, rounds):
    sample = (ROOT / "deploy/sample/essays_en.txt").read_text()
    text = (sample * 20)[:int(tokens * CHARACTERS)]
    results = []
    for number in range(rounds):
        pair = {}
        for side in ("before", "after") if number % 2 == 0 else ("after", "before"):
            name = f"{time.time_ns()}-{side}"
            pair[side] = measure(servers[side], name, text)
        results.append(pair)
    for what in ("compress", "ask"):
        for kind, label in enumerate(("wall", "processor")):
            before = [pair["before"][what][kind] for pair in results]
            after = [pair["after"][what][kind] for pair in results]
            ratios = [b / max(a, 0.01) for b, a in zip(before, after)]
            print(f"{tokens:6} {what:9} {label:10} before {spread(before)}  "
                  f"after {spread(after)}  ratio {spread(ratios)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--tokens", default="2000,8000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=0)
    options = parser.parse_args()
    busy, servers = [], {}
    with tempfile.TemporaryDirectory() as work:
        try:
            for side in ("before", "after"):
                os.mkdir(f"{work}/{side}")
                folder = pathlib.Path(getattr(options, side)).resolve()
                servers[side] = Server(folder, f"{work}/{side}")
            for _ in range(options.busy):
                busy.append(subprocess.Popen(["yes"], stdout=subprocess.DEVNULL))
            for tokens in options.tokens.split(","):
                compare(servers, int(tokens), options.rounds)
            for side, server in servers.items():
                print(f"resident {side}: {server.resident():.0f} MB")
        finally:
            for process in busy:
                process.kill()
            for server in servers.values():
                server.stop()


if __name__ == "__main__":
    main()
