"""Serves a folder on a free loopback port, and prints the port.

usage: http_server.py FOLDER
/short/NAME ends before the length that it announced; /redirect/NAME leads to
/NAME; /silent never answers; /broken is an error of the server's.
"""

import functools
import http.server
import sys
import time


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/redirect/"):
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

    def log_message(self, *_):
        pass


def main():
    handler = functools.partial(Handler, directory=sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
