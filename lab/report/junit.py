"""`junit.xml`: one test case for each check, with the elements that all CI systems read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from ..evidence.verdict import Check, Verdict
from ..output.inert import inert
from .host_disturbance import busy_host
from .run_files import Run


def junit(run: Run) -> str:
    """Return the document. The `time` of the suite is the duration of the run in seconds; checks take no time."""
    checks = run.checks or [Check("judged", Verdict.UNKNOWN, "the run has no verdict: " + " ".join(run.problems))]
    counts = {
        "tests": str(len(checks)),
        "failures": str(sum(check.verdict is Verdict.FAIL for check in checks)),
        "errors": str(sum(check.verdict is Verdict.UNKNOWN for check in checks)),
        "skipped": str(sum(not check.asserted for check in checks)),
        "time": f"{run.end:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "reroute", **counts})
    started = {"timestamp": run.verdict.started.rstrip("Z")} if run.verdict else {}
    suite = ElementTree.SubElement(root, "testsuite", {"name": inert(run.scenario), **counts, **started})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(run).items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": inert(value)})
    for check in checks:
        _case(suite, run, check)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, run: Run, check: Check) -> None:
    runtime = run.verdict.runtime if run.verdict else "unknown"
    names = {"classname": inert(f"reroute.{runtime}.{run.scenario}"), "name": inert(check.name), "time": "0.000"}
    case = ElementTree.SubElement(suite, "testcase", names)
    detail = inert(check.detail)
    if not check.asserted:
        ElementTree.SubElement(case, "skipped", {"message": detail})
        return
    if check.verdict is Verdict.PASS:
        ElementTree.SubElement(case, "system-out").text = detail
        return
    tag = "failure" if check.verdict is Verdict.FAIL else "error"
    ElementTree.SubElement(case, tag, {"message": detail, "type": check.verdict.value}).text = detail


def _properties(run: Run) -> dict[str, str]:
    if run.verdict is None:
        return {"run_id": run.folder}
    verdict = run.verdict
    lag = "" if verdict.lag_p99_s is None else f"{verdict.lag_p99_s:.6f}"
    return {
        "run_id": verdict.run_id,
        "runtime": verdict.runtime,
        "balancer": verdict.balancer,
        "seed": str(verdict.seed),
        "generator_lag_p99_s": lag,
        "requests": str(verdict.requests.total),
        "host": busy_host(run.events),
    }
