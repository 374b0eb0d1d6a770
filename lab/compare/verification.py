"""Checks the adviser's predictions: measures each kind of fault at several phases of the health check.

A program that is not Reroute does not say when its checks run. Run k of n is therefore delayed by k/n of the interval;
together with the random moment of the program's start, the runs cover the interval.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from ..advise.models import MODELS, model
from ..advise.prediction import Fault, Prediction, Situation
from ..advise.terms import ALLOWANCE
from ..balancers import adapter
from ..balancers.configuration import CheckKind, FailoverSettings, Pool, Value
from ..balancers.importing import can_import
from ..balancers.requirements import Address, Backend, Level, ProxySpec
from ..errors import BadArgumentsError
from ..evidence.record import load_run
from ..report.host_disturbance import host_stalls
from ..scenario.file_reader import load_scenario
from ..scenario.plan import Plan
from ..scenario.planner import make_plan
from . import entries
from .document import BUSY_S, Comparison, Result, label
from .runner import Entry, ScheduledRun
from .standard_scenarios import scenario_file

LOOSEST: Final = 1.5
"""A predicted worst case above this multiple of the largest measured value needs an explanation."""
_LONGEST_INTERVAL_S: Final = 10.0
"""Runs are delayed by at most this, because a check every 30 s hardly ever falls into a fault of 3 s."""


_CLOSE: Final = 0.75
"""A request that takes this fraction of the response time-out waited for the failed server."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One kind of fault with one balancer. Times are seconds from the fault to the last request that a client saw."""

    program: str
    settings: str
    fault: str
    formula: str
    worst_s: float
    expected_s: float
    measured_s: tuple[float, ...]
    """One value for each run that counts."""
    affected: tuple[int, ...]
    """Number of failed and of slow requests in each of these runs."""
    affected_at_most: int
    """The predicted limit of that number: all requests that the policy sends to the failed server."""
    verdict: str
    """`holds`, `exceeded`, `loose` (holds, but above `LOOSEST` times the largest value), `not run`, `busy host` (all
    exceeded it, but on a busy host), or `whole fault`: clients are predicted to notice the fault until it ends. No run
    can exceed that, so it proves no bound."""
    why: str
    """A sentence for each verdict but `holds`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A balancer whose settings are known."""

    entry: Entry
    program: str
    pool: Pool


def rendered_subjects(names: Sequence[str], levels: Sequence[str]) -> list[Subject]:
    """Return a subject for each balancer and level, whose files the lab renders. Raise `BadArgumentsError`."""
    chosen = entries.from_adapters(names, levels, Comparison(0, "", "", ""))
    return [
        Subject(each, each.choice.adapter, rendered_pool(each.choice.adapter, Level(each.choice.level)))
        for each in chosen
    ]


def rendered_pool(name: str, level: Level) -> Pool:
    """Return the pool that the program's own reader finds in the configuration that the lab renders.

    Raise `BadArgumentsError` if the program's files cannot be read.
    """
    own = adapter(name).own_files
    if own is None or not can_import(own):
        raise BadArgumentsError(f"the lab cannot read files of {name}")
    backends = tuple(Backend(f"api-{number}", Address("127.0.0.1", 9000 + number)) for number in (1, 2, 3))
    spec = ProxySpec(Address("127.0.0.1", 8080), Address("127.0.0.1", 8081), backends, level=level)
    with tempfile.TemporaryDirectory(prefix="lab-advise-") as folder:
        files = adapter(name).render(spec, Path(folder))
        pools = own.read(files).pools
    return next(each for each in pools if len(each.servers) == len(backends))


def without_tls(pool: Pool) -> Pool:
    """Return the pool with the checks that remain once the lab has removed TLS, which its backends do not speak."""
    checks = pool.settings.checks
    if checks is None or not (checks.handshakes or checks.kind.value is CheckKind.TLS):
        return pool
    kind = Value(CheckKind.TCP, checks.kind.place) if checks.kind.value is CheckKind.TLS else checks.kind
    return replace(pool, settings=replace(pool.settings, checks=replace(checks, kind=kind, handshakes=False)))


def plans(faults: Sequence[Fault], seed: int) -> dict[Fault, Plan]:
    """Return the plan of the standard scenario of each fault."""
    return {fault: make_plan(load_scenario(scenario_file(fault)), fault.value, seed) for fault in faults}


