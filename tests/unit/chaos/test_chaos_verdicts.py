"""What each fault takes for proof that it bit, and what it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.probe import Address, Answer
from chaos.drivers.targets import ReadBack, Running
from chaos.errors import InjectionFailedError
from chaos.faults import FAULTS, bandwidth, base, cold_start, delay, link_fault, misbehaviour, refuse
from chaos.faults.base import Before, Verdict
from tests.support.chaos_fakes import FakeTarget

ADDRESS = Address("api-1", 80)
HEALTHY = Answer(0.001, 0.0005, 200)
SILENT = Answer(0.3, 0.0005, failure="timeout")
UNCONNECTED = Answer(0.3, failure="connect_timeout")
REFUSED = Answer(0.001, failure="refused")


def slow(seconds: float) -> Answer:
    return Answer(seconds, 0.0005, 200)


def failed(status: int) -> Answer:
    return Answer(0.001, 0.0005, status)


class Probe:
    """Answers in order, the last one for ever; remembers what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Any]] = []
        self.tokens: set[str] = set()

    async def __call__(
        self, _: object, path: str = "/health", *, body: Any = None, token: str = "", **__: Any
    ) -> Answer:
        self.asked.append((path, body))
        self.tokens.add(token)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def verdict(
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    *answers: Answer,
    state: Running = Running.RUNNING,
    starts: int = 0,
    **params: Any,
) -> bool | None:
    return (await verdict_of(monkeypatch, kind, *answers, state=state, starts=starts, **params)).bit


async def verdict_of(
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    *answers: Answer,
    before: Answer = HEALTHY,
    state: Running = Running.RUNNING,
    starts: int = 0,
    **params: Any,
) -> Verdict:
    for module in (base, delay, link_fault, misbehaviour):
        monkeypatch.setattr(module, "ask", Probe(*answers))
    target = FakeTarget("api-1")
    target.state, target.starts = state, starts
    fault = FAULTS[kind]
    said = await fault.verify(target, fault.params.model_validate(params), Before(ADDRESS, before, "start 0"))
    assert said.evidence
    return said


@pytest.mark.parametrize("kind", ["kill", "stop"])
@pytest.mark.parametrize(
    ("state", "answer", "bit"),
    [
        (Running.EXITED, REFUSED, True),
        (Running.EXITED, UNCONNECTED, True),  # a bridge network after `docker kill`
        (Running.EXITED, HEALTHY, False),  # somebody else answers at its address
        (Running.RUNNING, REFUSED, False),
    ],
)
async def test_kill_and_stop_want_it_exited_and_silent(
    monkeypatch: pytest.MonkeyPatch, kind: str, state: Running, answer: Answer, bit: bool
) -> None:
    assert await verdict(monkeypatch, kind, answer, state=state) is bit


@pytest.mark.parametrize(
    ("state", "answer", "bit"),
    [
        (Running.PAUSED, SILENT, True),
        (Running.PAUSED, UNCONNECTED, True),  # its listen backlog is full
        (Running.PAUSED, HEALTHY, False),
        (Running.PAUSED, REFUSED, False),
        (Running.RUNNING, SILENT, False),
    ],
)
async def test_pause_wants_it_frozen_and_silent(
    monkeypatch: pytest.MonkeyPatch, state: Running, answer: Answer, bit: bool
) -> None:
    assert await verdict(monkeypatch, "pause", answer, state=state) is bit


ACCEPTED, REACTED = Answer(0.001, 0.001), Answer(0.001, 0.001, reacted=True)


@pytest.mark.parametrize(
    ("before", "now", "bit"),
    [
        (REACTED, ACCEPTED, True),
        (REACTED, REACTED, False),
        (REACTED, REFUSED, False),
        (ACCEPTED, ACCEPTED, True),  # it never reacts: its state alone tells
        (REACTED, UNCONNECTED, True),
    ],
)
async def test_pause_is_seen_on_connections_without_requests(
    monkeypatch: pytest.MonkeyPatch, before: Answer, now: Answer, bit: bool
) -> None:
    said = await verdict_of(monkeypatch, "pause", now, before=before, state=Running.PAUSED)
    assert said.bit is bit
    assert ("only the state shows" in said.evidence) == (before is now is ACCEPTED)
    assert (await verdict_of(monkeypatch, "pause", now, before=before, state=Running.RUNNING)).bit is False


async def test_connections_without_requests_are_late_lost_and_refused_as_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await verdict(monkeypatch, "delay", Answer(0.1, 0.1), delay="100ms") is True
    assert await verdict(monkeypatch, "loss", REACTED, UNCONNECTED, loss="30%") is True
    monkeypatch.setattr(link_fault, "VERIFY_DEADLINE_S", 0.505)
    assert await verdict(monkeypatch, "loss", REACTED, loss="99%") is False
    assert await verdict(monkeypatch, "kill", REACTED, state=Running.EXITED) is False


