#!/usr/bin/env python3
"""Measures the tree: sizes, folders, arrows, words; and holds its limits.

usage: tests/house.py [ROOT]           prints the table
       tests/house.py --check [ROOT]   also lists each broken limit; exit 1 if any
       tests/house.py --self-check     plants a violation of each limit, wants each found
"""
import math
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

FOLDERS = ("core", "storage", "server", "client")
SOURCES = (".h", ".cc", ".cu")
# Folders of server from the lowest to the highest; files of server itself are above.
SERVER_ORDER = ("support", "scheduling", "telemetry", "contexts", "retrieval", "serving",
                "training", "grpc")
MOST_SOURCES = 35          # of a folder
MOST_ARROWS = 40           # between server's folders and its top files
MOST_BYTES = 45_000_000    # tracked
MOST_README_WORDS = 1200
MOST_README_PARAGRAPH = 20  # words, the median
MOST_COLUMNS = 100
MOST_ARCHITECTURE_WORDS = 1500
LONG_FUNCTION = 60         # lines

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
LIST_ITEM = re.compile(r"^\s*([-*+]|\d+[.)])\s+")


# ---- Markdown

def prose_lines(text):
    """The lines outside fenced code blocks, and None where a block was."""
    fence = None
    for line in text.splitlines():
        mark = FENCE.match(line)
        if fence is None and mark:
            fence = mark.group(1)
            yield None
        elif fence is None:
            yield line
        elif mark and mark.group(1).startswith(fence) and line.strip() == mark.group(1):
            fence = None


def count_words(text):
    """Words of Markdown: tokens between white space, outside fenced code blocks."""
    return sum(len(line.split()) for line in prose_lines(text) if line is not None)


def paragraph_words(text):
    """Words of each paragraph and list item; headings, tables, HTML and indented code
    are none."""
    counts, words = [], 0
    for line in [*prose_lines(text), None]:
        aside = (line is None or not line.strip()
                 or line.startswith(("#", "|", "<", "    ", "[!", "![")))
        item = line is not None and LIST_ITEM.match(line)
        if (aside or item) and words:
            counts.append(words)
            words = 0
        if not aside:
            words += len(line.split())
    return counts


# ---- C++

def strip_comments(text):
    """(code without comments and with empty literals, lines that hold a comment alone)"""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^()\\\s]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
        r"|'(?:\\.|[^'\\\n])+'", re.S)
    comments = set()

    def replace(match):
        found = match.group(0)
        if found.startswith(("//", "/*")):
            first = text.count("\n", 0, match.start())
            comments.update(range(first, first + found.count("\n") + 1))
        return "\n" * found.count("\n")

    code = token.sub(replace, text)
    alone = sum(1 for number, line in enumerate(code.split("\n"))
                if number in comments and not line.strip())
    return code, alone


# Text between the last `;`, `{` or `}` and a `{`: that of a function's definition.
SIGNATURE = re.compile(
    r"\)\s*(const|noexcept|override|final|mutable|->[^;{}]*|:[^;]*|\s)*$", re.S)
NO_FUNCTION = re.compile(
    r"^\s*(namespace|class|struct|enum|union|extern|if|for|while|switch|do|else|try|catch"
    r"|return)\b")


def function_lengths(text):
    """Lines of each function, found by its braces: an approximation, lambdas belong to
    the function around them."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", strip_comments(text)[0], flags=re.M)
    lengths, depth, inside = [], 0, None
    begin = 0
    for match in re.finditer(r"[;{}]", code):
        head, mark = code[begin:match.start()], match.group(0)
        if mark == "{":
            named = re.sub(r"template\s*<[^{}]*?>\s*(?=\w)", "", head)
            if (inside is None and SIGNATURE.search(head) and not NO_FUNCTION.match(named)
                    and "=" not in head.split("(")[0].replace("operator=", "")):
                first = begin + len(head) - len(head.lstrip())
                inside = (depth, code.count("\n", 0, first))
            depth += 1
        elif mark == "}":
            depth -= 1
            if inside and depth == inside[0]:
                lengths.append(code.count("\n", 0, match.start()) - inside[1] + 1)
                inside = None
        begin = match.end()
    return lengths


# ---- the tree

def sources(root):
    return [path for folder in FOLDERS for path in sorted((root / folder).rglob("*"))
            if path.suffix in SOURCES and "generated" not in path.parts]


def folder_sizes(root):
    """Sources of each folder, tests too, those below it apart."""
    counts = {}
    for top in (*FOLDERS, "tests"):
        for path in (root / top).rglob("*"):
            if path.suffix in SOURCES:
                folder = path.parent.relative_to(root).as_posix()
                counts[folder] = counts.get(folder, 0) + 1
    return counts


def server_room(path):
    """The folder of server that a path is in, or a top file's name without its ending."""
    parts = pathlib.PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != "server":
        return None
    return parts[1] if len(parts) > 2 else parts[1].split(".")[0] + "."


