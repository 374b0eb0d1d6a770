"""`report.html`: one file that opens offline. It contains its style and script; its policy permits no others."""

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
from .run_files import OutcomeClass, Run
from .timeline.chart import readout, timeline
from .timeline.panels import rows_needed

ROWS_SHOWN = 2000
"""Maximum number of bad requests that are listed one by one. A table of 30,000 would be most of the file, and
useless."""
Row = dict[str, Any]


def html(run: Run) -> str:
    """Return the whole page."""
    rows = bad_requests(run)
    rerouted = [r for r in run.requests if run.also_tried(r)]
    values = {
        "run": run,
        "chart": Markup(timeline(run)),  # timeline.svg escapes all text in it
        "headline": sentences.headline(run),
        "host": busy_host(run.events),
        "meaning": sentences.meaning(run),
        "legend": [OutcomeClass.OK, *rows_needed(run, run.requests, rerouted)],
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
    """Return every failed, unknown or slow request, with the cause that the verdict names."""
    explained = {a.request: a for a in run.verdict.attributions} if run.verdict else {}
    return [_row(run, r, explained.get(r.id)) for r in run.requests if run.classify(r) is not OutcomeClass.OK]


def grouped(rows: list[Row]) -> list[tuple[str, str, str, str, int]]:
    """Return (outcome, fault, backend, phase, count), most frequent first."""
    counts = Counter((row["outcome"].value, row["fault"], row["backend"], row["phase"]) for row in rows)
    return [(*key, count) for key, count in counts.most_common()]


def facts(run: Run) -> dict[str, str]:
    """Return the origin of the run by label: everything needed to repeat it."""
    found: dict[str, str] = {"run": run.folder, "scenario": run.scenario}
    if run.plan:
        load = run.plan.load
        slow = sentences.milliseconds(load.slow_s)
        found["load"] = f"{load.rate:g} requests/s, {load.pacing} pacing, slow from {slow}"
        found["seed"] = str(run.plan.seed)
    if run.verdict:
        v = run.verdict
        lag = sentences.milliseconds(v.lag_p99_s, "not measured")
        found |= {"started": v.started, "runtime": v.runtime, "balancer": v.balancer, "seed": str(v.seed)}
        found["generator lag"] = f"{lag} (99th percentile of sent − due)"
    started = run.events.last("lab", "run_started")
    return found | {name: _flat(value) for name, value in (started.data if started else {}).items() if name != "run_id"}


def _row(run: Run, request: Request, why: Attribution | None) -> Row:
    fault = run.faults[why.fault] if why and why.fault is not None and why.fault < len(run.faults) else None
    unexplained = "warm-up, not judged" if request.due < run.warm_up_s else sentences.PHASES[Phase.UNEXPLAINED]
    return {
        "request": request,
        "outcome": run.classify(request),
        "answer": str(request.status or "") + (f" {request.error}" if request.error else ""),
        "tried": " → ".join(run.names.get(b, b) for b in request.tried) or "–",
        "fault": f"{fault.kind} on {fault.target}" if fault else "–",
        "backend": (run.names.get(why.backend, why.backend) if why else run.lane(request)) or "–",
        "phase": sentences.PHASES[why.phase] if why else unexplained if run.verdict else "not judged",
    }


def _recorded(run: Run, kind: str) -> str:
    """Return the data of the last event of this type as indented JSON; empty if there is none."""
    event = run.events.last("lab", kind)
    return json.dumps(dict(event.data), indent=2, ensure_ascii=False) if event else ""  # the template makes it inert


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)
