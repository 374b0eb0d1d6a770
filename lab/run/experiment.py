"""Runs one plan against one lab: traffic, faults on schedule, everything recorded; then judges it.

Whatever happens (Ctrl-C, a crash, a service that goes away), faults are healed, the traffic process is gone, and the
verdict of a run that did not come to its end is `unknown`.
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
from ..evidence.identity import Identity, identify
from ..evidence.progress import Progress, Silent
from ..evidence.recorder import Recorder
from ..evidence.verdict import RunVerdict
from ..judge.judge import judge_folder
from ..scenario.plan import Plan
from ..services.balancer_view import BalancerView, balancer_view
from ..services.clients import ChaosClient, FaultRefusedError, TrafficPort
from ..services.endpoints import Endpoints
from ..traffic.process import TrafficProcess
from . import run_metadata
from .balancer_override import configured
from .feasibility import obstacles
from .operator_actions import OperatorActions
from .preflight import POLL_S, Readiness, all_up, prepare
from .run_metadata import Injection

LEAD_S = 0.1
"""Between deciding on t = 0 and t = 0: enough for the generator to hear of it."""
HEAL_MARGIN_S = 30.0
"""Longest wait for a fault to be healed beyond its duration; the chaos service itself gives up sooner."""
CLEAN_UP_WITHIN_S = 15.0
PHASE_POLL_S = 0.01
PHASE_MISSED_S = 0.02
"""Two polls: a check whose end was seen later than this is not the one to count from."""
PHASE_WITHIN = 4
"""Intervals until a phase that never comes (nobody is checked) is given up, and the step carried out all the same."""
LEDGER_WITHIN_S = 5.0


async def run_experiment(
    plan: Plan, endpoints: Endpoints, run_dir: Path, progress: Progress | None = None
) -> RunVerdict:
    """Run `plan`; `run_dir` (an existing, empty folder, whose name is the run's id) gets all files but the reports.

    Raises LabError when the lab is not fit for the run, or fails under it; and whatever interrupted it. Once traffic
    has started, there is a verdict in the folder in these cases, too.
    """
    watcher = progress or Silent()
    with _files_of_the_run():
        plan.write(run_dir)
    async with aiohttp.ClientSession() as session:
        chaos = ChaosClient(session, endpoints)
        services = Services(balancer_view(session, endpoints, chaos), chaos, TrafficPort(session, endpoints))
        if complaints := obstacles(plan, endpoints, await services.chaos.capabilities()):
            raise EnvironmentProblemError(f"{plan.scenario} cannot run here: {'; '.join(complaints)}")
        async with configured(plan, endpoints, services.balancer):
            ready = await prepare(plan, services.balancer, services.chaos)
            traffic = await TrafficProcess.start(run_dir, endpoints.traffic, run_dir.name, endpoints.host)
            try:
                with _files_of_the_run():
                    experiment = Experiment(plan, services, ready, traffic, run_dir, watcher, endpoints)
                    return await _run(plan, endpoints, run_dir, experiment)
            finally:
                await traffic.kill()


@contextlib.contextmanager
def _files_of_the_run() -> Iterator[None]:
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
    """The three doors of a lab."""

    balancer: BalancerView
    chaos: ChaosClient
    port: TrafficPort


class Experiment:
    """One run, from its first request to its last event."""

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
        """Let the traffic begin; t = 0 is `LEAD_S` away."""
        self._traffic.go(self._recorder.clock.zero)
        self.progress.started(self._run_id, self._plan, endpoints)
        self._recorder.note("run_started", run_metadata.description(self._plan, endpoints, self._run_id))
        run_metadata.note_readiness(self._recorder, self._ready, self._plan)

    def close(self) -> None:
        """No event follows; the folder can be judged."""
        self._recorder.close()

    async def run(self) -> None:
        """All phases. Raises LabError when the lab fails under the run."""
        balancer, chaos = self._services.balancer, self._services.chaos
        async with _background(
            self._recorder.collect("lb", balancer.events(), self._ready.lb_clock),
            self._recorder.collect("chaos", chaos.events(), self._ready.chaos_clock),
            watch_host(self._recorder),
            self._traffic.watch(lambda counts: self.progress.traffic(self._recorder.clock.now(), counts)),
        ):
            await self._undisturbed()
            await self._faults()
            await self._settle()
            await self._collect()
        self._recorder.note("run_ended")
        self._recorder.phase("judge")

    async def abandon(self, reason: BaseException) -> None:
        """Undo everything, say why. Raises nothing: there is already something more important to raise."""
        word = "it was cancelled" if isinstance(reason, asyncio.CancelledError | KeyboardInterrupt) else str(reason)
        with contextlib.suppress(OSError):
            self._recorder.note("interrupted", {"reason": word or type(reason).__name__})
        try:
            async with asyncio.timeout(CLEAN_UP_WITHIN_S):
                await asyncio.gather(self._heal_all(), self._traffic.stop(0.0), return_exceptions=True)
        except TimeoutError:
            pass  # the chaos service heals by itself when a fault's duration is over
        with contextlib.suppress(OSError):
            self._note_faults({})

    # --- phases ---
    async def _undisturbed(self) -> None:
        self._recorder.phase("warm-up", self._plan.warm_up_s)
        await self._until(self._plan.warm_up_s)
        self._recorder.phase("steady", self._plan.faults_start_s)
        await self._until(self._plan.faults_start_s)

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
            backends, identities = await all_up(
                self._services.balancer, self._services.chaos, self._plan.settle_limit_s
            )
        except EnvironmentProblemError as error:
            # Not back in time is a finding about the balancer, for the checkers to judge.
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
        try:
            async with asyncio.timeout(LEDGER_WITHIN_S):
                entries = await self._services.port.ledger(f"{self._run_id}-")
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
        """At the planned time, inject a fault or perform an action."""
        step = injection.step
        await self._until(step.at_s)
        due = step.at_s if step.phase is None else await self._on_phase(injection, step.phase)
        self._recorder.note(
            "step", {"step": injection.index, "fault": step.name, "target": injection.target, "at": round(due, 6)}
        )
        if step.act:
            await self._actions.perform(injection)
        else:
            await self._inject(injection)

    async def _on_phase(self, injection: Injection, phase: float) -> float:
        """Wait for the phase of the target's health checks; answers when it was due."""
        interval_s = self._ready.health_interval_s
        wanted = {*injection.before.backends}

        async def next_check() -> float:
            rows = [row for row in await self._services.balancer.backends() if row["id"] in wanted]
            ago_s = min((float(row["last_probe"]["ago_s"]) for row in rows if row.get("last_probe")), default=0.0)
            return self._recorder.clock.now() - ago_s

        give_up = time.monotonic() + PHASE_WITHIN * interval_s
        latest = await next_check()
        while self._recorder.clock.now() > latest + phase * interval_s + PHASE_MISSED_S and time.monotonic() < give_up:
            await asyncio.sleep(PHASE_POLL_S)
            latest = await next_check()
        # The phase is as exact as our view of the checks; what was reached is measured from the balancer's events.
        due = max(latest + phase * interval_s, self._recorder.clock.now())
        await self._until(due)
        return due

    async def _inject(self, injection: Injection) -> None:
        """Inject a fault and follow it until it is healed."""
        step = injection.step
        try:
            injection.record = await self._services.chaos.inject(step, injection.target)
        except FaultRefusedError as error:
            injection.record = {"error": str(error)}
            return
        deadline = time.monotonic() + step.duration_s + HEAL_MARGIN_S
        while injection.record["state"] != "healed" and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            # The chaos service may be killed and come back; its journal remembers the fault.
            with contextlib.suppress(EnvironmentProblemError):
                injection.record = await self._services.chaos.fault(injection.record["id"])

    async def _heal_all(self) -> None:
        """Heal whatever is active on the plan's targets, also faults whose injection nobody waited for."""
        for record in await self._services.chaos.active_faults():
            if record["target"] in self._ready.identities:
                await self._services.chaos.heal(record["id"])

    async def _until(self, t: float) -> None:
        await asyncio.sleep(max(0.0, t - self._recorder.clock.now()))


@contextlib.asynccontextmanager
async def _background(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run jobs beside the body; end them with it."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        endings = await asyncio.gather(*tasks, return_exceptions=True)
    for ending in endings:
        if isinstance(ending, Exception):  # a collector that broke has lost events: the run must not go on to pass
            raise ending
