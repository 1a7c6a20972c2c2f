#!/usr/bin/env python3
"""Draws docs/rooms.svg: the folders of the sources and who may include whom.

usage: docs/draw_rooms.py           writes docs/rooms.svg
       docs/draw_rooms.py --check   exit 1 if the file differs from the table

The arrows come from tests/layering.py. An arrow that follows from others is
left out, and so are arrows to core/base and server/support, which everything
above them may use. A dashed arrow goes through named headers only.
"""
import importlib.util
import pathlib
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/rooms.svg"
# Below each name; a room without a line here shows its name alone.
CAPTIONS = {
    "server": "main, config",
    "server/grpc": "all of gRPC",
    "server/serving": "use cases",
    "server/scheduling": "jobs, fairness, KV pool",
    "server/retrieval": "question to passages",
    "server/training": "jobs, adapters",
    "server/contexts": "retention, backup",
    "server/telemetry": "metrics, logs, admin",
    "server/support": "errors, auth, files",
    "core/engine": "the seam: engine.h",
    "core/train": "gradients, recipes",
    "core/model": "weights to logits and KV",
    "core/compress": "methods of compression",
    "core/embed": "sentence encoder",
    "core/retrieval": "chunks, BM25, HNSW",
    "core/scoring": "answers to numbers",
    "core/data": "text to learn from",
    "core/gist": "who attends to whom",
    "core/text": "tokenizers, templates",
    "core/format": "GGUF, safetensors",
    "core/kernels": "products of few bits",
    "core/hf": "Hugging Face folders",
    "core/hub": "models from a hub",
    "core/base": "plain values, hashes",
    "storage": "RocksDB, blobs",
    "proto": "the wire contract",
    "client": "the C++ library",
    "client/bench": "gist bench",
    "client/cli": "gist",
    "client/eval": "gist eval",
    "client/examples": "first calls",
    "client/terminal": "terminal, files",
    "client/tools": "gist-plan, -train, -data",
}
COMMON = ("core/base", "server/support")  # used by everything above them
COLOURS = {"server": "#dbe9f6", "core": "#e3f1de", "storage": "#f8e7c9",
           "client": "#f3dfe9", "proto": "#e6e6ea"}
FRAMES = {"server": "#f6fafd", "core": "#f8fcf6", "storage": "#fefaf0",
          "client": "#fdf8fb", "proto": "#fafafb"}
INK, LINE, PAPER = "#1f2933", "#6b7785", "#ffffff"
WIDTH, HEIGHT, GAP_X, GAP_Y = 150, 42, 16, 30
FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"


