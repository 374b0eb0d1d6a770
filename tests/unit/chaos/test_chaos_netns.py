"""Which commands impair a namespace, in which order, and what a failure leaves. The kernel's part is end-to-end."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.links.impairment import Impairment
from chaos.links.mechanisms import ImpossibleError
from chaos.netns import firewall, session, shaping
from chaos.netns.commands import CommandError, run, works
from chaos.netns.helper import Helper
from chaos.netns.session import Session


def shape(kind: Any, **fields: Any) -> Impairment:
    return Impairment(kind, **({"duration_s": 5.0, "port": 8000} | fields))


DELAY = shape("delay", delay_s=0.1, jitter_s=0.02)


class Shell:
    """Records commands; those that start with one of `broken` fail, as a kernel module that is missing does."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.lines: list[str] = []
        self.qdiscs = ""

    def run(self, *command: str) -> str:
        line = " ".join(command)
        self.lines.append(line)
        if line.startswith(self.broken) or " -D " in line:  # no jump is left to delete
            raise CommandError(f"{line}: not on this kernel")
        return self.qdiscs if line.startswith("tc qdisc show") else ""

    def works(self, *command: str) -> bool:
        try:
            self.run(*command)
        except CommandError:
            return False
        return True


def use(monkeypatch: pytest.MonkeyPatch, *broken: str) -> Shell:
    shell = Shell(*broken)
    for module in (firewall, shaping):
        monkeypatch.setattr(module, "run", shell.run)
        monkeypatch.setattr(module, "works", shell.works)
    monkeypatch.setattr(shaping, "_interfaces", lambda: ["eth0"])
    return shell


def options(*impairments: Impairment) -> str:
    return " ".join(shaping.netem_options({each.kind: each for each in impairments}))


def test_netem_sits_in_a_class_that_only_the_service_ports_answers_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    shaping.install([DELAY])
    root, one, leaf, v4, v6 = [line for line in shell.lines if "show" not in line]
    assert root == "tc qdisc add dev eth0 root handle 4e52: htb default 0"
    assert one.startswith("tc class replace dev eth0 parent 4e52: classid 4e52:1 htb rate 100gbit")
    assert leaf == "tc qdisc replace dev eth0 parent 4e52:1 handle 4e53: netem limit 100000 delay 100ms 20ms"
    assert "protocol ip u32" in v4
    assert "protocol ipv6 u32" in v6
    for line in (v4, v6):
        assert line.endswith("sport 8000 0xffff flowid 4e52:1")


def test_a_tree_that_stands_is_changed_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    shell.qdiscs = "qdisc htb 4e52: root refcnt 2"
    shaping.install([DELAY, shape("bandwidth", rate_bit_s=1e6)])
    assert not any("qdisc add" in line or "filter" in line for line in shell.lines)
    assert any("rate 1000000bit" in line for line in shell.lines)


def test_a_peer_is_matched_by_its_own_ip_version(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    shaping.install([shape("delay", delay_s=0.1, peers=("10.0.0.2", "fd00::2"))])
    v4, v6 = (line for line in shell.lines if "filter" in line)
    assert "match ip dst 10.0.0.2/32" in v4
    assert "match ip6 dst fd00::2/128" in v6


@pytest.mark.parametrize(
    ("impairment", "asked"),
    [
        (shape("loss", loss=0.3, correlation=0.25), "loss random 30% 25%"),
        (shape("loss", loss=0.2, model="gilbert-elliott", recovery=0.4), "loss gemodel 10% 40%"),
        (shape("corrupt", share=0.1), "corrupt 10%"),
        (shape("duplicate", share=0.1, correlation=0.5), "duplicate 10% 50%"),
        (shape("reorder", share=0.25, delay_s=0.01), "delay 10ms reorder 25%"),
        (shape("delay", delay_s=0.1, jitter_s=0.02, distribution="pareto"), "delay 100ms 20ms distribution pareto"),
        (shape("bandwidth", rate_bit_s=1e6), ""),
    ],
)
def test_netem_is_asked_in_its_own_words(impairment: Impairment, asked: str) -> None:
    assert options(impairment) == asked


def test_netem_does_all_kinds_at_once() -> None:
    both = options(DELAY, shape("reorder", share=0.5, delay_s=1.0), shape("loss", loss=0.1))
    assert both == "delay 100ms 20ms loss random 10% reorder 50%"


def test_netem_that_fails_half_way_is_taken_away_and_nobody_elses_qdisc(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch, "tc qdisc replace")
    shell.qdiscs = "qdisc htb 4e52: root refcnt 2"
    with pytest.raises(CommandError):
        shaping.install([DELAY])
    assert shell.lines[-1] == "tc qdisc del dev eth0 root"
    shell.lines.clear()
    shell.qdiscs = "qdisc htb 1: root refcnt 2"
    shaping.clear()
    assert shell.lines == ["tc qdisc show dev eth0"]


def test_rules_are_complete_before_the_jump_to_them_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    firewall.queue(DELAY)
    changes = [line for line in shell.lines if "-L" not in line]
    assert [line.removeprefix("iptables -w ") for line in changes if line.startswith("iptables")] == [
        "-N REROUTE-OUT",
        "-A REROUTE-OUT ! -o lo -p tcp --sport 8000 -m mark ! --mark 0x4e52 -j NFQUEUE --queue-num 7777 --queue-bypass",
        "-I OUTPUT -j REROUTE-OUT",
    ]
    assert [line.replace("ip6tables", "iptables") for line in shell.lines if line.startswith("ip6")] == [
        line for line in shell.lines if line.startswith("iptables")
    ]


def test_a_partition_is_on_every_port_and_of_its_peers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    firewall.drop(shape("partition", direction="both", port=0, peers=("10.0.0.2",)))
    rules = [line for line in shell.lines if " -A " in line]
    assert rules == [
        "iptables -w -A REROUTE-IN ! -i lo -s 10.0.0.2 -j DROP",
        "iptables -w -A REROUTE-OUT ! -o lo -d 10.0.0.2 -j DROP",
    ]


def test_a_share_of_the_connections_is_refused_at_their_first_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    firewall.reset(shape("refuse", direction="in", share=0.5))
    assert [line for line in shell.lines if " -A " in line and line.startswith("iptables")] == [
        "iptables -w -A REROUTE-IN ! -i lo -p tcp --dport 8000 --syn -m statistic --mode random --probability 0.500000"
        " -j REJECT --reject-with tcp-reset"
    ]


def test_the_legacy_tool_stands_in_where_nf_tables_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch, "iptables -w", "ip6tables")
    firewall.reset(shape("refuse", direction="in"))
    assert "iptables-legacy -w -I INPUT -j REROUTE-IN" in shell.lines


