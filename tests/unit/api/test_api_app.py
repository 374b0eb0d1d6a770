from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.replica import Replica
from api.settings import Settings
from tests.support.api.asgi import Answer, call, call_json

TOKEN = "token-of-the-replica"
LONG_PAST, FAR_FUTURE = "1000000000", "9000000000"


@pytest.fixture
async def replica(tmp_path: Path) -> AsyncIterator[Replica]:
    made = Replica.create(Settings(instance="api-1", ledger_dir=tmp_path, misbehave_token=TOKEN))
    yield made
    made.close()


@pytest.fixture
def app(replica: Replica) -> FastAPI:
    return create_app(replica)


async def order(app: FastAPI, mode: object, authorization: str = f"Bearer {TOKEN}") -> Answer:
    return await call_json(app, "PUT", "/misbehave", mode, Authorization=authorization)


async def test_health_names_the_instance_and_its_load(app: FastAPI) -> None:
    answer = await call(app, "GET", "/health")

    assert answer.status == 200
    assert answer.json["status"] == "ok"
    assert answer.json["instance"] == "api-1"
    assert answer.json["load"]["in_flight"] == 1, "the probe itself"


async def test_calls_are_also_below_the_prefix_that_was_set(replica: Replica) -> None:
    app = create_app(replica, "/v1")
    for path in ("/health", "/v1/health"):
        assert (await call(app, "GET", path)).status == 200
    assert (await call(app, "GET", "/v2/health")).status == 404


async def test_whoami_shows_repeated_headers_in_order(app: FastAPI) -> None:
    answer = await call(app, "GET", "/whoami", headers={"X-Forwarded-For": "10.0.0.9", "Via": "1.1 lb"})

    assert answer.json["headers"] == [["x-forwarded-for", "10.0.0.9"], ["via", "1.1 lb"]]


async def test_work_of_some_bytes_is_exactly_that_many(app: FastAPI) -> None:
    answer = await call(app, "GET", "/work?bytes=150000")

    assert answer.headers["content-length"] == "150000"
    assert len(answer.body) == 150_000


@pytest.mark.parametrize("path", ["/work", "/work?bytes=5", "/whoami", "/health", "/stream?chunks=2", "/metrics"])
async def test_head_is_get_without_its_body(app: FastAPI, path: str) -> None:
    asked, answered = await call(app, "HEAD", path), await call(app, "GET", path)

    assert (asked.status, asked.body) == (200, b"")
    assert asked.headers.get("content-type") == answered.headers.get("content-type")
    assert ("content-length" in asked.headers) == ("content-length" in answered.headers)
    assert (await call(app, "HEAD", "/jobs")).status == 405


@pytest.mark.parametrize(
    "query", ["cpu_ms=10001", "cpu_ms=-1", "sleep_ms=60001", "sleep_ms=nan", "bytes=67108865", "bytes=x"]
)
async def test_work_outside_its_limits_is_refused_by_name(app: FastAPI, query: str) -> None:
    answer = await call(app, "GET", f"/work?{query}")

    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["query", query.split("=")[0]]


async def test_a_job_is_on_record_when_it_is_answered(app: FastAPI) -> None:
    answer = await call_json(app, "POST", "/jobs", {"id": "run/1"})

    assert (answer.status, answer.json) == (201, {"id": "run/1", "instance": "api-1"})
    ledger = (await call(app, "GET", "/ledger?prefix=run/")).json["entries"]
    assert [(entry["id"], entry["instance"]) for entry in ledger] == [("run/1", "api-1")]


async def test_nothing_past_its_deadline_is_executed(app: FastAPI) -> None:
    job = await call_json(app, "POST", "/jobs", {"id": "zombie"}, X_Deadline=LONG_PAST)
    work = await call(app, "GET", "/work?sleep_ms=60000", headers={"X-Deadline": LONG_PAST})

    assert (job.status, job.json) == (504, {"error": "deadline_passed"})
    assert (work.status, work.json) == (504, {"error": "deadline_passed"})
    assert (await call(app, "GET", "/ledger")).json == {"entries": []}


