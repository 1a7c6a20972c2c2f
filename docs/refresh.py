#!/usr/bin/env python3
"""Runs the commands that README.md shows and refreshes their outputs.

usage: docs/refresh.py [BUILD]               rewrites snippets and the tour
       docs/refresh.py --check [BUILD]       exit 1 if a command prints otherwise
       docs/refresh.py --quickstart FILE     takes quickstart's output from FILE
       docs/refresh.py --snippets            snippets alone; starts nothing

BUILD is the folder of gistd and gist, build/release by default. The commands run
as written, in a scratch folder where build/release is BUILD; the environment
gives gistd free ports. Seconds may differ from run to run, all else may not.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
sys.path.insert(0, str(ROOT / "tests"))
TOUR = re.compile(r"(<!-- tour -->\n```console\n)(.*?)(```\n)", re.S)
QUICKSTART = re.compile(r"(<!-- quickstart -->\n```text\n)(.*?)(```\n)", re.S)
SECONDS = re.compile(r"\b\d+(?:\.\d+)? (?:s|ms)\b")
CONTEXT = re.compile(r"ctx_[0-9a-f]{32}")
WAIT_SECONDS = 60  # for one command, and for gistd's end, on a busy machine


def steps(block):
    """[(command, expected lines)] of a block of `$ command` and output."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment():
    """Free ports, whatever the machine already runs; patience on a busy one."""
    listen, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    return dict(os.environ, GISTD_LISTEN=listen, GISTD_ADMIN=admin,
                GIST_SERVER=listen, GIST_WAIT="60", COLUMNS="100")


def scratch(folder, build):
    """Links to what the commands name; data and exports stay in `folder`."""
    for name in ("deploy", "adapters", "third_party", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "build").mkdir()
    (folder / "build/release").symlink_to(build.resolve())


class Tour:
    """The commands of one block; what ends in & runs until close()."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = environment()
        self.background = []

    def run(self, command):
        """The lines that a command prints, standard error last."""
        if command.endswith("&"):
            log = open(self.folder / "background.log", "ab")
            self.background.append(subprocess.Popen(
                command[:-1].split(), cwd=self.folder, env=self.environment,
                stdout=log, stderr=log))
            return []
        done = subprocess.run(["timeout", str(WAIT_SECONDS), "sh", "-c", command],
                              cwd=self.folder, env=self.environment,
                              capture_output=True, text=True)
        if done.returncode != 0:  # 124: it took too long
            log = (self.folder / "background.log").read_text(errors="replace")
            sys.exit(f"$ {command}\nexit {done.returncode}: "
                     f"{done.stdout}{done.stderr}\n{log}")
        return (done.stdout + done.stderr).splitlines()

    def close(self):
        for process in self.background:
            process.send_signal(signal.SIGINT)  # without the drain of SIGTERM
        for process in self.background:
            process.wait(timeout=WAIT_SECONDS)


def same(wanted, got):
    """Equal but for seconds."""
    return [SECONDS.sub("_ s", line) for line in wanted] == \
           [SECONDS.sub("_ s", line) for line in got]


def run_tour(block, build):
    """(the block as it is now, faults). A new context id replaces the old one
    in the commands that follow."""
    new, faults, renamed = [], [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        scratch(folder, build)
        tour = Tour(folder)
        try:
            for command, wanted in steps(block):
                command = CONTEXT.sub(
                    lambda match: renamed.get(match[0], match[0]), command)
                got = tour.run(command)
                if not same(wanted, got):
                    faults.append(f"$ {command}\n  README: {wanted}\n  now:    {got}")
                    renamed.update(zip(CONTEXT.findall("\n".join(wanted)),
                                       CONTEXT.findall("\n".join(got))))
                new += [f"$ {command}", *got]
        finally:
            tour.close()
    return "\n".join(new) + "\n", faults


def with_snippets(text):
    """`text` with the marked region of each first_call.* in its block."""
    from docs_test import region
    for suffix, fence in (("cc", "cpp"), ("py", "python"), ("sh", "sh")):
        source = ROOT / f"client/examples/first_call.{suffix}"
        shown = region(source.read_text(encoding="utf-8"))
        block = re.compile(rf"(\(client/examples/first_call\.{suffix}\)[^`]*"
                           rf"(?:`[^`\n]+`[^`]*)*\n```{fence}\n)(.*?)(```\n)", re.S)
        text = block.sub(lambda match: f"{match[1]}{shown}\n{match[3]}", text,
                         count=1)
    return text


def check(build):
    _, faults = run_tour(TOUR.search(README.read_text(encoding="utf-8"))[2], build)
    print("\n".join(faults) or "the tour prints what README.md shows")
    return 1 if faults else 0


def quickstart_table(output):
    """The last table of deploy/quickstart.sh, from its output."""
    found = re.search(r"^.* tokens became .*?(?=\n\n[^\n]*success|\n\nThe|\n\nstop|\Z)",
                      output, re.M | re.S)
    lines = found[0].splitlines()
    last = max(i for i, line in enumerate(lines) if re.match(r"(gist|full) ", line))
    return "\n".join(lines[:last + 1]) + "\n"


def rewrite(arguments):
    text = README.read_text(encoding="utf-8")
    if arguments[:1] == ["--quickstart"]:
        table = quickstart_table(pathlib.Path(arguments[1]).read_text())
        text = QUICKSTART.sub(lambda match: match[1] + table + match[3], text)
    else:
        text = with_snippets(text)
        if arguments != ["--snippets"]:
            build = pathlib.Path(arguments[0] if arguments else "build/release")
            block, _ = run_tour(TOUR.search(text)[2], build)
            text = TOUR.sub(lambda match: match[1] + block + match[3], text)
    README.write_text(text, encoding="utf-8")
    return 0


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--check"]:
        sys.exit(check(pathlib.Path((arguments[1:] or [ROOT / "build/release"])[0])))
    sys.exit(rewrite(arguments))


if __name__ == "__main__":
    main()