def server_arrows(root):
    """The pairs (room, room that it includes), each once."""
    arrows = set()
    for path in (root / "server").rglob("*"):
        if path.suffix not in SOURCES:
            continue
        room = server_room(path.relative_to(root).as_posix())
        for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
            other = server_room(include)
            if other and other != room:
                arrows.add((room, other))
    return arrows


def arrows_upward(arrows):
    """Arrows that point to a higher folder or to a top file, and those on a circle."""
    def level(room):
        if room.endswith("."):
            return len(SERVER_ORDER)
        return SERVER_ORDER.index(room) if room in SERVER_ORDER else -1

    upward = {(a, b) for a, b in arrows if level(a) < level(b) or level(a) < 0}
    left = set(arrows)
    while True:  # takes rooms away that include none of those left
        sinks = {b for _, b in left} - {a for a, _ in left}
        if not sinks:
            break
        left = {(a, b) for a, b in left if b not in sinks}
    sources_left = {b for _, b in left}
    while any(a not in sources_left for a, _ in left):  # and that none includes
        left = {(a, b) for a, b in left if a in sources_left}
        sources_left = {b for _, b in left}
    return sorted(upward | left)


def tracked_files(root):
    """Paths that git tracks; None without git or outside a repository."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z"],
            capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return [root / name for name in listed.decode().split("\0") if name]


def tracked_bytes(root):
    files = tracked_files(root)
    if files is None:
        return None
    return sum(path.lstat().st_size for path in files if path.is_symlink() or path.exists())


def markdown(root):
    files = tracked_files(root)
    if files is None:
        files = [path for path in root.rglob("*.md")
                 if not {"build", "third_party"} & set(path.relative_to(root).parts)]
    return [path for path in files if path.suffix == ".md" and path.exists()]


def read(path):
    return path.read_text(encoding="utf-8") if path.exists() else ""


# ---- the table and the limits

def percentile(values, share):
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0


def rows(root):
    """(what, value) for each row of the table."""
    files = sources(root)
    texts = [path.read_text(encoding="utf-8") for path in files]
    lines = [text.count("\n") for text in texts]
    functions = [length for text in texts for length in function_lengths(text)]
    folders = folder_sizes(root)
    largest = max(folders, key=folders.get, default="none")
    comments = code = 0
    for path, text in zip(files, texts):
        if path.suffix == ".cc":
            comments += strip_comments(text)[1]
            code += sum(1 for line in text.splitlines() if line.strip())
    readme = read(root / "README.md")
    arrows = server_arrows(root)
    tracked = tracked_bytes(root)
    long = sum(length > LONG_FUNCTION for length in functions)
    yield "sources: files / lines", f"{len(files):,} / {sum(lines):,}"
    yield "lines of a file: median / p90 / max", (
        f"{statistics.median(lines or [0]):.0f} / {percentile(lines, 0.9)} / "
        f"{max(lines, default=0)}")
    yield f"lines of a function: median / p99; over {LONG_FUNCTION}", (
        f"{statistics.median(functions or [0]):.0f} / {percentile(functions, 0.99)}; "
        f"{100 * long / max(len(functions), 1):.1f} % of {len(functions):,} (found by braces)")
    yield "largest folder", f"{largest}, {folders.get(largest, 0)} sources"
    yield "comment share in .cc", f"{100 * comments / max(code, 1):.1f} %"
    yield "words: all .md / README / ARCHITECTURE", (
        f"{sum(count_words(read(path)) for path in markdown(root)):,} / "
        f"{count_words(readme):,} / {count_words(read(root / 'ARCHITECTURE.md')):,}")
    yield "README: median words a paragraph; longest line", (
        f"{statistics.median(paragraph_words(readme) or [0]):g}; "
        f"{max(map(len, readme.splitlines()), default=0)}")
    pages = [name for name in ("CONTRIBUTING.md",) if (root / name).exists()]
    yield "contributor's page", ", ".join(pages) or "none"
    yield "tracked bytes", "not known: no git" if tracked is None else f"{tracked / 1e6:.1f} MB"
    yield "include arrows in server; upward or on a circle", (
        f"{len(arrows)}; {len(arrows_upward(arrows))}")


def broken_limits(root):
    for folder, count in sorted(folder_sizes(root).items()):
        if count > MOST_SOURCES:
            yield f"{folder}: {count} sources; want at most {MOST_SOURCES}: split it"
    arrows = server_arrows(root)
    if len(arrows) > MOST_ARROWS:
        yield (f"server: {len(arrows)} arrows between folders and top files; want at most "
               f"{MOST_ARROWS}")
    for a, b in arrows_upward(arrows):
        yield f"server/{a}: includes server/{b}: upward or on a circle ({', '.join(SERVER_ORDER)})"
    yield from broken_prose(root)
    tracked = tracked_bytes(root)
    if tracked is not None and tracked > MOST_BYTES:
        yield f"{tracked:,} tracked bytes; want at most {MOST_BYTES:,}"


def broken_prose(root):
    readme = read(root / "README.md")
    for name, most in (("README.md", MOST_README_WORDS),
                       ("ARCHITECTURE.md", MOST_ARCHITECTURE_WORDS)):
        words = count_words(read(root / name))
        if words > most:
            yield f"{name}: {words:,} words; want at most {most:,}: move text to docs/"
    median = statistics.median(paragraph_words(readme) or [0])
    if median > MOST_README_PARAGRAPH:
        yield (f"README.md: the median paragraph has {median:g} words; want at most "
               f"{MOST_README_PARAGRAPH}")
    for number, line in enumerate(readme.splitlines(), 1):
        if len(line) > MOST_COLUMNS:
            yield f"README.md:{number}: {len(line)} columns; want at most {MOST_COLUMNS}"


# ---- planted violations

def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def plant_arrows(root):
    """Of 10 top files each includes those before it: 45 arrows, all downward."""
    for i in range(10):
        write(root, f"server/f{i}.cc",
              "".join(f'#include "server/f{j}.h"\n' for j in range(i)))


def plant_bytes(root):
    with open(root / "large.bin", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    for command in (["init", "-q"], ["add", "-N", "large.bin"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)


# Each: what plants it, and a part of the one line that is wanted.
PLANTED = [
    (lambda root: [write(root, f"core/a/{i}.h", "") for i in range(36)], "core/a: 36 sources"),
    (lambda root: [write(root, f"tests/a/{i}.cc", "") for i in range(36)], "tests/a: 36"),
    (plant_arrows, "45 arrows"),
    (lambda root: write(root, "server/support/a.cc", '#include "server/grpc/gate.h"'),
     "server/support: includes server/grpc"),
    (lambda root: write(root, "server/grpc/a.cc", '#include "server/config.h"'),
     "server/grpc: includes server/config."),
    (lambda root: write(root, "server/new/a.cc", '#include "server/support/a.h"'),
     "server/new: includes"),
    (lambda root: write(root, "README.md", "a b c\n\n" * 401), "1,203 words"),
    (lambda root: write(root, "README.md", "a " * 21), "21 words"),
    (lambda root: write(root, "README.md", "a" * 101), "101 columns"),
    (lambda root: write(root, "ARCHITECTURE.md", "a b c\n\n" * 501), "1,503 words"),
    (plant_bytes, "tracked bytes"),
]
CIRCLE = {("a.", "b."), ("b.", "a."), ("a.", "support"), ("main.", "a.")}
FUNCTIONS = """\
#define A(x) do { x; } while (0)
namespace gist {  // f() {
struct B {
  B(int a) : a_(a) {}
  int Get() const { return a_; }
  int a_ = 0;
};
constexpr int kList[] = {1, 2};
template <typename T>
std::vector<int> Make(
    T text = "}") {
  const auto f = [&](int x) { return x; };
  for (int x : {1, 2}) {
    f(x);
  }
}
}  // namespace gist
"""


def self_check():
    wrong = []
    for plant, wanted in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            try:
                plant(root)
            except FileNotFoundError as error:  # no git on this machine
                print(f"not checked: {wanted}: {error}")
                continue
            found = list(broken_limits(root))
        if len(found) != 1 or wanted not in found[0]:
            wrong.append(f"want one line with {wanted!r}, got {found}")
    for what, got, wanted in (
            ("circle", arrows_upward(CIRCLE), [("a.", "b."), ("b.", "a.")]),
            ("functions", function_lengths(FUNCTIONS), [1, 1, 8]),
            ("comments", strip_comments('a;  // b\n// c\n/* d\n*/\n"// e"\n')[1], 3),
            ("words", count_words("a b\n```sh\nc d e\n```\nf\n"), 3),
            ("paragraphs", paragraph_words("# t\na b\nc\n\n- d\n- e\n  f\n\n| g |\n"),
             [3, 2, 3])):
        if got != wanted:
            wrong.append(f"{what}: want {wanted}, got {got}")
    return wrong, len(PLANTED) + 5


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-check"]:
        found, count = self_check()
        print("\n".join(found) or f"{count} checked, each as wanted")
        return 1 if found else 0
    check = "--check" in arguments
    paths = [argument for argument in arguments if argument != "--check"]
    root = pathlib.Path(paths[0] if paths else pathlib.Path(__file__).parent.parent).resolve()
    if not sources(root):
        print(f"{root}: no sources found; want the root of the repository")
        return 1
    table = list(rows(root))
    width = max(len(what) for what, _ in table)
    print("\n".join(f"{what:<{width}}  {value}" for what, value in table))
    found = list(broken_limits(root)) if check else []
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
