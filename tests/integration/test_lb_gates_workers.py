"""Several workers behind one admin API: one view of health, one set of metrics, and nobody missed for long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.integration.test_lb_gates_reload import under_load
from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.lb_shell.eventually import eventually
from tests.support.lb_shell.stubs import naming, started, write
from tests.support.lb_shell.tls_files import issued, names_shown, setting
from tests.support.raw_http import PATIENCE_S, Peer, Stub, answering, status_of, value_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def many(count: int) -> list[Stub]:
    return [Stub(f"api-{number}", answering()) for number in range(1, count + 1)]


@asynccontextmanager
async def working(folder: Path, *parts: str, workers: int | str = 2) -> AsyncIterator[BalancerProcess]:
    config = write(folder, f"workers: {workers}", *parts)
    async with running_balancer("--config", str(config)) as balancer:
        await balancer.ready()
        yield balancer


def children(balancer: BalancerProcess) -> list[int]:
    """The workers' pids, oldest first, by the kernel's word; children are listed by the thread that made them."""
    threads = Path(f"/proc/{balancer.process.pid}/task").iterdir()
    return sorted(int(child) for thread in threads for child in (thread / "children").read_text().split())


def reachable(balancer: BalancerProcess) -> set[str]:
    """What of the balancer and its workers others can connect or send to, by the kernel's tables.

    TCP sockets that listen, bound UDP sockets, and unix sockets with a name.
    """
    links = []
    for pid in (balancer.process.pid, *children(balancer)):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                links.append(str(descriptor.readlink()))
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[column] for column in (1, 3, 9))
            if inode in inodes and (state == LISTENS or table.startswith("udp")):
                found.add(f"{table}:{int(local.rpartition(':')[2], 16)}")
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        columns = line.split(maxsplit=7)
        if columns[6] in inodes and len(columns) > 7:
            found.add(f"unix:{columns[7]}")
    return found


LISTENS = "0A"
"""TCP_LISTEN (include/net/tcp_states.h)."""


async def test_nothing_but_traffic_and_admin_can_be_reached(tmp_path: Path) -> None:
    """Workers are spoken to over socket pairs, which only the two processes have."""
    stubs = many(2)
    async with started(*stubs), working(tmp_path, naming(*stubs), "tcp: {listen: '127.0.0.1:0'}") as balancer:
        await asked(balancer, 10)
        assert reachable(balancer) == {f"tcp:{balancer.port(of)}" for of in ("traffic", "tcp", "admin")}


async def asked(balancer: BalancerProcess, times: int) -> list[bytes]:
    """Heads of answers, each on a connection of its own, so that the kernel spreads them over the workers."""
    heads = []
    for _ in range(times):
        peer = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))
        await peer.send(GET)
        heads.append((await peer.response())[0])
        peer.close()
    return heads


async def connections_by_worker(balancer: BalancerProcess) -> set[bytes]:
    """Prefixes of request ids: each data plane draws its own."""
    return {(value_of(head, b"x-request-id") or b"").partition(b"-")[0] for head in await asked(balancer, 40)}


async def test_all_workers_answer_and_are_counted_as_one(tmp_path: Path) -> None:
    stubs = many(2)
    async with started(*stubs), working(tmp_path, naming(*stubs), workers=3) as balancer:
        assert len(children(balancer)) == 3
        prefixes = await connections_by_worker(balancer)
        assert len(prefixes) == 3, "2⁻⁴⁰ or so for one of three to be missed by chance: (2/3)⁴⁰ × 3 = 3·10⁻⁷"
        total = sum(
            [
                await balancer.metric(f'lb_requests_total{{backend="{stub.id}",method="GET",status="2xx"}}')
                for stub in stubs
            ]
        )
        assert total == 40
        shown = await balancer.get("/decisions?last=40")
        assert len(shown["decisions"]) == 40
        assert {entry["id"].partition("-")[0].encode() for entry in shown["decisions"]} == prefixes
        moments = [entry["mono"] for entry in shown["decisions"]]
        assert moments == sorted(moments, reverse=True)
        assert all(one["latency_ms"] for one in (await balancer.get("/backends"))["backends"])


async def test_a_worker_that_is_killed_is_replaced_and_its_successor_knows_what_it_knew(tmp_path: Path) -> None:
    stubs = many(3)
    async with started(*stubs), working(tmp_path, naming(*stubs)) as balancer:
        await stubs[0].stop()
        await balancer.until("/backends", lambda answer: answer["backends"][0]["state"] == "down")
        await balancer.call("PUT", "/backends/api-2", json={"state": "drain"})
        await balancer.call("PUT", "/policy", json={"policy": "random"})
        await asked(balancer, 10)
        before = await balancer.metric('lb_requests_total{backend="api-3",method="GET",status="2xx"}')
        assert before == 10

        old = children(balancer)
        os.kill(old[0], signal.SIGKILL)
        died = await balancer.line("worker_died")
        assert (died["pid"], died["exit_code"]) == (old[0], -signal.SIGKILL)
        fresh = await balancer.line("worker_started")
        assert fresh["pid"] not in old
        assert len(children(balancer)) == 2

        heads = await asked(balancer, 20)
        assert {value_of(head, b"x-tried") for head in heads} == {b"api-3"}
        assert len({(value_of(head, b"x-request-id") or b"").partition(b"-")[0] for head in heads}) == 2
        assert await balancer.metric("lb_workers_died_total") == 1
        after = await balancer.metric('lb_requests_total{backend="api-3",method="GET",status="2xx"}')
        assert after == before + 20, "what the dead worker had counted stays counted"


async def test_a_worker_that_hangs_is_killed_and_replaced_and_its_queue_is_served(tmp_path: Path) -> None:
    stubs = many(2)
    async with started(*stubs), working(tmp_path, naming(*stubs), "worker_timeout: 3s") as balancer:
        hung, healthy = children(balancer)
        async with under_load(balancer) as load:
            assert await eventually(_asked_for(load, 200))
            os.kill(hung, signal.SIGSTOP)
            waiting = [asyncio.create_task(_patient(balancer)) for _ in range(20)]
            said = await balancer.line("worker_hung")
            assert said["pid"] == hung
            assert 3.0 <= said["silent_s"] < 4.0, "the time-out, and at most two looks more"
            died = await balancer.line("worker_died")
            assert (died["pid"], died["exit_code"]) == (hung, -signal.SIGKILL)
            fresh = await balancer.line("worker_started")
            assert not _runs(hung)
            assert set(children(balancer)) == {healthy, fresh["pid"]}
            assert {status_of(head) for head in await asyncio.gather(*waiting)} == {200}
            count = load.answered.total()
            assert await eventually(_asked_for(load, count + 200))
        assert len(load.failed) <= 10, "of each client at most what the hung worker had in hand"
        assert len(await connections_by_worker(balancer)) == 2
        assert await balancer.metric("lb_workers_died_total") == 1


async def _patient(balancer: BalancerProcess) -> bytes:
    """The answer on a connection of its own, for which a hung worker has to be found out first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port())
    writer.write(GET)
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head


