"""Writes a long synthetic run in which a backend is paused and the balancer reacts well.

Every tenth request is a job with a ledger entry, and two thirds of the requests belong to sessions. Until the fault is
detected, every third request needs a second attempt. Every check is asserted, so that every checker has work to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...evidence.events import Event, EventLog
from ...evidence.history import Ending, HistoryWriter, Outcome, invocation_fields
from ...scenario.file_reader import load_scenario
from ...scenario.library import find
from ...scenario.plan import Plan
from ...scenario.planner import make_plan

RATE_PER_S = 2000.0
BACKENDS = ("api-1", "api-2", "api-3")
DETECTED_AFTER_S = 0.2
BACK_AFTER_S = 0.5
_FLUSH_EVERY = 1000
_JOB_EVERY = 10
_SESSIONS = 30


def write_run(folder: Path, requests: int) -> Plan:
    """Write plan, history and events of a run with `requests` requests; return its plan."""
    plan = long_plan(requests)
    plan.write(folder)
    _write_history(folder / "history.jsonl", plan, requests)
    log = EventLog(folder / "events.jsonl")
    for event in _events(plan, requests):
        log.write(event)
    log.close()
    return plan


_BUDGET = {"p50": "20ms", "p99": "100ms", "max": "200ms"}
_ASSERTED = {
    "sticky": "kept",
    "distribution": "policy",
    "error_budget": "1%",
    "slow_budget": "1%",
    "answer_within": "1s",
    "latency": {"outside": _BUDGET, "inside": _BUDGET},
}
"""Expectations that make every checker work."""


def long_plan(requests: int) -> Plan:
    """Return the plan of `pause` with a steady state that is long enough for `requests` requests."""
    plan = make_plan(load_scenario(find("pause")), "pause", seed=1)
    lasts_s = requests / RATE_PER_S
    at_s = round(max(plan.warm_up_s, lasts_s * 0.5), 6)
    step = replace(plan.steps[0], at_s=at_s, duration_s=round(min(4.0, lasts_s / 4), 6))
    load = replace(plan.load, rate=RATE_PER_S)
    return replace(plan, load=load, steady_s=at_s - plan.warm_up_s, steps=(step,), expect={**plan.expect, **_ASSERTED})


def _write_history(path: Path, plan: Plan, requests: int) -> None:
    writer = HistoryWriter(path)
    paused_at, healed_at = plan.steps[0].at_s, plan.faults_end_s
    gets = [invocation_fields("GET", "/work?sleep_ms=2", None, _session(number)) for number in range(_SESSIONS)]
    for number in range(requests):
        due = number / RATE_PER_S
        job = invocation_fields("POST", "/jobs", _job(number), _session(number)) if number % _JOB_EVERY == 0 else None
        writer.invoke(number, due, due + 0.0002, job or gets[number % _SESSIONS])
        first = number % 3
        out = first == 0 and paused_at <= due < healed_at + BACK_AFTER_S
        backend = BACKENDS[1 if out else first]
        retried = out and due < paused_at + DETECTED_AFTER_S and job is None
        took = 0.08 if retried else 0.003 + number % 7 * 0.001
        tried = (BACKENDS[0], backend) if retried else (backend,)
        status = 201 if job else 200
        writer.conclude(number, due + took, Ending(Outcome.OK, status, backend, backend, tried, size=64))
        if number % _FLUSH_EVERY == 0:
            writer.flush()
    writer.close()


def _events(plan: Plan, requests: int) -> Iterator[Event]:
    at, healed = plan.steps[0].at_s, plan.faults_end_s
    end = requests / RATE_PER_S

    def lab(t: float, event: str, **data: Any) -> Event:
        return Event(t, "lab", event, data)

    yield lab(0.0, "run_started", run_id="synthetic", started="", runtime="synthetic", balancer="synthetic")
    retry = {"budget": "20%", "budget_min_per_s": 3.0, "budget_window": "10s"}
    yield lab(0.0, "config", config={"policy": "round_robin", "retry": retry})
    bound = {"fault": "pause", "reroute_s": 1.5, "reroute_traffic_s": 0.5, "readmit_s": 1.9, "formula": "synthetic"}
    yield lab(0.0, "bounds", bounds=[bound])
    yield lab(0.0, "clock", of="lb", offset_s=0.0, error_s=0.0001)
    yield lab(0.0, "backends", backends=[{"id": name, "name": name, "weight": 1.0, "state": "up"} for name in BACKENDS])
    yield lab(0.0, "targets", targets={name: {"instance": name, "backends": [name]} for name in BACKENDS})
    yield lab(at, "step", step=0, fault="pause", target="api-1", at=at)
    yield Event(at + DETECTED_AFTER_S, "lb", "transition", {"seq": 1, "backend": "api-1", "old": "up", "new": "down"})
    yield Event(healed + BACK_AFTER_S, "lb", "transition", {"seq": 2, "backend": "api-1", "old": "down", "new": "up"})
    known = {"kind": "pause", "target": "api-1", "instance": "api-1", "mechanism": "none", "evidence": "made up"}
    ids = {"backends": ["api-1"], "backends_after": ["api-1"]}
    times = {"requested_at": at, "injected_at": at, "heal_started_at": healed, "healed_at": healed}
    yield lab(healed, "fault", step=0, bit=True, error=None, **known, **ids, **times)
    for number in range(0, requests, _JOB_EVERY):
        yield Event(number / RATE_PER_S + 0.002, "api", "executed", {"id": _job(number), "instance": BACKENDS[1]})
    yield lab(end, "ledger", entries=len(range(0, requests, _JOB_EVERY)))
    yield lab(end, "run_ended")


def _session(number: int) -> int | None:
    """Return the session of a request. Only backends without a fault have sessions, so sessions never move."""
    return number % _SESSIONS if number % len(BACKENDS) else None


def _job(number: int) -> str:
    return f"20260101-000000-synthetic-{number}"
