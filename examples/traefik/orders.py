"""A plain app that takes orders and names itself in a header. It knows nothing of the lab."""

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Orders(BaseHTTPRequestHandler):
    """Answers GET on any path, and POST /orders."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer with an empty list."""
        self.answer(200, [])

    def do_POST(self):
        """Take an order."""
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(201, {"ordered": order["item"]})

    def answer(self, status, document):
        """Send a JSON document."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Container", socket.gethostname())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Log nothing."""


ThreadingHTTPServer(("", 8000), Orders).serve_forever()
