"""Chooses the mechanism of a link fault from its parameters and the kernel's features. Pure.

The service uses it before anything is changed, with the result of a probe of the kernel. The helper in the target's
network namespace uses it again at the injection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .impairment import Effect, Impairment

FILTERS: Mapping[Effect, tuple[str, str]] = {
    "blackhole": ("drop", "iptables DROP"),
    "partition": ("drop", "iptables DROP"),
    "refuse": ("reset", "iptables REJECT"),
}
"""Each effect of a packet filter → the kernel feature that it needs, and the name of the mechanism."""
QDISCS: Mapping[Effect, str] = {
    "delay": "netem",
    "loss": "netem",
    "corrupt": "netem",
    "duplicate": "netem",
    "reorder": "netem",
    "bandwidth": "htb",
}
"""Each other effect → the queueing discipline that produces it. nfqueue can produce each of them too."""
QUEUE = "nfqueue"
LACKS = {"netem": "sch_netem", "htb": "sch_htb", QUEUE: "NFQUEUE", "drop": "iptables DROP", "reset": "iptables REJECT"}
"""Kernel feature → its name in error messages, which is the kernel's own."""

RELAY = "relay"
"""The mechanism of every link fault on local processes."""
_PACKETS = "access to packets: TCP repairs their loss and order before a relay sees the bytes"
RELAY_LACKS: Mapping[Effect, str] = {
    "corrupt": _PACKETS,
    "duplicate": _PACKETS,
    "reorder": _PACKETS,
    "partition": "an address for each process: all are on 127.0.0.1",
}
"""Effects that the relay cannot imitate, and what it lacks for each."""

Offers = Callable[[str], bool]
"""Function that returns whether this kernel has a feature (a key of `LACKS`)."""


class ImpossibleError(Exception):
    """Neither this kernel nor the requested mechanism can do it. The message has the reason, `possible` the
    alternatives."""

    def __init__(self, reason: str, possible: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}; {' or '.join(possible)} is possible" if possible else reason)
        self.reason = reason
        self.possible = list(possible)


def kernel_mechanisms(effect: Effect) -> str:
    """Return, as text, the mechanisms by which a container's network namespace may have the effect."""
    return FILTERS[effect][1] if effect in FILTERS else f"{QDISCS[effect]} or {QUEUE}"


def needs(mechanism: str) -> tuple[str, ...]:
    """Return the kernel features that a mechanism needs. netem also needs htb, because it is a leaf of an htb class."""
    return ("htb", "netem") if mechanism == "netem" else (mechanism,)


def choose(impairment: Impairment, offers: Offers) -> str:
    """Return the mechanism: the requested one, else a kernel qdisc, else nfqueue. Raise ImpossibleError."""
    kind, effect = impairment.kind, impairment.effect
    if effect in FILTERS:
        rule, mechanism = FILTERS[effect]
        if not offers(rule):
            raise ImpossibleError(f"{kind} is not possible: this kernel lacks {LACKS[rule]}")
        return mechanism
    if effect == "duplicate" and impairment.direction != "out":
        raise ImpossibleError(f"{kind} acts only on traffic that leaves the target", ["direction: out"])
    known = (QDISCS[effect], QUEUE)
    if impairment.mechanism not in ("auto", *known):
        raise ImpossibleError(f"{kind} has no mechanism {impairment.mechanism}", _able(known, impairment, offers))
    wanted = known if impairment.mechanism == "auto" else (impairment.mechanism,)
    obstacles = []
    for mechanism in wanted:
        obstacle = _obstacle(mechanism, impairment, offers)
        if not obstacle:
            return mechanism
        obstacles.append(f"{mechanism} is not possible: {obstacle}")
    others = [each for each in known if each not in wanted]
    raise ImpossibleError(", ".join(obstacles), _able(others, impairment, offers))


def _able(mechanisms: Sequence[str], impairment: Impairment, offers: Offers) -> list[str]:
    return [f"mechanism: {each}" for each in mechanisms if not _obstacle(each, impairment, offers)]


def _obstacle(mechanism: str, impairment: Impairment, offers: Offers) -> str:
    """Return why a mechanism is impossible; empty if it is possible."""
    if mechanism != QUEUE and impairment.direction != "out":
        return "it acts only on traffic that leaves the target"
    lacking = [LACKS[each] for each in needs(mechanism) if not offers(each)]
    return f"this kernel lacks {lacking[0]}" if lacking else ""
