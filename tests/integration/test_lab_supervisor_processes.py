from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from lab.processes.readiness import Answer
from lab.runtime import ports
from lab.runtime.supervised_process import Process
from lab.runtime.supervisor_api import serve
from lab.runtime.supervisor_handshake import Notice, Ready, decode
from lab.runtime.topology import Role, Spec
from tests.support.free_ports import free_port
from tests.support.lab_processes import alive

SLEEPER = "import time; print('awake', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
BROKEN = "import sys; print('no luck today', flush=True); sys.exit(3)"


async def settled(condition: Callable[[], object], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Process]]:
    made: list[Process] = []

    def process(code: str, *, restarted: bool = False, name: str = "api-1") -> Process:
        spec = Spec(
            name, Role.API, (sys.executable, "-c", code), {}, "http://ready", "127.0.0.1:1", restarted=restarted
        )
        made.append(Process(spec, tmp_path))
        return made[-1]

    yield process
    await asyncio.gather(*(each.stop() for each in made))


async def never(_: Spec) -> Answer:
    return Answer(problem="no connection")


async def test_a_backend_that_dies_stays_dead_and_says_of_what(make: Callable[..., Process]) -> None:
    backend = make(SLEEPER)
    await backend.start()
    pid = backend.report().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await settled(lambda: backend.exit_code is not None)
    report = backend.report()
    assert (report.state, report.exit_code, report.pid) == ("exited", -signal.SIGKILL, None)
    await asyncio.sleep(0.3)  # three times the first restart delay: a restart would have happened
    assert not backend.running


async def test_a_member_that_dies_is_brought_back(make: Callable[..., Process]) -> None:
    balancer = make(SLEEPER, restarted=True)
    await balancer.start()
    first = balancer.report().pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await settled(lambda: balancer.running and balancer.report().pid != first)


async def test_a_stopped_member_is_not_brought_back(make: Callable[..., Process]) -> None:
    balancer = make(SLEEPER, restarted=True)
    await balancer.start()
    await balancer.stop()
    await asyncio.sleep(0.3)  # see above
    assert not balancer.running
    assert balancer.report().exit_code == -signal.SIGTERM


async def test_a_paused_process_stops_gracefully(make: Callable[..., Process]) -> None:
    backend = make(SLEEPER)
    await backend.start()
    pid = backend.report().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await backend.stop()
    assert backend.report().exit_code == -signal.SIGTERM  # SIGKILL would mean that it never got to handle it


async def test_who_ignores_sigterm_is_killed_after_the_grace(make: Callable[..., Process]) -> None:
    backend = make(STUBBORN)
    await backend.start()
    await settled(lambda: backend.log_tail() == ["awake"])
    await backend.stop(grace_s=0.2)
    assert backend.report().exit_code == -signal.SIGKILL


async def test_who_cannot_start_is_reported_with_its_last_words(make: Callable[..., Process]) -> None:
    backend = make(BROKEN)
    await backend.start()
    assert await backend.wait_ready(never, 5) == "api-1 exited with code 3"
    assert backend.log_tail() == ["no luck today"]


async def test_who_keeps_exiting_is_given_up_before_the_deadline(make: Callable[..., Process]) -> None:
    balancer = make(BROKEN, restarted=True)
    await balancer.start()
    assert "keeps exiting with code 3" in await balancer.wait_ready(never, 20)


async def test_who_never_gets_ready_is_reported_at_the_deadline(make: Callable[..., Process]) -> None:
    backend = make(SLEEPER)
    await backend.start()
    told = await backend.wait_ready(never, 0.2)
    assert (
        told
        == f"api-1 was not ready after 0.2 s: GET {backend.spec.ready_url} is not answered with 200 but: no connection"
    )


