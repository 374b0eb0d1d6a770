"""Records events that describe the run itself: everything besides the traffic that checkers need later."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ..evidence.clock import ClockOffset
from ..evidence.events import Event
from ..evidence.recorder import Recorder
from ..identity import Identity
from ..release import release
from ..scenario.fault_kinds import like
from ..scenario.plan import Plan, PlannedStep
from ..services.clients import Json
from ..services.endpoints import Endpoints
from .preflight import Readiness


@dataclass(slots=True)
class Injection:
    """One step of the plan while it is being carried out."""

    index: int
    step: PlannedStep
    target: str
    before: Identity
    """Identity of the target before the step."""
    record: Json
    """Latest record of the fault from the chaos service. If the fault was refused, it has only `error`."""


def run_description(plan: Plan, endpoints: Endpoints, run_id: str) -> Json:
    """Return the fields of the `run_started` event. `verdict.json` repeats some of them."""
    return {
        "run_id": run_id,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "scenario": plan.scenario,
        "runtime": endpoints.runtime,
        "balancer": endpoints.balancer,
        "identification": str(endpoints.identification),
        "names": dict(endpoints.names),
        "versions": {"reroute": release(), "python": platform.python_version()},
        "machine": {"system": platform.platform(), "cpu": platform.machine()},
    }


def note_readiness(recorder: Recorder, ready: Readiness, plan: Plan) -> None:
    """Record the state of the lab before the run."""
    recorder.note("config", {"config": ready.config})
    recorder.note("bounds", {"bounds": [*ready.bounds, *_other_bounds(ready.bounds, plan)]})
    note_clock(recorder, "lb", ready.lb_clock)
    note_clock(recorder, "chaos", ready.chaos_clock)
    note_identities(recorder, ready.backends, ready.identities)


def _other_bounds(bounds: list[Json], plan: Plan) -> Iterator[Json]:
    """Yield a bound for each planned fault that the balancer does not know, from a kind that has the same effect."""
    known = {each["fault"]: each for each in bounds}
    for kind in dict.fromkeys(step.fault for step in plan.steps if step.fault):
        if kind not in known and (same := known.get(like(kind))):
            yield {**same, "fault": kind}


def note_identities(recorder: Recorder, backends: list[Json], identities: Mapping[str, Identity]) -> None:
    """Record which ids the targets have in the balancer at this moment."""
    recorder.note("backends", {"backends": backends})
    recorder.note("targets", {"targets": {name: asdict(each) for name, each in identities.items()}})


def note_clock(recorder: Recorder, of: str, offset: ClockOffset) -> None:
    """Record the present offset between another process' clock and the lab's. `of` is `lb` or `chaos`."""
    recorder.note("clock", {"of": of, **asdict(offset)})


def note_fault(recorder: Recorder, injection: Injection, after: Identity, chaos_clock: ClockOffset) -> None:
    """Record one fault with times in seconds since the run's start. `after`: the target's identity once healed."""
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
    copied = ("id", "mechanism", "bit", "evidence", "error")
    recorder.note("fault", {**fields, **{name: record.get(name) for name in copied}})


def note_ledger(recorder: Recorder, entries: Iterable[Json], lb_clock: ClockOffset) -> None:
    """Record the entries of the backends' ledgers with times in seconds since the run's start.

    Backends and balancer run on the same kernel, also in containers, so they share CLOCK_MONOTONIC and its offset.
    """
    count = 0
    for entry in entries:
        t = recorder.clock.of(float(entry["mono"]), lb_clock)
        recorder.record(Event(t, "api", "executed", {"id": entry["id"], "instance": entry["instance"]}))
        count += 1
    recorder.note("ledger", {"entries": count})
