"""Advice as JSON, Markdown and SARIF."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ..balancers.configuration import Place
from ..release import release
from .advice import Advice
from .findings import RULES, Finding, Severity
from .prediction import Duration, Estimate, Input, Outcome, Prediction

SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {Severity.DANGER: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_INFORMATION: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html"


def seconds(duration: Duration | None) -> str:
    """Return `1.45 s`, or `never`."""
    return "never" if duration is None else f"{round(duration.seconds, 3):g} s"


def where(place: Place | None) -> str:
    """Return `prod.cfg:12`, or `default` for a value that no line sets."""
    return "default" if place is None else str(place)


def as_json(advice: Advice) -> dict[str, Any]:
    """Return the document of `--format json` (docs/advise.md). Times are in seconds."""
    situation = advice.situation
    return {
        "schema": 1,
        "program": advice.program,
        "pool": advice.pool.name,
        "servers": [each.address for each in advice.pool.servers],
        "rate_per_s": situation.rate_per_s,
        "outage_s": situation.outage_s,
        "client_timeout_s": situation.client_timeout_s,
        "predictions": [_prediction(each) for each in advice.predictions],
        "findings": [_finding(each) for each in advice.findings],
    }


def _prediction(each: Prediction) -> dict[str, Any]:
    risk = each.risk
    return {
        "fault": each.fault,
        "notice": _estimate(each.notice),
        "visible": _estimate(each.visible),
        "get": _outcome(each.get),
        "post": _outcome(each.post),
        "at_risk": {
            "get": {"failed": risk.get_failed, "slow": risk.get_slow},
            "post": {"failed": risk.post_failed, "slow": risk.post_slow},
            "sent_to_failed_server": risk.sent,
        },
        "longest_wait": _duration(each.longest_wait),
        "back": _estimate(each.back),
        "notes": list(each.notes),
    }


def _estimate(each: Estimate) -> dict[str, Any]:
    return {"worst": _duration(each.worst), "expected": _duration(each.expected), "by": each.by}


def _outcome(each: Outcome) -> dict[str, Any]:
    return {
        "result": each.result,
        "wait": _duration(each.wait),
        "failed_share": round(each.failed_share, 4),
        "why": each.why,
    }


def _duration(each: Duration | None) -> dict[str, Any] | None:
    if each is None:
        return None
    terms = [
        {"term": term.text, "seconds": round(term.seconds, 6), "inputs": [_input(one) for one in term.inputs]}
        for term in each.terms
    ]
    return {"seconds": each.seconds, "formula": each.formula, "terms": terms}


def _input(each: Input) -> dict[str, Any]:
    return {"symbol": each.symbol, "meaning": each.meaning, "value": each.value, "source": each.source}


def _finding(each: Finding) -> dict[str, Any]:
    place = each.place
    return {
        "rule": each.rule,
        "severity": each.severity,
        "file": None if place is None else str(place.path),
        "line": None if place is None else place.line,
        "title": each.title,
        "happens": each.happens,
        "suggestion": each.suggestion,
        "docs": each.docs,
    }


def markdown(advice: Advice) -> str:
    """Return a document with three tables: predictions, where their numbers come from, findings."""
    lines = [
        f"## {advice.program}: {advice.pool.name}, {len(advice.pool.servers)} servers",
        "",
        "| fault | noticed: worst | expected | by | failed | slow | longest wait | back: worst |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for each in advice.predictions:
        risk = each.risk
        failed, slow = risk.get_failed + risk.post_failed, risk.get_slow + risk.post_slow
        cells = (
            *(each.fault, seconds(each.notice.worst), seconds(each.notice.expected), each.notice.by),
            *(str(failed), str(slow), seconds(each.longest_wait), seconds(each.back.worst)),
        )
        lines.append(_row(*cells))
    lines += ["", "| fault | noticed after at most |", "| --- | --- |"]
    lines += [
        _row(each.fault, f"{each.notice.worst.formula} = {seconds(each.notice.worst)}")
        for each in advice.predictions
        if each.notice.worst is not None
    ]
    lines += ["", "| symbol | value | meaning | from |", "| --- | ---: | --- | --- |"]
    lines += [_row(each.symbol, f"{each.value:g}", each.meaning, each.source) for each in advice.inputs]
    if advice.findings:
        lines += ["", "| severity | line | what happens | write | source |", "| --- | --- | --- | --- | --- |"]
    for one in advice.findings:
        line = f"`{one.suggestion}`" if one.suggestion else "–"
        lines.append(_row(one.severity, where(one.place), f"{one.title}: {one.happens}", line, one.docs))
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def sarif(advice: Advice) -> dict[str, Any]:
    """Return a log of SARIF 2.1.0, which code hosts show beside the lines of a change."""
    rules = [
        {"id": rule, "shortDescription": {"text": title}, "helpUri": _help(advice, rule)}
        for rule, title in RULES.items()
    ]
    driver = {"name": "lab advise", "version": release(), "informationUri": _INFORMATION, "rules": rules}
    results = [_result(advice, each) for each in advice.findings]
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _help(advice: Advice, rule: str) -> str:
    docs = next((each.docs for each in advice.findings if each.rule == rule), "")
    return docs if docs.startswith("https://") else _INFORMATION


def _result(advice: Advice, finding: Finding) -> dict[str, Any]:
    advised = f" Suggested: {finding.suggestion}" if finding.suggestion else ""
    place = finding.place or advice.pool.place
    location = {"artifactLocation": {"uri": _uri(place.path)}, "region": {"startLine": place.line}}
    return {
        "ruleId": finding.rule,
        "ruleIndex": list(RULES).index(finding.rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.title}: {finding.happens}.{advised} ({finding.docs})"},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: Path) -> str:
    """Return the path relative to the current folder, or a file URI if it is elsewhere."""
    here = Path.cwd()
    return quote(path.relative_to(here).as_posix()) if path.is_relative_to(here) else path.absolute().as_uri()
