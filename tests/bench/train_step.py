#!/usr/bin/env python3
"""One optimizer step: core/train against the prototype's algorithm in PyTorch.

usage: tests/bench/train_step.py [--runs N] [--threads N]

Four documents of 4,096 tokens put together from read segments, two of which are
new; ten gists in two blocks; a question of 14 and an answer of 8 tokens each. The
three take turns in one run. Prints a Markdown table: seconds, minimum / median /
maximum, and where the median step's processor time goes. Wants
build/release/gist_train_step (deploy/build.sh release gist_train_step) and the
packages of tests/reference/requirements.txt.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))

import gguf_model  # noqa: E402
from prototype_step import Prototype  # noqa: E402

MODEL = ROOT / "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf"
DOCUMENTS, TOKENS, SEGMENT, FRESH = 4, 4096, 256, 2
GISTS, BLOCKS, OVERLAP, POOL = 10, 2, 32, 16
QUESTION, ANSWER = 14, 8
PHASES = ("prefill", "write", "read", "backward", "optimizer")


class Ours:
    def __init__(self, threads, *flags):
        self.process = subprocess.Popen(
            [ROOT / "build/release/gist_train_step", MODEL, "--threads",
             str(threads), "--documents", str(DOCUMENTS), "--tokens",
             str(TOKENS), "--fresh", str(FRESH), "--gists", str(GISTS), *flags],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Theirs:
    def __init__(self):
        model, vocabulary = gguf_model.load(MODEL)
        self.vocab = model.config.vocab
        self.random = random.Random(1)
        self.prototype = Prototype(model, vocabulary.prefix(), SEGMENT, GISTS,
                                   BLOCKS, OVERLAP)
        self.pool = []
        while len(self.pool) < POOL:
            self.pool += self.prototype.read_segments(self.ids(4, SEGMENT))

    def ids(self, *shape):
        return torch.randint(self.vocab, shape)

    def step(self):
        documents = [[self.random.randrange(POOL)
                      for _ in range(TOKENS // SEGMENT)]
                     for _ in range(DOCUMENTS)]
        start = time.perf_counter()
        phases = self.prototype.step(
            self.pool, self.ids(FRESH, SEGMENT), documents,
            self.ids(DOCUMENTS, QUESTION).tolist(),
            self.ids(DOCUMENTS, ANSWER).tolist())
        return {"wall": time.perf_counter() - start,
                "cpu": sum(phases.values()), **phases}


def spread(runs, key):
    values = [run[key] for run in runs]
    return (f"{min(values):.2f} / {statistics.median(values):.2f} / "
            f"{max(values):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sides = {"prototype, float32": Theirs(), "ours, float32": Ours(args.threads),
             "ours, bfloat16_base": Ours(args.threads, "--bfloat16")}
    runs = {name: [] for name in sides}
    for turn in range(args.runs + 1):
        for name, side in sides.items():
            run = side.step()
            if turn > 0:  # the first warms up
                runs[name].append(run)
    base = {key: statistics.median(r[key] for r in runs["prototype, float32"])
            for key in ("wall", "cpu")}
    print("| step | wall seconds | share | processor seconds | share | "
          + " | ".join(PHASES) + " |")
    print("|---" * (5 + len(PHASES)) + "|")
    for name, taken in runs.items():
        medians = {key: statistics.median(r[key] for r in taken)
                   for key in ("wall", "cpu", *PHASES)}
        print(f"| {name} | {spread(taken, 'wall')} "
              f"| {medians['wall'] / base['wall']:.2f} "
              f"| {spread(taken, 'cpu')} | {medians['cpu'] / base['cpu']:.2f} | "
              + " | ".join(f"{medians[p]:.2f}" for p in PHASES) + " |")


if __name__ == "__main__":
    main()
