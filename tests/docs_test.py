#!/usr/bin/env python3
"""Checks the pages: links, paths, features, lengths, wordings, pictures.

usage: tests/docs_test.py                prints each fault; exit 1 if there is one
       tests/docs_test.py --self-check   plants faults and wants each found
       tests/docs_test.py --figures      words and medians of each page

docs/refresh.py --check runs the commands of README.md's tour.
"""
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md",
       "CHANGELOG.md", "deploy/README.md")
FOLDERS = ("proto", "server", "client", "core", "storage", "deploy", "tests",
           "adapters", "cmake", "docs")
WORDS = {"README.md": 1200, "ARCHITECTURE.md": 1500}  # outside fenced code
PARAGRAPH_WORDS = {"README.md": 20}  # the median, at most
SENTENCE_WORDS = 19                  # the median of every page, at most
COLUMNS = 100
MADE = ("tests/bench/experiment/data",)  # by scripts; not in the repository
STRICT_COLUMNS = ("README.md",)      # their tables too
PRINTED = ("tests/bench/default_adapter/table.md",)  # by a program, in long lines
FOREIGN_FLAGS = ("build", "target", "gtest_filter")  # of docker, Google Test
# Constructions that plain technical English does without.
FORBIDDEN = (r"\bwho(?:ever)? (?:asks|calls|wants|waits|reads)\b", r"\banew\b",
             r"\bgives? way\b", r"\bgiving way\b", r"\bis told (?!to\b)", r"\bare told\b",
             r"\bof which\b", r"\bwhose\b", r"\bWhat is (?!the|a|an )\w",
             r"\bfor want of\b", r"\blikewise\b", r"\bas told\b", r"\btells whether\b")
# Sentences that quote such a construction.
EXEMPT = {"CONTRIBUTING.md": ("gives way", "anew", "What is X")}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```[ ]*$|(?<=\n\n) {4}\S[^\n]*\n(?:\n| {4}[^\n]*\n)*",
                   re.M | re.S)


def pages(root):
    found = [root / name for name in TOP if (root / name).exists()]
    return found + sorted((root / "docs").rglob("*.md"))


def without_code(text):
    """The page without fenced and indented code."""
    return FENCE.sub("\n", text)


def prose(text):
    """Paragraphs and list items: no code, headings, tables, pictures."""
    kept = []
    for block in re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", without_code(text)):
        block = block.strip()
        if block and not block.startswith(("#", "|", "![", "<!--")):
            kept.append(block)
    return kept


def plain(block):
    """A block without markup: links and code become their words."""
    block = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", block)
    return re.sub(r"[`*]", "", re.sub(r"^(?:[-*]|\d+\.) ", "", block))


def sentences(text):
    for block in prose(text):
        for sentence in re.split(r"(?<=[.?!])\s+", plain(block)):
            if len(sentence.split()) > 1:
                yield " ".join(sentence.split())


def slug(heading):
    """The anchor that GitHub gives to a heading."""
    kept = re.sub(r"[^\w\- ]", "", plain(heading).strip().lower())
    return kept.replace(" ", "-")


def anchors(text):
    return {slug(line.lstrip("#")) for line in without_code(text).splitlines()
            if line.startswith("#")}


