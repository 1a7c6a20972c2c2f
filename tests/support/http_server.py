"""Serves a folder on a free loopback port, and prints the port.

usage: http_server.py FOLDER
/short/NAME ends before the length that it announced; /redirect/NAME leads to
/NAME; /silent never answers; /broken is an error of the server's; /loop leads
to itself.

/FORM/STATUS replies with STATUS (a 302 leads to /a.txt) and then, in place of
the body that it announced:
  drip     20 bytes a second, for ever
  steady   10,000 bytes a second, for ever
  endless  bytes as fast as they go, for ever
  cut      two bytes, and the end of the connection
  mute     nothing
/FORM/headers does the same with its headers.
"""

import functools
import http.server
import sys
import time


# Bytes and the seconds to wait behind them, again and again.
FORMS = {"drip": (b"x", 0.05), "steady": (b"x" * 1000, 0.1), "endless": (b"x" * 65536, 0), "cut": None,
         "mute": (b"", 1)}


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        form, _, status = self.path.strip("/").partition("/")
        if form in FORMS:
            self.fail(FORMS[form], status)
        elif self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
        elif self.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("Location", self.path[len("/redirect"):])
            self.end_headers()
        elif self.path.startswith("/short/"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"too little")
        elif self.path == "/silent":
            time.sleep(60)
        elif self.path == "/broken":
            self.send_error(503)
        else:
            super().do_GET()

    def fail(self, form, status):
        in_headers = status == "headers"
        self.wfile.write(b"HTTP/1.1 %s X\r\nLocation: /a.txt\r\n" % (b"200" if in_headers else status.encode()))
        if not in_headers:
            self.wfile.write(b"Content-Length: 1000000000\r\n\r\n")
        try:
            if form is None:
                self.wfile.write(b"no")
            while form is not None:
                self.wfile.write(b"A: %s\r\n" % form[0][:60000] if in_headers else form[0])
                time.sleep(form[1])
        except OSError:
            pass

    def log_message(self, *_):
        pass


def main():
    handler = functools.partial(Handler, directory=sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
