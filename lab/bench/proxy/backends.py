"""Backends of the benchmark, the same for every contender: nginx if installed, else our own small server."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import aiohttp
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...balancers import adapter
from ...balancers.adapter import Command, Program
from ...balancers.requirements import Address, Backend
from ...balancers.running import spawn, stop, tail
from ...errors import EnvironmentProblemError
from ...processes.launch import words
from ...runtime.ports import LOOPBACK, free_ports

COUNT: Final = 3
TEMPLATES = Path(__file__).parents[1] / "templates"
_INLINE_UP_TO: Final = 1024
"""Largest inline body in bytes. Larger ones come from files: nginx accepts no word over 4 KiB in its configuration."""
_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Backends:
    """Running backends: several ports of one process."""

    kind: str
    members: tuple[Backend, ...]


@contextlib.asynccontextmanager
async def backends(sizes: Collection[int], workdir: Path, cores: Collection[int]) -> AsyncIterator[Backends]:
    """Serve `/health` and `/bytes/N` for each N of `sizes`. Raise `EnvironmentProblemError` if they do not start."""
    ports = list(islice(free_ports(), COUNT))
    nginx = adapter("nginx").find()
    kind = "nginx" if isinstance(nginx, Program) else "lab.bench.proxy.backend_server"
    command = _nginx(nginx, ports, sizes, workdir) if isinstance(nginx, Program) else _own(ports)
    log = workdir / "backends.log"
    process = await spawn(command, log, cores)
    try:
        for port in ports:
            await _answering(process, f"http://{LOOPBACK}:{port}/health", log)
        yield Backends(kind, tuple(Backend(f"b{n}", Address(LOOPBACK, p)) for n, p in enumerate(ports, 1)))
    finally:
        await stop(process)


def _own(ports: list[int]) -> Command:
    return Command(words("lab.bench.proxy.backend_server", LOOPBACK, *map(str, ports)))


def _nginx(program: Program, ports: list[int], sizes: Collection[int], workdir: Path) -> Command:
    for size in sizes:
        (workdir / f"{size}.bin").write_bytes(b"x" * size)
    templates = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True)
    path = workdir / "backends.conf"
    path.write_text(
        templates.get_template("proxy-backends.conf.j2").render(
            host=LOOPBACK,
            ports=ports,
            sizes=sorted(sizes),
            inline_up_to=_INLINE_UP_TO,
            folder=workdir,
            user=getpass.getuser() if os.geteuid() == 0 else "",
        )
    )
    return Command((*program.argv, "-p", str(workdir), "-c", str(path), "-e", "stderr"))


async def _answering(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    until = time.monotonic() + _DEADLINE_S
    async with aiohttp.ClientSession() as client:
        while process.returncode is None and time.monotonic() < until:
            with contextlib.suppress(aiohttp.ClientError):
                async with client.get(url, allow_redirects=False) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)
    raise EnvironmentProblemError("the backends of the benchmark did not start", f"read {log}", tail(log))
