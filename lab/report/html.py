"""`report.html`: one file that opens offline. Style and script stand in it, and its policy allows nothing else."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from markupsafe import Markup

from ..evidence.history import Request
from ..evidence.verdict import Attribution, Phase
from . import sentences
from .host_disturbance import busy_host
from .page_kit import TEMPLATES, render
from .run_files import Look, Run
from .timeline import readout, timeline
from .timeline.panels import rows_needed

ROWS_SHOWN = 2000
"""Bad requests listed one by one; a table of all of 30,000 would be most of the file and read by nobody."""
Row = dict[str, Any]


def html(run: Run) -> str:
    """The page, complete."""
    rows = bad_requests(run)
    rerouted = [r for r in run.requests if run.left_behind(r)]
    values = {
        "run": run,
        "chart": Markup(timeline(run)),  # every text in it is escaped by timeline.svg
        "headline": sentences.headline(run),
        "host": busy_host(run.events),
        "meaning": sentences.meaning(run),
        "legend": [Look.OK, *rows_needed(run, run.requests, rerouted)],
        "rows": rows[:ROWS_SHOWN],
        "row_count": len(rows),
        "groups": grouped(rows),
        "rerouted": len(rerouted),
        "facts": facts(run),
        "configuration": _recorded(run, "config"),
        "bounds": _recorded(run, "bounds"),
        "bins": readout(run),
    }
    filters = {"seconds": sentences.seconds, "milliseconds": sentences.milliseconds}
    return render(TEMPLATES / "report.html.j2", None, values, filters, script=TEMPLATES / "report.js")


def bad_requests(run: Run) -> list[Row]:
    """Every failed, unknown or slow request, with what the verdict says explains it."""
    explained = {a.request: a for a in run.verdict.attributions} if run.verdict else {}
    return [_row(run, r, explained.get(r.id)) for r in run.requests if run.look(r) is not Look.OK]


def grouped(rows: list[Row]) -> list[tuple[str, str, str, str, int]]:
    """(outcome, fault, backend, phase, count), the most frequent first."""
    counts = Counter((row["look"].value, row["fault"], row["backend"], row["phase"]) for row in rows)
    return [(*key, count) for key, count in counts.most_common()]


def facts(run: Run) -> dict[str, str]:
    """Where the run comes from: enough to do it again."""
    told: dict[str, str] = {"run": run.folder, "scenario": run.scenario}
    if run.plan:
        load = run.plan.load
        slow = sentences.milliseconds(load.slow_s)
        told["load"] = f"{load.rate:g} requests/s, {load.pacing} pacing, slow from {slow}"
        told["seed"] = str(run.plan.seed)
    if run.verdict:
        v = run.verdict
        lag = sentences.milliseconds(v.lag_p99_s, "not measured")
        told |= {"started": v.started, "runtime": v.runtime, "balancer": v.balancer, "seed": str(v.seed)}
        told["generator lag"] = f"{lag} (99th percentile of sent − due)"
    started = run.events.last("lab", "run_started")
    return told | {name: _flat(value) for name, value in (started.data if started else {}).items() if name != "run_id"}


def _row(run: Run, request: Request, why: Attribution | None) -> Row:
    fault = run.faults[why.fault] if why and why.fault is not None and why.fault < len(run.faults) else None
    unexplained = "warm-up, not judged" if request.due < run.warm_up_s else sentences.PHASES[Phase.UNEXPLAINED]
    return {
        "request": request,
        "look": run.look(request),
        "answer": str(request.status or "") + (f" {request.error}" if request.error else ""),
        "tried": " → ".join(run.names.get(b, b) for b in request.tried) or "–",
        "fault": f"{fault.kind} on {fault.target}" if fault else "–",
        "backend": (run.names.get(why.backend, why.backend) if why else run.lane(request)) or "–",
        "phase": sentences.PHASES[why.phase] if why else unexplained if run.verdict else "not judged",
    }


def _recorded(run: Run, kind: str) -> str:
    """What the lab wrote down at the start of the run, as JSON to read; empty when it did not."""
    event = run.events.last("lab", kind)
    return json.dumps(dict(event.data), indent=2, ensure_ascii=False) if event else ""  # `shown` sees to the rest


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)
