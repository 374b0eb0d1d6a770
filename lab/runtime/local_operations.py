"""Operates a local lab during a run: backends that come and go, and a balancer that is told of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..balancers.operating import Operator
from ..balancers.requirements import Backend
from ..balancers.selection import address_of
from .local_control import call_supervisor
from .supervisor_handshake import Ready


@dataclass(slots=True)
class LocalOperations:
    """Operations on the local lab that `ready` describes, whose balancer `operator` changes."""

    ready: Ready
    operator: Operator
    _started: dict[str, Backend] = field(default_factory=dict)

    async def start_backend(self) -> str:
        """Start a backend with a new address; return its name when it is ready."""
        report = await call_supervisor(self.ready, "POST", "/backends/new")
        name = str(report["name"])
        self._started[name] = Backend(name, address_of(str(report["address"])))
        return name

    async def stop_backend(self, name: str) -> None:
        """Send SIGTERM; return when its requests are complete and it has ended."""
        await call_supervisor(self.ready, "DELETE", f"/backends/{name}")

    async def add(self, name: str) -> None:
        """Tell the balancer to use a backend that was started."""
        await self.operator.add(self._started[name])

    async def replace(self, old: str, new: str) -> None:
        """Tell the balancer to use `new` in place of `old`."""
        await self.operator.replace(old, self._started[new])

    async def remove(self, name: str) -> None:
        """Tell the balancer to stop using a backend."""
        await self.operator.remove(name)

    async def reload(self) -> None:
        """Let the balancer load its configuration again."""
        await self.operator.reload()
