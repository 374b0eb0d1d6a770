"""Addresses and properties of a running lab, which a runtime returns when it has started the lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from .identification import DEFAULT, Identification
from .tls import client_context
from .traffic_target import TrafficTarget, name_of


class RuntimeControl(Protocol):
    """Operations of a runtime on the balancer and the number of backends. The chaos service does not offer them.

    Each method raises EnvironmentProblemError if it fails.
    """

    async def scale(self, count: int) -> None:
        """Run `count` backends and update the balancer. The newest leave first, after the balancer has drained them."""

    async def stop_balancer(self, *, kill: bool) -> None:
        """Stop the balancer with SIGKILL, or with SIGTERM and a grace period. Return when its process has ended."""

    async def start_balancer(self) -> None:
        """Start the balancer again; do nothing if it runs."""

    async def configure_balancer(self, environment: Mapping[str, str]) -> None:
        """Restart the balancer with its usual environment variables and these, but without those of the last call."""


class Operations(Protocol):
    """What the operator of any balancer does: backends come and go, and the balancer is told of it in its own way.

    Each method raises EnvironmentProblemError if it fails.
    """

    async def start_backend(self) -> str:
        """Start a backend with a new address; return its name when it is ready. The balancer is not told."""

    async def stop_backend(self, name: str) -> None:
        """Send SIGTERM; return when its requests are complete and it has ended. The balancer is not told."""

    async def add(self, name: str) -> None:
        """Tell the balancer to use a backend that was started."""

    async def replace(self, old: str, new: str) -> None:
        """Tell the balancer to use `new` in place of `old`."""

    async def remove(self, name: str) -> None:
        """Tell the balancer to stop using a backend."""

    async def reload(self) -> None:
        """Let the balancer load its configuration again."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base URLs (such as `http://127.0.0.1:8080`, without a trailing slash) and properties of one lab."""

    traffic: str
    """URL of the traffic port, `http://` or `https://`. If it has a path, the path of every request through it begins
    with that. Its address must be on loopback, or one of `permitted`."""
    admin: str
    """Base URL of the admin API; empty if the balancer does not have Reroute's."""
    chaos: str
    chaos_token: str = field(repr=False)
    runtime: str
    """`docker` or `local`."""
    balancer: str = "reroute"
    """Name of the balancer in verdicts."""
    balancer_pid: int = 0
    """Process id of the balancer's first process if it runs on this host, else 0."""
    balancer_log: str = ""
    """Path of the log file of that process."""
    host: str = ""
    """Host header of all requests through the balancer; if empty, the balancer's address is used. Its name is also the
    server name in TLS."""
    admin_token: str = field(default="", repr=False)
    """Bearer token for changes through the admin API; empty if none is needed or known."""
    identification: Identification = DEFAULT
    """Where a response names its backend."""
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Value in a response → name of the target that it means. Without an entry, a value is matched as
    `lab.identity.known_names` says."""
    question: str = "/whoami"
    """Path of the request that is sent through a balancer without an admin API, to see which backends it uses."""
    question_statuses: tuple[str, ...] = ("200",)
    """Statuses of a good answer to that question, or classes such as `2xx`; empty: all below 400."""
    permitted: tuple[str, ...] = ()
    """IP addresses besides loopback to which requests may be sent: those of containers of this lab."""
    ca_file: str = ""
    """PEM file of the CAs that may have issued the certificate of an `https://` traffic port; if empty, the CAs of this
    machine."""
    bounds: tuple[Mapping[str, Any], ...] = ()
    """Bounds of a balancer without an admin API, as `GET /bounds` would answer; empty if they are not known."""
    runtime_control: RuntimeControl | None = field(default=None, repr=False, compare=False)
    """Operations on the balancer and the backends; None if this lab's runtime does not offer them."""
    operations: Operations | None = field(default=None, repr=False, compare=False)
    """Deploys and reloads; None if this lab's balancer has no operator (`lab.balancers.operating`)."""

    def target(self) -> TrafficTarget:
        """Return the address of the traffic port. Raise BadArgumentsError if no request may be sent to it."""
        return TrafficTarget.resolve(self.traffic, self.host, self.permitted)

    def traffic_options(self) -> dict[str, Any]:
        """Return the keyword arguments of each call of an aiohttp session to the traffic port.

        Raise BadArgumentsError if `ca_file` cannot be used.
        """
        options: dict[str, Any] = {"allow_redirects": False}
        if self.traffic.startswith("https:"):
            name = name_of(self.host) or urlsplit(self.traffic).hostname
            options |= {"ssl": client_context(self.ca_file), "server_hostname": name}
        return options

    def pinned(self) -> Endpoints:
        """Return these endpoints with the address of the traffic port in place of its name.

        Raise BadArgumentsError if no request may be sent to it.
        """
        target = self.target()
        return replace(self, traffic=target.url, host=target.host)
