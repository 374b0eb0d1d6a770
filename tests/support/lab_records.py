"""Runs for checkers, told in a few lines: a fault on api-1 from t = 3 to t = 7, and whatever a test adds to it."""

from __future__ import annotations

from typing import Any

from lab.evidence.events import Event, Events
from lab.evidence.history import Ending, History, Outcome, Request
from lab.evidence.record import RunRecord
from lab.scenario.plan import Plan
from tests.support.lab_plans import plan

INJECTED, HEALED = 3.0, 7.0
BOUND, READMIT_BOUND = 1.4, 0.8

_WORDS = {"ok": Outcome.OK, "fail": Outcome.FAIL, "unknown": Outcome.UNKNOWN, "": None}


def request(due: float, outcome: str = "ok", **changes: Any) -> Request:
    """A GET that api-2 answered in 5 ms, unless told otherwise; `took` sets its latency."""
    took = changes.pop("took", 0.005)
    fields: dict[str, Any] = {
        "id": int(due * 1000), "due": due, "sent": due + 0.0005, "method": "GET", "path": "/work",
        "outcome": _WORDS[outcome], "ended": due + took if outcome else None,
        "status": 200, "instance": "api-2", "backend": "api-2", "tried": ("api-2",),
    }  # fmt: skip
    return whole_request(**{**fields, **changes})


def whole_request(*asked: Any, **facts: Any) -> Request:
    """A request from one flat list of facts: those of its ending are told from its own by their names."""
    ending = {name: facts.pop(name) for name in Ending.__struct_fields__ if name in facts}
    return Request(*asked, **facts, ending=Ending(**ending))


def via(*backends: str, **changes: Any) -> dict[str, Any]:
    """Tried in this order, answered by the last."""
    return {"tried": backends, "backend": backends[-1], "instance": backends[-1], **changes}


def job(due: float, outcome: str = "ok", **changes: Any) -> Request:
    """A POST; its key is `job-<due>`."""
    return request(due, outcome, method="POST", path="/jobs", key=f"job-{due}", **changes)


def fault_event(**changes: Any) -> Event:
    data = {
        "step": 0, "kind": "pause", "target": "api-1", "instance": "api-1", "backends": ["api-1"],
        "backends_after": ["api-1"], "mechanism": "SIGSTOP", "injected_at": INJECTED, "heal_started_at": HEALED,
        "healed_at": HEALED, "bit": True, "evidence": "silent for 300 ms", "error": None,
    }  # fmt: skip
    return Event(9.0, "lab", "fault", {**data, **changes})


def transition(t: float, new: str, backend: str = "api-1") -> Event:
    return Event(t, "lb", "transition", {"backend": backend, "new": new})


def executed(t: float, key: str, instance: str = "api-2") -> Event:
    return Event(t, "api", "executed", {"id": key, "instance": instance})


def ledger() -> Event:
    return Event(9.5, "lab", "ledger", {"entries": 0})


def bounds(kind: str = "pause", **changed: float | None) -> Event:
    row = {"fault": kind, "reroute_s": BOUND, "readmit_s": READMIT_BOUND, "formula": "I + F·T + (F−1)·f", **changed}
    return Event(0.0, "lab", "bounds", {"bounds": [row]})


def clock(t: float, offset_s: float = 0.0, error_s: float = 0.0, of: str = "lb") -> Event:
    return Event(t, "lab", "clock", {"of": of, "offset_s": offset_s, "error_s": error_s})


def targets(*names: str) -> Event:
    return Event(0.0, "lab", "targets", {"targets": {name: {"instance": name, "backends": [name]} for name in names}})


def ended() -> Event:
    return Event(10.0, "lab", "run_ended", {})


def run(*facts: Request | Event, wanted: Plan | None = None, defects: tuple[str, ...] = ()) -> RunRecord:
    """A completed run with bounds, and these requests and events. A fault is only in it when given."""
    requests = sorted((fact for fact in facts if isinstance(fact, Request)), key=lambda each: each.due)
    events = [fact for fact in facts if isinstance(fact, Event)]
    promised = [] if any(event.type == "bounds" for event in events) else [bounds()]
    everything = sorted([*promised, ended(), *events], key=lambda event: event.t)
    return RunRecord(wanted or plan(), History(requests, defects), Events(tuple(everything)))
