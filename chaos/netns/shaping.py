"""Shapes traffic with tc on every interface but `lo`: an htb class for the packets in scope, whose rate is the
bandwidth, with a netem leaf for all other effects.

Packets that no filter matches pass the root unclassified and undelayed (tc-htb(8): `default 0`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from ..links.impairment import Impairment
from ..links.netem_random import entering
from .commands import CommandError, run, works

HANDLE = "4e52:"
"""Handle of this module's root qdisc, by which `clear` recognizes it."""
CLASS = "4e52:1"
LEAF = "4e53:"
UNLIMITED = "100gbit"
QUEUE_PACKETS = "100000"
"""Queue length of netem. With its default of 1000, a long delay under load would also cause loss."""
BANDWIDTH_PACKETS = "1000"
"""Queue length of a link with limited bandwidth. Further packets are dropped, as in a router."""


def install(impairments: Sequence[Impairment]) -> None:
    """Install exactly these impairments. Existing qdiscs are changed in place, so that queued packets stay queued.

    Raise CommandError, after removing all of it, if the kernel lacks sch_htb, cls_u32 or, if needed, sch_netem.
    """
    try:
        for interface in _interfaces():
            _install_on(interface, impairments)
    except CommandError:
        clear()
        raise


def clear() -> None:
    """Remove this module's qdiscs. Idempotent."""
    for interface in _interfaces():
        if _ours(interface):
            run("tc", "qdisc", "del", "dev", interface, "root")


def offers(qdisc: str) -> bool:
    """Return whether the kernel has a qdisc. It is added to `lo`, where it has no effect, and removed."""
    options = {"netem": ("delay", "0ms"), "htb": ("default", "0")}[qdisc]
    possible = works("tc", "qdisc", "add", "dev", "lo", "root", qdisc, *options)
    if possible:
        run("tc", "qdisc", "del", "dev", "lo", "root")
    return possible


def statistics() -> str:
    """Return tc's statistics of this module's class, for the fault's evidence."""
    lines = [run("tc", "-s", "class", "show", "dev", each, "classid", CLASS) for each in _interfaces() if _ours(each)]
    return " ".join(" ".join(lines).split())


def packets(statistics: str) -> int:
    """Return how many packets have passed this module's class, from the text of `statistics`."""
    return sum(int(count) for count in re.findall(r"Sent \d+ bytes (\d+) pkt", statistics))


def _ours(interface: str) -> bool:
    return f"qdisc htb {HANDLE} root" in run("tc", "qdisc", "show", "dev", interface)


def _install_on(interface: str, impairments: Sequence[Impairment]) -> None:
    on = ("dev", interface)
    kinds: dict[str, Impairment] = {each.effect: each for each in impairments}
    rate = kinds.get("bandwidth")
    fresh = not _ours(interface)
    if fresh:
        run("tc", "qdisc", "add", *on, "root", "handle", HANDLE, "htb", "default", "0")
    speed = f"{rate.rate_bit_s:.0f}bit" if rate else UNLIMITED
    run("tc", "class", "replace", *on, "parent", HANDLE, "classid", CLASS, "htb", "rate", speed, "quantum", "60000")
    netem = netem_options(kinds)
    leaf = ("netem", "limit", QUEUE_PACKETS, *netem) if netem else ("pfifo", "limit", BANDWIDTH_PACKETS)
    run("tc", "qdisc", "replace", *on, "parent", CLASS, "handle", LEAF, *leaf)
    if fresh:
        for number, match in enumerate(_matches(impairments[0]), start=1):
            prio = ("prio", str(number))
            run("tc", "filter", "add", *on, "parent", HANDLE, *prio, *match, "flowid", CLASS)


def _matches(scope: Impairment) -> Iterator[tuple[str, ...]]:
    """Yield u32 selectors, one for each IP version and peer. IPv6 extension headers are not skipped."""
    for version, protocol, ip in ((4, "ip", "ip"), (6, "ipv6", "ip6")):
        port = ("match", ip, "protocol", "6", "0xff", "match", ip, "sport", str(scope.port), "0xffff")
        on_port = port if scope.port else ()
        peers = [peer for peer in scope.peers if (":" in peer) == (version == 6)]
        for peer in peers if scope.peers else [""]:
            to_peer = ("match", ip, "dst", f"{peer}/{32 if version == 4 else 128}") if peer else ()
            yield ("protocol", protocol, "u32", *((*on_port, *to_peer) or ("match", "u32", "0", "0")))


def netem_options(kinds: Mapping[str, Impairment]) -> tuple[str, ...]:
    """Return netem's arguments for all effects together, empty if no effect needs netem.

    Reordering delays all packets but those that it sends ahead, by its own delay or by that of a `delay` fault.
    """
    options: tuple[str, ...] = ()
    if wait := kinds.get("delay") or kinds.get("reorder"):
        options += _delay(wait)
    if loss := kinds.get("loss"):
        options += _loss(loss)
    for kind in ("corrupt", "duplicate", "reorder"):
        if each := kinds.get(kind):
            options += (kind, _percent(each.share), *_correlation(each))
    return options


def _delay(wait: Impairment) -> tuple[str, ...]:
    options: tuple[str, ...] = ("delay", f"{wait.delay_s * 1000:g}ms")
    if wait.jitter_s:
        options += (f"{wait.jitter_s * 1000:g}ms", *_correlation(wait))
        if wait.distribution != "uniform":  # uniform is netem's default and has no name there
            options += ("distribution", wait.distribution)
    return options


def _loss(loss: Impairment) -> tuple[str, ...]:
    if loss.model == "gilbert-elliott":
        return ("loss", "gemodel", _percent(entering(loss.loss, loss.recovery)), _percent(loss.recovery))
    return ("loss", "random", _percent(loss.loss), *_correlation(loss))


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"


def _correlation(impairment: Impairment) -> tuple[str, ...]:
    return (_percent(impairment.correlation),) if impairment.correlation else ()


def _interfaces() -> list[str]:
    return sorted(name for name in os.listdir("/sys/class/net") if name != "lo")
