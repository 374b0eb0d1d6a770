"""Controls a Docker lab during a run (balancer, number of backends), by Compose and the engine."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ..errors import EnvironmentProblemError
from .docker_cli import docker

_STOP_S: Final = 12
"""The balancer's own grace period in seconds, as in compose.yaml."""
_SCALE_WITHIN_S: Final = 60.0


class Compose(Protocol):
    """Calls Compose for one project."""

    def __call__(
        self, *arguments: str, timeout_s: float = 30.0, override: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command. `override` is an additional compose file."""


@dataclass(frozen=True, slots=True)
class DockerRuntimeControl:
    """Runtime control of one compose project."""

    compose: Compose

    async def scale(self, count: int) -> None:
        """Change the number of containers; existing ones are not recreated. The balancer follows DNS."""
        arguments = ("up", "--detach", "--no-build", "--no-recreate", "--no-deps", "--scale", f"api={count}", "api")
        await self._compose(*arguments)

    async def stop_balancer(self, *, kill: bool) -> None:
        """Stop the container by the engine; Compose would wait longer."""
        how = ["kill"] if kill else ["stop", "--time", str(_STOP_S)]
        await self._docker([*how, await self._balancer()])

    async def start_balancer(self) -> None:
        """Start the container. The engine reports no error if it already runs."""
        await self._docker(["start", await self._balancer()])

    async def configure_balancer(self, environment: Mapping[str, str]) -> None:
        """Recreate the container from compose.yaml and an override file with the variables.

        The caller waits for the balancer's own answer, which comes seconds before Docker's next health check.
        """
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            override = Path(folder) / "override.json"
            override.write_text(json.dumps({"services": {"lb": {"environment": dict(environment)}}}))
            arguments = ("up", "--detach", "--no-build", "--no-deps", "lb")
            await self._compose(*arguments, override=override if environment else None)

    async def _balancer(self) -> str:
        found = (await self._compose("ps", "--all", "--quiet", "lb")).split()
        if not found:
            raise EnvironmentProblemError("the project has no container of the balancer")
        return found[0]

    async def _compose(self, *arguments: str, override: Path | None = None) -> str:
        result = await asyncio.to_thread(self.compose, *arguments, timeout_s=_SCALE_WITHIN_S, override=override)
        if result.returncode != 0:
            lines = result.stderr.strip().splitlines() or ["no reason given"]
            raise EnvironmentProblemError(f"docker compose {arguments[0]} failed: {lines[-1]}")
        return result.stdout

    async def _docker(self, arguments: list[str]) -> None:
        result = await asyncio.to_thread(docker, arguments, timeout_s=_STOP_S + 10.0)
        if result.returncode != 0:
            raise EnvironmentProblemError(f"docker {arguments[0]} of the balancer failed: {result.stderr.strip()}")
