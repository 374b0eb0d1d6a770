"""Creates the driver of the configured runtime. Docker's SDK is imported only for Docker, because it takes 0.2 s."""

from __future__ import annotations

from ..inputs.settings import Settings
from .targets import Runtime


def open_runtime(settings: Settings) -> Runtime:
    """Return the driver of the runtime. It connects when it is first used."""
    match settings.runtime:
        case "local":
            from .process_targets import LocalRuntime
            from .supervisor_client import Supervisor

            supervisor = Supervisor(settings.supervisor, settings.supervisor_token, settings.relay_token)
            return LocalRuntime(supervisor, settings.order_token)
        case "docker":
            from .docker_runtime import DockerRuntime

            return DockerRuntime(settings)
