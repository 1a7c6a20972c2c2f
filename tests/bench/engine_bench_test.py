#!/usr/bin/env python3
"""Every job of gist_engine_bench, on a tiny model with an adapter.

usage: tests/bench/engine_bench_test.py PROGRAM
"""
import json
import subprocess
import sys

MODEL = "tests/data/tiny/tiny.f32.gguf"
ADAPTER = "tests/data/tiny/adapter_blocks"
TEXT = "deploy/sample/document.txt"
# A job, and the members that its answer has beside its seconds; None: an error.
JOBS = [
    ("prefill 64", set()),
    ("prefill 270", set()),  # 256 and 14: the last chunk may not wait
    ("segments 64", set()),
    ("compress 64", {"gist_seconds"}),
    ("decode 8 4 2", set()),
    ("decode_gists 3", set()),
    ("restore 64 5", {"load_seconds", "bytes"}),
    ("inject 3", set()),
    ("prefill 31", None),       # it would wait for Decode
    ("prefill 100000", None),   # more than the text has
    ("prefill 500", None),      # more than the model's context holds
    ("nonsense", None),
    ("prefill 64", set()),      # an error ends no run
]


def main():
    done = subprocess.run(
        [sys.argv[1], MODEL, TEXT, "--adapter", ADAPTER, "--threads", "1"],
        input="".join(job + "\n" for job, _ in JOBS), capture_output=True, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [] if done.returncode == 0 else [f"status {done.returncode}: {done.stderr}"]
    if len(answers) != 1 + len(JOBS) or "max_context_tokens" not in answers[0]:
        wrong.append(f"want one line about the model and {len(JOBS)} answers, got {answers}")
    for (job, more), answer in zip(JOBS, answers[1:]):
        wanted = {"error"} if more is None else {"seconds", "processor_seconds"} | more
        timed = [value for key, value in answer.items() if key.endswith("seconds")]
        if set(answer) != wanted or any(value <= 0 for value in timed):
            wrong.append(f"{job}: want {sorted(wanted)}, got {answer}")
    print("\n".join(wrong) or f"{len(JOBS)} jobs, each as wanted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
