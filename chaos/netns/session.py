"""All impairments of one network namespace, added and removed one by one.

A packet filter (blackhole, refuse, partition) is the only rule in its chains, because the service refuses other link
faults on the same target.
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
"""Kernel feature (`mechanisms.FILTERS`) → the function that adds its rules."""


def offers(mechanism: str) -> bool:
    """Return whether the kernel has a mechanism. Only netem and htb are tried; the others fail when they are added."""
    return mechanism not in ("netem", "htb") or shaping.offers(mechanism)


@dataclass(slots=True)
class Session:
    """The impairments in effect. Needs a running event loop for the scheduler."""

    offers: Callable[[str], bool] = offers
    impairments: dict[str, Impairment] = field(default_factory=dict)
    mechanisms: dict[str, str] = field(default_factory=dict)
    _scheduler: Scheduler | None = None

    def add(self, impairment: Impairment) -> str:
        """Add an impairment and return its mechanism. Raise ImpossibleError, without any change, if there is none."""
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
        """Remove an impairment. Idempotent."""
        if self.impairments.pop(kind, None) is not None:
            self._apply(self.mechanisms.pop(kind))

    def clear(self) -> None:
        """Remove all impairments, and rules that a killed helper left behind."""
        self.impairments.clear()
        self.mechanisms.clear()
        firewall.clear()
        shaping.clear()
        if self._scheduler is not None:
            self._scheduler.close()
            self._scheduler = None

    def read(self) -> dict[str, Any]:
        """Return the impairments in effect, the number of packets that matched them, and tc's statistics."""
        by_tc = bool(self._by("netem", "htb"))
        statistics = shaping.statistics() if by_tc else ""
        queued = self._scheduler.packets if self._scheduler else firewall.packets()
        return {
            "mechanisms": dict(self.mechanisms),
            "packets": queued + shaping.packets(statistics),
            "tc": statistics,
        }

    def _by(self, *mechanisms: str) -> list[Impairment]:
        return [each for kind, each in self.impairments.items() if self.mechanisms[kind] in mechanisms]

    def _apply(self, mechanism: str) -> None:
        """Apply all impairments of one mechanism."""
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
