"""Compares jobs with the backends' ledgers: was a job lost, executed twice, or executed after its client gave up?"""

from __future__ import annotations

from ...evidence.history import Outcome, Request
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict, Work

NAME = "work"
FAILS_WHEN = "jobs were lost, duplicated or executed as zombies beyond what is allowed"
UNKNOWN_WHEN = "the ledgers could not be read"


def count(run: RunRecord) -> Work:
    """Return the counts of jobs and violations. Job ids contain the run's id, so other runs do not count."""
    done, jobs = run.executions, run.jobs
    if (jobs and done is None) or (not jobs and run.plan.load.has_unknown_work):
        return Work(len(jobs), *[None] * 4)
    if done is None:
        return Work()
    return Work(
        sent=len(jobs),
        executed=sum(key in done for key in jobs),
        lost=sum(job.outcome is Outcome.OK and key not in done for key, job in jobs.items()),
        duplicated=sum(len(done.get(key, ())) > 1 for key in jobs),
        zombie=sum(_is_zombie(job, done.get(key, ()), run.clock_error_s) for key, job in jobs.items()),
    )


def check(run: RunRecord) -> Check:
    """Compare the numbers of violations with those that the scenario allows."""
    if not run.jobs:
        unknown = "; whether this application loses work or does it twice is not known: it has no ledgers"
        return Check.not_asserted(NAME, f"the load has no jobs{unknown if run.plan.load.has_unknown_work else ''}")
    if run.executions is None:
        return Check(NAME, Verdict.UNKNOWN, "the backends' ledgers could not be read")
    work = count(run)
    expect = run.expect
    pairs = ((work.lost, expect.lost), (work.duplicated, expect.duplicated), (work.zombie, expect.zombie))
    asserted = any(allowed is not None for _, allowed in pairs)
    within = all(allowed is None or (found or 0) <= allowed for found, allowed in pairs)
    text = (
        f"{work.sent} jobs sent, {work.executed} executed; "
        f"{work.lost} lost, {work.duplicated} duplicated, {work.zombie} executed after their client had given up"
    )
    return Check(NAME, Verdict.PASS if within else Verdict.FAIL, text, asserted=asserted)


def _is_zombie(job: Request, executed_at: tuple[float, ...], clock_error_s: float) -> bool:
    if job.outcome is Outcome.OK or job.ended is None:
        return False
    return any(t > job.ended + clock_error_s for t in executed_at)
