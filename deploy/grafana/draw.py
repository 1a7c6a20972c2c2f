#!/usr/bin/env python3
"""Draws the dashboards' panels without Grafana, as one SVG.

usage: deploy/grafana/draw.py PROMETHEUS_URL OUT.svg [--seconds N] [--note TEXT]

Asks the Prometheus at PROMETHEUS_URL each panel's expressions over the last N
seconds (default 600). What is drawn are the panels' definitions; Grafana draws
them in its own way. Standard library alone.
"""
import argparse
import html
import math
import pathlib
import time

from panels import Prometheus, load

COLUMNS, WIDTH, HEIGHT, GAP = 4, 344, 224, 12
HEAD, ROW = 64, 34
LEFT, RIGHT, TOP, LEGEND = 58, 12, 34, 46
COLORS = ["#3274a1", "#e1812c", "#3a923a", "#c03d3e", "#9372b2", "#845b53",
          "#d684bd", "#7f7f7f", "#a9aa35", "#2eabb8"]
UNITS = {"reqps": "/s", "ops": "/s", "short": ""}


def text(x, y, words, size=11, fill="#333", anchor="start", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}" '
            f'text-anchor="{anchor}" font-weight="{weight}">'
            f"{html.escape(words)}</text>")


def number(value):
    """Three digits at most."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def scaled(value, steps):
    """`steps`: (least value, divisor, unit), the largest first."""
    for least, divisor, unit in steps:
        if abs(value) >= least:
            return number(value / divisor) + " " + unit
    return "0"


def shown(value, unit):
    if value == 0:
        return "0"
    if unit == "percentunit":
        return number(value * 100) + " %"
    if unit == "s":
        return scaled(value, [(60, 60, "min"), (1, 1, "s"), (1e-3, 1e-3, "ms"),
                              (0, 1e-6, "µs")])
    if unit in ("bytes", "Bps"):
        tail = "/s" if unit == "Bps" else ""
        return scaled(value, [(2**30, 2**30, "GiB"), (2**20, 2**20, "MiB"),
                              (2**10, 2**10, "KiB"), (0, 1, "B")]) + tail
    return scaled(value, [(1e6, 1e6, "M"), (1e3, 1e3, "k"),
                          (0, 1, "")]).strip() + UNITS[unit]


def nice_top(value, unit):
    """The end of an axis that has `value` on it, and its number of parts."""
    if unit == "percentunit":
        return 1.0, 4
    if value <= 0:
        return 1.0, 2
    base = 2**10 if unit in ("bytes", "Bps") else 1
    scale = base ** math.floor(math.log(value, base)) if base > 1 else 1
    value /= scale
    power = 10 ** math.floor(math.log10(value))
    for step, parts in ((1, 4), (1.5, 3), (2, 4), (3, 3), (4, 4), (6, 3),
                        (8, 4), (10, 4)):
        if value <= step * power * 1.0001:
            return step * power * scale, parts
    raise AssertionError(value)


def stacked(lines):
    """Each line on top of those before; of lines with the same times."""
    below, out = {}, []
    for name, points in lines:
        points = [(t, v + below.get(t, 0)) for t, v in points]
        below.update(points)
        out.append((name, points))
    return out


class Plot:
    """One panel's axes, from `start` to `end` and from 0 to `top`."""

    def __init__(self, x, y, start, end, top):
        self.left, self.right = x + LEFT, x + WIDTH - RIGHT
        self.top, self.bottom = y + TOP, y + HEIGHT - LEGEND
        self.start, self.end, self.most = start, end, top

    def place(self, t, value):
        share = (t - self.start) / (self.end - self.start)
        height = min(1, max(0, value / self.most))
        return (self.left + share * (self.right - self.left),
                self.bottom - height * (self.bottom - self.top))

    def path(self, points):
        places = [self.place(*point) for point in points]
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def axes(plot, unit, parts):
    out = []
    for i in range(parts + 1):
        value = plot.most * i / parts
        _, y = plot.place(plot.start, value)
        out.append(f'<path d="M{plot.left} {y:.1f}H{plot.right}" '
                   'stroke="#e4e4e4"/>')
        out.append(text(plot.left - 6, y + 4, shown(value, unit), 10, "#666",
                        "end"))
    seconds = plot.end - plot.start
    for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        x = plot.left + share * (plot.right - plot.left)
        ago = seconds * (1 - share)
        out.append(text(x, plot.bottom + 13,
                        f"-{ago:.0f} s" if ago else "now", 9, "#888", anchor))
    return out


