#!/usr/bin/env python3
"""Times the engine and gistd beside llama.cpp, job by job in turns.

tests/bench/peers.sh builds what this wants, then calls it. Parts, in this order:
  prefill   tokens read, causally and in segments, by length
  decode    one answer: after 64 tokens, after 4,096, after gists
  batch     8 answers at once
  restore   first token of a stored context of 4,000 and 8,000 tokens
  inject    gists of 64 contexts into one prompt
  busy      two threads over one, beside two jobs that only compute
  kquant    decode and prefill of --k-quant FILE as it is
  compress  Compress of 8,000 tokens over its bare prefill, through gistd
  grpc      what gRPC adds to the engine's time
  memory    resident memory of gistd, idle and while it reads 8,000 tokens
  start     seconds from start to ready
  long      Compress at 32,000 tokens over 2,000; only if named: minutes a round
A figure is wall time with --threads threads on both sides; of the peer the better of one
and --threads threads and the best of its files, chosen by one trial. Beside it stands the
processor time of one thread, which other jobs on the machine change less.
"""
import argparse
import json
import os
import signal
import sys
import tempfile

import peers_goals
import peers_report
from peers_goals import LENGTHS, Row
from peers_work import (FORMS, ROOT, BusyJobs, Gistd, NotHere, Ours, Peer, cpus, limits,
                        processor_name, sample_text)

MODEL = ROOT / "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf"
PARTS = ("prefill", "decode", "batch", "restore", "inject", "busy", "kquant", "compress", "grpc",
         "memory", "start", "long")
STEPS = 48            # of a decode that is timed
PREFIX = 64           # tokens in front of it
QUESTION = 21         # tokens behind a stored context
KEPT = 2              # of the peer's files and threads, after the trial
TEXT_CHARACTERS = 60_000  # more than 8,192 tokens


