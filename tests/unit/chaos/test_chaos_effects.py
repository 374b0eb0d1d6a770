"""Each effect on a link is carried out by every mechanism that `links.mechanisms` names for it."""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest

from chaos.links.impairment import Effect, Impairment
from chaos.links.mechanisms import FILTERS, LACKS, QDISCS, RELAY_LACKS
from chaos.netns import session, shaping
from chaos.netns.packet_decision import LinkEffects
from chaos.relay.effects import IMITATED_EFFECTS, Effects

EFFECTS: tuple[Effect, ...] = get_args(Effect)


def impairment(effect: Effect) -> Impairment:
    return Impairment(effect, 1.0, delay_s=0.1, loss=0.5, share=0.5, rate_bit_s=8000.0)


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_kernel_has_an_effect_by_a_filter_or_by_a_qdisc(effect: Effect) -> None:
    assert (effect in FILTERS) is not (effect in QDISCS)


def test_every_feature_of_a_filter_has_rules_and_a_name() -> None:
    features = {feature for feature, _ in FILTERS.values()}
    assert features == session.RULES.keys()
    assert features <= LACKS.keys()


@pytest.mark.parametrize("effect", QDISCS)
def test_tc_changes_the_link(effect: Effect, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(shaping, "run", lambda *words: lines.append(" ".join(words)) or "")
    monkeypatch.setattr(shaping, "_interfaces", lambda: ["eth0"])
    shaping.install([impairment(effect)])
    (speed,) = [line for line in lines if "class replace" in line]
    (leaf,) = [line for line in lines if "qdisc replace" in line]
    assert (f"rate {shaping.UNLIMITED}" not in speed) is (QDISCS[effect] == "htb")
    assert (" netem " in leaf) is (QDISCS[effect] == "netem")


@pytest.mark.parametrize("effect", QDISCS)
def test_nfqueue_changes_packets(effect: Effect) -> None:
    changed, unchanged = (
        [effects.decide(b"flow", 100, float(second)) for second in range(50)]
        for effects in (LinkEffects([impairment(effect)], Random(1)), LinkEffects([], Random(1)))
    )
    assert changed != unchanged


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_relay_imitates_an_effect_or_says_what_it_lacks(effect: Effect) -> None:
    assert (effect in IMITATED_EFFECTS) is not (effect in RELAY_LACKS)
    if effect != "refuse":  # the listener's part: test_chaos_relay.py
        assert bool(Effects([impairment(effect)], "out", Random(1))) is (effect in IMITATED_EFFECTS)