async def test_a_redirect_ends_the_wait_at_once_and_is_told_with_where_it_leads(make: Callable[..., Process]) -> None:
    async def redirect(_: Spec) -> Answer:
        return Answer(301, "https://www.example.test/\x1b[2J")

    backend = make(SLEEPER)
    await backend.start()
    told = await backend.wait_ready(redirect, 60)
    assert told.endswith("status 301, Location https://www.example.test/\\x1b[2J (redirects are not followed)")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """The parent is a process of its own here, so that it can be killed."""
    parent_code = f"""
import asyncio, sys
from pathlib import Path
from lab.runtime.supervised_process import Process
from lab.processes.readiness import Answer
from lab.runtime.topology import Role, Spec
async def main():
    child = Process(Spec("api-1", Role.API, (sys.executable, "-c", {SLEEPER!r}), {{}}, "", ""), Path({str(tmp_path)!r}))
    await child.start()
    print(child.report().pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", parent_code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert alive(child)
    parent.kill()
    await parent.wait()
    await settled(lambda: not alive(child))


class NoBackends:
    """A lab with one backend that can start no other, and remembers who left."""

    def __init__(self, backend: Process) -> None:
        self.backend = backend
        self.left: list[str] = []

    async def scale(self, count: int) -> str:
        return f"{count} backends are more than this test has"

    async def start_backend(self) -> tuple[Process, str]:
        return self.backend, "api-2 is not ready"

    async def leave(self, name: str, grace_s: float) -> None:
        self.left.append(name)


class TestControl:
    """The supervisor's HTTP interface, as the chaos service uses it."""

    @pytest.fixture
    async def stop_asked(self) -> asyncio.Event:
        return asyncio.Event()

    @pytest.fixture
    async def backend(self, make: Callable[..., Process]) -> Process:
        return make(SLEEPER)

    @pytest.fixture
    def backends(self, backend: Process) -> NoBackends:
        return NoBackends(backend)

    @pytest.fixture
    async def control(
        self, backend: Process, backends: NoBackends, stop_asked: asyncio.Event
    ) -> AsyncIterator[aiohttp.ClientSession]:
        port = next(ports.free_ports())
        async with (
            serve({"api-1": backend}, stop_asked, port, "the token", backends),
            aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer the token"}) as session,
        ):
            yield session

    async def test_a_dead_backend_is_started_once(self, control: aiohttp.ClientSession, backend: Process) -> None:
        async with control.post("/processes/api-1/start") as answer:
            assert answer.status == 200
            assert (await answer.json())["pid"] == backend.report().pid
        async with control.post("/processes/api-1/start") as answer:
            assert answer.status == 409

    async def test_two_starts_at_once_give_one_process(self, control: aiohttp.ClientSession) -> None:
        async def start() -> int:
            async with control.post("/processes/api-1/start") as answer:
                return answer.status

        assert sorted(await asyncio.gather(start(), start())) == [200, 409]

    async def test_the_listing_has_the_contracts_fields(self, control: aiohttp.ClientSession) -> None:
        async with control.get("/processes") as answer:
            [process] = (await answer.json())["processes"]
        fields = {"name", "role", "pid", "state", "exit_code", "address", "upstream", "control", "log", "instance"}
        assert process.keys() == fields

    async def test_an_unknown_name_lists_the_known_ones(self, control: aiohttp.ClientSession) -> None:
        async with control.post("/processes/api-9/start") as answer:
            assert answer.status == 404
            assert "api-1" in (await answer.json())["detail"]

    async def test_a_new_backend_that_is_not_ready_is_told_with_the_reason(
        self, control: aiohttp.ClientSession
    ) -> None:
        async with control.post("/backends/new") as answer:
            assert (answer.status, (await answer.json())["detail"]) == (502, "api-2 is not ready")

    async def test_a_backend_leaves_and_an_unknown_one_does_not(
        self, control: aiohttp.ClientSession, backends: NoBackends
    ) -> None:
        async with control.delete("/backends/api-1") as answer:
            assert answer.status == 200
        async with control.delete("/backends/api-9") as answer:
            assert answer.status == 404
        assert backends.left == ["api-1"]

    async def test_nothing_starts_once_the_lab_is_being_stopped(
        self, control: aiohttp.ClientSession, stop_asked: asyncio.Event
    ) -> None:
        async with control.post("/shutdown") as answer:
            assert answer.status == 202
        assert stop_asked.is_set()
        async with control.post("/processes/api-1/start") as answer:
            assert answer.status == 503

    @pytest.mark.parametrize("given", ["", "Bearer wrong", "Basic dGhlIHRva2Vu", "Bearer the tokens"])
    async def test_without_the_token_there_is_no_control(self, control: aiohttp.ClientSession, given: str) -> None:
        for method, path in (("GET", "/processes"), ("POST", "/processes/api-1/start"), ("POST", "/shutdown")):
            async with control.request(method, path, headers={"Authorization": given}) as answer:
                assert answer.status == 401


def test_a_port_in_use_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


TAKEN_FIRST = """
import itertools, sys
from lab.runtime import ports, supervisor

taken = iter([int(sys.argv.pop(1))])
free_ports = ports.free_ports
ports.free_ports = lambda: itertools.chain(taken, free_ports())
sys.exit(supervisor.main())
"""
"""The first port that the supervisor chooses is one that somebody else listens on by then; this happens once."""


async def test_a_port_that_somebody_took_in_between_is_replaced_and_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        supervisor = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            TAKEN_FIRST,
            str(taken),
            "--state-dir",
            str(tmp_path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **{each.variable: str(free_port()) for each in ports.PUBLISHED}},
        )
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        said = [decode(line) async for line in until_ready(supervisor.stdout)]
        supervisor.stdin.close()  # the supervisor lives as long as this
        assert await supervisor.wait() == 0
    assert [each.text for each in said if isinstance(each, Notice)] == [
        f"another program took port {taken} while the lab started: starting again on other ports"
    ]
    assert isinstance(said[-1], Ready)


async def until_ready(stdout: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines of the supervisor, up to the one that says that the lab is up or did not come up."""
    async for line in stdout:
        yield line
        if not isinstance(decode(line), Notice):
            return
