"""netem on every interface but `lo`, for packets that leave the service port: prio, filters into an extra band."""

from __future__ import annotations

import os

from chaos.impairment import Impairment
from chaos.netns.commands import CommandError, run, works

HANDLE = "4e52:"
"""Our root qdisc's, by which `clear` knows it from one that was there before."""
BAND = "4e52:4"
DEFAULT_PRIOMAP = ("1", "2", "2", "2", "1", "2", "0", "0", "1", "1", "1", "1", "1", "1", "1", "1")
"""tc-prio(8): everything that no filter picks stays in the first three bands, as without us."""
QUEUE_PACKETS = "100000"
"""netem's own limit of 1000 would turn a long delay under load into loss."""


def install(impairment: Impairment, port: int) -> None:
    """Raises CommandError where the kernel lacks sch_netem, sch_prio or cls_u32, with nothing left behind."""
    try:
        for interface in _interfaces():
            _install_on(interface, _netem(impairment), str(port))
    except CommandError:
        clear()
        raise


def clear() -> None:
    """Remove our qdiscs. Idempotent."""
    for interface in _interfaces():
        if f"qdisc prio {HANDLE} root" in run("tc", "qdisc", "show", "dev", interface):
            run("tc", "qdisc", "del", "dev", interface, "root")


def is_possible() -> bool:
    """Try it on `lo`, with no effect, and take it away."""
    possible = works("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "0ms")
    if possible:
        run("tc", "qdisc", "del", "dev", "lo", "root")
    return possible


def _install_on(interface: str, netem: tuple[str, ...], port: str) -> None:
    on = ("dev", interface)
    run("tc", "qdisc", "add", *on, "root", "handle", HANDLE, "prio", "bands", "4", "priomap", *DEFAULT_PRIOMAP)
    run("tc", "qdisc", "add", *on, "parent", BAND, "netem", "limit", QUEUE_PACKETS, *netem)
    for protocol, ip, priority in (("ip", "ip", "1"), ("ipv6", "ip6", "2")):
        sport = ("match", ip, "protocol", "6", "0xff", "match", ip, "sport", port, "0xffff")
        run(
            "tc",
            "filter",
            "add",
            *on,
            "protocol",
            protocol,
            "parent",
            HANDLE,
            "prio",
            priority,
            "u32",
            *sport,
            "flowid",
            BAND,
        )


def _netem(impairment: Impairment) -> tuple[str, ...]:
    if impairment.kind == "loss":
        return ("loss", f"{impairment.loss * 100:g}%")
    delay = ("delay", f"{impairment.delay_s * 1000:g}ms")
    return (*delay, f"{impairment.jitter_s * 1000:g}ms") if impairment.jitter_s else delay


def _interfaces() -> list[str]:
    return sorted(name for name in os.listdir("/sys/class/net") if name != "lo")
