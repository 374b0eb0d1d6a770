"""Calls of Docker's SDK. Only this module and `container_limits` import `docker`.

The SDK blocks, so every call runs in a thread, with the client's time-out; its exceptions are translated here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import docker
import docker.errors

from ..errors import RuntimeUnavailableError, TargetGoneError

TIMEOUT_S = 10
T = TypeVar("T")


class DockerClient:
    """Calls Docker's SDK, which blocks, in threads."""

    def __init__(self) -> None:
        self._sdk: docker.DockerClient | None = None

    async def call(self, function: Callable[[docker.DockerClient], T]) -> T:
        """Call `function` with the SDK client in a thread.

        Raise TargetGoneError if the container does not exist, RuntimeUnavailableError for any other error of Docker.
        """
        return await asyncio.to_thread(self._translated, function)

    async def inspect(self, container: str) -> dict[str, Any]:
        """Return the output of `docker inspect` for this container."""
        return dict(await self.call(lambda sdk: sdk.api.inspect_container(container)))

    async def containers(self, *labels: str) -> list[dict[str, Any]]:
        """Return summaries of all containers, running or not, that carry all `labels`."""
        filters = {"label": list(labels)}
        return list(await self.call(lambda sdk: sdk.api.containers(all=True, filters=filters)))

    def close(self) -> None:
        """Close the connections to Docker."""
        if self._sdk is not None:
            self._sdk.close()

    def _translated(self, function: Callable[[docker.DockerClient], T]) -> T:
        try:
            if self._sdk is None:
                self._sdk = docker.from_env(timeout=TIMEOUT_S)
            return function(self._sdk)
        except docker.errors.NotFound as error:
            raise TargetGoneError(str(error.explanation or error)) from error
        except docker.errors.APIError as error:
            raise RuntimeUnavailableError(f"docker: {error.explanation or error}") from error
        except (docker.errors.DockerException, OSError) as error:  # requests' exceptions are OSErrors
            raise RuntimeUnavailableError(f"docker: {error}") from error
