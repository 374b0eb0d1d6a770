"""The whole benchmark.

The contender under test has one core; load and backends have the others. All contenders run from beginning to end, and
rounds are interleaved, so that other load on the machine affects all equally. CPU time is the time that the kernel
charged to the contender's threads. Requests are counted if the load generator received a good response.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...balancers.running import Running
from ...errors import EnvironmentProblemError
from ...processes.usage import cpu_seconds, cpu_times
from . import closed_loop_wrk, contenders, idle
from .backends import backends
from .closed_loop import Generator, Shape
from .closed_loop_own import OwnGenerator
from .closed_loop_wrk import Wrk
from .result import Entrant, Report, Sample, usable

WARM_UP = Shape(64)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """The extent of a benchmark."""

    contenders: tuple[str, ...] = ()
    """Names of contenders; empty means all."""
    shapes: tuple[Shape, ...] = (Shape(1), Shape(64), Shape(512), Shape(64, 16 * 1024, 64 * 1024))
    rounds: int = 5
    seconds: int = 2
    """Duration of each load in each round."""
    idle: int = 5000
    """Idle connections to open; 0 skips the measurement."""


QUICK = Settings(shapes=(Shape(64),), rounds=3, seconds=1, idle=1000)
"""Settings that take less than a minute for all contenders."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores of the contender under test, and of everything else; empty if nothing is pinned."""

    contender: frozenset[int]
    others: frozenset[int]


def shapes(connections: Sequence[int], bodies: Sequence[tuple[int, int]], base: Sequence[Shape]) -> tuple[Shape, ...]:
    """Return the loads: each number of connections with the first pair of sizes, other pairs with the middle number.

    Values that are not given come from `base`.
    """
    connections = connections or list(dict.fromkeys(shape.connections for shape in base))
    first, *rest = bodies or list(dict.fromkeys((shape.sends, shape.receives) for shape in base))
    middle = sorted(connections)[len(connections) // 2]
    return (*(Shape(count, *first) for count in connections), *(Shape(middle, *pair) for pair in rest))


async def bench(settings: Settings, say: Say) -> Report:
    """Run the benchmark.

    Raise `EnvironmentProblemError` if this machine cannot run it, `BadArgumentsError` for unknown names.
    """
    adapters = contenders.chosen(settings.contenders)
    cores, machine = divide_cores(), _machine()
    idle.raise_file_limit()
    async with AsyncExitStack() as stack:
        workdir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-proxy-")))
        stack.enter_context(_pinned(cores.others))
        sizes = {shape.receives for shape in (*settings.shapes, WARM_UP)}
        behind = await stack.enter_async_context(backends(sizes, workdir, cores.others))
        say(f"starting {', '.join(adapter.name for adapter in adapters)}")
        field = await contenders.start(adapters, behind.members, workdir, cores.contender, stack)
        if not field.running:
            raise EnvironmentProblemError(
                "no contender starts on this machine", "", tuple(map(contenders.why, field.absent.values()))
            )
        generator = _generator(workdir, cores)
        report = _empty_report(settings, machine, generator, behind.kind)
        await _measure_idle(field.running, settings.idle, generator, report, say)
        await _measure_load(field.running, settings, generator, report, say)
        report.entrants = _entrants([adapter.name for adapter in adapters], field)
        return report


def divide_cores() -> Cores:
    """Return the first core for the contender, the rest for others. Raise `EnvironmentProblemError` without Linux."""
    if not hasattr(os, "sched_getaffinity"):
        raise EnvironmentProblemError("lab bench proxy needs Linux: it reads CPU times from /proc", "run it in Linux")
    first, *rest = sorted(os.sched_getaffinity(0))
    if not rest:
        return Cores(frozenset(), frozenset())
    return Cores(frozenset({first}), frozenset(rest))


async def _measure_idle(field: Sequence[Running], count: int, generator: Generator, report: Report, say: Say) -> None:
    """Measure memory before any load, while heaps are small, but after a short warm-up that fills caches."""
    for contender in field:
        say(f"{contender.adapter.name}: warm-up" + (f", {count} idle connections" if count else ""))
        await generator.run(_url(contender), WARM_UP, 1)
        if count:
            with contextlib.suppress(OSError):  # no row in the table: it refused connections
                report.idle[contender.adapter.name] = await asyncio.to_thread(
                    idle.measure, contender.pid, contender.spec.listen, count
                )


async def _measure_load(
    field: Sequence[Running], settings: Settings, generator: Generator, report: Report, say: Say
) -> None:
    for number in range(settings.rounds):
        for shape in settings.shapes:
            for contender in rotated(field, number):
                say(f"round {number + 1} of {settings.rounds}: {contender.adapter.name}, {shape}")
                if contender.alive:
                    sample = await _sample(contender, shape, number, settings.seconds, generator)
                    report.samples += usable([sample])


async def _sample(contender: Running, shape: Shape, number: int, seconds: int, generator: Generator) -> Sample:
    before = cpu_times(contender.pid)
    loaded = await generator.run(_url(contender), shape, seconds)
    cpu_s = cpu_seconds(before, cpu_times(contender.pid))
    return Sample(contender.adapter.name, shape, number, cpu_s, loaded)


def rotated(field: Sequence[Running], number: int) -> Sequence[Running]:
    """Return the contenders with a different one first in each round, so that disturbances affect all equally."""
    start = number % len(field)
    return [*field[start:], *field[:start]]


def _entrants(names: Sequence[str], field: contenders.Field) -> list[Entrant]:
    started = {contender.adapter.name: contender for contender in field.running}
    return [
        Entrant(name, started[name].version, _end(started[name]))
        if name in started
        else Entrant(name, None, contenders.why(field.absent[name]))
        for name in names
    ]


def _end(contender: Running) -> str | None:
    if contender.alive:
        return None
    return " · ".join([f"died with code {contender.process.returncode}", *contender.log_tail(2)])


def _generator(workdir: Path, cores: Cores) -> Generator:
    program = closed_loop_wrk.find()
    return Wrk(program, workdir, cores.others) if program else OwnGenerator(workdir, cores.others)


def _empty_report(settings: Settings, machine: dict[str, str], generator: Generator, behind: str) -> Report:
    return Report(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(["lab", *sys.argv[1:]]),
        machine=machine,
        generator=generator.name,
        backends=behind,
        baseline=contenders.BASELINE,
        seconds=settings.seconds,
        rounds=settings.rounds,
    )


def _machine() -> dict[str, str]:
    model = "unknown"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f} before the run",
    }


def _url(contender: Running) -> str:
    return f"http://{contender.spec.listen}"


@contextlib.contextmanager
def _pinned(cores: frozenset[int]) -> Iterator[None]:
    """Keep this process off the contender's core inside the block."""
    before = os.sched_getaffinity(0)
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
