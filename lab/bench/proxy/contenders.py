"""Who takes part: every balancer that the lab has an adapter for, our compiled build, and a plain aiohttp proxy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from ...balancers import ADAPTERS
from ...balancers.adapter import Adapter, BaseAdapter, Command, Program, Quirk
from ...balancers.rendering import health_url
from ...balancers.requirements import Address, Backend, ProxySpec
from ...balancers.reroute import Reroute
from ...balancers.running import MissingProgramError, Running, running
from ...errors import BadArgumentsError, EnvironmentProblemError
from ...processes.launch import words
from ...runtime.ports import LOOPBACK, free_ports


class AiohttpProxy(BaseAdapter):
    """The plain proxy, driven like a balancer."""

    name = "aiohttp"

    def find(self) -> Program:
        """This Python: aiohttp is one of the lab's own dependencies."""
        return Program(words("lab.bench.proxy.aiohttp_proxy"))

    def version(self, program: Program) -> str:
        """aiohttp's."""
        return version("aiohttp")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """It has no configuration file."""
        return ()

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Everything is in its arguments."""
        backends = [str(backend.address) for backend in spec.backends]
        return Command((*program.argv, "--listen", str(spec.listen), *backends))

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Traffic flows."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """It forwards, and that is all."""
        return (Quirk("health checks, retries, metrics", "it has none"),)


BASELINE = "haproxy"
"""What the others are compared with."""
_EXTRA: tuple[Adapter, ...] = (Reroute("reroute-mypyc", Path("build/compiled")), AiohttpProxy())
ALL: dict[str, Adapter] = {**ADAPTERS, **{adapter.name: adapter for adapter in _EXTRA}}
"""Beside the league's, our own build by `make compiled`, and what an ordinary aiohttp program would cost."""


@dataclass(slots=True)
class Field:
    """Those who run, and why the others do not."""

    running: list[Running] = field(default_factory=list)
    absent: dict[str, EnvironmentProblemError] = field(default_factory=dict)


def chosen(names: Sequence[str]) -> list[Adapter]:
    """The contenders of those names; all where none is named. Raises `BadArgumentsError`."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        raise BadArgumentsError(f"no contender is called {unknown[0]!r}", f"choose from {', '.join(ALL)}")
    return [ALL[name] for name in names or ALL]


async def start(
    adapters: Sequence[Adapter],
    backends: tuple[Backend, ...],
    workdir: Path,
    cores: Collection[int],
    stack: AsyncExitStack,
) -> Field:
    """Start all of them in the matched setting; `stack` stops them. One that does not start is told, not raised."""
    field_of = Field()
    ports = free_ports()
    for adapter in adapters:
        listen, admin = (Address(LOOPBACK, port) for port in islice(ports, 2))
        folder = workdir / adapter.name
        folder.mkdir()
        spec = ProxySpec(listen, admin, backends)
        try:
            field_of.running.append(await stack.enter_async_context(running(adapter, spec, folder, cores=cores)))
        except EnvironmentProblemError as error:
            field_of.absent[adapter.name] = error
    return field_of


def why(error: EnvironmentProblemError) -> str:
    """One line: what is wrong, and what mends it."""
    if isinstance(error, MissingProgramError):
        return f"not installed: {error.next_step}"
    return " · ".join([str(error), *error.details[-2:]])
