"""Adapter of HAProxy."""

from __future__ import annotations

from pathlib import Path

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import HaproxyFiles

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
    """`haproxy`, from Debian."""

    name = "haproxy"
    own_files = HaproxyFiles()
    tuning = (
        Tuning("mark a server down after three errors in a row of live traffic, not five", f"{_DOCS}#5.2-error-limit"),
        Tuning("close the sessions of a server that went down", f"{_DOCS}#5.2-on-marked-down"),
        Tuning("retry everything that is safe to retry", f"{_DOCS}#4.2-retry-on"),
    )

    def find(self) -> Program | Missing:
        """`haproxy`."""
        return programs.find("haproxy", "apt-get install haproxy")

    def version(self, program: Program) -> str:
        """As in `HAProxy version 2.6.12`."""
        return programs.version(program, "-v")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """One file."""
        return (write(HERE, workdir, _FILE, spec, policy=policy_or_round_robin(spec, _POLICIES)),)

    def check(self, program: Program, workdir: Path) -> Command:
        """`-c` parses and resolves everything."""
        return Command((*program.argv, "-c", "-f", str(workdir / _FILE)))

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """`-db`: stay in the foreground, without a master process."""
        return Command((*program.argv, "-db", "-f", str(workdir / _FILE)))

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Servers are up until a check says otherwise, so answering is all there is to wait for."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """What it cannot say."""
        if not spec.ours:
            return (
                Quirk("time-outs", "it ships with none: those of Debian's default file (5 s, 50 s, 50 s)"),
                Quirk("active checks", "as shipped every 2 s, three failures take a server out"),
            )
        return (
            Quirk("per-try time-out", "`timeout server` also ends a response that pauses for as long"),
            Quirk("total time-out", "none over all attempts: per-try time-out × attempts is the limit"),
            Quirk("retry budget", "retries are limited per request only, so they multiply load when all is slow"),
            Quirk("hedging", "a request waits for its one server until the per-try time-out"),
            Quirk("retries elsewhere", "a retry avoids the server that was tried last, and no earlier one"),
            Quirk("checks that say no", "count towards `fall` like silent ones, where Reroute believes one"),
            Quirk("check time-out", "`timeout check` begins when the check is connected: connecting has its own time"),
            Quirk("failures", "of a request that is tried again only the last attempt counts against its server"),
            Quirk("ejection", "a server that live traffic took out comes back by its checks, not after a time"),
            *policy_quirks(spec, _POLICIES),
        )
