"""The experiment against a fake lab: what it records, what it concludes, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from pathlib import Path

import pytest

from lab.errors import EnvironmentProblemError
from lab.evidence.events import read_events
from lab.evidence.history import read_history
from lab.evidence.progress import Progress, TrafficCounts
from lab.evidence.verdict import RunVerdict, Verdict
from lab.judge.judge import judge_folder
from lab.run.experiment import run_experiment
from lab.scenario.plan import Plan
from lab.services.endpoints import Endpoints
from tests.support.lab_fakes import FakeLab, fake_lab
from tests.support.lab_plans import load, plan, step


def short_plan(**changes: object) -> Plan:
    """Half a second before the fault, one second of it; as long as it takes to settle."""
    defaults = {
        "load": load(rate=100.0, patience_s=1.0, slow_s=0.25),
        "warm_up_s": 0.2,
        "steady_s": 0.3,
        "steps": (step(at_s=0.5, duration_s=1.0),),
        "settle_s": 0.3,
        "settle_limit_s": 2.0,
    }
    return plan(**{**defaults, **changes})


class Watcher(Progress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.counts = TrafficCounts()
        self.verdict: RunVerdict | None = None

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        self.phases.append(name)

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        self.counts = counts

    def finished(self, verdict: RunVerdict) -> None:
        self.verdict = verdict


async def run(lab: FakeLab, endpoints: Endpoints, folder: Path, wanted: Plan | None = None) -> RunVerdict:
    return await run_experiment(wanted or short_plan(), endpoints, folder)


def checks(verdict: RunVerdict) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in verdict.checks}


def detail(verdict: RunVerdict, name: str) -> str:
    return next(check.detail for check in verdict.checks if check.name == name)


def without_lag(verdict: RunVerdict) -> set[str]:
    """Names of the checks that did not pass. The fake lab shares its core with the generator: its lag is no finding."""
    return {name for name, each in checks(verdict).items() if each is not Verdict.PASS} - {"generator_lag"}


async def test_a_balancer_that_reroutes_in_time_passes_and_everything_is_on_file(tmp_path: Path) -> None:
    watcher = Watcher()
    async with fake_lab() as (lab, endpoints):
        verdict = await run_experiment(short_plan(), endpoints, tmp_path, watcher)
    assert without_lag(verdict) == set(), verdict.to_json()
    assert lab.history_reset == [*lab.replicas], "what an earlier run did to a backend must not count in this one"
    fault = verdict.faults[0]
    assert (fault.kind, fault.target, fault.bit, fault.backends) == ("pause", "api-1", True, ("api-1",))
    assert fault.injected_at == pytest.approx(0.5, abs=0.05)
    assert fault.reroute_s is not None
    assert 0.0 < fault.reroute_s <= 0.3  # the fake detects after 0.1 s; a busy host adds to it
    assert fault.readmit_s == pytest.approx(0.1, abs=0.1)
    assert verdict.work.sent == verdict.work.executed + verdict.requests.failed > 0
    assert watcher.phases == ["warm-up", "steady", "faults", "settle", "collect", "judge"]
    assert watcher.counts.sent == len(read_history(tmp_path / "history.jsonl").requests)
    assert watcher.verdict == verdict == RunVerdict.from_json((tmp_path / "verdict.json").read_text())
    kinds = {(event.source, event.type) for event in read_events(tmp_path / "events.jsonl").all}
    assert {("lb", "transition"), ("chaos", "fault_injected"), ("api", "executed"), ("lab", "run_ended")} <= kinds


async def test_a_balancer_that_never_ejects_fails_and_the_requests_are_put_down_to_it(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.never_ejects = True
        verdict = await run(lab, endpoints, tmp_path)
    assert verdict.verdict is Verdict.FAIL
    assert checks(verdict)["reroute_within_bound"] is Verdict.FAIL
    assert checks(verdict)["attribution"] is Verdict.PASS
    assert "after bound" in detail(verdict, "attribution")


async def test_a_balancer_that_never_readmits_fails(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.never_readmits = True
        verdict = await run(lab, endpoints, tmp_path)
    assert without_lag(verdict) == {"readmit_within_bound"}
    assert verdict.verdict is Verdict.FAIL


async def test_an_injector_that_does_nothing_makes_the_run_unknown(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.fault_bites = False
        verdict = await run(lab, endpoints, tmp_path)
    assert verdict.verdict is Verdict.UNKNOWN
    assert checks(verdict)["fault_bit"] is Verdict.UNKNOWN


async def test_a_refused_fault_makes_the_run_unknown_and_says_why(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.refuses_faults = True
        verdict = await run(lab, endpoints, tmp_path)
    assert verdict.verdict is Verdict.UNKNOWN
    assert "no such fault here" in detail(verdict, "fault_bit")


async def test_work_that_was_acknowledged_and_is_in_no_ledger_is_lost(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.forgets_jobs = True
        verdict = await run(lab, endpoints, tmp_path)
    assert checks(verdict)["work"] is Verdict.FAIL
    assert verdict.work.lost > 0


async def test_without_ledgers_the_work_is_unknown(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.ledger_is_readable = False
        verdict = await run(lab, endpoints, tmp_path)
    assert verdict.verdict is Verdict.UNKNOWN
    assert checks(verdict)["work"] is Verdict.UNKNOWN


async def test_an_interrupted_run_is_unknown_healed_and_leaves_no_process(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        task = asyncio.create_task(run(lab, endpoints, tmp_path))
        await until_faulted(lab)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [record["state"] for record in lab.faults.values()] == ["healed"]
    verdict = RunVerdict.from_json((tmp_path / "verdict.json").read_text())
    assert verdict.verdict is Verdict.UNKNOWN
    assert "interrupted" in detail(verdict, "completeness")
    assert_no_generator(tmp_path)


async def test_a_generator_that_dies_ends_the_run_with_an_error_and_an_unknown_verdict(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        task = asyncio.create_task(run(lab, endpoints, tmp_path))
        await until_faulted(lab)
        for pid in generators(tmp_path):
            os.kill(pid, 9)
        with pytest.raises(EnvironmentProblemError, match="generator"):
            await task
        assert all(record["state"] == "healed" for record in lab.faults.values())
    assert RunVerdict.from_json((tmp_path / "verdict.json").read_text()).verdict is Verdict.UNKNOWN


async def test_a_lab_that_is_still_faulted_is_not_experimented_on(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.faults["old"] = {"id": "old", "kind": "kill", "target": "api-2", "state": "active"}
        with pytest.raises(EnvironmentProblemError, match="kill on api-2"):
            await run(lab, endpoints, tmp_path)


async def test_a_wrong_token_is_said_in_one_line(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        wrong = Endpoints(endpoints.traffic, endpoints.admin, endpoints.chaos, "guess", "local")
        with pytest.raises(EnvironmentProblemError, match="401"):
            await run(lab, wrong, tmp_path)


async def until_faulted(lab: FakeLab) -> None:
    async with asyncio.timeout(10.0):
        while not lab.faults:  # noqa: ASYNC110 - polled with a deadline; the fake has nothing to wait on
            await asyncio.sleep(0.02)


def generators(folder: Path) -> list[int]:
    """Processes whose command line names this run's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"lab.traffic" in command and str(folder).encode() in command:
            found.append(int(entry.name))
    return found


