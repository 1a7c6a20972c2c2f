"""The goals of tests/bench/peers.py, and whether the rows of a run meet them.

Plain data and arithmetic: nothing here runs a job.
"""
import dataclasses
import statistics

LENGTHS = (512, 2048, 4096, 8192)
CAUSAL = dict(zip(LENGTHS, (1.2, 1.4, 1.5, 1.5)))
SEGMENTS = dict(zip(LENGTHS, (1.2, 1.5, 2.0, 2.0)))


@dataclasses.dataclass
class Row:
    """What the rounds of one job gave."""
    what: str
    unit: str = "tokens/s"
    higher_is_better: bool = True
    ours: list = dataclasses.field(default_factory=list)
    theirs: dict = dataclasses.field(default_factory=dict)  # a list for each file and threads
    # Of runs with one thread, in `unit`, by their processor seconds.
    our_processor: list = dataclasses.field(default_factory=list)
    their_processor: list = dataclasses.field(default_factory=list)
    why_not: str = ""  # what kept the job from running

    def best(self):
        """The name of the peer's best file by its median; None without one."""
        pick = max if self.higher_is_better else min
        names = [name for name, values in self.theirs.items() if values]
        return pick(names, key=lambda name: statistics.median(self.theirs[name]), default=None)

    def ratios(self):
        """Of each round, how many times better ours is than the peer's best file."""
        best = self.best()
        if best is None:
            return []
        return [self.ratio(mine, other) for mine, other in zip(self.ours, self.theirs[best])]

    def processor_ratio(self):
        """Likewise, of the medians by one thread's processor time; None without them."""
        if not self.our_processor or not self.their_processor:
            return None
        return self.ratio(statistics.median(self.our_processor),
                          statistics.median(self.their_processor))

    def ratio(self, mine, other):
        return mine / other if self.higher_is_better else other / mine


@dataclasses.dataclass(frozen=True)
class Goal:
    """`figure` of `row` is at least or at most `bound`."""
    text: str
    part: str     # of the command line, that runs it
    row: str
    figure: str   # "ratio": median; "ours": median; "least": of all rounds
    bound: float
    at_least: bool = True
    unit: str = "x"


def all_goals():
    yield Goal("decode, one answer", "decode", "decode", "ratio", 1.0)
    yield Goal("decode behind gists over the peer's after 4,096 tokens", "decode",
               "decode_gists_over_4096", "ratio", 5.0)
    yield Goal("decode, 8 answers at once", "batch", "batch", "ratio", 1.5)
    for tokens, bound in CAUSAL.items():
        yield Goal(f"prefill {tokens:,}, causal", "prefill", f"prefill_{tokens}", "ratio", bound)
    for tokens, bound in SEGMENTS.items():
        yield Goal(f"prefill {tokens:,}, segments (not the same computation)", "prefill",
                   f"segments_{tokens}", "ratio", bound)
    for tokens, bound in ((4000, 8.0), (8000, 16.0)):
        yield Goal(f"first token of a stored context of {tokens:,}", "restore",
                   f"restore_{tokens}", "ratio", bound)
    yield Goal("Compress over its bare prefill at 8,000", "compress", "compress_over_prefill",
               "ours", 1.03, False)
    yield Goal("Compress tokens/s at 32,000 over 2,000", "long", "compress_long", "ours", 0.9)
    yield Goal("resident memory, idle", "memory", "memory_idle", "ours", 300, False, "MB")
    yield Goal("resident memory, reading 8,000 tokens", "memory", "memory_8000", "ours", 600,
               False, "MB")
    yield Goal("start to ready, warm page cache", "start", "start", "ours", 0.6, False, "s")
    yield Goal("two threads over one, beside two busy jobs, in every round", "busy", "busy",
               "least", 0.9)
    yield Goal("gRPC over engine, median", "grpc", "grpc", "ours", 2.0, False, "ms")
    yield Goal("gists of 64 contexts injected", "inject", "inject", "ours", 10.0, False, "ms")
    yield Goal("K-quant file, decode", "kquant", "kquant_decode", "ratio", 1.0)
    yield Goal("K-quant file, prefill 512", "kquant", "kquant_prefill", "ratio", 1.0)


def figure_of(goal, row):
    """The number that `goal` is about; None where `row` has none."""
    if row is None:
        return None
    values = row.ratios() if goal.figure == "ratio" else row.ours
    if not values:
        return None
    return min(values) if goal.figure == "least" else statistics.median(values)


def verdict(goal, rows):
    """("met" | "missed" | "not here", the figure or None, why there is none)"""
    row = rows.get(goal.row)
    figure = figure_of(goal, row)
    if figure is None:
        why = row.why_not if row is not None and row.why_not else f"part {goal.part} did not run"
        return "not here", None, why
    kept = figure >= goal.bound if goal.at_least else figure <= goal.bound
    return ("met" if kept else "missed"), figure, ""


def verdict_line(goal, rows):
    said, figure, why = verdict(goal, rows)
    sign = ">=" if goal.at_least else "<="
    found = why if figure is None else f"{figure:.4g} {goal.unit}".replace(" x", "x")
    wanted = f"{sign} {goal.bound:g} {goal.unit}".replace(" x", "x")
    return f"{said:<9} {goal.text}: {found}; want {wanted}"


def self_check():
    """What is wrong with the arithmetic above; an empty list: nothing."""
    fast = Row("f", ours=[90.0, 100.0, 110.0], theirs={"a": [50.0, 60.0, 50.0], "b": [40.0] * 3})
    slow = Row("s", higher_is_better=False, ours=[2.0, 4.0], theirs={"a": [8.0, 8.0]})
    alone = Row("alone", ours=[0.95, 0.89, 1.2])
    absent = Row("absent", why_not="no file")
    rows = {"f": fast, "s": slow, "alone": alone, "absent": absent}
    cases = [
        (Goal("", "p", "f", "ratio", 1.8), "met"),
        (Goal("", "p", "f", "ratio", 1.81), "missed"),
        (Goal("", "p", "s", "ratio", 3.0), "met"),
        (Goal("", "p", "alone", "ours", 0.95, False), "met"),
        (Goal("", "p", "alone", "least", 0.9), "missed"),
        (Goal("", "p", "alone", "ratio", 1.0), "not here"),
        (Goal("", "p", "absent", "ours", 1.0), "not here"),
        (Goal("", "p", "other", "ours", 1.0), "not here"),
    ]
    wrong = [f"{goal}: want {wanted}, got {verdict(goal, rows)}" for goal, wanted in cases
             if verdict(goal, rows)[0] != wanted]
    if fast.best() != "a" or slow.best() != "a" or alone.best() is not None:
        wrong.append("best: want a, a and None")
    names = [goal.row for goal in all_goals()]
    if len(names) != len(set(names)):
        wrong.append("two goals read one row")
    return wrong
