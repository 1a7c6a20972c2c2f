#!/usr/bin/env python3
"""A real Prometheus watches a loaded gistd.

usage: tests/watch/watch_test.py GISTD_FAKE GIST [unittest options]

GISTD_FAKE is a gistd over the fake engine, which plays a GPU here; GIST the
command line. Prometheus and promtool are those of deploy/tools.sh.
"""
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "deploy/grafana")]

import panels  # noqa: E402
import running  # noqa: E402

BINARIES = sys.argv[1:3]
SECONDS = 12
STEP_MICROSECONDS = 1500
RATE_INTERVAL = "6s"
FLAGS = ["--device", "cuda:0", "--max-document-bytes", "100000",
         "--max-queue", "8"]
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# What a process has one value of, whatever is asked of it.
FIXED = {"device", "version", "model", "fingerprint"}


def series_of(page):
    """[(name, {label: value})] of a page in the text format."""
    found = []
    for line in page.splitlines():
        if line and not line.startswith("#"):
            name, labels, _ = SAMPLE.match(line).groups()
            found.append((name, dict(LABEL.findall(labels or ""))))
    return found


def documented_values():
    """{label: values} of docs/metrics.md."""
    values = {}
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    for line in text.split("## Values of the labels")[1].splitlines():
        if line.startswith("| `"):
            names, listed = line.split("|")[1:3]
            for name in re.findall(r"`(\w+)`", names):
                values[name] = set(re.findall(r"`(\w+)`", listed))
    protos = [path.read_text(encoding="utf-8")
              for path in (ROOT / "proto/gist/v1").glob("*.proto")]
    values["rpc"] = set(re.findall(r"^ *rpc (\w+)", "".join(protos), re.M))
    values["code"] = set(
        "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND "
        "ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED "
        "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL "
        "UNAVAILABLE DATA_LOSS UNAUTHENTICATED".split())
    return values


class WatchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        try:
            cls.start()
        except BaseException:
            cls.stack.close()
            raise

    @classmethod
    def start(cls):
        folder = pathlib.Path(
            cls.stack.enter_context(running.temporary_folder()))
        gistd, gist = BINARIES
        cls.gistd = cls.stack.enter_context(
            running.Gistd(gistd, folder / "gistd", *FLAGS,
                          step_microseconds=STEP_MICROSECONDS))
        prometheus = cls.stack.enter_context(
            running.PrometheusProcess(folder / "prometheus", cls.gistd.admin))
        cls.prometheus = panels.Prometheus(prometheus.url)
        cls.load = running.Load(gist, cls.gistd, folder / "load")
        cls.begin = time.time()
        cls.load.rounds(workers=4, seconds=SECONDS)
        time.sleep(2)  # a last scrape
        cls.end = time.time()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def test_the_load_met_only_errors_that_it_asked_for(self):
        refused = [u for u in self.load.unexpected
                   if "RESOURCE_EXHAUSTED" not in u[2]]
        self.assertEqual(refused, [])
        self.assertGreater(self.load.calls, 40)

    def test_every_expression_of_every_panel_returns_data(self):
        expressions = 0
        for panel in panels.load():
            for target in panel.targets:
                with self.subTest(panel=panel.title, expression=target[0]):
                    panel.targets = [target]
                    lines = self.prometheus.lines(
                        panel, self.begin, self.end, 1, RATE_INTERVAL)
                    self.assertTrue(lines, "no finite value")
                    for name, _ in lines:
                        self.assertNotIn("{{", name, "the legend has a label "
                                         "that the series lacks")
                    expressions += 1
        self.assertGreater(expressions, 50)

    def test_every_rule_evaluates(self):
        names = set()
        for group in self.prometheus.get("rules")["groups"]:
            for rule in group["rules"]:
                names.add(rule["name"])
                with self.subTest(rule=rule["name"]):
                    self.assertEqual(rule["health"], "ok",
                                     rule.get("lastError"))
        alerts = (ROOT / "deploy/prometheus/alerts.yml").read_text()
        self.assertEqual(names, set(re.findall(r"alert: (\w+)", alerts)))
        self.assertGreater(len(names), 10)

    def test_a_sound_server_raises_no_alert(self):
        firing = [alert["labels"]["alertname"]
                  for alert in self.prometheus.get("alerts")["alerts"]
                  if alert["state"] == "firing"]
        self.assertEqual(firing, [])

    def test_the_scrape_is_whole(self):
        [target] = self.prometheus.get("targets")["activeTargets"]
        self.assertEqual((target["health"], target["lastError"]), ("up", ""))

    def test_promtool_finds_nothing_to_say(self):
        page = self.gistd.page()
        ours = "".join(line + "\n" for line in page.splitlines()
                       if "exposer_" not in line)
        done = subprocess.run([running.tool("promtool"), "check", "metrics"],
                              input=ours, capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_labels_have_documented_values_alone(self):
        allowed = documented_values()
        seen = {}
        for name, labels in series_of(self.gistd.page()):
            if name.startswith("exposer_"):
                continue
            for label, value in labels.items():
                seen.setdefault(label, set()).add(value)
        for label, values in seen.items():
            with self.subTest(label=label):
                if label in FIXED:
                    self.assertEqual(len(values), 1, values)
                elif label == "le":
                    self.assertLess(len(values), 80)
                else:
                    self.assertLessEqual(values, allowed[label])

    def test_strangers_add_no_series(self):
        before = {(n, *sorted(l.items()))
                  for n, l in series_of(self.gistd.page())}
        for number in range(20):
            self.load.run("ask", f"ctx_stranger{number}", f"Who {number}?",
                          wanted=(1,))
            self.load.run("contexts", "get", f"ctx_{number}\"x", wanted=(1,))
        after = {(n, *sorted(l.items()))
                 for n, l in series_of(self.gistd.page())}
        new = {series for series in after - before
               if dict(series[1:]).get("rpc") not in ("Ask", "GetContext")}
        self.assertEqual(new, set())
        self.assertLess(len(after - before), 60)

    def test_components_add_up_to_what_the_device_says(self):
        total, used = 0, None
        for line in self.gistd.page().splitlines():
            if line.startswith("gist_device_memory_bytes{"):
                total += float(line.split()[-1])
            if line.startswith("gist_device_memory_used_bytes{"):
                used = float(line.split()[-1])
        self.assertEqual(total, used)

    def test_the_log_is_one_object_a_line_and_has_no_text(self):
        lines = self.gistd.lines()
        calls = [line for line in lines if "rpc" in line]
        self.assertGreaterEqual(len(calls), self.load.calls)
        for line in calls:
            self.assertLessEqual(
                {"ts", "level", "request_id", "mode", "code", "seconds"},
                set(line))
        asks = [line for line in calls
                if line["rpc"] == "Ask" and line["code"] == "OK"]
        self.assertEqual({line["mode"] for line in asks},
                         {"gist", "full", "rag", "hybrid"})
        for line in asks:
            self.assertGreater(line["answer_tokens"], 0)
            self.assertGreater(line["kv_bytes"], 0)
        self.assertNotIn(running.MARK, json.dumps(lines))
        self.assertNotIn(running.MARK, self.gistd.page())


class CpuTest(unittest.TestCase):
    def test_device_memory_is_absent_on_a_cpu(self):
        with running.temporary_folder() as folder:
            with running.Gistd(BINARIES[0], folder) as gistd:
                page = gistd.page()
                self.assertNotIn("gist_device_memory", page)
                self.assertIn('device="cpu"', page)
                self.assertIn("gist_ready 1\n", page)
                self.assertEqual(gistd.stop(), 0)


if __name__ == "__main__":
    if len(BINARIES) != 2:
        sys.exit(__doc__)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
