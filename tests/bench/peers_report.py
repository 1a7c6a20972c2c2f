"""What tests/bench/peers.py prints and writes of a run."""
import statistics

from peers_goals import Row, all_goals, verdict, verdict_line


def spread(values):
    """"min / median / max"; "-" of none."""
    if not values:
        return "-"
    return " / ".join(number(value) for value in
                      (min(values), statistics.median(values), max(values)))


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" if value >= 100 else f"{value:.3g}"


def table(lines):
    """Columns side by side, the first to the left."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(
        [line[0].ljust(widths[0]), *(word.rjust(width) for word, width in
                                     zip(line[1:], widths[1:]))]).rstrip() for line in lines)


def row_line(row):
    best = row.best()
    ratio = row.processor_ratio()
    processor = "-"
    if row.our_processor:
        processor = number(statistics.median(row.our_processor))
        if ratio:
            processor += f" : {number(statistics.median(row.their_processor))} = {ratio:.2f}x"
    return [row.what, row.unit, spread(row.ours), spread(row.theirs.get(best, [])), best or "-",
            spread(row.ratios()), processor]


def rows_table(rows):
    head = ["min / median / max", "unit", "ours", "peer, best", "file", "ratio",
            "one thread, processor time"]
    return table([head, *(row_line(row) for row in rows.values() if row.ours)])


def median_limits(limits):
    """{threads: {what: median of all rounds}}"""
    return {threads: {what: statistics.median(one["threads"][threads][what] for one in limits)
                      for what in figures}
            for threads, figures in limits[-1]["threads"].items()}


def share_lines(run, limits):
    """What part of the machine's limits the products of the layers reach."""
    most = limits[str(run.options.threads)]
    yield ["limits, threads", "float32 GFLOP/s", "int8 GOP/s", "read GB/s"]
    for threads, figures in limits.items():
        yield [threads, *(number(figures[what]) for what in
                          ("float32_gflops", "int8_gops", "read_gbytes"))]
    abouts = [driver.about for driver in run.peer.drivers.values()]
    if not abouts:
        return
    operations = 2e-9 * abouts[0]["layer_parameters"]  # billions a token
    for key, row in run.rows.items():
        for side, values in (("ours", row.ours), ("peer", row.theirs.get(row.best(), []))):
            if not values or (side == "peer" and key.startswith("segments")):
                continue
            speed = statistics.median(values)
            if key.startswith(("prefill_", "segments_")):
                yield [f"{row.what}, {side}", percent(speed * operations, most["float32_gflops"]),
                       percent(speed * operations, most["int8_gops"]), "-"]
            elif key == "decode":
                held = bytes_of(run, row, side)
                yield [f"{row.what}, {side}", "-", "-",
                       percent(speed * held * 1e-9, most["read_gbytes"])]


def bytes_of(run, row, side):
    """Of the weights, which each decoded token reads once."""
    if side == "ours":
        return run.ours.drivers[run.options.threads].about["weight_bytes"]
    form = row.best().split(",")[0].lower()
    return run.peer.drivers[form].about["bytes"]


def percent(value, of):
    return f"{100 * value / of:.0f} %" if of else "-"


def header(run, processor, cpus):
    instructions = run.limits[-1]["instructions"] or "no kernel here"
    versions = {driver.about["version"] for driver in run.peer.drivers.values()}
    kernels = f", kernels {run.options.instructions}" if run.options.instructions else ""
    return (f"{processor}, {instructions}, {cpus} CPUs; {run.options.threads} threads, "
            f"{run.options.clock} time, {len(run.limits)} rounds, {run.options.model.rsplit('/', 1)[-1]}, weights "
            f"{run.options.weights}{kernels}; libllama {', '.join(versions) or 'did not run'}")


def text(run, processor, cpus):
    limits = median_limits(run.limits)
    return "\n\n".join([header(run, processor, cpus), rows_table(run.rows),
                        table(list(share_lines(run, limits))),
                        "\n".join(verdict_line(goal, run.rows) for goal in all_goals())])


def data(run, processor):
    goals = []
    for goal in all_goals():
        said, figure, why = verdict(goal, run.rows)
        goals.append({"goal": goal.text, "verdict": said, "figure": figure, "why": why,
                      "bound": goal.bound, "at_least": goal.at_least, "unit": goal.unit})
    rows = {key: {"what": row.what, "unit": row.unit, "ours": row.ours, "peer": row.theirs,
                  "best": row.best(), "ratios": row.ratios(),
                  "our_processor": row.our_processor, "peer_processor": row.their_processor}
            for key, row in run.rows.items()}
    return {"processor": processor, "instructions": run.limits[-1]["instructions"],
            "threads": run.options.threads, "clock": run.options.clock, "rounds": len(run.limits), "limits": run.limits,
            "model": run.options.model, "weights": run.options.weights, "rows": rows,
            "goals": goals}


def self_check():
    row = Row("f", ours=[90.0, 1234.5, 110.0], theirs={"a": [45.0, 617.25, 55.0]},
              our_processor=[50.0], their_processor=[25.0])
    line = row_line(row)
    wanted = ["f", "tokens/s", "90 / 110 / 1,234", "45 / 55 / 617.2", "a", "2 / 2 / 2",
              "50 : 25 = 2.00x"]
    wrong = [] if line == wanted else [f"row_line: want {wanted}, got {line}"]
    limits = [{"threads": {"1": {"a": value}}} for value in (1, 5, 2)]
    if median_limits(limits) != {"1": {"a": 2}}:
        wrong.append("median_limits: want the median of each figure")
    return wrong
