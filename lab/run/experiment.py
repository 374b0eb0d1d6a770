"""Runs one plan against one lab: sends traffic, injects faults on schedule, records everything, and judges the record.

However the run ends (completed, Ctrl-C, a crash, an unresponsive service), its faults are healed and the traffic
process is stopped. A run that did not reach its planned end gets the verdict `unknown`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ..errors import EnvironmentProblemError, LabError
from ..evidence.clock import RunClock, measure_offset
from ..evidence.host_monitor import watch_host
from ..evidence.progress import Progress
from ..evidence.recorder import Recorder
from ..evidence.verdict import RunVerdict
from ..identity import Identity, identify
from ..judge.judge import judge_folder
from ..polling import until
from ..scenario.plan import Plan
from ..services.balancer_view import BalancerView, balancer_view
from ..services.clients import ChaosClient, FaultRefusedError, TrafficPort
from ..services.endpoints import Endpoints
from ..traffic.process import TrafficProcess
from . import run_metadata
from .balancer_override import override_balancer_settings
from .feasibility import obstacles
from .operator_actions import OperatorActions
from .preflight import Readiness, prepare, wait_until_all_up
from .run_metadata import Injection

LEAD_S = 0.1
"""Seconds from choosing t = 0 until t = 0: enough for the generator to receive it."""
HEAL_MARGIN_S = 30.0
"""Seconds to wait for a fault to be healed after its duration. The chaos service itself gives up sooner."""
CLEAN_UP_WITHIN_S = 15.0
PHASE_POLL_S = 0.01
PHASE_MISSED_S = 0.02
"""The time of two polls, in seconds. If the wanted phase passed longer ago, wait for the same phase after the next
check."""
PHASE_WITHIN = 4
"""Number of health-check intervals without a visible check after which the step runs without waiting for its phase."""
LEDGER_WITHIN_S = 5.0


async def run_experiment(
    plan: Plan, endpoints: Endpoints, run_dir: Path, progress: Progress | None = None
) -> RunVerdict:
    """Run `plan` and write all files of the run except the reports into `run_dir`.

    `run_dir` is an existing, empty folder; its name is the id of the run.

    Raise LabError if no request may be sent to the lab, if it is not ready for the run or if it fails during it, and
    re-raise any interruption. Once traffic has started, a verdict is written in these cases too.
    """
    watcher = progress or Progress()
    endpoints = endpoints.pinned()
    with _translate_write_errors():
        plan.write(run_dir)
    async with aiohttp.ClientSession() as session:
        chaos = ChaosClient(session, endpoints)
        services = Services(balancer_view(session, endpoints, chaos), chaos, TrafficPort(session, endpoints))
        if reasons := obstacles(plan, endpoints, await services.chaos.capabilities()):
            raise EnvironmentProblemError(f"{plan.scenario} cannot run here: {'; '.join(reasons)}")
        async with override_balancer_settings(plan, endpoints, services.balancer):
            ready = await prepare(plan, services.balancer, services.chaos)
            traffic = await TrafficProcess.start(run_dir, endpoints, run_dir.name)
            try:
                with _translate_write_errors():
                    experiment = Experiment(plan, services, ready, traffic, run_dir, watcher, endpoints)
                    return await _run(plan, endpoints, run_dir, experiment)
            finally:
                await traffic.kill()


@contextlib.contextmanager
def _translate_write_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentProblemError(f"the run's files cannot be written: {error}", "is the disk full?") from error


async def _run(plan: Plan, endpoints: Endpoints, run_dir: Path, experiment: Experiment) -> RunVerdict:
    experiment.start(endpoints)
    try:
        await experiment.run()
    except BaseException as error:
        await experiment.abandon(error)
        raise
    finally:
        experiment.close()
        verdict = judge_folder(run_dir)
    experiment.progress.finished(verdict)
    return verdict


@dataclass(frozen=True, slots=True)
class Services:
    """Clients of the three services of a lab."""

    balancer: BalancerView
    chaos: ChaosClient
    traffic_port: TrafficPort


class Experiment:
    """Carries out one run: sends the traffic, performs the steps of the plan on schedule, and records what happens."""

    def __init__(
        self,
        plan: Plan,
        services: Services,
        ready: Readiness,
        traffic: TrafficProcess,
        run_dir: Path,
        progress: Progress,
        endpoints: Endpoints,
    ) -> None:
        self.progress = progress
        self._run_id = run_dir.name
        self._plan = plan
        self._services = services
        self._ready = ready
        self._traffic = traffic
        self._recorder = Recorder(run_dir, RunClock(time.monotonic() + LEAD_S), progress)
        self._injections: list[Injection] = []
        """Everything that is recorded as a fault."""
        self._actions = OperatorActions(
            services.balancer, services.chaos, endpoints, ready, self._recorder, self._inject, self._injections
        )

    def start(self, endpoints: Endpoints) -> None:
        """Start the traffic; t = 0 is `LEAD_S` seconds ahead."""
        self._traffic.go(self._recorder.clock.zero)
        self.progress.started(self._run_id, self._plan, endpoints)
        self._recorder.note("run_started", run_metadata.run_description(self._plan, endpoints, self._run_id))
        run_metadata.note_readiness(self._recorder, self._ready, self._plan)

    def close(self) -> None:
        """Close the event log, so that the folder can be judged."""
        self._recorder.close()

    async def run(self) -> None:
        """Go through all phases. Raise LabError if the lab fails during the run."""
        balancer, chaos = self._services.balancer, self._services.chaos
        async with _background(
            self._recorder.collect("lb", balancer.events(), self._ready.lb_clock),
            self._recorder.collect("chaos", chaos.events(), self._ready.chaos_clock),
            watch_host(self._recorder),
            self._traffic.watch(lambda counts: self.progress.traffic(self._recorder.clock.now(), counts)),
        ):
            await self._steady_state()
            await self._faults()
            await self._settle()
            await self._collect()
        self._recorder.note("run_ended")
        self._recorder.phase("judge")

    async def abandon(self, reason: BaseException) -> None:
        """Record why the run ended early and undo everything. Raise nothing, because the caller re-raises `reason`."""
        text = "it was cancelled" if isinstance(reason, asyncio.CancelledError | KeyboardInterrupt) else str(reason)
        with contextlib.suppress(OSError):
            self._recorder.note("interrupted", {"reason": text or type(reason).__name__})
        try:
            async with asyncio.timeout(CLEAN_UP_WITHIN_S):
                await asyncio.gather(self._heal_all(), self._traffic.stop(0.0), return_exceptions=True)
        except TimeoutError:
            pass  # the chaos service itself heals each fault when its duration ends
        with contextlib.suppress(OSError):
            self._note_faults({})

    # --- phases ---
    async def _steady_state(self) -> None:
        self._recorder.phase("warm-up", self._plan.warm_up_s)
        await self._sleep_until(self._plan.warm_up_s)
        self._recorder.phase("steady", self._plan.faults_start_s)
        await self._sleep_until(self._plan.faults_start_s)

    async def _faults(self) -> None:
        self._recorder.phase("faults", self._plan.faults_end_s)
        planned: list[Injection] = []
        for index, (step, target) in enumerate(zip(self._plan.steps, self._ready.targets, strict=True)):
            before = self._ready.identities.get(target, Identity(target, ()))
            planned.append(Injection(index, step, target, before, {}))
        self._injections += [each for each in planned if each.step.fault]
        try:
            async with asyncio.TaskGroup() as steps:
                for injection in planned:
                    steps.create_task(self._carry_out(injection))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _settle(self) -> None:
        self._recorder.phase("settle", self._recorder.clock.now() + self._plan.settle_s)
        try:
            backends, identities = await wait_until_all_up(
                self._services.balancer, self._services.chaos, self._plan.settle_limit_s
            )
        except EnvironmentProblemError as error:
            # A target that is not readmitted in time is a finding about the balancer, which checkers judge.
            self._recorder.note("not_readmitted", {"reason": str(error)})
            backends = await self._services.balancer.backends()
            identities = identify(await self._services.chaos.targets(), backends)
        run_metadata.note_identities(self._recorder, backends, identities)
        self._note_faults(identities)
        await asyncio.sleep(self._plan.settle_s)

    async def _collect(self) -> None:
        self._recorder.phase("collect")
        await self._traffic.stop(self._plan.load.patience_s)
        if failure := await self._traffic.failure():
            raise EnvironmentProblemError(f"the traffic generator failed: {failure}")
        run_metadata.note_clock(self._recorder, "lb", await measure_offset(self._services.balancer.clock))
        run_metadata.note_clock(self._recorder, "chaos", await measure_offset(self._services.chaos.clock))
        await self._read_ledgers()

    async def _read_ledgers(self) -> None:
        if self._plan.load.has_unknown_work:
            return
        try:
            async with asyncio.timeout(LEDGER_WITHIN_S):
                entries = await self._services.traffic_port.ledger(f"{self._run_id}-")
        except (LabError, TimeoutError) as error:
            self._recorder.note("ledger_missing", {"reason": str(error)})
        else:
            run_metadata.note_ledger(self._recorder, entries, self._ready.lb_clock)

    def _note_faults(self, identities: Mapping[str, Identity]) -> None:
        for injection in self._injections:
            after = identities.get(injection.target, injection.before)
            run_metadata.note_fault(self._recorder, injection, after, self._ready.chaos_clock)

    # --- one step ---
    async def _carry_out(self, injection: Injection) -> None:
        """At the planned time, inject the fault or perform the operator action."""
        step = injection.step
        await self._sleep_until(step.at_s)
        due = step.at_s if step.phase is None else await self._sleep_until_phase(injection, step.phase)
        self._recorder.note(
            "step", {"step": injection.index, "fault": step.name, "target": injection.target, "at": round(due, 6)}
        )
        if step.act:
            await self._actions.perform(injection)
        else:
            await self._inject(injection)

    async def _sleep_until_phase(self, injection: Injection, phase: float) -> float:
        """Wait for the phase of the target's health checks; return when it was due, seconds since the run's start."""
        interval_s = self._ready.health_interval_s
        wanted = {*injection.before.backends}
        latest = 0.0

        async def phase_is_ahead() -> bool:
            nonlocal latest
            rows = [row for row in await self._services.balancer.backends() if row["id"] in wanted]
            ago_s = min((float(row["last_probe"]["ago_s"]) for row in rows if row.get("last_probe")), default=0.0)
            latest = self._recorder.clock.now() - ago_s
            return self._recorder.clock.now() <= latest + phase * interval_s + PHASE_MISSED_S

        await until(phase_is_ahead, PHASE_WITHIN * interval_s, PHASE_POLL_S)
        # Polling makes this phase inexact. The report shows the phase measured from the balancer's own events.
        due = max(latest + phase * interval_s, self._recorder.clock.now())
        await self._sleep_until(due)
        return due

    async def _inject(self, injection: Injection) -> None:
        """Inject a fault and poll it until it is healed."""
        step = injection.step
        try:
            injection.record = await self._services.chaos.inject(step, injection.target)
        except FaultRefusedError as error:
            injection.record = {"error": str(error)}
            return

        async def is_healed() -> bool:
            # The chaos service may have been killed and restarted. Its journal then still has the fault.
            with contextlib.suppress(EnvironmentProblemError):
                injection.record = await self._services.chaos.fault(injection.record["id"])
            return bool(injection.record["state"] == "healed")

        await until(is_healed, step.duration_s + HEAL_MARGIN_S)

    async def _heal_all(self) -> None:
        """Heal every active fault on this lab's targets, including faults whose injection was not awaited."""
        for record in await self._services.chaos.active_faults():
            if record["target"] in self._ready.identities:
                await self._services.chaos.heal(record["id"])

    async def _sleep_until(self, t: float) -> None:
        await asyncio.sleep(max(0.0, t - self._recorder.clock.now()))


@contextlib.asynccontextmanager
async def _background(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run jobs concurrently with the body, and cancel them when it ends. Re-raise the error of a failed job."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        endings = await asyncio.gather(*tasks, return_exceptions=True)
    for ending in endings:
        if isinstance(ending, Exception):  # a failed collector has lost events, so the run must not pass
            raise ending
