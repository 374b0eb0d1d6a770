"""Chooses the mechanism of a link fault from what is asked for and what the kernel offers. Pure.

The service uses it before anything is touched, with what a probe of the kernel found; the helper in the target's
network namespace uses it again when it injects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .impairment import Effect, Impairment

FILTERS = {
    "blackhole": ("drop", "iptables DROP"),
    "partition": ("drop", "iptables DROP"),
    "refuse": ("reset", "iptables REJECT"),
}
"""Effect → what the kernel must offer, and the mechanism's name."""
QUEUE = "nfqueue"
LACKS = {"netem": "sch_netem", "htb": "sch_htb", QUEUE: "NFQUEUE", "drop": "iptables DROP", "reset": "iptables REJECT"}
"""Mechanism → the kernel's name for what it needs."""

RELAY = "relay"
"""The mechanism of every link fault on local processes."""
_PACKETS = "a view of packets: TCP mends them below the bytes that a relay sees"
RELAY_LACKS: dict[str, str] = {
    "corrupt": _PACKETS,
    "duplicate": _PACKETS,
    "reorder": _PACKETS,
    "partition": "an address for each process: all are on 127.0.0.1",
}
"""Effects that the relay cannot have, and what it lacks for them."""

Offers = Callable[[str], bool]
"""Whether this kernel has one of `LACKS`."""


class ImpossibleError(Exception):
    """This kernel, or the forced mechanism, cannot do it. The message says why, `possible` what would work."""

    def __init__(self, reason: str, possible: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}; {' or '.join(possible)} is possible" if possible else reason)
        self.reason = reason
        self.possible = list(possible)


def kernels(effect: Effect) -> str:
    """Return the queueing discipline that has the effect."""
    return "htb" if effect == "bandwidth" else "netem"


def kernel_mechanisms(effect: Effect) -> str:
    """Return the mechanisms that a container's network namespace may have for the effect."""
    return FILTERS[effect][1] if effect in FILTERS else f"{kernels(effect)} or {QUEUE}"


def needs(mechanism: str) -> tuple[str, ...]:
    """Return what the kernel must offer for a mechanism: netem is a leaf of an htb class."""
    return ("htb", "netem") if mechanism == "netem" else (mechanism,)


def choose(impairment: Impairment, offers: Offers) -> str:
    """Return the mechanism: the kernel's own before nfqueue, unless one is forced. Raise ImpossibleError."""
    kind, effect = impairment.kind, impairment.effect
    if effect in FILTERS:
        rule, mechanism = FILTERS[effect]
        if not offers(rule):
            raise ImpossibleError(f"{kind} is not possible: this kernel lacks {LACKS[rule]}")
        return mechanism
    if effect == "duplicate" and impairment.direction != "out":
        raise ImpossibleError(f"{kind} acts on what leaves the target", ["direction: out"])
    known = (kernels(effect), QUEUE)
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
        return "it acts on what leaves the target"
    lacking = [LACKS[each] for each in needs(mechanism) if not offers(each)]
    return f"this kernel lacks {lacking[0]}" if lacking else ""