class Run:
    def __init__(self, options, text, work):
        self.options, self.text, self.work = options, text, work
        self.rows, self.limits, self.round = {}, [], 0
        self.ours = Ours(options, options.model, text, options.adapter)
        self.peer = Peer(options.model, text, work, FORMS)
        self.chosen = {}  # by peer and job: [(form, threads)]
        self.clock = "seconds" if options.clock == "wall" else "processor_seconds"
        self.quant = None

    def close(self):
        for side in (self.ours, self.peer, *(self.quant or ())):
            side.close()

    def row(self, key, what, **more):
        return self.rows.setdefault(key, Row(what, **more))

    # ---- ours and the peer's in turns

    def choose(self, peer, job, words):
        """The best files and threads of the peer for this kind of job, by one trial."""
        if (peer, job) in self.chosen:
            return self.chosen[peer, job]
        trials = []
        for form in peer.files:
            for threads in sorted({1, self.options.threads}):
                took = peer.run(form, job, threads, *words)[self.clock]
                trials.append((took, form, threads))
        trials.sort(key=lambda trial: trial[0])
        note(f"   trial of {job}: " + ", ".join(f"{form}/{threads} {took:.2f} s"
                                                for took, form, threads in trials))
        self.chosen[peer, job] = [trial[1:] for trial in trials[:KEPT]]
        return self.chosen[peer, job]

    def pair(self, row, mine, job, words, amount, trial=None, sides=None):
        """One round of a job on both sides. `mine`: the words of ours; `amount`: tokens, or
        None for a row in milliseconds."""
        ours, peer = sides or (self.ours, self.peer)
        chosen = self.choose(peer, job, trial or words)

        def value(took, clock=self.clock):
            return 1e3 * took[clock] if amount is None else amount / took[clock]

        def time_ours():
            row.ours.append(value(ours.run(self.options.threads, *mine)))

        def time_peer():
            for form, threads in chosen:
                took = peer.run(form, job, threads, *words)
                name = form if form == "file" else form.upper()
                row.theirs.setdefault(f"{name}, {threads} threads", []).append(value(took))

        for side in (time_ours, time_peer) if self.round % 2 == 0 else (time_peer, time_ours):
            side()
        if self.round < self.options.one_thread:
            form = chosen[0][0]
            row.our_processor.append(value(ours.run(1, *mine), "processor_seconds"))
            took = peer.run(form, job, 1, *words)
            row.their_processor.append(value(took, "processor_seconds"))

    def prefill(self):
        about = self.ours.driver(self.options.threads).about
        for length in self.options.tokens:
            tokens = min(length, about["max_context_tokens"] - about["prefix_tokens"])
            row = self.row(f"prefill_{length}", f"prefill {tokens:,}, causal")
            self.pair(row, ("prefill", tokens), "prefill", (tokens,), tokens, trial=(512,))
            segments = self.row(f"segments_{length}", f"prefill {tokens:,}, segments")
            self.segments(segments, row, tokens)

    def segments(self, row, causal, tokens):
        """The peer's figures are those of `causal`: it has no such way to read."""
        took = self.ours.run(self.options.threads, "segments", tokens)
        row.ours.append(tokens / took[self.clock])
        row.theirs = causal.theirs
        if self.round < self.options.one_thread:
            took = self.ours.run(1, "segments", tokens)
            row.our_processor.append(tokens / took["processor_seconds"])
            row.their_processor = causal.their_processor

    def decode(self):
        words = (PREFIX, STEPS)
        short = self.row("decode", f"decode after {PREFIX} tokens")
        self.pair(short, ("decode", *words, 1), "decode", words, STEPS)
        peers = [("decode_gists", short)]
        if not self.options.quick:
            long = self.row("decode_4096", "decode after 4,096 tokens")
            self.pair(long, ("decode", 4096, STEPS, 1), "decode", (4096, STEPS), STEPS)
            peers.append(("decode_gists_over_4096", long))
        took = self.ours.run(self.options.threads, "decode_gists", STEPS)
        for key, peer in peers:
            what = "decode after gists, peer after " + peer.what.split("after ")[1]
            row = self.row(key, what)
            row.ours.append(STEPS / took[self.clock])
            row.theirs = peer.theirs

    def batch(self):
        row = self.row("batch", "decode, 8 answers at once")
        self.pair(row, ("decode", PREFIX, STEPS, 8), "batch", (PREFIX, STEPS, 8), 8 * STEPS)

    def restore(self):
        for tokens in (4000, 8000)[:1 if self.options.quick else 2]:
            row = self.row(f"restore_{tokens}", f"stored {tokens:,} tokens to first token",
                           unit="ms", higher_is_better=False)
            words = (tokens, QUESTION)
            if self.round == 0:  # makes what is stored: not timed
                self.ours.run(self.options.threads, "restore", *words)
            self.pair(row, ("restore", *words), "restore", words, None, trial=(1000, QUESTION))

    def inject(self):
        row = self.row("inject", "gists of 64 contexts injected", unit="ms",
                       higher_is_better=False)
        if self.round == 0:
            self.ours.run(self.options.threads, "inject", 1)
        took = self.ours.run(self.options.threads, "inject", 64)
        row.ours.append(1e3 * took[self.clock])

    def kquant(self):
        if not self.options.k_quant:
            raise NotHere("no --k-quant FILE")
        if self.quant is None:
            self.quant = (Ours(self.options, self.options.k_quant, self.text, "off"),
                          Peer(self.options.k_quant, self.text, self.work, None))
        self.pair(self.row("kquant_decode", "K-quant file, decode"),
                  ("decode", PREFIX, STEPS, 1), "decode", (PREFIX, STEPS), STEPS,
                  sides=self.quant)
        self.pair(self.row("kquant_prefill", "K-quant file, prefill 512"), ("prefill", 512),
                  "prefill", (512,), 512, sides=self.quant)

    # ---- ours alone

    def busy(self):
        """The lesser gain of reading and of decoding."""
        row = self.row("busy", "two threads over one, beside two busy jobs", unit="x")
        jobs = (("prefill", 512), ("decode", PREFIX, 24, 1))
        for threads in (1, 2):
            self.ours.driver(threads)
        with BusyJobs(2):
            gains = []
            for job in jobs:
                order = (1, 2) if self.round % 2 == 0 else (2, 1)
                took = {threads: self.ours.run(threads, *job)["seconds"] for threads in order}
                gains.append(took[1] / took[2])
        note(f"   busy: reading x {gains[0]:.2f}, decoding x {gains[1]:.2f}")
        row.ours.append(min(gains))

    def gistd(self, *flags):
        return Gistd(self.options.build, "--model", self.options.model, "--threads",
                     str(self.options.threads), *flags)

    def compress(self):
        row = self.row("compress_over_prefill", "Compress over its bare prefill at 8,000",
                       unit="x", higher_is_better=False)
        with self.gistd() as server:
            found = server.bench("--only", "compress", "--lengths", 8000, "--rounds", 1)
        row.ours.append(found["compress"][0]["over_prefill"]["median"])

    def grpc(self):
        row = self.row("grpc", "gRPC over engine", unit="ms", higher_is_better=False)
        with self.gistd() as server:
            found = server.bench("--only", "first_token", "--lengths", 500, "--modes", "gist",
                                 "--rounds", 1, "--repeats", 60)
        row.ours.append(1e3 * found["overhead_seconds"]["median"])

    def memory(self):
        if self.round > 0:
            return  # it hardly differs
        with self.gistd() as server:
            idle = server.megabytes("VmRSS")
            server.forget_peak()
            server.bench("--only", "compress", "--lengths", 8000, "--rounds", 1)
            peak = server.megabytes("VmHWM")
        self.row("memory_idle", "resident memory, idle", unit="MB",
                 higher_is_better=False).ours.append(idle)
        self.row("memory_8000", "resident memory, reading 8,000 tokens", unit="MB",
                 higher_is_better=False).ours.append(peak)

    def start(self):
        row = self.row("start", "start to ready", unit="s", higher_is_better=False)
        if self.round == 0:  # fills the page cache
            with self.gistd():
                pass
        with self.gistd() as server:
            row.ours.append(server.seconds)

    def long(self):
        row = self.row("compress_long", "Compress tokens/s at 32,000 over 2,000", unit="x")
        with self.gistd() as server:
            short, long = (self.compress_speed(server, tokens) for tokens in (2000, 32000))
        row.ours.append(long / short)

    def compress_speed(self, server, tokens):
        """Tokens a second of one Compress."""
        used = server.processor_seconds()
        found = server.bench("--only", "compress", "--lengths", tokens, "--rounds", 1)
        found = found["compress"][0]
        if self.clock == "seconds":
            return found["tokens_per_second"]["median"]
        return found["tokens"] / (server.processor_seconds() - used)