def link_faults(root, page, text):
    for target in LINK.findall(without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            yield f"link to {target}: no such file"
        elif anchor and path.suffix == ".md" and \
                anchor not in anchors(path.read_text(encoding="utf-8")):
            yield f"link to {target}: no heading has this anchor"


def is_path(code):
    return (code.split("/")[0] in FOLDERS and "/" in code and
            not code.startswith(MADE) and
            re.fullmatch(r"[\w./*{},-]+", code) and
            not re.search(r"[A-Z]{3}", code.replace("FORMAT", "").replace("README", "")))


def path_faults(root, text):
    """Paths in code spans; a glob has to match."""
    for code in CODE.findall(without_code(text)):
        for word in code.split():
            if is_path(word) and not any(root.glob(word.rstrip("/"))):
                yield f"`{word}`: no such path"


def known_flags(root):
    """Text of all sources that define flags; a setting's name has _ for -."""
    return "".join(path.read_text(encoding="utf-8", errors="replace")
                   for folder in ("server", "client", "core/train", "deploy", "tests")
                   for path in sorted((root / folder).rglob("*"))
                   if path.suffix in (".cc", ".h", ".sh", ".py") and path.is_file())


def flag_faults(text, sources):
    for flag in sorted(set(re.findall(r"(?<![\w-])--([a-z][a-z_-]*[a-z])", text))):
        names = (f"--{flag}", f"--{flag.replace('-', '_')}",
                 f'"{flag.replace("-", "_")}"')
        if flag not in FOREIGN_FLAGS and not any(name in sources for name in names):
            yield f"--{flag}: no source defines this flag"


def feature_faults(root, text):
    """Rows | feature | `path` | `symbol` |: the symbol stands in the file."""
    rows = re.findall(r"^\|[^|]+\| `([^`|]+)` \| `([^`|]+)` \|$", text, re.M)
    if len(rows) < 10:
        yield f"{len(rows)} listed features, want 10 or more"
    for path, symbol in rows:
        if not (root / path).is_file():
            yield f"`{path}`: no such file"
        elif not re.search(rf"\b{re.escape(symbol)}\b",
                           (root / path).read_text(encoding="utf-8")):
            yield f"`{symbol}` does not stand in {path}"


def length_faults(name, text):
    count = len(re.sub(r"^```.*?^```[ ]*$", "", text, flags=re.M | re.S).split())
    if count > WORDS.get(name, count):
        yield f"{count} words, want {WORDS[name]} at most"
    if name in PARAGRAPH_WORDS:
        median = statistics.median([len(plain(each).split())
                                    for each in prose(text)] or [0])
        if median > PARAGRAPH_WORDS[name]:
            yield f"median paragraph of {median} words, want {PARAGRAPH_WORDS[name]}"
    yield from column_faults(name, text)


def column_faults(name, text):
    """Lines of prose that are too long: no code, tables or links."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        is_code ^= line.startswith("```")
        free = is_code or line.startswith(("|", "    ")) or LINK.search(line)
        if len(line) > COLUMNS and (name in STRICT_COLUMNS or not free):
            yield f"line {number} has {len(line)} columns, want {COLUMNS} at most"


def tracked_markdown(root):
    """All that git knows; below a folder without git, all."""
    if not (root / ".git").exists():
        return sorted(root.rglob("*.md"))
    names = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "*.md"],
                           capture_output=True, text=True, check=True).stdout
    return [root / name for name in names.split("\0") if name]


def other_column_faults(root):
    """Columns of the Markdown files that are no pages."""
    known = set(pages(root))
    for path in tracked_markdown(root):
        name = path.relative_to(root).as_posix()
        if path in known or name in PRINTED or not path.exists():
            continue
        for each in column_faults(name, path.read_text(encoding="utf-8")):
            yield f"{name}: {each}"


def wording_faults(name, text):
    lengths = [len(each.split()) for each in sentences(text)]
    if len(lengths) > 5 and statistics.median(lengths) > SENTENCE_WORDS:
        yield (f"median sentence of {statistics.median(lengths)} words, "
               f"want {SENTENCE_WORDS} at most")
    body = re.sub(r"^(#|\|).*$", "", without_code(text), flags=re.M)
    for allowed in EXEMPT.get(name, ()):
        body = body.replace(allowed, "")
    for pattern in FORBIDDEN:
        for match in re.finditer(pattern, body):
            yield f'"{match.group()}": write it plainly (CONTRIBUTING.md, Prose)'


def decision_faults(root):
    folder = root / "docs/decisions"
    if not folder.exists():
        return
    index = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", index)
    there = sorted(path.name for path in folder.glob("[0-9]*.md"))
    if sorted(listed) != there:
        yield (f"README.md lists {sorted(set(listed) - set(there))}, "
               f"misses {sorted(set(there) - set(listed))}")
    for position, name in enumerate(there, 1):
        text = (folder / name).read_text(encoding="utf-8")
        if int(name[:4]) != position:
            yield f"{name}: want number {position:04d}"
        if not re.match(r"# \d+\. .+\n\nDate: \d{4}-\d\d-\d\d\n", text):
            yield f"{name}: want a title and a date"


def region(text):
    """Lines between `[readme]` and `[/readme]` marks, without their indent."""
    lines = text.splitlines()
    marks = [i for i, line in enumerate(lines) if re.search(r"\[/?readme\]", line)]
    if len(marks) != 2:
        return None
    kept = lines[marks[0] + 1:marks[1]]
    indent = min((len(line) - len(line.lstrip()) for line in kept if line.strip()),
                 default=0)
    return "\n".join(line[indent:] for line in kept)


def snippet_faults(root):
    """README shows the marked region of each first_call.* as it is."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    for path in sorted((root / "client/examples").glob("first_call.*")):
        shown = region(path.read_text(encoding="utf-8"))
        if shown is None:
            yield f"{path.name}: want one [readme] ... [/readme] region"
        elif f"\n{shown}\n" not in readme:
            yield f"README.md differs from the marked region of {path.name}"


def picture_faults(root):
    script = root / "docs/draw_rooms.py"
    if script.exists():
        done = subprocess.run([sys.executable, str(script), "--check"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            yield (done.stderr.strip().splitlines() or ["docs/draw_rooms.py fails"])[-1]


def index_faults(root):
    """docs/README.md links every page beside it."""
    index = root / "docs/README.md"
    if index.exists():
        linked = set(LINK.findall(index.read_text(encoding="utf-8")))
        for path in sorted((root / "docs").glob("*.md")):
            if path != index and path.name not in linked:
                yield f"docs/README.md does not link {path.name}"


def faults(root):
    sources = known_flags(root)
    for page in pages(root):
        name = page.relative_to(root).as_posix()
        text = page.read_text(encoding="utf-8")
        found = [*link_faults(root, page, text), *path_faults(root, text),
                 *length_faults(name, text), *wording_faults(name, text),
                 *flag_faults(text, sources)]
        if name == "CONTRIBUTING.md":
            found += feature_faults(root, text)
        yield from (f"{name}: {each}" for each in found)
    for part in (decision_faults, snippet_faults, picture_faults, index_faults,
                 other_column_faults):
        yield from part(root)


# What a page of this text has to be blamed for: a part of the message.
PLANTED = [
    ("README.md", "[a](docs/none.md)", "no such file"),
    ("README.md", "[a](#nowhere)", "no heading has this anchor"),
    ("README.md", "See `server/none.h`.", "no such path"),
    ("README.md", "Give it --no-such-flag.", "no source defines this flag"),
    ("README.md", "word " * 1201, "1201 words"),
    ("README.md", "| " + "x" * 101 + " |", "columns"),
    ("docs/a.md", "y" * 101, "columns"),
    ("tests.md", "y" * 101, "columns"),
    ("docs/a.md", "It is read anew.", "anew"),
    ("docs/a.md", ("w " * 25 + "w. ") * 9, "median sentence"),
    ("CONTRIBUTING.md", "| a | `docs/a.md` | `Missing` |\n" * 10, "does not stand in"),
    ("CONTRIBUTING.md", "none", "0 listed features"),
]
ALLOWED = [
    ("README.md", "# A b\n\n[a](#a-b) [c](docs/a.md) `docs/a.md`\n"),
    ("docs/a.md", "| " + "x" * 101 + " |\n"),
    ("docs/a.md", "```\nIt is read anew. `server/none.h`\n```\n"),
    ("docs/a.md", "```\n" + "x" * 101 + "\n```\n"),
    ("tests.md", "| " + "x" * 101 + " |\n    " + "x" * 101 + "\n"),
]


def planted_faults(name, text):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "docs").mkdir()
        (root / "docs/a.md").write_text("A page.\n")
        (root / "README.md").write_text("A page.\n")
        (root / name).write_text(text + "\n")
        return list(faults(root))


def self_check():
    wrong = []
    for name, text, wanted in PLANTED:
        found = planted_faults(name, text)
        if not any(wanted in each for each in found):
            wrong.append(f"{name}: want a fault with {wanted!r}, got {found}")
    for name, text in ALLOWED:
        found = planted_faults(name, text)
        if found:
            wrong.append(f"{name}: want no fault, got {found}")
    return wrong


def figures(root):
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        lengths = [len(each.split()) for each in sentences(text)] or [0]
        blocks = [len(plain(each).split()) for each in prose(text)] or [0]
        print(f"{page.relative_to(root).as_posix():60} {len(text.split()):6} words, "
              f"sentence {statistics.median(lengths):4.0f}, "
              f"paragraph {statistics.median(blocks):4.0f}")


def main():
    if sys.argv[1:] == ["--figures"]:
        return figures(ROOT)
    found = self_check() if sys.argv[1:] == ["--self-check"] else list(faults(ROOT))
    print("\n".join(found) or "no fault")
    return sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
