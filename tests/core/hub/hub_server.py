"""A hub for tests: repositories of a folder, with faults at will.

usage: hub_server.py FOLDER      prints the port of the hub

Below http://127.0.0.1:PORT/CASE there is the hub of ROOT, which is FOLDER/CASE.
ROOT/models/OWNER/NAME/... are the files; the commit is 40 times "c".
ROOT/commits/COMMIT/OWNER/NAME/... are those of other commits, and
ROOT/revisions.json says which branch or tag is which of them. Files of
1,000 bytes and more lie on another port, as on a CDN: the hub redirects there
and tells size and SHA-256 (x-linked-size, x-linked-etag). Smaller ones come
from the hub itself, with Git's SHA-1 as ETag.

ROOT/faults.json: {"GET model.gguf": [FAULT, ...]}; the n-th request of that
method for a file of that name (or of "api", or "cdn/NAME") gets the n-th
fault; the last one stays if it has "stays". A fault is an object of
  status     an error, with "headers"
  cut        so many bytes of the body, then the connection ends
  stall      so many bytes, then silence
  no_range   the whole file, whatever range was asked for
  corrupt    a byte of the body is changed
  size, etag what the hub tells in place of the truth
  renamed    a redirect to OWNER/NAME given here
  commit     the one that "api" tells
ROOT/log.jsonl gets a line for each request.
"""

import hashlib
import http.server
import json
import pathlib
import sys
import threading
import time
import urllib.parse

COMMIT = "c" * 40
LARGE = 1000


def digest(data):
    if len(data) >= LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class State:
    """Of one case."""
    lock = threading.Lock()

    def __init__(self, root):
        self.root = root
        self.seen = {}

    def fault(self, key):
        path = self.root / "faults.json"
        with self.lock:
            faults = json.loads(path.read_text()).get(key, []) if path.exists() else []
            count = self.seen.get(key, 0)
            self.seen[key] = count + 1
        if count < len(faults):
            return faults[count]
        return faults[-1] if faults and faults[-1].get("stays") else {}

    def log(self, **line):
        with self.lock, open(self.root / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")


class Hub:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.lock = threading.Lock()
        self.states = {}
        self.cdn_port = 0

    def state(self, case):
        with self.lock:
            return self.states.setdefault(case, State(self.folder / case))


class Handler(http.server.BaseHTTPRequestHandler):
    hub = None
    is_cdn = False
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.serve()

    def do_HEAD(self):
        self.serve()

    def serve(self):
        self.close_connection = True
        case, _, path = self.path.strip("/").partition("/")
        self.state = self.hub.state(case)
        self.state.log(method=self.command, path=self.path, cdn=self.is_cdn,
                       range=self.headers.get("Range", ""),
                       if_range=self.headers.get("If-Range", ""),
                       authorization=self.headers.get("Authorization", ""))
        if self.is_cdn:
            return self.serve_cdn(path)
        parts = path.split("/")
        if parts[:2] == ["api", "models"]:
            return self.serve_listing(parts[2:4], urllib.parse.unquote(parts[-1]))
        owner, name, _, commit, *file = parts
        file = "/".join(file)
        path = self.folder(commit) / owner / name / file
        fault = self.state.fault(f"{self.command} {file}")
        if "renamed" in fault:
            return self.reply(307, b"", {"Location":
                              f"/{case}/{fault['renamed']}/resolve/{commit}/{file}"})
        if "status" in fault or not path.is_file():
            return self.reply(fault.get("status", 404), b"no", fault.get("headers", {}))
        data = path.read_bytes()
        headers = {"X-Repo-Commit": commit}
        if len(data) < LARGE:
            headers["ETag"] = '"%s"' % fault.get("etag", digest(data))
            return self.body(data, headers, fault)
        headers |= {"X-Linked-Etag": '"%s"' % fault.get("etag", digest(data)),
                    "X-Linked-Size": str(fault.get("size", len(data))),
                    "Location": f"http://127.0.0.1:{self.hub.cdn_port}/"
                                f"{case}/{commit}/{owner}/{name}/{file}"}
        self.reply(302, b"", headers)

    def folder(self, commit):
        """Of all repositories at a commit."""
        root = self.state.root
        return root / "models" if commit == COMMIT else root / "commits" / commit

    def serve_listing(self, repository, revision):
        fault = self.state.fault("GET api")
        known = self.state.root / "revisions.json"
        revisions = {"main": COMMIT} | (json.loads(known.read_text()) if known.exists() else {})
        commit = fault.get("commit", revisions.get(revision, revision))
        folder = self.folder(commit) / "/".join(repository)
        if "status" in fault or not folder.is_dir():
            return self.reply(fault.get("status", 404), b"{}", fault.get("headers", {}))
        files = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        self.reply(200, json.dumps(
            {"sha": commit, "siblings": [{"rfilename": f} for f in files]}).encode(), {})

    def serve_cdn(self, path):
        commit, _, path = path.partition("/")
        path = self.folder(commit) / path
        data = path.read_bytes()
        fault = self.state.fault(f"{self.command} cdn/{path.name}")
        if "status" in fault:
            return self.reply(fault["status"], b"no", fault.get("headers", {}))
        self.body(data, {"ETag": '"cdn-%s"' % hashlib.md5(data).hexdigest()}, fault)

    def body(self, data, headers, fault):
        begin, status = 0, 200
        wanted = self.headers.get("Range", "")
        valid = self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]
        if wanted.startswith("bytes=") and valid and "no_range" not in fault:
            begin = int(wanted[len("bytes="):].rstrip("-"))
            if begin >= len(data):
                return self.reply(416, b"", {})
            status = 206
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        if "corrupt" in fault:
            data = data[:-1] + bytes([data[-1] ^ 1])
        part = data[begin:]
        sent = part[:fault.get("cut", fault.get("stall", len(part)))]
        self.reply(status, sent, headers, len(part))
        if "stall" in fault:
            self.wfile.flush()
            time.sleep(20)

    def reply(self, status, body, headers, length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(hub, is_cdn):
    handler = type("Bound", (Handler,), {"hub": hub, "is_cdn": is_cdn})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=not is_cdn).start()
    return server.server_port


def main():
    hub = Hub(sys.argv[1])
    hub.cdn_port = serve(hub, True)
    print(serve(hub, False), flush=True)


if __name__ == "__main__":
    main()
