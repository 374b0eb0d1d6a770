from __future__ import annotations

import pytest

from chaos.drivers import probe
from chaos.drivers.probe import Address
from chaos.drivers.targets import Running
from chaos.engine import guard
from chaos.errors import (
    BadRequestError,
    ConflictError,
    LastHealthyBackendError,
    NoAddressError,
    NotRunningError,
    UnhealthyTargetError,
    UnreachableTargetError,
)
from chaos.faults import FAULTS
from tests.support.chaos_fakes import FakeRuntime, record


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    runtime = FakeRuntime("api-1", "api-2")
    monkeypatch.setattr(guard, "ask", runtime.ask)
    return runtime


def test_an_unknown_kind_is_told_what_exists() -> None:
    with pytest.raises(BadRequestError) as refusal:
        guard.check_kind("explode")
    assert "kill" in refusal.value.possible


@pytest.mark.parametrize("duration", [5, "5", "301s", "50ms", None])
def test_durations_need_a_unit_and_have_bounds(duration: object) -> None:
    with pytest.raises(BadRequestError):
        guard.check_duration(duration, max_s=300)


def test_parameters_are_named_when_they_are_wrong() -> None:
    with pytest.raises(BadRequestError, match=r"params.delay.*500ms"):
        guard.check_params(FAULTS["delay"], {"delay": 1500})
    with pytest.raises(BadRequestError, match=r"params.surprise"):
        guard.check_params(FAULTS["kill"], {"surprise": 1})
    read = guard.check_params(FAULTS["delay"], {"delay": "1500ms", "correlation": "25%"}).model_dump()
    assert (read["delay"], read["correlation"], read["peer"], read["direction"]) == (1.5, 0.25, "all", "out")


@pytest.mark.parametrize(
    ("present", "wanted", "conflict"),
    [
        ("kill", "kill", True),
        ("kill", "delay", True),
        ("delay", "pause", True),
        ("delay", "blackhole", True),
        ("error", "hang", True),
        ("delay", "error", False),
        ("lie", "loss", False),
        ("delay", "loss", False),
        ("delay", "bandwidth", False),
        ("delay", "delay", True),
        ("partition", "blackhole", True),
        ("cpu", "delay", False),
        ("cpu", "memory", False),
    ],
)
def test_faults_conflict_on_one_layer_and_process_faults_with_all(present: str, wanted: str, conflict: bool) -> None:
    unhealed = [record(kind=present)]
    guard.check_conflicts(FAULTS[wanted], "api-2", unhealed)
    if conflict:
        with pytest.raises(ConflictError, match=present):
            guard.check_conflicts(FAULTS[wanted], "api-1", unhealed)
    else:
        guard.check_conflicts(FAULTS[wanted], "api-1", unhealed)


def test_faults_that_shape_one_link_need_one_scope() -> None:
    unhealed = [record(kind="delay").model_copy(update={"params": {"delay": "100ms"}})]
    same = guard.check_params(FAULTS["loss"], {"loss": "10%"})
    guard.check_conflicts(FAULTS["loss"], "api-1", unhealed, same)
    other = guard.check_params(FAULTS["loss"], {"loss": "10%", "peer": "balancer"})
    with pytest.raises(ConflictError, match="the same peer, direction, port"):
        guard.check_conflicts(FAULTS["loss"], "api-1", unhealed, other)


@pytest.mark.parametrize("state", [Running.EXITED, Running.PAUSED])
async def test_only_what_runs_can_be_faulted(runtime: FakeRuntime, state: Running) -> None:
    await guard.check_running(await runtime.targets())
    runtime.backends["api-2"].state = state
    with pytest.raises(NotRunningError, match=f"api-2 is {state}"):
        await guard.check_running(await runtime.targets())


async def test_the_last_healthy_backend_is_spared(runtime: FakeRuntime) -> None:
    backends = await runtime.targets()
    await guard.check_not_last(["api-1"], backends, faulted=())
    with pytest.raises(LastHealthyBackendError):
        await guard.check_not_last(["api-1"], backends, faulted={"api-2"})
    runtime.backends["api-2"].state = Running.PAUSED
    with pytest.raises(LastHealthyBackendError):
        await guard.check_not_last(["api-1"], backends, faulted=())


async def test_the_last_ones_are_counted_together(runtime: FakeRuntime) -> None:
    with pytest.raises(LastHealthyBackendError, match="api-1 and api-2 are the last"):
        await guard.check_not_last(["api-2", "api-1"], await runtime.targets(), faulted=())


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("2001:db8::2", "api-1 cannot be reached at [2001:db8::2]:80: network is unreachable"),
        ("", "api-1 is in no network in which it has an address"),
    ],
)
async def test_a_target_that_cannot_be_asked_is_refused_before_anything_is_done(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, host: str, reason: str
) -> None:
    async def address() -> Address:
        if not host:
            raise NoAddressError("api-1 is in no network in which it has an address")
        return Address(host, 80)

    monkeypatch.setattr(runtime.backends["api-1"], "address", address)
    monkeypatch.setattr(probe, "why_no_route", lambda address: "network is unreachable" if address[0] == host else "")
    for kind in ("delay", "disconnect", "error", "cold_start"):
        await guard.check_reachable(FAULTS[kind], [runtime.backends["api-2"]])
        with pytest.raises(UnreachableTargetError) as raised:
            await guard.check_reachable(FAULTS[kind], await runtime.targets())
        assert (raised.value.detail, raised.value.status) == (reason, 409)
    for kind in ("kill", "pause", "stop", "restart", "cpu", "memory"):
        assert await guard.check_reachable(FAULTS[kind], await runtime.targets()) == {"api-1": reason}
    await guard.check_not_last(["api-2"], await runtime.targets(), faulted=())
    runtime.backends["api-1"].state = Running.PAUSED
    with pytest.raises(LastHealthyBackendError):  # only what runs counts as healthy unasked
        await guard.check_not_last(["api-2"], await runtime.targets(), faulted=())


async def test_a_process_on_whose_network_others_rely_is_not_ended(runtime: FakeRuntime) -> None:
    runtime.backends["api-2"].relying = ["proxy-1"]
    targets = await runtime.targets()
    for kind in ("kill", "stop", "restart", "cold_start"):
        await guard.check_dependents(FAULTS[kind], targets[:1])
        with pytest.raises(ConflictError, match="would leave proxy-1 without a network: they use that of api-2"):
            await guard.check_dependents(FAULTS[kind], targets)
    for kind in ("pause", "delay", "disconnect"):
        await guard.check_dependents(FAULTS[kind], targets)


async def test_a_foreign_backend_that_fails_its_check_is_refused_with_the_settings(runtime: FakeRuntime) -> None:
    await guard.check_healthy(await runtime.targets())
    runtime.backends["api-2"].state = Running.EXITED  # nobody listens there
    with pytest.raises(UnhealthyTargetError, match=r"api-2 fails its health check, GET /health at api-2:80.*: refused"):
        await guard.check_healthy(await runtime.targets())
