"""CPU and memory of a process with children, from a /proc made of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.processes.usage import cpu_seconds, cpu_times, family, resident_bytes


def process(proc: Path, pid: int, parent: int, threads: dict[int, int], pages: int = 10, name: str = "lb") -> None:
    """`threads`: nanoseconds on a CPU by thread id."""
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0 -1")
    (folder / "statm").write_text(f"999 {pages} 5 1 0 50 0\n")
    for thread, nanoseconds in threads.items():
        task = folder / "task" / str(thread)
        task.mkdir(parents=True, exist_ok=True)
        (task / "schedstat").write_text(f"{nanoseconds} 777 3\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A master (10), its worker (11), the worker's helper (12), and a stranger (20)."""
    process(tmp_path, 10, 1, {10: 1_000_000_000})
    process(tmp_path, 11, 10, {11: 2_000_000_000, 13: 500_000_000}, pages=20, name="a (strange) name")
    process(tmp_path, 12, 11, {12: 0}, pages=30)
    process(tmp_path, 20, 1, {20: 9_000_000_000})
    (tmp_path / "self").mkdir()
    return tmp_path


def test_the_family_is_the_process_and_all_its_descendants(proc: Path) -> None:
    assert family(10, proc) == {10, 11, 12}
    assert family(11, proc) == {11, 12}


def test_cpu_time_is_that_of_all_threads_of_the_family(proc: Path) -> None:
    before = cpu_times(10, proc)
    process(proc, 10, 1, {10: 1_250_000_000})
    process(proc, 11, 10, {11: 3_000_000_000, 13: 500_000_000})
    process(proc, 20, 1, {20: 99_000_000_000})
    assert cpu_seconds(before, cpu_times(10, proc)) == pytest.approx(1.25)


def test_a_thread_born_in_between_counts_from_its_birth_and_one_that_ended_never_counts_against(proc: Path) -> None:
    before = cpu_times(10, proc)
    (proc / "11" / "task" / "13" / "schedstat").unlink()
    (proc / "11" / "task" / "13").rmdir()
    process(proc, 11, 10, {14: 300_000_000})
    assert cpu_seconds(before, cpu_times(10, proc)) == pytest.approx(0.3)


def test_memory_is_that_of_the_whole_family(proc: Path) -> None:
    assert resident_bytes(10, proc) == 60 * os.sysconf("SC_PAGE_SIZE")


def test_one_that_ended_meanwhile_is_left_out(proc: Path) -> None:
    (proc / "12" / "statm").unlink()
    assert resident_bytes(10, proc) == 30 * os.sysconf("SC_PAGE_SIZE")
    assert cpu_times(4711, proc) == {}
