#!/usr/bin/env python3
"""Runs the engine's main jobs of two builds in turns and looks for losses.

usage: tests/bench/compare.py BEFORE AFTER [--rounds N] [--limit SHARE] [--clock wall|processor]

BEFORE and AFTER are the folders build/release of two checkouts; tests/bench/compare.sh makes
both. A job is measured once more, up to three times, while its median is more than the limit
slower. Exit 1: all three were. The default clock counts one thread's processor time, which
other jobs on the machine change little.
"""
import argparse
import statistics
import sys
import tempfile

from peers_report import number, spread, table
from peers_work import ROOT, Driver, sample_text

MODEL = ROOT / "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf"
MEASUREMENTS = 3
# name: words of gist_engine_bench
JOBS = {
    "prefill 512": ("prefill", 512),
    "segments 2,048": ("segments", 2048),
    "compress 1,024": ("compress", 1024),
    "decode after 64": ("decode", 64, 32, 1),
    "decode after 1,024": ("decode", 1024, 32, 1),
    "8 answers": ("decode", 64, 24, 8),
    "decode after gists": ("decode_gists", 32),
    "gists to first token": ("restore", 1000, 21),
    "gists of 64 contexts": ("inject", 64),
}


def measure(before, after, words, rounds, clock):
    """([seconds before], [seconds after], [after over before] of each round)"""
    taken = {before: [], after: []}
    for number_of_round in range(rounds):
        order = (before, after) if number_of_round % 2 == 0 else (after, before)
        for run in order:
            taken[run].append(run(*words)[clock])
    ratios = [b / a for a, b in zip(taken[before], taken[after])]
    return taken[before], taken[after], ratios


def judge(measure_once, limit):
    """(the last measurement, how many were made, is it a loss)"""
    for count in range(1, MEASUREMENTS + 1):
        measured = measure_once()
        if statistics.median(measured[2]) <= 1 / (1 - limit):
            return measured, count, False
    return measured, MEASUREMENTS, True


def compare(before, after, options):
    clock = "seconds" if options.clock == "wall" else "processor_seconds"
    lines = [["milliseconds: min / median / max", "before", "after", "speed, after over before",
              "measured", ""]]
    losses = 0
    for name, words in JOBS.items():
        for run in (before, after):
            run(*words)  # makes what is stored, touches the memory
        measured, count, lost = judge(
            lambda: measure(before, after, words, options.rounds, clock), options.limit)
        print(name + (": LOSS" if lost else ": kept"), file=sys.stderr, flush=True)
        losses += lost
        lines.append([name, *(spread([1e3 * value for value in side]) for side in measured[:2]),
                      spread([1 / ratio for ratio in measured[2]]), str(count),
                      "LOSS" if lost else "kept"])
    return lines, losses


def self_check():
    wrong = []
    for medians, limit, wanted in (
            ([1.05], 0.1, (1, False)), ([1.2, 1.0], 0.1, (2, False)),
            ([1.2, 1.15, 1.3], 0.1, (3, True)), ([1.12, 1.2, 1.11], 0.1, (3, False)),
            ([0.5], 0.1, (1, False))):
        left = iter(medians)
        got = judge(lambda: ([], [], [next(left)]), limit)[1:]
        if got != wanted:
            wrong.append(f"judge{medians}: want {wanted}, got {got}")
    order = []
    before = lambda: order.append("b") or {"seconds": 2.0}
    after = lambda: order.append("a") or {"seconds": 1.0}
    if measure(before, after, (), 2, "seconds")[2] != [0.5, 0.5] or order != ["b", "a", "a", "b"]:
        wrong.append(f"measure: want both in turns, got {order}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", nargs="?")
    parser.add_argument("after", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=0.1, help="loss of speed (default 0.1)")
    parser.add_argument("--clock", choices=("wall", "processor"), default="processor")
    parser.add_argument("--threads", type=int, help="default: 1, or 2 by the wall clock")
    parser.add_argument("--self-check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.self_check:
        wrong = self_check()
        print("\n".join(wrong) or "each as wanted")
        return 1 if wrong else 0
    if not options.after:
        parser.error("want two folders, BEFORE and AFTER")
    threads = options.threads or (2 if options.clock == "wall" else 1)
    with tempfile.TemporaryDirectory() as work:
        text = sample_text(work, 20_000)
        drivers = [Driver([f"{build}/gist_engine_bench", MODEL, text, "--threads", threads])
                   for build in (options.before, options.after)]
        try:
            lines, losses = compare(drivers[0].run, drivers[1].run, options)
        finally:
            for driver in drivers:
                driver.close()
    print(table(lines))
    print(f"{losses} of {len(JOBS)} jobs lost more than {number(100 * options.limit)} %, "
          f"{options.clock} time, {threads} threads")
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