def test_a_kernel_without_any_iptables_is_an_error_without_ipv6_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "ip6tables")
    firewall.drop(shape("blackhole", direction="both"))
    use(monkeypatch, "iptables")
    with pytest.raises(CommandError, match="none of iptables, iptables-legacy"):
        firewall.drop(shape("blackhole", direction="both"))


class StubScheduler:
    def __init__(self, _: object, impairments: list[Impairment], __: object) -> None:
        self.now = impairments
        self.packets = 3

    def change(self, impairments: list[Impairment]) -> None:
        self.now = impairments

    def close(self) -> None:
        self.now = []


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Queue", lambda number: number)
    monkeypatch.setattr(session, "Scheduler", StubScheduler)


@pytest.mark.usefixtures("scheduled")
@pytest.mark.parametrize(
    ("fields", "offered", "mechanism"),
    [
        ({}, {"htb", "netem"}, "netem"),
        ({}, {"htb", "nfqueue"}, "nfqueue"),
        ({"direction": "in"}, {"htb", "netem", "nfqueue"}, "nfqueue"),
        ({"mechanism": "nfqueue"}, {"htb", "netem", "nfqueue"}, "nfqueue"),
        ({"kind": "bandwidth", "rate_bit_s": 1e6}, {"htb"}, "htb"),
        ({"kind": "bandwidth", "rate_bit_s": 1e6, "direction": "both"}, {"htb", "nfqueue"}, "nfqueue"),
    ],
)
def test_the_mechanism_follows_the_kernel_the_direction_and_the_wish(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], offered: set[str], mechanism: str
) -> None:
    use(monkeypatch)
    here = Session(offers=offered.__contains__)
    assert here.add(shape(fields.pop("kind", "delay"), delay_s=0.1, **fields)) == mechanism
    assert set(here.mechanisms.values()) == {mechanism}


@pytest.mark.parametrize(
    ("impairment", "why"),
    [
        (shape("delay", delay_s=1, mechanism="netem"), "lacks sch_htb; mechanism: nfqueue is possible"),
        (shape("delay", delay_s=1, mechanism="htb"), "has no mechanism htb; mechanism: nfqueue is possible"),
        (shape("duplicate", share=1, direction="in"), "direction: out is possible"),
    ],
)
def test_what_is_impossible_is_refused_with_what_is_possible(
    monkeypatch: pytest.MonkeyPatch, impairment: Impairment, why: str
) -> None:
    shell = use(monkeypatch)
    here = Session(offers=lambda each: each == "nfqueue")
    with pytest.raises(ImpossibleError, match=why):
        here.add(impairment)
    assert (here.impairments, shell.lines) == ({}, [])


@pytest.mark.usefixtures("scheduled")
async def test_impairments_come_and_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    helper = Helper(Session(offers={"htb", "nfqueue"}.__contains__))
    assert helper.handle({"add": DELAY.to_json()})["mechanism"] == "nfqueue"
    assert helper.handle({"add": shape("bandwidth", rate_bit_s=1e6).to_json()})["mechanism"] == "htb"
    assert helper.handle({"read": True})["packets"] == 3
    assert helper.handle({"remove": "delay"}) == {"left": ["bandwidth"]}
    assert helper.handle({"remove": "bandwidth"}) == {"left": []}
    with pytest.raises(ValueError, match="expected add, remove or read"):
        helper.handle({"dance": 1})


def test_a_command_that_fails_or_does_not_exist_says_why() -> None:
    assert run("echo", "hello") == "hello\n"
    with pytest.raises(CommandError, match="no-such-command"):
        run("no-such-command")
    with pytest.raises(CommandError, match="exit code 1"):
        run("false")
    assert not works("false")


def test_packets_are_counted_in_what_tc_says_of_every_interface() -> None:
    said = "class htb 4e52:1 root leaf 4e53: prio 0 rate 1Mbit ceil 1Mbit burst 1600b Sent {} bytes {} pkt (dropped 0)"
    assert shaping.packets(f"{said.format(1346, 14)} backlog 0b 0p {said.format(74, 1)}") == 15
    assert shaping.packets("") == 0
