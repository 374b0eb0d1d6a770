"""Changes the backends and the configuration of a running balancer, the way the operators of that program do it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from .adapter import Adapter
from .requirements import Backend, ProxySpec

CHANGED_BY_S: Final = 0.001
"""By how much a reload changes the connect time-out: some programs do nothing if no setting has changed."""


@dataclass(frozen=True, slots=True)
class Operated:
    """A running balancer whose files an adapter has rendered."""

    adapter: Adapter
    spec: ProxySpec
    workdir: Path
    pid: int
    """Process id of its first process."""


class Operator(Protocol):
    """What an operator does to one balancer. Each method returns as soon as the program has got the order.

    Raise `EnvironmentProblemError` if the program refuses it.
    """

    async def add(self, backend: Backend) -> None:
        """Use one more backend."""

    async def replace(self, old: str, new: Backend) -> None:
        """Use `new` in place of the backend with the id `old`, whose requests in flight may finish."""

    async def remove(self, old: str) -> None:
        """Stop using a backend. Its requests in flight may finish."""

    async def reload(self) -> None:
        """Load the configuration again, with one time-out changed."""


class FileOperator:
    """Writes the program's files anew for each change, and then tells the program."""

    files: tuple[str, ...] = ()
    """Names of the files that are replaced, each with one rename, so that the program never reads half of one."""

    def __init__(self, running: Operated) -> None:
        self.running = running
        self.spec = running.spec

    async def add(self, backend: Backend) -> None:
        """Write the files with one more backend."""
        await self._use((*self.spec.backends, backend))

    async def replace(self, old: str, new: Backend) -> None:
        """Write the files with the other backend in the same place."""
        await self._use(tuple(new if each.id == old else each for each in self.spec.backends))

    async def remove(self, old: str) -> None:
        """Write the files without the backend."""
        await self._use(tuple(each for each in self.spec.backends if each.id != old))

    async def reload(self) -> None:
        """Write the files with another connect time-out."""
        self.spec = changed(self.spec)
        self.write(*self.files)
        await self.activate()

    def write(self, *names: str) -> None:
        """Replace these files by ones that are rendered from the present specification."""
        with tempfile.TemporaryDirectory(prefix="new-", dir=self.running.workdir.parent) as folder:
            self.running.adapter.render(self.spec, Path(folder))
            for name in names:
                path = Path(folder) / name
                path.write_text(path.read_text("utf-8").replace(folder, str(self.running.workdir)), "utf-8")
                os.replace(path, self.running.workdir / name)

    async def activate(self) -> None:
        """Tell the program to read the files; nothing to do for one that watches them."""

    async def _use(self, backends: tuple[Backend, ...]) -> None:
        self.spec = replace(self.spec, backends=backends)
        self.write(*self.files)
        await self.activate()


def changed(spec: ProxySpec) -> ProxySpec:
    """Return the specification with another connect time-out."""
    connect_timeout_s = round(spec.retry.connect_timeout_s + CHANGED_BY_S, 3)
    return replace(spec, retry=replace(spec.retry, connect_timeout_s=connect_timeout_s))
