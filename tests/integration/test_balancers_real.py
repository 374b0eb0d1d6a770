"""Every balancer's real program: what we render is what it runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Adapter, Command, Missing, Program
from lab.balancers.requirements import Backend, Level, ProxySpec
from lab.balancers.running import NotReadyError, RejectedConfigError, accepted, launched, running
from tests.support.balancers_stub import Stub, spec_for, stub_backends

BROKEN = {
    "reroute": '{"version": 1, "nonsense": 1}',
    "haproxy": "nonsense here",
    "nginx": "nonsense here;",
    "envoy": "nonsense: 1",
    "traefik": "entryPoints: {traffic: {nonsense: 1}}",
    "caddy": "{\n\tnonsense here\n}",
}


class Pair(NamedTuple):
    red: Stub
    blue: Stub
    backends: tuple[Backend, ...]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    red, blue = Stub("red"), Stub("blue")
    async with stub_backends(red, blue) as backends:
        yield Pair(red, blue, backends)


def installed(name: str) -> tuple[Adapter, Program]:
    adapter = ADAPTERS[name]
    found = adapter.find()
    if isinstance(found, Missing):
        pytest.skip(f"{name} is not installed: {found.install}")
    return adapter, found


async def answers(spec: ProxySpec, count: int, path: str = "/") -> list[str]:
    """What `count` GETs answer, one after another, each on a connection of its own."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as client:
        texts = []
        for _ in range(count):
            async with client.get(f"http://{spec.listen}{path}") as answer:
                assert answer.status == 200
                texts.append(await answer.text())
        return texts


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_it_starts_reaches_both_backends_and_stops(name: str, level: Level, pair: Pair, tmp_path: Path) -> None:
    adapter, _ = installed(name)
    async with running(adapter, spec_for(pair.backends, level=level), tmp_path) as balancer:
        assert balancer.alive
        assert balancer.version[0].isdigit()
        # Caddy's default policy is random: 32 requests all go to one of two backends once in 2 × 10⁹ runs.
        assert set(await answers(balancer.spec, 32)) == {"red", "blue"}
    assert not balancer.alive
    with pytest.raises(aiohttp.ClientConnectorError):
        await answers(balancer.spec, 1)


@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_matched_a_backend_that_is_gone_costs_no_get(name: str, pair: Pair, tmp_path: Path) -> None:
    adapter, _ = installed(name)
    async with running(adapter, spec_for(pair.backends), tmp_path) as balancer:
        await pair.red.stop()
        assert await answers(balancer.spec, 8) == ["blue"] * 8


@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_matched_a_get_that_is_cut_off_is_repeated_and_a_post_is_not(
    name: str, pair: Pair, tmp_path: Path
) -> None:
    adapter, _ = installed(name)
    async with running(adapter, spec_for(pair.backends), tmp_path) as balancer:
        pair.red.cuts = True
        assert await answers(balancer.spec, 2, "/work") == ["blue"] * 2

        pair.blue.cuts = True
        url = f"http://{balancer.spec.listen}/work"
        async with aiohttp.ClientSession() as client, client.post(url, data=b"once") as answer:
            assert answer.status >= 500
        assert [*pair.red.worked, *pair.blue.worked].count("POST") == 1


TRIES = {"reroute": {2}, "haproxy": {3}, "nginx": {2}, "envoy": {3}, "traefik": {3, 4, 5, 6}, "caddy": {3, 4, 5, 6}}
"""Of one GET that both backends cut. Reroute and nginx ask nobody twice; Go's HTTP client adds tries of its own where a
kept connection ends without an answer (docs/peers.md)."""


@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_matched_tries_as_often_as_it_is_told_and_a_post_once(name: str, pair: Pair, tmp_path: Path) -> None:
    adapter, _ = installed(name)
    async with running(adapter, spec_for(pair.backends), tmp_path) as balancer:
        pair.red.cuts = pair.blue.cuts = True
        for method in ("GET", "POST"):
            # Each on a connection of its own: HAProxy says nothing where it fails a later request of one.
            url = f"http://{balancer.spec.listen}/work"
            async with aiohttp.ClientSession() as client, client.request(method, url) as answer:
                assert answer.status >= 500
        tried = [*pair.red.worked, *pair.blue.worked]
        assert tried.count("GET") in TRIES[name]
        assert tried.count("POST") == 1


UNLUCKY = {"traefik": 5, "caddy": 5}
"""Their retries go to whoever is next, so all three of a request may meet the same backend. Five failures take it out,
and ten requests are under way: at most fifteen tries meet it, those of five requests."""


@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_matched_ninety_gets_survive_a_backend_that_cuts_every_one(name: str, pair: Pair, tmp_path: Path) -> None:
    adapter, _ = installed(name)
    async with (
        running(adapter, spec_for(pair.backends), tmp_path) as balancer,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=10)) as client,
    ):
        pair.red.cuts = True

        async def get() -> int:
            async with client.get(f"http://{balancer.spec.listen}/work") as answer:
                return answer.status

        statuses = Counter(await asyncio.gather(*(get() for _ in range(90))))
        assert statuses[200] >= 90 - UNLUCKY.get(name, 0)
        assert set(statuses) <= {200, 502}
        # Half of them meet it first; whoever retries there, or does not take it out, asks it more often.
        assert len(pair.red.worked) < 60


@pytest.mark.parametrize("policy", ["least_requests", "p2c", "random", "ring_hash"])
@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "traefik"])
async def test_it_accepts_every_policy_as_its_own_or_as_round_robin(
    name: str, policy: str, pair: Pair, tmp_path: Path
) -> None:
    adapter, program = installed(name)
    adapter.render(spec_for(pair.backends, policy=policy), tmp_path)
    check = adapter.check(program, tmp_path)
    assert check is not None
    await accepted(name, check)


@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_it_rejects_a_broken_file_in_its_own_words(name: str, pair: Pair, tmp_path: Path) -> None:
    adapter, program = installed(name)
    spec = spec_for(pair.backends)
    adapter.render(spec, tmp_path)[0].write_text(BROKEN[name] + "\n")
    # Traefik has no command that checks a file: it starts, and exits.
    with pytest.raises((RejectedConfigError, NotReadyError)) as caught:
        async with launched(adapter, program, spec, tmp_path):
            pass
    assert any("nonsense" in line for line in caught.value.details), caught.value.details


@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_a_port_that_is_taken_is_told_in_its_own_words(name: str, pair: Pair, tmp_path: Path) -> None:
    adapter, _ = installed(name)
    spec = spec_for(pair.backends)
    # It accepts and says nothing, so that no answer of its own is taken for the balancer's.
    taken = await asyncio.start_server(lambda _reader, _writer: None, spec.listen.host, spec.listen.port)
    async with taken:
        with pytest.raises((NotReadyError, RejectedConfigError)) as caught:
            async with running(adapter, spec, tmp_path, deadline_s=3.0):
                pass
    assert any(str(spec.listen.port) in line for line in caught.value.details), caught.value.details


async def test_a_check_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.balancers.running.CHECK_TIMEOUT_S", 0.2)
    with pytest.raises(RejectedConfigError, match="did not finish"):
        await accepted("sleeper", Command(("sleep", "60")))
