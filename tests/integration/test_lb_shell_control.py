"""The admin API of a running balancer: who may change it, its policy, its decisions, and its own description."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lb.admin import openapi
from tests.support.api.replica_process import ReplicaProcess, running_replica
from tests.support.lb_shell.balancer_process import running_balancer

NO_ENDPOINT = "a=127.0.0.1:9,b=127.0.0.1:10"
TOKEN = "a-token-of-enough-length"


async def test_changes_need_the_token_and_reading_does_not() -> None:
    async with running_balancer(LB_DISCOVERY__BACKENDS=NO_ENDPOINT, LB_ADMIN__TOKEN=TOKEN) as balancer:
        for method, path in (
            ("PUT", "/policy"),
            ("POST", "/backends"),
            ("PUT", "/backends/a"),
            ("DELETE", "/backends/a"),
        ):
            status, answer = await balancer.call(method, path, json={"policy": "p2c"})
            assert (status, answer["error"]) == (401, "unauthorized"), (method, path)
        assert (await balancer.get("/backends"))["policy"] == "round_robin"

        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert (await balancer.call("PUT", "/policy", json={"policy": "p2c"}, headers=headers))[0] == 200
        assert (await balancer.get("/config"))["policy"] == "p2c"
        assert TOKEN not in str(await balancer.get("/config"))


async def test_beyond_loopback_and_without_a_token_nothing_can_be_changed() -> None:
    async with running_balancer(LB_DISCOVERY__BACKENDS=NO_ENDPOINT, LB_ADMIN__LISTEN="0.0.0.0:0") as balancer:
        status, answer = await balancer.call("PUT", "/policy", json={"policy": "p2c"})
        assert (status, "no admin.token is configured" in answer["detail"]) == (401, True)
        assert (await balancer.call("GET", "/backends"))[0] == 200


async def test_a_policy_change_is_checked() -> None:
    async with running_balancer(LB_DISCOVERY__BACKENDS=NO_ENDPOINT) as balancer:
        status, answer = await balancer.call("PUT", "/policy", json={"policy": "best"})
        assert (status, answer["detail"][:22]) == (422, "policy: unknown policy")
        status, answer = await balancer.call("PUT", "/policy", json={"policy": "p2c", "froce": True})
        assert (status, answer["detail"]) == (422, "froce: Extra inputs are not permitted")
        assert (await balancer.get("/backends"))["policy"] == "round_robin"


async def test_the_description_lists_exactly_the_calls_that_exist() -> None:
    """Every call that it lists is answered by something, and every one that the documents name is listed."""
    async with running_balancer(LB_DISCOVERY__BACKENDS=NO_ENDPOINT) as balancer:
        document = await balancer.get("/openapi.json")
        listed = {(method.upper(), path) for path, calls in document["paths"].items() for method in calls}
        assert listed == CALLS
        for path in {path for _, path in listed}:
            status, answer = await balancer.call("PATCH", path.replace("{id}", "a"))
            assert status == 405, (path, answer)
        assert (await balancer.call("GET", "/nothing"))[0] == 404


CALLS = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/clock"), ("GET", "/backends"), ("POST", "/backends"),
    ("PUT", "/backends/{id}"), ("DELETE", "/backends/{id}"), ("PUT", "/policy"), ("GET", "/decisions"),
    ("POST", "/reload"), ("GET", "/config"), ("GET", "/bounds"),
    ("GET", "/events"), ("GET", "/metrics"), ("GET", "/openapi.json"),
}  # fmt: skip


async def test_the_description_knows_every_body_and_no_reference_leads_nowhere() -> None:
    async with running_balancer(LB_DISCOVERY__BACKENDS=NO_ENDPOINT) as balancer:
        document = await balancer.get("/openapi.json")
    changing = {(method, path) for method, path in CALLS if method != "GET"}
    assert set(openapi.BODIES) == changing - {("POST", "/reload")}
    assert set(openapi.QUERIES) <= CALLS
    in_query = {
        (method.upper(), path): {each["name"] for each in call["parameters"] if each["in"] == "query"}
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    }
    assert {call: names for call, names in in_query.items() if names} == {
        ("GET", "/events"): {"since"},
        ("GET", "/decisions"): {"last", "backend", "id"},
        ("POST", "/reload"): {"force"},
        ("DELETE", "/backends/{id}"): {"force"},
    }
    for reference in re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(document)):
        assert reference in document["components"]["schemas"]
    adjustment = document["components"]["schemas"]["Adjustment"]
    assert (set(adjustment["properties"]), adjustment["additionalProperties"]) == ({"weight", "state", "force"}, False)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[ReplicaProcess]:
    with running_replica("api-1", tmp_path) as running:
        yield running


async def test_decisions_explain_where_a_request_went(replica: ReplicaProcess) -> None:
    entries = f"dead=127.0.0.1:9,api-1={replica.address}"
    environ = {"LB_DISCOVERY__BACKENDS": entries, "LB_HEALTH__ASSUME_UP": "true", "LB_HEALTH__INTERVAL": "1m"}
    async with running_balancer(**environ) as balancer:
        async with balancer.client.get(f"{balancer.traffic}/whoami", headers={"X-Request-Id": "mine"}) as answer:
            assert answer.status == 200
            assert "X-Load" not in answer.headers
        await balancer.until("/decisions", lambda answer: answer["decisions"])
        [told] = (await balancer.get("/decisions?id=mine"))["decisions"]
        assert (told["status"], told["backend"], told["outcome"]) == (200, "api-1", "ok")
        assert {one["id"] for one in told["steps"][0]["candidates"]} == {"dead", "api-1"}
        assert await balancer.get("/decisions?id=other") == {"decisions": []}
        assert len((await balancer.get("/decisions?last=1&backend=api-1"))["decisions"]) == 1
        status, answer_ = await balancer.call("GET", "/decisions?last=0")
        assert (status, answer_["error"]) == (422, "invalid")
        assert (await balancer.call("GET", "/decisions?lsat=5"))[0] == 422
