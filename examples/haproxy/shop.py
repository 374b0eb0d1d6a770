"""A plain app: a price list, and a health check. It knows nothing of the lab."""

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop(BaseHTTPRequestHandler):
    """Answers GET / and GET /healthz."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer with the prices and the name of this container."""
        status = 200 if self.path in ("/", "/healthz") else 404
        body = json.dumps({"prices": {"tea": 3, "cake": 5}, "host": socket.gethostname()}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Log nothing."""


ThreadingHTTPServer(("", 8000), Shop).serve_forever()
