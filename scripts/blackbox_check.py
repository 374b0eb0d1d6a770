#!/usr/bin/env python3
"""Measures a balancer as `lab compare` does, with independent code.

Starts three small backends and one balancer, sends GETs on a fixed schedule, kills or freezes one backend for three
seconds, and counts failed requests, slow ones (later than 250 ms), and the time of the last affected one. It uses only
the standard library and nothing of `lab`. Everything listens on loopback and ends with the script.

    scripts/blackbox_check.py haproxy pause --repeat 3
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.client
import http.server
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RATE, SLOW_S, PATIENCE_S = 200, 0.25, 3.0
BEFORE_S, FAULT_S, AFTER_S = 2.0, 3.0, 2.0
WORKERS = 220

HAPROXY = """
defaults
    mode http
    timeout connect 250ms
    timeout client 75s
    timeout server 1s
    timeout check 400ms
    retries 2
    option redispatch 1
    retry-on conn-failure empty-response response-timeout
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    option httpchk
    http-check send meth GET uri /health
    balance roundrobin
    default-server check inter 500ms fastinter 100ms downinter 500ms fall 2 rise 2
    default-server observe layer7 error-limit 5 on-error mark-down
{servers}
"""
NGINX = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
    upstream b {{
{servers}
        zone b 256k;
        keepalive 256;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://b;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 250ms;
            proxy_read_timeout 1s;
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 3;
            proxy_next_upstream_timeout 5s;
        }}
    }}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
    persist_config off
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy {servers} {{
        health_uri /health
        health_interval 500ms
        health_timeout 400ms
        health_fails 2
        health_passes 2
        lb_policy round_robin
        lb_retries 2
        lb_try_duration 5s
        lb_try_interval 10ms
        fail_duration 3s
        max_fails 5
        unhealthy_status 5xx
        transport http {{
            dial_timeout 250ms
            response_header_timeout 1s
        }}
    }}
}}
"""


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers a GET after 2 ms with the name of the backend."""

    protocol_version = "HTTP/1.1"
    name = "?"

    def do_GET(self) -> None:
        if self.path != "/health":
            time.sleep(0.002)
        body = self.name.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nX-Name: {self.name}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """HTTP server with one thread for each connection."""

    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_: object) -> None:  # a balancer that closes a connection is not an error of this script
        pass


def serve(name: str, port: int) -> None:
    """Serve as a backend until killed."""
    Backend.name = name
    Server(("127.0.0.1", port), Backend).serve_forever()


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def program(name: str) -> str:
    """Return the path of the installed program; exit if there is none."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        sys.exit(f"{name} is not installed")
    return found


def balancer(kind: str, port: int, backends: list[int], folder: Path) -> list[str]:
    """Write the balancer's configuration; return its command."""
    addresses = [f"127.0.0.1:{each}" for each in backends]
    if kind == "haproxy":
        servers = "\n".join(f"    server s{n} {each}" for n, each in enumerate(addresses))
        (folder / "c").write_text(HAPROXY.format(port=port, servers=servers))
        return [program("haproxy"), "-db", "-f", str(folder / "c")]
    if kind == "nginx":
        servers = "\n".join(f"        server {each} max_fails=2 fail_timeout=1s;" for each in addresses)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "c").write_text(NGINX.format(port=port, servers=servers, user=user))
        return [program("nginx"), "-p", str(folder), "-c", str(folder / "c"), "-e", "stderr"]
    if kind == "caddy":
        (folder / "c").write_text(CADDY.format(port=port, servers=" ".join(addresses)))
        return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "c")]
    listed = [{"id": f"s{n}", "address": each} for n, each in enumerate(addresses)]
    config = {
        "version": 1,
        "listen": f"127.0.0.1:{port}",
        "admin": {"listen": f"127.0.0.1:{free_ports(1)[0]}"},
        "discovery": {"kind": "static", "backends": listed},
    }
    (folder / "c").write_text(json.dumps(config))
    return [sys.executable, "-m", "lb", "--config", str(folder / "c")]


_local = threading.local()


