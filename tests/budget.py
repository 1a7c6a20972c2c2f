#!/usr/bin/env python3
"""The time that tests/run.sh may take, and what took longest.

usage: tests/budget.py busy              cores that are busy now, over one second
       tests/budget.py judge PARTS HITS MISSES
           PARTS: a file of lines "part, seconds, busy cores before it, title", tab-separated;
           HITS, MISSES: of the compiler cache in this run. Exit 1: over the budget
       tests/budget.py slowest REPORT... the ten slowest tests of JUnit reports
       tests/budget.py --self-check
"""
import os
import sys
import time
import xml.etree.ElementTree as tree

# Seconds on two idle cores with a warm compiler cache.
BUDGET = {"setup": 120, "builds": 600, "unit": 180, "model": 180, "integration": 360,
          "asan": 300}
TESTS = ("unit", "model", "integration", "asan")
WANTED_CORES = 2
MOST_BUSY = 0.3        # cores that others use on an idle machine
WARM_SHARE = 0.8       # of compilations found in the cache
COLD_FACTOR = 2        # a cold cache comes with a machine that nobody has measured


def busy_cores(seconds=1.0):
    """Cores of the machine that anything used over the time."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            values = [int(word) for word in file.readline().split()[1:9]]
        return sum(values), values[3] + values[4]  # all, idle and waiting for a disk

    before = ticks()
    time.sleep(seconds)
    after = ticks()
    total = max(after[0] - before[0], 1)
    return (os.cpu_count() or 1) * (1 - (after[1] - before[1]) / total)


def judge(part, seconds, cores, busy, warm):
    """(what to print beside the seconds, is it a failure)"""
    budget = BUDGET[part]
    said = f"of {budget} s"
    if cores < WANTED_CORES:
        return f"{said}, not judged: {cores} core; want {WANTED_CORES}", False
    if busy > MOST_BUSY:
        return f"{said}, not judged: others used {busy:.1f} cores", False
    if not warm and part not in TESTS:
        return f"{said}, not judged: cold compiler cache", False
    limit = budget if warm else budget * COLD_FACTOR
    if seconds <= limit:
        late = seconds > budget
        return f"{said}{', over it: fails from twice (cold compiler cache)' if late else ''}", False
    return f"{said}, OVER BUDGET: want at most {limit} s", True


def is_warm(hits, misses):
    """Without a compilation nothing had to be found."""
    return hits + misses == 0 or hits / (hits + misses) >= WARM_SHARE


def judge_all(lines, cores, hits, misses):
    """(the report's lines, failures). The times of one part add up."""
    warm = is_warm(hits, misses)
    parts, report = {}, []
    for line in lines:
        part, seconds, busy, title = line.rstrip("\n").split("\t")
        report.append(f"{title:<24} {float(seconds):7.1f} s")
        if part in BUDGET:
            total, most = parts.get(part, (0.0, 0.0))
            parts[part] = (total + float(seconds), max(most, float(busy)))
    report.append(f"compiler cache: {hits} of {hits + misses} found")
    failures = 0
    for part, (seconds, busy) in parts.items():
        said, failed = judge(part, seconds, cores, busy, warm)
        report.append(f"budget: {part:<16} {seconds:7.1f} s {said}")
        failures += failed
    return report, failures


def slowest(paths, count=10):
    """The lines of the slowest tests of ctest's reports."""
    times = []
    for path in paths:
        preset = os.path.basename(path).removeprefix("ctest-").split("-")[0]
        for case in tree.parse(path).getroot().iter("testcase"):
            times.append((float(case.get("time") or 0), f"{preset}: {case.get('name')}"))
    return [f"slowest: {seconds:7.1f} s {name}" for seconds, name in sorted(times)[:-count - 1:-1]]


def self_check():
    wrong = []
    cases = [  # part, seconds, cores, busy, warm; a part of the words, fails
        (("unit", 100, 2, 0, True), "of 180 s", False),
        (("unit", 181, 2, 0, True), "OVER BUDGET", True),
        (("unit", 181, 1, 0, True), "not judged: 1 core", False),
        (("unit", 181, 2, 0.5, True), "not judged: others used 0.5 cores", False),
        (("unit", 181, 16, 0, False), "fails from twice", False),
        (("unit", 361, 2, 0, False), "OVER BUDGET: want at most 360", True),
        (("builds", 601, 2, 0, True), "OVER BUDGET", True),
        (("builds", 6010, 2, 0, False), "not judged: cold", False),
        (("setup", 121, 2, 0, True), "OVER BUDGET", True),
        (("setup", 600, 2, 0, False), "not judged: cold", False),
    ]
    for arguments, words, fails in cases:
        said, failed = judge(*arguments)
        if words not in said or failed != fails:
            wrong.append(f"judge{arguments}: want {words!r}, {fails}; got {said!r}, {failed}")
    for hits, misses, warm in ((0, 0, True), (80, 20, True), (79, 21, False), (0, 5, False)):
        if is_warm(hits, misses) != warm:
            wrong.append(f"is_warm({hits}, {misses}): want {warm}")
    lines = ["builds\t400\t0\tbuild release\n", "builds\t201\t0.1\tbuild asan\n",
             "-\t5\t0\tcompile cuda\n"]
    report, failures = judge_all(lines, 2, 9, 1)
    if failures != 1 or not any("601.0 s of 600 s, OVER" in line for line in report):
        wrong.append(f"builds add up: got {report}")
    if not 0 <= busy_cores(0.05) <= (os.cpu_count() or 1):
        wrong.append("busy_cores: out of range")
    return wrong, len(cases) + 6


def main():
    command, *rest = sys.argv[1:] or ["--self-check"]
    if command == "busy":
        print(f"{busy_cores():.2f}")
        return 0
    if command == "judge":
        with open(rest[0], encoding="utf-8") as file:
            report, failures = judge_all(file, len(os.sched_getaffinity(0)), int(rest[1]),
                                         int(rest[2]))
        print("\n".join(report))
        return 1 if failures else 0
    if command == "slowest":
        print("\n".join(slowest(rest)))
        return 0
    wrong, count = self_check()
    print("\n".join(wrong) or f"{count} checked, each as wanted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
