"""Which runtime the settings name. Docker's SDK is imported only where it is used: it costs a local start 0.2 s."""

from __future__ import annotations

from ..inputs.settings import Settings
from .targets import Runtime


def open_runtime(settings: Settings) -> Runtime:
    """The runtime's driver; it connects when it is first asked."""
    if settings.runtime == "local":
        from .process_targets import LocalRuntime
        from .supervisor_client import Supervisor

        supervisor = Supervisor(settings.supervisor, settings.supervisor_token, settings.relay_token)
        return LocalRuntime(supervisor, settings.order_token)
    from .docker_targets import DockerRuntime

    return DockerRuntime(settings)
