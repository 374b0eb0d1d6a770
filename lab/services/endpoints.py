"""Where a running lab can be reached; what a runtime answers and an experiment needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Levers(Protocol):
    """What a runtime can do to the parts of a lab that the chaos service leaves alone.

    All raise EnvironmentProblemError. A lab whose runtime has none has no levers at all.
    """

    async def scale(self, count: int) -> None:
        """Run so many backends, and let the balancer know. The newest leave first, after the balancer let them go."""

    async def stop_balancer(self, *, kill: bool) -> None:
        """SIGKILL, or SIGTERM and what follows it. Returns when it is gone."""

    async def start_balancer(self) -> None:
        """Start it again; one that runs already is fine."""

    async def configure_balancer(self, environment: Mapping[str, str]) -> None:
        """Restart it with these environment variables on top of its usual ones, and without those of last time."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base URLs (`http://127.0.0.1:8080`, no trailing slash) of one lab, and the names its verdicts carry."""

    traffic: str
    admin: str
    """Empty where the balancer has no admin API of ours."""
    chaos: str
    chaos_token: str = field(repr=False)
    runtime: str
    """`docker` or `local`."""
    balancer: str = "reroute"
    balancer_pid: int = 0
    """Of the balancer's first process, where it is a process of this host; else 0."""
    balancer_log: str = ""
    """The file with what that process writes."""
    host: str = ""
    """The Host header of all requests through the balancer; empty: its address."""
    admin_token: str = field(default="", repr=False)
    """For changes through the admin API; empty where it is not needed, or not known."""
    levers: Levers | None = field(default=None, repr=False, compare=False)
