"""Creates the source of backends that the configuration selects. A new source is added here."""

from __future__ import annotations

from ..config.discovery_settings import Discovery, DnsDiscovery, FileDiscovery, StaticDiscovery
from . import Source
from .dns import DnsSource
from .file import FileSource
from .static import StaticSource


def source_of(settings: Discovery) -> Source:
    """Return the configured source of backends."""
    match settings:
        case StaticDiscovery(backends=backends):
            return StaticSource(backends)
        case DnsDiscovery(name=name, port=port, interval=interval, timeout=timeout):
            return DnsSource(name, port, interval, timeout)
        case FileDiscovery(path=path, interval=interval):
            return FileSource(path, interval)