async def test_bandwidth_of_a_foreign_backend_is_counted_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def download(*_: object, **__: object) -> tuple[int, float]:
        raise AssertionError("it has no /work")

    monkeypatch.setattr(bandwidth, "download", download)
    probe = Probe(HEALTHY)
    monkeypatch.setattr(link_fault, "ask", probe)
    target, fault = FakeTarget("api-1"), FAULTS["bandwidth"]
    target.foreign = True
    params = fault.params.model_validate({"rate": "1mbit"})
    await fault.inject(target, params, 5.0)
    assert (await fault.verify(target, params, Before(ADDRESS, HEALTHY, "start 0"))).bit is True
    assert len(probe.asked) == 1


async def test_restart_wants_another_incarnation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verdict(monkeypatch, "restart", HEALTHY, starts=1) is True
    assert await verdict(monkeypatch, "restart", HEALTHY, starts=0) is False


async def test_a_cold_start_wants_another_incarnation_that_answers_late(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verdict(monkeypatch, "cold_start", REFUSED, slow(0.2), starts=1, delay="300ms") is True
    assert await verdict(monkeypatch, "cold_start", slow(0.2), starts=0, delay="300ms") is False
    assert await verdict(monkeypatch, "cold_start", HEALTHY, starts=1, delay="300ms") is False
    monkeypatch.setattr(cold_start, "VERIFY_DEADLINE_S", 0.21)
    assert await verdict(monkeypatch, "cold_start", REFUSED, starts=1, delay="300ms") is None


async def test_a_share_of_refused_connections_is_seen_in_any_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refuse, "APART_S", 0.0)
    assert await verdict(monkeypatch, "refuse", HEALTHY, HEALTHY, REFUSED, share="50%") is True
    assert await verdict(monkeypatch, "refuse", HEALTHY, share="50%") is False
    assert await verdict(monkeypatch, "refuse", HEALTHY, share="1%") is None


@pytest.mark.parametrize(
    ("answer", "bit"), [(slow(0.1), True), (slow(0.082), True), (slow(0.05), False), (HEALTHY, False), (REFUSED, False)]
)
async def test_delay_wants_four_fifths_of_what_was_asked(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, bit: bool
) -> None:
    assert await verdict(monkeypatch, "delay", answer, delay="100ms") is bit


async def test_delay_counts_from_the_least_that_jitter_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verdict(monkeypatch, "delay", slow(0.05), delay="100ms", jitter="60ms") is True


async def test_a_delay_longer_than_the_verification_is_proven_by_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verdict(monkeypatch, "delay", Answer(1.9, failure="connect_timeout"), delay="10s") is True
    assert await verdict(monkeypatch, "delay", slow(1.0), delay="10s") is False


async def test_loss_wants_a_stall_of_a_retransmission(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verdict(monkeypatch, "loss", HEALTHY, slow(0.21), loss="30%") is True
    assert await verdict(monkeypatch, "loss", HEALTHY, SILENT, loss="30%") is True


async def test_loss_without_a_stall_is_a_miss_only_when_it_was_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_fault, "VERIFY_DEADLINE_S", 0.505)  # 5 ms of questions
    assert await verdict(monkeypatch, "loss", HEALTHY, loss="99%") is False
    assert await verdict(monkeypatch, "loss", HEALTHY, loss="0.0001%") is None


@pytest.mark.parametrize(
    ("kind", "answer", "bit"),
    [
        ("blackhole", SILENT, True),
        ("blackhole", UNCONNECTED, True),
        ("blackhole", REFUSED, False),
        ("blackhole", HEALTHY, False),
        ("refuse", REFUSED, True),
        ("refuse", Answer(0.001, 0.0005, failure="reset"), True),
        ("refuse", SILENT, False),
        ("hang", SILENT, True),
        ("hang", HEALTHY, False),
    ],
)
async def test_silence_and_refusal_are_not_mistaken_for_each_other(
    monkeypatch: pytest.MonkeyPatch, kind: str, answer: Answer, bit: bool
) -> None:
    assert await verdict(monkeypatch, kind, answer) is bit


async def test_unhealthy_and_lie_are_told_apart_by_health_and_work(monkeypatch: pytest.MonkeyPatch) -> None:
    sick, well = failed(503), HEALTHY
    assert await verdict(monkeypatch, "unhealthy", sick, well) is True
    assert await verdict(monkeypatch, "unhealthy", sick, sick) is False
    assert await verdict(monkeypatch, "lie", well, failed(500)) is True
    assert await verdict(monkeypatch, "lie", sick, failed(500)) is False


