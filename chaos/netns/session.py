"""All impairments of one network namespace: added and removed one by one, and in effect together.

Packet filters (blackhole, refuse, partition) are alone in their chains: the service lets nothing else beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from chaos.impairment import Impairment
from chaos.netns import firewall, shaping
from chaos.netns.commands import CommandError
from chaos.netns.nfqueue import Queue
from chaos.netns.scheduler import Scheduler

FILTERS: dict[str, tuple[str, Callable[[Impairment], None]]] = {
    "blackhole": ("iptables DROP", firewall.drop),
    "partition": ("iptables DROP", firewall.drop),
    "refuse": ("iptables REJECT", firewall.reset),
}


class ImpossibleError(Exception):
    """This kernel, or the mechanism that was asked for, cannot do it; the message says why and what can."""


@dataclass(slots=True)
class Session:
    """What is in effect now. Needs a running event loop where the scheduler is used."""

    offers: Callable[[str], bool] = shaping.offers
    impairments: dict[str, Impairment] = field(default_factory=dict)
    mechanisms: dict[str, str] = field(default_factory=dict)
    _scheduler: Scheduler | None = None

    def add(self, impairment: Impairment) -> str:
        """In effect when this returns; the mechanism. Raises ImpossibleError, and then nothing has changed."""
        kind = impairment.kind
        mechanism = FILTERS[kind][0] if kind in FILTERS else self._choose(impairment)
        self.impairments[kind], self.mechanisms[kind] = impairment, mechanism
        try:
            self._apply(mechanism)
        except (CommandError, OSError) as error:
            self.remove(kind)
            raise ImpossibleError(str(error)) from error
        return mechanism

    def remove(self, kind: str) -> None:
        """Idempotent."""
        if self.impairments.pop(kind, None) is not None:
            self._apply(self.mechanisms.pop(kind))

    def clear(self) -> None:
        """Remove everything, and whatever a helper left behind that was killed."""
        self.impairments.clear()
        self.mechanisms.clear()
        firewall.clear()
        shaping.clear()
        if self._scheduler is not None:
            self._scheduler.close()
            self._scheduler = None

    def read(self) -> dict[str, Any]:
        """What the kernel says of it: counted packets, and tc's statistics."""
        by_tc = bool(self._by("netem", "htb"))
        statistics = shaping.statistics() if by_tc else ""
        return {
            "mechanisms": dict(self.mechanisms),
            "packets": self._scheduler.packets if self._scheduler else firewall.packets(),
            "tc": statistics,
        }

    def _choose(self, impairment: Impairment) -> str:
        kernel = "htb" if impairment.kind == "bandwidth" else "netem"
        wanted, out = impairment.mechanism, impairment.direction == "out"
        if impairment.kind == "duplicate" and not out:
            raise ImpossibleError("duplicate acts on what leaves the target: direction out is possible")
        if wanted == "nfqueue":
            return "nfqueue"
        if wanted not in ("auto", kernel):
            raise ImpossibleError(f"{impairment.kind} has no mechanism {wanted}: {kernel} and nfqueue are possible")
        if out and self.offers("htb") and (kernel == "htb" or self.offers("netem")):
            return kernel
        if wanted == "auto":
            return "nfqueue"
        reason = "this kernel lacks it" if out else "it acts on what leaves the target"
        raise ImpossibleError(f"{kernel} is not possible: {reason}; nfqueue is possible")

    def _by(self, *mechanisms: str) -> list[Impairment]:
        return [each for kind, each in self.impairments.items() if self.mechanisms[kind] in mechanisms]

    def _apply(self, mechanism: str) -> None:
        """Bring one mechanism in line with what is wanted of it."""
        if mechanism in ("netem", "htb"):
            wanted = self._by("netem", "htb")
            shaping.install(wanted) if wanted else shaping.clear()
        elif mechanism == "nfqueue":
            self._schedule(self._by("nfqueue"))
        else:
            firewall.clear()
            for each in self._by(mechanism):
                FILTERS[each.kind][1](each)

    def _schedule(self, wanted: list[Impairment]) -> None:
        if not wanted:
            firewall.clear()
            if self._scheduler is not None:
                self._scheduler.close()
                self._scheduler = None
        elif self._scheduler is not None:
            self._scheduler.change(wanted)
        else:
            self._scheduler = Scheduler(Queue(firewall.QUEUE), wanted, Random())
            firewall.queue(wanted[0])
