"""Parts that the configuration chooses: where backends come from, how they are checked, what ties clients to them."""

from __future__ import annotations

from lb.config import Config
from lb.core.affinity import StickyCookie
from lb.core.settings import HealthSettings
from lb.discovery import Source
from lb.discovery.config import DnsDiscovery, FileDiscovery, StaticDiscovery
from lb.discovery.dns import DnsSource
from lb.discovery.file import FileSource
from lb.discovery.static import StaticSource
from lb.http_probe import HttpProbe
from lb.proxy.affinity import Stickiness
from lb.tcp_probe import TcpProbe


def stickiness_of(config: Config) -> Stickiness | None:
    """The sticky cookie that the configuration asks for."""
    sticky = config.sticky
    if sticky is None:
        return None
    secrets = [secret.get_secret_value().encode() for secret in sticky.secrets]
    return Stickiness(StickyCookie(sticky.cookie, secrets), ttl=sticky.ttl, secure=sticky.secure)


def probe_of(settings: HealthSettings) -> HttpProbe | TcpProbe:
    """How backends are checked."""
    return TcpProbe(settings.timeout) if settings.kind == "tcp" else HttpProbe(settings)


def source_of(config: Config) -> Source:
    """The source of backends that the configuration names."""
    match config.discovery:
        case StaticDiscovery(backends=backends):
            return StaticSource(backends)
        case DnsDiscovery(name=name, port=port, interval=interval, timeout=timeout):
            return DnsSource(name, port, interval, timeout)
        case FileDiscovery(path=path, interval=interval):
            return FileSource(path, interval)
