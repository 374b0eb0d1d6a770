"""All impairments of one network namespace: added and removed one by one, and in effect together.

Packet filters (blackhole, refuse, partition) are alone in their chains: the service lets nothing else beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ..links.impairment import Impairment
from ..links.mechanisms import FILTERS, QUEUE, ImpossibleError, choose
from . import firewall, shaping
from .commands import CommandError
from .nfqueue import Queue
from .scheduler import Scheduler

RULES: dict[str, Callable[[Impairment], None]] = {"drop": firewall.drop, "reset": firewall.reset}
"""What puts them in, by what the kernel must offer."""


def offers(mechanism: str) -> bool:
    """netem and htb are tried; whether there is an NFQUEUE, DROP or REJECT shows when the rule is put in."""
    return mechanism not in ("netem", "htb") or shaping.offers(mechanism)


@dataclass(slots=True)
class Session:
    """What is in effect now. Needs a running event loop where the scheduler is used."""

    offers: Callable[[str], bool] = offers
    impairments: dict[str, Impairment] = field(default_factory=dict)
    mechanisms: dict[str, str] = field(default_factory=dict)
    _scheduler: Scheduler | None = None

    def add(self, impairment: Impairment) -> str:
        """In effect when this returns; the mechanism. Raises ImpossibleError, and then nothing has changed."""
        kind = impairment.kind
        mechanism = choose(impairment, self.offers)
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

    def _by(self, *mechanisms: str) -> list[Impairment]:
        return [each for kind, each in self.impairments.items() if self.mechanisms[kind] in mechanisms]

    def _apply(self, mechanism: str) -> None:
        """Bring one mechanism in line with what is wanted of it."""
        if mechanism in ("netem", "htb"):
            wanted = self._by("netem", "htb")
            shaping.install(wanted) if wanted else shaping.clear()
        elif mechanism == QUEUE:
            self._schedule(self._by(QUEUE))
        else:
            firewall.clear()
            for each in self._by(mechanism):
                RULES[FILTERS[each.effect][0]](each)

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
