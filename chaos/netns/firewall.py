"""iptables rules in two chains of our own, so that removing them touches nothing else. IPv4 and IPv6."""

from __future__ import annotations

from chaos.netns.commands import CommandError, run, works

QUEUE = 7777
CHAINS = {"INPUT": "REROUTE-IN", "OUTPUT": "REROUTE-OUT"}
V4_TOOLS = ("iptables", "iptables-legacy")
"""The first that works: kernels lack nf_tables here, the legacy tables there."""
V6_TOOLS = ("ip6tables", "ip6tables-legacy")


def queue_answers(port: int) -> None:
    """Hand every packet that leaves the service port to the NFQUEUE client; with nobody listening it passes."""
    _install(
        "OUTPUT", "!", "-o", "lo", *_tcp("--sport", port), "-j", "NFQUEUE", "--queue-num", str(QUEUE), "--queue-bypass"
    )


def drop(port: int) -> None:
    """Both directions disappear."""
    _install("INPUT", "!", "-i", "lo", *_tcp("--dport", port), "-j", "DROP")
    _install("OUTPUT", "!", "-o", "lo", *_tcp("--sport", port), "-j", "DROP")


def reset(port: int) -> None:
    """Every segment to the service port is answered with RST, on open connections too."""
    _install("INPUT", "!", "-i", "lo", *_tcp("--dport", port), "-j", "REJECT", "--reject-with", "tcp-reset")


def clear() -> None:
    """Remove our chains and the jumps to them, in every variant of the tool. Idempotent."""
    for tool in (*V4_TOOLS, *V6_TOOLS):
        for hook, chain in CHAINS.items():
            if not works(tool, "-w", "-n", "-L", chain):
                continue
            while works(tool, "-w", "-D", hook, "-j", chain):
                pass
            run(tool, "-w", "-F", chain)
            run(tool, "-w", "-X", chain)


def _tcp(side: str, port: int) -> tuple[str, ...]:
    return ("-p", "tcp", side, str(port))


def _install(hook: str, *rule: str) -> None:
    """The chain first, the jump to it last: nothing is in effect before it is complete. Raises CommandError."""
    _install_with(_working(V4_TOOLS), hook, rule)
    try:
        _install_with(_working(V6_TOOLS), hook, rule)
    except CommandError:
        return  # a kernel without IPv6 has no IPv6 traffic to impair


def _install_with(tool: str, hook: str, rule: tuple[str, ...]) -> None:
    chain = CHAINS[hook]
    run(tool, "-w", "-N", chain)
    run(tool, "-w", "-A", chain, *rule)
    run(tool, "-w", "-I", hook, "-j", chain)


def _working(tools: tuple[str, ...]) -> str:
    for tool in tools:
        if works(tool, "-w", "-n", "-L", "INPUT"):
            return tool
    raise CommandError(f"none of {', '.join(tools)} works here")
