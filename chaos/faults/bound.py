"""How each kind of fault looks to a balancer. Each kind has a family, which decides which time bound applies.

The formulae are in the balancer (`lb/core/bounds.py`), which shares only the names of the families with this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Family(StrEnum):
    """What a balancer notices of the fault."""

    DEAD = "dead"
    """The process has ended: connections end or are refused, and discovery sees the backend leave and return."""
    SILENT = "silent"
    """No answer comes, whether connections and requests are accepted or packets are lost."""
    CUT_OFF = "cut_off"
    """As SILENT, and discovery also sees the backend leave and return."""
    LATE = "late"
    """Answers arrive later than before."""
    REFUSING = "refusing"
    """Connections are reset and refused; discovery sees nothing."""
    UNHEALTHY = "unhealthy"
    """The health check fails; requests succeed."""
    FAILING = "failing"
    """The health check and all requests are answered with errors."""
    LYING = "lying"
    """The health check passes; requests are answered with errors."""
    HARMLESS = "harmless"
    """A balancer need not notice it, so no bound applies."""


@dataclass(frozen=True, slots=True)
class Look:
    """A family, and the condition under which its bound applies."""

    family: Family
    condition: str = ""
    """One clause for the table of bounds; empty: always."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How a fault looks to a balancer, for each kind of health check. None: the same as for an HTTP check."""

    http: Look
    tcp: Look | None = None
    """How it looks to a health check that only connects."""
    tls: Look | None = None
    """How it looks to a health check that ends after the TLS handshake."""

    def by_check(self) -> dict[str, Look]:
        """Return the look for HTTP checks, and for the other kinds of check for which it differs."""
        looks = {"http": self.http, "tcp": self.tcp, "tls": self.tls}
        return {check: look for check, look in looks.items() if look is not None}


KERNEL_ACCEPTS: Final = Look(
    Family.HARMLESS, "the kernel accepts the connection, so a tcp check passes and clears any suspicion"
)
STACK_ANSWERS: Final = Look(Family.HARMLESS, "the TLS handshake succeeds whatever the application behind it does")
ANSWERS_LATER: Final = Look(Family.LATE, "the response takes longer than T; a shorter delay ejects no backend")
HANDSHAKE_LATER: Final = Look(
    Family.LATE, "the handshake, several round trips, takes longer than T; a shorter delay ejects no backend"
)
OTHERS_WORK: Final = (
    "every request fails on this backend and at most half elsewhere; `max_ejected_share` allows the ejection"
)

LATE_LINK: Final = Bound(ANSWERS_LATER, tcp=KERNEL_ACCEPTS, tls=HANDSHAKE_LATER)
"""Bound of the faults that make the whole process or its link slow."""