def load_layering():
    spec = importlib.util.spec_from_file_location(
        "layering", ROOT / "tests/layering.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def room_of(pattern):
    """The folder of a pattern: core/train/passes/ belongs to core/train."""
    parts = pattern.split("/")
    if parts[0] in ("storage", "proto") or len(parts) == 2 and parts[1] != "":
        return parts[0]
    return "/".join(parts[:2]).rstrip("/")


def targets(layering, room, pattern, rooms):
    """Rooms that `pattern` opens to `room`."""
    top = pattern.rstrip("/")
    if top in ("client", "server") and pattern.endswith("/"):
        barred = [barred for above, folders in layering.BARRED
                  if layering.re.match(above, room + "/a") for barred in folders]
        return [each for each in rooms
                if (each == top or each.startswith(pattern))
                and each + "/" not in barred]
    return [room_of(pattern)]


def arrows(layering):
    """{room: {room that it may include: True if by named headers only}}"""
    rooms = sorted({room_of(part) for part, _ in layering.ARROWS} | {"proto"})
    graph = {room: {} for room in rooms}
    for part, allowed in layering.ARROWS:
        room = room_of(part)
        for pattern in allowed:
            by_header = not pattern.endswith("/")
            for target in targets(layering, room, pattern, rooms):
                if target != room and target in graph:
                    graph[room][target] = by_header and graph[room].get(
                        target, True)
    return graph


def reachable(graph, room):
    seen, todo = set(), [room]
    while todo:
        for target in graph[todo.pop()]:
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def reduced(graph):
    """Without arrows that follow from others, and without those to COMMON."""
    drawn = []
    for room, allowed in graph.items():
        for target, by_header in allowed.items():
            if target in COMMON:
                continue
            if not any(target in reachable(graph, other)
                       for other in allowed if other != target):
                drawn.append((room, target, by_header))
    return drawn


def inside(graph, top):
    """Rooms of one top folder and the arrows between them."""
    rooms = [room for room in graph if room.split("/")[0] == top]
    return {room: {target: by_header for target, by_header in graph[room].items()
                   if target in rooms} for room in rooms}


def levels(graph):
    """{room: how many arrows the longest way down has}"""
    found = {}

    def level(room):
        if room not in found:
            found[room] = 0
            found[room] = 1 + max(map(level, graph[room]), default=-1)
        return found[room]

    for room in graph:
        level(room)
    return found


def chains(graph, level):
    """Each drawn arrow as a chain of items, one for each level it crosses."""
    for room, target, by_header in reduced(graph):
        between = [(room, target, each)
                   for each in range(level[room] - 1, level[target], -1)]
        yield [room, *between, target], by_header


def rows_of(graph):
    """(rows of items, the top first; chains). An item that is no room is the
    place where a long arrow passes a row. Parents come over their children."""
    level = levels(graph)
    found = list(chains(graph, level))
    rows = [[] for _ in range(max(level.values()) + 1)]
    for room in sorted(graph):
        rows[level[room]].append(room)
    for chain, _ in found:
        for item in chain[1:-1]:
            rows[item[2]].append(item)
    rows = rows[::-1]
    parents = {}
    for chain, _ in found:
        for above, below in zip(chain, chain[1:]):
            parents.setdefault(below, []).append(above)
    place = {}
    for row in rows:
        row.sort(key=lambda item: (
            sum(place[each] for each in parents.get(item, [])) /
            max(1, len(parents.get(item, []))), str(item)))
        for index, item in enumerate(row):
            place[item] = (index + 0.5) / len(row)
    return rows, found


def wide(item):
    return WIDTH if isinstance(item, str) else 16


class Frame:
    """One top folder: its rooms, placed, in a box with its name."""

    def __init__(self, graph, top):
        self.top = top
        rows, self.chains = rows_of(inside(graph, top))
        self.width = max(sum(map(wide, row)) + GAP_X * (len(row) + 1)
                         for row in rows)
        self.height = len(rows) * (HEIGHT + GAP_Y) + 14
        self.spots = {}
        for y, row in enumerate(rows):
            free = (self.width - sum(map(wide, row))) / (len(row) + 1)
            x = free
            for item in row:
                self.spots[item] = (x, 30 + y * (HEIGHT + GAP_Y))
                x += wide(item) + free

    def move(self, left, top):
        self.left, self.upper = left, top
        self.spots = {item: (x + left, y + top)
                      for item, (x, y) in self.spots.items()}

    def draw(self):
        yield (f"<rect x='{self.left:.0f}' y='{self.upper:.0f}' "
               f"width='{self.width:.0f}' height='{self.height:.0f}' rx='10' "
               f"fill='{FRAMES[self.top]}' stroke='{COLOURS[self.top]}'/>")
        yield (f"<text x='{self.left + 12:.0f}' y='{self.upper + 20:.0f}' "
               f"font-size='13' text-anchor='start' fill='{LINE}'>"
               f"{self.top}/</text>")
        for chain, by_header in self.chains:
            yield arrow(self.points(chain), by_header)
        for item, spot in self.spots.items():
            if isinstance(item, str):
                yield from box(item, spot)

    def points(self, chain):
        """Where an arrow leaves, passes rows, and ends."""
        spots = [self.spots[item] for item in chain]
        points = [(spots[0][0] + WIDTH / 2, spots[0][1] + HEIGHT)]
        for x, y in spots[1:-1]:
            points += [(x + 8, y - 2), (x + 8, y + HEIGHT + 2)]
        return points + [(spots[-1][0] + WIDTH / 2, spots[-1][1] - 3)]


def box(room, spot):
    x, y = spot
    colour = COLOURS[room.split("/")[0]]
    caption = CAPTIONS.get(room, "")
    name_y = y + (18 if caption else 26)
    yield (f"<rect x='{x:.0f}' y='{y:.0f}' width='{WIDTH}' height='{HEIGHT}' "
           f"rx='6' fill='{colour}' stroke='{LINE}'/>")
    yield (f"<text x='{x + WIDTH / 2:.0f}' y='{name_y:.0f}' font-size='13' "
           f"font-weight='bold'>{escape(room)}</text>")
    if caption:
        yield (f"<text x='{x + WIDTH / 2:.0f}' y='{y + 34:.0f}' "
               f"font-size='11'>{escape(caption)}</text>")


def arrow(points, by_header=False, weight=1.2):
    path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x1, y1), (x2, y2) in zip(points, points[1:]):
        bend = (y2 - y1) / 2
        path += (f" C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} "
                 f"{x2:.0f} {y2:.0f}")
    dash = " stroke-dasharray='5 4'" if by_header else ""
    return (f"<path d='{path}' fill='none' stroke='{LINE}' "
            f"stroke-width='{weight}' marker-end='url(#head)'{dash}/>")


