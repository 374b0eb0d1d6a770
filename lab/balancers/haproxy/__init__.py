"""Adapter of HAProxy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, milliseconds, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import HaproxyFiles

if TYPE_CHECKING:
    from ..operating import Operated, Operator

_FILE = "haproxy.cfg"
HERE = Path(__file__).parent
_POLICIES = {
    "round_robin": "roundrobin",
    "least_requests": "leastconn",
    "p2c": "random(2)",
    "random": "random(1)",
}
_DOCS = "https://docs.haproxy.org/2.6/configuration.html"


class Haproxy:
    """Runs `haproxy`, from Debian."""

    name = "haproxy"
    own_files = HaproxyFiles()
    tuning = (
        Tuning("mark a server down after three errors in a row of live traffic, not five", f"{_DOCS}#5.2-error-limit"),
        Tuning("close the sessions of a server that went down", f"{_DOCS}#5.2-on-marked-down"),
        Tuning("retry everything that is safe to retry", f"{_DOCS}#4.2-retry-on"),
    )

    def find(self) -> Program | Missing:
        """Return the installed `haproxy`, or how to install it."""
        return programs.find("haproxy", "apt-get install haproxy")

    def version(self, program: Program) -> str:
        """Return the version number in output such as `HAProxy version 2.6.12`."""
        return programs.version(program, "-v")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write one configuration file."""
        policy = policy_or_round_robin(spec, _POLICIES)
        return (write(HERE, workdir, _FILE, spec, policy=policy, server_options=server_options(spec)),)

    def check(self, program: Program, workdir: Path) -> Command:
        """Return `haproxy -c`, which parses the file and resolves all names."""
        return Command((*program.argv, "-c", "-f", str(workdir / _FILE)))

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command with a master process, which reloads without losing a connection, in the foreground."""
        return Command((*program.argv, "-W", "-db", "-f", str(workdir / _FILE)))

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return the health URL. Servers count as up until a check fails."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return what HAProxy cannot express."""
        if not spec.ours:
            return (
                Quirk("time-outs", "none as shipped; those of Debian's default file are used (5 s, 50 s, 50 s)"),
                Quirk("active checks", "as shipped every 2 s; three failures take a server out"),
            )
        return (
            Quirk("per-try time-out", "`timeout server` also ends a response that pauses for that long"),
            Quirk("total time-out", "none over all attempts: per-try time-out × attempts is the limit"),
            Quirk("retry budget", "retries are limited per request only; they multiply the load if all is slow"),
            Quirk("hedging", "a request stays on its one server until the per-try time-out"),
            Quirk("retries elsewhere", "a retry avoids only the server of the last attempt"),
            Quirk("failing responses", "count towards `fall` like time-outs; one is enough for Reroute"),
            Quirk("check time-out", "`timeout check` begins after connecting, which has a time-out of its own"),
            Quirk("failures", "if a request is retried, only its last attempt counts against the server"),
            Quirk("ejection", "a server that live traffic took out returns through its checks, not after a time"),
            *policy_quirks(spec, _POLICIES),
        )

    def operator(self, running: Operated) -> Operator:
        """Return the operator of this program."""
        from .operator import HaproxyOperator

        return HaproxyOperator(running)


def server_options(spec: ProxySpec) -> str:
    """Return the options of each server line. Servers that are added at run time do not get the default ones."""
    if not spec.ours:
        return "check"
    health, interval = spec.health, milliseconds(spec.health.interval_s)
    return (
        f"check inter {interval} fastinter {milliseconds(health.fast_interval_s)} downinter {interval}"
        f" fall {health.fall} rise {health.rise}"
        f" observe layer7 error-limit {3 if spec.tuned else spec.passive.consecutive_failures} on-error mark-down"
        f"{' on-marked-down shutdown-sessions' if spec.tuned else ''}"
    )