def schedule(
    subjects: Sequence[Subject], wanted: Mapping[Fault, Plan], phases: int, first: int = 0
) -> Iterator[ScheduledRun]:
    """Yield all runs, interleaved by balancer, and phase by phase. `first`: number of the first run of each."""
    for number in range(phases):
        for plan in wanted.values():
            for subject in subjects:
                settings = subject.pool.settings
                shifted = at_phase(unmistakable(plan, settings), number / phases, settings)
                yield ScheduledRun(subject.entry, shifted, first + number)


def at_phase(plan: Plan, phase: float, *used: FailoverSettings) -> Plan:
    """Return the plan, delayed by this part of the longest interval of the checks that are used."""
    intervals_s = [each.checks.interval_s.value for each in used if each.checks is not None]
    by_s = phase * min(max(intervals_s, default=0.0), _LONGEST_INTERVAL_S)
    return replace(plan, steps=tuple(replace(step, at_s=step.at_s + by_s) for step in plan.steps))


def unmistakable(plan: Plan, *used: FailoverSettings) -> Plan:
    """Return the plan with a limit for slow requests close to what a request to the failed server waits for.

    A busy host makes requests to other servers slow, too, and they must not count.
    """
    limits = [each.response_timeout_s.value for each in used]
    waits_s = min(plan.load.patience_s, *(plan.steps[0].duration_s if limit is None else limit for limit in limits))
    return replace(plan, load=replace(plan.load, slow_s=max(plan.load.slow_s, _CLOSE * waits_s)))


def situation(plan: Plan, servers: int, *, relayed: bool) -> Situation:
    """Return what the plan's load and fault mean for a prediction."""
    posts = sum(each.share for each in plan.load.mix if each.method == "POST")
    duration_s = plan.steps[0].duration_s
    return Situation(
        servers=servers,
        rate_per_s=plan.load.rate,
        post_share=posts,
        outage_s=duration_s,
        drain_s=duration_s,
        client_timeout_s=plan.load.patience_s,
        slow_s=plan.load.slow_s,
        relayed=relayed,
    )


def with_recorded(
    subjects: Sequence[Subject], faults: Sequence[Fault], comparison: Comparison
) -> tuple[list[Subject], list[Fault]]:
    """Return these balancers and faults and those that the comparison has runs of, each once and in a fixed order."""
    known = {(each.balancer, each.settings) for each in comparison.results}
    known |= {(each.program, each.entry.settings) for each in subjects}
    found = [each for each in rendered_subjects([*MODELS], [*Level]) if (each.program, each.entry.settings) in known]
    seen = {each.scenario for each in comparison.results}
    return found, [each for each in Fault if each in faults or each.value in seen]


def was_busy(folder: Path) -> Callable[[Result], bool]:
    """Return a function that tells whether the host was busy during a run, whose folder is in `folder`."""

    def busy(result: Result) -> bool:
        return bool(result.folder) and host_stalls(load_run(folder / result.folder).events).total_s > BUSY_S

    return busy


def verify(
    subjects: Sequence[Subject],
    wanted: Mapping[Fault, Plan],
    comparison: Comparison,
    busy: Callable[[Result], bool] = lambda _: False,
) -> list[Verified]:
    """Return one row for each balancer and fault of which the comparison has a result.

    A run that exceeds the prediction while the host was busy (`busy`) proves nothing, and does not count.
    """
    relayed = comparison.runtime == "local"
    rows = []
    for subject in subjects:
        for fault, plan in wanted.items():
            results = _results(subject, fault, comparison)
            given = situation(unmistakable(plan, subject.pool.settings), len(subject.pool.servers), relayed=relayed)
            prediction = _predicted(subject, fault, given)
            late = [each for each in results if each.counts and _exceeds(each, prediction, given) and busy(each)]
            if results:
                rows.append(_row(subject, prediction, given, [each for each in results if each not in late], len(late)))
    return rows


def _results(subject: Subject, fault: Fault, comparison: Comparison) -> list[Result]:
    wanted = (subject.entry.choice.name, subject.entry.settings, fault.value)
    return [each for each in comparison.results if (each.balancer, each.settings, each.scenario) == wanted]


def _predicted(subject: Subject, fault: Fault, given: Situation) -> Prediction:
    found = model(subject.program).predict(subject.pool.settings, given)
    return next(each for each in found if each.fault is fault)


def _exceeds(result: Result, predicted: Prediction, given: Situation) -> bool:
    worst = predicted.visible.worst
    assert worst is not None
    return _seconds(result, given) > worst.seconds or _affected(result) > predicted.risk.sent


def _affected(result: Result) -> int:
    """Return the number of requests that failed or were slow, of those due while the fault lasted if that is recorded.

    A killed server needs time to start again, in which requests fail, too.
    """
    found = result.measures
    if found is None:
        return 0
    return found.failed + found.slow if found.bad_in_fault is None else found.bad_in_fault


