"""What a plan expects, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.scenario.describe import expectations
from lab.scenario.expectations import Expect
from lab.scenario.plan import PlannedRequest
from tests.support.lab_plans import plan

JOBS = PlannedRequest("POST", "/jobs", 1.0)
NOTHING = {"lost": None, "duplicated": None}
SAMPLES: dict[str, tuple[object, str]] = {
    "reroute": ("within_bound", "rerouted within the bound"),
    "readmit": ("within_bound", "readmitted within the bound"),
    "idempotent_failures": (2, "at most 2 idempotent requests fail"),
    "lost": (0, "no job is lost"),
    "duplicated": (3, "at most 3 jobs are duplicated"),
    "zombie": (0, "no job is executed late"),
    "error_budget": ("1.5%", "at most 1.5% of requests fail"),
    "slow_budget": ("2%", "at most 2% of requests are slow"),
    "distribution": ("policy", "undisturbed traffic is distributed as the policy promises"),
    "sticky": ("kept", "sessions stay on their backend while it is up"),
    "ejected": ("none", "no backend is taken out"),
    "answer_within": ("1500ms", "every request is answered within 1.5 s"),
    "latency": ({"outside": {"p99": "20ms"}}, "p99 of good responses outside faults is at most 0.02 s"),
    "checkers": ({"mine": 3}, "the checker mine passes (3)"),
}


def told(**expect: object) -> list[str]:
    wanted = plan()
    return [*expectations(replace(wanted, load=replace(wanted.load, mix=(JOBS,)), expect=NOTHING | expect))]


@pytest.mark.parametrize("field", Expect.model_fields)
def test_every_expectation_has_its_words(field: str) -> None:
    value, words = SAMPLES[field]
    assert told(**{field: value}) == [words]


def test_what_belongs_together_is_one_clause() -> None:
    assert told(reroute="within_bound", readmit="within_bound") == ["rerouted and readmitted within the bound"]
    assert told(lost=0, duplicated=0, zombie=0) == ["no job is lost, duplicated or executed late"]
    assert told(idempotent_failures=0, error_budget="0%") == ["no request fails"]


def test_a_load_without_jobs_proves_nothing_about_them() -> None:
    wanted = plan()
    load = replace(wanted.load, mix=(PlannedRequest("GET", "/work", 1.0),))
    assert [*expectations(replace(wanted, load=load, expect={"lost": 0}))] == []
