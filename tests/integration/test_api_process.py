from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.api.replica_process import ReplicaProcess, replica_environment, running_replica, start_replica

TOKEN = "token-of-the-replica"


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[ReplicaProcess]:
    with running_replica("api-1", tmp_path, API_MISBEHAVE_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def executed(client: aiohttp.ClientSession, replica: ReplicaProcess) -> list[str]:
    async with client.get(f"{replica.url}/ledger") as answer:
        return [entry["id"] for entry in (await answer.json())["entries"]]


async def test_every_answer_names_the_instance_even_to_nonsense(replica: ReplicaProcess) -> None:
    for line in (b"GET /health HTTP/1.1", b"GET /none HTTP/1.1", b"!!"):
        reader, writer = await asyncio.open_connection("127.0.0.1", replica.port)
        writer.write(line + b"\r\nHost: x\r\n\r\n")

        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)

        assert b"x-instance: api-1\r\n" in head.lower()
        writer.close()


async def test_a_job_that_was_answered_survives_sigkill(
    replica: ReplicaProcess, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with client.post(f"{replica.url}/jobs", json={"id": "kept"}) as answer:
        assert answer.status == 201
    replica.signal(signal.SIGKILL)
    replica.wait()

    with running_replica("api-2", tmp_path) as other:
        assert await executed(client, other) == ["kept"]


async def test_a_paused_replica_refuses_on_resume_what_nobody_waits_for_any_more(
    replica: ReplicaProcess, client: aiohttp.ClientSession
) -> None:
    async def post(job: str, **headers: str) -> int:
        async with client.post(f"{replica.url}/jobs", json={"id": job}, headers=headers) as answer:
            return answer.status

    replica.signal(signal.SIGSTOP)
    late = {"X-Deadline": str(time.time() + 0.2)}
    posts = [asyncio.create_task(post("zombie", **late)), asyncio.create_task(post("patient"))]
    answered, _ = await asyncio.wait(posts, timeout=0.3)
    assert not answered
    replica.signal(signal.SIGCONT)

    assert await asyncio.gather(*posts) == [504, 201]
    assert await executed(client, replica) == ["patient"]


async def test_sigterm_finishes_what_is_in_flight_and_exits_0(
    replica: ReplicaProcess, client: aiohttp.ClientSession
) -> None:
    slow = asyncio.create_task(client.get(f"{replica.url}/work?sleep_ms=700"))
    await until_in_flight(client, replica, 2)

    replica.signal(signal.SIGTERM)

    async with await slow as answer:
        assert answer.status == 200
    assert await asyncio.to_thread(replica.wait) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", replica.port), timeout=5)


async def test_sigterm_does_not_wait_for_a_burn_longer_than_its_timeout(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    with running_replica("api-1", tmp_path, API_SHUTDOWN_TIMEOUT="1s") as replica:
        burn = asyncio.create_task(client.get(f"{replica.url}/work?cpu_ms=10000"))
        await until_in_flight(client, replica, 2)

        replica.signal(signal.SIGTERM)

        # 1 s of grace and the interpreter's own exit; the burn alone would take 10 s of CPU.
        assert await asyncio.to_thread(replica.wait, 6.0) == 0
        burn.cancel()


async def until_in_flight(client: aiohttp.ClientSession, replica: ReplicaProcess, count: int) -> None:
    """Poll the health report until `count` requests are in flight, the poll itself included."""
    async with asyncio.timeout(10):
        while True:
            async with client.get(f"{replica.url}/health") as answer:
                if (await answer.json())["load"]["in_flight"] >= count:
                    return


async def test_a_big_body_is_echoed_whole(replica: ReplicaProcess, client: aiohttp.ClientSession) -> None:
    body = os.urandom(3 * 1024 * 1024)

    async with client.post(f"{replica.url}/echo", data=body) as answer:
        assert await answer.read() == body
        assert answer.headers["X-Method"] == "POST"


async def test_websocket_messages_come_back_as_what_they_were(
    replica: ReplicaProcess, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(f"{replica.url}/ws") as socket_:
        await socket_.send_str("grüezi")
        await socket_.send_bytes(b"\x00\xff")

        assert await socket_.receive_str(timeout=10) == "grüezi"
        assert await socket_.receive_bytes(timeout=10) == b"\x00\xff"


async def test_an_echo_comes_after_the_delay_that_was_asked_for(
    replica: ReplicaProcess, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(f"{replica.url}/ws?delay_ms=200") as socket_:
        asked = time.monotonic()
        await socket_.send_str("later")
        assert await socket_.receive_str(timeout=10) == "later"
        assert time.monotonic() - asked >= 0.2


async def test_a_connection_ends_after_the_answer_if_asked(
    replica: ReplicaProcess, client: aiohttp.ClientSession
) -> None:
    async with client.get(f"{replica.url}/work?close=true") as answer:
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
    async with client.get(f"{replica.url}/work") as answer:
        assert "Connection" not in answer.headers


async def test_a_websocket_to_a_failing_replica_is_refused_with_its_status(
    replica: ReplicaProcess, client: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with client.put(f"{replica.url}/misbehave", json={"mode": "error", "status": 503}, headers=headers) as answer:
        assert answer.status == 200

    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await client.ws_connect(f"{replica.url}/ws")

    assert raised.value.status == 503


async def test_a_replica_leaves_a_token_of_its_own_at_each_start(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    folder = tmp_path / "tokens"
    folder.mkdir()
    tokens = set()
    for _ in range(2):
        with running_replica("api-1", tmp_path, API_MISBEHAVE_TOKEN_DIR=str(folder)) as replica:
            [file] = folder.iterdir()
            assert (file.name, file.stat().st_mode & 0o777) == ("api-1", 0o600)
            tokens.add(token := file.read_text().strip())
            for sent, status in ((token, 200), (token[1:], 401)):
                headers = {"Authorization": f"Bearer {sent}"}
                async with client.put(f"{replica.url}/misbehave", json={"mode": "ok"}, headers=headers) as answer:
                    assert answer.status == status
    assert len(tokens) == 2


def test_a_folder_for_tokens_that_is_missing_is_one_line_and_exit_255(tmp_path: Path) -> None:
    missing = {"API_MISBEHAVE_TOKEN_DIR": str(tmp_path / "none")}
    code, stderr = run_to_the_end(replica_environment("api-1", tmp_path, 0, missing))
    assert (code, stderr.count("\n")) == (255, 1)
    assert "API_MISBEHAVE_TOKEN_DIR" in stderr


def test_a_taken_port_is_one_line_and_exit_255(replica: ReplicaProcess, tmp_path: Path) -> None:
    code, stderr = run_to_the_end(replica_environment("api-2", tmp_path, replica.port, {}))

    assert code == 255
    assert stderr == f"api: cannot listen on 127.0.0.1:{replica.port}: Address already in use\n"


def test_a_ledger_that_cannot_be_written_is_one_line_and_exit_255(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    code, stderr = run_to_the_end(replica_environment("api-1", tmp_path / "file", 0, {}))

    assert (code, stderr.count("\n")) == (255, 1)
    assert "cannot write the ledger" in stderr


def test_a_bad_setting_is_one_line_and_exit_254(tmp_path: Path) -> None:
    code, stderr = run_to_the_end(replica_environment("api-1", tmp_path, 0, {"API_KEEP_ALIVE": "soon"}))

    assert code == 254
    assert stderr == "api: API_KEEP_ALIVE='soon': expected a duration above zero such as 75s, 500ms or 1m\n"


def run_to_the_end(environment: dict[str, str], *before: str) -> tuple[int, str]:
    command = [*before, sys.executable, "-m", "api"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


def test_a_replica_can_come_back_on_its_port_at_once(tmp_path: Path) -> None:
    first = start_replica("api-1", tmp_path)
    with socket.create_connection(("127.0.0.1", first.port), timeout=5):
        first.signal(signal.SIGKILL)
        first.wait()
        first.process.communicate()

        with running_replica("api-1", tmp_path, port=first.port) as second:
            assert second.port == first.port


def test_a_user_that_cannot_be_become_is_one_line_and_exit_255(tmp_path: Path) -> None:
    lacking = ("setpriv", "--bounding-set", "-setuid,-setgid", "--inh-caps", "-all") if os.geteuid() == 0 else ()

    code, stderr = run_to_the_end(replica_environment("api-1", tmp_path, 0, {"API_OWN_USER": "1"}), *lacking)

    assert code == 255
    assert stderr.startswith("api: cannot become user ")
    assert "\n" not in stderr.removesuffix("\n")
