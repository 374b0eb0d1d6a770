"""What the kernel offers to link faults and to containers. Looks only: modules are found, never loaded."""

from __future__ import annotations

import gzip
import platform
import sys
from pathlib import Path

from .findings import Finding, good, less

CGROUPS = Path("/sys/fs/cgroup")


def kernel_findings() -> list[Finding]:
    """Everything below; empty on systems other than Linux, where containers run in a kernel that we do not see."""
    if sys.platform != "linux":
        return [less("kernel", platform.system(), "link faults in containers depend on Docker's own kernel")]
    return [netem(), nfqueue(), cgroups()]


def netem() -> Finding:
    """The queueing discipline that delays and loses packets."""
    if has_feature("CONFIG_NET_SCH_NETEM", "sch_netem"):
        return good("netem", "sch_netem")
    costs = "link faults in containers use nfqueue instead: same effect, some CPU"
    return less("netem", "this kernel has no sch_netem", costs, "a stock distribution kernel (linux-image-cloud-amd64)")


def nfqueue() -> Finding:
    """Packet queues to user space, the second mechanism for link faults."""
    if has_feature("CONFIG_NETFILTER_NETLINK_QUEUE", "nfnetlink_queue"):
        return good("nfqueue", "nfnetlink_queue")
    return less("nfqueue", "this kernel has no nfnetlink_queue", "no link faults in containers where netem lacks, too")


def cgroups() -> Finding:
    """Version 2 has one hierarchy and a pause that survives a kill."""
    if (CGROUPS / "cgroup.controllers").exists():
        return good("cgroups", "version 2")
    if CGROUPS.exists():
        return less("cgroups", "version 1", "a paused container must be thawed before it can be killed: handled")
    return less("cgroups", "not mounted", "runtime docker needs them")


def has_feature(option: str, module: str) -> bool:
    """Built into the running kernel or there as a module: from its configuration, else from the list of modules."""
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
