"""Requests to an application that is not the lab's, against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import socketserver
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.evidence.history import History, Outcome
from lab.scenario.plan import PlannedExchange, PlannedRequest
from lab.traffic.response_check import KEPT
from tests.integration.test_lab_traffic_process import Traffic
from tests.support.lab_plans import traffic_only

SHOP = {"status": "up", "checks": [{"name": "db", "ok": True}], "count": 1}


class Shop(http.server.BaseHTTPRequestHandler):
    """A small application of the standard library: no header of the lab, its own statuses, one cookie."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, dict[str, str], bytes]]
    connections: int

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        status = int(self.path.rsplit("/", 1)[1]) if self.path.startswith("/status/") else 200
        content = b"" if status in {204, 304} else json.dumps(SHOP).encode()
        if self.path == "/large":
            content = bytes(KEPT) + b"needle"
        self.send_response(status)
        self.send_header("Content-Length", "7" if status == 304 else str(len(content)))
        self.send_header("Set-Cookie", "server=shop-1; Path=/")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def shop() -> Iterator[tuple[type[Shop], str]]:
    handler = type("OneShop", (Shop,), {"seen": [], "connections": 0})

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        request_queue_size = 256

    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def kind(method: str = "GET", path: str = "/", *, body_bytes: int = 0, **exchange: object) -> PlannedRequest:
    return PlannedRequest(method, path, 1.0, body_bytes, PlannedExchange(**exchange))  # type: ignore[arg-type]


async def sent(kind: PlannedRequest, folder: Path, url: str, **load: object) -> History:
    traffic = await Traffic.start(traffic_only(0.2, rate=100.0, mix=(kind,), **load), url, folder)
    traffic.go()
    return await traffic.ended()


def endings(history: History) -> set[tuple[Outcome | None, int | None, str | None]]:
    assert len(history.requests) == 20
    return {(each.outcome, each.status, each.error) for each in history.requests}


@pytest.mark.parametrize(
    ("asked", "outcome", "status", "error"),
    [
        (kind(), Outcome.OK, 200, None),
        (kind(path="/status/404"), Outcome.FAIL, 404, "status 404"),
        (kind(path="/status/404", statuses=("4xx",)), Outcome.OK, 404, None),
        (kind(path="/status/503", statuses=("200", "503")), Outcome.OK, 503, None),
        (kind(path="/status/302"), Outcome.OK, 302, None),
        (kind(path="/status/302", statuses=("200",)), Outcome.FAIL, 302, "status 302"),
        (kind(contains='"db"'), Outcome.OK, 200, None),
        (kind(contains="nothing"), Outcome.FAIL, 200, "wrong_body: it does not contain nothing"),
        (kind(path="/large", contains="needle"), Outcome.FAIL, 200, "wrong_body: it does not contain needle"),
        (kind(json=(("/status", "up"), ("/checks/0/ok", True))), Outcome.OK, 200, None),
        (kind(json=(("/status", "down"),)), Outcome.FAIL, 200, "wrong_body: /status is not 'down'"),
        (kind(json=(("/count", True),)), Outcome.FAIL, 200, "wrong_body: /count is not True"),
        (kind(json=(("/checks/1/ok", True),)), Outcome.FAIL, 200, "wrong_body: /checks/1/ok is not True"),
        (kind(path="/large", json=(("/status", "up"),)), Outcome.FAIL, 200, "wrong_body: it is not JSON"),
        (kind("DELETE", "/status/204", statuses=("204",)), Outcome.OK, 204, None),
        (kind(path="/status/304", statuses=("304",)), Outcome.OK, 304, None),
    ],
)  # fmt: skip
async def test_status_and_answer_decide_the_outcome(
    asked: PlannedRequest, outcome: Outcome, status: int, error: str | None, tmp_path: Path
) -> None:
    with shop() as (_, url):
        assert endings(await sent(asked, tmp_path, url)) == {(outcome, status, error)}


async def test_a_response_to_head_has_no_body_and_its_connection_is_used_again(tmp_path: Path) -> None:
    with shop() as (handler, url):
        history = await sent(kind("HEAD", "/any"), tmp_path, url)
        assert endings(history) == {(Outcome.OK, 200, None)}
        assert {each.size for each in history.requests} == {0}
        assert handler.connections < len(history.requests)


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
async def test_headers_and_body_arrive_as_they_were_written(method: str, tmp_path: Path) -> None:
    body = bytes(range(256))
    headers = (("Host", "shop.example"), ("Accept", "a/b;q=0.5"), ("X-Request-Id", "mine"), ("Cookie", "own=1"))
    asked = kind(method, "/x?y=1", headers=headers, body=base64.b64encode(body).decode())
    with shop() as (handler, url):
        history = await sent(asked, tmp_path, f"{url}/base")
        assert endings(history) == {(Outcome.OK, 200, None)}
        for command, path, fields, content in handler.seen:
            assert (command, path, content) == (method, "/base/x?y=1", body)
            assert fields == {**dict(headers), "Content-Length": "256"}
    assert {(each.method, each.path, each.key) for each in history.requests} == {(method, "/x?y=1", None)}


async def test_a_cookie_of_the_load_and_one_of_the_session_share_a_header(tmp_path: Path) -> None:
    asked = kind(headers=(("Cookie", "own=1"),))
    with shop() as (handler, url):
        await sent(asked, tmp_path, url, sessions=1)
        cookies = {fields["Cookie"] for _, _, fields, _ in handler.seen}
    assert cookies == {"own=1", "own=1; server=shop-1"}


async def test_a_generated_body_has_its_size_and_an_empty_one_its_length(tmp_path: Path) -> None:
    with shop() as (handler, url):
        await sent(kind("PUT", "/file", body_bytes=100), tmp_path, url)
        assert {len(content) for *_, content in handler.seen} == {100}
        handler.seen.clear()
        await sent(kind("POST", "/jobs"), tmp_path, url)
        assert {(fields["Content-Length"], content) for _, _, fields, content in handler.seen} == {("0", b"")}


@pytest.mark.parametrize(
    "target", ["http://192.0.2.1:80", "https://10.1.2.3", "http://0.0.0.0:80", "http://u@127.0.0.1"]
)
async def test_the_process_refuses_to_send_to_any_other_machine(target: str, tmp_path: Path) -> None:
    """Whoever starts it: the rule is not that of its parent."""
    traffic_only(0.1).write(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reroute_lab.lab.traffic", "--plan", str(tmp_path / "plan.json"), "--target", target,
        "--history", str(tmp_path / "history.jsonl"), "--run-id", "r1", "--permit", "10.1.2.4",
        stdin=PIPE, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    out, err = await process.communicate(b"go 0\n")
    assert (process.returncode, out) == (254, b"")
    assert err.startswith(b"lab.traffic: " + target.encode())
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "history.jsonl").exists()


@pytest.mark.parametrize(
    ("method", "declared", "idempotent"),
    [("POST", None, False), ("POST", True, True), ("GET", None, True), ("GET", False, False)],
)
async def test_the_load_can_say_that_a_repetition_does_no_harm(
    method: str, declared: bool | None, idempotent: bool, tmp_path: Path
) -> None:
    with shop() as (_, url):
        history = await sent(kind(method, idempotent=declared), tmp_path, url)
    assert {each.idempotent for each in history.requests} == {idempotent}
