"""Which runtime the settings name. Docker's SDK is imported only where it is used: it costs a local start 0.2 s."""

from __future__ import annotations

from chaos.settings import Settings
from chaos.targets import Runtime


def open_runtime(settings: Settings) -> Runtime:
    """The runtime's driver; it connects when it is first asked."""
    if settings.runtime == "local":
        from chaos.process_targets import LocalRuntime
        from chaos.supervisor import Supervisor

        return LocalRuntime(Supervisor(settings.supervisor, settings.supervisor_token))
    from chaos.docker_targets import DockerRuntime

    return DockerRuntime(settings)
