from __future__ import annotations

from typing import Any

import pytest

from chaos.drivers.netns_helper import capability
from chaos.links.impairment import Effect, Impairment
from chaos.links.mechanisms import LACKS, ImpossibleError, choose

EVERYTHING = frozenset(LACKS)
NO_NETEM = EVERYTHING - {"netem"}
NOTHING: frozenset[str] = frozenset()


def offers(here: frozenset[str]) -> dict[str, bool]:
    """As a probe tells them."""
    return {each: each in here for each in LACKS}


@pytest.mark.parametrize(
    ("fields", "here", "mechanism"),
    [
        ({"kind": "delay"}, EVERYTHING, "netem"),
        ({"kind": "delay"}, NO_NETEM, "nfqueue"),
        ({"kind": "delay"}, EVERYTHING - {"htb"}, "nfqueue"),
        ({"kind": "delay", "direction": "both"}, EVERYTHING, "nfqueue"),
        ({"kind": "delay", "mechanism": "nfqueue"}, EVERYTHING, "nfqueue"),
        ({"kind": "bandwidth"}, NO_NETEM, "htb"),
        ({"kind": "blackhole"}, frozenset({"drop"}), "iptables DROP"),
        ({"kind": "refuse"}, frozenset({"reset"}), "iptables REJECT"),
    ],
)
def test_the_kernels_own_mechanism_comes_first_unless_one_is_forced(
    fields: dict[str, Any], here: frozenset[str], mechanism: str
) -> None:
    assert choose(Impairment(duration_s=1.0, **fields), here.__contains__) == mechanism


@pytest.mark.parametrize(
    ("fields", "here", "why", "possible"),
    [
        ({"kind": "delay", "mechanism": "netem"}, NO_NETEM, "lacks sch_netem", ["mechanism: nfqueue"]),
        ({"kind": "delay", "mechanism": "netem", "direction": "in"}, EVERYTHING, "leaves", ["mechanism: nfqueue"]),
        ({"kind": "delay", "mechanism": "nfqueue"}, EVERYTHING - {"nfqueue"}, "lacks NFQUEUE", ["mechanism: netem"]),
        ({"kind": "bandwidth", "mechanism": "netem"}, EVERYTHING - {"htb"}, "no mechanism", ["mechanism: nfqueue"]),
        ({"kind": "loss"}, NOTHING, "sch_htb.*NFQUEUE", []),
        ({"kind": "loss", "mechanism": "netem"}, NOTHING, "lacks sch_htb$", []),
        ({"kind": "duplicate", "direction": "in"}, EVERYTHING, "leaves the target", ["direction: out"]),
        ({"kind": "partition"}, NOTHING, "lacks iptables DROP", []),
    ],
)  # fmt: skip
def test_the_impossible_is_refused_with_what_is_possible(
    fields: dict[str, Any], here: frozenset[str], why: str, possible: list[str]
) -> None:
    with pytest.raises(ImpossibleError, match=why) as refused:
        choose(Impairment(duration_s=1.0, **fields), here.__contains__)
    assert refused.value.possible == possible


@pytest.mark.parametrize(
    ("kind", "here", "told"),
    [
        ("delay", EVERYTHING, (True, "netem", None)),
        ("delay", NO_NETEM, (True, "nfqueue", "sch_netem")),
        ("delay", NOTHING, (False, None, "sch_htb and sch_netem and NFQUEUE")),
        ("bandwidth", NO_NETEM, (True, "htb", None)),
        ("bandwidth", frozenset({"nfqueue"}), (True, "nfqueue", "sch_htb")),
        ("refuse", NOTHING, (False, None, "iptables REJECT")),
    ],
)
def test_capabilities_tell_what_a_probe_found(kind: Effect, here: frozenset[str], told: tuple[Any, ...]) -> None:
    found = capability(kind, offers(here))
    assert (found.possible, found.mechanism, found.missing) == told