async def test_an_error_rate_is_seen_in_any_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verdict(monkeypatch, "error", HEALTHY, HEALTHY, failed(500), rate="30%") is True
    assert await verdict(monkeypatch, "error", HEALTHY, rate="30%") is False
    assert await verdict(monkeypatch, "error", HEALTHY, rate="1%") is None


async def test_misbehaviour_is_asked_of_the_backend_with_an_end_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Probe(HEALTHY)
    monkeypatch.setattr(misbehaviour, "ask", probe)
    fault = FAULTS["slow"]
    await fault.inject(FakeTarget("api-1"), fault.params.model_validate({"delay": "250ms"}), 5.0)
    await fault.heal(FakeTarget("api-1"))
    wish = {"mode": "slow", "duration_s": 6.0, "delay_ms": 250.0}
    assert probe.asked == [("/misbehave", wish), ("/misbehave", {"mode": "ok"})]
    assert probe.tokens == {"token of api-1"}


async def test_a_backend_that_does_not_take_the_wish_is_a_failed_injection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misbehaviour, "ask", Probe(failed(404)))
    with pytest.raises(InjectionFailedError, match="HTTP 404"):
        await FAULTS["hang"].inject(FakeTarget("api-1"), None, 5.0)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_the_backend_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(misbehaviour, "ask", Probe(failed(status)))
    with pytest.raises(InjectionFailedError, match="CHAOS_MISBEHAVE_TOKEN must be its API_MISBEHAVE_TOKEN"):
        await FAULTS["hang"].heal(FakeTarget("api-1"))


async def test_a_token_file_that_is_gone_is_a_failed_injection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target, probe = FakeTarget("api-1"), Probe(HEALTHY)
    monkeypatch.setattr(misbehaviour, "ask", probe)
    monkeypatch.setattr(target, "order_token", lambda instance: (tmp_path / instance).read_text())
    with pytest.raises(InjectionFailedError, match=r"the token of api-1 cannot be read: .*No such file"):
        await FAULTS["hang"].inject(target, None, 5.0)
    assert probe.asked == []


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("delay", {"delay": "1s", "peer": "balancer"}),
        ("loss", {"loss": "10%", "port": 9000}),
        ("partition", {"peer": "api-2"}),
        ("duplicate", {"duplicate": "50%"}),
        ("reorder", {"reorder": "50%"}),
    ],
)
async def test_what_no_question_of_ours_can_show_is_read_back(
    monkeypatch: pytest.MonkeyPatch, kind: str, params: dict[str, Any]
) -> None:
    monkeypatch.setattr(link_fault, "VERIFY_DEADLINE_S", 0.5)
    fault, target = FAULTS[kind], FakeTarget("api-1")
    asked = fault.params.model_validate(params)
    before = Before(ADDRESS, HEALTHY, "start 0")
    monkeypatch.setattr(link_fault, "ask", Probe(HEALTHY))
    assert (await fault.verify(target, asked, before)).bit is False, "nothing is in place"
    await fault.inject(target, asked, 5.0)
    assert (await fault.verify(target, asked, before)).bit is True
    target.met = 0
    assert (await fault.verify(target, asked, before)).bit is None, "no packet came by"


async def test_bandwidth_wants_a_download_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fault, target = FAULTS["bandwidth"], FakeTarget("api-1")
    before = Before(ADDRESS, HEALTHY, "start 0")

    async def bit(rate: str, took_s: float) -> bool | None:
        async def download(_: object, size: int, **__: object) -> tuple[int, float]:
            return size, took_s

        monkeypatch.setattr(bandwidth, "download", download)
        return (await fault.verify(target, fault.params.model_validate({"rate": rate}), before)).bit

    assert await bit("4mbit", 0.6) is True
    assert await bit("4mbit", 0.01) is False
    assert await bit("10gbit", 0.01) is None, "too fast to tell"


async def test_what_was_measured_is_not_lost_where_the_read_back_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(FakeTarget):
        async def read_back(self) -> ReadBack:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(link_fault, "VERIFY_DEADLINE_S", 0.0)
    monkeypatch.setattr(delay, "ask", Probe(slow(0.2)))
    fault = FAULTS["delay"]
    said = await fault.verify(
        Late("api-1"), fault.params.model_validate({"delay": "150ms"}), Before(ADDRESS, HEALTHY, "start 0")
    )
    assert (said.bit, "read back: no answer in time" in said.evidence) == (True, True)