def _row(subject: Subject, predicted: Prediction, given: Situation, results: Sequence[Result], late: int) -> Verified:
    """Return the row of these results. `late`: number of runs that were left out because the host was busy."""
    worst, expected = predicted.visible.worst, predicted.visible.expected
    assert worst is not None
    assert expected is not None
    counted = [each for each in results if each.counts]
    seconds = tuple(_seconds(each, given) for each in counted)
    affected = tuple(_affected(each) for each in counted)
    verdict, why = _verdict(predicted, seconds, results, given.outage_s)
    if (more := max(affected, default=0) - predicted.risk.sent) > 0:
        verdict, why = "exceeded", f"in one run {more} more requests were affected than the model allows"
    if late:
        what = "1 run does" if late == 1 else f"{late} runs do"
        told = f"{what} not count: above the prediction, but on a busy host"
        verdict, why = (
            (verdict, f"{why}; {told}" if why else told) if counted else ("busy host", f"{told}; run it again")
        )
    return Verified(
        subject.program,
        subject.entry.settings,
        predicted.fault,
        worst.formula,
        worst.seconds,
        expected.seconds,
        seconds,
        affected,
        predicted.risk.sent,
        verdict,
        why,
    )


def _seconds(result: Result, given: Situation) -> float:
    """Return the measured time, at most the fault's planned duration: a balancer cannot help it if it lasts longer."""
    found = result.measures.reroute_s if result.measures else None
    return min(found or 0.0, given.outage_s)


def _verdict(
    predicted: Prediction, seconds: Sequence[float], results: Sequence[Result], outage_s: float
) -> tuple[str, str]:
    """Return the verdict and its sentence."""
    worst, expected = predicted.visible.worst, predicted.visible.expected
    assert worst is not None
    assert expected is not None
    if not seconds:
        return "not run", "; ".join(dict.fromkeys(each.reason for each in results if each.reason)) or "no valid run"
    largest, runs = max(seconds), len(seconds)
    if worst.seconds >= outage_s:
        told = f"predicted to last as long as the fault; the largest measured is {largest:.2f} s"
        return "whole fault", "; ".join(filter(None, (told, predicted.visible.mostly)))
    if largest > worst.seconds:
        return "exceeded", f"{largest - worst.seconds:.2f} s longer than the model allows"
    if worst.seconds <= LOOSEST * largest:
        return "holds", ""
    if worst.seconds - ALLOWANCE.value <= LOOSEST * largest:
        return "loose", f"only because of the allowance of {ALLOWANCE.value * 1000:g} ms"
    if predicted.visible.mostly:
        return "loose", predicted.visible.mostly
    if expected.seconds <= LOOSEST * largest:
        return "loose", f"near the expected value of {expected.seconds:.2f} s; none of {runs} runs had the worst phase"
    return "loose", "not explained"


def as_document(rows: Sequence[Verified], comparison: Comparison) -> dict[str, Any]:
    """Return the content of `advise.json`."""
    return {
        "schema": 1,
        "seed": comparison.seed,
        "machine": comparison.machine,
        "made": comparison.made,
        "runtime": comparison.runtime,
        "versions": comparison.versions,
        "rows": [asdict(row) for row in rows],
    }


def table(rows: Sequence[Verified], comparison: Comparison) -> str:
    """Return the table in Markdown, with the conditions under which it was made."""
    lines = [
        "| balancer | fault | predicted at most | expected | largest measured | requests at most | measured | runs | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        largest = f"{max(row.measured_s):.2f}" if row.measured_s else "–"
        said = row.verdict + (f": {row.why}" if row.why else "")
        lines.append(
            f"| {label(row.program, row.settings)} | {row.fault} | {row.worst_s:.2f} | {row.expected_s:.2f} "
            f"| {largest} | {row.affected_at_most} | {max(row.affected, default=0)} | {len(row.measured_s)} | {said} |"
        )
    versions = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    lines += [
        "",
        "Times are seconds from the fault to the last request that failed or was slow for its client; for drain, to",
        "the last request that went to the server. Requests: the number that failed or were slow.  ",
        f"Versions: {versions}  ",
        f"Machine: {comparison.machine}  ",
        f"Date: {comparison.made}, seed {comparison.seed}, runtime {comparison.runtime}  ",
        *(f"Command: `{each}`  " for each in comparison.commands),
    ]
    return "\n".join(lines).rstrip() + "\n"