async def test_a_balancer_that_was_stopped_itself_blames_no_worker(tmp_path: Path) -> None:
    """As `docker pause` does it: all at once, for longer than a worker may be silent."""
    stubs = many(2)
    async with started(*stubs), working(tmp_path, naming(*stubs), "worker_timeout: 3s") as balancer:
        workers = children(balancer)
        everybody = [balancer.process.pid, *workers]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(4)  # the time that must not count
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        assert len(await connections_by_worker(balancer)) == 2
        await balancer.ready()
        assert children(balancer) == workers
        assert await balancer.metric("lb_workers_died_total") == 0


async def test_connections_that_come_while_a_worker_is_missing_wait_for_the_next_one(tmp_path: Path) -> None:
    stubs = many(2)
    async with started(*stubs), working(tmp_path, naming(*stubs)) as balancer:
        os.kill(children(balancer)[1], signal.SIGKILL)
        heads = await asyncio.gather(*(asked(balancer, 1) for _ in range(30)))
        assert {status_of(head) for (head,) in heads} == {200}


async def test_what_one_worker_finds_out_all_of_them_go_by(tmp_path: Path) -> None:
    """Checks come once a minute: nobody but traffic can have told."""
    stubs = many(2)
    blind = "health: {interval: 1m, fast_interval: 1m, assume_up: true}\npassive: {consecutive_failures: 3}\n"
    failing = False

    async def sometimes(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            bad = failing and not head.startswith(b"GET /health ")
            await peer.send(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok" % (b"500 No" if bad else b"200 OK"))

    stubs[0].script = sometimes
    async with started(*stubs), working(tmp_path, naming(*stubs), blind) as balancer:
        assert len(await connections_by_worker(balancer)) == 2
        failing = True
        one = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))  # on one worker only
        for _ in range(6):
            await one.send(GET)
            await one.response()
        one.close()
        await balancer.event(lambda e: e["type"] == "transition" and e["backend"] == "api-1" and e["new"] == "ejected")
        heads = await asked(balancer, 30)
        assert {value_of(head, b"x-backend") for head in heads} == {b"api-2"}
        assert len({(value_of(head, b"x-request-id") or b"").partition(b"-")[0] for head in heads}) == 2