def get(port: int) -> tuple[bool, str]:
    """Send a GET on this thread's connection; return whether the status was 200, and the backend's name."""
    connection = getattr(_local, "connection", None)
    try:
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        _local.connection = None if answer.will_close else connection
        return answer.status == 200, answer.headers.get("X-Name", "")
    except (OSError, http.client.HTTPException):
        if connection is not None:
            connection.close()
        _local.connection = None
        return False, ""


def wait_for(port: int, wanted: set[str]) -> None:
    """Wait until every backend has answered through the balancer; exit after 20 s."""
    until, seen = time.monotonic() + 20, set()
    while not wanted <= seen:
        if time.monotonic() > until:
            sys.exit(f"the balancer does not forward to all backends; it reached {sorted(seen)}")
        good, name = get(port)
        if good:
            seen.add(name)
        else:
            time.sleep(0.05)


def once(kind: str, fault: str) -> dict[str, float]:
    """Do one run with new processes, and end all of them."""
    port, *ports = free_ports(4)
    children: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        try:
            for number, each in enumerate(ports):
                children.append(start_backend(number, each))
            with (folder / "log").open("wb") as log:
                command = balancer(kind, port, ports, folder)
                children.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment(folder)))
            wait_for(port, {"b0", "b1", "b2"})
            return run(port, ports[0], children, fault)
        finally:
            for child in children:
                child.send_signal(signal.SIGCONT)
                child.terminate()
            for child in children:
                try:
                    child.wait(3)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the balancer; without it, Caddy would write to the home directory."""
    return {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def start_backend(number: int, port: int) -> subprocess.Popen[bytes]:
    """Start this script as a backend."""
    return subprocess.Popen([sys.executable, __file__, "--serve", f"b{number}", str(port)])


def run(port: int, first: int, children: list[subprocess.Popen[bytes]], fault: str) -> dict[str, float]:
    """Send the requests, inject the fault, and return the counts."""
    total = int(RATE * (BEFORE_S + FAULT_S + AFTER_S))
    records: list[tuple[float, bool, float, str]] = []
    times: dict[str, float] = {}
    zero = time.monotonic() + 0.1
    # Health checks start with the balancer: a fault at a fixed time would have the same phase in every run.
    fault_at = BEFORE_S + random.uniform(0.0, 0.5)

    def send(due: float) -> None:
        good, name = get(port)
        records.append((due, good, time.monotonic() - zero - due, name))

    def disturb() -> None:
        time.sleep(max(0.0, zero + fault_at - time.monotonic()))
        children[0].send_signal(signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
        times["begin"] = time.monotonic() - zero
        time.sleep(FAULT_S)
        times["end"] = time.monotonic() - zero
        if fault == "kill":
            children[0].wait()
            children[0] = start_backend(0, first)
        else:
            children[0].send_signal(signal.SIGCONT)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    lag = 0.0
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for number in range(total):
            due = number / RATE
            time.sleep(max(0.0, zero + due - time.monotonic()))
            lag = max(lag, time.monotonic() - zero - due)
            pool.submit(send, due)
    disturber.join()
    late = [(due, good, took, name) for due, good, took, name in records if good and took > SLOW_S]
    bad = [due for due, good, took, name in records if not good or took > SLOW_S or name == "b0"]
    inside = [due - times["begin"] for due in bad if times["begin"] <= due < times["end"]]
    return {
        "failed": sum(not good for _, good, _, _ in records),
        "slow": len(late),
        "reroute_s": round(max(inside, default=0.0), 3),
        "lag_max_s": round(lag, 3),
    }


def main() -> None:
    """Run as the command line says, and print the result as JSON."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("balancer", choices=["reroute", "haproxy", "nginx", "caddy"])
    parser.add_argument("fault", choices=["kill", "pause"])
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    runs = [once(arguments.balancer, arguments.fault) for _ in range(arguments.repeat)]
    medians = {name: statistics.median(each[name] for each in runs) for name in runs[0]}
    sys.stdout.write(
        json.dumps({"balancer": arguments.balancer, "fault": arguments.fault, "median": medians, "runs": runs}) + "\n"
    )


if __name__ == "__main__":
    main()
