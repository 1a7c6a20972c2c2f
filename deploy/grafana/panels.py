"""The panels of the dashboards, and their expressions answered by a Prometheus.

Used by draw.py and by tests/watch. Standard library alone.
"""
import dataclasses
import json
import math
import pathlib
import urllib.error
import urllib.parse
import urllib.request

DASHBOARDS = pathlib.Path(__file__).resolve().parent / "dashboards"


@dataclasses.dataclass
class Panel:
    dashboard: str
    row: str
    title: str
    unit: str
    stacked: bool
    targets: list  # (expression, legend)


def load(folder=DASHBOARDS):
    """The panels of all dashboards, in order."""
    panels = []
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        row = ""
        for panel in dashboard["panels"]:
            if panel["type"] == "row":
                row = panel["title"]
                continue
            defaults = panel["fieldConfig"]["defaults"]
            stacking = defaults["custom"]["stacking"]["mode"] == "normal"
            panels.append(Panel(dashboard["title"], row, panel["title"],
                                defaults["unit"], stacking,
                                [(target["expr"], target["legendFormat"])
                                 for target in panel["targets"]]))
    return panels


def filled(expression, rate_interval):
    """The expression as Grafana sends it, for all instances."""
    return (expression.replace("$__rate_interval", rate_interval)
            .replace("$instance", ".*"))


def legend(template, labels):
    for name, value in labels.items():
        template = template.replace("{{%s}}" % name, value)
    return template


class Prometheus:
    """The HTTP API of a Prometheus at `url`."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def get(self, path, **parameters):
        """The answer's data. Raises with Prometheus' own words."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            body = json.load(error)
        if body["status"] != "success":
            raise ValueError(f"{parameters}: {body['error']}")
        return body["data"]

    def lines(self, panel, start, end, step, rate_interval):
        """[(name, [(time, value)])] of a panel; values are finite."""
        lines = []
        for expression, template in panel.targets:
            data = self.get("query_range",
                            query=filled(expression, rate_interval),
                            start=start, end=end, step=step)
            for series in data["result"]:
                points = [(float(t), float(v)) for t, v in series["values"]]
                points = [p for p in points if math.isfinite(p[1])]
                if points:
                    name = legend(template, series["metric"])
                    lines.append((name, points))
        return lines
