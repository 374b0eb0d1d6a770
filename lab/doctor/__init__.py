"""What this machine offers a lab. Every check only looks, and gives up after a time-out."""

from __future__ import annotations

from .docker import docker_findings
from .findings import Finding, Level
from .host import host_findings
from .kernel_features import kernel_findings

__all__ = ["Finding", "Level", "examine", "usable"]


def examine() -> list[Finding]:
    """Every finding, in the order in which to read them."""
    return [*host_findings(), *docker_findings(), *kernel_findings()]


def usable(findings: list[Finding]) -> dict[str, bool]:
    """Which runtimes can work: a runtime needs all that names it as needed."""
    lacking = {need for finding in findings if finding.level is Level.MISSING for need in finding.needed_by}
    return {runtime: runtime not in lacking for runtime in ("local", "docker")}
