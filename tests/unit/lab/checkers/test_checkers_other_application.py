"""What checkers say of requests to an application that is not the lab's."""

from __future__ import annotations

from dataclasses import replace

from lab.evidence.record import RunRecord
from lab.evidence.verdict import Verdict, Work
from lab.judge.checkers import idempotent_ok, truncation, work
from lab.scenario.plan import PlannedExchange, PlannedRequest
from tests.support.lab_plans import EXPECT, load, plan
from tests.support.lab_records import job, ledger, request, run

GENERIC = PlannedRequest("GET", "/stream", 1.0, 0, PlannedExchange())
JOB = PlannedRequest("POST", "/jobs", 1.0)


def judged(*facts: object, mix: tuple[PlannedRequest, ...] = (GENERIC,)) -> RunRecord:
    return run(*facts, wanted=plan(load=load(mix=mix), expect={**EXPECT, "idempotent_failures": 0}))


def test_nothing_is_said_about_its_work() -> None:
    record = judged(request(4.0))
    check = work.check(record)
    assert (check.asserted, check.verdict) == (False, Verdict.PASS)
    assert check.detail.endswith("whether this application loses work or does it twice is not known: it has no ledgers")
    assert work.count(record) == Work(0, None, None, None, None)


def test_jobs_beside_other_requests_are_judged() -> None:
    record = judged(request(4.0), job(4.5), ledger(), mix=(replace(GENERIC, share=0.5), replace(JOB, share=0.5)))
    assert work.count(record) == Work(1, 0, 1, 0, 0)
    assert work.check(record).verdict is Verdict.FAIL


def test_its_answers_have_no_known_length() -> None:
    answer = request(4.0, path="/stream", size=17)
    assert not truncation.check(judged(answer)).asserted
    own = replace(GENERIC, exchange=None)
    assert truncation.check(judged(answer, mix=(own,))).verdict is Verdict.FAIL
    assert truncation.check(judged(answer, mix=(own, GENERIC))).verdict is Verdict.FAIL


def test_the_load_says_which_requests_are_idempotent() -> None:
    failed = {"outcome": "fail"}
    post = judged(request(4.0, **failed, method="POST", declared_idempotent=True))
    get = judged(request(4.0, **failed, declared_idempotent=False))
    assert idempotent_ok.check(post).verdict is Verdict.FAIL
    assert idempotent_ok.check(get).detail == "0 of 0 idempotent requests failed, allowed 0"
