"""Synthetic runs for the report: the documented files of a run, made from a seed in milliseconds, no lab needed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from lab.evidence.verdict import (
    Attribution,
    Check,
    FaultResult,
    Phase,
    RequestCounts,
    RunVerdict,
    Verdict,
    Work,
)
from lab.scenario.plan import Plan, PlannedLoad, PlannedRequest, PlannedStep

BACKENDS = ("api-1", "api-2", "api-3")
TARGET = "api-2"
INJECTED, HEALED, END = 3.0, 7.0, 10.0
SLOW_S = 0.25
WARM_UP = 1.0
Json = dict[str, Any]


def pausing_run(rate: float = 200.0, seed: int = 7, end: float = END) -> tuple[list[Json], list[Json]]:
    """History and events of a run in which api-2 is paused from 3 s to 7 s and the balancer copes.

    Detected 80 ms after the pause; what was under way on api-2 by then is hedged to a neighbour, but for POSTs.
    """
    rng = Random(seed)
    history, detected = [], INJECTED + 0.08
    for number in range(int(rate * end)):
        due = number / rate
        method = "POST" if rng.random() < 0.1 else "GET"
        usable = [b for b in BACKENDS if b != TARGET or not detected <= due < HEALED + 0.61]
        backend = usable[number % len(usable)]
        latency = 0.0022 + rng.lognormvariate(-6.5, 0.5)
        tried = [backend]
        if backend == TARGET and INJECTED <= due < detected:
            if method == "GET":
                tried, backend, latency = [TARGET, "api-1"], "api-1", 0.06 + rng.random() * 0.02
            else:
                latency = HEALED - due + 0.01
        history += exchange(number, due, method, latency, backend, tried)
    return sorted(history, key=lambda line: line["t"]), pause_events()


def failing_run(rate: float = 200.0, seed: int = 11) -> tuple[list[Json], list[Json]]:
    """A balancer that is late: for 2.6 s a third of the requests go to a dead backend and are lost."""
    rng = Random(seed)
    history, detected = [], INJECTED + 2.6
    for number in range(int(rate * END)):
        due = number / rate
        method = "POST" if rng.random() < 0.1 else "GET"
        usable = [b for b in BACKENDS if b != TARGET or not detected <= due < HEALED + 0.9]
        backend = usable[number % len(usable)]
        latency = 0.0022 + rng.lognormvariate(-6.3, 0.6)
        if backend == TARGET and INJECTED <= due < detected:
            history += rng.choice((refused, timed_out, late))(number, due, method)
        else:
            history += exchange(number, due, method, latency, backend, [backend])
    return sorted(history, key=lambda line: line["t"]), pause_events(down_at=detected, up_at=HEALED + 0.9)


def exchange(number: int, due: float, method: str, latency: float, backend: str, tried: list[str]) -> list[Json]:
    answer = {"e": "ok", "id": number, "t": due + latency, "status": 200, "instance": backend, "backend": backend}
    return [invoked(number, due, method), {**answer, "tried": tried, "error": None}]


def invoked(number: int, due: float, method: str) -> Json:
    path, key = ("/jobs", f"run-{number}") if method == "POST" else ("/work?sleep_ms=2", None)
    return {"e": "invoke", "id": number, "due": due, "t": due + 0.0001, "method": method, "path": path, "key": key}


def refused(number: int, due: float, method: str) -> list[Json]:
    answer = {"e": "fail", "id": number, "t": due + 0.255, "status": 502, "instance": None, "backend": None}
    return [invoked(number, due, method), {**answer, "tried": [TARGET], "error": "reset"}]


def timed_out(number: int, due: float, method: str) -> list[Json]:
    answer = {"e": "unknown", "id": number, "t": due + 3.0, "status": None, "instance": None, "backend": None}
    return [invoked(number, due, method), {**answer, "tried": [TARGET], "error": "timeout"}]


def late(number: int, due: float, method: str) -> list[Json]:
    return exchange(number, due, method, 1.0 + (number % 17) / 60, "api-3", [TARGET, "api-3"])


def pause_events(down_at: float = INJECTED + 0.95, up_at: float = HEALED + 0.61) -> list[Json]:
    """What the balancer and the chaos service report of the pause."""
    lb: Json = {"source": "lb", "backend": TARGET}
    record = {"id": "f1", "kind": "pause", "target": TARGET, "mechanism": "SIGSTOP", "duration_s": HEALED - INJECTED}
    chaos: Json = {"source": "chaos", "target": TARGET, "fault": record}
    first_ups = [
        {
            "t": -0.8,
            "source": "lb",
            "type": "transition",
            "backend": b,
            "old": "unknown",
            "new": "up",
            "reason": "probe",
        }
        for b in BACKENDS
    ]
    suspected = [
        {"t": INJECTED + 0.08, **lb, "type": "suspected", "waited": 0.06, "threshold": 0.05},
        {"t": INJECTED + 0.08, **lb, "type": "probe_wanted", "reason": "stalled"},
    ]
    return [
        *first_ups,
        {"t": INJECTED, **chaos, "type": "fault_injected"},
        *(suspected if down_at < INJECTED + 2 else []),
        {"t": down_at - 0.4, **lb, "type": "probed", "passed": False, "took": 0.4, "failure": "timeout"},
        {"t": down_at, **lb, "type": "probed", "passed": False, "took": 0.4, "failure": "timeout"},
        {"t": down_at, **lb, "type": "transition", "old": "up", "new": "down", "reason": "2 probes failed"},
        {"t": HEALED, **chaos, "type": "fault_healed"},
        {"t": up_at, **lb, "type": "transition", "old": "down", "new": "up", "reason": "2 probes passed"},
    ]


def verdict(history: list[Json], word: str, checks: list[Check], reroute_s: float, readmit_s: float) -> RunVerdict:
    due = {line["id"]: line["due"] for line in history if line["e"] == "invoke"}
    ended = [line for line in history if line["e"] != "invoke"]
    slow = [line for line in ended if line["e"] == "ok" and line["t"] - due[line["id"]] > SLOW_S]
    failed, unknown = ([line for line in ended if line["e"] == kind] for kind in ("fail", "unknown"))
    judged = sum(each >= WARM_UP for each in due.values())
    bad = sorted([*slow, *failed, *unknown], key=lambda line: line["id"])
    limits = {"reroute_s": reroute_s, "bound_s": 1.52, "readmit_s": readmit_s, "readmit_bound_s": 0.95}
    return RunVerdict(
        run_id="20261122-140000-pause",
        started="2026-11-22T14:00:00Z",
        verdict=Verdict(word),
        scenario="pause",
        runtime="local",
        balancer="reroute",
        seed=7,
        lag_p99_s=0.0011,
        requests=RequestCounts(judged, judged - len(failed) - len(unknown), len(failed), len(unknown), len(slow)),
        faults=(FaultResult("pause", TARGET, "SIGSTOP", INJECTED, HEALED, True, **limits, backends=(TARGET,)),),
        work=Work(sent=193, executed=193),
        checks=tuple(checks),
        attributions=tuple(attribution(line, due[line["id"]]) for line in bad),
    )


def attribution(outcome: Json, due: float) -> Attribution:
    word = {"ok": "slow", "fail": "failed"}.get(outcome["e"], "unknown")
    phase = Phase.BEFORE_DETECTION if due < INJECTED + 1.52 else Phase.AFTER_BOUND
    return Attribution(outcome["id"], word, 0, TARGET, phase)


PASSING_CHECKS = [
    Check("fault_bit", Verdict.PASS, "pause on api-2: a direct probe timed out after 200 ms"),
    Check("reroute_within_bound", Verdict.PASS, "0.08 s ≤ 1.52 s (with traffic: 1.02 s)"),
    Check("readmit_within_bound", Verdict.PASS, "0.61 s ≤ 0.95 s"),
    Check("idempotent_ok", Verdict.PASS, "0 of 1807 idempotent requests failed"),
    Check("attribution", Verdict.PASS, "2 bad requests, all explained"),
]
FAILING_CHECKS = [
    PASSING_CHECKS[0],
    Check("reroute_within_bound", Verdict.FAIL, "2.60 s > 1.52 s: the last request went to api-2 at 5.60 s"),
    Check("idempotent_ok", Verdict.FAIL, "157 of 1807 idempotent requests failed or are unknown"),
    PASSING_CHECKS[2],
]
UNKNOWN_CHECKS = [
    PASSING_CHECKS[0],
    Check("completeness", Verdict.UNKNOWN, "421 requests have no outcome: the history is cut at 7.89 s"),
]


def plan(rate: float) -> Plan:
    mix = (PlannedRequest("GET", "/work?sleep_ms=2", 0.9), PlannedRequest("POST", "/jobs", 0.1))
    return Plan(
        scenario="pause",
        title="A backend hangs",
        description="One backend is frozen for four seconds: it accepts connections and never answers.",
        seed=7,
        load=PlannedLoad(rate, "constant", True, patience_s=3.0, slow_s=SLOW_S, mix=mix),
        warm_up_s=WARM_UP,
        steady_s=2.0,
        steps=(PlannedStep(INJECTED, "pause", None, 0.4, HEALED - INJECTED, {}, False),),
        settle_s=1.0,
        settle_limit_s=5.0,
        expect={"reroute": "within_bound", "readmit": "within_bound", "idempotent_failures": 0},
    )


def write_run(
    run_dir: Path, history: list[Json], events: list[Json], judged: RunVerdict | None, torn: bool = False
) -> Path:
    """Write the files; `torn` cuts the history in the middle of a line, as a full disk or a SIGKILL does."""
    run_dir.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(json.dumps(line) for line in history) + "\n"
    (run_dir / "history.jsonl").write_text(lines[: int(len(lines) * 0.79)] if torn else lines)
    (run_dir / "events.jsonl").write_text("\n".join(json.dumps(line) for line in events) + "\n")
    plan(rate=200.0).write(run_dir)
    if judged is not None:
        judged.write(run_dir)
    return run_dir


def passing(run_dir: Path, rate: float = 200.0) -> Path:
    history, events = pausing_run(rate)
    return write_run(run_dir, history, events, verdict(history, "pass", PASSING_CHECKS, 0.08, 0.61))


def failing(run_dir: Path) -> Path:
    history, events = failing_run()
    return write_run(run_dir, history, events, verdict(history, "fail", FAILING_CHECKS, 2.6, 0.9))


def torn(run_dir: Path) -> Path:
    history, events = pausing_run()
    return write_run(run_dir, history, events, verdict(history, "unknown", UNKNOWN_CHECKS, 0.08, 0.61), torn=True)


def interrupted(run_dir: Path) -> Path:
    """Killed before it was judged: no verdict, and the fault is known from the chaos service's events alone."""
    history, events = pausing_run()
    return write_run(run_dir, history, [e for e in events if e["t"] < HEALED], None, torn=True)
