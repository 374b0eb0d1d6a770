"""What the supervisor's API asks for backends, without starting any."""

from __future__ import annotations

from lab.runtime.supervised_process import Process


class FakeBackends:
    """Scales and leaves without effect; a new backend is the process that it was given."""

    def __init__(self, new: Process | None = None) -> None:
        self._new = new

    async def scale(self, count: int) -> str:
        return ""

    async def start_backend(self) -> tuple[Process | None, str]:
        return self._new, "" if self._new else "nothing to start"

    async def leave(self, name: str, grace_s: float) -> None:
        pass
