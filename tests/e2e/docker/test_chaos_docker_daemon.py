"""A Docker daemon that is restarted in the middle of faults: a real one, of our own, beside the host's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chaos_client import ChaosClient
from tests.support.chaos_daemon import Daemon, second_daemon
from tests.support.chaos_docker import IMAGE, PORT, DockerLab, build_image, engine
from tests.support.chaos_matrix import GRACE_S
from tests.support.chaos_waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

LASTS_S = 5.0
STARTS_S = 5.0
"""Containers that the daemon starts again, all at once: each takes a second of CPU."""
HEALTHY = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{PORT}/health', timeout=1)"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    build_image(engine())
    for own in second_daemon():
        own.load(IMAGE)
        yield own


class Lab:
    """As compose.yaml runs it: everything comes back with the daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self.containers = DockerLab(daemon.client, restart="unless-stopped")
        self.api = [self.containers.target(number) for number in (1, 2)]
        socket = str(daemon.socket)
        self.chaos = self.containers.service("chaos", "chaos", socket=socket, ports={"8082/tcp": None})
        self.reaper = self.containers.service("reaper", "chaos.reaper", socket=socket)
        self._address = daemon.address

    async def url(self) -> str:
        """A container that was started again publishes another port; empty while it does not run."""
        await asyncio.to_thread(self.chaos.reload)
        ports = self.chaos.ports.get("8082/tcp")
        return f"http://{self._address}:{ports[0]['HostPort']}" if ports else ""

    async def healthy(self) -> bool:
        answers = [await asyncio.to_thread(each.exec_run, ["python", "-c", HEALTHY]) for each in self.api]
        return all(answer.exit_code == 0 for answer in answers)

    async def snapshots(self) -> list[dict[str, Any]]:
        return [await asyncio.to_thread(self.containers.snapshot, each) for each in self.api]


@pytest.mark.parametrize("live_restore", [False, True], ids=["containers-die", "live-restore"])
async def test_faults_end_though_the_daemon_is_restarted_in_their_middle(daemon: Daemon, *, live_restore: bool) -> None:
    daemon.stop()
    daemon.start(live_restore=live_restore)
    lab = Lab(daemon)
    try:
        async with ChaosClient(await lab.url()) as chaos:
            await chaos.ready()
            await eventually(lab.healthy, bool, 20)
            before = await lab.snapshots()
            delay = await chaos.inject("delay", "api-2", f"{LASTS_S:g}s", delay="100ms")
            pause = await chaos.inject("pause", "api-1", f"{LASTS_S:g}s", allow_last=True)
            ends = time.monotonic() + LASTS_S
            started = [each.attrs["State"]["StartedAt"] for each in _fresh(lab.api)]
            await asyncio.to_thread(daemon.stop)
            await asyncio.to_thread(daemon.start, live_restore=live_restore)
            deadline = max(ends, time.monotonic() + STARTS_S) + GRACE_S
            chaos.url = await eventually(lab.url, bool, STARTS_S)
            await eventually(lambda: chaos.call("GET", "/healthz"), lambda answer: answer[0] == 200, STARTS_S)
            for record in (delay, pause):
                healed = await chaos.healed(record["id"], max(1.0, deadline - time.monotonic()))
                assert healed["error"] is None, healed
            assert await lab.healthy()
            assert await lab.snapshots() == before
            again = [each.attrs["State"]["StartedAt"] for each in _fresh(lab.api)]
            assert (again == started) is live_restore, "whether the containers lived through it"
    except BaseException:
        print(daemon.log(), lab.chaos.logs().decode(), sep="\n")  # noqa: T201 - what a failure is explained by
        raise
    finally:
        lab.containers.close()


def _fresh(containers: list[Any]) -> list[Any]:
    for container in containers:
        container.reload()
    return containers
