"""Decides which backends are kept although discovery no longer names them. Pure: time is an argument.

An answer that lacks all or most of the backends that pass their health checks is usually wrong: a DNS server
with an empty cache, a half-written file, a reload of the wrong configuration. So new backends are added at once, but
most of the passing ones are removed only when others pass in their place
(docs/decisions/0051-discovery-does-not-overrule-health.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .member import Member


@dataclass(frozen=True, slots=True)
class Rules:
    """When an answer is suspicious, and how long its removals are delayed. Defaults: `lb.config.discovery_settings`."""

    hold: float
    """How long a passing backend is kept at most, in seconds after the first answer without it. 0: not at all."""
    max_loss: float
    """Share of the passing backends that one answer may remove. An answer that removes all is always suspicious."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Effect of one answer of discovery."""

    members: Sequence[Member]
    """The backends to use: those in the answer, and the held ones."""
    held: Collection[str] = ()
    """Ids of the backends that are newly held."""
    released: Mapping[str, str] | None = None
    """Reason by id, for backends that are no longer held."""


FOLLOW_ALL = Rules(hold=0.0, max_loss=1.0)
"""Rules by which every answer is applied at once."""


class Retention:
    """Holds backends that pass their checks if an answer would remove most of them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._missing_since: dict[str, float] = {}

    def until(self) -> Mapping[str, float]:
        """Return the latest time of removal of each held backend, by id."""
        return {backend: since + self.rules.hold for backend, since in self._missing_since.items()}

    def settle(
        self, known: Mapping[str, Member], found: Sequence[Member], passing: Collection[str], now: float
    ) -> Settled:
        """Decide what the answer `found` changes.

        `known` are the members used until now, `passing` the ids of backends that pass their checks and have a weight.
        A backend that the answer names with another address counts as missing. While it is held, the new address is not
        used, because an id has only one address.
        """
        named = {member.id: member for member in found}
        missing = {name for name, member in known.items() if name in passing and not _same(named.get(name), member)}
        before, rules = self._missing_since, self.rules
        overdue = {name for name in missing if name in before and now - before[name] >= rules.hold}
        lost, judged = missing - overdue, {name for name in passing if name in known} - overdue
        suspicious = rules.hold > 0 and bool(lost) and (lost == judged or len(lost) > rules.max_loss * len(judged))
        self._missing_since = {name: before.get(name, now) for name in known if name in lost} if suspicious else {}
        held = self._missing_since
        members = [member for member in found if member.id not in held] + [known[name] for name in held]
        released = {
            name: self._reason(name in overdue, _same(named.get(name), known.get(name)), name in passing)
            for name in before
            if name not in held
        }
        return Settled(members, [name for name in held if name not in before], released)

    def forget(self) -> Mapping[str, str]:
        """Release all held backends, because an operator has requested it. Return the reason by id."""
        released = dict.fromkeys(self._missing_since, "forced by the operator")
        self._missing_since = {}
        return released

    def _reason(self, overdue: bool, named: bool, passing: bool) -> str:
        if overdue:
            return f"discovery has not named it for {self.rules.hold:g} s"
        if named:
            return "discovery names it again"
        return "enough others pass their checks" if passing else "it no longer passes its checks"


def _same(one: Member | None, other: Member | None) -> bool:
    return one is not None and other is not None and (one.host, one.port) == (other.host, other.port)
