"""A balancer process that is told something else while it works."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.lb_shell.eventually import eventually
from tests.support.lb_shell.stubs import naming, remembering, started, write
from tests.support.raw_http import PATIENCE_S, Peer, Stub, answering, status_of, value_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


def many(count: int) -> list[Stub]:
    return [Stub(f"api-{number}", answering()) for number in range(1, count + 1)]


@dataclass
class Load:
    """Clients on kept-alive connections that send one request after the other, and some on new connections."""

    port: int
    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _stopping: bool = False

    async def run(self, kept: int = 8, fresh: int = 2) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(kept):
                group.create_task(self._client(POST if number % 4 == 0 else GET, keep=True))
            for _ in range(fresh):
                group.create_task(self._client(GET, keep=False))

    def stop(self) -> None:
        self._stopping = True

    async def _client(self, request: bytes, *, keep: bool) -> None:
        peer: Peer | None = None
        while not self._stopping:
            try:
                if peer is None:
                    peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
                await peer.send(request)
                head, body = await peer.response()
                if status_of(head) == 200 and body == b"ok":
                    self.answered[(value_of(head, b"x-backend") or b"").decode()] += 1
                else:
                    self.failed.append(repr(head))
                if not keep or value_of(head, b"connection") == b"close":
                    peer.close()
                    peer = None
            except (OSError, EOFError, TimeoutError) as error:
                self.failed.append(repr(error))
                peer = None
        if peer is not None:
            peer.close()


@asynccontextmanager
async def under_load(balancer: BalancerProcess) -> AsyncIterator[Load]:
    load = Load(balancer.port())
    running = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        load.stop()
        await running


async def until(holds: Callable[[], bool]) -> None:
    async def seen() -> bool:
        return holds()

    assert await eventually(seen)


async def reloaded(balancer: BalancerProcess, times: int) -> None:
    async def seen() -> bool:
        return await balancer.metric('lb_reloads_total{result="changed"}') == times

    assert await eventually(seen)


async def test_twenty_reloads_under_load_cost_no_request(tmp_path: Path) -> None:
    stubs = many(4)
    one = (
        "policy: round_robin", "health: {interval: 300ms}", "limits: {client_idle: 60s}",
        "retry: {max_attempts: 2}", "access_log: {sample: 1%}", "admission: {max_in_flight: 500}",
    )  # fmt: skip
    other = (
        "policy: p2c", "health: {kind: tcp, interval: 200ms}", "limits: {client_idle: 50s}",
        "retry: {max_attempts: 3, connect_timeout: 400ms}", "decisions: 10", "tick: 20ms", "slow_start: 1s",
    )  # fmt: skip
    async with started(*stubs):
        config = write(tmp_path, naming(*stubs[:3]), *one)
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            async with under_load(balancer) as load:
                for turn in range(20):
                    seen = load.answered.total()
                    await until(lambda seen=seen: load.answered.total() > seen + 50 or bool(load.failed))
                    parts = (naming(*stubs[:3]), *one) if turn % 2 else (naming(*stubs[1:]), *other)
                    write(tmp_path, *parts)
                    if turn % 3 == 0:
                        balancer.signal(signal.SIGHUP)
                        await reloaded(balancer, turn + 1)
                    else:
                        status, answer = await balancer.call("POST", "/reload")
                        assert status == 200
                        assert {"policy", "discovery.backends", "health.interval"} <= {
                            change["key"] for change in answer["changed"]
                        }
            assert load.failed == []
            assert set(load.answered) == {"api-1", "api-2", "api-3", "api-4"}
            assert await balancer.metric('lb_reloads_total{result="changed"}') == 20
            assert await balancer.metric("lb_retries_total") == 0


async def test_what_is_refused_changes_nothing_and_says_why(tmp_path: Path) -> None:
    (stub,) = many(1)
    async with started(stub):
        config = write(tmp_path, naming(stub))
        async with running_balancer("--config", str(config)) as balancer:
            before = await balancer.get("/config")
            write(tmp_path, naming(stub), "policy: random", "tcp: {listen: '127.0.0.1:1'}")
            status, answer = await balancer.call("POST", "/reload")
            assert (status, answer) == (
                409,
                {"error": "conflict", "detail": "tcp.listen: cannot change while the balancer runs; restart it"},
            )
            write(tmp_path, naming(stub), "policy: randm", "health: {fal: 1}")
            status, answer = await balancer.call("POST", "/reload")
            assert (status, answer["error"]) == (422, "invalid")
            assert "lb.yaml:2: policy: 'randm' is not a policy" in answer["detail"]
            assert "lb.yaml:3: health.fal: unknown key; did you mean 'fall'?" in answer["detail"]
            balancer.signal(signal.SIGHUP)
            problems = [(await balancer.line("reload_refused"))["problems"] for _ in range(3)]
            assert [len(one) for one in problems] == [1, 2, 2]
            config.unlink()
            status, answer = await balancer.call("POST", "/reload")
            assert status == 422
            assert answer["detail"].endswith("cannot be read: No such file or directory")
            assert await balancer.get("/config") == before
            assert await balancer.metric('lb_reloads_total{result="refused"}') == 4


async def test_nothing_new_is_nothing_changed(tmp_path: Path) -> None:
    (stub,) = many(1)
    async with started(stub), running_balancer("--config", str(write(tmp_path, naming(stub)))) as balancer:
        assert await balancer.call("POST", "/reload") == (200, {"changed": []})


async def test_operators_words_outlive_reloads_that_do_not_contradict_them(tmp_path: Path) -> None:
    stubs = many(2)
    async with started(*stubs), running_balancer("--config", str(write(tmp_path, naming(*stubs)))) as balancer:
        await balancer.ready()
        await balancer.call("PUT", "/backends/api-1", json={"state": "drain"})
        await balancer.call("PUT", "/policy", json={"policy": "random"})
        await balancer.call("POST", "/backends", json={"id": "mine", "address": "127.0.0.1:9"})
        write(tmp_path, naming(*stubs), "health: {fall: 4}")
        _status, answer = await balancer.call("POST", "/reload")
        assert answer == {"changed": [{"key": "health.fall", "old": 2, "new": 4}]}
        shown = await balancer.get("/backends")
        assert shown["policy"] == "random"
        assert next((one["id"], one["state"]) for one in shown["backends"]) == ("api-1", "drain")
        assert shown["backends"][-1]["id"] == "mine"
        assert (await balancer.get("/bounds"))["bounds"][0]["terms"]["F"] == 4
        assert (await balancer.get("/config"))["health"]["fall"] == 4


async def test_backends_come_and_go_with_another_kind_of_discovery(tmp_path: Path) -> None:
    stubs = many(3)
    listed = tmp_path / "backends.yaml"
    async with started(*stubs), running_balancer("--config", str(write(tmp_path, naming(*stubs[:2])))) as balancer:
        await balancer.ready()
        listed.write_text(f"['api-2=127.0.0.1:{stubs[1].port}', 'api-3=127.0.0.1:{stubs[2].port}']")
        write(tmp_path, f"discovery: {{kind: file, path: '{listed}', interval: 50ms}}")
        assert (await balancer.call("POST", "/reload"))[0] == 200
        ids = lambda answer: [one["id"] for one in answer["backends"]]  # noqa: E731 (used twice below)
        assert ids(await balancer.get("/backends")) == ["api-2", "api-3"]
        listed.write_text(f"['api-3=127.0.0.1:{stubs[2].port}']")
        await balancer.until("/backends", lambda answer: ids(answer) == ["api-3"])


async def test_limits_and_checks_are_those_of_the_new_configuration(tmp_path: Path) -> None:
    stub = remembering()
    async with started(stub), running_balancer("--config", str(write(tmp_path, naming(stub)))) as balancer:
        await balancer.ready()
        peer = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))
        await peer.send(GET)
        assert status_of((await peer.response())[0]) == 200
        write(
            tmp_path, naming(stub), "limits: {requests_per_connection: 3, target: 64B}", "health: {path: /elsewhere}",
            "trusted_proxies: [127.0.0.0/8]",
        )  # fmt: skip
        await balancer.call("POST", "/reload")
        await peer.send(GET + GET)
        assert [value_of((await peer.response())[0], b"connection") for _ in range(2)] == [None, b"close"]
        peer.close()
        peer = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        assert status_of((await peer.response())[0]) == 200
        asked = [head for head in stub.heads if head.startswith(b"GET / ")]  # a check may have come since
        assert value_of(asked[-1], b"x-forwarded-for") == b"192.0.2.1, 127.0.0.1"
        await peer.send(b"GET /" + b"x" * 64 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert status_of((await peer.response())[0]) == 414
        peer.close()
        await until(lambda: any(head.startswith(b"GET /elsewhere ") for head in stub.heads))


async def test_the_access_log_is_opened_anew(tmp_path: Path) -> None:
    (stub,) = many(1)
    log, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    async with started(stub):
        config = write(tmp_path, naming(stub), f"access_log: {{sample: 100%, path: '{log}'}}")
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            async with balancer.client.get(f"{balancer.traffic}/one"):
                pass
            await until(lambda: '"/one"' in log.read_text())
            log.rename(rotated)
            assert await balancer.call("POST", "/reload") == (200, {"changed": []})
            async with balancer.client.get(f"{balancer.traffic}/two"):
                pass
            await until(lambda: log.exists() and '"/two"' in log.read_text())
            assert '"/two"' not in rotated.read_text()


async def test_a_reload_needs_the_token_like_every_change(tmp_path: Path) -> None:
    (stub,) = many(1)
    token = "a-token-of-sixteen-or-more"
    async with started(stub):
        config = write(tmp_path, naming(stub), f"admin: {{token: {token}, listen: '127.0.0.1:0'}}")
        async with running_balancer("--config", str(config)) as balancer:
            assert (await balancer.call("POST", "/reload"))[0] == 401
            headers = {"Authorization": f"Bearer {token}"}
            assert (await balancer.call("POST", "/reload", headers=headers))[0] == 200


async def test_a_stop_under_load_answers_every_request_that_it_has_begun(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def slow(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"GET /health "):
                await release.wait()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    stub = Stub("api-1", slow)
    async with started(stub):
        config = write(tmp_path, naming(stub), "retry: {hedge: false}")
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            peers = [Peer(*await asyncio.open_connection("127.0.0.1", balancer.port())) for _ in range(50)]
            for peer in peers:
                await peer.send(GET)
            await balancer.until("/backends", lambda answer: answer["backends"][0]["in_flight"] == 50)
            balancer.signal(signal.SIGTERM)
            assert (await balancer.line("stopping"))["requests"] == 50
            release.set()
            for peer in peers:
                head, body = await peer.response()
                assert (status_of(head), body, value_of(head, b"connection")) == (200, b"ok", b"close")
                assert await peer.to_end() == b""
                peer.close()
            assert await balancer.wait(PATIENCE_S) == 0
