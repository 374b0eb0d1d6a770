"""CPU time and memory of a process and all its descendants, read from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
Threads = dict[tuple[int, int], int]
"""CPU time in nanoseconds by (process, thread)."""


def family(pid: int, proc: Path = PROC) -> set[int]:
    """Return the ids of the process and its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, unseen = set(), [pid]
    while unseen:
        current = unseen.pop()
        found.add(current)
        unseen += children.get(current, [])
    return found


def cpu_times(pid: int, proc: Path = PROC) -> Threads:
    """Return the first field of each thread's schedstat (the kernel's sched-stats.rst): exact, not sampled."""
    times: Threads = {}
    for member in family(pid, proc):
        try:
            for task in (proc / str(member) / "task").iterdir():
                times[member, int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
    return times


def cpu_seconds(before: Threads, after: Threads) -> float:
    """Return the CPU seconds between two readings. Threads that ended in between are not included."""
    return sum(time - before.get(thread, 0) for thread, time in after.items()) / 1e9


def resident_bytes(pid: int, proc: Path = PROC) -> int:
    """Return resident memory of the process and its descendants. Shared pages count several times: use differences."""
    page, total = os.sysconf("SC_PAGE_SIZE"), 0
    for member in family(pid, proc):
        try:
            total += int((proc / str(member) / "statm").read_text().split()[1]) * page
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def _parent(entry: Path) -> int | None:
    try:
        # The command name, in brackets, may itself contain spaces and brackets: search the last bracket.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
