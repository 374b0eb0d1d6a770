"""A balancer whose discovery would take away all backends that pass their checks: a reload, a file, DNS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.lb_shell.stubs import naming, remembering, started, write
from tests.support.raw_http import Stub, answering

FAST = "health: {interval: 100ms, timeout: 90ms, jitter: 0%}"
NOBODY = Stub("nobody", answering())
NOBODY.port = 1  # tcpmux: refuses


def shown(answer: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each backend is held."""
    return {one["id"]: one["leaves_in_s"] is not None for one in answer["backends"]}


async def served(balancer: BalancerProcess) -> str:
    async with balancer.client.get(balancer.traffic) as answer:
        return f"{answer.status} {answer.headers.get('X-Backend', '')}"


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reload_that_names_dead_backends_only_is_no_outage(tmp_path: Path, workers: int) -> None:
    good = remembering("good")
    async with started(good):
        config = write(tmp_path, naming(good), FAST, f"workers: {workers}")
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            write(tmp_path, naming(NOBODY), FAST, f"workers: {workers}")
            status, _ = await balancer.call("POST", "/reload")
            assert status == 200
            await balancer.until("/backends", lambda answer: shown(answer) == {"good": True, "nobody": False})
            assert await served(balancer) == "200 good"
            assert await balancer.metric('lb_backend_held{backend="good"}') == 1
            event = await balancer.event(lambda event: event["type"] == "held")
            assert event["backend"] == "good"
            status, _ = await balancer.call("POST", "/reload?force=1")
            assert status == 200
            await balancer.until("/backends", lambda answer: shown(answer) == {"nobody": False})
            event = await balancer.event(lambda event: event["type"] == "released")
            assert event["reason"] == "forced by the operator"


async def test_replaced_backends_leave_as_soon_as_the_new_ones_pass(tmp_path: Path) -> None:
    old, new = remembering("old"), remembering("new")
    async with started(old, new):
        config = write(tmp_path, naming(old), FAST)
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            write(tmp_path, naming(new), FAST)
            await balancer.call("POST", "/reload")
            event = await balancer.event(lambda event: event["type"] == "released")
            assert event["reason"] == "enough others pass their checks"
            await balancer.until("/backends", lambda answer: shown(answer) == {"new": False})
            assert await served(balancer) == "200 new"


async def test_a_file_of_backends_is_no_better_and_a_held_one_that_fails_leaves(tmp_path: Path) -> None:
    good, listed = remembering("good"), tmp_path / "backends.yaml"
    await good.start()
    listed.write_text(f"- good=127.0.0.1:{good.port}\n")
    config = write(tmp_path, f"discovery: {{kind: file, path: '{listed}', interval: 100ms}}", FAST)
    async with running_balancer("--config", str(config)) as balancer:
        await balancer.ready()
        listed.write_text("- nobody=127.0.0.1:1\n")
        await balancer.until("/backends", lambda answer: shown(answer) == {"good": True, "nobody": False})
        assert await served(balancer) == "200 good"
        await good.stop()
        event = await balancer.event(lambda event: event["type"] == "released")
        assert event["reason"] == "it no longer passes its checks"
        await balancer.until("/backends", lambda answer: shown(answer) == {"nobody": False})


async def test_the_time_is_bounded_and_an_order_is_followed_at_once(tmp_path: Path) -> None:
    good, other = remembering("good"), remembering("other")
    async with started(good, other):
        config = write(tmp_path, naming(good, other), FAST)
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            write(tmp_path, naming(NOBODY).replace("kind: static", "kind: static, hold: 1s"), FAST)
            await balancer.call("POST", "/reload")
            await balancer.until("/backends", lambda answer: shown(answer)["good"])
            status, _ = await balancer.call("DELETE", "/backends/other")
            assert status == 200
            await asyncio.wait_for(
                balancer.event(lambda event: event.get("reason") == "discovery has not named it for 1 s"), 15
            )
            await balancer.until("/backends", lambda answer: shown(answer) == {"nobody": False})


async def test_new_backends_that_are_assumed_up_take_nobodys_place_before_a_check_has_passed(tmp_path: Path) -> None:
    good = remembering("good")
    assumed = FAST.replace("health: {", "health: {assume_up: true, ")
    async with started(good):
        config = write(tmp_path, naming(good), assumed)
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.until("/backends", lambda answer: answer["backends"][0]["last_probe"])
            write(tmp_path, naming(NOBODY), assumed)
            await balancer.call("POST", "/reload")
            await balancer.until("/backends", lambda answer: shown(answer) == {"good": True, "nobody": False})
            await balancer.until("/backends", lambda answer: answer["backends"][-1]["state"] == "down")
            assert shown(await balancer.get("/backends")) == {"good": True, "nobody": False}