def between(layering, source, target):
    """Folders of `target` that `source` may include; * marks named headers."""
    whole, headers = set(), set()
    for part, allowed in layering.ARROWS:
        if room_of(part).split("/")[0] != source:
            continue
        for pattern in allowed:
            if pattern.startswith(target + "/"):
                folder = pattern.split("/")[1]
                (whole if pattern.endswith("/") else headers).add(folder)
    return sorted((whole - {"base", ""}) | {each + "*" for each in headers - whole})


def label(x, y, title, names, size=26):
    """Lines of text at (x, y): what an arrow between top folders opens."""
    lines, line = [title], ""
    for name in names:
        if len(line) + len(name) > size:
            lines.append(line)
            line = ""
        line += ("" if not line else ", ") + name
    for index, text in enumerate([*lines, line]):
        if text:
            yield (f"<text x='{x:.0f}' y='{y + 15 * index:.0f}' font-size='11' "
                   f"text-anchor='start'>{escape(text)}</text>")


def draw():
    layering = load_layering()
    graph = arrows(layering)
    frame = {top: Frame(graph, top) for top in COLOURS}
    arrange(frame)
    width = GAP_X + max(each.left + each.width for each in frame.values())
    height = 40 + max(each.upper + each.height for each in frame.values())
    lines = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} "
             f"{height:.0f}' width='{width:.0f}' height='{height:.0f}'>",
             "<title>Folders of gistd and who may include whom</title>",
             f"<rect width='100%' height='100%' fill='{PAPER}'/>",
             "<defs><marker id='head' viewBox='0 0 8 8' refX='6' refY='4' "
             "markerWidth='8' markerHeight='8' markerUnits='userSpaceOnUse' "
             f"orient='auto'><path d='M0 0 L8 4 L0 8 Z' fill='{LINE}'/>"
             "</marker></defs>",
             f"<g {FONT} fill='{INK}' text-anchor='middle'>"]
    for each in frame.values():
        lines += each.draw()
    lines += crossings(layering, frame)
    lines.append(f"<text x='{width / 2:.0f}' y='{height - 14:.0f}' "
                 "font-size='12'>An arrow: may include. Dashed or *: named headers "
                 "only. Not drawn: arrows that follow from others, and those to "
                 "core/base and server/support.</text>\n</g>\n</svg>")
    return "\n".join(lines) + "\n"


def arrange(frame):
    """Left: client and proto above core. Right: server above storage."""
    client, proto, server, core, storage = (
        frame[top] for top in ("client", "proto", "server", "core", "storage"))
    client.move(GAP_X, GAP_X)
    proto.move(client.left + client.width + 40, GAP_X)
    core.move(GAP_X, client.upper + client.height + 80)
    server.move(max(proto.left + proto.width + 40,
                    core.left + core.width + 150), GAP_X)
    storage.move(server.left + (server.width - storage.width) / 2,
                 max(server.upper + server.height + 60,
                     core.upper + core.height - storage.height))


def crossings(layering, frame):
    """Arrows between the frames of top folders."""
    client, proto, server, core, storage = (
        frame[top] for top in ("client", "proto", "server", "core", "storage"))
    y = proto.upper + proto.height / 2
    yield straight(client.left + client.width, y, proto.left - 3, y)
    yield straight(server.left, y, proto.left + proto.width + 3, y)
    x = client.left + 40
    yield straight(x, client.upper + client.height, x, core.upper - 3)
    yield from label(x + 10, core.upper - 46, "of core, client uses",
                     between(layering, "client", "core"), 56)
    y = core.upper + 40
    yield straight(server.left, y, core.left + core.width + 3, y)
    yield from label(core.left + core.width + 12, y + 18, "of core, server uses",
                     between(layering, "server", "core"), 18)
    x = storage.left + storage.width / 2
    yield straight(x, server.upper + server.height, x, storage.upper - 3)
    y = storage.upper + storage.height / 2
    yield straight(storage.left, y, core.left + core.width + 3, y)
    yield from label(core.left + core.width + 12, y + 18, "of core, storage uses",
                     between(layering, "storage", "core"), 18)


def straight(x1, y1, x2, y2):
    return (f"<path d='M{x1:.0f} {y1:.0f} L{x2:.0f} {y2:.0f}' fill='none' "
            f"stroke='{LINE}' stroke-width='2' marker-end='url(#head)'/>")


def main():
    text = draw()
    if sys.argv[1:] != ["--check"]:
        PICTURE.write_text(text, encoding="utf-8")
    elif not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != text:
        sys.exit("docs/rooms.svg differs from tests/layering.py; "
                 "run docs/draw_rooms.py")


if __name__ == "__main__":
    main()
