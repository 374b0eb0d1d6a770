"""Bodies that are too much, and values that JSON can say and an answer cannot repeat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.bodies import MAX_BODY, MAX_DEPTH, is_deep
from api.replica import Replica
from api.settings import Settings
from tests.support.api.asgi import call

TOKEN = "token-of-the-replica"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    replica = Replica.create(Settings(instance="api-1", ledger_dir=tmp_path, misbehave_token=TOKEN))
    yield create_app(replica)
    replica.close()


@pytest.mark.parametrize(
    ("body", "deep"),
    [(b"", False), (b"[[]]", False), (b'["' + b"[" * 100 + b'"]', False), (b"[" * 16 + b"]" * 16, False),
     (b"[" * 17 + b"]" * 17, True), (b'{"a":' * 17 + b"1" + b"}" * 17, True), (b"[" + b"[]," * 20_000 + b"[]]", False),
     (b"[" * 60_000, True)],
)  # fmt: skip
def test_what_is_deep(body: bytes, deep: bool) -> None:
    assert is_deep(body) is deep


HOSTILE = [
    (b"[" * 60_000, 400),
    (b'{"id":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), 400),
    (b" " * (MAX_BODY + 1), 413),
    (b'{"id":' + b"[" * 10 + b"]" * 10 + b"}", 422),
    (b'{"id":NaN}', 422),
    (b'{"id":"a","cpu_ms":1e999}', 422),
    (b'{"id":"a","sleep_ms":-Infinity}', 422),
    (b'{"id":"\\ud800"}', 422),
    (b'{"\\ud800":1}', 422),
    (b'{"mode":"error","rate":NaN}', 422),
    (b'{"mode":["x"]}', 422),
    (b"9" * 5_000, 400),
    (b"\xff", 400),
]


@pytest.mark.parametrize(("body", "status"), HOSTILE, ids=[repr(body[:30]) for body, _ in HOSTILE])
async def test_no_body_is_an_error_of_the_replica(app: FastAPI, body: bytes, status: int) -> None:
    headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
    for method, path in (("POST", "/jobs"), ("PUT", "/misbehave")):
        answer = await call(app, method, path, pieces=(body,), headers=headers)
        assert answer.status == status, path
        assert len(json.dumps(answer.json)) < 2_000
