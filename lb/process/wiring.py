"""Creates the parts that the configuration selects: health checks, sticky cookie, TLS, log file."""

from __future__ import annotations

from typing import TextIO

from ..config.schema import Config
from ..core.sticky_sessions import StickyCookie
from ..discovery.retention import Rules
from ..errors import ConfigError
from ..probes.active_check import ActiveCheck
from ..proxy.origin import NO_ENDPOINT, Origin
from ..proxy.proxy_protocol import encode
from .tls import Certificates


def sticky_cookie_of(config: Config) -> StickyCookie | None:
    """Return the configured sticky cookie, or None."""
    sticky = config.sticky
    if sticky is None:
        return None
    secrets = [secret.get_secret_value().encode() for secret in sticky.secrets]
    return StickyCookie(sticky.cookie, secrets, ttl=sticky.ttl, secure=sticky.secure)


def checks_of(config: Config) -> ActiveCheck:
    """Return the configured health checks. If backends get PROXY headers, each check first sends LOCAL or UNKNOWN."""
    send = config.proxy_protocol.send
    proxy_header = b"" if send == "off" else encode(send, Origin(NO_ENDPOINT, NO_ENDPOINT))
    return ActiveCheck(config.core_settings().health, proxy_header)


def certificates_of(config: Config) -> Certificates | None:
    """Return the certificates, or None without TLS. Raise ConfigError with a line for each unusable file."""
    return Certificates(config.tls) if config.tls is not None else None


def open_log(config: Config) -> TextIO | None:
    """Open and return the access log's file, or None if there is none. Raise ConfigError if it cannot be written."""
    path = config.access_log.path
    if path is None:
        return None
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"access_log.path: {path}: cannot be written: {error.strerror}"]) from error


def rules_of(config: Config) -> Rules:
    """Return the rules by which answers of discovery are applied or delayed."""
    return Rules(config.discovery.hold, config.discovery.max_loss)
