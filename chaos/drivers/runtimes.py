"""Which runtime the settings name. Docker's SDK is imported only where it is used: it costs a local start 0.2 s."""

from __future__ import annotations

from chaos.drivers.targets import Runtime
from chaos.inputs.settings import Settings


def open_runtime(settings: Settings) -> Runtime:
    """The runtime's driver; it connects when it is first asked."""
    if settings.runtime == "local":
        from chaos.drivers.process_targets import LocalRuntime
        from chaos.drivers.supervisor_client import Supervisor

        return LocalRuntime(Supervisor(settings.supervisor, settings.supervisor_token))
    from chaos.drivers.docker_targets import DockerRuntime

    return DockerRuntime(settings)
