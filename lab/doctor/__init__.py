"""Checks what this machine offers to a lab. No check changes anything, and each has a time-out."""

from __future__ import annotations

from ..runtime.selection import RuntimeName
from .docker import docker_findings
from .findings import Finding, Level
from .host import host_findings
from .kernel_features import kernel_findings

__all__ = ["Finding", "Level", "examine", "usable"]


def examine() -> list[Finding]:
    """Return all findings in the order in which to read them."""
    return [*host_findings(), *docker_findings(), *kernel_findings()]


def usable(findings: list[Finding]) -> dict[str, bool]:
    """Return which runtimes can work. A runtime cannot if a finding that it needs is missing."""
    lacking = {need for finding in findings if finding.level is Level.MISSING for need in finding.needed_by}
    return {name.value: name not in lacking for name in RuntimeName}