def assert_no_generator(folder: Path) -> None:
    assert generators(folder) == []


@pytest.fixture
def no_compiled_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python cuts the compiled modules that it writes at a limit, without a word, and cannot import them again."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("LAB_PASS_ENV", "PYTHONDONTWRITEBYTECODE")


@pytest.mark.usefixtures("no_compiled_modules")
async def test_a_history_that_cannot_grow_is_said_and_nothing_passes(tmp_path: Path) -> None:
    """A limit on the size of files is a full disk that a test can have; the generator inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 1024, hard))
    try:
        async with fake_lab() as (lab, endpoints):
            with pytest.raises(EnvironmentProblemError, match="File too large"):
                await run(lab, endpoints, tmp_path, short_plan(load=load(rate=400.0, patience_s=1.0)))
            assert all(record["state"] == "healed" for record in lab.faults.values())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert RunVerdict.from_json((tmp_path / "verdict.json").read_text()).verdict is Verdict.UNKNOWN


@pytest.mark.usefixtures("no_compiled_modules")
async def test_events_that_cannot_grow_are_said_and_nothing_passes(tmp_path: Path) -> None:
    """The generator has started by then, and is not limited: the history goes on, the events do not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        async with fake_lab() as (lab, endpoints):
            task = asyncio.create_task(run(lab, endpoints, tmp_path))
            await until_faulted(lab)
            resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "events.jsonl").stat().st_size + 10, hard))
            with pytest.raises(EnvironmentProblemError, match="File too large"):
                await task
            assert all(record["state"] == "healed" for record in lab.faults.values())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_no_generator(tmp_path)
    assert judge_folder(tmp_path).verdict is Verdict.UNKNOWN


async def test_a_disk_that_is_full_before_the_first_byte_is_said(tmp_path: Path) -> None:
    (tmp_path / f"plan.json.{os.getpid()}.tmp").symlink_to("/dev/full")  # where it is drafted
    async with fake_lab() as (lab, endpoints):
        with pytest.raises(EnvironmentProblemError, match="No space left") as caught:
            await run(lab, endpoints, tmp_path)
    assert caught.value.next_step == "is the disk full?"


@pytest.mark.alone
async def test_a_clock_that_is_set_during_a_run_moves_no_time_and_makes_it_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unix, set_by_s = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: unix() + set_by_s[0])
    async with fake_lab() as (lab, endpoints):
        task = asyncio.create_task(run(lab, endpoints, tmp_path))
        await until_faulted(lab)
        set_by_s[0] = -3600.0
        verdict = await task
    assert verdict.verdict is Verdict.UNKNOWN
    assert without_lag(verdict) == {"clocks"}
    assert "the host's clock was set during the run: by -3600.0" in detail(verdict, "clocks")
    [fault] = verdict.faults
    assert fault.injected_at == pytest.approx(0.5, abs=0.05)
    assert fault.healed_at == pytest.approx(1.5, abs=0.2)
    assert fault.reroute_s is not None
    assert 0.0 < fault.reroute_s <= 0.3
