"""Checks what the kernel offers for link faults and containers. Modules are searched for, never loaded."""

from __future__ import annotations

import gzip
import platform
import sys
from pathlib import Path

from .findings import Finding, good, less

CGROUPS = Path("/sys/fs/cgroup")


def kernel_findings() -> list[Finding]:
    """Return the findings of this module.

    On other systems than Linux, containers run in a kernel that cannot be examined.
    """
    if sys.platform != "linux":
        return [less("kernel", platform.system(), "link faults in containers depend on Docker's own kernel")]
    return [netem(), nfqueue(), cgroups()]


def netem() -> Finding:
    """Check for the queueing discipline that delays and drops packets."""
    if has_feature("CONFIG_NET_SCH_NETEM", "sch_netem"):
        return good("netem", "sch_netem")
    costs = "link faults in containers use nfqueue instead: same effect, some CPU"
    return less("netem", "this kernel has no sch_netem", costs, "a stock distribution kernel (linux-image-cloud-amd64)")


def nfqueue() -> Finding:
    """Check for packet queues to user space, the second mechanism for link faults."""
    if has_feature("CONFIG_NETFILTER_NETLINK_QUEUE", "nfnetlink_queue"):
        return good("nfqueue", "nfnetlink_queue")
    return less("nfqueue", "this kernel has no nfnetlink_queue", "no link faults in containers if netem is missing too")


def cgroups() -> Finding:
    """Check the version of control groups. In version 2, a paused container can be killed."""
    if (CGROUPS / "cgroup.controllers").exists():
        return good("cgroups", "version 2")
    if CGROUPS.exists():
        return less(
            "cgroups", "version 1", "a paused container must be thawed before it can be killed; the lab does that"
        )
    return less("cgroups", "not mounted", "runtime docker needs them")


def has_feature(option: str, module: str) -> bool:
    """Return whether the running kernel has a feature, built in or as a module.

    Read from its configuration, or else from the list of modules.
    """
    release = platform.release()
    for path in (Path("/proc/config.gz"), Path(f"/boot/config-{release}")):
        text = _read(path)
        if text is not None:
            return f"{option}=y" in text or f"{option}=m" in text
    modules = Path("/lib/modules") / release
    listed = [_read(modules / name) or "" for name in ("modules.builtin", "modules.dep")]
    return any(f"/{module}.ko" in text for text in listed) or Path(f"/sys/module/{module}").exists()


def _read(path: Path) -> str | None:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="replace")
    except (OSError, EOFError):
        return None
