"""Every kind of hostile client at once against a balancer in a container with 256 MiB: it is not killed for its memory,
and ordinary clients do not notice.

The container has the host's network, so that no forwarder stands in between, and listens on loopback. What the kernel
keeps for its sockets counts as its memory, which a process outside of a container is not charged for.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import docker
import pytest

from tests.soak.test_soak_hostile import MEMORY, SETTLE_S, _attack
from tests.soak.test_soak_slow_clients import FACTOR, _backend, _ordinary, _p99
from tests.support.chaos_docker import build_image, engine
from tests.support.free_ports import free_port
from tests.support.lb_shell.eventually import eventually
from tests.support.open_files import more_open_files

SECONDS = {False: 20.0, True: 600.0}
QUIET_S = 5.0
FLOOR_S = 0.005
"""A p99 of 1 ms doubles when the host's scheduler is late once; below this nobody has noticed anything."""
IMAGE = "reroute-lb:test"

pytestmark = [pytest.mark.docker, pytest.mark.alone, pytest.mark.timeout(900)]


class Contained:
    """A balancer in a container."""

    def __init__(self, client: docker.DockerClient, backend: int) -> None:
        self._ports = {"traffic": free_port(), "admin": free_port()}
        environment = {
            "LB_LISTEN": f"127.0.0.1:{self.port()}",
            "LB_ADMIN__LISTEN": f"127.0.0.1:{self.port('admin')}",
            "LB_DISCOVERY__KIND": "static",
            "LB_DISCOVERY__BACKENDS": f"api-1=127.0.0.1:{backend}",
            "LB_RETRY__HEDGE": "false",
        }
        self.container: Any = client.containers.run(
            IMAGE, detach=True, network_mode="host", mem_limit=MEMORY, memswap_limit=MEMORY, environment=environment,
            name=f"reroute-hostile-{secrets.token_hex(3)}", read_only=True, cap_drop=["ALL"],
            ulimits=[docker.types.Ulimit(name="nofile", soft=4096, hard=4096)],
        )  # fmt: skip
        self.most = 0
        """Bytes of memory that it had at most; files in the page cache, which cost nobody anything, are left out."""
        threading.Thread(target=self._watch, daemon=True).start()

    def port(self, of: str = "traffic") -> int:
        return self._ports[of]

    def _watch(self) -> None:
        for told in self.container.stats(stream=True, decode=True):
            memory = told["memory_stats"]
            if "usage" in memory:  # not once it has ended
                files = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
                self.most = max(self.most, memory["usage"] - files)

    async def works(self) -> bool:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"http://127.0.0.1:{self.port('admin')}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

    def state(self) -> dict[str, Any]:
        """As the engine tells it."""
        self.container.reload()
        return dict(self.container.attrs["State"])


@contextmanager
def _two(backend: int) -> Iterator[tuple[Contained, Contained]]:
    client = engine()
    build_image(client, "lb", IMAGE)
    started: list[Contained] = []
    try:
        started.append(Contained(client, backend))
        started.append(Contained(client, backend))
        yield started[0], started[1]
    finally:
        for each in started:
            each.container.remove(force=True)


async def test_256_mib_are_enough_whatever_clients_do(soak: bool) -> None:
    with more_open_files(4000), _backend() as backend, _two(backend) as (attacked, spared):
        for each in (attacked, spared):
            assert await eventually(each.works, 60), each.container.logs().decode()
        await _ordinary(attacked, spared, seconds=2.0)  # first-time costs belong to nobody
        quiet, _ = await _ordinary(attacked, spared, seconds=QUIET_S)
        attackers = await _attack(attacked, SETTLE_S + SECONDS[soak] + 5.0)
        await _ordinary(attacked, spared, seconds=SETTLE_S)
        one, other = await _ordinary(attacked, spared, seconds=SECONDS[soak])
        output, _ = await attackers.communicate()
        state, works = attacked.state(), await attacked.works()
    attacks = json.loads(output)
    slowed, usual, before = _p99(one["took"]), _p99(other["took"]), _p99(quiet["took"])
    print(json.dumps(attacks))  # noqa: T201
    print(f"p99 {slowed * 1e3:.2f} ms, {usual * 1e3:.2f} ms beside it, {before * 1e3:.2f} ms before")  # noqa: T201
    print(f"memory {attacked.most // 1024} KiB, {spared.most // 1024} KiB beside it")  # noqa: T201
    assert all(attack["connections"] for attack in attacks.values()), "every kind of attack was made"
    assert (state["OOMKilled"], state["Running"], works) == (False, True, True)
    assert 0 < attacked.most < MEMORY
    assert (one["failed"], other["failed"]) == ([], [])
    # What the host does to all at once is nobody's attack, so the quiet of the same seconds counts, too.
    assert slowed <= FACTOR * max(usual, before, FLOOR_S)
