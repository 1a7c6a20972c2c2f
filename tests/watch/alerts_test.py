#!/usr/bin/env python3
"""The alert rules: promtool's checks, a case that fires and one that does not
for each, a runbook for each, and no metric that gistd does not export."""
import pathlib
import re
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "deploy/grafana")]

import panels  # noqa: E402
import running  # noqa: E402

PROMETHEUS = ROOT / "deploy/prometheus"
RULES = (PROMETHEUS / "alerts.yml").read_text(encoding="utf-8")
ALERTS = re.findall(r"- alert: (\w+)", RULES)
METRIC = re.compile(r"\bgist_\w+")


def promtool(*arguments):
    done = subprocess.run([running.tool("promtool"), *arguments],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def exported():
    """The names that a gistd exports, those of histograms' samples too."""
    names = set()
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    for name, kind in re.findall(r"^\| `(gist_\w+)` \| (\w+) ", text, re.M):
        tails = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names.update(name + tail for tail in tails)
    return names


class AlertsTest(unittest.TestCase):
    def test_there_are_alerts(self):
        self.assertGreater(len(ALERTS), 10)
        self.assertEqual(len(ALERTS), len(set(ALERTS)))

    def test_promtool_accepts_the_rules_and_the_configuration(self):
        for check in ("rules", "config"):
            name = {"rules": "alerts.yml", "config": "prometheus.yml"}[check]
            status, output = promtool("check", check, str(PROMETHEUS / name))
            self.assertEqual(status, 0, output)

    def test_alerts_fire_when_they_should_and_only_then(self):
        status, output = promtool("test", "rules",
                                  str(PROMETHEUS / "alerts_test.yml"))
        self.assertEqual(status, 0, output)

    def test_each_alert_has_both_cases(self):
        cases = (PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8")
        for alert in ALERTS:
            for end in ("fires", "stays quiet"):
                self.assertIn(f"name: {alert} {end}\n", cases)

    def test_each_alert_has_a_summary_and_a_runbook(self):
        runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
        sections = re.findall(r"^## (\w+)$", runbook, re.M)
        self.assertEqual(sections, ALERTS)
        for rule in RULES.split("- alert: ")[1:]:
            name = rule.split("\n")[0]
            self.assertIn("summary: ", rule)
            self.assertIn("severity: ", rule)
            self.assertIn(f"runbook: docs/runbook.md#{name.lower()}\n", rule)

    def test_rules_and_dashboards_name_metrics_that_are_exported(self):
        names = exported()
        self.assertGreater(len(names), 40)
        used = set(METRIC.findall(RULES))
        for panel in panels.load():
            for expression, _ in panel.targets:
                used |= set(METRIC.findall(expression))
        self.assertEqual(used - names, set())

    def test_every_metric_is_on_a_dashboard_or_in_a_rule(self):
        used = set(METRIC.findall(RULES))
        for panel in panels.load():
            for expression, _ in panel.targets:
                used |= set(METRIC.findall(expression))
        text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
        families = re.findall(r"^\| `(gist_\w+)` ", text, re.M)
        unseen = [f for f in families
                  if not any(name.startswith(f) for name in used)]
        self.assertEqual(unseen, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