async def test_an_ejection_that_all_workers_find_out_at_once_is_one_ejection(tmp_path: Path) -> None:
    stubs = many(3)
    brief = "health: {interval: 100ms}\npassive: {consecutive_failures: 3}\n"
    failing = True

    async def sometimes(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            bad = failing and not head.startswith(b"GET /health ")
            await peer.send(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok" % (b"500 No" if bad else b"200 OK"))

    stubs[0].script = sometimes
    async with started(*stubs), working(tmp_path, naming(*stubs), brief) as balancer:
        await asyncio.gather(*(asked(balancer, 4) for _ in range(20)))
        ejected = 'lb_transitions_total{backend="api-1",state="ejected"}'
        assert await balancer.metric(ejected) == 1
        assert {value_of(head, b"x-backend") for head in await asked(balancer, 30)} == {b"api-2", b"api-3"}
        failing = False
        back = await balancer.event(lambda e: e["type"] == "transition" and e["new"] == "up" and e["old"] == "ejected")
        assert back["reason"] == "ejection over, probes pass"
        heads = await asked(balancer, 60)
        served = {(value_of(head, b"x-request-id") or b"").partition(b"-")[0] for head in heads if b"api-1" in head}
        assert len(served) == 2, "every worker uses it again"
        assert await balancer.metric(ejected) == 1


async def test_a_dead_backend_costs_no_get_whichever_worker_had_it(tmp_path: Path) -> None:
    stubs = many(3)
    async with started(*stubs), working(tmp_path, naming(*stubs)) as balancer, under_load(balancer) as load:
        assert await eventually(_asked_for(load, 200))
        await stubs[1].stop()
        await balancer.until("/backends", lambda answer: answer["backends"][1]["state"] in ("down", "ejected"))
        seen = load.answered["api-2"]
        count = load.answered.total()
        assert await eventually(_asked_for(load, count + 200))
        assert load.answered["api-2"] == seen
        failed = [failure for failure in load.failed if b"POST" not in failure.encode()]
        assert [failure for failure in failed if "502" not in failure] == []


def _asked_for(load: Any, count: int) -> Any:
    async def seen() -> bool:
        return bool(load.answered.total() >= count)

    return seen


async def test_reloads_reach_every_worker_and_cost_nothing(tmp_path: Path) -> None:
    ca, stubs = trustme.CA(), many(3)
    del ca
    async with started(*stubs), working(tmp_path, naming(*stubs[:2])) as balancer:
        async with under_load(balancer) as load:
            for turn in range(6):
                assert await eventually(_asked_for(load, load.answered.total() + 50))
                chosen = stubs[1:] if turn % 2 == 0 else stubs[:2]
                write(tmp_path, "workers: 2", naming(*chosen), f"policy: {'p2c' if turn % 2 == 0 else 'round_robin'}")
                assert (await balancer.call("POST", "/reload"))[0] == 200
        assert load.failed == []
        write(tmp_path, "workers: 2", naming(stubs[2]))
        await balancer.call("POST", "/reload?force=1")
        await balancer.ready()
        assert {value_of(head, b"x-backend") for head in await asked(balancer, 20)} == {b"api-3"}
        write(tmp_path, "workers: 3", naming(stubs[2]))
        status, answer = await balancer.call("POST", "/reload")
        assert (status, answer["detail"]) == (409, "workers: cannot change while the balancer runs; restart it")


async def test_certificates_are_renewed_in_every_worker(tmp_path: Path) -> None:
    ca, stubs = trustme.CA(), many(1)
    files = issued(ca, tmp_path, "a.test", "old.test", stem="site")
    async with started(*stubs), working(tmp_path, naming(*stubs), setting(files)) as balancer:
        assert await names_shown(balancer.port(), "a.test", ca) == ["a.test", "old.test"]
        issued(ca, tmp_path, "a.test", "new.test", stem="site")
        balancer.signal(signal.SIGHUP)

        async def renewed() -> bool:
            shown = [await names_shown(balancer.port(), "a.test", ca) for _ in range(12)]
            return all(names == ["a.test", "new.test"] for names in shown)

        assert await eventually(renewed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_finishes_what_every_worker_has_begun(tmp_path: Path, number: signal.Signals) -> None:
    release = asyncio.Event()

    async def slow(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"GET /health "):
                await release.wait()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    stub = Stub("api-1", slow)
    async with started(stub), working(tmp_path, naming(stub), "retry: {hedge: false}") as balancer:
        peers = [Peer(*await asyncio.open_connection("127.0.0.1", balancer.port())) for _ in range(20)]
        for peer in peers:
            await peer.send(GET)
        await balancer.until("/backends", lambda answer: answer["backends"][0]["in_flight"] == 20)
        for pid in [*children(balancer), balancer.process.pid]:  # as a terminal or a supervisor signals a whole group
            os.kill(pid, number)
        assert (await balancer.line("stopping"))["requests"] == 20
        release.set()
        for peer in peers:
            head, body = await peer.response()
            assert (status_of(head), body) == (200, b"ok")
            peer.close()
        assert await balancer.wait(PATIENCE_S) == 0


async def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    stubs = many(1)
    async with started(*stubs), working(tmp_path, naming(*stubs)) as balancer:
        workers = children(balancer)
        balancer.signal(signal.SIGKILL)

        async def gone() -> bool:
            return not any(map(_runs, workers))

        assert await eventually(gone)


def _runs(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_one_worker_is_one_process(tmp_path: Path) -> None:
    stubs = many(1)
    async with started(*stubs), working(tmp_path, naming(*stubs), workers=1) as balancer:
        assert children(balancer) == []