def note(text):
    print(text, file=sys.stderr, flush=True)


def run_rounds(run, parts, rounds):
    """A part that cannot run leaves its reason in its goals' rows."""
    left = list(parts)
    for run.round in range(rounds):
        run.limits.append(limits(run.options.build, run.options.threads))
        for part in list(left):
            note(f"round {run.round + 1} of {rounds}: {part}")
            try:
                getattr(run, part)()
            except NotHere as error:
                note(f"   not here: {error}")
                left.remove(part)
                for goal in peers_goals.all_goals():
                    if goal.part == part:
                        run.row(goal.row, goal.text).why_not = str(error)


def report(run, path):
    print(peers_report.text(run, processor_name(), cpus()))
    if path:
        with open(path, "w", encoding="utf-8") as out:
            json.dump(peers_report.data(run, processor_name()), out, indent=1)


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all but long")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "5")))
    parser.add_argument("--threads", type=int, default=2, help="of both sides (default 2)")
    parser.add_argument("--one-thread", type=int, default=1, metavar="N",
                        help="rounds that also count one thread's processor time (default 1)")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall",
                        help="processor: one thread on both sides, by its processor time, for "
                        "a machine that does other work too")
    parser.add_argument("--tokens", help="lengths of prefill (default: 512,2048,4096,8192; "
                        "with --quick the first two)")
    parser.add_argument("--quick", action="store_true",
                        help="leave out decoding after 4,096 tokens and the stored 8,000")
    parser.add_argument("--model", default=str(MODEL), help="GGUF file (default: gistd's own)")
    parser.add_argument("--adapter", help="gist adapter (default: adapters/default for the "
                        "default model, else off)")
    parser.add_argument("--weights", default="auto", help="the engine's --weights")
    parser.add_argument("--instructions", default="",
                        help="avx2 or avx512: of the engine alone, the peer keeps its best")
    parser.add_argument("--k-quant", help="GGUF file of K-quants, for the part kquant")
    parser.add_argument("--json", help="file for the figures of all rounds")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--self-check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.tokens = ([int(length) for length in options.tokens.split(",")] if options.tokens
                      else LENGTHS[:2] if options.quick else LENGTHS)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; want {', '.join(PARTS)}")
    options.parts = [part for part in PARTS if part in (options.parts or PARTS[:-1])]
    if options.clock == "processor":
        options.threads, options.one_thread = 1, 0
    if options.adapter is None:
        same = os.path.realpath(options.model) == os.path.realpath(MODEL)
        options.adapter = "adapters/default" if same else "off"
    return options


def main():
    options = parse()
    if options.self_check:
        wrong = peers_goals.self_check() + peers_report.self_check()
        print("\n".join(wrong) or "each as wanted")
        return 1 if wrong else 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as work:
        run = Run(options, sample_text(work, TEXT_CHARACTERS), work)
        try:
            run_rounds(run, options.parts, options.rounds)
        except KeyboardInterrupt:
            note("stopped: the rows so far")
        try:
            report(run, options.json)
        finally:
            run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
