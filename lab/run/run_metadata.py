"""What an experiment writes down beside what happens: all that a later judgement needs, as events of the lab."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ..evidence.clock import ClockOffset
from ..evidence.events import Event
from ..evidence.identity import Identity
from ..evidence.recorder import Recorder
from ..release import release
from ..scenario.fault_kinds import like
from ..scenario.plan import Plan, PlannedStep
from ..services.clients import Json
from ..services.endpoints import Endpoints
from .preflight import Readiness


@dataclass(slots=True)
class Injection:
    """One step on its way."""

    index: int
    step: PlannedStep
    target: str
    before: Identity
    record: Json
    """The chaos service's latest word on the fault; holds only `error` when it was refused."""


def description(plan: Plan, endpoints: Endpoints, run_id: str) -> Json:
    """The fields of `run_started`: for people and for the head of the verdict."""
    return {
        "run_id": run_id,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "scenario": plan.scenario,
        "runtime": endpoints.runtime,
        "balancer": endpoints.balancer,
        "versions": {"reroute": release(), "python": platform.python_version()},
        "machine": {"system": platform.platform(), "cpu": platform.machine()},
    }


def note_readiness(recorder: Recorder, ready: Readiness, plan: Plan) -> None:
    """Record the lab as it was before the run."""
    recorder.note("config", {"config": ready.config})
    recorder.note("bounds", {"bounds": [*ready.bounds, *_other_bounds(ready.bounds, plan)]})
    note_clock(recorder, "lb", ready.lb_clock)
    note_clock(recorder, "chaos", ready.chaos_clock)
    note_identities(recorder, ready.backends, ready.identities)


def _other_bounds(bounds: list[Json], plan: Plan) -> Iterator[Json]:
    """Yield a bound for each planned fault that the balancer does not know: that of a kind which looks the same."""
    known = {each["fault"]: each for each in bounds}
    for kind in dict.fromkeys(step.fault for step in plan.steps if step.fault):
        if kind not in known and (same := known.get(like(kind))):
            yield {**same, "fault": kind}


def note_identities(recorder: Recorder, backends: list[Json], identities: Mapping[str, Identity]) -> None:
    """Who is who, now."""
    recorder.note("backends", {"backends": backends})
    recorder.note("targets", {"targets": {name: asdict(each) for name, each in identities.items()}})


def note_clock(recorder: Recorder, of: str, offset: ClockOffset) -> None:
    """How another process' clock relates to the lab's, now."""
    recorder.note("clock", {"of": of, **asdict(offset)})


def note_fault(recorder: Recorder, injection: Injection, after: Identity, chaos_clock: ClockOffset) -> None:
    """One fault with its times on the run's axis; `after` is who the target was once it was healed."""
    record = injection.record

    def when(name: str) -> float | None:
        mono = record.get(name)
        return None if mono is None else round(recorder.clock.of(mono, chaos_clock), 6)

    fields = {
        "step": injection.index,
        "kind": injection.step.name,
        "target": injection.target,
        "instance": injection.before.instance,
        "backends": injection.before.backends,
        "backends_after": after.backends,
        "requested_at": when("requested_mono"),
        "injected_at": when("injected_mono"),
        "heal_started_at": when("heal_started_mono"),
        "healed_at": when("healed_mono"),
    }
    told = ("id", "mechanism", "bit", "evidence", "error")
    recorder.note("fault", {**fields, **{name: record.get(name) for name in told}})


def note_ledger(recorder: Recorder, entries: Iterable[Json], lb_clock: ClockOffset) -> None:
    """The backends' ledgers, put on the axis.

    Backends share their kernel with the balancer, and with it CLOCK_MONOTONIC, in containers and without: its offset
    serves for theirs.
    """
    count = 0
    for entry in entries:
        t = recorder.clock.of(float(entry["mono"]), lb_clock)
        recorder.record(Event(t, "api", "executed", {"id": entry["id"], "instance": entry["instance"]}))
        count += 1
    recorder.note("ledger", {"entries": count})
