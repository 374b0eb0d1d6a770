"""Whoever keeps a clock from running out with bytes that lead nowhere: clients, and backends."""

from __future__ import annotations

import pytest

from lb.proxy.limits import Limits
from lb.proxy.minimum_rate import MinimumRateTimer
from tests.support.data_plane import FakeDataPlane, Wire

POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


def test_the_time_runs_down_and_is_extended_by_bytes() -> None:
    timer = MinimumRateTimer(20.0, 500.0, now=100.0)
    assert timer.deadline(0, 110.0) == 120.0
    assert timer.deadline(2500, 110.0) == 125.0


def test_the_remaining_time_never_exceeds_the_initial_one() -> None:
    timer = MinimumRateTimer(20.0, 500.0, now=0.0)
    assert timer.deadline(1_000_000_000, 1.0) == 21.0
    assert timer.deadline(1_000_000_001, 20.0) == pytest.approx(21.0, abs=0.01)


def test_the_time_does_not_run_down_while_it_is_stopped() -> None:
    timer = MinimumRateTimer(20.0, 500.0, now=0.0)
    assert timer.deadline(0, 5.0, running=False) == float("inf")
    assert timer.deadline(0, 1000.0, running=True) == 1015.0


def test_without_a_rate_any_byte_restores_the_whole_time() -> None:
    timer = MinimumRateTimer(20.0, 0.0, now=0.0)
    assert timer.deadline(1, 19.0) == 39.0
    assert timer.deadline(1, 30.0) == 39.0


@pytest.mark.parametrize(
    ("head", "drop"), [(POST, b"a"), (CHUNKED, b"1\r\na\r\n"), (CHUNKED + b"5;", b"x"), (CHUNKED + b"0\r\nX: ", b"y")]
)
async def test_a_body_of_one_byte_each_five_seconds_does_not_hold_a_backend(head: bytes, drop: bytes) -> None:
    lab = FakeDataPlane()
    client, wire = lab.connect()
    client.data_received(head)
    for _ in range(8):
        if not wire.closed:
            client.data_received(drop)
            await lab.wait(5.0)
    assert wire.status == 408
    assert lab.world.in_flight == 0
    assert [record.error for record in lab.records] == ["slow_body"]


async def test_a_body_at_the_minimum_rate_may_take_as_long_as_it_likes() -> None:
    lab = FakeDataPlane()
    client, wire = lab.connect()
    client.data_received(POST)
    for _ in range(100):
        await lab.wait(10.0)
        client.data_received(b"x" * 5500)
    assert not wire.closed
    assert lab.world.in_flight == 1


async def test_a_body_that_we_do_not_read_costs_its_client_no_patience() -> None:
    lab = FakeDataPlane(Limits(upstream_stall=10_000.0))
    client, wire = lab.connect()
    client.data_received(POST)
    await lab.wait(1.0)
    upstream = lab.backend_wires[0]
    upstream.protocol.pause_writing()
    client.data_received(b"x" * 100_000)
    assert not wire.reading
    await lab.wait(300.0)
    assert not wire.closed
    upstream.protocol.resume_writing()
    assert wire.reading
    await lab.wait(15.0)
    assert not wire.closed
    await lab.wait(10.0)
    assert wire.status == 408, "its clock runs again, although no byte has come since"


async def test_empty_lines_do_not_keep_an_idle_connection() -> None:
    lab = FakeDataPlane()
    client, wire = lab.connect()
    for _ in range(8):
        if not wire.closed:
            client.data_received(b"\r\n")
            await lab.wait(10.0)
    assert wire.closed


async def test_each_request_gives_a_connection_its_whole_idle_time() -> None:
    lab = FakeDataPlane()
    client, wire = lab.connect()
    for _ in range(3):
        client.data_received(GET)
        await lab.turn()
        lab.backend_wires[0].protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await lab.wait(25.0)
        assert not wire.closed
        lab.plane.pool.expire(0)
    await lab.wait(60.0)
    assert wire.closed


async def test_a_client_that_takes_a_byte_a_minute_is_cut_off() -> None:
    lab = FakeDataPlane()
    client, wire = lab.connect()
    client.data_received(GET)
    await lab.turn()
    wire.unsent = 300_000
    client.pause_writing()
    for _ in range(4):
        wire.unsent -= 1
        await lab.wait(60.0)
    assert wire.closed
    assert lab.world.in_flight == 0


async def test_a_client_that_takes_its_answer_in_the_steps_of_a_socket_buffer_is_not() -> None:
    lab = FakeDataPlane()
    client, wire = lab.connect()
    client.data_received(GET)
    await lab.turn()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000
    lab.backend_wires[0].protocol.data_received(head)
    wire.unsent = 1_000_000
    client.pause_writing()
    for _ in range(8):
        wire.unsent -= 60_000
        await lab.wait(110.0)
    assert not wire.closed


async def answering(lab: FakeDataPlane, head: bytes) -> tuple[Wire, Wire]:
    """An answer that has begun: what the client sees, and what the backend does."""
    client, wire = lab.connect()
    client.data_received(GET)
    await lab.turn()
    upstream = lab.backend_wires[0]
    upstream.protocol.data_received(head)
    await lab.turn()
    return wire, upstream


async def test_a_backend_that_trickles_an_answer_of_known_length_is_given_up() -> None:
    lab = FakeDataPlane()
    wire, upstream = await answering(lab, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx")
    for _ in range(8):
        if not upstream.closed:
            upstream.protocol.data_received(b"x")
            await lab.wait(10.0)
    assert upstream.closed
    assert wire.closed
    assert [record.error for record in lab.records] == ["truncated"]


async def test_an_event_stream_may_trickle_but_not_for_more_than_a_day() -> None:
    lab = FakeDataPlane(Limits(answer_total=600.0))
    wire, upstream = await answering(lab, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    for _ in range(11):
        upstream.protocol.data_received(b"1\r\nx\r\n")
        await lab.wait(50.0)
    assert not wire.closed
    upstream.protocol.data_received(b"1\r\nx\r\n")
    await lab.wait(55.0)
    assert wire.closed
    assert [record.error for record in lab.records] == ["answer_total"]
    assert lab.world.in_flight == 0


async def test_a_backend_that_hardly_reads_an_upload_is_given_up() -> None:
    lab = FakeDataPlane(Limits(slow_body_rate=0))
    client, wire = lab.connect()
    client.data_received(POST)
    await lab.wait(1.0)
    upstream = lab.backend_wires[0]
    for _ in range(10):
        if upstream.closed:
            break
        upstream.protocol.resume_writing()
        client.data_received(b"x")
        upstream.protocol.pause_writing()
        await lab.wait(15.0)
    assert upstream.closed
    assert wire.status == 504


async def test_interim_answers_without_end_are_no_answer() -> None:
    lab = FakeDataPlane()
    client, _ = lab.connect()
    client.data_received(GET)
    await lab.turn()
    upstream = lab.backend_wires[0]
    for _ in range(40):
        if not upstream.closed:
            upstream.protocol.data_received(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            await lab.wait(0.2)
    assert upstream.closed
    assert lab.world.in_flight == 0


async def test_a_tunnel_ends_after_its_total_if_it_has_one() -> None:
    lab = FakeDataPlane(Limits(tunnel_total=100.0))
    client, wire = lab.connect()
    client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    await lab.turn()
    upstream = lab.backend_wires[0]
    upstream.protocol.data_received(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    for _ in range(9):
        upstream.protocol.data_received(b"x")
        await lab.wait(10.0)
    assert not wire.closed
    upstream.protocol.data_received(b"x")
    await lab.wait(11.0)
    assert wire.closed