def legend_of(lines, x, y):
    """Names in two lines at most; what does not fit is counted."""
    out, at, line = [], x + 10, 0
    for i, (name, _) in enumerate(lines):
        width = 18 + sum(7.6 if c.isupper() or c == "_" else 6 for c in name)
        if at + width > x + WIDTH - 40:
            if line == 1:
                out.append(text(at, y + 13 * line, f"+{len(lines) - i}", 10,
                                "#666"))
                break
            at, line = x + 10, 1
        color = COLORS[i % len(COLORS)]
        out.append(f'<rect x="{at:.0f}" y="{y + 13 * line - 5:.0f}" width="9" '
                   f'height="3" fill="{color}"/>')
        out.append(text(at + 12, y + 13 * line, name, 10, "#444"))
        at += width
    return out


def draw_panel(panel, lines, x, y, start, end):
    out = [f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4" '
           'fill="#fff" stroke="#d8d8d8"/>',
           text(x + 10, y + 20, panel.title, 13, "#222", weight="bold")]
    if panel.stacked:
        lines = stacked(lines)
    most = max((v for _, points in lines for _, v in points), default=0)
    top, parts = nice_top(most, panel.unit)
    plot = Plot(x, y, start, end, top)
    out += axes(plot, panel.unit, parts)
    drawn = list(enumerate(lines))
    for i, (_, points) in reversed(drawn) if panel.stacked else drawn:
        color = COLORS[i % len(COLORS)]
        path = plot.path(points)
        if panel.stacked:
            first, last = plot.place(*points[0]), plot.place(*points[-1])
            area = (f"{path}L{last[0]:.1f} {plot.bottom}"
                    f"L{first[0]:.1f} {plot.bottom}Z")
            out.append(f'<path d="{area}" fill="{color}"/>')
        else:
            out.append(f'<path d="{path}" fill="none" stroke="{color}" '
                       'stroke-width="1.6" stroke-linejoin="round"/>')
    if not lines:
        out.append(text(x + WIDTH / 2, y + HEIGHT / 2, "no data", 13, "#a33",
                        "middle"))
    return out + legend_of(lines, x, y + HEIGHT - 20)


def draw(source, seconds, rate_interval, note):
    """The whole picture."""
    end = time.time()
    start = end - seconds
    step = max(1, round(seconds / 60))
    body, y, row, column = [], HEAD, None, 0
    for panel in load():
        if (panel.dashboard, panel.row) != row:
            row = (panel.dashboard, panel.row)
            y += (HEIGHT + GAP if column else 0)
            column = 0
            body.append(text(GAP, y + 22, f"{panel.row}", 16, "#111",
                             weight="bold"))
            body.append(text(WIDTH * COLUMNS + GAP * COLUMNS, y + 22,
                             panel.dashboard, 12, "#777", "end"))
            y += ROW
        lines = source.lines(panel, start, end, step, rate_interval)
        body += draw_panel(panel, lines, GAP + column * (WIDTH + GAP), y,
                           start, end)
        column += 1
        if column == COLUMNS:
            y, column = y + HEIGHT + GAP, 0
    y += HEIGHT + GAP if column else 0
    width = GAP + COLUMNS * (WIDTH + GAP)
    caption = ("Drawn by deploy/grafana/draw.py from the panels' definitions, "
               "not by Grafana.")
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{y}" viewBox="0 0 {width} {y}" '
            'font-family="DejaVu Sans,Verdana,sans-serif">',
            f'<rect width="{width}" height="{y}" fill="#f4f5f5"/>',
            text(GAP, 28, "gistd's dashboards", 20, "#111", weight="bold"),
            text(GAP, 50, f"{caption} {note}".strip(), 12, "#555")]
    return "\n".join(head + body + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("prometheus")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate-interval", default="1m")
    parser.add_argument("--note", default="")
    options = parser.parse_args()
    options.out.write_text(
        draw(Prometheus(options.prometheus), options.seconds,
             options.rate_interval, options.note), encoding="utf-8")


if __name__ == "__main__":
    main()