async def test_a_deadline_ahead_changes_nothing(app: FastAPI) -> None:
    assert (await call_json(app, "POST", "/jobs", {"id": "a"}, X_Deadline=FAR_FUTURE)).status == 201


async def test_a_deadline_that_passes_during_the_work_keeps_the_job_off_the_record(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a process sees that is paused in the middle of a job: time.time() jumps between two lines.
    times = iter([100.0, 200.0])
    monkeypatch.setattr("api.work.time", SimpleNamespace(time=lambda: next(times), monotonic=lambda: 0.0))

    answer = await call_json(app, "POST", "/jobs", {"id": "half"}, X_Deadline="150")

    assert answer.status == 504
    assert (await call(app, "GET", "/ledger")).json == {"entries": []}


async def test_a_malformed_deadline_is_refused_rather_than_ignored(app: FastAPI) -> None:
    for value in ("soon", "nan", "inf"):
        assert (await call(app, "GET", "/work", headers={"X-Deadline": value})).status == 422


@pytest.mark.parametrize("job", [{}, {"id": ""}, {"id": "a b"}, {"id": "a", "cpu_ms": 99999}, {"id": "a", "typo": 1}])
async def test_a_malformed_job_is_refused_and_not_executed(app: FastAPI, job: dict[str, object]) -> None:
    assert (await call_json(app, "POST", "/jobs", job)).status == 422
    assert (await call(app, "GET", "/ledger")).json == {"entries": []}


async def test_burning_cpu_does_not_keep_a_probe_waiting(app: FastAPI) -> None:
    burning = asyncio.create_task(call(app, "GET", "/work?cpu_ms=400"))
    probes = 0
    while not burning.done():
        assert (await call(app, "GET", "/health")).status == 200
        probes += 1
        await asyncio.sleep(0)

    # On the event loop it would be one probe before and one after. A probe costs about 1 ms, so 400 ms fit far more
    # than 10 even on a loaded host.
    assert probes > 10


async def test_echo_gives_the_body_back_piece_by_piece(app: FastAPI) -> None:
    answer = await call(
        app, "PATCH", "/echo", pieces=(b"one ", b"two ", b"three"), headers={"Content-Type": "text/x-mine"}
    )

    assert answer.body == b"one two three"
    assert answer.headers["x-method"] == "PATCH"
    assert answer.headers["content-type"].startswith("text/x-mine")


async def test_a_stream_has_its_chunks_and_no_length(app: FastAPI) -> None:
    answer = await call(app, "GET", "/stream?chunks=3&bytes=5&interval_ms=1")

    assert len(answer.body) == 15
    assert "content-length" not in answer.headers


async def test_misbehaviour_is_set_shown_and_ended(app: FastAPI) -> None:
    told = await order(app, {"mode": "error", "rate": 1, "status": 503, "duration_s": 60})
    failed = await call(app, "GET", "/work")
    await order(app, {"mode": "ok"})

    assert told.json["mode"] == "error"
    assert 59 < told.json["remaining_s"] <= 60
    assert failed.status == 503
    assert (await call(app, "GET", "/work")).status == 200
    assert (await call(app, "GET", "/misbehave")).json["mode"] == "ok"


@pytest.mark.parametrize(
    "authorization", ["", TOKEN, "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"]
)
async def test_an_order_without_the_token_changes_nothing(app: FastAPI, authorization: str) -> None:
    refused = await order(app, {"mode": "error", "rate": 1}, authorization)

    assert (refused.status, refused.json) == (401, {"error": "unauthorized"})
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (await call(app, "GET", "/misbehave")).json["mode"] == "ok"


async def test_a_replica_that_hangs_still_refuses_orders_without_the_token(app: FastAPI) -> None:
    await order(app, {"mode": "hang"})

    assert (await order(app, {"mode": "ok"}, "")).status == 401
    assert (await order(app, {"mode": "ok"})).status == 200


async def test_a_replica_without_a_token_takes_no_orders(tmp_path: Path) -> None:
    replica = Replica.create(Settings(instance="api-2", ledger_dir=tmp_path))
    refused = await order(create_app(replica), {"mode": "error", "rate": 1}, "Bearer ")
    replica.close()

    assert (refused.status, refused.json) == (403, {"error": "misbehave_disabled"})


async def test_the_token_may_come_by_file_after_the_start(tmp_path: Path) -> None:
    file = tmp_path / "token"
    replica = Replica.create(Settings(instance="api-2", ledger_dir=tmp_path, misbehave_token_file=file))
    app = create_app(replica)
    before = await order(app, {"mode": "error"})
    file.write_text(f"{TOKEN}\n")
    after, wrong = await order(app, {"mode": "error"}), await order(app, {"mode": "ok"}, "Bearer else")
    replica.close()

    assert (before.status, after.status, wrong.status) == (403, 200, 401)


async def test_unhealthy_fails_the_probe_and_does_the_work(app: FastAPI) -> None:
    await order(app, {"mode": "unhealthy"})

    probe = await call(app, "GET", "/health")

    assert (probe.status, probe.json["status"]) == (503, "unhealthy")
    assert (await call(app, "GET", "/work")).status == 200


async def test_a_hung_job_is_not_executed_after_its_deadline_when_the_hang_ends(app: FastAPI) -> None:
    await order(app, {"mode": "hang"})
    job = asyncio.create_task(call_json(app, "POST", "/jobs", {"id": "late"}, X_Deadline=LONG_PAST))
    await asyncio.sleep(0)
    assert not job.done()

    await order(app, {"mode": "ok"})

    assert (await asyncio.wait_for(job, 5)).status == 504


@pytest.mark.parametrize(
    "mode",
    [
        {"mode": "chaotic"},
        {},
        {"mode": "error", "rate": 1.1},
        {"mode": "error", "status": 404},
        {"mode": "slow"},
        {"mode": "hang", "duration_s": 0},
        {"mode": "ok", "rate": 1},
    ],
)
async def test_a_malformed_mode_is_refused_and_changes_nothing(app: FastAPI, mode: dict[str, object]) -> None:
    assert (await order(app, mode)).status == 422
    assert (await call(app, "GET", "/misbehave")).json["mode"] == "ok"


async def test_metrics_count_by_path_without_growing_on_unknown_ones(app: FastAPI) -> None:
    await call(app, "GET", "/work")
    for number in range(3):
        await call(app, "GET", f"/scan/{number}")

    text = (await call(app, "GET", "/metrics")).body.decode()

    assert 'api_requests_total{path="/work",status="200"} 1.0' in text
    assert 'api_requests_total{path="other",status="404"} 3.0' in text


async def test_the_openapi_document_describes_every_call(app: FastAPI) -> None:
    document = json.loads((await call(app, "GET", "/openapi.json")).body)

    calls = document["paths"]
    assert set(calls) == {
        "/health", "/whoami", "/work", "/echo", "/stream", "/jobs", "/ledger", "/misbehave", "/metrics",
    }  # fmt: skip
    for path, operations in calls.items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            assert operation["description"], (path, method)
    assert "504" in calls["/jobs"]["post"]["responses"]
    assert "503" in calls["/health"]["get"]["responses"]
    identifiers = [operation["operationId"] for operations in calls.values() for operation in operations.values()]
    assert len(identifiers) == len(set(identifiers))


async def test_an_order_for_a_cold_start_begins_with_the_next_start_and_can_be_taken_back(tmp_path: Path) -> None:
    settings = Settings(instance="api-1", ledger_dir=tmp_path, misbehave_token=TOKEN)
    cold = {"mode": "cold", "delay_ms": 400.0, "duration_s": 60.0}
    modes = []
    for orders in ([cold], [cold, {"mode": "ok"}], []):
        replica = Replica.create(settings)
        modes.append(replica.conduct.mode.mode)
        for each in orders:
            answer = await order(create_app(replica), each)
            assert (answer.status, answer.json["mode"]) == (200, "ok" if replica.conduct.mode.mode == "ok" else "cold")
        replica.close()
    assert modes == ["ok", "cold", "ok"]
