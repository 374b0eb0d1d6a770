"""Every balancer's real program, changed while it runs: backends come and go, and its configuration is loaded again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing
from lab.balancers.caddy import Caddy
from lab.balancers.haproxy.operator import HaproxyOperator
from lab.balancers.operating import Operated, Operator
from lab.balancers.requirements import Backend
from lab.balancers.running import Running, running
from lab.errors import EnvironmentProblemError
from lab.polling import until
from tests.support.balancers_stub import Stub, spec_for, stub_backends

WITHIN_S = 10.0
"""Traefik waits up to 2 s between two changes of its configuration; the rest is for a busy host."""
CALM = 12
"""Answers in a row that show who is in use: with round robin over two backends, each of them is among any two."""


@dataclass(frozen=True)
class Lab:
    """A running balancer with the backends red and blue, its operator, and a third backend that it does not know."""

    balancer: Running
    operator: Operator
    green: Backend

    async def ask(self, path: str = "/") -> str:
        url = f"http://{self.balancer.spec.listen}{path}"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def uses(self, *names: str) -> bool:
        """Whether exactly these backends come to be in use. Every answer meanwhile must be good."""

        async def only_these() -> bool:
            return {await self.ask() for _ in range(CALM)} == {*names}

        return await until(only_these, WITHIN_S, 0.05)


def folder_in(parent: Path) -> Path:
    """Return a folder of the balancer alone: its operator makes another one beside it."""
    folder = parent / "balancer"
    folder.mkdir()
    return folder


@asynccontextmanager
async def lab_of(name: str, workdir: Path) -> AsyncIterator[Lab]:
    adapter = ADAPTERS[name]
    if isinstance(found := adapter.find(), Missing):
        pytest.skip(f"{name} is not installed: {found.install}")
    async with stub_backends(Stub("red"), Stub("blue"), Stub("green")) as (red, blue, green):
        spec = spec_for((red, blue))
        async with running(adapter, spec, workdir) as balancer:
            operator = adapter.operator(Operated(adapter, spec, workdir, balancer.pid))
            assert operator is not None
            yield Lab(balancer, operator, green)


@pytest.fixture(params=list(ADAPTERS))
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    async with lab_of(request.param, folder_in(tmp_path)) as made:
        yield made


async def test_a_backend_is_replaced_by_another_one(lab: Lab) -> None:
    assert await lab.uses("red", "blue")
    await lab.operator.replace("red", lab.green)
    assert await lab.uses("green", "blue")


async def test_a_backend_comes_and_goes_and_a_reload_keeps_those_that_are_left(lab: Lab) -> None:
    await lab.operator.add(lab.green)
    assert await lab.uses("red", "blue", "green")
    await lab.operator.remove("red")
    assert await lab.uses("blue", "green")
    await lab.operator.reload()
    assert await lab.uses("blue", "green")
    assert lab.balancer.alive


async def test_reloads_under_load_fail_no_request(lab: Lab) -> None:
    over = asyncio.Event()

    async def keep_asking() -> int:
        asked = 0
        while not over.is_set():
            await lab.ask("/work")
            asked += 1
        return asked

    askers = [asyncio.create_task(keep_asking()) for _ in range(4)]
    for _ in range(3):
        await lab.operator.reload()
        await asyncio.sleep(0.3)  # the time under load is part of the test
    over.set()
    assert all(asked > 0 for asked in await asyncio.gather(*askers))


async def test_what_haproxys_runtime_api_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    async with lab_of("haproxy", folder_in(tmp_path)) as lab:
        with pytest.raises(EnvironmentProblemError, match="No such server"):
            await lab.operator.remove("purple")
        assert isinstance(lab.operator, HaproxyOperator)
        assert [each.id for each in lab.operator.spec.backends] == ["red", "blue"]


async def test_what_caddy_refuses_is_an_error_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab_of("caddy", folder_in(tmp_path)) as lab:
        monkeypatch.setattr(Caddy, "render", lambda _, __, folder: (folder / "Caddyfile").write_text("{"))
        with pytest.raises(EnvironmentProblemError, match="was answered with 400"):
            await lab.operator.reload()
        assert await lab.uses("red", "blue")
