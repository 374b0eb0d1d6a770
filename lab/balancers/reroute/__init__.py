"""Adapter of Reroute: a process that, like every other balancer, is used over HTTP only."""

from __future__ import annotations

import filecmp
import json
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...processes.launch import ROOT, words
from ...release import release
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, milliseconds
from ..requirements import ProxySpec
from .own import RerouteFiles

if TYPE_CHECKING:
    from ..operating import Operated, Operator

_FILE = "lb.yaml"
_DOCS = "docs/health.md#against-gray-faults"
_TUNED_PASSIVE = {
    "latency_factor": 3,
    "stall_ceiling": "100ms",
    "failure_window": 50,
    "failure_share": "8%",
}


class Reroute:
    """Runs `python -m lb`."""

    tuning = (
        Tuning("eject a backend that is three times slower than the others, from a mean of 100 ms on", _DOCS),
        Tuning("eject a backend that fails 8 % more often than the others, among 50 requests", _DOCS),
        Tuning("give a backend that comes up its full share only after 3 s", _DOCS),
    )
    own_files = RerouteFiles()

    def __init__(self, name: str = "reroute", build: Path | None = None) -> None:
        """`build`: folder of another build of the package `lb`, such as the compiled build of `make compiled`."""
        self.name = name
        self._build = build

    def find(self) -> Program | Missing:
        """Return this Python with the package `lb`. A build is found only if it was made from the present source."""
        ours = ROOT / "lb"
        if not ours.is_dir():
            return Missing("pip install reroute-lab")
        if self._build is None:
            return Program(words("lb"))
        if not _is_build_of(ours, self._build / "lb"):
            return Missing("make compiled")
        # -P: the current folder may contain the source, and must not come before PYTHONPATH.
        return Program((sys.executable, "-P", "-m", "lb"))

    def version(self, program: Program) -> str:
        """Return the version of the installed distribution; a source tree without one has none."""
        return release()

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write the configuration as JSON, which is valid YAML."""
        path = workdir / _FILE
        path.write_text(json.dumps(_minimum(spec) | (_settings(spec) if spec.ours else {}), indent=2) + "\n")
        return (path,)

    def check(self, program: Program, workdir: Path) -> Command:
        """Return the command that validates the file and exits."""
        return Command((*program.argv, "--config", str(workdir / _FILE), "--check"), self._environment())

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command, which runs in the foreground."""
        return Command((*program.argv, "--config", str(workdir / _FILE)), self._environment())

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return the URL that answers 200 once every backend is probed and one is usable, and the health URL."""
        return (f"http://{spec.admin}/readyz", health_url(spec))

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return a quirk for several threads, because this adapter starts one process."""
        if spec.threads == 1:
            return ()
        return (Quirk(f"{spec.threads} threads", "it serves from one process"),)

    def _environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self._build.resolve())} if self._build is not None else {}

    def operator(self, running: Operated) -> Operator:
        """Return the operator of this program."""
        from .operator import RerouteOperator

        return RerouteOperator(running)


def _is_build_of(source: Path, build: Path) -> bool:
    """Return whether the build has every module in its present state, compiled for this Python.

    Otherwise Python would run the source instead.
    """
    modules = [path.relative_to(source) for path in source.rglob("*.py")]
    compiled = any(build.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"))
    return compiled and not any(filecmp.cmpfiles(source, build, modules)[1:])


def _minimum(spec: ProxySpec) -> dict[str, Any]:
    return {
        "version": 1,
        "listen": str(spec.listen),
        "admin": {"listen": str(spec.admin)},
        "discovery": {
            "kind": "static",
            "backends": [{"id": backend.id, "address": str(backend.address)} for backend in spec.backends],
        },
    }


def _settings(spec: ProxySpec) -> dict[str, Any]:
    health, retry, passive = spec.health, spec.retry, spec.passive
    return {
        "policy": spec.policy,
        "health": {
            "path": health.path,
            "interval": milliseconds(health.interval_s),
            "fast_interval": milliseconds(health.fast_interval_s),
            "timeout": milliseconds(health.timeout_s),
            "fall": health.fall,
            "rise": health.rise,
        },
        "passive": {
            "consecutive_failures": passive.consecutive_failures,
            "base_ejection": milliseconds(passive.base_ejection_s),
            **(_TUNED_PASSIVE if spec.tuned else {}),
        },
        "slow_start": "3s" if spec.tuned else "0s",
        "retry": {
            "max_attempts": retry.max_attempts,
            "budget": f"{retry.budget_percent:g}%",
            "budget_min_per_s": retry.budget_min,
            "budget_window": milliseconds(retry.budget_window_s),
            "per_try_timeout": milliseconds(retry.per_try_timeout_s),
            "total_timeout": milliseconds(retry.total_timeout_s),
            "connect_timeout": milliseconds(retry.connect_timeout_s),
        },
    }
