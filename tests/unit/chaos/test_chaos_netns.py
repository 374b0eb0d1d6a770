"""Which commands impair a namespace, in which order, and what a failure leaves. The kernel's part is end-to-end."""

from __future__ import annotations

import pytest

from chaos.impairment import Impairment
from chaos.netns import firewall, helper, netem
from chaos.netns.commands import CommandError, run, works

DELAY = Impairment("delay", duration_s=5, delay_s=0.1, jitter_s=0.02)


class Shell:
    """Records commands; those that start with one of `broken` fail, as a kernel module that is missing does."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.lines: list[str] = []
        self.qdiscs = ""

    def run(self, *command: str) -> str:
        line = " ".join(command)
        self.lines.append(line)
        if line.startswith(self.broken):
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
    for module in (firewall, netem):
        monkeypatch.setattr(module, "run", shell.run)
        monkeypatch.setattr(module, "works", shell.works)
    monkeypatch.setattr(netem, "_interfaces", lambda: ["eth0"])
    return shell


def test_netem_sits_in_a_band_that_only_the_service_ports_answers_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    netem.install(DELAY, 8000)
    prio, delay, v4, v6 = shell.lines
    assert prio.startswith("tc qdisc add dev eth0 root handle 4e52: prio bands 4 priomap ")
    assert "3" not in prio.partition("priomap")[2], "no priority leads to the fourth band"
    assert delay == "tc qdisc add dev eth0 parent 4e52:4 netem limit 100000 delay 100ms 20ms"
    assert "protocol ip parent" in v4
    assert "protocol ipv6 parent" in v6
    for line in (v4, v6):
        assert "sport 8000 0xffff flowid 4e52:4" in line


def test_netem_loss_is_in_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    netem.install(Impairment("loss", duration_s=5, loss=0.3), 8000)
    assert "netem limit 100000 loss 30%" in shell.lines[1]


def test_netem_that_fails_half_way_is_taken_away_and_nobody_elses_qdisc(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch, "tc filter add")
    shell.qdiscs = "qdisc prio 4e52: root refcnt 2 bands 4\nqdisc netem 8001: parent 4e52:4"
    with pytest.raises(CommandError):
        netem.install(DELAY, 8000)
    assert shell.lines[-1] == "tc qdisc del dev eth0 root"
    shell.lines.clear()
    shell.qdiscs = "qdisc prio 1: root refcnt 2 bands 3"
    netem.clear()
    assert shell.lines == ["tc qdisc show dev eth0"]


def test_rules_are_complete_before_the_jump_to_them_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch)
    firewall.queue_answers(8000)
    v4 = [
        line.removeprefix("iptables -w ")
        for line in shell.lines
        if line.startswith("iptables -w -") and "-L" not in line
    ]
    assert v4 == [
        "-N REROUTE-OUT",
        "-A REROUTE-OUT ! -o lo -p tcp --sport 8000 -j NFQUEUE --queue-num 7777 --queue-bypass",
        "-I OUTPUT -j REROUTE-OUT",
    ]
    assert [line.replace("ip6tables", "iptables") for line in shell.lines if line.startswith("ip6")] == [
        line for line in shell.lines if line.startswith("iptables")
    ]


def test_the_legacy_tool_stands_in_where_nf_tables_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = use(monkeypatch, "iptables -w", "ip6tables")
    firewall.reset(8000)
    assert "iptables-legacy -w -I INPUT -j REROUTE-IN" in shell.lines


def test_a_kernel_without_any_iptables_is_an_error_without_ipv6_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "ip6tables")
    firewall.drop(8000)
    use(monkeypatch, "iptables")
    with pytest.raises(CommandError, match="none of iptables, iptables-legacy"):
        firewall.drop(8000)


def test_the_mechanism_is_netem_where_the_kernel_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    installed = helper.install(DELAY, 8000, "auto")
    assert (installed.mechanism, installed.missing) == ("netem", None)


def test_and_nfqueue_where_it_has_not_unless_netem_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "tc qdisc add")
    monkeypatch.setattr(helper, "Queue", lambda number: number)
    monkeypatch.setattr(helper, "Scheduler", lambda *_: None)
    installed = helper.install(DELAY, 8000, "auto")
    assert (installed.mechanism, installed.missing) == ("nfqueue", "sch_netem")
    with pytest.raises(CommandError):
        helper.install(DELAY, 8000, "netem")


def test_a_command_that_fails_or_does_not_exist_says_why() -> None:
    assert run("echo", "hello") == "hello\n"
    with pytest.raises(CommandError, match="no-such-command"):
        run("no-such-command")
    with pytest.raises(CommandError, match="exit code 1"):
        run("false")
    assert not works("false")
