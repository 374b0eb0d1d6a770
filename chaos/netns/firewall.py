"""iptables rules in two separate chains, so that removing them touches no other rule. IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Iterator

from ..links.impairment import Impairment
from .commands import CommandError, run, works

QUEUE = 7777
MARK = "0x4e52"
"""`scheduler.MARK` as iptables writes it. Copies of packets carry it, so that they are not queued again."""
CHAINS = {"INPUT": "REROUTE-IN", "OUTPUT": "REROUTE-OUT"}
HOOKS = {"in": ("INPUT",), "out": ("OUTPUT",), "both": ("INPUT", "OUTPUT")}
V4_TOOLS = ("iptables", "iptables-legacy")
"""The first one that works is used, because some kernels lack nf_tables, others the legacy tables."""
V6_TOOLS = ("ip6tables", "ip6tables-legacy")

Rule = tuple[str, ...]


def queue(scope: Impairment) -> None:
    """Queue every packet in scope for the NFQUEUE client. Without a client, packets pass."""
    _install(scope, ("-m", "mark", "!", "--mark", MARK), "NFQUEUE", "--queue-num", str(QUEUE), "--queue-bypass")


def drop(scope: Impairment) -> None:
    """Drop every packet in scope."""
    _install(scope, (), "DROP")


def reset(scope: Impairment) -> None:
    """Answer every incoming segment in scope with RST, including those of open connections.

    With a share below 1, answer only that share of the SYNs, so that open connections are not affected.
    """
    match: Rule = () if scope.port else ("-p", "tcp")
    if scope.is_partial:
        match = (*match, "--syn", "-m", "statistic", "--mode", "random", "--probability", f"{scope.share:.6f}")
    _install(scope, match, "REJECT", "--reject-with", "tcp-reset")


def clear() -> None:
    """Remove this module's chains and the jumps to them, in every variant of the tool. Idempotent."""
    for tool in (*V4_TOOLS, *V6_TOOLS):
        for hook, chain in CHAINS.items():
            if not works(tool, "-w", "-n", "-L", chain):
                continue
            while works(tool, "-w", "-D", hook, "-j", chain):
                pass
            run(tool, "-w", "-F", chain)
            run(tool, "-w", "-X", chain)


def packets() -> int:
    """Return how many IPv4 and IPv6 packets have matched this module's rules."""
    found = 0
    for tool in (*V4_TOOLS, *V6_TOOLS):
        for chain in CHAINS.values():
            if works(tool, "-w", "-n", "-L", chain):
                listed = run(tool, "-w", "-n", "-v", "-x", "-L", chain)
                found += sum(int(line.split()[0]) for line in listed.splitlines()[2:] if line.strip())
    return found


def _rules(hook: str, scope: Impairment, version: int) -> Iterator[Rule]:
    """Yield the match of each rule: one for each peer of this IP version, or one for all traffic."""
    incoming = hook == "INPUT"
    interface: Rule = ("!", "-i", "lo") if incoming else ("!", "-o", "lo")
    port: Rule = ("-p", "tcp", "--dport" if incoming else "--sport", str(scope.port)) if scope.port else ()
    if not scope.peers:
        yield (*interface, *port)
    for peer in scope.peers:
        if (":" in peer) == (version == 6):
            yield (*interface, "-s" if incoming else "-d", peer, *port)


def _install(scope: Impairment, match: Rule, *target: str) -> None:
    """Fill the chains, then add the jumps to them, so that all rules take effect at once. Raise CommandError."""
    _install_with(_working(V4_TOOLS), scope, 4, (*match, "-j", *target))
    try:
        _install_with(_working(V6_TOOLS), scope, 6, (*match, "-j", *target))
    except CommandError:
        if any(":" in peer for peer in scope.peers):
            raise
        return  # a kernel without IPv6 has no IPv6 traffic to impair


def _install_with(tool: str, scope: Impairment, version: int, action: Rule) -> None:
    filled = {hook: list(_rules(hook, scope, version)) for hook in HOOKS[scope.direction]}
    for hook, rules in filled.items():
        if rules:
            run(tool, "-w", "-N", CHAINS[hook])
        for rule in rules:
            run(tool, "-w", "-A", CHAINS[hook], *rule, *action)
    for hook, rules in filled.items():
        if rules:
            run(tool, "-w", "-I", hook, "-j", CHAINS[hook])


def _working(tools: tuple[str, ...]) -> str:
    for tool in tools:
        if works(tool, "-w", "-n", "-L", "INPUT"):
            return tool
    raise CommandError(f"none of {', '.join(tools)} works on this host")
