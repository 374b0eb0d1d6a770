"""Which targets an order means. Property: a choice depends on the seed and the names alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chaos.engine.selection import Selector, rank, select
from chaos.errors import AmbiguousTargetError, BadRequestError, UnknownTargetError


@dataclass
class Backend:
    name: str
    role: str = "api"
    labels: dict[str, str] = field(default_factory=dict)


LAB = [
    Backend("api-3", labels={"zone": "b"}),
    Backend("api-1", labels={"zone": "a", "canary": ""}),
    Backend("worker-1", role="worker", labels={"zone": "a"}),
    Backend("api-2", labels={"zone": "a"}),
]
NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=12, unique=True)
SEEDS = st.integers(0, 2**53 - 1)


def chosen(wanted: str | dict[str, Any], seed: int = 1, lab: list[Backend] | None = None) -> list[str]:
    selector = wanted if isinstance(wanted, str) else Selector(**wanted)
    return [target.name for target in select(selector, LAB if lab is None else lab, seed)]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("api-1", ["api-1"]),
        ({"names": ["api-3", "api-1"]}, ["api-1", "api-3"]),
        ({"role": "api"}, ["api-1", "api-2", "api-3"]),
        ({"label": "zone=a"}, ["api-1", "api-2", "worker-1"]),
        ({"label": "canary"}, ["api-1"]),
        ({"label": "zone=a", "role": "api"}, ["api-1", "api-2"]),
        ({}, ["api-1", "api-2", "api-3", "worker-1"]),
    ],
)
def test_filters_all_must_match_and_the_result_is_sorted(wanted: Any, names: list[str]) -> None:
    assert chosen(wanted) == names


@pytest.mark.parametrize(
    "wanted",
    ["api-9", {"names": ["api-1", "api-9"]}, {"role": "db"}, {"label": "zone=c"}, {"label": "zone", "role": "db"}],
)
def test_nothing_selected_is_an_error_that_tells_what_there_is(wanted: Any) -> None:
    with pytest.raises(UnknownTargetError) as refusal:
        chosen(wanted)
    assert refusal.value.possible == ["api-1", "api-2", "api-3", "worker-1"]


def test_all_but_one_of_one_is_empty_hence_an_error() -> None:
    with pytest.raises(UnknownTargetError):
        chosen({"role": "worker", "all_but_one": True})


def test_more_than_there_are_is_an_error() -> None:
    with pytest.raises(BadRequestError, match="5 asked for, 4 match"):
        chosen({"random": 5})


@given(NAMES, SEEDS, st.permutations(range(12)), st.integers(1, 100))
def test_a_seed_chooses_the_same_however_the_runtime_lists(
    names: list[str], seed: int, order: list[int], percent: int
) -> None:
    lab = [Backend(name) for name in names]
    shuffled = [lab[index] for index in order if index < len(lab)]
    for wanted in ({"random": 1}, {"percent": f"{percent}%"}, {"all_but_one": True} if len(names) > 1 else {}):
        assert chosen(wanted, seed, lab) == chosen(wanted, seed, shuffled)


@given(NAMES, SEEDS, st.integers(1, 100))
def test_how_many_are_chosen(names: list[str], seed: int, percent: int) -> None:
    lab = [Backend(name) for name in names]
    assert len(chosen({"percent": f"{percent}%"}, seed, lab)) == max(1, math.ceil(len(names) * percent / 100))
    assert len(chosen({"random": len(names)}, seed, lab)) == len(names)
    if len(names) > 1:
        assert len(chosen({"all_but_one": True}, seed, lab)) == len(names) - 1


@given(NAMES, SEEDS, st.text(min_size=1, max_size=8))
def test_a_backend_that_comes_does_not_reorder_the_others(names: list[str], seed: int, newcomer: str) -> None:
    before = rank(names, seed)
    assert [name for name in rank([*names, newcomer], seed) if name in names and name != newcomer] == [
        name for name in before if name != newcomer
    ]


def test_the_choice_is_the_same_on_every_machine() -> None:
    """A constant, so that a change of the method is noticed: old reports name seeds."""
    assert rank(["api-1", "api-2", "api-3"], 7) == ["api-2", "api-1", "api-3"]


def test_every_backend_has_its_turn() -> None:
    """Of 3000 seeds a third each; four standard deviations (sqrt(3000 · 1/3 · 2/3) = 25.8) are 103."""
    turns = Counter(chosen({"role": "api", "random": 1}, seed)[0] for seed in range(3000))
    assert all(abs(turns[name] - 1000) <= 103 for name in ("api-1", "api-2", "api-3"))


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"random": 1, "percent": "50%"}, "at most one"),
        ({"random": 0}, "random"),
        ({"percent": "0%"}, "more than 0%"),
        ({"percent": "50"}, "percentage"),
        ({"percent": "101%"}, "percentage"),
        ({"names": []}, "names"),
        ({"seed": 3}, "only with random"),
        ({"random": 1, "seed": -1}, "seed"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_a_selection_cannot_be(wanted: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Selector(**wanted)


def test_a_disputed_name_is_refused_by_name_and_left_out_of_a_selection() -> None:
    disputed = {"api-1": "api-1 is the name of several containers: a and b"}
    backends = [each for each in LAB if each.name != "api-1"]
    with pytest.raises(AmbiguousTargetError, match="several containers: a and b"):
        select("api-1", backends, 1, disputed)
    with pytest.raises(AmbiguousTargetError):
        select(Selector(names=["api-2", "api-1"]), backends, 1, disputed)
    assert [each.name for each in select("api-2", backends, 1, disputed)] == ["api-2"]
    assert "api-1" not in [each.name for each in select(Selector(role="api"), backends, 1, disputed)]
