"""A backend just good enough to be faulted: `/health`, `/work`, `PUT /misbehave`. Run with a port; stdlib only."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

wish: dict[str, Any] = {"mode": "ok"}
started = time.monotonic()


def kept_order(port: int) -> Path:
    """Where an order to be slow after the next start is kept; another supervisor's backend on this port has its own."""
    return Path(tempfile.gettempdir()) / f"chaos-backend-{os.getppid()}-{port}.cold.json"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment

    def do_GET(self) -> None:
        mode, is_health = wish["mode"], self.path.startswith("/health")
        if mode == "hang":
            time.sleep(3600)
        if mode == "slow":
            time.sleep(wish["delay_ms"] / 1000)
        if mode == "cold":
            left = 1.0 - (time.monotonic() - started) / wish["duration_s"]
            time.sleep(max(0.0, left) * wish["delay_ms"] / 1000)
        bad = mode == "error" or (mode == "unhealthy" and is_health) or (mode == "lie" and not is_health)
        size = self.path.partition("bytes=")[2]
        self._answer(wish.get("status", 503) if bad else 200, b"x" * int(size) if size else b"{}")

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["mode"] == "cold":
            kept_order(self.server.server_port).write_text(json.dumps(body))  # type: ignore[attr-defined]
        else:
            wish.clear()
            wish.update(body)
        self._answer(200)

    def _answer(self, status: int, body: bytes = b"{}") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        """`::` is every address, IPv4 and IPv6."""
        both = host == "::" and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if both else socket.AF_INET
        super().__init__(("0.0.0.0" if host == "::" and not both else host, port), Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


if __name__ == "__main__":
    if (order := kept_order(int(sys.argv[1]))).exists():
        wish.update(json.loads(order.read_text()))
        order.unlink()
    Server(sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1", int(sys.argv[1])).serve_forever()
