"""What becomes of packets, one by one, on a clock that the test moves."""

from __future__ import annotations

from random import Random
from typing import Any

from chaos.links.impairment import Impairment
from chaos.netns.packet import corrupted, destination_of, flow_of
from chaos.netns.packet_decision import LinkEffects, PacketDecision


def link_effects(*impairments: Impairment) -> LinkEffects:
    return LinkEffects(impairments, Random(1))


def shape(kind: Any, **fields: Any) -> Impairment:
    return Impairment(kind, 1.0, **fields)


def test_without_impairments_a_packet_passes_at_once() -> None:
    assert link_effects().decide(b"a", 100, 5.0) == PacketDecision(5.0)


def test_jitter_keeps_the_order_within_a_flow_and_not_across_flows() -> None:
    link = link_effects(shape("delay", delay_s=0.1, jitter_s=0.1))
    dues = [(flow, link.decide(flow, 100, n / 1000).due) for n in range(200) for flow in (b"a", b"b")]
    for flow in (b"a", b"b"):
        own = [due for each, due in dues if each == flow]
        assert own == sorted(own)
    together = [due for _, due in dues]
    assert together != sorted(together)


def test_a_reordered_packet_goes_at_once_past_those_that_wait() -> None:
    link = link_effects(shape("reorder", share=0.5, delay_s=0.01))
    dues = [link.decide(b"a", 100, 1.0).due for _ in range(100)]
    assert set(dues) == {1.0, 1.01}


def test_a_rate_lets_packets_pass_one_after_the_other() -> None:
    link = link_effects(shape("bandwidth", rate_bit_s=8000))
    assert [link.decide(b"a", 100, 0.0).due for _ in range(3)] == [0.1, 0.2, 0.30000000000000004]
    assert link.decide(b"b", 100, 10.0).due == 10.1


def test_impairments_combine() -> None:
    link = link_effects(
        shape("delay", delay_s=0.5),
        shape("bandwidth", rate_bit_s=8000),
        shape("corrupt", share=1),
        shape("duplicate", share=1),
    )
    assert link.decide(b"a", 100, 0.0) == PacketDecision(0.6, corrupted=True, duplicated=True)
    assert link_effects(shape("loss", loss=1.0), shape("delay", delay_s=1)).decide(b"a", 1, 0.0).lost


V4 = bytes.fromhex("45000028000040004005300001020304050607081f90d431") + b"\0" * 16
V6 = b"\x60" + b"\0" * 7 + b"\x01" * 16 + b"\x02" * 16 + b"\x1f\x90\xd4\x31" + b"\0" * 16


def test_a_packet_tells_its_flow_and_destination() -> None:
    assert flow_of(V4) == bytes([1, 2, 3, 4, 5, 6, 7, 8, 0x1F, 0x90, 0xD4, 0x31])
    assert destination_of(V4) == "5.6.7.8"
    assert flow_of(V6) == b"\x01" * 16 + b"\x02" * 16 + b"\x1f\x90\xd4\x31"
    assert destination_of(V6).startswith("202:202:")


def test_corruption_flips_one_bit_behind_the_ip_header() -> None:
    for packet, header in ((V4, 20), (V6, 40)):
        changed = corrupted(packet, Random(3))
        assert changed[:header] == packet[:header]
        assert sum((a ^ b).bit_count() for a, b in zip(changed, packet, strict=True)) == 1
