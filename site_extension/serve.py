"""Serve a folder of pages on localhost and open the browser: python site_extension/serve.py FOLDER

Not `python -m http.server`, which has no 404.html and stops when its port is taken; nor sphinx-autobuild,
which would execute and build the book again while one writes.
"""

import functools
import http.server
import sys
import webbrowser
from pathlib import Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Answers an unknown address by the folder's 404.html, as GitHub Pages does, and prints no log."""

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            super().send_error(code, message, explain)
            return
        body = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


def main(folder):
    handler = functools.partial(Quiet, directory=folder)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), handler)
    except OSError:  # 8000 is in use: take any free port
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"The book is at {address} (Ctrl-C ends it)", flush=True)
    webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main(sys.argv[1])
