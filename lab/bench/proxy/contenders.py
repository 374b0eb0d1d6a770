"""The contenders: every balancer with an adapter, our compiled build, and a plain aiohttp proxy."""

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
    """Adapter of the plain proxy."""

    name = "aiohttp"

    def find(self) -> Program:
        """Return the command in this Python; aiohttp is a dependency of the lab."""
        return Program(words("lab.bench.proxy.aiohttp_proxy"))

    def version(self, program: Program) -> str:
        """Return the version of aiohttp."""
        return version("aiohttp")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Return no files: it has no configuration."""
        return ()

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command line, which has all settings."""
        backends = [str(backend.address) for backend in spec.backends]
        return Command((*program.argv, "--listen", str(spec.listen), *backends))

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return the URL that answers once it forwards requests."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return what it lacks."""
        return (Quirk("health checks, retries, metrics", "it has none"),)


BASELINE = "haproxy"
"""The contender to which ratios refer."""
_EXTRA: tuple[Adapter, ...] = (Reroute("reroute-mypyc", Path("build/compiled")), AiohttpProxy())
ALL: dict[str, Adapter] = {**ADAPTERS, **{adapter.name: adapter for adapter in _EXTRA}}
"""Name → adapter: those of the lab, our build by `make compiled`, and the plain aiohttp proxy."""


@dataclass(slots=True)
class Field:
    """The running contenders, and the errors of those that did not start."""

    running: list[Running] = field(default_factory=list)
    absent: dict[str, EnvironmentProblemError] = field(default_factory=dict)


def chosen(names: Sequence[str]) -> list[Adapter]:
    """Return the contenders of these names, or all if none is named. Raise `BadArgumentsError`."""
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
    """Start the contenders in the matched setting; `stack` stops them. The result also has those that failed."""
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
    """Return the problem and the next step in one line."""
    if isinstance(error, MissingProgramError):
        return f"not installed: {error.next_step}"
    return " · ".join([str(error), *error.details[-2:]])
