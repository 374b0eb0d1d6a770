"""Where a running lab can be reached; what a runtime answers and an experiment needs."""

from __future__ import annotations

from dataclasses import dataclass, field


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
