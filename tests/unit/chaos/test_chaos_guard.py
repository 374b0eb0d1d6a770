from __future__ import annotations

import pytest

from chaos import guard
from chaos.errors import BadRequestError, ConflictError, LastHealthyBackendError, UnknownTargetError
from chaos.faults import FAULTS
from chaos.targets import Running
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
    assert guard.check_params(FAULTS["delay"], {"delay": "1500ms"}).model_dump() == {"delay": 1.5, "jitter": 0.0}


async def test_only_this_labs_backends_are_targets(runtime: FakeRuntime) -> None:
    with pytest.raises(UnknownTargetError) as refusal:
        guard.check_target("postgres", await runtime.targets())
    assert refusal.value.possible == ["api-1", "api-2"]


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
    ],
)
def test_faults_conflict_on_one_layer_and_process_faults_with_all(present: str, wanted: str, conflict: bool) -> None:
    owed = [record(kind=present)]
    guard.check_conflicts(FAULTS[wanted], "api-2", owed)
    if conflict:
        with pytest.raises(ConflictError, match=present):
            guard.check_conflicts(FAULTS[wanted], "api-1", owed)
    else:
        guard.check_conflicts(FAULTS[wanted], "api-1", owed)


async def test_the_last_healthy_backend_is_spared(runtime: FakeRuntime) -> None:
    backends = await runtime.targets()
    await guard.check_not_last("api-1", backends, faulted=())
    with pytest.raises(LastHealthyBackendError):
        await guard.check_not_last("api-1", backends, faulted={"api-2"})
    runtime.backends["api-2"].state = Running.PAUSED
    with pytest.raises(LastHealthyBackendError):
        await guard.check_not_last("api-1", backends, faulted=())
