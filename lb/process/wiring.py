"""Parts that the configuration chooses: where backends come from, how they are checked, what ties clients to them."""

from __future__ import annotations

from typing import TextIO

from ..config.discovery_settings import DnsDiscovery, FileDiscovery, StaticDiscovery
from ..config.schema import Config
from ..core.affinity import StickyCookie
from ..discovery import Source
from ..discovery.dns import DnsSource
from ..discovery.file import FileSource
from ..discovery.retention import Rules
from ..discovery.static import StaticSource
from ..errors import ConfigError
from ..probes.active_check import ActiveCheck
from ..proxy.affinity_key import Stickiness
from ..proxy.origin import NOBODY, Origin
from ..proxy.proxy_protocol import encode
from .tls import Certificates


def stickiness_of(config: Config) -> Stickiness | None:
    """The sticky cookie that the configuration asks for."""
    sticky = config.sticky
    if sticky is None:
        return None
    secrets = [secret.get_secret_value().encode() for secret in sticky.secrets]
    return Stickiness(StickyCookie(sticky.cookie, secrets), ttl=sticky.ttl, secure=sticky.secure)


def checks_of(config: Config) -> ActiveCheck:
    """Return the active check of the configuration. Send PROXY LOCAL/UNKNOWN before each check if it asks for that."""
    send = config.proxy_protocol.send
    proxy_header = b"" if send == "off" else encode(send, Origin(NOBODY, NOBODY))
    return ActiveCheck(config.core_settings().health, proxy_header)


def certificates_of(config: Config) -> Certificates | None:
    """What TLS is ended with. Raises `ConfigError`: a line for each file that cannot be used."""
    return Certificates(config.tls) if config.tls is not None else None


def open_log(config: Config) -> TextIO | None:
    """The file that the access log goes to, if it has one. Raises `ConfigError`."""
    path = config.access_log.path
    if path is None:
        return None
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"access_log.path: {path}: cannot be written: {error.strerror}"]) from error


def source_of(config: Config) -> Source:
    """The source of backends that the configuration names."""
    match config.discovery:
        case StaticDiscovery(backends=backends):
            return StaticSource(backends)
        case DnsDiscovery(name=name, port=port, interval=interval, timeout=timeout):
            return DnsSource(name, port, interval, timeout)
        case FileDiscovery(path=path, interval=interval):
            return FileSource(path, interval)


def rules_of(config: Config) -> Rules:
    """Return how far the answers of discovery are trusted."""
    return Rules(config.discovery.hold, config.discovery.max_loss)
